"""What the agent keeps on disk: whole or not at all, its own only, and taken up again after a crash."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, List, Optional

import pytest
from agent_testing.fake_hub import FakeHub
from nexomatic_agent import files, service
from nexomatic_agent.config import BadSettings, read_settings
from nexomatic_agent.enrolment import enrol
from nexomatic_agent.files import UnreadableDocument, make_private_folder, read_document, write_document
from nexomatic_agent.identity import Identity, Instances, NotEnrolled, load_identity
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.journal import Claim, Journal
from nexomatic_agent.lock import StateInUse, StateLock
from nexomatic_agent.recovery import recover
from nexomatic_agent.spool import LOST_KEPT, Spool, Spooled
from nexomatic_agent.work_folder import WorkFolders

CLAIM = Claim("EVENT", 2, "token", 30.0, "mark", started=True)
RESULT = TaskResult("SUCCESS", data={"n": [1, "ä"]})
SPOOLED = Spooled("EVENT", 2, "newer-token", 30.0, RESULT)
CHUNKS = [{"first": 1, "lines": [{"text": "ä\u2028\n"}]}, {"first": 2, "lines": []}]


def test_a_document_is_whole_private_and_carries_its_format(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_document(path, {"text": "ä"})
    assert read_document(path) == {"format": files.FORMAT, "text": "ä"}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("step", ["write", "replace"])
def test_a_failed_write_leaves_the_old_document_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.json"
    write_document(path, {"n": 1})

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space"):
        write_document(path, {"n": 2})
    monkeypatch.undo()
    assert read_document(path)["n"] == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"n": 1}', b'{"format": 2}', b"\xff"])
def test_a_damaged_or_newer_document_is_told_apart_from_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UnreadableDocument, match=r"a\.json"):
        read_document(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "b.json")


def test_a_folder_is_made_private_even_if_it_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


# --- identity


def test_an_identity_is_kept_and_its_credential_not_shown(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="nexomatic-agent enroll"):
        load_identity(tmp_path)
    identity = Identity("https://hub.example", "alpha", "PYTHON:BASE", "very-secret")
    identity.save(tmp_path)
    assert load_identity(tmp_path) == identity
    assert "very-secret" not in repr(identity)


def test_an_identity_without_its_parts_is_unreadable(tmp_path: Path) -> None:
    write_document(tmp_path / "identity.json", {"hub": "https://hub.example"})
    with pytest.raises(UnreadableDocument, match="enrol again"):
        load_identity(tmp_path)


def test_every_start_names_an_instance_that_the_hub_may_know(tmp_path: Path) -> None:
    """Whatever the hub knows, the instance that was last answered or one that never was, the next start names it."""
    first = Instances(tmp_path).start()
    assert first.replaces is None
    killed_before_an_answer = Instances(tmp_path).start()
    assert killed_before_an_answer == first
    Instances(tmp_path).answered(first)
    second = Instances(tmp_path).start()
    assert (second.id != first.id, second.replaces) == (True, first.id)
    assert Instances(tmp_path).start() == second
    Instances(tmp_path).forget()
    assert Instances(tmp_path).start().replaces is None


def test_a_new_credential_begins_without_a_past(hub: FakeHub, tmp_path: Path) -> None:
    Instances(tmp_path).answered(Instances(tmp_path).start())
    settings = read_settings({"state": str(tmp_path), "hub": hub.address, "token": "nxe_x", "name": "alpha"}, {})
    enrol(settings, lambda: 0.5)
    assert Instances(tmp_path).start().replaces is None


def test_an_identity_of_a_hub_without_tls_is_not_used_any_more(tmp_path: Path) -> None:
    """An older release took such an address; the credential would cross the network in clear with each call."""
    Identity("http://hub.example.org", "alpha", "PYTHON:BASE", "c" * 43).save(tmp_path)
    with pytest.raises(BadSettings, match="with which this agent is enrolled, must begin with https"):
        service._identity(read_settings({"state": str(tmp_path)}, {}))


def test_one_agent_for_a_folder(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    with pytest.raises(StateInUse, match="another agent runs"):
        StateLock(tmp_path)
    lock.release()
    StateLock(tmp_path).release()


def test_who_may_wait_takes_the_folder_over_when_it_is_free(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    waited: List[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            lock.release()

    StateLock.within(tmp_path, 10, lambda: sum(waited), sleep).release()
    assert len(waited) == 3


def test_who_may_wait_gives_up_in_the_end(tmp_path: Path) -> None:
    lock = StateLock(tmp_path)
    waited: List[float] = []
    with pytest.raises(StateInUse, match="another agent runs"):
        StateLock.within(tmp_path, 10, lambda: sum(waited), waited.append)
    assert 10 <= sum(waited) <= 11
    lock.release()


# --- journal, spool, work folders


def test_a_claim_is_kept_as_it_was(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.write(CLAIM)
    journal.note_process(CLAIM.key, {"pid": 7})
    assert journal.read(CLAIM.key) == CLAIM
    process = journal.process(CLAIM.key)
    assert process is not None
    assert process["pid"] == 7
    assert journal.keys() == ["EVENT-2"]
    journal.remove(CLAIM.key)
    journal.remove(CLAIM.key)
    assert list(tmp_path.iterdir()) == []


def test_a_result_is_kept_as_it_was(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", tmp_path / "lost")
    assert spool.read("EVENT-2") is None
    spool.write("EVENT-2", SPOOLED, CHUNKS)
    assert spool.read("EVENT-2") == SPOOLED
    assert list(spool.logs("EVENT-2")) == CHUNKS
    assert spool.keys() == ["EVENT-2"]
    spool.remove("EVENT-2")
    assert spool.keys() == []


def test_lost_results_are_kept_but_not_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", tmp_path / "lost")
    for number in range(LOST_KEPT + 3):
        spool.keep_aside(f"E-{number}", "superseded", RESULT)
        os.utime(tmp_path / "lost" / f"E-{number}.json", ns=(number, number))
    kept = {path.stem for path in (tmp_path / "lost").iterdir()}
    assert len(kept) == LOST_KEPT
    assert {"E-0", "E-1", "E-2"} & kept == set()


def test_a_work_folder_is_removed_whatever_the_task_did_to_it(tmp_path: Path) -> None:
    folders = WorkFolders(tmp_path / "work")
    folder = folders.make("EVENT-1")
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "deep").mkdir()
    (folder / "deep" / "file").touch()
    (folder / "outside").symlink_to(tmp_path)
    (folder / "deep").chmod(0o500)
    folder.chmod(0o500)
    folders.removal("EVENT-1").go_on()
    assert list((tmp_path / "work").iterdir()) == []
    assert tmp_path.exists()


def test_a_work_folder_left_behind_does_not_reach_the_next_attempt(tmp_path: Path) -> None:
    folders = WorkFolders(tmp_path / "work")
    (folders.make("EVENT-1") / "old").touch()
    assert list(folders.make("EVENT-1").iterdir()) == []


# --- recovery


class Left:
    """A state folder as a killed agent left it."""

    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal")
        self.spool = Spool(folder / "spool", folder / "lost")
        self.folders = WorkFolders(folder / "work")
        self.folder = folder

    def recover(self) -> list[tuple[Claim, Optional[Spooled]]]:
        resumed: list[tuple[Claim, Optional[Spooled]]] = []
        recover(self.journal, self.spool, self.folders, lambda claim, spooled: resumed.append((claim, spooled)))
        return resumed


def test_a_claim_without_a_result_is_handed_back(tmp_path: Path) -> None:
    left = Left(tmp_path)
    left.journal.write(CLAIM)
    (left.folders.make(CLAIM.key) / "file").touch()
    assert left.recover() == [(CLAIM, None)]
    assert list((tmp_path / "work").iterdir()) == []


def test_a_claim_with_a_result_delivers_it(tmp_path: Path) -> None:
    left = Left(tmp_path)
    left.journal.write(CLAIM)
    left.spool.write(CLAIM.key, SPOOLED, CHUNKS)
    assert left.recover() == [(CLAIM, SPOOLED)]


def test_a_result_without_a_claim_is_delivered_all_the_same(tmp_path: Path) -> None:
    left = Left(tmp_path)
    left.spool.write(CLAIM.key, SPOOLED, CHUNKS)
    ((claim, spooled),) = left.recover()
    assert (claim.event_id, claim.attempt, claim.token, spooled) == ("EVENT", 2, "newer-token", SPOOLED)


@pytest.mark.parametrize("file", ["journal/EVENT-2.json", "spool/EVENT-2.json"])
def test_one_damaged_file_costs_only_what_it_held(tmp_path: Path, file: str) -> None:
    left = Left(tmp_path)
    left.journal.write(CLAIM)
    left.spool.write(CLAIM.key, SPOOLED, CHUNKS)
    left.journal.write(Claim("OTHER", 1, "token", 30.0, "other-mark", started=False))
    (tmp_path / file).write_text('{"format": 1}')
    recovered = {claim.event_id: spooled for claim, spooled in left.recover()}
    assert recovered == {"EVENT": SPOOLED if file.startswith("journal") else None, "OTHER": None}


def test_what_was_half_written_or_half_removed_is_swept(tmp_path: Path) -> None:
    left = Left(tmp_path)
    left.journal.write(CLAIM)
    left.journal.note_process(CLAIM.key, {"pid": 2**22 + 1})
    for name in (
        "journal/.OTHER-1.json.01234567.tmp",
        "journal/GONE-1.process",
        "spool/.X-1.json.0.tmp",
        "lost/.Y.0.tmp",
    ):
        (tmp_path / name).write_text("{")
    assert left.recover() == [(CLAIM, None)]
    kept = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert kept == ["journal/EVENT-2.json", "journal/EVENT-2.process"]


def test_a_kill_while_a_claim_is_removed_leaves_what_finds_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    left = Left(tmp_path)
    left.journal.write(CLAIM)
    left.journal.note_process(CLAIM.key, {"pid": 2**22 + 1})
    unlink = Path.unlink

    def unlink_and_die(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        raise Killed

    monkeypatch.setattr(Path, "unlink", unlink_and_die)
    with pytest.raises(Killed):
        left.journal.remove(CLAIM.key)
    monkeypatch.undo()
    assert left.recover() == [(CLAIM, None)]
    left.journal.remove(CLAIM.key)
    assert list((tmp_path / "journal").iterdir()) == []


def test_nothing_left_is_nothing_to_do(tmp_path: Path) -> None:
    assert Left(tmp_path).recover() == []
