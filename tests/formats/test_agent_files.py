"""This release's agent reads the folder that earlier ones left: who it is, what it holds, results not yet delivered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nexomatic_agent.files import UnreadableDocument
from nexomatic_agent.identity import load_identity
from nexomatic_agent.spool import Spool

from tests.formats import agent_files
from tests.formats.recorded import FOLDER, RELEASES


@pytest.fixture(params=RELEASES)
def recorded(request: pytest.FixtureRequest) -> dict[str, str]:
    return agent_files.read(FOLDER / str(request.param))


def test_everything_is_there_and_goes_on(recorded: dict[str, str], tmp_path: Path) -> None:
    agent_files.put_back(recorded, tmp_path)
    agent_files.check(tmp_path)


def test_each_file_says_its_format(recorded: dict[str, str]) -> None:
    assert {name: json.loads(text.splitlines()[0])["format"] for name, text in recorded.items()} == dict.fromkeys(
        recorded, 1
    )
    assert len(recorded) == 9


def test_what_is_written_now_has_the_shape_of_its_format(tmp_path: Path) -> None:
    agent_files.write(tmp_path)
    newest = agent_files.read(FOLDER / RELEASES[-1])
    assert agent_files.shape(agent_files.files(tmp_path)) == agent_files.shape(newest)


def test_a_file_of_a_newer_release_is_refused_by_its_name_and_left_alone(
    recorded: dict[str, str], tmp_path: Path
) -> None:
    newer = {name: text.replace('"format":1', '"format":2', 1) for name, text in recorded.items()}
    agent_files.put_back(newer, tmp_path)
    with pytest.raises(UnreadableDocument, match=r"identity\.json is of format 2, and this release reads up to 1"):
        load_identity(tmp_path)
    with pytest.raises(UnreadableDocument, match="format 2"):
        Spool(tmp_path / "spool", tmp_path / "lost").read(agent_files.CLAIM.key)
    assert agent_files.files(tmp_path) == newer
