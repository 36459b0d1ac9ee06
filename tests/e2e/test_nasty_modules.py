"""Modules that misbehave, on the whole platform: floods as a reader sees them, and a short random mix.

The long mix is `make soak ONLY=modules`; each kind by itself is tested in agent/tests/test_agent_nasty_modules.py.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from agent_testing.footprint import MOST_MEGABYTES, peak_megabytes
from agent_testing.nasty import GOES_ON, GONE_ON

from tests.e2e.conftest import configure
from tests.e2e.local_platform import Platform
from tests.soak import modules

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

KEPT_BYTES = 10 << 20
"""Of one attempt's log, unless the agent is set otherwise."""
LINE_BYTES = 48
"""Counted for each line beside its text."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    made = modules.a_platform(tmp_path_factory.mktemp("platform") / "home")
    made.environ = {**modules.SETTINGS, "NEXOMATIC_AGENT_LOG_ATTEMPT_BYTES": str(KEPT_BYTES)}
    with made as running:
        yield running


def ended_with_its_log(platform: Platform, module: str, **payload: int) -> list[str]:
    """The lines of an event that ran the module, once it is a SUCCESS."""
    name = module.partition(":")[2].upper()
    configure(platform, name, module)
    fired = platform.client.post("/api/events", {"event_type": name, "payload": payload})
    event = platform.final(fired["id"])
    assert (event["state"], len(event["attempts"])) == ("SUCCESS", 1)
    return [line["text"] for line in modules.whole_log(platform.client, fired["id"])]


def test_of_fifty_megabytes_ten_are_kept_and_the_rest_is_counted(platform: Platform) -> None:
    width, count = 1000, 50_000
    *kept, mark, end = ended_with_its_log(platform, "nasty_output:much", lines=count, width=width)
    assert len(kept) == KEPT_BYTES // (width - 1 + LINE_BYTES)
    assert set(kept) == {"x" * (width - 1)}
    assert mark == f"[log cut: {KEPT_BYTES} bytes are kept; what follows is only counted]"
    assert end == f"[log cut: the task wrote {count} lines, {count * width} bytes in all]"
    assert peak_megabytes(platform.pid("sink")) < MOST_MEGABYTES


def test_one_line_of_twenty_megabytes_is_cut_into_pieces_and_then_off(platform: Platform) -> None:
    *kept, mark, end = ended_with_its_log(platform, "nasty_output:one_line", bytes=20 << 20)
    assert all(piece.endswith(GOES_ON) for piece in kept)
    assert all(piece.startswith(GONE_ON) for piece in kept[1:])
    text = "".join(piece.removeprefix(GONE_ON).removesuffix(GOES_ON) for piece in kept)
    assert KEPT_BYTES - 65_536 - len(kept) * 100 < len(text) <= KEPT_BYTES
    assert text == ("0123456789abcdef" * (len(text) // 16 + 1))[: len(text)]
    assert mark == f"[log cut: {KEPT_BYTES} bytes are kept; what follows is only counted]"
    assert end == f"[log cut: the task wrote 1 lines, {20 << 20} bytes in all]"
    assert peak_megabytes(platform.pid("sink")) < MOST_MEGABYTES


def test_a_random_mix_ends_as_it_must_and_leaves_nothing_behind(platform: Platform) -> None:
    figures = modules.storm(platform, seed=1, seconds=3)
    assert figures["events"] > 0
