"""Rules on one file's names, functions, types and decorators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

from lark import Token, Tree

from tools.bicep.expressions import Call, Expressions, Use
from tools.bicep.functions import DECORATORS, FUNCTIONS, OF_A_DEFAULT, OF_PARAMETERS, TYPES
from tools.bicep.parse import Fault, allowed, key_of, line_of, pairs, trees
from tools.bicep.template import Declaration, Template

SCOPES: Final = ("resourceGroup", "subscription", "managementGroup", "tenant")
NAMESPACES: Final = frozenset({"az", "sys"})
_OF_A_RESOURCE: Final = frozenset(
    {"id", "name", "type", "apiVersion", "location", "tags", "sku", "kind", "identity", "properties", "zones", "scope"}
)
_TEXTS: Final = re.compile(r"'''.*?'''|'(?:[^'\\\n]|\\.)*'|//[^\n]*|/\*.*?\*/", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"#(disable-next-line|disable-diagnostics|restore-diagnostics)( [\w-]+)+")


def check(template: Template) -> Iterator[Fault]:
    """Every fault that a file has by itself, its resources' and modules' apart."""
    yield from template.faults
    if template.scope not in SCOPES:
        yield Fault(template.path, 1, "scope", f"targetScope is {', '.join(SCOPES)}")
    yield from _twice(template)
    yield from _separators(template)
    yield from _hashes(template)
    for each in template.declared:
        yield from _decorators(template, each)
        yield from _types(template, each)
        for problem in used_by(each).problems:
            yield Fault(template.path, problem.line, problem.rule, problem.message)
    yield from _names(template)
    yield from _functions(template)
    yield from _unused(template)
    yield from _circles(template)


@lru_cache(maxsize=4096)
def used_by(declaration: Declaration) -> Expressions:
    """What one declaration uses, its decorators included."""
    found = Expressions()
    if declaration.kind != "custom_type":
        found.read(declaration.value, frozenset(declaration.arguments))
    for value in declaration.decorators.values():
        found.read(value)
    return found


def _twice(template: Template) -> Iterator[Fault]:
    for outputs in (False, True):
        first: dict[str, int] = {}
        for each in template.declared:
            if (each.kind == "output") != outputs:
                continue
            if each.name in first:
                what = f"{each.name!r} is declared twice, first in line {first[each.name]}"
                yield Fault(template.path, each.line, "duplicate", what)
            first.setdefault(each.name, each.line)


def _separators(template: Template) -> Iterator[Fault]:
    """The grammar takes `{a: 1 b: 2}`, which Bicep does not."""
    for node in template.tree.iter_subtrees():
        if node.data not in ("object", "array"):
            continue
        items = [each for each in trees(node) if hasattr(each.meta, "start_pos")]
        for one, other in pairwise(items):
            between = template.text[one.meta.end_pos : other.meta.start_pos]
            if "," not in between and "\n" not in between:
                yield Fault(template.path, line_of(other), "syntax", "a comma or the end of the line is missing before")


def _hashes(template: Template) -> Iterator[Fault]:
    """The grammar takes whatever stands after a # for a comment; Bicep knows some directives, on lines of their own."""
    bare = _TEXTS.sub(lambda found: "\n" * found[0].count("\n"), template.text)
    for number, line in enumerate(bare.splitlines(), start=1):
        if "#" in line and not _DIRECTIVE.fullmatch(line.strip()):
            yield Fault(template.path, number, "syntax", "# begins no comment; there is // and #disable-next-line CODE")


def _decorators(template: Template, declared: Declaration) -> Iterator[Fault]:
    for name in declared.decorators:
        if name not in DECORATORS:
            message = f"there is no decorator @{name}{allowed(name, DECORATORS)}"
            yield Fault(template.path, declared.line, "decorator", message)
        elif declared.kind not in DECORATORS[name]:
            kinds = ", ".join(sorted(DECORATORS[name]))
            yield Fault(template.path, declared.line, "decorator", f"@{name} stands only at: {kinds}")


def _types(template: Template, declared: Declaration) -> Iterator[Fault]:
    own = {each.name for each in template.of("custom_type")}
    for name in re.findall(r"[A-Za-z_]\w*", declared.type or ""):
        if name not in TYPES | own:
            message = f"there is no type {name!r}{allowed(name, TYPES | own)}"
            yield Fault(template.path, declared.line, "undefined", message)


def _names(template: Template) -> Iterator[Fault]:
    known = {each.name for each in template.declared if each.kind not in ("output", "custom_type", "custom_func")}
    for declared in template.declared:
        for use in used_by(declared).uses:
            if use.name not in known | NAMESPACES:
                message = f"nothing here is called {use.name!r}{allowed(use.name, known)}"
                yield Fault(template.path, use.line, "undefined", message)
            elif (found := template.named(use.name)) is not None:
                yield from _properties(template, use, found)


def _properties(template: Template, use: Use, found: Declaration) -> Iterator[Fault]:
    """What is asked of a resource, a module or an object written here must be there."""
    chain = use.chain[1:] if isinstance(found.value, Tree) and found.value.data == "loop" else use.chain
    known: frozenset[str] | None = None
    if found.kind == "resource":
        known = _OF_A_RESOURCE
    elif found.kind == "module":
        known = frozenset({"name", "outputs"})
    elif found.kind == "param" and found.type in ("string", "int", "bool"):
        known = frozenset()
    elif found.kind == "var":
        known = _keys(found.value)
    if known is not None and chain and chain[0] not in known and chain[0] != "[]":
        message = f"{use.name} has no {chain[0]!r}{allowed(chain[0], known)}"
        yield Fault(template.path, use.line, "property", message)


def _keys(value: Any) -> frozenset[str] | None:
    if not isinstance(value, Tree) or value.data != "object":
        return None
    keys = [key_of(key) for key, _ in pairs(value)]
    return None if None in keys else frozenset(each for each in keys if each is not None)


def _functions(template: Template) -> Iterator[Fault]:
    own = {each.name: (len(each.arguments), len(each.arguments)) for each in template.of("custom_func")}
    for declared in template.declared:
        for call in used_by(declared).calls:
            yield from _call(template, declared, call, own)


def _call(template: Template, declared: Declaration, call: Call, own: Mapping[str, tuple[int, int]]) -> Iterator[Fault]:
    if call.method:  # list… or getSecret: the grammar reads all others as functions
        return
    namespace, _, name = call.name.rpartition(".")
    takes = own.get(name, FUNCTIONS.get(name))
    if takes is None or (namespace and namespace not in NAMESPACES):
        message = f"there is no function {call.name}(){allowed(name, FUNCTIONS.keys() | own.keys())}"
        yield Fault(template.path, call.line, "function", message)
    elif not takes[0] <= call.arguments <= takes[1]:
        many = "any number" if takes[1] > takes[0] and takes[1] >= max(takes[0], 10) else str(takes[1])
        wants = str(takes[0]) if takes[0] == takes[1] else f"{takes[0]} to {many}"
        yield Fault(template.path, call.line, "function", f"{name}() takes {wants} arguments, not {call.arguments}")
    elif name in OF_A_DEFAULT and declared.kind != "param":
        yield Fault(template.path, call.line, "function", f"{name}() is allowed only in the default of a parameter")
    elif name in OF_PARAMETERS and not template.path.endswith(".bicepparam"):
        yield Fault(template.path, call.line, "function", f"{name}() is allowed only in a file of parameters")


def _unused(template: Template) -> Iterator[Fault]:
    used = Counter(use.name for each in template.declared for use in used_by(each).uses)
    called = {call.name for each in template.declared for call in used_by(each).calls}
    types = {name for each in template.declared for name in re.findall(r"\w+", each.type or "")}
    types |= {
        str(token)
        for each in template.of("custom_type")
        for token in _tokens(each.value)
        if token.type == "STRING" and str(token) != each.name
    }
    for each in template.declared:
        by_kind = {"custom_func": each.name in called, "custom_type": each.name in types}
        must = each.kind in ("param", "var", "custom_func", "custom_type") or each.existing
        if must and not by_kind.get(each.kind, used[each.name] > 0):
            yield Fault(template.path, each.line, "unused", f"{each.name!r} is used nowhere in this file")


def _tokens(node: Any) -> Iterator[Token]:
    if isinstance(node, Tree):
        yield from node.scan_values(lambda each: isinstance(each, Token))


def _circles(template: Template) -> Iterator[Fault]:
    """What needs itself can never be deployed."""
    needs = {each.name: {use.name for use in used_by(each).uses} for each in template.declared if each.kind != "output"}
    for name in needs:
        reached, ahead = set[str](), list(needs[name])
        while ahead:
            each = ahead.pop()
            if each not in reached and each in needs:
                reached.add(each)
                ahead += needs[each]
        if name in reached and (declared := template.named(name)) is not None:
            yield Fault(template.path, declared.line, "circle", f"{name!r} needs itself, perhaps by way of others")
