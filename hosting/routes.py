"""Which function answers a request. There is no precedence: functions in the order of their names, first match wins.

A method is part of the match, so a wrong one falls through to the next route, and at last to 404; 405 does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from azure.functions.decorators.http import HttpTrigger

from hosting.errors import IndexingError
from hosting.indexing import HTTP, IndexedFunction
from hosting.keys import LEVELS, Level
from hosting.templates import Template, compile_template

RESERVED = ("admin", "runtime")
MOST_CANDIDATES = 1024


@dataclass(frozen=True, slots=True)
class Route:
    """A template, the methods it takes (None: every one), the function behind it and the key level that it asks for."""

    function: IndexedFunction
    template: Template
    methods: frozenset[str] | None
    level: Level

    def takes(self, method: str) -> bool:
        return self.methods is None or method in self.methods


@dataclass(slots=True)
class RouteTable:
    """The routes of an app, and the functions that have none because of an error, with the error."""

    routes: tuple[Route, ...]
    errors: Mapping[str, str]
    _candidates: dict[tuple[str, str | None], tuple[Route, ...]] = field(default_factory=dict)
    _firsts: frozenset[str | None] = frozenset()

    def __post_init__(self) -> None:
        self._firsts = frozenset(route.template.first for route in self.routes)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The first route that takes the method and the decoded path, with its route values."""
        first = path[1:].partition("/")[0].lower()
        for route in self._possible(method, first if first in self._firsts else None):
            values = route.template.match(path)
            if values is not None:
                return route, values
        return None

    def _possible(self, method: str, first: str | None) -> tuple[Route, ...]:
        """The routes that a method and a first segment leave, in order; `None` is one that no route spells out."""
        possible = self._candidates.get((method, first))
        if possible is None:
            possible = tuple(
                route for route in self.routes if route.takes(method) and route.template.first in (None, first)
            )
            if len(self._candidates) < MOST_CANDIDATES:  # a caller may invent methods
                self._candidates[method, first] = possible
        return possible


def build_routes(functions: Iterable[IndexedFunction], prefix: str) -> RouteTable:
    """The route table of the functions, which come in the order of `index()`.

    A reserved or repeated route leaves its function out and the rest running, as on Azure; the reason is in `errors`.
    Raises IndexingError, naming the function, for a template that is not valid.
    """
    routes: list[Route] = []
    errors: dict[str, str] = {}
    for function in functions:
        if function.kind != HTTP:
            continue
        route = _route(function, prefix)
        error = _error(function, route, routes)
        if error:
            errors[function.name] = error
        else:
            routes.append(route)
    return RouteTable(tuple(routes), errors)


def _route(function: IndexedFunction, prefix: str) -> Route:
    trigger = _trigger(function)
    text = _route_text(function)
    try:
        template = compile_template(f"{prefix}/{text}" if prefix else text)
    except ValueError as error:
        raise IndexingError(f"function {function.name}: the route `{text}` is not valid: {error}") from error
    methods = trigger.methods
    taken = frozenset(str(each).upper() for each in methods) if methods else None
    return Route(function, template, taken, LEVELS[str(trigger.auth_level).lower()])


def _trigger(function: IndexedFunction) -> HttpTrigger:
    assert isinstance(function.trigger, HttpTrigger)
    return function.trigger


def _route_text(function: IndexedFunction) -> str:
    return (_trigger(function).route or "").strip("/")


def _error(function: IndexedFunction, route: Route, before: Iterable[Route]) -> str | None:
    text = _route_text(function)
    if text.lower().startswith(RESERVED):
        return f"the route `{text}` conflicts with the built-in routes: it must not begin with {' or '.join(RESERVED)}"
    for other in before:
        if other.template.text.lower() == route.template.text.lower() and _overlap(other, route):
            return f"the route `{text}` with the same method belongs to function {other.function.name} already"
    return None


def _overlap(one: Route, other: Route) -> bool:
    return one.methods is None or other.methods is None or bool(one.methods & other.methods)
