"""One call of every route that changes something, as it succeeds: for the tests of the audit, which walk them all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlencode

from hub.life.operations import Operations
from tests.functions import nexo
from tests.functions.browsers import PASSWORD, Browser, invited
from tests.functions.shell import POLL, SINK_TYPE, Reply, Shell

ACTION = {"runtime": "python", "module": "m:f"}
EVENT_TYPE = {"sink_type": SINK_TYPE, "action": "go"}
SOURCE = {"kind": "WEBHOOK", "event_types": ["GO"]}


@dataclass(frozen=True)
class Call:
    """Where, with what, and what the audit calls it."""

    url: str
    resource: str
    body: Any = None
    browser: Browser | None = None
    """Who calls; None: the first admin."""
    actor: str = "first-admin"
    data: bytes | None = None
    """Sent as it is, in place of a body."""

    async def by(self, shell: Shell, method: str, **fields: Any) -> Reply:
        """Call. `fields` in place of those of the body; `token` for somebody else than who it is meant for."""
        token = fields.pop("token", "")
        body = {**self.body, **fields} if fields else self.body
        if self.browser is not None and token == "":
            return await self.browser(method, self.url, body if self.data is None else self.data)
        return await shell(method, self.url, body, data=self.data, token=token)


Prepare: TypeAlias = Callable[[Shell], Awaitable[Call]]


def plain(url: str, resource: str, body: Any = None) -> Prepare:
    """A call that needs nothing but `Shell.configure`."""

    async def prepare(_: Shell) -> Call:
        return Call(url, resource, body)

    return prepare


def of_new(kind: str, document: dict[str, Any] | None) -> Prepare:
    """The removal of a document that nobody names."""

    async def prepare(shell: Shell) -> Call:
        await shell.ok("PUT", f"/api/{kind}/new", document or {})
        return Call(f"/api/{kind}/new", f"{kind}/new")

    return prepare


async def cancel(shell: Shell) -> Call:
    event_id = await shell.fire()
    return Call(f"/api/events/{event_id}/cancel", f"events/{event_id}")


async def retry(shell: Shell) -> Call:
    event_id = await shell.fire()
    await shell.ok("POST", f"/api/events/{event_id}/cancel")
    return Call(f"/api/events/{event_id}/retry", f"events/{event_id}", {})


async def replay(shell: Shell) -> Call:
    url = (await shell.ok("GET", "/api/sources/hook"))["url"].removeprefix("https://hub.example.com")
    receipt_id = (await shell.ok("POST", url, {}, token=None))["event_id"]
    return Call(f"/api/sources/hook/receipts/{receipt_id}/replay", f"sources/hook/receipts/{receipt_id}")


async def cancel_operation(shell: Shell) -> Call:
    body = {"action": "cancel", "filter": {"event_type": "GO"}}
    with held_back(shell.hub.operations):
        made = await shell.ok("POST", "/api/events/bulk", body)
    return Call(f"/api/operations/{made['id']}/cancel", f"operations/{made['id']}")


@contextmanager
def held_back(operations: Operations) -> Iterator[None]:
    """Operations that begin here wait for the timer."""
    wake, operations.wake = operations.wake, lambda: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        operations.wake = wake  # type: ignore[method-assign]


async def fire(_: Shell) -> Call:
    return Call("/api/events", "events", {"event_type": "GO"})


async def remove_sink(shell: Shell) -> Call:
    await shell.enrol("box")
    return Call("/api/sinks/box", "sinks/box")


async def command_sink(shell: Shell) -> Call:
    await _come(shell, "told")
    return Call("/api/sinks/told/commands", "sinks/told", {"command": "restart"})


async def cancel_command(shell: Shell) -> Call:
    await _come(shell, "untold")
    order = await shell.ok("POST", "/api/sinks/untold/commands", {"command": "restart"})
    return Call(f"/api/sinks/untold/commands/{order['id']}", "sinks/untold")


async def _come(shell: Shell, name: str) -> None:
    """A sink of this name polls that knows commands."""
    offers = {"platform": "test", "runtimes": ["python"], "modules": [], "commands": ["restart"]}
    reply = await shell(
        "POST", "/agent/poll", {**POLL, "slots": 0, "capabilities": offers}, token=await shell.enrol(name)
    )
    assert reply.status == 204, reply.body


async def remove_secret(shell: Shell) -> Call:
    await shell.ok("PUT", "/api/secrets/old", {"value": "v"})
    return Call("/api/secrets/old", "secrets/old")


async def restore_secret(shell: Shell) -> Call:
    before = await shell.ok("PUT", "/api/secrets/older", {"value": "v"})
    await shell.ok("PUT", "/api/secrets/older", {"value": "w"}, if_match="*")
    return Call("/api/secrets/older/restore", "secrets/older", {"version": before["version"]})


async def push_bundle(_: Shell) -> Call:
    return Call("/api/modules/new@1", "modules/new@1", data=zipped())


async def remove_bundle(shell: Shell) -> Call:
    await shell("PUT", "/api/modules/old@1", data=zipped())
    return Call("/api/modules/old@1", "modules/old@1")


def zipped() -> bytes:
    """A bundle."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        bundle.writestr("tool.py", "def run(payload, params, context): pass")
    return made.getvalue()


async def revoke_token(shell: Shell) -> Call:
    await shell.ok("POST", "/api/tokens", {"name": "old", "role": "VIEWER"})
    return Call("/api/tokens/old", "tokens/old")


async def revoke_enrolment(shell: Shell) -> Call:
    made = await shell.ok("POST", "/api/enrolments", {"sink_type": SINK_TYPE})
    return Call(f"/api/enrolments/{made['id']}", f"enrolments/{made['id']}")


async def sign_in(shell: Shell) -> Call:
    await invited(shell, "ann")
    return Call("/api/session", "users/ann", {"user": "ANN", "password": PASSWORD}, Browser(shell), "users/ann")


async def sign_out(shell: Shell) -> Call:
    return Call("/api/session", "users/bob", None, await invited(shell, "bob"), "users/bob")


async def accept_invitation(shell: Shell) -> Call:
    made = await shell.ok("POST", "/api/users", {"name": "cleo", "role": "VIEWER"})
    body = {"invitation": made["invitation"], "password": PASSWORD}
    return Call("/api/session/invitation", "users/cleo", body, Browser(shell), "users/cleo")


async def change_password(shell: Shell) -> Call:
    body = {"password": PASSWORD, "new_password": "four other words and"}
    return Call("/api/me/password", "users/dan", body, await invited(shell, "dan"), "users/dan")


async def answer_nexo(shell: Shell) -> Call:
    browser = await invited(shell, "fay")
    data = urlencode({**nexo.ASKED, "answer": "allow", "csrf_token": browser.csrf_token}).encode()
    return Call("/api/session/nexo/answer", "session/nexo/answer", None, browser, "users/fay", data)


async def redeem_code(shell: Shell) -> Call:
    code = await nexo.allowed(await invited(shell, "gus"))
    return Call(
        "/api/session/nexo", "users/gus", {"code": code, "verifier": nexo.VERIFIER}, Browser(shell), "users/gus"
    )


def with_user(method_path: str, body: Any = None) -> Prepare:
    """A call about a user who is there."""

    async def prepare(shell: Shell) -> Call:
        name = f"user{len(shell.names)}"
        await shell.ok("POST", "/api/users", {"name": name, "role": "VIEWER"})
        return Call(f"/api/users/{name}{method_path}", f"users/{name}", body)

    return prepare


CALLS: dict[str, Prepare] = {
    "POST /api/session": sign_in,
    "DELETE /api/session": sign_out,
    "POST /api/session/invitation": accept_invitation,
    "POST /api/session/nexo": redeem_code,
    "POST /api/session/nexo/answer": answer_nexo,
    "PUT /api/me/password": change_password,
    "POST /api/users": plain("/api/users", "users/eve", {"name": "eve", "role": "VIEWER"}),
    "PATCH /api/users/{name}": with_user("", {"role": "ADMIN"}),
    "DELETE /api/users/{name}": with_user(""),
    "POST /api/users/{name}/invite": with_user("/invite"),
    "POST /api/reconcile": plain("/api/reconcile", "reconcile"),
    "POST /api/formats/finalise": plain("/api/formats/finalise", "formats/finalise"),
    "POST /api/events": fire,
    "POST /api/events/{id}/cancel": cancel,
    "POST /api/events/{id}/retry": retry,
    "POST /api/events/bulk": plain(
        "/api/events/bulk", "operations/", {"action": "cancel", "filter": {"event_type": "NONE"}}
    ),
    "POST /api/operations/{id}/cancel": cancel_operation,
    "PUT /api/configuration": plain("/api/configuration", "sink-types/NEW", {"sink_types": [{"name": "NEW"}]}),
    "PUT /api/sink-types/{name}": plain("/api/sink-types/NEW", "sink-types/NEW", {}),
    "PATCH /api/sink-types/{name}": plain(
        f"/api/sink-types/{SINK_TYPE}", f"sink-types/{SINK_TYPE}", {"description": "x"}
    ),
    "DELETE /api/sink-types/{name}": of_new("sink-types", None),
    "POST /api/sink-types/{name}/pause": plain(f"/api/sink-types/{SINK_TYPE}/pause", f"sink-types/{SINK_TYPE}"),
    "POST /api/sink-types/{name}/resume": plain(f"/api/sink-types/{SINK_TYPE}/resume", f"sink-types/{SINK_TYPE}"),
    "PUT /api/actions/{name}": plain("/api/actions/new", "actions/new", ACTION),
    "PATCH /api/actions/{name}": plain("/api/actions/go", "actions/go", {"timeout_seconds": 7}),
    "DELETE /api/actions/{name}": of_new("actions", ACTION),
    "PUT /api/event-types/{name}": plain("/api/event-types/NEW", "event-types/NEW", EVENT_TYPE),
    "PATCH /api/event-types/{name}": plain("/api/event-types/GO", "event-types/GO", {"enabled": False}),
    "DELETE /api/event-types/{name}": of_new("event-types", EVENT_TYPE),
    "POST /api/event-types/{name}/pause": plain("/api/event-types/GO/pause", "event-types/GO", {"note": "x"}),
    "POST /api/event-types/{name}/resume": plain("/api/event-types/GO/resume", "event-types/GO"),
    "PUT /api/sources/{name}": plain("/api/sources/new", "sources/new", SOURCE),
    "PATCH /api/sources/{name}": plain("/api/sources/hook", "sources/hook", {"enabled": False}),
    "DELETE /api/sources/{name}": of_new("sources", SOURCE),
    "POST /api/sources/{name}/pause": plain("/api/sources/hook/pause", "sources/hook"),
    "POST /api/sources/{name}/resume": plain("/api/sources/hook/resume", "sources/hook"),
    "POST /api/sources/{name}/rotate-key": plain("/api/sources/hook/rotate-key", "sources/hook"),
    "POST /api/sources/{name}/receipts/{id}/replay": replay,
    "PUT /api/secrets/{name}": plain("/api/secrets/api-token", "secrets/api-token", {"value": "hunter2-and-more"}),
    "POST /api/secrets/{name}/restore": restore_secret,
    "PUT /api/modules/{name}": push_bundle,
    "DELETE /api/modules/{name}": remove_bundle,
    "DELETE /api/secrets/{name}": remove_secret,
    "DELETE /api/sinks/{name}": remove_sink,
    "POST /api/sinks/{name}/commands": command_sink,
    "DELETE /api/sinks/{name}/commands/{id}": cancel_command,
    "POST /api/tokens": plain("/api/tokens", "tokens/ci", {"name": "ci", "role": "VIEWER"}),
    "DELETE /api/tokens/{name}": revoke_token,
    "POST /api/enrolments": plain("/api/enrolments", "enrolments/", {"sink_type": SINK_TYPE}),
    "DELETE /api/enrolments/{id}": revoke_enrolment,
}
"""Every route of the API that is no GET. `resource` is how the entry's begins."""

WRONG: dict[str, dict[str, str]] = {
    "POST /api/session": {"password": "not the password"},
    "POST /api/session/nexo": {"verifier": "x" * 43},
    "POST /api/session/invitation": {"invitation": "nxi_" + "x" * 43},
}
"""What makes the call of a route be refused that is open to anybody."""

NOT_RECORDED: dict[str, str] = {
    "POST /api/configuration/plan": "a read by what it does: it says what an import would change, and changes nothing",
}
"""Routes that leave no entry when they succeed, each with its reason."""
