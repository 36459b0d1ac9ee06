"""ASP.NET route templates, compiled to one regular expression each.

A template is segments between slashes; a segment is literals and parameters: `items`, `{id}`, `{id?}`, `{id=5}`,
`{id:int}`, `{name}.{extension?}`, and at the very end `{*rest}`. Literals ignore case. `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hosting.constraints import Constraint, parse_constraint


@dataclass(frozen=True, slots=True)
class Parameter:
    """One `{...}` of a template."""

    name: str
    optional: bool = False
    catch_all: bool = False
    default: str | None = None
    constraints: tuple[Constraint, ...] = ()

    @property
    def may_be_absent(self) -> bool:
        return self.optional or self.catch_all or self.default is not None


Part = str | Parameter  # a literal, or a parameter
Segment = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: `match` answers the values of its parameters, or None."""

    text: str
    pattern: re.Pattern[str]
    parameters: Mapping[str, Parameter]  # by the name of the group in `pattern`
    checked: bool  # whether any parameter has a default or a constraint
    first: str | None  # the first segment in lower case if it is a literal: to know at once what cannot match

    def match(self, path: str) -> dict[str, str] | None:
        """The route values of a decoded path; a parameter that is not in it and has no default is left out."""
        found = self.pattern.match(path)
        if found is None:
            return None
        values = {self.parameters[group].name: value for group, value in found.groupdict().items() if value is not None}
        return self._check(values) if self.checked else values

    def _check(self, values: dict[str, str]) -> dict[str, str] | None:
        for parameter in self.parameters.values():
            if parameter.default is not None:
                values.setdefault(parameter.name, parameter.default)
            value = values.get(parameter.name)
            if value is not None and not all(passes(value) for passes in parameter.constraints):
                return None
        return values


def compile_template(text: str) -> Template:
    """Compile a template, which has no slash at its start; raises ValueError, saying why, for one that is not valid."""
    segments = [_parse_segment(segment) for segment in _split(text.removeprefix("/"))]
    _check_all(segments)
    parameters: dict[str, Parameter] = {}
    # Case-insensitive as .NET compares ordinally; in ASCII only, or the Kelvin sign would match a k.
    pattern = re.compile(_pattern(segments, parameters), re.IGNORECASE | re.ASCII | re.DOTALL)
    checked = any(each.constraints or each.default is not None for each in parameters.values())
    return Template(text, pattern, parameters, checked, _first_literal(segments))


def _first_literal(segments: list[Segment]) -> str | None:
    if not segments or len(segments[0]) > 1 or not isinstance(segments[0][0], str):
        return None
    return segments[0][0].lower()


# --- reading ---------------------------------------------------------------------------------------------------------


def _split(text: str) -> list[str]:
    """The segments; a slash inside braces belongs to a constraint."""
    parts, depth = [""], 0
    for piece in re.findall(r"\{\{|\}\}|.", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(piece, 0)
        if piece == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    if parts[-1] == "":
        parts.pop()  # the empty template, or a slash at the end
    if "" in parts:
        raise ValueError("two slashes in a row")
    return parts


def _parse_segment(text: str) -> Segment:
    parts: list[Part] = []
    at = 0
    while at < len(text):
        if text[at] == "{" and text[at : at + 2] != "{{":
            end = _end_of_parameter(text, at)
            parts.append(_parse_parameter(text[at + 1 : end].replace("{{", "{").replace("}}", "}")))
        else:
            end, literal = _literal(text, at)
            parts.append(literal)
        at = end + 1
    return tuple(parts)


def _end_of_parameter(text: str, start: int) -> int:
    at = start + 1
    while at < len(text):
        if text[at : at + 2] in ("{{", "}}"):
            at += 1
        elif text[at] == "{":
            break
        elif text[at] == "}":
            return at
        at += 1
    raise ValueError("a brace is not closed, or must be doubled inside a parameter")


def _literal(text: str, start: int) -> tuple[int, str]:
    match = re.compile(r"(?:[^{}]|\{\{|\}\})+").match(text, start)
    if match is None:
        raise ValueError("a closing brace without an opening one")
    literal = match[0].replace("{{", "{").replace("}}", "}")
    if "?" in literal:
        raise ValueError("a literal must not contain a question mark")
    return match.end() - 1, literal


def _parse_parameter(text: str) -> Parameter:
    catch_all = text.startswith("*")
    text = text.removeprefix("*").removeprefix("*") if catch_all else text
    optional = text.endswith("?")
    text = text.removesuffix("?") if optional else text
    name = re.split("[:=]", text, maxsplit=1)[0]
    constraints, default = _constraints_and_default(text[len(name) :])
    if not name or re.search(r"[/{}?*]", name):
        raise ValueError(f"`{name}` is not the name of a parameter")
    if catch_all and optional:
        raise ValueError("a catch-all cannot be optional")
    if optional and default is not None:
        raise ValueError(f"`{name}` cannot be optional and have a default")
    return Parameter(name, optional, catch_all, default, tuple(parse_constraint(each) for each in constraints))


def _constraints_and_default(text: str) -> tuple[list[str], str | None]:
    constraints: list[str] = []
    while text.startswith(":"):
        match = re.match(r":([^:=(]*(?:\((?:.*?)\)(?=[:=]|$))?)", text, re.DOTALL)
        assert match is not None, "an empty constraint matches"
        constraints.append(match[1])
        text = text[match.end() :]
    if text and not text.startswith("="):
        raise ValueError(f"`{text}` is left over after the constraints")
    return constraints, text[1:] if text else None


def _check_all(segments: list[Segment]) -> None:
    seen: set[str] = set()
    for segment in segments:
        _check_segment(segment, is_last=segment is segments[-1])
        for part in segment:
            if isinstance(part, Parameter):
                if part.name.lower() in seen:
                    raise ValueError(f"the parameter `{part.name}` appears twice")
                seen.add(part.name.lower())


def _check_segment(segment: Segment, is_last: bool) -> None:
    for before, part in zip((None, *segment), segment, strict=False):
        if not isinstance(part, Parameter):
            continue
        if isinstance(before, Parameter):
            raise ValueError("two parameters need a literal between them")
        if part.catch_all and (len(segment) > 1 or not is_last):
            raise ValueError(f"the catch-all `{part.name}` must be the last segment, and alone in it")
        if part.optional and len(segment) > 1 and (part is not segment[-1] or before != "."):
            raise ValueError(f"the optional `{part.name}` must end its segment, after a period or alone")


# --- compiling -------------------------------------------------------------------------------------------------------


def _pattern(segments: list[Segment], parameters: dict[str, Parameter]) -> str:
    """What is optional at the end nests; a trailing slash is ignored; an empty segment matches nothing."""
    required = len(segments)
    while required and _may_be_absent(segments[required - 1]):
        required -= 1
    head = "".join("/" + _segment(segment, parameters) for segment in segments[:required])
    tail, closing = "", ""
    for segment in segments[required:]:
        part = segment[0]
        assert isinstance(part, Parameter)
        if part.catch_all:  # to the end of the path, a trailing slash included
            return head + tail + f"(?:/|/{_group(part, '[^/].*', parameters)})?" + closing.replace(")?", "|/)?") + r"\Z"
        tail, closing = tail + "(?:/" + _group(part, "[^/]+", parameters), closing + ")?"
    return head + tail + closing + r"/?\Z"


def _may_be_absent(segment: Segment) -> bool:
    return len(segment) == 1 and isinstance(segment[0], Parameter) and segment[0].may_be_absent


def _segment(segment: Segment, parameters: dict[str, Parameter]) -> str:
    whole = "".join(_parts(segment, parameters))
    last = segment[-1]
    if len(segment) > 1 and isinstance(last, Parameter) and last.optional:
        # `{name}.{extension?}`: with both if it can be, else without the last and its period.
        return f"(?:{whole}|{''.join(_parts(segment[:-2], parameters))}(?<!\\.))"
    return whole


def _parts(segment: Segment, parameters: dict[str, Parameter]) -> Iterator[str]:
    for part in segment:
        yield re.escape(part) if isinstance(part, str) else _group(part, "[^/]+", parameters)


def _group(parameter: Parameter, pattern: str, parameters: dict[str, Parameter]) -> str:
    group = f"p{len(parameters)}"
    parameters[group] = parameter
    return f"(?P<{group}>{pattern})"
