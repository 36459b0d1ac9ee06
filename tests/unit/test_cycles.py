"""Chains of follow-ons that lead back to where they began are refused, unless an action of them says it is meant."""

from __future__ import annotations

from typing import Any

import pytest

from hub.configure.cycles import Chains
from hub.errors import Invalid
from hub.model.configuration import Action, EventType, Kind, Runtime
from hub.model.snapshot import Snapshot
from tests.unit.configuring import ANY, Desk, opened_desk


@pytest.fixture
async def desk() -> Any:
    async with opened_desk() as opened:
        await opened.pool()
        yield opened


async def chained(desk: Desk, *names: str) -> None:
    """EventTypes, each with an action of its own that leads nowhere yet."""
    for name in names:
        await desk.action(f"do-{name}")
        await desk.event_type(name, action=f"do-{name}")


def said(caught: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {each.field: each.message for each in caught.value.fields}


@pytest.mark.parametrize("edge", ["on_success", "on_warning", "on_failure"])
async def test_an_action_that_leads_back_to_itself(desk: Desk, edge: str) -> None:
    await chained(desk, "A")
    with pytest.raises(Invalid) as caught:
        await desk.action("do-A", ANY, **{edge: "A"})
    assert f"leads in a circle: A -{edge}-> A;" in said(caught)[edge]


async def test_the_way_round_is_named_with_its_edges(desk: Desk) -> None:
    await chained(desk, "A", "B", "C")
    await desk.action("do-A", ANY, on_success="B", on_failure="C")
    await desk.action("do-B", ANY, on_warning="C")
    with pytest.raises(Invalid) as caught:
        await desk.action("do-C", ANY, on_failure="a")
    assert "C -on_failure-> A -on_failure-> C" in said(caught)["on_failure"]
    assert (await desk.resources.get(Kind.ACTION, "do-C")).model.on_failure is None  # type: ignore[attr-defined]


async def test_an_event_type_that_takes_an_action_which_leads_to_it(desk: Desk) -> None:
    await chained(desk, "A", "B")
    await desk.action("do-A", ANY, on_success="B")
    with pytest.raises(Invalid) as caught:
        await desk.event_type("B", ANY, action="do-A")
    assert "B -on_success-> B" in said(caught)["action"]


async def test_one_that_is_meant(desk: Desk) -> None:
    await chained(desk, "CHECK", "REPAIR")
    await desk.action("do-CHECK", ANY, on_failure="REPAIR", allow_cycle=True)
    await desk.action("do-REPAIR", ANY, on_success="CHECK")
    with pytest.raises(Invalid) as caught:
        await desk.action("do-CHECK", ANY, on_failure="REPAIR")
    assert "CHECK -on_failure-> REPAIR -on_success-> CHECK" in said(caught)["on_failure"]


async def test_documents_written_together_are_judged_together(desk: Desk) -> None:
    both: dict[Kind, list[Any]] = {
        Kind.ACTION: [
            {"name": "a", "runtime": "python", "module": "m:f", "on_success": "B"},
            {"name": "b", "runtime": "python", "module": "m:f", "on_success": "A"},
        ],
        Kind.EVENT_TYPE: [{"name": n, "sink_type": "PYTHON:BASE", "action": n.lower()} for n in ("A", "B")],
    }
    with pytest.raises(Invalid) as caught:
        await desk.resources.apply(both)
    assert set(said(caught)) == {
        "actions/a.on_success",
        "actions/b.on_success",
        "event-types/A.action",
        "event-types/B.action",
    }


async def test_branches_that_meet_again_are_no_cycle(desk: Desk) -> None:
    await chained(desk, "A", "B", "C", "D")
    await desk.action("do-C", ANY, on_success="D")
    await desk.action("do-B", ANY, on_success="D", on_failure="D")
    await desk.action("do-A", ANY, on_success="B", on_warning="C", on_failure="C")


async def test_a_cycle_that_is_there_already_is_no_reason_to_refuse_another_document(desk: Desk) -> None:
    """A release that let it pass may have written it."""
    types = {name: EventType(name=name.upper(), sink_type="P", action=name) for name in ("a", "b")}
    actions = {
        name: Action(name=name, runtime=Runtime.PYTHON, module="m:f", on_success=leads)
        for name, leads in (("a", "A"), ("b", "A"))
    }
    chains = Chains(Snapshot("1", event_types=types, actions=actions))
    assert list(chains.closed_by(types["b"])) == list(chains.closed_by(actions["b"])) == []
    assert [each.field for each in chains.closed_by(actions["a"])] == ["on_success"]


def test_a_long_way_round_is_cut_and_a_large_configuration_is_judged_once() -> None:
    count = 3000
    types = {f"e{n}": EventType(name=f"E{n}", sink_type="P", action=f"a{n}") for n in range(count)}
    actions = {
        f"a{n}": Action(name=f"a{n}", runtime=Runtime.PYTHON, module="m:f", on_success=f"E{(n + 1) % count}")
        for n in range(count)
    }
    (error,) = Chains(Snapshot("1", event_types=types, actions=actions)).closed_by(actions["a7"])
    assert error.message.startswith("leads in a circle: E7 -on_success-> E8 -on_success->")
    assert "… E6 -on_success-> E7;" in error.message
    assert len(error.message) < 600
