"""The hub on a clean Debian: installed from its archive without a network, used, upgraded, taken back, taken away.

The root is made by debootstrap once and kept in build/. Nothing boots in there: in systemd's place a script runs the
unit's command as its user. What systemd would add (its sandbox, READY, the watchdog) is not seen here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from hosting.ports import ReservedPort
from hub.version import VERSION
from tests.soak.runs import Figures, Violation

ROOT: Final = Path(__file__).resolve().parents[2]
BASE: Final = ROOT / "build" / "clean-root"
MIRROR: Final = "http://deb.debian.org/debian"
SUITE: Final = "bookworm"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DATA: Final = "/var/lib/nexomatic-hub"
_OF_THE_RUN: Final = re.compile(r"/(root|run|tmp|proc|sys|dev|var/log|var/cache|usr/local/bin/systemctl)(/|$)")
_OF_THE_ACCOUNT: Final = re.compile(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|/etc/\.pwd\.lock$")
_AGENT_MODULE: Final = "def run(payload, params, context):\n    return {'seen': payload['n']}\n"
_PATIENCE_SECONDS: Final = 120.0


class Machine:
    """A clean root in a folder of its own, and commands in there."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, network: bool = True, check: bool = True) -> str:
        """What a command says. `network`: without, it has not even a loopback."""
        line = [*([] if network else ["unshare", "--net"]), "chroot", str(self.root), *command]
        done = subprocess.run(line, capture_output=True, text=True, check=False, env={"PATH": PATH, "LANG": "C.UTF-8"})
        if check and done.returncode != 0:
            log = self.root / "var/log/nexomatic-hub.log"
            words = log.read_text()[-4000:] if log.exists() else ""
            raise Violation(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}\n{words}")
        return done.stdout + done.stderr

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Every file by its name, with owner, group and mode; without what a run leaves in places meant for that."""
        found = {}
        for folder, folders, names in os.walk(self.root):
            if Path(folder) == self.root:
                folders[:] = [each for each in folders if each not in ("proc", "sys", "dev", "run")]
            for each in (*folders, *names):
                path = Path(folder, each)
                name = f"/{path.relative_to(self.root).as_posix()}"
                if not _OF_THE_RUN.match(name) and not _OF_THE_ACCOUNT.match(name):
                    stat = path.lstat()
                    found[name] = (stat.st_uid, stat.st_gid, stat.st_mode)
        return found


def base_root() -> Path:
    """A clean Debian with Python, made once. Raises Violation when it cannot be."""
    if not (BASE / "usr/bin/python3").exists():
        if shutil.which("debootstrap") is None:
            raise Violation("debootstrap is needed: apt-get install debootstrap")
        shutil.rmtree(BASE, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", "--include=python3", SUITE, str(BASE), MIRROR]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Violation(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return BASE


def archive(build: str | None) -> Path:
    """An archive of this tree, built now."""
    command = [sys.executable, "-m", "tools.hub_package", *(["--build", build] if build else []), "--python", "3.11"]
    command += ["--output", str(ROOT / "build" / "soak-install")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode != 0:
        raise Violation(f"the archive could not be built:\n{done.stderr}")
    version = f"{VERSION}-{build}" if build else VERSION
    return ROOT / "build/soak-install" / f"nexomatic-hub-{version}-linux-x86_64.tar.gz"


def run(seed: int, seconds: float) -> Figures:
    """Once through. The seed and the time do not matter. Raises Violation."""
    del seed, seconds
    first, second = archive(None), archive("2")
    with ExitStack() as undo:
        root = ROOT / "build" / "soak-root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(base_root(), root, symlinks=True, ignore=shutil.ignore_patterns("dev"))
        undo.callback(shutil.rmtree, root, ignore_errors=True)
        machine = Machine(root)
        prepare(machine, undo)
        return through(machine, first, second, undo)


def prepare(machine: Machine, undo: ExitStack) -> None:
    """What a booted machine has: /dev, /proc, a service manager."""
    (machine.root / "dev").mkdir()  # nodes of its own: a mounted one would be the machine's
    for name, number in {"null": 3, "zero": 5, "random": 8, "urandom": 9}.items():
        os.mknod(machine.root / "dev" / name, 0o020666, os.makedev(1, number))
        (machine.root / "dev" / name).chmod(0o666)
    proc = str(machine.root / "proc")
    subprocess.run(["mount", "-t", "proc", "proc", proc], check=True)
    undo.callback(subprocess.run, ["umount", proc], check=False)
    shutil.copy(ROOT / "tests/soak/systemctl.sh", machine.root / "usr/local/bin/systemctl")
    (machine.root / "run/systemd/system").mkdir(parents=True)
    undo.callback(machine.run, "systemctl", "stop", "nexomatic-hub", check=False)


def through(machine: Machine, first: Path, second: Path, undo: ExitStack) -> Figures:
    """Install, use, upgrade, use, take back, use, take away."""
    before = machine.files()
    for each in (first, second):
        shutil.copy(each, machine.root / "root")
        shutil.copy(each.with_name(f"{each.name}.sha256"), machine.root / "root")
    port = undo.enter_context(ReservedPort()).number
    began = time.monotonic()
    machine.run("tar", "xzf", f"/root/{first.name}", "-C", "/root")
    unpacked = f"/root/{first.name.removesuffix('-linux-x86_64.tar.gz')}"
    machine.run(f"{unpacked}/install.sh", "--no-start", network=False)
    installed = time.monotonic() - began
    settings = machine.root / "etc/nexomatic-hub/hub.env"
    settings.write_text(settings.read_text().replace("NEXOMATIC_PORT=7071", f"NEXOMATIC_PORT={port}"))
    machine.run("systemctl", "start", "nexomatic-hub")
    wait(machine, port)
    use = Use(machine, port, undo)
    use.event(1)

    began = time.monotonic()
    said = machine.run("nexomatic-hub", "upgrade", f"/root/{second.name}")
    upgraded = time.monotonic() - began
    expect(" runs; nexomatic-hub rollback goes back to " in said, said)
    use.event(2)
    began = time.monotonic()
    said = machine.run("nexomatic-hub", "rollback")
    taken_back = time.monotonic() - began
    expect(" runs again" in said, said)
    use.event(3)
    check_ownership(machine)

    machine.run("/opt/nexomatic/current/uninstall.sh")
    left = {
        name for name in machine.files().keys() - before.keys() if not name.startswith((DATA, "/etc/nexomatic-hub"))
    }
    expect(not left, f"left behind: {sorted(left)[:20]}")
    expect((machine.root / DATA[1:] / "nexomatic.db").exists(), "the data is gone")
    machine.run(f"{unpacked}/uninstall.sh", "--purge")
    after = machine.files()
    differs = {name for name in after.keys() | before.keys() if after.get(name) != before.get(name)}
    expect(not differs, f"not as before: {sorted(differs)[:20]}")
    expect("nexomatic-hub" not in (machine.root / "etc/passwd").read_text(), "the account is left")
    return {
        "seconds to install, without a network": installed,
        "seconds to upgrade": upgraded,
        "seconds to take back": taken_back,
        "files of Debian that are as before": len(after),
    }


class Use:
    """An admin and an agent, who go on as releases come and go. The agent is the one that the hub hands out."""

    def __init__(self, machine: Machine, port: int, undo: ExitStack) -> None:
        self._machine = machine
        self._url = f"http://127.0.0.1:{port}"
        found = re.search(r"password  (\S+)", machine.run("nexomatic-hub", "first-password"))
        expect(found is not None, "no first password")
        assert found is not None
        import requests

        self._session = requests.Session()
        self._sign_in(found[1])
        self._configure()
        self._start_agent(undo)

    def _sign_in(self, password: str) -> None:
        origin = {"Origin": self._url}
        chosen = "a-password-of-my-own-7"
        for word in (password, chosen):
            answer = self._session.post(
                f"{self._url}/api/session", json={"user": "admin", "password": word}, headers=origin, timeout=30
            )
            expect(answer.status_code == 200, answer.text)
            self._session.headers.update({**origin, "X-CSRF-Token": answer.json()["csrf_token"]})
            if word == password:
                self._call("put", "/api/me/password", {"password": password, "new_password": chosen})

    def _call(self, method: str, path: str, document: object = None) -> object:
        answer = self._session.request(method, self._url + path, json=document, timeout=30)
        expect(answer.ok, f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def _configure(self) -> None:
        self._call("put", "/api/sink-types/PYTHON:BASE", {"name": "PYTHON:BASE"})
        self._call("put", "/api/actions/see", {"name": "see", "runtime": "python", "module": "see:run"})
        event_type = {"name": "SEE", "sink_type": "PYTHON:BASE", "sources": ["MANUAL"], "action": "see"}
        self._call("put", "/api/event-types/SEE", event_type)

    def _start_agent(self, undo: ExitStack) -> None:
        enrolment = self._call("post", "/api/enrolments", {"sink_type": "PYTHON:BASE"})
        assert isinstance(enrolment, dict)
        state = self._machine.root.with_name("soak-agent")
        shutil.rmtree(state, ignore_errors=True)
        (state / "modules").mkdir(parents=True)
        (state / "modules/see.py").write_text(_AGENT_MODULE)
        (package,) = (self._machine.root / "opt/nexomatic/current/app/agent_package").resolve().glob("*.zip")
        with zipfile.ZipFile(package) as wheels:  # unpacked: it goes on while its release is taken away
            wheels.extractall(state / "wheels")
        environ = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(each) for each in (state / "wheels").rglob("*.whl")),
            "NEXOMATIC_AGENT_HUB": self._url,
            "NEXOMATIC_AGENT_STATE": str(state),
            "NEXOMATIC_AGENT_NAME": "soak",
            "NEXOMATIC_AGENT_TOKEN": enrolment["token"],
        }
        log = undo.enter_context((state / "agent.log").open("w"))
        agent = subprocess.Popen(
            [sys.executable, "-m", "nexomatic_agent", "run"], env=environ, stdout=log, stderr=log, cwd=state
        )
        undo.callback(shutil.rmtree, state, ignore_errors=True)
        undo.callback(agent.wait)
        undo.callback(agent.terminate)

    def event(self, number: int) -> None:
        """Fire one, and see it end in SUCCESS; the ones before are still there."""
        fired = self._call("post", "/api/events", {"event_type": "SEE", "payload": {"n": number}})
        assert isinstance(fired, dict)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            event = self._call("get", f"/api/events/{fired['id']}")
            assert isinstance(event, dict)
            if event["state"] == "SUCCESS" and event["result_data"] == {"seen": number}:
                break
            expect(event["state"] in ("QUEUED", "RUNNING") and time.monotonic() < deadline, str(event))
            time.sleep(0.2)
        listed = self._call("get", "/api/events?state=SUCCESS")
        assert isinstance(listed, dict)
        expect(len(listed["items"]) == number, f"{number} events were expected: {listed}")


def check_ownership(machine: Machine) -> None:
    """Nothing in the data folder is root's, and nothing of the software is the service's."""
    owner = (machine.root / DATA[1:]).stat().st_uid
    for path in (machine.root / DATA[1:]).rglob("*"):
        stat = path.lstat()
        expect(stat.st_uid == owner and not stat.st_mode & 0o077, f"{path} has owner {stat.st_uid}, {stat.st_mode:o}")
    for path in (machine.root / "opt/nexomatic").rglob("*"):
        expect(path.lstat().st_uid == 0, f"{path} is not root's")


def wait(machine: Machine, port: int) -> None:
    """Until the hub is well."""
    from hosting.supervisor import answers

    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not answers(f"http://127.0.0.1:{port}/api/health"):
        log = machine.root / "var/log/nexomatic-hub.log"
        expect(time.monotonic() < deadline, log.read_text()[-4000:] if log.exists() else "no log")
        time.sleep(0.2)


def expect(holds: bool, words: str) -> None:
    """Raise Violation unless it holds."""
    if not holds:
        raise Violation(words)
