from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator

import pytest

from hub.errors import Invalid, TooLarge
from hub.evaluation import SMALL_DOCUMENT_BYTES, Evaluation, Evaluator, InlineEvaluator
from hub.rules import strict_json
from hub.rules.expression_budget import ExpressionTooSlow
from hub.rules.expressions import MAX_DOCUMENT_BYTES

SMALL = b'{"host": {"name": "berlin-1"}, "numbers": [1, 2, 3]}'
LARGE = strict_json.write({"host": {"name": "berlin-1"}, "numbers": [1, 2, 3], "filler": ["x"] * SMALL_DOCUMENT_BYTES})
RUNAWAY = " | ".join(["[@, @]"] * 24)


@pytest.fixture(params=[Evaluator, InlineEvaluator])
async def evaluation(request: pytest.FixtureRequest) -> AsyncIterator[Evaluation]:
    made = request.param()
    yield made
    if isinstance(made, Evaluator):
        made.close()


@pytest.mark.parametrize("document", [SMALL, LARGE])
async def test_both_say_the_same(evaluation: Evaluation, document: bytes) -> None:
    assert await evaluation.evaluate("host.name", document) == "berlin-1"
    assert await evaluation.evaluate_all(["sum(numbers)", "missing", "numbers"], document) == [6, None, [1, 2, 3]]
    assert await evaluation.evaluate_all([], document) == []


@pytest.mark.parametrize("document", [SMALL, LARGE])
async def test_both_refuse_the_same(evaluation: Evaluation, document: bytes) -> None:
    with pytest.raises(Invalid, match="column 6"):
        await evaluation.evaluate("host.", document)
    with pytest.raises(Invalid, match="sum"):
        await evaluation.evaluate_all(["host", "sum(host)", "length(numbers, numbers)"], document)
    with pytest.raises(ExpressionTooSlow, match=re.escape(RUNAWAY[:20])):
        await evaluation.evaluate(RUNAWAY, document)
    with pytest.raises(Invalid, match="line 1, column"):
        await evaluation.evaluate("host", document[:-1])


async def test_a_document_has_a_limit(evaluation: Evaluation) -> None:
    longest = b'"' + b"x" * (MAX_DOCUMENT_BYTES - 2) + b'"'
    assert await evaluation.evaluate("length(@)", longest) == MAX_DOCUMENT_BYTES - 2
    with pytest.raises(TooLarge):
        await evaluation.evaluate("length(@)", longest + b" ")


async def test_a_small_document_does_not_go_to_the_thread() -> None:
    def never() -> float:
        raise AssertionError("the thread was used")

    assert await Evaluator(processor_time=never).evaluate("host.name", SMALL) == "berlin-1"


async def test_a_small_document_with_much_work_does() -> None:
    threads: set[str] = set()

    def time() -> float:
        threads.add(threading.current_thread().name)
        return 0.0

    ten_times = "[@, @, @, @, @, @, @, @, @, @][]"
    evaluator = Evaluator(processor_time=time)
    assert await evaluator.evaluate(f"numbers | {ten_times} | {ten_times} | length(@)", SMALL) == 300
    assert threads == set()
    assert await evaluator.evaluate(f"numbers | {' | '.join([ten_times] * 4)} | length(@)", SMALL) == 30_000
    assert threads == {"expressions_0"}
    evaluator.close()


async def test_the_loop_goes_on_while_the_thread_works() -> None:
    let_go, waited = threading.Event(), []

    def time() -> float:
        waited.append(let_go.wait(10))
        return 0.0

    evaluator = Evaluator(processor_time=time)
    running = asyncio.create_task(evaluator.evaluate("host.name", LARGE))
    while not running.done() and not waited:
        await asyncio.sleep(0)
        let_go.set()  # only a loop that goes on comes here
    assert await running == "berlin-1"
    assert all(waited)
    evaluator.close()


async def test_the_thread_stops_when_its_time_is_over_and_works_on() -> None:
    times = iter([10.0, 10.1, 10.25, 10.26])
    evaluator = Evaluator(max_seconds=0.25, processor_time=lambda: next(times, 0.0))
    with pytest.raises(ExpressionTooSlow, match="took longer"):
        await evaluator.evaluate(RUNAWAY, LARGE)
    assert await evaluator.evaluate("host.name", LARGE) == "berlin-1"
    evaluator.close()


async def test_runaway_expressions_do_not_hold_up_the_loop_or_each_other() -> None:
    evaluator = Evaluator()
    runaways = [asyncio.create_task(evaluator.evaluate(RUNAWAY, LARGE)) for _ in range(3)]
    fine = asyncio.create_task(evaluator.evaluate("host.name", LARGE))
    turns_while_running = 0
    while not fine.done():
        turns_while_running += 1
        await asyncio.sleep(0)
    assert turns_while_running > 100
    assert await fine == "berlin-1"
    for runaway in runaways:
        with pytest.raises(ExpressionTooSlow):
            await runaway
    evaluator.close()


async def test_a_closed_evaluator_takes_no_more() -> None:
    evaluator = Evaluator()
    evaluator.close()
    with pytest.raises(RuntimeError):
        await evaluator.evaluate("host.name", LARGE)
