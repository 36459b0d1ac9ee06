"""What the storage service accepts, checked before it is asked, so that both engines refuse the same things.

The emulator takes larger rows, more columns and stranger names than the service does, and the embedded engine would
take anything: without these checks a mistake shows up only in Azure. Each check raises `LimitExceeded`, naming the
limit, the column and the actual size, never the value. Sizes are in bytes unless the name says otherwise; text counts
in UTF-16, as the service stores it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from hub.errors import LimitExceeded
from hub.storage.ports import MAX_HIDDEN_SECONDS, Change, Delete, Value, Values

MAX_COLUMNS: Final = 252
"""The service counts 255, three of which (partition, key, timestamp) are its own."""
MAX_ROW_BYTES: Final = 1024 * 1024
MAX_COLUMN_BYTES: Final = 64 * 1024
MAX_COLUMN_NAME_CHARACTERS: Final = 255
MAX_KEY_CHARACTERS: Final = 512
MAX_CHANGES: Final = 100
MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
MAX_PAGE_ROWS: Final = 1000
MAX_MESSAGE_BYTES: Final = 49_152
"""64 KiB once it is base64, which is how a message travels."""
MAX_RECEIVED_MESSAGES: Final = 32
MIN_RECEIVE_HIDDEN_SECONDS: Final = 1.0
MAX_BLOB_NAME_CHARACTERS: Final = 1024

_LEAST_INTEGER, _GREATEST_INTEGER = -(2**63), 2**63 - 1
_CHANGE_ENVELOPE_BYTES: Final = 1024
"""What one change adds to a transaction's body beside its row: boundaries, request line and headers, address, ETag."""
_COLUMN_ENVELOPE_BYTES: Final = 64
"""Quotes, colons, commas and the type annotation of one column."""

_NOT_IN_KEYS = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f]")
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")
_TABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,62}")
_DASHED_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", re.DOTALL)
_NOT_IN_BLOB_NAMES = re.compile("[\\\\\x00-\x1f\x7f-\x9f]")
_SYSTEM_COLUMNS = frozenset({"PartitionKey", "RowKey", "Timestamp"})


# --- rows ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def check_table(table: str) -> None:
    """A table's name: 3 to 63 letters and digits, a letter first."""
    if not _TABLE_NAME.fullmatch(table):
        raise LimitExceeded(f"The table name {table[:80]!r} is not 3 to 63 ASCII letters and digits, a letter first.")


def check_keys(partition: str, key: str) -> None:
    """An address: each part 1 to 512 characters, none of `/ \\ # ?`, no control characters, none beyond U+FFFF.

    The service would take an empty key, which no page that starts after "" could list, and characters beyond U+FFFF,
    which it sorts by their UTF-16 halves and so before U+E000: both are refused so that every engine has one order.
    """
    _check_key("partition", partition)
    _check_key("key", key)


def check_query(partition: str, after: str, before: str | None, limit: int) -> None:
    """A page: 1 to 1000 rows; the partition as a key is, the ends of the range without what would change the order."""
    _check_key("partition", partition)
    for name, end in (("after", after), ("before", before or "")):
        if not end.isascii() and _BEYOND_BMP.search(end):
            raise LimitExceeded(f"The end {name!r} of a range of keys holds a character beyond U+FFFF.")
        _utf16_units(f"the end {name!r} of a range of keys", end)
    if not 1 <= limit <= MAX_PAGE_ROWS:
        raise LimitExceeded(f"A page of {limit} rows was asked for; 1 to {MAX_PAGE_ROWS} are allowed.")


def check_search(partition: str, after: str, limit: int, most: int) -> None:
    """A page as `check_query` has it, and at least one row to look at."""
    check_query(partition, after, None, limit)
    if most < 1:
        raise LimitExceeded(f"A search among {most} rows was asked for; 1 or more are allowed.")


def check_row(partition: str, key: str, values: Values) -> int:
    """A whole row: its address, its columns and the size of all. Returns that size."""
    check_keys(partition, key)
    size = 4 + 2 * (len(partition) + len(key)) + check_columns(values)
    if size > MAX_ROW_BYTES:
        raise LimitExceeded(f"The row is {size} bytes; {MAX_ROW_BYTES} are allowed.")
    return size


def check_columns(values: Values) -> int:
    """Columns one by one, as a merge brings them. Returns their size by the formula the service documents:

    for each column 8 bytes, two for each character of its name, and the size of its value.
    """
    if len(values) > MAX_COLUMNS:
        raise LimitExceeded(f"The row has {len(values)} columns; {MAX_COLUMNS} are allowed.")
    size = 0
    for name, value in values.items():
        check_column_name(name)
        size += 8 + 2 * len(name) + _value_bytes(name, value)
    return size


@lru_cache(maxsize=4096)
def check_column_name(name: str) -> None:
    """A column's name: an identifier of 1 to 255 characters that is not one of the service's own."""
    if len(name) > MAX_COLUMN_NAME_CHARACTERS:
        limit = MAX_COLUMN_NAME_CHARACTERS
        raise LimitExceeded(f"The column name {name[:40]!r}... is {len(name)} characters; {limit} are allowed.")
    if not name.isidentifier() or _BEYOND_BMP.search(name):
        raise LimitExceeded(f"The column name {name!r} is not an identifier: letters, digits and _, no digit first.")
    if name in _SYSTEM_COLUMNS:
        raise LimitExceeded(f"The column name {name!r} belongs to the service.")


def check_changes(partition: str, changes: Sequence[Change]) -> None:
    """A transaction: at most 100 changes, each row once, at most 4 MiB as it is sent."""
    if len(changes) > MAX_CHANGES:
        raise LimitExceeded(f"The transaction has {len(changes)} changes; {MAX_CHANGES} are allowed.")
    seen: set[str] = set()
    size = 0
    for change in changes:
        if change.key in seen:
            raise LimitExceeded("The transaction names one row twice; each row is allowed once.")
        seen.add(change.key)
        size += _check_change(partition, change)
    if size > MAX_TRANSACTION_BYTES:
        raise LimitExceeded(f"The transaction is {size} bytes as it is sent; {MAX_TRANSACTION_BYTES} are allowed.")


def _check_change(partition: str, change: Change) -> int:
    if isinstance(change, Delete):
        check_keys(partition, change.key)
        return _CHANGE_ENVELOPE_BYTES
    check_row(partition, change.key, change.values)
    return _CHANGE_ENVELOPE_BYTES + _sent_bytes(change.values)


def _sent_bytes(values: Mapping[str, Value]) -> int:
    """The length of the columns as JSON, where text beyond ASCII is escaped and bytes are base64."""
    size = 0
    for name, value in values.items():
        size += _COLUMN_ENVELOPE_BYTES + 12 * len(name)
        size += 4 * len(value) // 3 + 4 if isinstance(value, bytes) else len(json.dumps(value))
    return size


def _check_key(part: str, key: str) -> None:
    if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
        raise LimitExceeded(f"The {part} is {len(key)} characters; 1 to {MAX_KEY_CHARACTERS} are allowed.")
    if found := _NOT_IN_KEYS.search(key):
        raise LimitExceeded(f"The {part} holds U+{ord(found[0]):04X}; / \\ # ? and control characters are not allowed.")
    if not key.isascii():
        if found := _BEYOND_BMP.search(key):
            raise LimitExceeded(f"The {part} holds U+{ord(found[0]):X}; characters beyond U+FFFF are not allowed.")
        _utf16_units(f"the {part}", key)


def _value_bytes(name: str, value: Value) -> int:
    if isinstance(value, str):
        return _text_bytes(name, value)
    if isinstance(value, bool):
        return 1
    if isinstance(value, int):
        return _integer_bytes(name, value)
    if isinstance(value, float):
        return _float_bytes(name, value)
    if isinstance(value, bytes):
        return _binary_bytes(name, value)
    # Nothing else is a Value, but what slipped past the type checker must not be stored as something it is not.
    raise LimitExceeded(f"The column {name!r} is a {type(value).__name__}; str, int, bool, float, bytes are allowed.")


def _text_bytes(name: str, value: str) -> int:
    units = _utf16_units(f"the column {name!r}", value)
    if 2 * units > MAX_COLUMN_BYTES:
        limit = MAX_COLUMN_BYTES // 2
        raise LimitExceeded(f"The column {name!r} is {units} characters of UTF-16; {limit} are allowed.")
    return 2 * units + 4


def _binary_bytes(name: str, value: bytes) -> int:
    if len(value) > MAX_COLUMN_BYTES:
        raise LimitExceeded(f"The column {name!r} is {len(value)} bytes; {MAX_COLUMN_BYTES} are allowed.")
    return len(value) + 4


def _integer_bytes(name: str, value: int) -> int:
    if not _LEAST_INTEGER <= value <= _GREATEST_INTEGER:
        raise LimitExceeded(f"The column {name!r} is an integer of {value.bit_length()} bits; 64 signed are allowed.")
    return 8


def _float_bytes(name: str, value: float) -> int:
    if not math.isfinite(value):
        raise LimitExceeded(f"The column {name!r} is not a finite number, which is all that is allowed.")
    return 8


def _utf16_units(what: str, text: str) -> int:
    if text.isascii():
        return len(text)
    try:
        return len(text.encode("utf-16-le")) // 2
    except UnicodeEncodeError:
        raise LimitExceeded(f"{what[0].upper()}{what[1:]} holds half a character (a lone surrogate).") from None


# --- messages --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def check_queue(queue: str) -> None:
    """A queue's name: 3 to 63 small letters, digits and single dashes, no dash at either end."""
    _check_dashed_name("queue", queue)


def check_body(body: str) -> None:
    """A message's body: at most 49 152 bytes of UTF-8."""
    try:
        size = len(body.encode())
    except UnicodeEncodeError:
        raise LimitExceeded("The message holds half a character (a lone surrogate).") from None
    if size > MAX_MESSAGE_BYTES:
        raise LimitExceeded(f"The message is {size} bytes; {MAX_MESSAGE_BYTES} are allowed.")


def check_count(count: int) -> None:
    """How many messages may be received at once: 1 to 32."""
    if not 1 <= count <= MAX_RECEIVED_MESSAGES:
        raise LimitExceeded(f"{count} messages were asked for at once; 1 to {MAX_RECEIVED_MESSAGES} are allowed.")


def hidden_for(seconds: float, *, least: float = 0.0) -> float:
    """How long a message is hidden when so many seconds were asked for: shortened to 6 days, raised to `least`.

    A receive hides for at least `MIN_RECEIVE_HIDDEN_SECONDS`. Raises `LimitExceeded` for less than zero and for NaN.
    """
    if not seconds >= 0:
        raise LimitExceeded(f"A message cannot be hidden for {seconds} seconds; 0 or more are allowed.")
    return max(least, min(seconds, MAX_HIDDEN_SECONDS))


# --- blobs -----------------------------------------------------------------------------------------------------------


def check_blob(container: str, name: str) -> None:
    """A blob's address: the container named as a queue is, the name 1 to 1024 characters.

    A name holds no backslash and no control character, and no path segment is empty or ends with a dot: the service, or
    a client on the way to it, would rewrite the address.
    """
    check_container(container)
    units = _utf16_units("the blob name", name)
    if not 1 <= units <= MAX_BLOB_NAME_CHARACTERS:
        raise LimitExceeded(f"The blob name is {units} characters; 1 to {MAX_BLOB_NAME_CHARACTERS} are allowed.")
    if _NOT_IN_BLOB_NAMES.search(name):
        raise LimitExceeded("The blob name holds a backslash or a control character, which are not allowed.")
    if any(not segment or segment.endswith(".") for segment in name.split("/")):
        raise LimitExceeded("The blob name has a path segment that is empty or ends with a dot.")


@lru_cache(maxsize=256)
def check_container(container: str) -> None:
    """A container's name: 3 to 63 small letters, digits and single dashes, no dash at either end."""
    _check_dashed_name("container", container)


def _check_dashed_name(what: str, name: str) -> None:
    if not _DASHED_NAME.fullmatch(name):
        allowed = "3 to 63 small letters, digits and single dashes inside"
        raise LimitExceeded(f"The {what} name {name[:80]!r} is not {allowed}.")
