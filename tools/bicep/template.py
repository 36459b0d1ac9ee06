"""What a Bicep file declares: parameters, variables, resources, modules, outputs, types and functions of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from lark import Token, Tree

from tools.bicep.parse import Fault, Node, line_of, parse, text_of, trees

KINDS: Final = ("param", "var", "resource", "module", "output", "custom_type", "custom_func")


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """One of them."""

    kind: str
    name: str
    line: int
    decorators: dict[str, Any] = field(default_factory=dict)
    """The argument of each, or None."""
    type: str | None = None
    """Of a parameter or an output, such as `string` or `string[]`."""
    nullable: bool = False
    value: Any = None
    target: str = ""
    """Of a resource its type and version, of a module its path."""
    existing: bool = False
    arguments: tuple[str, ...] = ()
    """Of a function of the file's own."""

    @property
    def optional(self) -> bool:
        """Whether a caller may leave this parameter out."""
        return self.value is not None or self.nullable

    @property
    def body(self) -> Node | None:
        """The object of a resource or module, inside of its loop and its condition."""
        node = self.value
        while isinstance(node, Tree) and node.data in ("loop", "deploy_condition"):
            node = node.children[-1]
        return node if isinstance(node, Tree) and node.data == "object" else None


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A file."""

    path: str
    text: str
    tree: Node
    declared: tuple[Declaration, ...]
    faults: tuple[Fault, ...]
    """What was found wrong while reading it."""
    scope: str = "resourceGroup"

    def of(self, *kinds: str) -> list[Declaration]:
        return [each for each in self.declared if each.kind in kinds]

    def named(self, name: str) -> Declaration | None:
        """The symbol of that name; outputs are none."""
        return next((each for each in self.declared if each.name == name and each.kind != "output"), None)


@lru_cache(maxsize=256)
def read(text: str, path: str) -> Template:
    """Raises `CannotRead`."""
    tree = parse(text, path)
    faults: list[Fault] = []
    declared: list[Declaration] = []
    scope, before = "resourceGroup", 0
    for node in trees(tree):
        line = line_of(node)
        if line == before:
            faults.append(Fault(path, line, "syntax", "begins on the line on which another declaration ends"))
        before = node.meta.end_line
        if node.data == "scope":
            scope = text_of(node.children[0]) or ""
        elif node.data in KINDS:
            declared.append(_declaration(node, text))
        elif node.data != "metadata":
            faults.append(Fault(path, line, "not-checked", f"{node.data} is nothing that this checker understands"))
    return Template(path, text, tree, tuple(declared), tuple(faults), scope)


def _declaration(node: Node, text: str) -> Declaration:
    decorators, name, *rest = node.children
    common: dict[str, Any] = {
        "kind": str(node.data),
        "name": str(name),
        "line": line_of(name),
        "decorators": _decorators(decorators),
    }
    value = rest[-1] if rest else None
    match node.data:
        case "param" | "output":
            shape = rest[0]
            return Declaration(**common, type=_type(shape, text), nullable=_nullable(shape, text), value=value)
        case "resource":
            return Declaration(**common, target=_quoted(rest[0]), existing=rest[1] is not None, value=value)
        case "module":
            return Declaration(**common, target=_quoted(rest[0]), value=value)
        case "custom_func":
            names = tuple(str(each) for each in rest[:-1] if isinstance(each, Token))
            return Declaration(**common, arguments=names, value=value)
    return Declaration(**common, value=value)


def _quoted(node: Any) -> str:
    return str(node.children[0])[1:-1]


def _decorators(node: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in trees(node) if isinstance(node, Tree) else ():
        name, *value = each.children
        found[str(name).removeprefix("sys.")] = next((given for given in value if given is not None), None)
    return found


def _type(node: Any, text: str) -> str:
    return re.sub(r"\s", "", text[node.meta.start_pos : node.meta.end_pos])


def _nullable(node: Any, text: str) -> bool:
    return text[node.meta.end_pos :].lstrip(" ").startswith("?")
