"""The OpenAPI document: every route, with what may be answered and how one signs in."""

from __future__ import annotations

from typing import Any

import pytest

from hub.api.examples import EXAMPLES
from hub.people.roles import ROUTES, Access
from tests.functions.shell import Shell, opened_shell
from tests.functions.test_routes_golden import ABOUT_THE_DOCUMENT


@pytest.fixture
async def document() -> dict[str, Any]:
    async with opened_shell() as shell:
        found: dict[str, Any] = await shell.ok("GET", "/api/openapi.json")
        return found


def operations(document: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    assert set(operations(document)) == {each for each in ROUTES if " /api/" in each} - ABOUT_THE_DOCUMENT


async def test_every_answer_is_described(document: dict[str, Any]) -> None:
    for route, operation in operations(document).items():
        responses = operation["responses"]
        assert "default" not in responses, route
        assert all(each.get("description") != "Successful Response" for each in responses.values()), route
        assert {"400", "401", "503"} <= set(responses), route
        assert ("404" in responses) >= ("{" in route), route
        assert ("413" in responses) == ("requestBody" in operation), route
    problem = document["components"]["responses"]["Problem412"]
    assert list(problem["content"]) == ["application/problem+json"]
    put = operations(document)["PUT /api/actions/{name}"]["responses"]
    assert {"200", "201", "412"} <= set(put)
    assert all("ETag" in put[status]["headers"] for status in ("200", "201"))


async def test_how_one_signs_in(document: dict[str, Any]) -> None:
    assert set(document["components"]["securitySchemes"]) == {"token", "session", "csrf"}
    for route, operation in operations(document).items():
        schemes = [set(each) for each in operation["security"]]
        if ROUTES[route] is Access.ANYBODY:
            assert schemes == [], route
        else:
            assert schemes == [{"token"}, {"session"} if route.startswith("GET ") else {"session", "csrf"}], route


async def test_bodies_say_their_fields(document: dict[str, Any]) -> None:
    for route, operation in operations(document).items():
        if "requestBody" in operation:
            assert "JsonValue" not in str(operation["requestBody"]), route


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                at: Any = document
                for step in node["$ref"].removeprefix("#/").split("/"):
                    at = at[step]
            for each in node.values():
                walk(each)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(document["paths"])
    walk(document["components"])


async def test_the_examples_are_taken(shell: Shell) -> None:
    for url, name in (
        ("/api/sink-types/PYTHON:BASE", "PutSinkType"),
        ("/api/actions/cleanup", "PutAction"),
        ("/api/event-types/DISK_CLEANUP", "PutEventType"),
        ("/api/sources/nightly", "PutSourceDocument"),
        ("/api/configuration", "ConfigurationDocument"),
        ("/api/secrets/repository", "PutSecret"),
    ):
        await shell.ok("PUT", url, EXAMPLES[name])
    for url, name in (
        ("/api/events", "Fire"),
        ("/api/events/bulk", "Bulk"),
        ("/api/tokens", "CreateToken"),
        ("/api/enrolments", "CreateEnrolment"),
        ("/api/users", "CreateUser"),
        ("/api/event-types/DISK_CLEANUP/pause", "AskPause"),
    ):
        await shell.ok("POST", url, EXAMPLES[name])
    await shell.hub.operations.idle()


@pytest.mark.parametrize("url", ["/api/events?from=0.5", "/api/stats?to=1700000000", "/api/audit?to=-1"])
async def test_a_number_is_no_time(shell: Shell, url: str) -> None:
    (said,) = (await shell("GET", url)).errors().values()
    assert said.startswith("must be a time with its offset from UTC, such as 2026")
    await shell.configure()
    reply = await shell("POST", "/api/event-types/GO/pause", {"until": 1700000000})
    assert reply.errors()["until"].startswith("must be a time")


async def test_allow_names_every_method_of_an_address(shell: Shell) -> None:
    reply = await shell("POST", "/api/actions/x", {})
    assert reply.problem(405)["detail"] == "POST is not taken here; allowed: DELETE, GET, PATCH, PUT"
    assert reply.headers["allow"] == "DELETE, GET, PATCH, PUT"
