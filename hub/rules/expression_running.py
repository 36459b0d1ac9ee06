"""JMESPath at work, bounded by counting instead of by killing.

An expression of 100 nodes can double its data at every node: `[@,@] | [@,@] | …`. What runs in this process cannot
be stopped from outside, so the interpreter stops itself: it pays a step of its budget for every node it visits, and
for work on whole values by their size before it begins. JMESPath has no recursion and no loops but over data, so this
bounds time and memory both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jmespath.visitor import Options, TreeInterpreter

from hub.rules.expression_budget import Budget
from hub.rules.expression_functions import BoundedFunctions, is_number, same


class Interpreter(TreeInterpreter):
    """For one evaluation. What it answers may share parts with the document, which must not be changed then."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=BoundedFunctions(budget)))
        self._budget = budget
        self._visitors: dict[str, Callable[..., Any]] = {}

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.charge()
        kind = node["type"]
        visitor = self._visitors.get(kind)
        if visitor is None:
            visitor = self._visitors[kind] = getattr(self, f"visit_{kind}")
        return visitor(node, *args, **kwargs)

    def visit_comparator(self, node: Any, value: Any) -> bool | None:
        left, right = (self.visit(child, value) for child in node["children"])
        match node["value"]:
            case "eq":
                return same(left, right, self._budget)
            case "ne":
                return not same(left, right, self._budget)
        return self._in_order(node["value"], left, right)

    def _in_order(self, operator: str, left: Any, right: Any) -> bool | None:
        """Two numbers or two strings have an order; anything else has none, which is null."""
        if isinstance(left, str) and isinstance(right, str):
            self._budget.charge_comparison(min(len(left), len(right)))
        elif not (is_number(left) and is_number(right)):
            return None
        return bool(self.COMPARATOR_FUNC[operator](left, right))

    def visit_flatten(self, node: Any, value: Any) -> list[Any] | None:
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        flat: list[Any] = []
        for element in base:
            part = element if isinstance(element, list) else [element]
            self._budget.charge(len(part))
            flat.extend(part)
        return flat

    def visit_literal(self, node: Any, value: Any) -> Any:  # noqa: ARG002 - every visitor is called with it
        return self._copy(node["value"])

    def _copy(self, literal: Any) -> Any:
        """The syntax tree is kept and used again: its literals are not for others to change."""
        self._budget.charge()
        if isinstance(literal, list):
            return [self._copy(each) for each in literal]
        if isinstance(literal, dict):
            return {key: self._copy(each) for key, each in literal.items()}
        return literal
