"""Webhooks, and the status address that their callers are given."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from functions.endpoint import document, endpoint
from hub.model.event import Event
from hub.model.receipt import Fate
from hub.process import hub
from hub.sources.request import Request
from hub.sources.webhook import Accepted, wait_of
from hub.storage.codec import text_of_time
from hub.wiring import Hub

webhooks = func.Blueprint()


@webhooks.route("hooks/{key}", methods=["POST", "PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Fire what the request fires: 202, and where to ask how it went; or, for one that waits, how it went."""
    here = await hub()
    here.upkeep.traffic()
    request = Request(req.method, req.headers, req.params, req.get_body())
    accepted = await here.sources.webhooks.receive(req.route_params["key"], request)
    if accepted.challenge is not None:
        return document({"challenge": accepted.challenge})
    seconds = wait_of(request)
    if accepted.event is None or not seconds:
        return document(told(here, accepted, accepted.event), 202)
    event = await here.waits.end_of(accepted.event, seconds)
    answer = told(here, accepted, event)
    return document(answer | await here.sources.statuses.result(event)) if event.state.final else document(answer, 202)


@webhooks.route("hooks/status/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def webhook_status(req: func.HttpRequest) -> func.HttpResponse:
    """How an event stands, for who fired it and nobody else."""
    event = await (await hub()).sources.statuses.event(req.route_params["id"], req.params.get("t", ""))
    return document(
        {
            "event_id": event.id,
            "state": event.state,
            "result_code": event.result_code,
            "finished_at": text_of_time(event.finished_at) if event.finished_at else None,
        }
    )


def told(here: Hub, accepted: Accepted, event: Event | None) -> dict[str, Any]:
    """What the caller is told: the first event by itself, and what became of each event type."""
    return {
        "event_id": next((each.event_id for each in accepted.lines if each.event_id is not None), None),
        "state": event.state if event else None,
        "status_url": _status_url(here, event) if event else None,
        "receipt_id": accepted.receipt_id,
        "duplicate": accepted.duplicate,
        "events": [
            {
                "event_type": each.event_type,
                "event_id": each.event_id,
                "fired": each.fate is Fate.FIRED,
                "reason": each.reason,
            }
            for each in accepted.lines
        ],
    }


def _status_url(here: Hub, event: Event) -> str:
    return f"{here.options.public_url or ''}/hooks/status/{event.id}?t={here.sources.statuses.token(event.id)}"
