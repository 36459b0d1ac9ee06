"""Backups: taken beside a hub that writes, checked, put back; what is refused, and what a death at any line leaves."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosting import backup
from hosting import restore as restoring
from hosting.backup_manifest import MANIFEST, BadBackup
from hosting.errors import HostingError
from hosting.restore import Wish
from hub.clock import SystemClock
from hub.errors import Rejected, Unavailable
from hub.root_key import make as make_root_key
from hub.storage.embedded import open_embedded
from hub.storage.embedded.anchors import FILE as ANCHORS
from hub.storage.embedded.copying import openings_of
from hub.storage.keys import EVENTS
from tests.contract.test_embedded_durability import check_messages, opened

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def few_bytes_left_free(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("NEXOMATIC_")]:
        monkeypatch.delenv(name)


def run(*arguments: object) -> int:
    return backup.main([str(each) for each in arguments])


async def _write(home: Path, *keys: str, anchor: str = "") -> None:
    storage = open_embedded(home / "nexomatic.db", SystemClock())
    for key in keys:
        await storage.tables.insert(EVENTS, "p", key, {"x": 1})
    if anchor:
        await storage.anchors.add(anchor, b"{}")
    await storage.close()


async def _keys(home: Path) -> list[str]:
    storage = open_embedded(home / "nexomatic.db", SystemClock())
    rows = await storage.tables.query(EVENTS, "p")
    await storage.close()
    return [row.key for row in rows]


def write(home: Path, *keys: str, anchor: str = "") -> None:
    home.mkdir(exist_ok=True)
    make_root_key(home / "root.key")
    asyncio.run(_write(home, *keys, anchor=anchor))


def keys(home: Path) -> list[str]:
    return asyncio.run(_keys(home))


def taken(home: Path, to: Path, with_root_key: Path | None = None) -> Path:
    return backup.take(backup.settings_of(home), to, with_root_key)


def restored(home: Path, folder: Path, wish: Wish | None = None) -> str:
    return "\n".join(restoring.restore(backup.settings_of(home), folder, wish or Wish()))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a row `old` and an anchor."""
    write(tmp_path / "home", "old", anchor="2026-03-01T120000Z.json")
    return tmp_path / "home"


# --- under load -------------------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path) -> Iterator[list[tuple[str, str, int]]]:
    """A process that writes all the while, as a hub does; what it has acknowledged so far."""
    command = [sys.executable, "-m", "tests.contract.embedded_writer", str(path), "r"]
    said: list[tuple[str, str, int]] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None

        def read() -> None:
            assert writer.stdout is not None
            for line in writer.stdout:
                what, name, step = line.split()
                said.append((what, name, int(step)))

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield said
        finally:
            writer.send_signal(signal.SIGKILL)
            reader.join()


def wait_for(said: list[tuple[str, str, int]], number: int) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if len(said) >= number:
            return
        pause.wait(0.02)
    raise AssertionError(f"only {len(said)} acknowledged within a minute")


@pytest.mark.processes
def test_a_backup_under_load_holds_what_was_acknowledged_and_writes_go_on(tmp_path: Path) -> None:
    live, to = tmp_path / "live", tmp_path / "backups"
    live.mkdir()
    make_root_key(live / "root.key")
    steps: list[int] = []
    with writing(live / "nexomatic.db") as said:
        wait_for(said, 1000)
        before = list(said)

        def step(left: int, _: int) -> None:
            steps.append(left)
            assert len(steps) < 200, "it begins again at each write"
            wait_for(said, len(said) + 20)  # it is no backup under load unless writes go on at each step

        folder = backup.take(backup.settings_of(live), to, on_step=step)
        wait_for(said, len(said) + 200)
    assert len(steps) >= 3
    assert backup.checked(folder).openings == 1
    fresh = tmp_path / "fresh"
    restored(fresh, folder, Wish(root_key=live / "root.key"))
    asyncio.run(_check(fresh / "nexomatic.db", before))
    asyncio.run(_check(live / "nexomatic.db", list(said)))  # and the one that was copied is none the worse


async def _check(path: Path, before: list[tuple[str, str, int]]) -> None:
    async with opened(path) as storage:
        assert await storage.integrity_check() == []
        steps = {name: step for what, name, step in before if what == "row"}
        for name, step in steps.items():
            found = (await storage.tables.get(EVENTS, "p", name)).values["step"]
            assert isinstance(found, int)
            assert found >= step
        await check_messages(storage, {f"{name} {step}" for what, name, step in before if what == "message"})


def test_a_hub_that_died_keeps_its_log_for_its_next_start(tmp_path: Path) -> None:
    live = tmp_path / "live"
    live.mkdir()
    make_root_key(live / "root.key")
    with writing(live / "nexomatic.db") as said:
        wait_for(said, 300)
    files = {name: (live / name).read_bytes() for name in ("nexomatic.db", "nexomatic.db-wal")}
    assert files["nexomatic.db-wal"]
    folder = taken(live, tmp_path / "backups")
    assert {name: (live / name).read_bytes() for name in files} == files
    restored(tmp_path / "fresh", folder, Wish(root_key=live / "root.key"))
    asyncio.run(_check(tmp_path / "fresh" / "nexomatic.db", said))


# --- what is in it ----------------------------------------------------------------------------------------------------


def test_it_is_whole_private_and_without_the_root_key(home: Path, tmp_path: Path) -> None:
    folder = taken(home, tmp_path / "backups")
    assert sorted(each.name for each in folder.iterdir()) == [ANCHORS, MANIFEST, "nexomatic.db"]
    assert [each.name for each in (tmp_path / "backups").iterdir()] == [folder.name]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    key = (home / "root.key").read_bytes()
    assert not any(key.strip() in each.read_bytes() for each in folder.iterdir())
    said = json.loads((folder / MANIFEST).read_text())
    assert (said["format"], said["database_format"], said["rows_format"]) == (1, 2, 1)
    assert run("check", folder) == 0
    other = taken(home, tmp_path / "backups", tmp_path / "key")
    assert (tmp_path / "key").read_bytes() == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert other != folder
    with pytest.raises(HostingError, match="is there already"):
        taken(home, tmp_path / "backups", tmp_path / "key")
    assert len(list((tmp_path / "backups").iterdir())) == 2


def test_what_cannot_be_a_backup_is_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "backups"
    assert run("--home", tmp_path / "nowhere", "take", "--to", to) == 1
    assert "there is no database" in capsys.readouterr().err
    (home / "nexomatic.db").write_bytes(b"something else" * 1000)
    assert run("--home", home, "take", "--to", to) == 1
    assert "cannot be read as a database" in capsys.readouterr().err
    assert list(to.iterdir()) == []


def test_a_damaged_database_makes_no_backup(home: Path, tmp_path: Path) -> None:
    write(home, *(f"k{number:04}" for number in range(400)))
    data = bytearray((home / "nexomatic.db").read_bytes())
    data[9 * 4096 : 12 * 4096] = os.urandom(3 * 4096)
    (home / "nexomatic.db").write_bytes(data)
    with pytest.raises(Rejected, match="damaged"):
        taken(home, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_place_without_room_is_refused_before_anything_is_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "LEFT_FREE", 1 << 60)
    with pytest.raises(HostingError, match="MiB free, and the backup needs"):
        taken(home, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


# --- putting it back --------------------------------------------------------------------------------------------------


def test_into_a_fresh_home_with_its_root_key(home: Path, tmp_path: Path) -> None:
    folder = taken(home, tmp_path / "backups", tmp_path / "key")
    fresh = tmp_path / "fresh"
    with pytest.raises(HostingError, match="no secret of the backup can be read"):
        restored(fresh, folder)
    make_root_key(tmp_path / "another")
    with pytest.raises(HostingError, match="and the backup was made with key"):
        restored(fresh, folder, Wish(root_key=tmp_path / "another"))
    assert not (fresh / "nexomatic.db").exists()
    said = restored(fresh, folder, Wish(root_key=tmp_path / "key"))
    assert "restored" in said
    assert "kept" not in said
    assert keys(fresh) == ["old"]
    assert (fresh / "root.key").read_bytes() == (home / "root.key").read_bytes()
    assert sorted(each.name for each in fresh.iterdir()) == [
        ANCHORS,
        "nexomatic.db",
        "nexomatic.db.lock",
        "root.key",
    ]
    assert {stat.S_IMODE(each.stat().st_mode) for each in fresh.iterdir()} == {0o600}
    assert openings_of(fresh / "nexomatic.db") > 4096


def test_over_what_is_there_only_if_told_and_the_old_is_kept(home: Path, tmp_path: Path) -> None:
    folder = taken(home, tmp_path / "backups")
    write(home, "new", anchor="2026-03-01T130000Z.json")
    with pytest.raises(HostingError, match="--replace"):
        restored(home, folder)
    assert keys(home) == ["new", "old"]
    restored(home, folder, Wish(replace=True))
    assert keys(home) == ["old"]
    (aside,) = home.glob("replaced-*")
    assert asyncio.run(_keys(aside)) == ["new", "old"]
    # What the audit said of itself stays, or who puts back an older database would take its witness away.
    assert (home / ANCHORS).read_text() == "2026-03-01T120000Z.json {}\n2026-03-01T130000Z.json {}\n"
    assert openings_of(home / "nexomatic.db") > openings_of(aside / "nexomatic.db")


def test_not_while_a_hub_is_running(home: Path, tmp_path: Path) -> None:
    folder = taken(home, tmp_path / "backups")
    storage = open_embedded(home / "nexomatic.db", SystemClock())
    with pytest.raises(Unavailable, match=f"open in another process .*{os.getpid()}"):
        restored(home, folder, Wish(replace=True))
    asyncio.run(storage.close())
    restored(home, folder, Wish(replace=True))


@pytest.mark.parametrize("harm", ["altered", "cut", "missing", "no manifest", "newer", "newer database", "half"])
def test_a_backup_that_is_not_whole_changes_nothing(home: Path, tmp_path: Path, harm: str) -> None:
    folder = taken(home, tmp_path / "backups")
    file, manifest = folder / "nexomatic.db", folder / MANIFEST
    said = json.loads(manifest.read_text())
    match harm:
        case "altered":
            data = bytearray(file.read_bytes())
            data[5000] ^= 1
            file.write_bytes(data)
        case "cut":
            file.write_bytes(file.read_bytes()[:-4096])
        case "missing":
            file.unlink()
        case "no manifest":
            manifest.unlink()
        case "newer":
            manifest.write_text(json.dumps({**said, "format": 2}))
        case "newer database":
            manifest.write_text(json.dumps({**said, "database_format": 99}))
        case "half":
            manifest.write_text(manifest.read_text()[:100])
    write(home, "new")
    before = (home / "nexomatic.db").read_bytes()
    with pytest.raises((BadBackup, FileNotFoundError)):
        restored(home, folder, Wish(replace=True))
    assert (home / "nexomatic.db").read_bytes() == before
    assert not (home / "restore.draft").exists()
    assert not list(home.glob("replaced-*"))
    if harm != "newer database":
        assert run("check", folder) == 1


@pytest.mark.processes
def test_killed_at_any_line_it_leaves_what_was_there_or_the_backup(home: Path, tmp_path: Path) -> None:
    folder = taken(home, tmp_path / "taken")
    folder.rename(tmp_path / "backup")
    (home / ANCHORS).unlink()  # so that old and new have different ones
    write(home, "new", anchor="2026-03-01T130000Z.json")
    # With a log that the backup's database must never meet.
    with writing(home / "nexomatic.db") as said:
        wait_for(said, 20)
    home.rename(tmp_path / "template")
    # In memory, if there is such a place: a disk flushes more than a thousand times here.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        for name in ("template", "backup"):
            shutil.copytree(tmp_path / name, Path(place) / name)
        command = [sys.executable, "-m", "tests.hosting.backup_kills", place]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    old, new = found[0], found[-1]
    assert "new" in old
    assert new == "old and 2 anchors"
    changed = found.index(new)
    assert set(found[:changed]) == {old}
    assert set(found[changed:]) == {new}
    assert changed > 10  # lines before it is decided,
    assert len(found) - changed > 15  # and after: it was killed in the middle of the moves, too
