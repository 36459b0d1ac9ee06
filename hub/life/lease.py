"""The lease: a sink's right to one attempt, as a signed token that carries what a write needs to know."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub.errors import Invalid
from hub.rules.lifecycle import Edges, Holding
from hub.signing import Signer
from hub.storage.codec import check_format, text_of_time, time_of_text

TOKEN_FORMAT = 1
_TIMES = ("claimed_at", "lease_until", "run_until")


@dataclass(frozen=True, slots=True)
class Lease:
    """One claim, as its holder shows it.

    The claim id is the fence. ETag and receipt are only what the last write left behind: they save a read, and may be
    stale when an answer was lost or somebody marked the row.
    """

    holding: Holding
    queue: str
    etag: str
    message_id: str
    receipt: str
    lease_seconds: int
    slot: int | None = None
    """Which of its EventType's `max_running` slots it occupies."""

    @property
    def event_id(self) -> str:
        return self.holding.event_id

    @property
    def claim_id(self) -> str:
        return self.holding.claim_id

    def renewed(self, *, etag: str, receipt: str, lease_until: datetime) -> Lease:
        return replace(self, etag=etag, receipt=receipt, holding=replace(self.holding, lease_until=lease_until))


class LeaseTokens:
    """Signs leases and reads them back."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def issue(self, lease: Lease) -> str:
        held = lease.holding
        fields: dict[str, Any] = {name: getattr(held, name) for name in Holding.__slots__ if name != "edges"}
        fields.update({name: text_of_time(fields[name]) for name in _TIMES})
        if not held.silent:
            del fields["silent"]  # few are: the release before reads the tokens of all others
        fields["edges"] = [held.edges.on_success, held.edges.on_warning, held.edges.on_failure]
        rest = [lease.queue, lease.etag, lease.message_id, lease.receipt, lease.lease_seconds, lease.slot]
        document = {"format": TOKEN_FORMAT, "holding": fields, "rest": rest}
        return self._signer.sign(json.dumps(document, separators=(",", ":")).encode())

    def read(self, token: str, *, event_id: str | None, sink: str) -> Lease:
        """The lease, if it is for this sink, and for this event if one is named. Raises `Invalid`."""
        document = json.loads(self._signer.read(token))
        check_format("leases", document["format"], TOKEN_FORMAT)
        fields = document["holding"]
        if fields["sink"] != sink or event_id not in (None, fields["event_id"]):
            raise Invalid("this lease is for another event or another sink")
        fields.update({name: time_of_text(fields[name]) for name in _TIMES})
        fields["edges"] = Edges(*fields["edges"])
        queue, etag, message_id, receipt, lease_seconds, slot = document["rest"]
        return Lease(Holding(**fields), queue, etag, message_id, receipt, lease_seconds, slot)
