"""JMESPath expressions: checked when they are saved, evaluated within bounds when an event needs them.

An expression is at most 1 KiB and 100 nodes, and reads documents of at most 256 KiB (`MAX_DOCUMENT_BYTES`, which the
caller sees to). It differs from the jmespath library where that is loose: literals and results are JSON by the rules
of `strict_json`, `true` is never equal to 1, ordering a number against a string is null, not a crash, and
`to_number` takes what JSON calls a number and nothing else.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pydantic import JsonValue

from hub.errors import Invalid
from hub.rules.expression_budget import Budget
from hub.rules.expression_functions import BoundedFunctions
from hub.rules.expression_parsing import Node, parse
from hub.rules.expression_running import Interpreter

MAX_DOCUMENT_BYTES: Final = 256 * 1024

_SIGNATURES = {name: function["signature"] for name, function in BoundedFunctions.FUNCTION_TABLE.items()}
_SHOWN = 80


def check(expression: str) -> None:
    """See that an expression can be evaluated. Raises `Invalid` with the column and what is allowed there."""
    _compiled(expression)


def tree(expression: str) -> Node:
    """Its syntax tree, for who reads it and does not evaluate. Raises `Invalid` as `check` does."""
    return _compiled(expression)


def evaluate(expression: str, document: JsonValue, budget: Budget | None = None) -> JsonValue:
    """What the expression says of a document; null where it finds nothing.

    Raises `Invalid` if the expression is wrong, a function was given what it does not take, or the result is not JSON;
    `ExpressionTooSlow` when the budget is spent. The message names the expression and types, never a value. The result
    may share parts with the document: change neither.
    """
    compiled = _compiled(expression)
    budget = budget or Budget()
    try:
        result: JsonValue = Interpreter(budget).visit(compiled, document)
        budget.charge_value(result)
    except Invalid as error:
        raise type(error)(f"The expression {_shown(expression)} failed: {error}", error.fields) from None
    except RecursionError:
        raise Invalid(f"The expression {_shown(expression)} failed: it nests its values too deeply") from None
    return result


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> Node:
    return parse(expression, _SIGNATURES)


def _shown(expression: str) -> str:
    return expression if len(expression) <= _SHOWN else expression[:_SHOWN] + "…"
