"""Bundles: fetched under the lease, checked, unpacked, kept and run; each failure is said before anything starts."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import random
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any, Optional

import pytest
from agent_testing.fake_hub import Answer, Call, FakeHub, a_task
from agent_testing.process import AgentProcess
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nexomatic_agent import bundles as under_test
from nexomatic_agent.answers import HubError, LeaseOver, Refused, Transient
from nexomatic_agent.attempt import Attempt, BadAttempt, read_attempt
from nexomatic_agent.bundle_cache import BundleCache
from nexomatic_agent.bundle_zip import BadZip, unpack
from nexomatic_agent.bundles import Bundles
from nexomatic_agent.config import BadSettings
from nexomatic_agent.runner import CannotRun
from nexomatic_agent.signing import TrustedKeys, trusted_keys

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = hashlib.sha256(PUBLIC).hexdigest()[:16]
CODE = "import helper\ndef run(payload, params, context):\n    return helper.VALUE\n"


def zipped(files: Optional[dict[str, str]] = None, **fields: Any) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        for name, text in (files or {"tool.py": CODE, "helper.py": "VALUE = 41 + 1\n"}).items():
            entry = zipfile.ZipInfo("placeholder" * 20)
            entry.filename = entry.orig_filename = name
            for field, value in fields.items():
                setattr(entry, field, value)
            bundle.writestr(entry, text)
    return made.getvalue()


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def signature_of(content: bytes, key: Ed25519PrivateKey = KEY, key_id: str = KEY_ID) -> str:
    made = key.sign(b"nexomatic-bundle sha256:" + digest_of(content).encode())
    return f"{key_id}:{base64.b64encode(made).decode()}"


class Source:
    """Gives pieces as the hub would, and fails as it is told: one error for each of the first calls."""

    def __init__(self, content: bytes, *errors: Exception, piece: int = 1 << 20) -> None:
        self.content = content
        self.firsts: list[int] = []
        self._errors = list(errors)
        self._piece = piece

    def __call__(self, digest: str, first: int) -> tuple[bytes, int]:
        self.firsts.append(first)
        if self._errors:
            raise self._errors.pop(0)
        return self.content[first : first + self._piece], len(self.content)


def attempt(content: bytes, **task: Any) -> Attempt:
    told = {"bundle": "tools@1", "bundle_digest": digest_of(content), "bundle_size": len(content)}
    return read_attempt(a_task(**{**told, **task}))


@pytest.fixture
def cache(tmp_path: Path) -> BundleCache:
    return BundleCache(tmp_path / "bundles", 1 << 20)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(random, "random", lambda: -3.0)  # a back-off of 0 s


def refused(
    cache: BundleCache, content: bytes, source: Optional[Source] = None, keys: Optional[TrustedKeys] = None, **task: Any
) -> tuple[str, str]:
    """With which code and words a task ends whose bundle this is. Nothing of it is left."""
    before = sorted(cache._folder.iterdir())
    provided = Bundles(cache, keys or TrustedKeys({})).provided(
        attempt(content, **task), source or Source(content), lambda: False
    )
    with pytest.raises(CannotRun) as error, provided:
        pytest.fail("it was provided")
    assert sorted(cache._folder.iterdir()) == before
    return error.value.code, str(error.value)


class TestProviding:
    def test_it_is_fetched_once_and_unpacked_to_be_read_alone(self, cache: BundleCache) -> None:
        content, bundles = zipped(), Bundles(cache, TrustedKeys({}))
        source = Source(content, piece=100)
        for _ in range(2):
            with bundles.provided(attempt(content), source, lambda: False) as folder:
                assert folder is not None
                assert folder.name == digest_of(content)
                assert (folder / "tool.py").read_text() == CODE
                assert stat.S_IMODE((folder / "tool.py").stat().st_mode) == 0o400
                assert stat.S_IMODE(folder.stat().st_mode) == 0o500
        assert source.firsts == list(range(0, len(content), 100))
        assert [path.name for path in cache._folder.iterdir()] == [digest_of(content)]
        assert stat.S_IMODE(cache._folder.stat().st_mode) == 0o700

    def test_two_that_want_it_at_once_fetch_it_once(self, cache: BundleCache) -> None:
        content, bundles, begun, go_on = zipped(), Bundles(cache, TrustedKeys({})), threading.Event(), threading.Event()
        calls: list[int] = []

        def get(_: str, first: int) -> tuple[bytes, int]:
            calls.append(first)
            begun.set()
            assert go_on.wait(10)
            return content[first:], len(content)

        def use() -> None:
            with bundles.provided(attempt(content), get, lambda: False):
                pass

        threads = [threading.Thread(target=use) for _ in range(3)]
        threads[0].start()
        assert begun.wait(10)
        for each in threads[1:]:
            each.start()
        go_on.set()
        for each in threads:
            each.join(10)
        assert calls == [0]

    def test_it_goes_on_where_the_hub_went_away(self, cache: BundleCache) -> None:
        content, failures = zipped(), [Transient("away") for _ in range(3)]
        source = Source(content, *failures, piece=200)
        with Bundles(cache, TrustedKeys({})).provided(attempt(content), source, lambda: False) as folder:
            assert folder is not None
        assert source.firsts == [0, 0, 0, *range(0, len(content), 200)]

    def test_without_a_bundle_nothing_is_fetched(self, cache: BundleCache) -> None:
        with Bundles(cache, TrustedKeys({})).provided(read_attempt(a_task()), Source(b""), lambda: False) as folder:
            assert folder is None

    def test_a_task_that_was_stopped_waits_no_longer(self, cache: BundleCache) -> None:
        source = Source(zipped(), *[Transient("away")] * 9)
        provided = Bundles(cache, TrustedKeys({})).provided(attempt(zipped()), source, lambda: True)
        with pytest.raises(CannotRun, match="was stopped before the bundle"), provided:
            pass


class TestRefusing:
    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (Refused("404 the bundle was deleted"), "cannot be had: 404 the bundle was deleted"),
            (LeaseOver("cancelled"), "the lease is over: cancelled"),
            (HubError("403 does not run that", "403"), "403 does not run that"),
        ],
    )
    def test_what_the_hub_will_not_give(self, cache: BundleCache, error: HubError, words: str) -> None:
        code, said = refused(cache, zipped(), Source(zipped(), error))
        assert (code, words in said) == ("BUNDLE_UNAVAILABLE", True)

    def test_a_hub_that_stays_away(self, cache: BundleCache) -> None:
        code, said = refused(cache, zipped(), Source(zipped(), *[Transient("away")] * 10_000), timeout_seconds=0.02)
        assert (code, said.endswith("in half of the task's time: away")) == ("BUNDLE_UNAVAILABLE", True)

    def test_other_bytes_than_the_task_names(self, cache: BundleCache) -> None:
        other = zipped().replace(b"41 + 1", b"41 + 2")
        code, said = refused(cache, zipped(), Source(other))
        assert (code, f"have the digest {digest_of(other)}" in said) == ("BUNDLE_REFUSED", True)

    def test_another_size_than_the_task_names(self, cache: BundleCache) -> None:
        code, said = refused(cache, zipped(), Source(zipped() + b"x"))
        assert (code, "and the task says" in said) == ("BUNDLE_REFUSED", True)

    def test_one_that_is_no_zip(self, cache: BundleCache) -> None:
        assert refused(cache, b"no zip" * 10)[0] == "BUNDLE_REFUSED"

    def test_one_that_does_not_fit(self, tmp_path: Path) -> None:
        content = zipped({"big": "x" * 2000})
        code, said = refused(BundleCache(tmp_path / "small", 1000), content)
        assert (code, "do not fit" in said) == ("BUNDLE_UNAVAILABLE", True)
        packed = zipped({"zeros": "0" * 100_000}, compress_type=zipfile.ZIP_DEFLATED)
        code, said = refused(BundleCache(tmp_path / "other", 50_000), packed)
        assert (code, "unpacked it has 100000 bytes" in said) == ("BUNDLE_REFUSED", True)

    def test_a_full_disk(self, cache: BundleCache, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "open", full)
        code, said = refused(cache, zipped())
        assert (code, "No space left" in said) == ("BUNDLE_UNAVAILABLE", True)

    def test_a_task_that_does_not_say_which_bytes(self, cache: BundleCache) -> None:
        assert refused(cache, zipped(), bundle_digest=None)[0] == "BUNDLE_UNAVAILABLE"

    @pytest.mark.parametrize("digest", ["../x", "A" * 64, "0" * 63, "0" * 64 + "\n"])
    def test_a_digest_that_is_none(self, digest: str) -> None:
        with pytest.raises(BadAttempt, match="bundle_digest"):
            read_attempt(a_task(bundle="b@1", bundle_digest=digest))


class TestTrust:
    KEYS = TrustedKeys({KEY_ID: PUBLIC})

    def test_what_a_trusted_key_signed(self, cache: BundleCache) -> None:
        content = zipped()
        bundles = Bundles(cache, self.KEYS)
        assert bundles.capabilities() == ["fetch", f"signed-by:{KEY_ID}"]
        signed = attempt(content, bundle_signature=signature_of(content))
        with bundles.provided(signed, Source(content), lambda: False) as folder:
            assert folder is not None

    @pytest.mark.parametrize(
        ("signature", "words"),
        [
            (None, "is not signed"),
            (signature_of(zipped(), key_id="0" * 16), "not among this agent's trusted_keys"),
            (signature_of(b"other"), "is wrong"),
            (signature_of(zipped(), Ed25519PrivateKey.from_private_bytes(b"1" * 32)), "is wrong"),
            (f"{KEY_ID}:!", "is wrong"),
            (KEY_ID, "is wrong"),
        ],
    )
    def test_nothing_else_though_it_is_in_the_cache(
        self, cache: BundleCache, signature: Optional[str], words: str
    ) -> None:
        content = zipped()
        with Bundles(cache, TrustedKeys({})).provided(attempt(content), Source(content), lambda: False):
            pass
        code, said = refused(cache, content, keys=self.KEYS, bundle_signature=signature)
        assert (code, words in said) == ("BUNDLE_REFUSED", True)

    def test_no_installed_module_either(self, cache: BundleCache) -> None:
        provided = Bundles(cache, self.KEYS).provided(read_attempt(a_task()), Source(b""), lambda: False)
        with pytest.raises(CannotRun, match="runs signed bundles only") as error, provided:
            pass
        assert error.value.code == "BUNDLE_REFUSED"

    def test_the_file_of_keys(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "keys"
        line = f"ed25519 {base64.b64encode(PUBLIC).decode()}"
        path.write_text(f"# ours\n\n{line} build machine\n")
        assert trusted_keys(path).ids == [KEY_ID]
        assert not trusted_keys(None)
        for text, words in ((f"rsa {line}", ":1 must be"), ("ed25519 AAAA", "32 bytes"), ("# none", "names no key")):
            path.write_text(text)
            with pytest.raises(BadSettings, match=words):
                trusted_keys(path)
        path.write_text(line)
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
        with pytest.raises(BadSettings, match=r"install nexomatic-agent\[signing\]"):
            trusted_keys(path)
        assert not trusted_keys(None), "without keys nothing is needed"


class TestCache:
    @staticmethod
    def fill(cache: BundleCache, number: int, size: int = 400) -> str:
        digest = f"{number:064x}"
        with cache.room(size):
            folder = cache.aside(digest)
            folder.mkdir()
            (folder / "file").write_bytes(bytes(size))
            cache.put(digest, folder, size)
        os.utime(cache.path(digest), (number, number))
        return digest

    def test_what_was_not_used_for_longest_goes_and_what_is_in_use_stays(self, tmp_path: Path) -> None:
        cache = BundleCache(tmp_path / "cache", 1000)
        oldest, middle = self.fill(cache, 1), self.fill(cache, 2)
        assert cache.take(oldest)
        newest = self.fill(cache, 3)
        assert sorted(path.name for path in cache._folder.iterdir()) == sorted([oldest, newest])
        assert not cache.take(middle)
        assert cache.take(newest)
        with pytest.raises(Exception, match="do not fit beside what is in use"):
            self.fill(cache, 4)
        cache.give_back(oldest)
        os.utime(cache.path(oldest), (1, 1))
        self.fill(cache, 5)
        assert not cache.take(oldest)

    def test_a_start_keeps_what_is_whole_and_removes_what_is_not(self, tmp_path: Path) -> None:
        folder = tmp_path / "cache"
        digest = self.fill(BundleCache(folder, 1000), 1)
        half = folder / f"{2:064x}.0123abcd.tmp"
        half.mkdir()
        (half / "file").write_text("x")
        (folder / f"{3:064x}.0123abcd.tmp").write_text("half a zip")
        cache = BundleCache(folder, 1000)
        assert [path.name for path in folder.iterdir()] == [digest]
        self.fill(cache, 4, 700)
        assert not cache.take(digest), "its size was counted"


HOSTILE = {
    "out of the folder": zipped({"../m.py": "x"}),
    "absolute": zipped({"/tmp/m.py": "x"}),
    "backslash": zipped({"..\\m.py": "x"}),
    "drive": zipped({"C:m.py": "x"}),
    "zero byte": zipped({"m.py\0": "x"}),
    "device": zipped({"nul": "x"}),
    "link": zipped({"m.py": "/etc/passwd"}, create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16),
    "case": zipped({"m.py": "x", "M.py": "x"}),
    "file and folder": zipped({"m": "x", "M/n": "x"}),
    "other compression": zipped({"m.py": "x"}, compress_type=zipfile.ZIP_BZIP2),
    "bomb": zipped({"m": "0" * 200_000}, compress_type=zipfile.ZIP_DEFLATED),
    "many": zipped({f"{number}": "" for number in range(2001)}),
    "checksum": zipped({"m.py": "abc"}).replace(b"abc", b"abd"),
    "comment": zipped({"m.py": "x"})[:-2] + b"\x01\x00x",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(HOSTILE[name])
    with pytest.raises(BadZip):
        unpack(tmp_path / "bundle", tmp_path / "inside" / "folder", 100_000)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and "folder" not in path.parts]
    assert outside == [tmp_path / "bundle"]


def test_a_program_stays_one(tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(zipped({"p": "#!/bin/sh"}, create_system=3, external_attr=0o100755 << 16))
    unpack(tmp_path / "bundle", tmp_path / "folder", 100)
    assert stat.S_IMODE((tmp_path / "folder/p").stat().st_mode) == 0o500


class TestTheWholeAgent:
    def test_it_runs_and_a_kill_in_mid_download_leaves_no_half(
        self, hub: FakeHub, tmp_path: Path, modules: Path
    ) -> None:
        big = zipped({"tool.py": CODE, "helper.py": "VALUE = 42\n", "data": os.urandom(1_500_000).hex()})
        held = threading.Event()

        def second_piece_hangs(call: Call) -> Optional[Answer]:
            if call.said["range"].startswith("bytes=0-") or held.is_set():
                return None
            held.wait(30)
            return Answer(cut=True)

        hub.script["modules"] = second_piece_hangs
        cache = tmp_path / "state/bundles"
        with AgentProcess(hub.address, tmp_path, modules) as agent:
            first = hub.give_bundle(big, module="tool:run")
            hub.wait_call("modules", number=2)
            assert [path.suffix for path in cache.iterdir()] == [".tmp"], "the half that the kill must not leave"
            agent.kill()
            held.set()
            agent.start()
            returned = hub.wait_result(first)
            assert returned["state"] == "RETURNED"
            hub.wait_for(lambda: len(hub.of("poll")) > 2, "poll of the second life")
            assert list(cache.iterdir()) == []
            result = hub.wait_result(hub.give_bundle(big, module="tool:run"))
            assert (result["state"], result["data"]) == ("SUCCESS", 42)
            fetched = len(hub.of("modules"))
            assert hub.of("modules")[-1].said["lease"] == "lease-token"
            script = zipped({"hello.sh": "#!/bin/sh\necho from the bundle\n"})
            task = hub.give_bundle(script, module="hello.sh", runtime="shell")
            assert hub.wait_result(task)["state"] == "SUCCESS"
            assert hub.texts(task) == ["from the bundle"]
            again = hub.wait_result(hub.give_bundle(big, module="tool:run"))
            assert (again["data"], len(hub.of("modules"))) == (42, fetched + 1)
            gone = hub.give_bundle(big, module="tool:run", bundle_digest="0" * 64)
            assert hub.wait_result(gone)["code"] == "BUNDLE_UNAVAILABLE"
        assert hub.of("poll")[0].said["capabilities"]["bundles"] == ["fetch"]
