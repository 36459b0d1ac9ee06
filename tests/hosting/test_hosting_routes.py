"""The route table of an app: prefix, reserved and repeated routes."""

from __future__ import annotations

from pathlib import Path

import azure.functions as func
import pytest

from hosting.errors import IndexingError
from hosting.hostjson import HostJson, HttpOptions
from hosting.indexing import index
from hosting.routes import RouteTable, build_routes
from tests.hosting.support import ask, hosted, open_app


def table(*routes: tuple[str, str | None, list[str] | None], prefix: str = "") -> RouteTable:
    """The table of functions, each a name, a route and its methods."""
    app = open_app()

    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise NotImplementedError

    for name, route, methods in routes:
        app.function_name(name)(app.route(route, methods=methods)(handler))
    return build_routes(index(app), prefix)


def found(routes: RouteTable, method: str, path: str) -> str | None:
    match = routes.match(method, path)
    return match and match[0].function.name


def test_the_prefix_is_api_unless_host_json_says_otherwise() -> None:
    assert HttpOptions().route_prefix == "api"
    routes = table(("f", "x", None), prefix="api")
    assert (found(routes, "GET", "/api/x"), found(routes, "GET", "/x")) == ("f", None)


def test_the_route_is_the_name_of_the_function_unless_it_has_one() -> None:
    assert found(table(("Named", None, None)), "GET", "/named") == "Named"


@pytest.mark.parametrize("route", ["admin", "admin/x", "administrators", "Runtime/x", "/admin/x"])
def test_a_route_that_begins_like_a_built_in_one_is_refused_and_the_rest_run(route: str) -> None:
    routes = table(("bad", route, None), ("good", "x", None))
    assert "conflicts with the built-in routes" in routes.errors["bad"]
    assert [each.function.name for each in routes.routes] == ["good"]


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        (["GET"], ["GET", "POST"], True),
        (["GET"], ["POST"], False),
        (None, ["POST"], True),
        (None, None, True),
    ],
)
def test_of_two_functions_with_one_route_and_a_method_in_common_the_later_is_dropped(
    first: list[str] | None, second: list[str] | None, clash: bool
) -> None:
    routes = table(("b_later", "X", second), ("a_first", "x", first))
    assert ("b_later" in routes.errors) is clash
    if clash:
        assert "belongs to function a_first" in routes.errors["b_later"]


def test_a_bad_template_names_function_and_route() -> None:
    with pytest.raises(IndexingError, match=r"function f: the route `a/\{b` is not valid: a brace is not closed"):
        table(("f", "a/{b", None))


def test_routes_with_different_first_segments_do_not_hide_each_other() -> None:
    routes = table(("a", "x/{id}", None), ("b", "{any}/y", None), ("c", "x/y", None), ("d", "{*rest}", None))
    assert found(routes, "GET", "/x/y") == "a"
    assert found(routes, "GET", "/z/y") == "b"
    assert found(routes, "GET", "/x") == "d"


def test_invented_methods_do_not_fill_the_memory() -> None:
    routes = table(("a", "x", None))
    for number in range(5000):
        assert found(routes, f"M{number}", "/x") == "a"
    assert len(routes._candidates) <= 1024


async def test_an_app_is_served_under_its_prefix(tmp_path: Path) -> None:
    app = open_app()

    @app.route("x/{id:int}")
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(req.route_params["id"])

    async with hosted(app, tmp_path, host_json=HostJson()) as host:
        assert (await ask(host, "/API/x/7/")).text == "7"
        assert (await ask(host, "/x/7")).status == 404
