"""What a platform leaves behind is found."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.kills import leftovers
from tests.kills.platform import temporary_of

pytestmark = pytest.mark.processes


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As a stopped platform leaves it."""
    home = tmp_path / "home"
    for name in ("sink/journal", "sink/spool", "sink/work", "sink/lost", "logs", "azurite"):
        (home / name).mkdir(parents=True)
    temporary_of(home).mkdir()
    (home / "azurite/__azurite_db_table__.json~").touch()
    return home


def files(home: Path, *refused: str) -> list[str]:
    return list(leftovers.files_left(home, set(refused)))


def test_nothing_left_is_nothing_found(home: Path) -> None:
    assert files(home) == []
    assert leftovers.processes_left(home) == []
    assert leftovers.complaints(home) == []


@pytest.mark.parametrize(
    "path",
    [
        "sink/journal/E-1.json",
        "sink/journal/E-1.process",
        "sink/spool/E-1.json",
        "sink/work/E-1",
        "sink/lost/E-1.json",
        "sink/.instance.json.01234567.tmp",
        "ready.draft",
        "ready.json",
        "tmp/etilqs_1",
    ],
)
def test_each_file_is_found(home: Path, path: str) -> None:
    (home / path).write_text("{}")
    (said,) = files(home)
    assert path in said


def test_a_refused_result_may_be_kept(home: Path) -> None:
    (home / "sink/lost/E-1.json").touch()
    assert files(home, "E-1") == []
    assert list(leftovers.files_left(home, None)) == []


@pytest.mark.parametrize("how", ["folder", "environment", "argument"])
def test_each_process_is_found(home: Path, how: str) -> None:
    argv = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        [*argv, str(home)] if how == "argument" else argv,
        cwd=home if how == "folder" else None,
        env={"NEXOMATIC_INPUT": str(home / "sink/work/E-1/input.json")} if how == "environment" else None,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        program.stdout.readline()
        found = leftovers.processes_left(home)
        program.kill()
    assert [each.partition(":")[0] for each in found] == [f"process {program.pid} is left"]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("sink     2026-11-25T22:42:25.554Z WARNING sink was killed by SIGKILL; it is started again", False),
        ("sink     2026-11-25T22:42:23.563Z INFO holding: E-1: ended: ERROR RuntimeError", False),
        ("sink     2026-11-25T22:42:23.563Z ERROR holding: E-1: the agent failed to run the task", True),
        ("hub      2026-11-25T22:42:23.563Z ERROR   Host.Web the host failed", True),
        ("hub      2026-11-25T22:42:23.563Z CRITICAL Host.Startup timer tick ended", True),
        ("hub      2026-11-25T22:42:23.563Z Traceback (most recent call last):", True),
    ],
)
def test_the_log_is_read_by_its_levels(home: Path, line: str, is_found: bool) -> None:
    (home / "logs/children.log").write_text(line + "\n")
    assert bool(leftovers.complaints(home)) is is_found


def test_a_damaged_database_is_found(home: Path) -> None:
    database = home / "nexomatic.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE t(a)")
        connection.executemany("INSERT INTO t VALUES(?)", [("x" * 500,)] * 200)
    assert leftovers.database_faults(home) == []
    content = bytearray(database.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    database.write_bytes(content)
    assert leftovers.database_faults(home) != []
