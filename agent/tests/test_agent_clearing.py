"""Removing what a task left in its folder: whatever it is, wherever it leads, without the memory to hold its names."""

from __future__ import annotations

import itertools
import os
import traceback
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from nexomatic_agent import clearing
from nexomatic_agent.clearing import Clearing


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work" / "EVENT-1"


def clear(path: Path) -> None:
    Clearing(path).go_on()


def left(top: Path) -> list[str]:
    return sorted(path.name for path in top.parent.iterdir())


def make_deep(top: Path, levels: int) -> None:
    """Folders in folders, and a file at the bottom: no path could name it."""
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


def test_what_is_not_there_is_fine(top: Path) -> None:
    clear(top)
    assert left(top) == []


def test_folders_deeper_than_any_path_or_recursion(top: Path) -> None:
    make_deep(top, 1300)
    clear(top)
    assert left(top) == []


def test_files_are_not_collected_before_they_are_removed(top: Path) -> None:
    """A task may have made a million, and the agent has 100 MB."""
    top.mkdir()
    for number in range(1500):
        (top / f"a-file-with-a-long-name-{number:0200}").touch()
    tracemalloc.start()
    try:
        clear(top)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left(top) == []
    assert peak < 100_000


def test_more_full_folders_than_are_moved_at_a_time(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clearing, "MOVED_AT_ONCE", 3)
    for outer in range(10):
        for inner in range(10):
            (top / str(outer) / str(inner)).mkdir(parents=True)
            (top / str(outer) / str(inner) / "file").touch()
    clear(top)
    assert left(top) == []


def test_a_part_of_it_at_a_time(top: Path) -> None:
    for folder in range(10):
        (top / str(folder)).mkdir(parents=True)
        for file in range(10):
            (top / str(folder) / str(file)).touch()
    clearing = Clearing(top)
    counts = []
    while left(top):
        clearing.go_on(7)
        counts.append(sum(1 for path in top.parent.rglob("*") if path.is_file()))
    assert counts == sorted(counts, reverse=True)
    assert all(before - after <= 7 for before, after in itertools.pairwise([100, *counts]))
    clearing.go_on(7)
    clearing.go_on()
    assert left(top) == []


@pytest.mark.parametrize("kind", ["a file", "a link", "a link to nowhere", "a pipe"])
def test_what_is_in_the_folders_place_is_removed_and_not_followed(top: Path, tmp_path: Path, kind: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    make: dict[str, Callable[[], object]] = {
        "a file": top.touch,
        "a link": lambda: top.symlink_to(precious),
        "a link to nowhere": lambda: top.symlink_to("/nowhere/at/all"),
        "a pipe": lambda: os.mkfifo(top),
    }
    make[kind]()
    clear(top)
    assert left(top) == []
    assert (precious / "file").exists()


def test_links_inside_are_removed_and_not_followed(top: Path, tmp_path: Path) -> None:
    (tmp_path / "precious" / "deep").mkdir(parents=True)
    (top / "inner").mkdir(parents=True)
    (top / "inner" / "link").symlink_to(tmp_path / "precious")
    clear(top)
    assert left(top) == []
    assert (tmp_path / "precious" / "deep").exists()


def test_rights_that_a_task_took_away_are_taken_back(top: Path) -> None:
    def make_and_clear() -> None:
        for mode in (0o000, 0o100, 0o200, 0o400, 0o500):
            inner = Path(top.name, f"mode-{mode:o}", "inner")
            inner.mkdir(parents=True)
            (inner / "file").touch(0o000)
            inner.chmod(mode)
            inner.parent.chmod(mode)
        Path(top.name).chmod(0o000)
        clear(Path(top.name))

    without_roots_rights(top.parent, make_and_clear)
    assert left(top) == []


def without_roots_rights(folder: Path, act: Callable[[], object]) -> None:
    """In a process of its own, within the folder: to root no folder is locked."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.chdir(folder)
            if os.geteuid() == 0:
                os.chown(folder, 65534, 65534)
                os.setgroups([])
                os.setegid(65534)
                os.seteuid(65534)
            act()
            code = 0
        except BaseException:  # noqa: BLE001 - this process must never come back into the test run
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0


def test_what_cannot_be_removed_is_named_and_the_rest_is_gone(
    top: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (top / "inner").mkdir(parents=True)
    for name in ("one", "immovable", "two"):
        (top / "inner" / name).touch()
    unlink = os.unlink

    def refuse(path: str) -> None:
        if path.endswith("immovable"):
            raise OSError(1, "Operation not permitted")
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    clear(top)
    assert "EVENT-1 could not be removed: [Errno 1] Operation not permitted" in caplog.text
    assert [path.name for path in top.parent.rglob("*") if path.is_file()] == ["immovable"]
    monkeypatch.undo()
    for path in list(top.parent.iterdir()):
        clear(path)
    assert left(top) == []
