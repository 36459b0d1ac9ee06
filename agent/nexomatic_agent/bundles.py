"""The bundle of a task: from the cache or the hub, checked by its digest and its signature, before anything starts."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from nexomatic_agent.answers import HubError, LeaseOver, Refused
from nexomatic_agent.attempt import Attempt
from nexomatic_agent.bundle_cache import BundleCache, NoRoom
from nexomatic_agent.clearing import Clearing
from nexomatic_agent.retry import Backoff
from nexomatic_agent.runner import CannotRun
from nexomatic_agent.signing import TrustedKeys, Untrusted

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
"""The most that the hub answers at once."""
LOOK_SECONDS = 0.1
UNAVAILABLE = "BUNDLE_UNAVAILABLE"
"""It could not be had: not there, the hub away, no room."""
REFUSED = "BUNDLE_REFUSED"
"""It was had, or could be, and this agent does not run it."""

Get = Callable[[str, int], "tuple[bytes, int]"]
"""Some bytes of the bundle with this digest from that place on, and how many it has in all. Raises HubError."""


class Bundles:
    """Provides tasks with their bundles. One for the agent."""

    def __init__(self, cache: BundleCache, keys: TrustedKeys) -> None:
        self._cache = cache
        self._keys = keys

    def capabilities(self) -> list[str]:
        """What the hub is told: that bundles are fetched, and whose alone if anybody's."""
        return ["fetch", *(f"signed-by:{key_id}" for key_id in self._keys.ids)]

    @contextlib.contextmanager
    def provided(self, attempt: Attempt, get: Get, stopped: Callable[[], bool]) -> Iterator[Optional[Path]]:
        """The folder of the task's bundle, kept while it is used; None: its module is installed.

        Raises CannotRun. The hub is asked for half of the task's time at most: it counts the run time-out from the
        claim. `stopped` tells that the task is not to start any more.
        """
        if attempt.bundle is None:
            if self._keys:
                raise CannotRun(REFUSED, "the module is in no bundle, and this agent runs signed bundles only")
            yield None
            return
        digest, size = attempt.bundle_digest, attempt.bundle_size
        if digest is None or size is None:
            raise CannotRun(UNAVAILABLE, f"the hub does not say which bytes the bundle {attempt.bundle} has")
        try:
            self._keys.check(digest, attempt.bundle_signature)
        except Untrusted as error:
            raise CannotRun(REFUSED, f"the bundle {attempt.bundle} is refused: {error}") from None
        self._fetch(_Wanted(attempt.bundle, digest, size, get, stopped, attempt.timeout_seconds / 2))
        try:
            yield self._cache.path(digest)
        finally:
            self._cache.give_back(digest)

    def _fetch(self, wanted: _Wanted) -> None:
        """Take it, once it is there."""
        while not self._cache.take(wanted.digest):
            with self._cache.making(wanted.digest) as mine:
                if mine:
                    self._make(wanted)
            if not mine:
                wanted.wait(LOOK_SECONDS)  # another task needs it too, and fetches it

    def _make(self, wanted: _Wanted) -> None:
        from nexomatic_agent.bundle_zip import BadZip, measure, unpack  # `zipfile` is loaded once a bundle comes

        packed, unpacked = self._cache.aside(wanted.digest), self._cache.aside(wanted.digest)
        try:
            with self._cache.room(wanted.size):
                wanted.download(packed)
                size = measure(packed, self._cache.most_bytes)
                with self._cache.room(size):
                    unpack(packed, unpacked, self._cache.most_bytes)
                    self._cache.put(wanted.digest, unpacked, size)
        except BadZip as error:
            raise CannotRun(REFUSED, f"the bundle {wanted.name} is refused: {error}") from None
        except NoRoom as error:
            raise CannotRun(UNAVAILABLE, f"the bundle {wanted.name} cannot be kept: {error}") from None
        except OSError as error:
            raise CannotRun(UNAVAILABLE, f"the bundle {wanted.name} cannot be written: {error}") from None
        finally:
            for path in (packed, unpacked):
                Clearing(path).go_on()
        log.info("the bundle %s is here: sha256 %s, %d bytes", wanted.name, wanted.digest, wanted.size)


class _Wanted:
    """One bundle on its way."""

    def __init__(
        self, name: str, digest: str, size: int, get: Get, stopped: Callable[[], bool], seconds: float
    ) -> None:
        self.name = name
        self.digest = digest
        self.size = size
        self._get = get
        self._stopped = stopped
        self._until = time.monotonic() + seconds
        self._backoff = Backoff(random.random, most_seconds=5.0)

    def download(self, path: Path) -> None:
        """Write it, piece by piece, going on where it was cut off. Raises CannotRun, OSError."""
        digest, there = hashlib.sha256(), 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            while there < self.size:
                piece = self._piece(there)
                file.write(piece)
                digest.update(piece)
                there += len(piece)
        if digest.hexdigest() != self.digest:
            what = f"its bytes have the digest {digest.hexdigest()}, and not {self.digest}"
            raise CannotRun(REFUSED, f"the bundle {self.name} is refused: {what}")

    def _piece(self, first: int) -> bytes:
        while True:
            try:
                piece, size = self._get(self.digest, first)
            except (Refused, LeaseOver) as error:
                raise CannotRun(UNAVAILABLE, f"the bundle {self.name} cannot be had: {error}") from None
            except HubError as error:
                if error.kind == "403":
                    raise CannotRun(UNAVAILABLE, f"the bundle {self.name} cannot be had: {error}") from None
                self.wait(self._backoff.failed(error.retry_after), str(error))
                continue
            self._backoff.succeeded()
            if size != self.size:
                what = f"it has {size} bytes, and the task says {self.size}"
                raise CannotRun(REFUSED, f"the bundle {self.name} is refused: {what}")
            return piece

    def wait(self, seconds: float, why: str = "another task is fetching it") -> None:
        """Wait, unless the task is stopped or its patience is over: then raises CannotRun."""
        end = time.monotonic() + seconds
        while True:
            if self._stopped():
                raise CannotRun("STOPPED", f"the task was stopped before the bundle {self.name} was there")
            now = time.monotonic()
            if now >= self._until:
                what = f"the bundle {self.name} could not be had in half of the task's time: {why}"
                raise CannotRun(UNAVAILABLE, what)
            if now >= end:
                return
            time.sleep(min(LOOK_SECONDS, end - now))
