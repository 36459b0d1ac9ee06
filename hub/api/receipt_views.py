"""What the API answers of receipts, as models."""

from __future__ import annotations

from typing import Any

from hub.api.views import Time, View
from hub.model.receipt import Fate, KeptBody, Line, Receipt, Verdict


class ReceiptLine(View):
    """What became of a request or event for one event type."""

    event_type: str
    fate: Fate
    event_id: str | None
    reason: str | None

    @classmethod
    def of(cls, line: Line) -> ReceiptLine:
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


class ReceiptView(View):
    """What became of one request to a webhook or event from Event Grid; `counted`: of many refused within a minute."""

    id: str
    source: str
    at: Time
    verdict: Verdict
    status: int
    reason: str | None
    method: str
    caller: str | None
    size: int
    sha256: str | None
    headers: dict[str, str]
    event_types: list[ReceiptLine]
    event_ids: list[str]
    replayable: bool
    """Its body was kept."""
    replay_of: str | None
    duplicate_of: str | None
    count: int
    counts: dict[str, int]

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptView:
        told: dict[str, Any] = {
            "event_types": [ReceiptLine.of(each) for each in receipt.event_types],
            "event_ids": [each.event_id for each in receipt.event_types if each.event_id is not None],
            "replayable": receipt.body is not KeptBody.NOWHERE,
        }
        plain = {name: getattr(receipt, name) for name in cls.model_fields if name not in told}
        return cls(**plain, **told)


class ReceiptList(View):
    """Receipts, the newest first. With a cursor there may be more that are older than `searched_to`."""

    items: list[ReceiptView]
    cursor: str | None
    searched_to: Time | None


class Replayed(View):
    """What a replay fired."""

    receipt_id: str
    """The receipt of the replay."""
    event_id: str | None
    event_types: list[ReceiptLine]
