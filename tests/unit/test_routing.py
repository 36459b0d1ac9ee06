"""Which sinks could run an EventType, there or not, and why none could."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.bundle import Bundle
from hub.model.configuration import Action, EventType, Runtime
from hub.model.sink import Presence, Sink
from hub.model.snapshot import Snapshot
from hub.rules.routing import MOST_LISTED, Lack, Needs, Routing, lacks, lists, needs_of, routing
from tests.unit.factories import NOW, RUN

POOL = "PYTHON:BASE"
PYTHON = Needs(Runtime.PYTHON, "clean.deep:run")
SCRIPT = Needs(Runtime.SHELL, "clean.sh")


def sink(name: str, sink_type: str = POOL) -> Sink:
    return Sink(name=name, sink_type=sink_type, enrolled_at=NOW)


def presence(name: str = "a", **fields: Any) -> Presence:
    told: dict[str, Any] = {"runtimes": ("python", "shell"), "modules": ("clean", "clean.sh")}
    base = {"instance": "i", "version": "1", "slots": 1, "running": 0, "seen_at": NOW, "offline_after_seconds": 60}
    return Presence(**{"sink": name, **base, **told, **fields})


def routed(
    sinks: list[Sink], presences: list[Presence], needs: Needs | None = PYTHON, pinned: str | None = None
) -> Routing:
    event_type = EventType(name="CLEAN", sink_type=POOL.lower(), action="clean", sink=pinned)
    snapshot = Snapshot(version="v", sinks={each.name.casefold(): each for each in sinks})
    return routing(event_type, needs, snapshot, {each.sink: each for each in presences}, NOW)


def names(sinks: tuple[Sink, ...]) -> list[str]:
    return [each.name for each in sinks]


SILENT: dict[str, Any] = {"runtimes": (), "modules": ()}
GONE: dict[str, Any] = {"seen_at": NOW - timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("sinks", "presences", "needs", "pinned", "could", "online", "lack", "since"),
    [
        pytest.param([], [], PYTHON, None, "", "", Lack.NO_SINK_ENROLLED, None, id="no sink at all"),
        pytest.param(
            [sink("z", "OTHER")], [presence("z")], PYTHON, None, "", "", Lack.NO_SINK_ENROLLED, None, id="another pool"
        ),
        pytest.param([sink("a")], [], PYTHON, None, "a", "", None, None, id="never came"),
        pytest.param([sink("a")], [presence(**SILENT)], PYTHON, None, "a", "a", None, None, id="says nothing"),
        pytest.param([sink("a")], [presence(**GONE)], PYTHON, None, "a", "", None, GONE["seen_at"], id="offline"),
        pytest.param([sink("a")], [presence(draining=True)], PYTHON, None, "a", "", None, None, id="drains"),
        pytest.param(
            [sink("a"), sink("b")], [presence(**GONE), presence("b")], PYTHON, None, "ab", "b", None, None, id="one is"
        ),
        pytest.param(
            [sink("a"), sink("b")],
            [presence("a", modules=()), presence("b", runtimes=("python",))],
            SCRIPT, None, "", "", Lack.MODULE_NOT_INSTALLED, None, id="one lacks the script, one the runtime",
        ),
        pytest.param(
            [sink("a"), sink("b")],
            [presence("a", runtimes=("python",)), presence("b")],
            SCRIPT, None, "b", "b", None, None, id="one of two",
        ),
        pytest.param(
            [sink("a")], [presence(runtimes=("shell",), **GONE)], PYTHON, None, "", "", Lack.RUNTIME_MISSING, None,
            id="lacks the runtime, and is offline",
        ),
        pytest.param([sink("a")], [presence(modules=())], PYTHON, None, "a", "a", None, None, id="may be installed"),
        pytest.param([sink("a")], [presence(modules=())], None, None, "a", "a", None, None, id="needs are unknown"),
        pytest.param([sink("a")], [presence()], PYTHON, "b", "", "", Lack.PINNED_SINK_GONE, None, id="pinned, gone"),
        pytest.param(
            [sink("a"), sink("b")], [presence(), presence("b")], PYTHON, "B", "b", "b", None, None, id="pinned"
        ),
    ],
)  # fmt: skip
def test_who_could_run_it(
    sinks: list[Sink], presences: list[Presence], needs: Needs | None, pinned: str | None,
    could: str, online: str, lack: Lack | None, since: Any,
) -> None:  # fmt: skip
    found = routed(sinks, presences, needs, pinned)
    assert ("".join(names(found.could)), "".join(names(found.online))) == (could, online)
    assert (found.lack, found.since) == (lack, since)


@pytest.mark.parametrize(
    ("runtime", "module", "lack", "listed"),
    [
        (Runtime.PYTHON, "clean:run", None, True),
        (Runtime.PYTHON, "other:run", None, False),  # it may be installed with the interpreter
        (Runtime.POWERSHELL, "clean.ps1", Lack.RUNTIME_MISSING, False),
        (Runtime.SHELL, "CLEAN.sh", None, True),
        (Runtime.SHELL, "other.sh", Lack.MODULE_NOT_INSTALLED, False),
        (Runtime.SHELL, "deep/other.sh", None, True),
        (Runtime.SHELL, "_other.sh", None, True),
        (Runtime.SHELL, "other", None, False),  # not listed unless it may be executed, and sh does not ask
        (Runtime.EXEC, "other", Lack.MODULE_NOT_INSTALLED, False),
        (Runtime.EXEC, "clean.py", None, True),
    ],
)
def test_what_a_sink_lacks(runtime: Runtime, module: str, lack: Lack | None, listed: bool) -> None:
    there = presence(runtimes=("python", "shell", "exec"))
    assert lacks(there, Needs(runtime, module)) is lack
    assert lists(there, Needs(runtime, module)) is listed


def test_of_a_full_list_what_is_missing_may_only_be_left_out() -> None:
    full = presence(modules=tuple(f"m{number}.sh" for number in range(MOST_LISTED)))
    assert lacks(full, Needs(Runtime.SHELL, "other.sh")) is None


def test_what_is_recorded_counts_and_a_bundle_is_brought_along() -> None:
    bundle: dict[str, Any] = {
        "name": "b@1",
        "digest": "d" * 64,
        "size": 1,
        "files": 1,
        "unpacked": 1,
        "uploaded_at": NOW,
        "blob": "x",
    }
    signed = Bundle(**bundle, signature=f"{'0' * 16}:{'A' * 86}==")
    snapshot = Snapshot(version="v", bundles={"b@1": signed})
    assert needs_of(RUN, snapshot) == Needs(Runtime.PYTHON, "clean:run")
    assert needs_of(None, snapshot) is None
    needs = needs_of(Action(name="a", runtime=Runtime.SHELL, module="m.sh", bundle="B@1"), snapshot)
    assert needs == Needs(Runtime.SHELL, "m.sh", "B@1", "0" * 16)
    recorded = RUN.model_copy(update={"bundle": "old@1", "bundle_digest": "d" * 64})
    assert needs_of(recorded, snapshot) == Needs(Runtime.PYTHON, "clean:run", "old@1", "0" * 16)


@pytest.mark.parametrize(
    ("bundles", "bundle", "key_id", "lack"),
    [
        ((), "b@1", None, Lack.MODULE_NOT_TAKEN),
        (("fetch",), "b@1", None, None),
        (("fetch",), "b@1", "k", None),
        (("fetch", "signed-by:k", "signed-by:m"), "b@1", "m", None),
        (("fetch", "signed-by:k"), "b@1", "other", Lack.MODULE_NOT_TAKEN),
        (("fetch", "signed-by:k"), "b@1", None, Lack.MODULE_NOT_TAKEN),
        (("fetch", "signed-by:k"), None, None, Lack.MODULE_NOT_TAKEN),
        (("signed-by:k",), "b@1", "k", Lack.MODULE_NOT_TAKEN),
    ],
)
def test_what_a_sink_takes(bundles: tuple[str, ...], bundle: str | None, key_id: str | None, lack: Lack | None) -> None:
    there = presence(bundles=bundles)
    assert lacks(there, Needs(Runtime.SHELL, "clean.sh", bundle, key_id)) is lack
    without = presence(bundles=bundles, runtimes=("python",))
    assert lacks(without, Needs(Runtime.SHELL, "clean.sh", bundle, key_id)) is Lack.RUNTIME_MISSING


@given(
    st.lists(
        st.tuples(st.sampled_from([POOL, "OTHER"]), st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        max_size=5,
    ),
    st.booleans(),
)
def test_who_is_online_could_and_who_could_is_enrolled(
    fleet: list[tuple[str, bool, bool, bool, bool]], pinned: bool
) -> None:
    sinks = [sink(f"s{number}", sink_type) for number, (sink_type, *_) in enumerate(fleet)]
    presences = [
        presence(f"s{number}", draining=draining, seen_at=NOW - timedelta(minutes=5 * away),
                 runtimes=("python",) if has else ("shell",))
        for number, (_, came, draining, away, has) in enumerate(fleet) if came
    ]  # fmt: skip
    found = routed(sinks, presences, pinned="s0" if pinned else None)
    assert set(names(found.online)) <= set(names(found.could)) <= set(names(found.enrolled))
    assert (found.lack is None) == bool(found.could)
    assert found.since is None or (found.could and not found.online)
