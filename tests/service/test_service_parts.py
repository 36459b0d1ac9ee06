"""The parts of the service: its settings, whose its files are, what the unit forbids, what it tells systemd."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hosting.errors import BadSettings, HostingError
from hosting.exposure import Exposure, read_proxies
from hosting.notify import notify
from hosting.service import __main__ as command
from hosting.service.account import become_owner
from hosting.service.layout import Layout, environment, read_settings
from hosting.service.serving import check_public_url, command_line

UNIT = Path(__file__).resolve().parents[2] / "hosting/service/nexomatic-hub.service"
MOST_EXPOSED = 15
"""Tenths: what systemd-analyze makes of the unit is 1.2 of 10."""
PLAIN, PROXIED = Exposure(), Exposure(proxies=read_proxies("10.0.0.5"))


def test_settings_are_lines_and_what_is_none_is_named_without_its_value(tmp_path: Path) -> None:
    file = tmp_path / "hub.env"
    file.write_text('# a comment\n\nNEXOMATIC_PORT = 8000\nNEXOMATIC_ADMIN_CONTACT="the desk"\nQUOTE=it\'s\n')
    assert read_settings(file) == {"NEXOMATIC_PORT": "8000", "NEXOMATIC_ADMIN_CONTACT": "the desk", "QUOTE": "it's"}
    for wrong in ("s3cret", "A B=s3cret", "=s3cret", "A=1\nA=s3cret"):
        file.write_text(wrong)
        with pytest.raises(BadSettings) as refused:
            read_settings(file)
        assert f"{file}:" in str(refused.value)
        assert "s3cret" not in str(refused.value)
    assert read_settings(tmp_path / "none") == {}


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.settings.parent.mkdir(parents=True)
    layout.settings.write_text("NEXOMATIC_PORT=1\nNEXOMATIC_BIND=::1\n")
    told = environment(layout, {"NEXOMATIC_PORT": "2"})
    assert (told["NEXOMATIC_PORT"], told["NEXOMATIC_BIND"], told["NEXOMATIC_HOME"]) == ("2", "::1", str(layout.data))


@pytest.mark.parametrize(
    ("url", "exposure", "fine"),
    [
        ("http://127.0.0.1:7071", PLAIN, True),
        ("http://localhost:7071", PLAIN, True),
        ("https://hub.example.org", PLAIN, False),
        ("http://hub.example.org", PLAIN, False),
        ("https://hub.example.org", PROXIED, True),
        ("http://hub.example.org", PROXIED, False),
        ("http://127.0.0.1:7071", PROXIED, False),
        ("", PROXIED, False),
    ],
)
def test_the_public_address_is_the_one_that_is_served(url: str, exposure: Exposure, fine: bool) -> None:
    if fine:
        check_public_url(url, exposure)
    else:
        with pytest.raises(HostingError, match="NEXOMATIC_PUBLIC_URL"):
            check_public_url(url, exposure)


def test_a_port_is_one(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("bind", "certificate", "key", "behind_proxy"))
    assert command_line(Layout(tmp_path), {**nothing, "port": "8443"})[-2:] == ["--port", "8443"]
    for port in ("-1", "65536", "https"):
        with pytest.raises(HostingError, match="NEXOMATIC_PORT"):
            command_line(Layout(tmp_path), {**nothing, "port": port})


def test_serving_to_a_network_in_clear_is_refused_with_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2: the unit does not start it again."""
    Layout(tmp_path).data.mkdir(parents=True)
    monkeypatch.setenv("NEXOMATIC_HUB_ROOT", str(tmp_path))
    before = os.umask(0)
    try:
        assert command.main(["serve", "--bind", "0.0.0.0"]) == 2  # noqa: S104
    finally:
        os.umask(before)
    assert "--behind-proxy" in capsys.readouterr().err
    assert "RestartPreventExitStatus=2" in UNIT.read_text()
    assert list(Layout(tmp_path).data.iterdir()) == []


def test_a_reload_without_a_certificate_is_not_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Layout(tmp_path).data.mkdir(parents=True)
    monkeypatch.setenv("NEXOMATIC_HUB_ROOT", str(tmp_path))
    monkeypatch.setattr("hosting.service.serving.os.environ", dict(os.environ))
    monkeypatch.setattr("hosting.service.first_admin.make", lambda *_: None)
    met: list[object] = []

    def main(_: object) -> int:
        met.append(signal.getsignal(signal.SIGHUP))
        return 0

    monkeypatch.setattr("hosting.host.main", main)
    before, mask = signal.getsignal(signal.SIGHUP), os.umask(0)
    try:
        assert command.main(["serve"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
        os.umask(mask)
    assert met == [signal.SIG_IGN]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_command_of_root_is_the_data_folders_owner_before_it_makes_a_file() -> None:
    program = (
        "import os, pathlib, sys; from hosting.service.account import become_owner; "
        "become_owner(pathlib.Path(sys.argv[1])); pathlib.Path(sys.argv[1], 'lock').touch(); print(*os.getresuid())"
    )
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in folders that only root may enter
        data = Path(folder) / "data"
        data.mkdir()
        os.chown(data, 65534, 65534)
        Path(folder).chmod(0o755)
        done = subprocess.run([sys.executable, "-c", program, data], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("65534 65534 65534\n", "")
        made = (data / "lock").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (65534, 65534, 0o600)


def test_neither_root_nor_the_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    monkeypatch.setattr("os.umask", lambda _: 0)
    with pytest.raises(HostingError, match="run this command as root, or as its owner"):
        become_owner(tmp_path)


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify("STOPPING=1")  # nobody listens any more: said in the log, and no more
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


def test_the_unit_is_one_for_systemd_and_closed(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    root = tmp_path / "root"
    (root / "opt/nexomatic/current").mkdir(parents=True)
    (root / "bin").mkdir()
    for program in ("opt/nexomatic/current/nexomatic-hub", "bin/kill"):
        (root / program).touch(0o755)
    (root / "etc/systemd/system").mkdir(parents=True)
    shutil.copy(UNIT, root / "etc/systemd/system")
    for target in ("network-online", "multi-user", "sysinit", "basic", "shutdown"):
        (root / f"etc/systemd/system/{target}.target").write_text("[Unit]\nDescription=x\nDefaultDependencies=no\n")
    verified = subprocess.run(
        [analyze, "verify", "--man=no", f"--root={root}", UNIT.name], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout
    found = re.search(r"Overall exposure level for nexomatic-hub.service: ([0-9.]+)", rated.stdout)
    assert found is not None
    assert float(found[1]) <= MOST_EXPOSED / 10
