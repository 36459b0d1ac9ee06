"""The status address that a webhook's caller is given: how one event stands, for who fired it and nobody else."""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from hub.errors import Invalid, Missing, NotFound
from hub.life.context import LifeContext
from hub.model.event import Event
from hub.rules import ids
from hub.signing import Signer
from hub.storage import keys
from hub.storage.codec import text_of_time

FORMAT = 1
STATUS_VALID = timedelta(days=7)


class Statuses:
    """Signs status addresses and answers them."""

    def __init__(self, context: LifeContext, signer: Signer) -> None:
        self._life = context
        self._signer = signer

    async def event(self, event_id: str, token: str) -> Event:
        """The event that a status address is about. Raises `NotFound` for one that is not, or no longer, good."""
        try:
            signed_id, expires, *number = self._signer.read(token).decode().split(" ")
            if number not in ([], [str(FORMAT)]):  # the first ones had no number, and are of format 1
                raise NotFound
            good = hmac.compare_digest(signed_id, ids.check(event_id))
            if good and self._life.clock.now() < datetime.fromisoformat(expires):
                return (await self._life.events.get(signed_id)).event
        except (Invalid, ValueError, Missing):
            pass
        raise NotFound

    async def result(self, event: Event) -> dict[str, Any]:
        """What came of an event that has ended, for a caller that waited for it. Raises `Unavailable`."""
        data = None
        if event.result_data is not None:
            with suppress(Missing):  # retention has been quicker
                data = json.loads(await self._life.contents.load(keys.RESULTS, event.result_data))
        return {
            "result_code": event.result_code,
            "result_message": event.result_message,
            "result_data": data,
            "finished_at": text_of_time(event.finished_at) if event.finished_at else None,
        }

    def token(self, event_id: str) -> str:
        """What makes a status address good, for seven days."""
        expires = (self._life.clock.now() + STATUS_VALID).isoformat(timespec="seconds")
        return self._signer.sign(f"{event_id} {expires} {FORMAT}".encode())
