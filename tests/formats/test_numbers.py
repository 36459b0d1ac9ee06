"""What has got a number since, is read without one too; and what says a greater one is refused, not guessed at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from nexo_cli import store
from nexo_cli.errors import NexoError

from hub import telemetry
from hub.api import cursors
from hub.errors import Invalid
from hub.signing import Purpose, RootKey, Signer
from hub.storage.embedded import open_embedded
from tests.contract.rig import ManualClock
from tests.functions.shell import opened_shell
from tests.life.test_audit_verify import Trial

KEY = RootKey(bytes(32))


def test_cursors() -> None:
    signer = Signer(Purpose.CURSOR, KEY)
    assert cursors.read(signer, "events", cursors.issue(signer, "events", "a b:c")) == "a b:c"
    assert cursors.read(signer, "events", signer.sign(b"events a b:c")) == "a b:c"
    for text in (b"2:events a", b":events a", b"1:sinks a", b"sinks a", b"1:1:events a"):
        with pytest.raises(Invalid):
            cursors.read(signer, "events", signer.sign(text))


async def test_status_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logging._logRecordFactory", telemetry.record)
    async with opened_shell() as shell:
        await shell.configure()
        event_id = await shell.fire({})
        signer = shell.hub.options.signer(Purpose.STATUS)

        async def status(text: str) -> int:
            token = signer.sign(text.encode())
            return (await shell("GET", f"/hooks/status/{event_id}?t={token}", token=None)).status

        good = signer.read(shell.hub.sources.statuses.token(event_id)).decode()
        assert good.endswith(" 1")
        assert await status(good) == 200
        assert await status(good.removesuffix(" 1")) == 200
        assert await status(good.removesuffix(" 1") + " 2") == 404


def test_files_of_nexo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.HOME_VARIABLE, str(tmp_path))
    kept = tmp_path / "hubs.json"
    kept.write_text(json.dumps({"current": "https://a", "hubs": {"https://a": {"kept": "file"}}}))
    assert store.hubs() == ("https://a", ["https://a"])
    store.forget("https://b")
    assert json.loads(kept.read_text())["format"] == 1
    assert store.hubs() == ("https://a", ["https://a"])
    newer = json.dumps({"format": 2, "current": "https://a"})
    kept.write_text(newer)
    with pytest.raises(NexoError, match=r"hubs\.json is of format 2, and this release of nexo reads up to 1"):
        store.forget("https://a")
    assert kept.read_text() == newer


async def test_anchors(tmp_path: Path) -> None:
    trial = Trial(open_embedded(tmp_path / "x.db", ManualClock()))
    await trial.people(2)
    await trial.audit.anchoring.step()
    (name,) = await trial.storage.anchors.names()
    text = (await trial.storage.anchors.get(name)).decode()
    await trial.storage.anchors.add("newer", text.replace('"format":1', '"format":2').encode())
    done = await trial.verified()
    assert (done.walk.anchors, done.walk.unreadable) == (1, 1)
    await trial.storage.close()
