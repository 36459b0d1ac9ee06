"""Receipts and deliveries on both storage engines."""

from __future__ import annotations

from hub.model.receipt import Verdict
from hub.rules import ids
from hub.storage.receipt_rows import SPREAD, ReceiptRows, day_of
from tests.life.hooks import configure, deliver
from tests.life.rig import LifeRig

LARGE = b"\xff" * 60_000


async def test_a_webhooks_rows_from_their_writing_to_their_end(either: LifeRig) -> None:
    hub = either.hub
    event_types = {"GO": {"filter": "body.ok"}, "ALL": {"filter": "body.ok", "payload": "body"}}
    key = await configure(hub, event_types, dedupe={"header": "X-Delivery", "hours": 1})
    fired = await deliver(hub, key, b'{"ok": true}', x_delivery="d-1", user_agent="grün")
    again = await deliver(hub, key, b'{"ok": true}', x_delivery="d-1")
    unfired = await deliver(hub, key, LARGE, x_delivery="d-2", content_type="application/octet-stream")
    assert [line.event_id for line in again.lines] == [line.event_id for line in fired.lines]

    listed = hub.sources.receipt_list
    page = await listed.page("HOOK", after=None, limit=10)
    assert {each.verdict for each in page.items} == {Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.UNFIRED}
    assert page.reached is None
    first = await listed.page("hook", after=None, limit=1)
    rest = await listed.page("hook", after=first.reached, limit=10)
    assert [*first.items, *rest.items] == page.items

    accepted, body = await listed.body("hook", fired.receipt_id)
    assert (accepted.headers["user-agent"], body) == ("grün", b'{"ok": true}')
    assert (await listed.body("hook", unfired.receipt_id))[1] == LARGE
    replayed = await hub.sources.replays.replay("hook", fired.receipt_id)
    assert replayed.event is not None
    assert (await either.read(replayed.event.id)).replay_of == fired.receipt_id

    rows = ReceiptRows(hub.storage.tables)
    days = {day_of(ids.time_of(each.receipt_id)) for each in (again, unfired)}  # midnight may lie between
    found = {(day, part): await rows.expired(day, part, 100) for day in days for part in SPREAD}
    assert sum(len(each) for each in found.values()) == 2
    for (day, part), expired in found.items():
        await rows.remove(day, part, expired)
        await rows.remove(day, part, expired)  # another process was as quick
    assert [each.verdict for each in (await listed.page("hook", after=None, limit=10)).items] == [Verdict.ACCEPTED] * 2
