"""What is deployed: every function with its trigger, and every route answered by the function it is meant for."""

from __future__ import annotations

import json
import re

import pytest

from hub.people.roles import ROUTES
from tests.functions.shell import Shell, indexed, routes

ABOUT_THE_DOCUMENT = {"GET /api/openapi.json", *(f"GET /api/docs{name}" for name in ("", "/page.js", "/page.css"))}

FUNCTIONS = {
    "agent_credential": ("POST", "agent/credential"),
    "agent_enroll": ("POST", "agent/enroll"),
    "agent_install_ps1": ("GET", "agent/install.ps1"),
    "agent_install_sh": ("GET", "agent/install.sh"),
    "agent_logs": ("POST", "agent/events/{id}/logs"),
    "agent_modules": ("GET", "agent/modules/{digest}"),
    "agent_package": ("GET", "agent/package/{version}"),
    "agent_poll": ("POST", "agent/poll"),
    "agent_renew": ("POST", "agent/events/{id}/renew"),
    "agent_result": ("POST", "agent/events/{id}/result"),
    "agent_secrets": ("POST", "agent/events/{id}/secrets"),
    "api": ("", "api/{*route}"),
    "home": ("GET", "/"),
    "webhook": ("POST PUT", "hooks/{key}"),
    "webhook_status": ("GET", "hooks/status/{id}"),
}


def test_the_list_of_functions() -> None:
    found = {}
    for function in indexed():
        for binding in map(json.loads, function.raw_bindings):
            if binding["type"] == "httpTrigger":
                assert binding["authLevel"].lower() == "anonymous"
                found[function.name] = (" ".join(binding.get("methods", [])), binding["route"])
    assert found == FUNCTIONS
    events = [function for function in indexed() if function.kind == "eventGridTrigger"]
    assert [each.name for each in events] == ["eventgrid"]
    timers = [function for function in indexed() if function.kind == "timerTrigger"]
    assert [(each.name, json.loads(each.raw_bindings[0])["schedule"]) for each in timers] == [("tick", "0 * * * * *")]


def test_every_function_is_async() -> None:
    assert all(function.is_async for function in indexed())


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_answered_by_its_function(route: str) -> None:
    """Routes have no precedence: the first in the order of names that matches answers."""
    method, _, template = route.partition(" ")
    path = re.sub(r"\{\w+\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", template)
    found = routes().match(method, path)
    assert found is not None
    wanted = next(
        name
        for name, (methods, of_function) in FUNCTIONS.items()
        if (f"/{of_function.strip('/')}" == template and method in methods.split())
        or (name == "api" and template.startswith("/api/"))
    )
    assert found[0].function.name == wanted


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/hooks/abc"),
        ("GET", "/agent/poll"),
        ("POST", "/"),
        ("GET", "/favicon.ico"),
        ("GET", "/admin"),
        ("POST", "/agent/events/x"),
    ],
)
async def test_other_addresses_are_the_hosts_404(shell: Shell, method: str, path: str) -> None:
    assert (await shell(method, path)).status == 404
    assert shell.names == []


async def test_the_table_of_roles_has_every_route_of_the_api_and_no_other(shell: Shell) -> None:
    document = await shell.ok("GET", "/api/openapi.json")
    described = {f"{method.upper()} {path}" for path, each in document["paths"].items() for method in each}
    assert described | ABOUT_THE_DOCUMENT == {route for route in ROUTES if " /api/" in route}


def test_a_route_that_is_not_in_the_table_cannot_be_made() -> None:
    from fastapi import APIRouter

    from hub.api.security import GuardedRoute

    async def anything() -> None: ...

    with pytest.raises(LookupError, match="GET /api/anything is not in the table"):
        APIRouter(route_class=GuardedRoute).add_api_route("/api/anything", anything, methods=["GET"])


async def test_the_page_is_found_at_the_root(shell: Shell) -> None:
    reply = await shell("GET", "/", token=None)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"/api/openapi.json" in reply.body


async def test_the_openapi_document_is_whole(shell: Shell) -> None:
    text = (await shell("GET", "/api/openapi.json")).body.decode()
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    assert set(re.findall(r'"#/components/schemas/([^"]+)"', text)) <= set(schemas)
    for path, model in (("sink-types", "SinkType"), ("event-types", "EventType"), ("sources", "SourceDocument")):
        body = document["paths"][f"/api/{path}/{{name}}"]["put"]["requestBody"]["content"]["application/json"]
        assert body["schema"]["$ref"] == f"#/components/schemas/Put{model}"
    saved = document["paths"]["/api/event-types/{name}"]["put"]["responses"]["200"]["content"]["application/json"]
    assert saved["schema"]["$ref"] == "#/components/schemas/SavedEventType"
    assert "warnings" in schemas["SavedEventType"]["required"]
    assert "warnings" not in schemas["EventType"]["properties"]
    assert all(operation["description"] for each in document["paths"].values() for operation in each.values())
