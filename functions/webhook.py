"""Webhooks, and the status address that their callers are given."""

from __future__ import annotations

from typing import Any

import azure.functions as func

from functions.endpoint import document, endpoint
from hub.model.event import Event
from hub.process import hub
from hub.sources.request import Request
from hub.sources.webhook import Verdict
from hub.storage.codec import text_of_time
from hub.wiring import Hub

webhooks = func.Blueprint()


@webhooks.route("hooks/{key}", methods=["POST", "PUT"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def webhook(req: func.HttpRequest) -> func.HttpResponse:
    """Fire what the request fires: 202, and where to ask how it went."""
    here = await hub()
    here.upkeep.traffic()
    request = Request(req.method, req.headers, req.params, req.get_body())
    verdicts = await here.webhooks.receive(req.route_params["key"], request)
    return document(accepted(here, verdicts), 202)


@webhooks.route("hooks/status/{id}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def webhook_status(req: func.HttpRequest) -> func.HttpResponse:
    """How an event stands, for who fired it and nobody else."""
    event = await (await hub()).webhooks.status(req.route_params["id"], req.params.get("t", ""))
    return document(
        {
            "event_id": event.id,
            "state": event.state,
            "result_code": event.result_code,
            "finished_at": text_of_time(event.finished_at) if event.finished_at else None,
        }
    )


def accepted(here: Hub, verdicts: list[Verdict]) -> dict[str, Any]:
    """What the caller is told: the first event by itself, and what became of each event type."""
    fired: Event | None = next((each.event for each in verdicts if each.event is not None), None)
    return {
        "event_id": fired.id if fired else None,
        "state": fired.state if fired else None,
        "status_url": _status_url(here, fired) if fired else None,
        "events": [
            {
                "event_type": each.event_type,
                "event_id": each.event.id if each.event else None,
                "fired": each.event is not None,
                "reason": each.reason,
            }
            for each in verdicts
        ],
    }


def _status_url(here: Hub, event: Event) -> str:
    return f"{here.options.public_url or ''}/hooks/status/{event.id}?t={here.webhooks.status_token(event.id)}"
