"""The credential is exchanged for another while the agent works, whatever is lost on the way, whenever it is killed."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from agent_testing.fake_hub import Answer, FakeHub
from agent_testing.process import AgentProcess
from nexomatic_agent.client import Client
from nexomatic_agent.identity import ROTATE_AFTER_SECONDS, Identity, load_identity
from nexomatic_agent.rotation import AGAIN_SECONDS, REFUSED_SECONDS, Rotation
from nexomatic_agent.trust import trust

DAY = 86400.0
NOW = 1_800_000_000.0


class Clock:
    """The time of day, as a test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def rotation(hub: FakeHub, folder: Path, clock: Clock, **said: object) -> tuple[Rotation, Client]:
    identity = Identity(hub.address, "alpha", "PYTHON:BASE", "c" * 43, NOW, 30 * DAY)
    identity = replace(identity, **said)  # type: ignore[arg-type]
    identity.save(folder)
    client = Client(hub.address, identity.credential, trust(None))
    return Rotation(folder, identity, client, clock), client


def test_it_is_exchanged_when_it_is_old_enough_and_kept_before_it_is_used(
    hub: FakeHub, tmp_path: Path, clock: Clock
) -> None:
    one, client = rotation(hub, tmp_path, clock)
    clock.now += 30 * DAY - 10
    assert (one.step(), hub.of("credential")) == (10.0, [])
    clock.now += 10
    assert one.step() == DAY  # what the hub has said of the new one
    assert load_identity(tmp_path).credential == "d" * 43
    client.renew("01ARZ3NDEKTSV4RRFFQ69G5FAV", "token")
    assert [call.authorization for call in hub.calls] == ["Bearer " + "c" * 43, "Bearer " + "d" * 43]
    assert not (tmp_path / "rotation.json").exists()
    clock.now += DAY
    one.step()
    assert hub.of("credential")[1].authorization == "Bearer " + "d" * 43
    assert hub.of("credential")[1].said["nonce"] != hub.of("credential")[0].said["nonce"]


def test_one_whose_answer_was_lost_is_asked_for_again_as_it_was(hub: FakeHub, tmp_path: Path, clock: Clock) -> None:
    hub.script["credential"] = lambda _: Answer(cut=True)
    one, _ = rotation(hub, tmp_path, clock, given_at=0.0)
    assert one.step() == AGAIN_SECONDS
    assert load_identity(tmp_path).credential == "c" * 43
    del hub.script["credential"]
    # Killed meanwhile: the next start takes it up.
    following = Rotation(tmp_path, load_identity(tmp_path), Client(hub.address, "c" * 43, trust(None)), clock)
    assert following.step() == DAY
    assert len({call.said["nonce"] for call in hub.of("credential")}) == 1
    assert load_identity(tmp_path).credential == "d" * 43


def test_one_that_the_disk_does_not_take_is_used_and_kept_as_soon_as_it_does(
    hub: FakeHub, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub ends the old one in an hour: to wait for longer, or to forget the new one, is to be shut out."""
    one, client = rotation(hub, tmp_path, clock, given_at=0.0)
    with monkeypatch.context() as full:
        full.setattr(Identity, "save", no_space)
        assert [one.step(), one.step()] == [AGAIN_SECONDS, AGAIN_SECONDS]
    client.renew("01ARZ3NDEKTSV4RRFFQ69G5FAV", "token")
    assert hub.calls[-1].authorization == "Bearer " + "d" * 43
    assert load_identity(tmp_path).credential == "c" * 43
    # Killed now, the next start would ask with the old one, and the same nonce.
    assert (tmp_path / "rotation.json").exists()
    clock.now = 0.0  # set back: nothing would be due now
    assert one.step() == DAY
    assert load_identity(tmp_path).credential == "d" * 43
    assert len(hub.of("credential")) == 1
    assert not (tmp_path / "rotation.json").exists()


def test_a_disk_that_takes_no_nonce_asks_for_nothing(
    hub: FakeHub, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = rotation(hub, tmp_path, clock, given_at=0.0)
    monkeypatch.setattr("nexomatic_agent.exchange.write_document", no_space)
    assert one.step() == AGAIN_SECONDS
    assert hub.calls == []


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_hub_that_says_no_is_not_asked_each_minute(hub: FakeHub, tmp_path: Path, clock: Clock) -> None:
    hub.script["credential"] = lambda _: Answer.problem(404)
    one, _ = rotation(hub, tmp_path, clock, given_at=0.0)
    assert one.step() == REFUSED_SECONDS
    assert load_identity(tmp_path).credential == "c" * 43


def test_an_answer_that_is_not_the_hubs_changes_nothing(hub: FakeHub, tmp_path: Path, clock: Clock) -> None:
    hub.script["credential"] = lambda _: Answer(body={"hello": "from the portal"})
    one, _ = rotation(hub, tmp_path, clock, given_at=0.0)
    assert one.step() == AGAIN_SECONDS
    assert load_identity(tmp_path).credential == "c" * 43


def test_a_hub_may_want_none(hub: FakeHub, tmp_path: Path, clock: Clock) -> None:
    one, _ = rotation(hub, tmp_path, clock, given_at=0.0, rotate_after_seconds=None)
    one.step()
    assert hub.calls == []


def test_a_clock_that_was_ahead_does_not_keep_it_for_years(hub: FakeHub, tmp_path: Path, clock: Clock) -> None:
    one, _ = rotation(hub, tmp_path, clock, given_at=NOW + 3650 * DAY)
    assert one.step() == 30 * DAY


def test_an_identity_from_before_is_as_old_as_its_file(tmp_path: Path) -> None:
    text = '{"format":1,"hub":"https://h","sink":"a","sink_type":"P","credential":"c"}'
    (tmp_path / "identity.json").write_text(text)
    found = load_identity(tmp_path)
    assert found.given_at == (tmp_path / "identity.json").stat().st_mtime
    assert found.rotate_after_seconds == ROTATE_AFTER_SECONDS


def test_an_agent_does_so_at_its_start(hub: FakeHub, tmp_path: Path, modules: Path) -> None:
    with AgentProcess(hub.address, tmp_path, modules) as one:
        hub.wait_call("poll")
        assert hub.of("credential") == []
        one.kill()
    identity = load_identity(one.state)
    replace(identity, given_at=0.0, rotate_after_seconds=DAY).save(one.state)
    with one:
        hub.wait_call("credential")
        hub.wait_for(
            lambda: hub.of("poll")[-1].authorization == "Bearer " + "d" * 43, "a poll under the new credential"
        )
    assert load_identity(one.state).credential == "d" * 43
