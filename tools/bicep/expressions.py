"""What the expressions of a file use: names with the properties asked of them, and functions.

The grammar binds operators in the wrong order (`a == b ? c : d` is read as `a == (b ? c : d)`, `a.b ?? c` as
`a.(b ?? c)`), so that its tree says little of what belongs to what. Their order from left to right is right, and that
is enough to know which name begins a chain of properties.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lark import Token, Tree

from tools.bicep.parse import (
    Node,
    bad_escapes,
    expression,
    interpolated,
    key_of,
    line_of,
    name_of,
    pairs,
    text_of,
    trees,
)

INDEX: Final = "[]"
"""In a chain: an element that is computed."""
_DOT, _END = ".", ";"
_BRANCHES: Final = ("property_accessor", "nested_resource_accessor")


@dataclass(slots=True)
class Use:
    """A name, and what is asked of it."""

    name: str
    line: int
    chain: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """A function, and with how many arguments."""

    name: str
    line: int
    arguments: int
    method: bool = False
    """Of a resource: `vault.getSecret('name')`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that no expression may hold."""

    line: int
    rule: str
    message: str


@dataclass(slots=True)
class Expressions:
    """What some expressions use; names of loops and lambdas are their own and left out."""

    uses: list[Use] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _shift: int = 0
    """Lines above the expression in a string that is read."""

    def read(self, node: Any, own: frozenset[str] = frozenset()) -> None:
        """Whatever a tree holds."""
        if isinstance(node, Tree):
            self._chains(list(self._flat(node, own)), own)

    def _chains(self, atoms: list[Any], own: frozenset[str]) -> None:
        current, dotted = None, False
        for atom in atoms:
            if atom is _DOT:
                dotted = True
                continue
            if isinstance(atom, Token) and not dotted:
                current = Use(str(atom), line_of(atom) + self._shift)
                if current.name not in own:
                    self.uses.append(current)
            elif isinstance(atom, Token) and current is not None:
                current.chain.append(str(atom))
            elif isinstance(atom, str) and atom is not _END and current is not None:
                current.chain.append(atom)
            elif atom is _END:
                current = None
            dotted = False

    def _flat(self, node: Node, own: frozenset[str]) -> Iterator[Any]:
        data = str(node.data)
        if data == "string":
            yield from self._string(node, own)
        elif data in _BRANCHES:
            yield from self._flat(trees(node)[0], own)
            yield _DOT
            yield from self._flat(trees(node)[1], own)
            if data == "nested_resource_accessor":
                self._problem(node, "nested", "`::` reaches into a nested resource; write it with `parent:` instead")
        elif data == "index_accessor":
            yield from self._flat(trees(node)[0], own)
            self.read(trees(node)[1], own)
            yield text_of(trees(node)[1]) or INDEX
        elif data == "function_accessor":
            yield from self._flat(trees(node)[0], own)
            self._method(node, own)
            yield _END
        elif (inner := getattr(self, f"_in_{data}", None)) is not None:
            inner(node, own)
        else:
            yield from self._operands(node, own)

    def _operands(self, node: Node, own: frozenset[str]) -> Iterator[Any]:
        """Of whichever operator, one after the other."""
        for each in trees(node):
            yield from self._flat(each, own)
            if node.data != "operator":  # which only wraps one
                yield _END

    def _string(self, node: Node, own: frozenset[str]) -> Iterator[Any]:
        token = node.children[0]
        if not isinstance(token, Token):
            return
        if name_of(node) is not None:
            yield token
            return
        self.quoted(token, own)

    def quoted(self, token: Token, own: frozenset[str]) -> None:
        """What a string fills in."""
        for escape in bad_escapes(token):
            self._problem(token, "syntax", f"'\\{escape}' is no escape; there is \\\\ \\' \\n \\r \\t \\u{{…}} \\$")
        for text in interpolated(token):
            found = expression(text)
            if found is None:
                self._problem(token, "syntax", f"${{{text}}} is no expression")
                continue
            before, self._shift = self._shift, self._shift + line_of(token) - 1
            self.read(found, own)
            self._shift = before

    def _method(self, node: Node, own: frozenset[str]) -> None:
        given = [each for each in node.children[2:] if isinstance(each, Tree)]
        name = next(each for each in node.children if isinstance(each, Token))
        self.calls.append(Call(str(name), line_of(name) + self._shift, len(given), method=True))
        for each in given:
            self.read(each, own)

    def _in_function(self, node: Node, own: frozenset[str]) -> None:
        token, given = node.children[0], trees(node)
        self.calls.append(Call(str(token)[:-1], line_of(token) + self._shift, len(given)))
        for each in given:
            self.read(each, own)

    def _in_lambda_expression(self, node: Node, own: frozenset[str]) -> None:
        *names, body = trees(node)
        self.read(body, own | {name for each in names if (name := name_of(each)) is not None})

    def _in_loop(self, node: Node, own: frozenset[str]) -> None:
        head = trees(node)[0]
        self.read(trees(head)[-1], own)
        inside = own | {str(each) for each in head.children if isinstance(each, Token)}
        for each in trees(node)[1:]:
            if each.data == "function" and str(each.children[0]).rstrip("( ") == "if":
                for condition in trees(each):
                    self.read(condition, inside)
            else:
                self.read(each, inside)

    def _in_object(self, node: Node, own: frozenset[str]) -> None:
        seen: set[str] = set()
        for key, value in pairs(node):
            name, token = key_of(key), key.children[0]
            if name is None and isinstance(token, Token):
                self.quoted(token, own)
            elif name in seen:
                self._problem(key, "duplicate", f"the key {name!r} stands twice in one object")
            seen.add(name or "")
            self.read(value, own)
        for each in trees(node):
            if each.data == "child_resource":
                self._problem(each, "nested", "a resource inside of another; write it outside, with `parent:`")

    def _in_array(self, node: Node, own: frozenset[str]) -> None:
        for each in trees(node):
            self.read(each, own)

    def _problem(self, at: Any, rule: str, message: str) -> None:
        self.problems.append(Problem(line_of(at) + self._shift, rule, message))
