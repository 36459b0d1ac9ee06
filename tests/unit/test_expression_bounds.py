"""Expressions that are made to take for ever, or all memory: each ends, early, and always the same way."""

from __future__ import annotations

import tracemalloc

import pytest
from pydantic import JsonValue

from hub.errors import Invalid
from hub.rules import expressions, strict_json
from hub.rules.expression_budget import MAX_STEPS, Budget, ExpressionTooSlow

DOCUMENT: JsonValue = {
    "long": "x" * 60_000 + "a",
    "longer": "x" * 60_000 + "b",
    "items": [{"v": at, "t": f"x{at}"} for at in range(3000)],
    "numbers": list(range(10_000)),
}
TEN = "[" + ", ".join("@" * 10) + "]"


def again(part: str, times: int) -> str:
    return " | ".join([part] * times)


MAKING = {
    "a result of 2²⁴ documents": again("[@, @]", 24),
    "a text of 10⁶ documents": again(TEN, 6) + " | to_string(@)",
    "an object of 2¹⁶ documents": again("{a: @, b: @}", 16),
    "a list of 10⁷ elements": again(f"{TEN}[]", 7),
    "a list of 10⁸ elements at once": f"[numbers] | {again(f'{TEN}[]', 4)} | []",
    "a text of 60 gigabytes": "long | " + again(f"{TEN} | join('', @)", 6),
    "a literal copied 10⁶ times": "numbers[*].[" + ", ".join(["`[" + ",".join("1" * 10) + "]`"] * 10) + "]",
    "10⁸ visits": again(f"map(&{TEN}, @)[]", 4).replace("map", "numbers | map", 1),
    "reversed for ever": f"numbers | {TEN}[] | {again('reverse(@)', 20)}",
    "sliced for ever": f"numbers | {TEN}[] | {again('[::-1]', 15)}",
    "merged for ever": "items[*].merge(" + ", ".join("@" * 60) + ")",
    "10⁷ objects' values": f"items | {again(f'{TEN}[]', 4)} | [].values(@)[]",
    "1000 × 60 000 characters": f"[long] | {again(f'{TEN}[]', 3)} | [*].reverse(@)",
}
COMPARING = {
    "comparing 2⁸ documents": f"[{again('[@, @]', 8)}, {again('[@, @]', 8)}] | [0] == [1]",
    "finding a document among 100": f"[[@] | {again(TEN + '[]', 2)}, merge(@, {{numbers: `0`}})] | contains([0], [1])",
    "20 000 long texts in order": f"[long, longer] | {again(f'{TEN}[]', 4)} | sort(@) | length(@)",
    "20 000 long keys in order": f"[long, longer] | {again(f'{TEN}[]', 4)} | sort_by(@, &@) | length(@)",
    "the largest of 20 000 long texts": f"[long, longer] | {again(f'{TEN}[]', 4)} | max(@) | length(@)",
    "long texts compared 10 000 times": f"[[long, longer]] | {again(f'{TEN}[]', 4)} | [?[0] == [1]] | length(@)",
    "long texts put in order 10 000 times": f"[[long, longer]] | {again(f'{TEN}[]', 4)} | [?[0] < [1]] | length(@)",
}


@pytest.mark.parametrize("bomb", COMPARING.values(), ids=COMPARING.keys())
def test_an_evaluation_ends_within_its_steps(bomb: str) -> None:
    expressions.check(bomb)
    with pytest.raises(ExpressionTooSlow, match=f"more than the {MAX_STEPS} steps"):
        expressions.evaluate(bomb, DOCUMENT)


@pytest.mark.parametrize("bomb", MAKING.values(), ids=MAKING.keys())
def test_an_evaluation_ends_before_it_has_made_much(bomb: str) -> None:
    tracemalloc.start()
    try:
        test_an_evaluation_ends_within_its_steps(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_ordinary_work_on_a_large_document_is_far_within_the_steps() -> None:
    assert 100_000 < len(strict_json.write(DOCUMENT)) < expressions.MAX_DOCUMENT_BYTES
    budget = Budget()
    expressions.evaluate(
        "items[?v > `100` && contains(t, '9')].{value: v, text: t} | sort_by(@, &value)", DOCUMENT, budget
    )
    assert budget.left > MAX_STEPS * 0.85


@pytest.mark.parametrize("expression", ["@", "items[*].v | sum(@)", "to_string(@)", "sort_by(items, &t)[0]"])
def test_the_same_work_always_takes_the_same_steps(expression: str) -> None:
    left = set()
    for _ in range(3):
        budget = Budget()
        expressions.evaluate(expression, DOCUMENT, budget)
        left.add(budget.left)
    assert len(left) == 1


def test_the_steps_are_exactly_what_may_be_spent() -> None:
    budget = Budget()
    expressions.evaluate("items[*].v", DOCUMENT, budget)
    spent = MAX_STEPS - budget.left
    expressions.evaluate("items[*].v", DOCUMENT, Budget(spent))
    with pytest.raises(ExpressionTooSlow, match=f"the {spent - 1} steps"):
        expressions.evaluate("items[*].v", DOCUMENT, Budget(spent - 1))


def test_time_is_looked_at_on_the_way() -> None:
    asked = []

    def out_of_time() -> bool:
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(ExpressionTooSlow, match="took longer"):
        expressions.evaluate(MAKING["a result of 2²⁴ documents"], DOCUMENT, Budget(MAX_STEPS, out_of_time))
    assert len(asked) == 3


def test_too_slow_is_a_refusal_of_the_request() -> None:
    assert issubclass(ExpressionTooSlow, Invalid)
