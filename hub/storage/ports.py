"""What the hub asks of storage: rows with ETags, queues with visibility, blobs.

Both engines (`azure/`, `embedded/`) carry these ports and pass the one suite in `tests/contract`. Errors are those of
`hub/errors.py` and nothing else; every call may also raise `Unavailable`, and then may have taken effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from hub.storage.counting import OperationCounter

Value: TypeAlias = str | int | bool | float | bytes
"""What a column holds. Integers are 64 bit; times are text (`codec.py`); absent is not there, never null."""

Values: TypeAlias = Mapping[str, Value]

ANY_ETAG = "*"
"""In place of an ETag: whatever version is there."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read. Its ETag stands for exactly this version."""

    partition: str
    key: str
    values: Values
    etag: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has come to."""

    rows: list[Row]
    reached: str | None
    """The key up to which every row was looked at: the search goes on after it. None: there is nothing more."""


@dataclass(frozen=True, slots=True)
class Insert:
    """In a transaction: a row that must not be there yet."""

    key: str
    values: Values


@dataclass(frozen=True, slots=True)
class Put:
    """In a transaction: a row, whether it was there or not."""

    key: str
    values: Values


@dataclass(frozen=True, slots=True)
class Replace:
    """In a transaction: all columns of a row that is still the one read."""

    key: str
    values: Values
    etag: str


@dataclass(frozen=True, slots=True)
class Delete:
    """In a transaction: a row that is still the one read."""

    key: str
    etag: str


Change: TypeAlias = Insert | Put | Replace | Delete


class Tables(Protocol):
    """Rows, addressed by table, partition and key; ordered by key (ordinal) inside a partition."""

    async def insert(self, table: str, partition: str, key: str, values: Values) -> str:
        """Add a row and return its ETag. Raises `Exists`, `LimitExceeded`."""
        ...

    async def get(self, table: str, partition: str, key: str) -> Row:
        """Read one row. Raises `Missing`."""
        ...

    async def put(self, table: str, partition: str, key: str, values: Values) -> str:
        """Write all columns of a row, whether it is there or not, and return its ETag.

        For rows no two writers race for. Raises `LimitExceeded`.
        """
        ...

    async def replace(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        """Write all columns of the version read, and return the new ETag. Raises `Changed`, `Missing`."""
        ...

    async def merge(self, table: str, partition: str, key: str, values: Values, etag: str) -> str:
        """Write these columns of the version named, keep the others, return the new ETag. Raises `Changed`, `Missing`.

        A merge cannot remove a column: write an empty value instead.
        """
        ...

    async def delete(self, table: str, partition: str, key: str, etag: str) -> None:
        """Remove the version read. Raises `Changed`, `Missing`."""
        ...

    async def query(
        self,
        table: str,
        partition: str,
        *,
        after: str = "",
        before: str | None = None,
        limit: int = 1000,
        select: Sequence[str] | None = None,
        where: Values | None = None,
    ) -> list[Row]:
        """Rows of one partition with `after` < key < `before`, in key order, at most `limit` (≤ 1000).

        Fewer than `limit` means the end was reached; else go on with `after` = the last key. `select` names the
        columns to read (others are absent), `where` keeps only rows whose columns equal these values (a row without
        the column is left out). It looks at every row of the range until it has enough: in a partition that may be
        large, `search`.
        """
        ...

    async def search(
        self,
        table: str,
        partition: str,
        *,
        where: Values,
        after: str = "",
        limit: int = 1000,
        most: int = 1000,
        select: Sequence[str] | None = None,
    ) -> Found:
        """Rows with key > `after` whose columns equal these values, in key order, at most `limit` (≤ 1000).

        It ends early rather than look at many more rows than `most` (≥ 1), be it with none found: what a call costs
        does not grow with the partition. Rows that `keys.SOUGHT` names are found at once where the engine has an index
        of them. `select` is as for `query`.
        """
        ...

    async def transact(self, table: str, partition: str, changes: Sequence[Change]) -> None:
        """Do all of these or none, each row once, at most 100. Raises `Exists`, `Changed`, `Missing`."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was received. The receipt dies at the next receive or update by anybody."""

    id: str
    receipt: str
    body: str
    dequeue_count: int
    inserted_at: datetime


class Queues(Protocol):
    """Queues made on first use. A message lives until it is deleted; a hidden one comes back by itself.

    Hiding lasts at most `MAX_HIDDEN_SECONDS`: a longer one is shortened by the engine, and the reader hides it again.
    """

    async def put(self, queue: str, body: str, *, hidden_seconds: float = 0) -> None:
        """Add a message that never expires. Raises `LimitExceeded`."""
        ...

    async def receive(self, queue: str, *, count: int, hidden_seconds: float) -> list[Message]:
        """Take up to `count` (≤ 32) visible messages, oldest first, and hide them. None there: an empty list."""
        ...

    async def update(
        self, queue: str, message_id: str, receipt: str, *, hidden_seconds: float, body: str | None = None
    ) -> str:
        """Hide the message for so long from now (0: visible at once), return its new receipt. Raises `StaleReceipt`."""
        ...

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        """Remove the message. Raises `StaleReceipt`."""
        ...

    async def depth(self, queue: str) -> int:
        """About how many messages there are, hidden ones included."""
        ...


MAX_HIDDEN_SECONDS = 6 * 86_400.0
"""The service ends visibility at 7 days; a day less leaves room for the reader."""


class Blobs(Protocol):
    """Bytes by container and name, for what is too big for a row."""

    async def put(self, container: str, name: str, data: bytes) -> None:
        """Write a blob, over one that is there."""
        ...

    async def get(self, container: str, name: str) -> bytes:
        """Read a blob. Raises `Missing`."""
        ...

    async def get_part(self, container: str, name: str, first: int, count: int) -> bytes:
        """Read `count` of a blob's bytes from `first` on; fewer where it ends. Raises `Missing`.

        `first` lies before its end.
        """
        ...

    async def delete(self, container: str, name: str) -> None:
        """Remove a blob; one that is not there is fine."""
        ...


class Anchors(Protocol):
    """Small texts by name that are written once: what the audit said of itself. Nothing here changes or removes one.

    On Azure a container of blobs, which the infrastructure gives a write-once policy; beside the embedded engine's
    database a file that is only appended to.
    """

    async def add(self, name: str, data: bytes) -> None:
        """Write one, durably. `data` is one line. Raises `Exists`."""
        ...

    async def get(self, name: str) -> bytes:
        """Read one. Raises `Missing`."""
        ...

    async def names(self) -> list[str]:
        """All names, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Room:
    """Whether there is room for what is new. What goes on has a reserve, and goes on without it."""

    enough: bool = True
    free_bytes: int | None = None
    """On the disk; None: nobody looked, or it has no end."""


class Storage(Protocol):
    """One engine, opened."""

    @property
    def tables(self) -> Tables: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def blobs(self) -> Blobs: ...
    @property
    def anchors(self) -> Anchors: ...
    @property
    def operations(self) -> OperationCounter:
        """Every operation this engine carried out for this process, by kind."""
        ...

    def clock_offset(self) -> timedelta:
        """Storage's clock minus this process's, as last seen in an answer; zero where both are the same clock."""
        ...

    def room(self) -> Room:
        """Whether new events may be stored, as it was at most a second ago. Waits for nothing."""
        ...

    async def prepare(self) -> None:
        """Make the tables and containers that `keys.py` names, if they are not there."""
        ...

    async def close(self) -> None:
        """Let go of files and connections. What was acknowledged is already durable."""
        ...
