"""A sink's credential is exchanged for another, by the sink itself and without an interruption.

The old one stays valid for a while. The exchange may be repeated, as an enrolment may: what is answered is computed
from what the sink said, so an answer that was lost on the way is given again.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from hub.clock import Clock
from hub.errors import NotAuthenticated, Rejected
from hub.model.sink import Sink
from hub.people.secret_text import SINK_PREFIX, digest
from hub.people.tokens import Newest
from hub.storage.configuration import Configuration, Edit, Entry, RowKind, Write
from hub.wire import Rotated

OVERLAP: Final = timedelta(hours=1)
"""Longer than any call an agent has under way, and than it tries to hear the answer."""


class Rotation:
    """Gives sinks new credentials. `mac` is keyed with the root key.

    `rotate_after_seconds`: how old a credential gets before its sink asks for another; None: it never does.
    """

    def __init__(
        self,
        newest: Newest,
        write: Write,
        clock: Clock,
        mac: Callable[[bytes], str],
        rotate_after_seconds: float | None,
    ) -> None:
        self._newest = newest
        self._write = write
        self._clock = clock
        self._mac = mac
        self._rotate_after_seconds = rotate_after_seconds

    async def rotate(self, sink: Sink, credential: str, nonce: str) -> Rotated:
        """Another credential for the sink that called with this one.

        Raises `Rejected` for a credential that was exchanged before, with another nonce; `NotAuthenticated` when the
        sink was removed meanwhile.
        """
        following = SINK_PREFIX + self._mac(json.dumps(["rotate", sink.name, credential, nonce]).encode())
        sha256, now = digest(following), self._clock.now().replace(microsecond=0)
        written: list[Entry] = []

        def decide(seen: Configuration) -> Edit:
            entry = seen.get(RowKind.SINK, sink.name)
            if entry is None or not isinstance(entry.model, Sink):
                raise NotAuthenticated("this credential is not valid: the sink was removed")
            if hmac.compare_digest(entry.sha256, sha256):
                written[:] = [entry]
                return Edit()  # this very call, once more
            if not hmac.compare_digest(entry.sha256, digest(credential)):
                raise Rejected("this credential was exchanged for another before: use that one")
            model = entry.model.model_copy(update={"credential_at": now})
            written[:] = [
                replace(entry, model=model, sha256=sha256, old_sha256=entry.sha256, old_sha256_until=now + OVERLAP)
            ]
            return Edit(put=written)

        await self._write(decide)
        until = written[0].old_sha256_until
        assert until is not None, "it was rotated at least once"
        return Rotated(credential=following, valid_until=until, rotate_after_seconds=self._rotate_after_seconds)
