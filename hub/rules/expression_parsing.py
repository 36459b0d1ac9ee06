"""JMESPath as text: parsed, checked as far as it can be without a document, and refused with the column.

The grammar is that of the jmespath library. What the library finds out only when an expression runs is found here,
when it is saved: functions that do not exist, a wrong number of arguments, `&` where no function takes it, a slice in
steps of 0. Literals between backticks are JSON by the rules of `strict_json`.

`_Parser` steps into methods that the library does not promise to keep. Its version is pinned, and the tests of this
module fail when one of them goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from jmespath.exceptions import LexerError
from jmespath.lexer import Lexer
from jmespath.parser import Parser

from hub.errors import FieldError, Invalid
from hub.rules import strict_json

MAX_EXPRESSION_BYTES: Final = 1024
MAX_NODES: Final = 100
MAX_NESTING: Final = 50

Node: TypeAlias = dict[str, Any]
"""A node of the library's syntax tree: `type`, `children` and, for some types, `value`."""

Signatures: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""For each function, for each argument: `types`, and `variadic` when more may follow."""

_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`""", re.DOTALL)
_A_VALUE = "a field, a \"quoted field\", a 'text', a `JSON literal`, a function, @, *, [, {, ( or !"
_AFTER_DOT = 'after a dot, a field, a "quoted field", a function, *, [ or {'
_WORDS: Mapping[str, str] = {
    "rbracket": "]",
    "rparen": ")",
    "rbrace": "}",
    "colon": ":",
    "comma": ", or ]",
    "star": "a number, a slice or *",
    "unquoted_identifier": "a field",
    "quoted_identifier": 'a "quoted field"',
}


def parse(expression: str, signatures: Signatures) -> Node:
    """The syntax tree of an expression that calls only these functions. Raises `Invalid` with the column."""
    _check_text(expression)
    _check_literals(expression)
    try:
        tree = _Parser(signatures).tree(expression)
    except _Refused as refused:
        raise _refusal(refused.position, refused.words) from None
    except LexerError as error:
        raise _refusal(error.lexer_position, _of_lexer(error)) from None
    nodes = sum(node["type"] != "identity" for node in _nodes(tree))
    if nodes > MAX_NODES:
        raise Invalid(f"An expression has at most {MAX_NODES} parts (fields, calls, operators); this one has {nodes}.")
    return tree


def _check_text(expression: str) -> None:
    try:
        size = len(expression.encode())
    except UnicodeEncodeError as error:
        raise _refusal(error.start, "half of a surrogate pair is not a character") from None
    if size > MAX_EXPRESSION_BYTES:
        raise Invalid(f"An expression is at most {MAX_EXPRESSION_BYTES} bytes of UTF-8; this one has {size}.")
    if not expression.strip():
        raise _refusal(0, f"the expression is empty; {_A_VALUE} is expected")


def _check_literals(expression: str) -> None:
    """The library takes NaN, numbers of any size and, with a warning, bare words for JSON. The hub does not."""
    for found in _QUOTED.finditer(expression):
        quote, inner = found[0][0], found[0][1:-1]
        try:
            if quote == "`":
                strict_json.read(inner.replace("\\`", "`"))
            elif quote == '"':
                strict_json.read(found[0])
        except Invalid as error:
            hint = "; between backticks is JSON, and a text is written 'text'" if quote == "`" else ""
            raise _refusal(found.start(), error.fields[0].message + hint) from None


def _nodes(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in node["children"] if isinstance(child, dict))


class _Refused(Exception):
    """Something is wrong at this token."""

    def __init__(self, token: Mapping[str, Any], words: str) -> None:
        super().__init__(words)
        self.position: int = token["start"]
        self.words = words


_Base: Any = Parser


class _Parser(_Base):  # type: ignore[misc]
    """Says what was expected where, bounds the nesting, and checks calls while it still knows where they are."""

    def __init__(self, signatures: Signatures) -> None:
        super().__init__()
        self._signatures = signatures
        self._nesting = 0

    def tree(self, expression: str) -> Node:
        """Past the library's cache, which keeps what was parsed by other rules."""
        self._tokens = list(Lexer().tokenize(expression))
        self._index = 0
        tree = self._expression()
        if self._current_token() != "eof":
            raise self._unexpected("an operator (. [ | || && == != < <= > >=) or the end")
        for node in _nodes({"type": "root", "children": [tree]}):
            _check_exprefs(node, self._signatures)
        return tree

    def _expression(self, binding_power: int = 0) -> Node:
        # Everything that nests comes through here, so this is what keeps Python's own stack from running out.
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise _Refused(self._lookahead_token(0), f"at most {MAX_NESTING} parts may lie within each other")
        node: Node = super()._expression(binding_power)
        self._nesting -= 1
        return node

    def _token_led_lparen(self, left: Node) -> Node:
        name = self._lookahead_token(-2)
        if left["type"] != "field":
            raise _Refused(name, "only the name of a function can stand before (")
        node: Node = super()._token_led_lparen(left)
        _check_call(node, name, self._signatures)
        return node

    def _token_nud_quoted_identifier(self, token: Mapping[str, Any]) -> Node:
        if self._current_token() == "lparen":
            raise _Refused(token, "the name of a function is written without quotes")
        node: Node = super()._token_nud_quoted_identifier(token)
        return node

    def _token_nud_expref(self, token: Mapping[str, Any]) -> Node:
        node: Node = super()._token_nud_expref(token)
        return node | {"token": token}

    def _parse_slice_expression(self) -> Node:
        token = self._lookahead_token(0)
        node: Node = super()._parse_slice_expression()
        if node["children"][2] == 0:
            raise _Refused(token, "a slice goes forward in steps of 1 or more, or back in steps of -1 or less, never 0")
        return node

    def _unexpected(self, expected: str) -> _Refused:
        token = self._lookahead_token(0)
        return _Refused(token, f"{expected} is expected here, not {_found(token)}")

    # What the library calls when it meets the wrong token:

    def _match(self, token_type: str) -> None:
        self._match_multiple_tokens([token_type])

    def _match_multiple_tokens(self, token_types: Sequence[str]) -> None:
        if self._current_token() not in token_types:
            raise self._unexpected(" or ".join(_WORDS[each] for each in token_types))
        self._advance()

    def _error_nud_token(self, token: Mapping[str, Any]) -> None:
        raise _Refused(token, f"{_A_VALUE} is expected here, not {_found(token)}")

    def _error_led_token(self, token: Mapping[str, Any]) -> None:
        raise _Refused(token, f"an operator or the end is expected here, not {_found(token)}")

    def _raise_parse_error_for_token(self, token: Mapping[str, Any], reason: str) -> None:
        # Its reason after a dot is a list of token names; elsewhere it is "syntax error".
        expected = f"{_AFTER_DOT} is expected here, not" if reason.startswith("Expecting") else "here cannot stand"
        raise _Refused(token, f"{expected} {_found(token)}")


def _check_call(node: Node, name: Mapping[str, Any], signatures: Signatures) -> None:
    function, given = node["value"], node["children"]
    if function not in signatures:
        raise _Refused(name, f"there is no function {function}(); there are {', '.join(sorted(signatures))}")
    wanted = signatures[function]
    variadic = wanted[-1].get("variadic", False)
    if len(given) < len(wanted) or (len(given) > len(wanted) and not variadic):
        least = "at least " if variadic else ""
        arguments = "argument" if len(wanted) == 1 else "arguments"
        raise _Refused(name, f"{function}() takes {least}{len(wanted)} {arguments}, not {len(given)}")
    for at, (argument, accepted) in enumerate(zip(given, wanted, strict=False), start=1):
        if "expref" in accepted["types"] and argument["type"] != "expref":
            raise _Refused(name, f"argument {at} of {function}() is an expression with & before it, like &name")


def _check_exprefs(node: Node, signatures: Signatures) -> None:
    """`&` makes an expression a value of its own, which only some functions take, and which is not JSON."""
    wanted = signatures[node["value"]] if node["type"] == "function_expression" else ()
    for at, child in enumerate(node["children"]):
        if not isinstance(child, dict) or child["type"] != "expref":
            continue
        if at >= len(wanted) or "expref" not in wanted[at]["types"]:
            raise _Refused(
                child["token"], "& stands only before the expression that map, max_by, min_by or sort_by takes"
            )


def _found(token: Mapping[str, Any]) -> str:
    if token["type"] == "eof":
        return "the end of the expression"
    return "a literal" if token["type"] == "literal" else f"{str(token['value'])[:40]!r}"


def _of_lexer(error: LexerError) -> str:
    if error.message.startswith("Unclosed"):
        return f"the {error.lexer_value[:1]} that opens here is not closed"
    return f"{error.lexer_value[:40]!r} means nothing here"


def _refusal(position: int, words: str) -> Invalid:
    place = f"column {position + 1}"
    return Invalid(f"The expression is wrong at {place}: {words}.", [FieldError(place, words)])
