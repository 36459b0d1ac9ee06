"""A Bicep file as a tree with its lines, and what is wrong with it.

The tree is that of pycep's grammar, not the JSON made from it: JSON forgets what was written twice and where.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from pycep import BicepParser

Node: TypeAlias = Tree[Token]

_LOOP_IF: Final = re.compile(r"(?<=:) if \(")
"""The grammar knows a loop's condition only without the space, which Bicep's formatter puts there."""
_MANY: Final = 30
_ALLOWED_AFTER_BACKSLASH: Final = "\\'nrt$u"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong, with its place and, where that can be said, what is allowed."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message} [{self.rule}]"


class CannotRead(ValueError):
    """A text that is no Bicep."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


@lru_cache(maxsize=1)
def _parser() -> Lark:
    # Without its cache: that is a pickle in the folder for temporary files, which others may write to.
    parser: Lark = BicepParser(cache=False).lark_parser
    return parser


def parse(text: str, path: str) -> Node:
    """The tree of a text. Raises `CannotRead`."""
    try:
        tree = _parser().parse(_LOOP_IF.sub("  if(", text))
    except UnexpectedInput as error:
        line = max(getattr(error, "line", 0) or 0, 0) or text.count("\n") + 1
        raise CannotRead(Fault(path, line, "syntax", f"cannot be read: {_reason(error, text)}")) from None
    return tree


def _reason(error: UnexpectedInput, text: str) -> str:
    if isinstance(error, UnexpectedToken):
        return "the text ends too early" if error.token.type == "$END" else f"{str(error.token)!r} is not expected here"
    if isinstance(error, UnexpectedCharacters):
        return f"{text[error.pos_in_stream or 0 :][:20].splitlines()[0]!r} is not expected here"
    return "the text ends too early"


@lru_cache(maxsize=4096)
def expression(text: str) -> Node | None:
    """The tree of an expression, such as stands in `${…}`; None if it is none."""
    try:
        found = _parser().parse(f"var x = {text}").children[0]
    except UnexpectedInput:
        return None
    value = found.children[-1] if isinstance(found, Tree) else None
    return value if isinstance(value, Tree) else None


def trees(node: Node) -> list[Node]:
    """The children that are trees."""
    return [each for each in node.children if isinstance(each, Tree)]


def line_of(node: Any) -> int:
    """Of a tree or a token; 0 if it holds nothing."""
    if isinstance(node, Token):
        return node.line or 0
    return int(getattr(node.meta, "line", 0))


def text_of(node: Any) -> str | None:
    """The text of a literal without anything to fill in; None for everything else."""
    token = node.children[0] if isinstance(node, Tree) and node.data in ("string", "key") and node.children else node
    if not isinstance(token, Token) or not token.startswith("'") or "${" in token.replace("\\${", ""):
        return None
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r", "t": "\t"}.get(found[1], found[1]), str(token)[1:-1])


def name_of(node: Any) -> str | None:
    """The identifier that an expression is; None if it is anything else."""
    if isinstance(node, Tree) and node.data == "string" and isinstance(node.children[0], Token):
        token = node.children[0]
        return None if token.startswith("'") else str(token)
    return None


def bad_escapes(token: Token) -> list[str]:
    """Backslashes in a string before a character that Bicep knows none for."""
    return [found for found in re.findall(r"\\(.)", str(token)) if found not in _ALLOWED_AFTER_BACKSLASH]


def interpolated(token: Token) -> Iterator[str]:
    """The expressions in a string."""
    text, at = str(token), 0
    while (at := text.find("${", at)) >= 0:
        if at and text[at - 1] == "\\":
            at += 2
            continue
        depth, end = 1, at + 2
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        yield text[at + 2 : end - 1]
        at = end


def pairs(node: Node) -> Iterator[tuple[Node, Any]]:
    """Key and value of each pair of an object."""
    for each in trees(node):
        if each.data == "pair":
            yield trees(each)[0], each.children[-1]


def key_of(key: Node) -> str | None:
    """What a key is called; None if that is computed."""
    token = key.children[0]
    return text_of(key) if str(token).startswith("'") else str(token)


def member(node: Any, *keys: str) -> Any:
    """What lies in an object under a key, and in that under the next; None if it is not there."""
    for key in keys:
        if not isinstance(node, Tree) or node.data != "object":
            return None
        node = next((value for found, value in pairs(node) if key_of(found) == key), None)
    return node


def allowed(name: str, known: Iterable[str]) -> str:
    """The end of a message: what was meant perhaps, else what there is."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 3, 0.6)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    if len(names) > _MANY:
        return f"; there are {len(names)} others"
    return f"; there is {', '.join(names)}" if names else "; there is none"
