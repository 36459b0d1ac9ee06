"""What agents call: enrol, poll, and what a lease allows."""

from __future__ import annotations

import re
from typing import Final

import azure.functions as func

from functions.endpoint import answer, bearer_of, caller_address, calling_sink, endpoint, read
from hub.audit.attempt import Who
from hub.errors import Cloned, Invalid
from hub.model.audit import Result as AuditResult
from hub.process import hub
from hub.rules import ids
from hub.rules.callers import address_of
from hub.wire import (
    HOLD_HEADER,
    LEASE_HEADER,
    MAX_CALL_BYTES,
    PAUSE_HEADER,
    Enrol,
    Logs,
    Need,
    Poll,
    Renew,
    Result,
    Rotate,
)

agents = func.Blueprint()

SMALL_CALL_BYTES: Final = 256 * 1024
"""A poll with its capabilities, an enrolment, a renewal."""
_RANGE: Final = re.compile(r"bytes=([0-9]{1,12})-[0-9]{0,12}")


@agents.route("agent/enroll", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_enroll(req: func.HttpRequest) -> func.HttpResponse:
    """An enrolment token becomes a sink with a credential of its own."""
    call = await read(req, Enrol, SMALL_CALL_BYTES)
    here = await hub()
    who = Who(None, caller_address(here, req))
    async with here.audit.trail.attempt(who, "POST /agent/enroll", f"sinks/{call.name}") as attempt:
        enrolled = await here.people.enrolments.exchange(call, address_of(here.options.front_end, req.headers))
        attempt.is_by(f"sinks/{enrolled.sink}")
        attempt.status = 201
    return answer(enrolled, 201)


@agents.route("agent/credential", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_credential(req: func.HttpRequest) -> func.HttpResponse:
    """Another credential for the sink that asks; the one it asked with stays valid for a while."""
    here, sink = await calling_sink(req)
    call = await read(req, Rotate, SMALL_CALL_BYTES)
    who = Who(f"sinks/{sink.name}", caller_address(here, req))
    async with here.audit.trail.attempt(who, "POST /agent/credential", f"sinks/{sink.name}") as attempt:
        rotated = answer(await here.people.rotation.rotate(sink, bearer_of(req), call.nonce))
        attempt.status = 200
    return rotated


@agents.route("agent/poll", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_poll(req: func.HttpRequest) -> func.HttpResponse:
    """Work for the sink that asks, held until there is some."""
    here, sink = await calling_sink(req)
    here.upkeep.traffic()
    call = await read(req, Poll, SMALL_CALL_BYTES)
    who = Who(f"sinks/{sink.name}", caller_address(here, req))
    try:
        polled = await here.polls.poll(sink, call, who.address)
    except Cloned as error:
        if error.who is not None:
            action = "POST /agent/poll"
            await here.audit.trail.record(
                who, action, str(who.actor), AuditResult.REFUSED, status=409, reason=error.who
            )
        raise
    if polled.tasks or polled.commands:
        return answer(polled)
    steering = {HOLD_HEADER: f"{polled.settings.hold:g}", PAUSE_HEADER: f"{polled.settings.pause:g}"}
    return func.HttpResponse(status_code=204, headers=steering)


@agents.route("agent/modules/{digest}", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_modules(req: func.HttpRequest) -> func.HttpResponse:
    """A piece of a bundle, to the sink that holds an attempt which runs it."""
    here, sink = await calling_sink(req)
    first, token = _first_byte(req), req.headers.get(LEASE_HEADER, "")
    piece = await here.agents.bundle(sink.name, token, req.route_params["digest"], first)
    span = f"bytes {piece.first}-{piece.first + len(piece.data) - 1}/{piece.size}"
    headers = {"Content-Range": span, "Cache-Control": "no-store"}
    return func.HttpResponse(piece.data, status_code=206, headers=headers, mimetype="application/zip")


@agents.route("agent/events/{id}/secrets", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_secrets(req: func.HttpRequest) -> func.HttpResponse:
    """The values of the secrets that the attempt needs, to the sink that holds it."""
    here, sink = await calling_sink(req)
    call = await read(req, Need, SMALL_CALL_BYTES)
    return answer(await here.agents.secrets(sink.name, event_id(req), call, caller_address(here, req)))


@agents.route("agent/events/{id}/renew", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_renew(req: func.HttpRequest) -> func.HttpResponse:
    """The lease goes on."""
    here, sink = await calling_sink(req)
    call = await read(req, Renew, SMALL_CALL_BYTES)
    return answer(await here.agents.renew(sink.name, event_id(req), call))


@agents.route("agent/events/{id}/logs", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_logs(req: func.HttpRequest) -> func.HttpResponse:
    """A chunk of the attempt's log."""
    here, sink = await calling_sink(req)
    call = await read(req, Logs, MAX_CALL_BYTES)
    return answer(await here.agents.logs(sink.name, event_id(req), call))


@agents.route("agent/events/{id}/result", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@endpoint
async def agent_result(req: func.HttpRequest) -> func.HttpResponse:
    """How the attempt ended, or that it is handed back."""
    here, sink = await calling_sink(req)
    call = await read(req, Result, MAX_CALL_BYTES)
    return answer(await here.agents.result(sink.name, event_id(req), call))


def event_id(req: func.HttpRequest) -> str:
    """The id in the address. Raises `Invalid`."""
    return ids.check(req.route_params["id"])


def _first_byte(req: func.HttpRequest) -> int:
    """Where the piece begins that is asked for, as `Range: bytes=N-`. Raises `Invalid`."""
    wanted = _RANGE.fullmatch(req.headers.get("range", ""))
    if wanted is None:
        raise Invalid("a bundle is read piece by piece: send Range: bytes=N-, with the first byte that is wanted")
    return int(wanted[1])
