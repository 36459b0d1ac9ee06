"""Upgrade and rollback, with releases and a service manager of a few lines: each kept to what it promises to the other.

A real archive, a real Python and a real hub are in `make soak ONLY=install`.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hosting.errors import HostingError
from hosting.service import upgrading
from hosting.service.archive import BadArchive, check_digest, unpack
from hosting.service.control import Service
from hosting.service.layout import Layout
from hosting.service.upgrading import Upgrade
from tests.service.releases import make_release


class Killed(BaseException):
    """The process ended here."""


class Machine:
    """A machine with releases by version, a database that is a line of text per event, and a service manager."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.layout = Layout(root)
        self.formats: dict[str, int] = {}
        self.unwell: set[str] = set()
        self.running: str | None = None
        self.ran_at_backup: str | None = None
        self.asked = 0
        """How often a person had to say that data may be put back."""
        self.steps = 0
        self.die_at: int | None = None
        for folder in (self.layout.releases, self.layout.data, root / "etc/systemd/system"):
            folder.mkdir(parents=True)
        self.write(1, ["first"])
        monkeypatch.setattr("subprocess.run", self._hub)
        monkeypatch.setattr(Upgrade, "_place", lambda _, archive: archive.name)
        monkeypatch.setattr(upgrading, "check_digest", lambda *_: None)
        for name in ("_note", "_forget", "_write", "_tidy"):
            monkeypatch.setattr(Upgrade, name, self._step(getattr(Upgrade, name)))
        monkeypatch.setattr(upgrading, "_link", self._step(upgrading._link))
        monkeypatch.setattr(Service, "stop", self._step(lambda _: self._stop()))
        monkeypatch.setattr(Service, "start", self._step(lambda _, release: self.start(release.name)))

    @property
    def database(self) -> Path:
        return self.layout.data / "nexomatic.db"

    def write(self, database_format: int, events: list[str]) -> None:
        self.database.write_text(json.dumps([database_format, events]))

    def read(self) -> tuple[int, list[str]]:
        found, events = json.loads(self.database.read_text())
        return found, events

    def release(self, version: str, database_format: int) -> None:
        (self.layout.releases / version).mkdir()
        about = {"version": version, "database_format": database_format}
        (self.layout.releases / version / "release.json").write_text(json.dumps(about))
        self.formats[version] = database_format

    def start(self, version: str) -> bool:
        """As systemd does: whatever `current` leads to. A release migrates what is older, and refuses what is newer."""
        assert self.layout.current.readlink().name == version
        found, events = self.read()
        if found > self.formats[version]:
            return False
        self.write(self.formats[version], events)
        if version in self.unwell:
            return False
        self.running = version
        return True

    def reboot(self) -> None:
        """Whoever runs now takes an event that must never be lost."""
        if self.start(self.layout.current.readlink().name):
            found, events = self.read()
            self.write(found, [*events, f"after {len(events)}"])

    def _stop(self) -> None:
        self.running = None

    def _step(self, do: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            self._count()
            done = do(*arguments)
            self._count()
            return done

        return step

    def _count(self) -> None:
        self.steps += 1
        if self.steps == self.die_at:
            raise Killed

    def _hub(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self._count()
        said = ""
        match command[1:]:
            case ["data-format"]:
                said = str(self.read()[0])
            case ["backup", "take", "--to", str(folder)]:
                self.ran_at_backup = self.running
                assert self.read()[0] <= self.formats[Path(command[0]).parent.name]
                Path(folder).mkdir(exist_ok=True)
                taken = Path(folder) / f"nexomatic-{len(list(Path(folder).iterdir())):03}"
                taken.write_bytes(self.database.read_bytes())
                said = str(taken)
            case ["backup", "restore", str(backup), "--replace"]:
                assert self.running is None
                self.database.write_bytes(Path(backup).read_bytes())
        self._count()
        return subprocess.CompletedProcess(command, 0, f"{said}\n", "")

    def upgrade(self, version: str) -> str:
        return Upgrade(self.layout, {}, 1.0).upgrade(Path(version), None)

    def rollback(self, *, restore: bool = False) -> str:
        return Upgrade(self.layout, {}, 1.0).rollback(restore=restore)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, monkeypatch)
    made.release("1.0", 1)
    made.layout.current.symlink_to("releases/1.0")
    made.start("1.0")
    return made


@pytest.mark.parametrize("new_format", [1, 2])
def test_there_and_back(machine: Machine, new_format: int) -> None:
    machine.release("2.0", new_format)
    assert "2.0 runs" in machine.upgrade("2.0")
    assert (machine.running, machine.read()) == ("2.0", (new_format, ["first"]))
    assert machine.ran_at_backup == (
        "1.0" if new_format == 1 else None
    )  # what comes after a backup would be lost by it
    assert "already" in machine.upgrade("2.0")
    if new_format == 2:
        with pytest.raises(HostingError, match="--restore puts back"):
            machine.rollback()
        assert machine.running == "2.0"
    assert "1.0 runs again" in machine.rollback(restore=new_format == 2)
    assert (machine.running, machine.read()) == ("1.0", (1, ["first"]))
    with pytest.raises(HostingError, match="no release before"):
        machine.rollback()


@pytest.mark.parametrize("new_format", [1, 2])
def test_one_that_is_not_well_is_gone_back_from(machine: Machine, new_format: int) -> None:
    machine.release("2.0", new_format)
    machine.unwell.add("2.0")
    with pytest.raises(HostingError, match=r"2\.0 is not well -- 1\.0 runs again"):
        machine.upgrade("2.0")
    assert (machine.running, machine.read()) == ("1.0", (1, ["first"]))


def test_an_older_format_is_refused_before_anything_is_touched(machine: Machine) -> None:
    machine.release("0.9", 0)
    with pytest.raises(HostingError, match=r"0\.9 is older"):
        machine.upgrade("0.9")
    assert machine.running == "1.0"


@pytest.mark.parametrize("unwell", [False, True])
@pytest.mark.parametrize("new_format", [1, 2])
def test_killed_at_any_step_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_format: int, unwell: bool
) -> None:
    """And the machine may have been started anew meanwhile, and have taken an event."""
    asked = 0
    for reboots in (False, True):
        die_at = 0
        finished = False
        while not finished:
            die_at += 1
            with monkeypatch.context() as patches:
                machine = Machine(tmp_path / f"{reboots}{die_at}", patches)
                machine.release("1.0", 1)
                machine.layout.current.symlink_to("releases/1.0")
                machine.start("1.0")
                machine.release("2.0", new_format)
                machine.unwell |= {"2.0"} if unwell else set()
                machine.die_at = die_at
                finished = not killed(machine)
                assert machine.layout.current.readlink().name in ("1.0", "2.0")
                if reboots:
                    machine.reboot()
                taken = machine.read()[1]
                killed(machine)
                assert machine.running == ("1.0" if unwell else "2.0"), die_at
                assert machine.read() == (1 if unwell else new_format, taken), die_at
                asked += machine.asked
        assert die_at > 20
    assert bool(asked) == (unwell and new_format == 2)


def killed(machine: Machine) -> bool:
    """Upgrade; whether the process was killed. One that is not well is gone back from."""
    try:
        machine.upgrade("2.0")
    except Killed:
        return True
    except HostingError as error:
        if "--restore" in str(error):
            machine.asked += 1
            machine.rollback(restore=True)
        elif "is not well" not in str(error):
            raise
    return False


def test_an_interrupted_upgrade_can_be_taken_back_and_no_other_begun(machine: Machine) -> None:
    machine.release("2.0", 2)
    machine.release("3.0", 2)
    machine.die_at = machine.steps + 12
    with pytest.raises(Killed):
        machine.upgrade("2.0")
    with pytest.raises(HostingError, match=r"upgrade to 2\.0 was interrupted"):
        machine.upgrade("3.0")
    machine.rollback(restore=True)
    assert (machine.running, machine.read()) == ("1.0", (1, ["first"]))


def test_two_at_once_are_refused(machine: Machine) -> None:
    with Upgrade(machine.layout, {}, 1.0)._alone(), pytest.raises(HostingError, match="is under way"):
        machine.rollback()


def test_an_archive_is_held_against_its_digest(tmp_path: Path) -> None:
    archive = tmp_path / "hub.tar.gz"
    archive.write_bytes(b"whole")
    digest = hashlib.sha256(b"whole").hexdigest()
    with pytest.raises(BadArchive, match=r"no hub\.tar\.gz\.sha256"):
        check_digest(archive, None)
    (tmp_path / "hub.tar.gz.sha256").write_text(f"{digest}  hub.tar.gz\n")
    check_digest(archive, None)
    check_digest(archive, digest.upper())
    archive.write_bytes(b"whol")
    with pytest.raises(BadArchive, match="not whole"):
        check_digest(archive, None)
    with pytest.raises(BadArchive, match="64 hexadecimal"):
        check_digest(archive, "")


def entry(name: str, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, "/etc/passwd"
    return made


@pytest.mark.parametrize(
    "bad",
    [
        entry("../outside"),
        entry("/etc/outside"),
        entry("a/../../outside"),
        entry("top"),
        entry("top/link", tarfile.SYMTYPE),
        entry("top/link", tarfile.LNKTYPE),
        entry("top/pipe", tarfile.FIFOTYPE),
    ],
)
def test_nothing_is_unpacked_outside_and_nothing_but_files(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.addfile(entry("top/fine"))
        tar.addfile(bad)
    with pytest.raises(BadArchive, match="no place in a release"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert not list(tmp_path.glob("**/outside"))


def test_a_real_release_is_unpacked_and_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_release(tmp_path / "made", "7.0")
    archive = tmp_path / "hub.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted((tmp_path / "made").rglob("*")):
            if path.is_file():
                tar.add(path, f"nexomatic-hub-7.0/{path.relative_to(tmp_path / 'made').as_posix()}")
    layout = Layout(tmp_path / "root")
    layout.software.mkdir(parents=True)
    moving = Upgrade(layout, {}, 1.0)
    assert moving._place(archive) == "7.0"
    assert moving._hub("7.0", "data-format") == "hub small data-format"
    assert moving._format("7.0") == 2
    assert [each.name for each in layout.software.iterdir()] == ["releases"]


def test_what_the_new_release_took_is_not_thrown_away_unasked(machine: Machine) -> None:
    """Killed when all was done but the note of it, the new release ran for a while and then fell ill."""
    machine.release("2.0", 2)
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Upgrade, "_write", killed_at_last)
        with pytest.raises(Killed):
            machine.upgrade("2.0")
    machine.write(2, ["first", "taken by 2.0"])
    machine.unwell.add("2.0")
    with pytest.raises(HostingError, match="--restore"):
        machine.upgrade("2.0")
    assert machine.read() == (2, ["first", "taken by 2.0"])


def killed_at_last(moving: Upgrade, name: str, move: upgrading.Move) -> None:
    if name == upgrading.LAST:
        raise Killed
    (moving._layout.software / name).write_text(json.dumps(asdict(move)))
