"""What is deployed: built twice the same, complete, fit for Azure's Python, and at work from the zip alone."""

from __future__ import annotations

import ast
import email
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from nexomatic_agent.version import VERSION as AGENT_VERSION
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from hosting.hub_client import HubClient
from hub.version import VERSION
from tests.e2e.local_platform import free_port
from tests.functions.test_fresh_environment import FUNCTIONS
from tests.network.rig import until
from tests.package.unpacked import ROOT, Unpacked, python_of
from tools.package import AZURE, Target, build, install
from tools.package_contents import SITE_PACKAGES, promised
from tools.zips import CannotPackage

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

GLIBC = (2, 17)
"""Of manylinux2014."""
TOKEN = "nxt_the-first-admin-of-the-package"
SINK_TYPE = "PYTHON:BASE"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package") / "nexomatic-hub.zip", AZURE)


@pytest.fixture(scope="module")
def unpacked(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    return Unpacked.of(package, tmp_path_factory.mktemp("unpacked"))


def test_built_again_it_is_the_same_bytes_and_the_manifest_says_which(package: Path, tmp_path: Path) -> None:
    again = build(tmp_path / package.name, AZURE)
    assert again.read_bytes() == package.read_bytes()
    manifest = json.loads(package.with_suffix(".json").read_text())
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    assert manifest["sha256"] == digest
    assert package.with_suffix(".zip.sha256").read_text() == f"{digest}  {package.name}\n"
    assert (manifest["python"], manifest["platform"]) == ("3.12", "x86_64-manylinux2014")
    with zipfile.ZipFile(package) as content:
        assert {name: hashlib.sha256(content.read(name)).hexdigest() for name in content.namelist()} == manifest[
            "files"
        ]
    assert [each.name for each in package.parent.iterdir() if each.is_dir()] == []


def test_it_holds_what_funcignore_promises_and_its_dependencies(unpacked: Unpacked) -> None:
    files = unpacked.files()
    agent = {f"agent_package/{name}" for name in ("manifest.json", f"nexomatic_agent-{AGENT_VERSION}.zip")}
    assert agent <= set(files)
    assert [name for name in files if not name.startswith(".python_packages/") and name not in agent] == promised(ROOT)
    assert all(name.startswith(SITE_PACKAGES) for name in files if name.startswith("."))
    assert {name.partition("/")[0] for name in files} == {
        ".python_packages",
        "agent_package",
        "function_app.py",
        "functions",
        "host.json",
        "hub",
        "requirements.txt",
    }
    # Nothing of the machine that built it.
    here = [str(ROOT).encode(), sys.prefix.encode(), sys.base_prefix.encode()]
    assert [name for name in files if any(path in (unpacked.app / name).read_bytes() for path in here)] == []


def test_every_wheel_fits_azures_python_and_machine(unpacked: Unpacked) -> None:
    site = unpacked.app / SITE_PACKAGES
    fitting = set(_fitting())
    for wheel in site.glob("*.dist-info/WHEEL"):
        tags = {tag for text in _message(wheel).get_all("Tag", []) for tag in parse_tag(text)}
        assert tags & fitting, wheel.parent.name
    libraries = [each for each in site.rglob("*.so*") if each.is_file()]
    assert libraries
    for library in libraries:
        assert library.name.endswith((".cpython-312-x86_64-linux-gnu.so", ".abi3.so")), library
        needs = re.findall(rb"GLIBC_(\d+)\.(\d+)", library.read_bytes())
        assert max((int(major), int(minor)) for major, minor in needs) <= GLIBC, library


def _fitting() -> Iterator[Tag]:
    platforms = ["manylinux2014_x86_64", *(f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC[1], 4, -1))]
    yield from cpython_tags((3, 12), platforms=platforms)
    yield from compatible_tags((3, 12), "cp312", platforms)


def test_everything_that_is_imported_or_required_is_there(unpacked: Unpacked) -> None:
    site = unpacked.app / SITE_PACKAGES
    missing = {f"{name} (in {path})" for path, name in _imports(unpacked) if not _is_there(name, (unpacked.app, site))}
    assert missing == set()
    on_azure = {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": "3.12",
        "python_full_version": "3.12.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "extra": "",
    }
    about = [_message(each) for each in site.glob("*.dist-info/METADATA")]
    versions = {_folded(each["Name"]): str(each["Version"]) for each in about}
    for each in about:
        for needed in map(Requirement, each.get_all("Requires-Dist", [])):
            if needed.marker is None or needed.marker.evaluate(on_azure):
                has = versions.get(_folded(needed.name), "none")
                assert needed.specifier.contains(has), f"{each['Name']} needs {needed}, and has {has}"
    pinned = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements.txt").read_text())
    assert set(versions) == {_folded(name) for name in pinned}


def _imports(unpacked: Unpacked) -> Iterator[tuple[str, str]]:
    """Each file of the hub, and each name that it imports, wherever in it."""
    for path in (name for name in promised(ROOT) if name.endswith(".py")):
        for node in ast.walk(ast.parse((unpacked.app / path).read_text())):
            if isinstance(node, ast.Import):
                yield from ((path, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                assert node.module is not None
                yield path, node.module


def _is_there(name: str, folders: tuple[Path, ...]) -> bool:
    if name.partition(".")[0] in sys.stdlib_module_names:
        return True
    stem = name.replace(".", "/")
    return any(
        (folder / f"{stem}.py").is_file() or (folder / stem).is_dir() or list(folder.glob(f"{stem}.*.so"))
        for folder in folders
    )


def _message(path: Path) -> email.message.Message[str, str]:
    return email.message_from_string(path.read_text())


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


THE_PYTHON = python_of(AZURE.python)
HERE = Target(f"{sys.version_info.major}.{sys.version_info.minor}", None)


@pytest.mark.parametrize("target", [pytest.param(each, id=each.python) for each in [AZURE if THE_PYTHON else HERE]])
def test_unpacked_it_serves(target: Target, tmp_path: Path, package: Path) -> None:
    """On Azure's version of Python where the machine has one, else on this Python, for which it is then built."""
    built = package if target is AZURE else build(tmp_path / "here.zip", target)
    _serve(Unpacked.of(built, tmp_path), THE_PYTHON or Path(sys.executable))


def _serve(unpacked: Unpacked, python: Path) -> None:
    """Health, then an event from its webhook to the poll of a sink that takes it."""
    before = unpacked.files()
    first_admin = hashlib.sha256(TOKEN.encode()).hexdigest()
    settings = {"NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": first_admin, "host.master": TOKEN}
    port = free_port()
    settings["NEXOMATIC_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    with unpacked.served(python, settings, port) as url:
        admin = HubClient(url, TOKEN)
        assert admin.get("/api/health/live") == {"status": "up"}
        health = admin.get("/api/health")
        assert (health["status"], health["version"]) == ("up", VERSION)
        listed = requests.get(f"{url}/admin/functions", headers={"x-functions-key": TOKEN}, timeout=30).json()
        assert sorted(each["name"] for each in listed) == FUNCTIONS
        admin.put(f"/api/sink-types/{SINK_TYPE}", {"name": SINK_TYPE})
        admin.put("/api/actions/do", {"name": "do", "runtime": "python", "module": "a:b"})
        admin.put("/api/event-types/A", {"name": "A", "sink_type": SINK_TYPE, "action": "do"})
        admin.put("/api/sources/hook", {"name": "hook", "kind": "WEBHOOK", "event_types": ["A"]})
        fired = admin.deliver(admin.get("/api/sources/hook")["url"], b"{}", {"content-type": "application/json"})
        token = admin.post("/api/enrolments", {"sink_type": SINK_TYPE})["token"]
        enrolled = requests.post(
            f"{url}/agent/enroll", json={"token": token, "name": "one", "version": "1"}, timeout=30
        ).json()
        polled = HubClient(url, enrolled["credential"]).post(
            "/agent/poll",
            {
                "slots": 1,
                "version": "1",
                "instance": "instance-1",
                "capabilities": {"platform": "linux", "runtimes": ["python"], "modules": ["a"], "bundles": []},
            },
        )
        assert [task["event_id"] for task in polled["tasks"]] == [fired["event_id"]]
        _install(Machine(url, admin, unpacked.place / "machine"))
    assert unpacked.files() == before, "it writes into its own folder, which Azure mounts read-only"


@dataclass(frozen=True)
class Machine:
    """A folder in place of a machine, on which the hub's own script installs."""

    hub: str
    admin: HubClient
    root: Path

    @property
    def prefix(self) -> Path:
        return self.root / "opt"

    @property
    def state(self) -> Path:
        return self.root / "state"

    def run(self, script: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """As `curl … | sh -s -- OPTIONS`, for somebody who has no terminal."""
        where = ["--prefix", str(self.prefix), "--state", str(self.state), "--python", sys.executable, "--no-service"]
        return subprocess.run(
            ["sh", "-s", "--", *where, *options],
            input=script,
            text=True,
            capture_output=True,
            check=False,
            env={"PATH": os.defpath, "HOME": str(self.root), **environ},
            start_new_session=True,
            timeout=60,
        )


def _install(machine: Machine) -> None:
    """The line that `nexo sinks enrol` prints, but for the service; then the agent, until the hub sees it."""
    script = requests.get(f"{machine.hub}/agent/install.sh", timeout=30).text
    machine.root.mkdir()
    cut = machine.run(script[: len(script) - 20], "--name", "installed")
    assert (cut.stdout, machine.prefix.exists()) == ("", False), "a script that is cut off does nothing"
    other = machine.run(re.sub("SHA256='.{8}", "SHA256='00000000", script), "--name", "installed")
    assert other.returncode != 0
    assert "is not what this script was made for" in other.stderr
    assert list(machine.prefix.rglob("nexomatic_agent")) == []
    nobody = machine.run(script, "--name", "installed")
    assert nobody.returncode != 0
    assert "there is nobody to ask for the enrolment token" in nobody.stderr
    token = machine.root / "token"
    token.write_text(machine.admin.post("/api/enrolments", {"sink_type": SINK_TYPE})["token"] + "\n")
    done = machine.run(script, "--name", "installed", "--token-file", str(token))
    assert done.returncode == 0, done.stderr
    assert token.read_text().strip() not in done.stdout + done.stderr
    assert stat.S_IMODE(machine.state.stat().st_mode) == 0o700
    agent = subprocess.Popen([str(machine.prefix / "bin/nexomatic-agent"), "run"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: machine.admin.get("/api/sinks/installed")["state"] == "ONLINE", "the installed agent", 60)
        again = machine.run(script)
        assert (again.returncode, "enrolled already" in again.stdout) == (0, True)
    finally:
        agent.terminate()
        agent.wait(60)
    assert machine.run(script, "--uninstall").returncode == 0
    assert (machine.prefix.exists(), (machine.state / "identity.json").exists()) == (False, True)
    assert machine.run(script, "--uninstall", "--purge").returncode == 0
    assert not machine.state.exists()


def test_a_lock_file_that_cannot_be_met_is_said_and_leaves_the_package_before(tmp_path: Path) -> None:
    source, output = tmp_path / "source", tmp_path / "build" / "hub.zip"
    source.mkdir()
    shutil.copyfile(ROOT / ".funcignore", source / ".funcignore")
    output.parent.mkdir()
    output.write_text("the one before")
    pin = re.search(r"(?m)^tzdata==\S+", (ROOT / "requirements.txt").read_text())
    assert pin is not None
    lock = source / "requirements.txt"
    lock.write_text(f"{pin[0]} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(CannotPackage, match=r"(?is)tzdata.*hash"):
        build(output, AZURE, source)
    assert [each.name for each in output.parent.iterdir()] == [output.name]
    assert output.read_text() == "the one before"
    lock.write_text(f"{pin[0]}\n")
    with pytest.raises(CannotPackage, match="hash"):
        install(lock, tmp_path / "site", AZURE)


def test_only_what_funcignore_lets_through_is_taken(tmp_path: Path) -> None:
    for name in (
        "function_app.py",
        "functions/a.py",
        "functions/__pycache__/a.cpython-312.pyc",
        "hub/deep/down/b.py",
        "hub/c.pyc",
        "agent/d.py",
        "local.settings.json",
        ".env",
        "tests/hub/e.py",
        "host.json",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    shutil.copyfile(ROOT / ".funcignore", tmp_path / ".funcignore")
    assert promised(tmp_path) == ["function_app.py", "functions/a.py", "host.json", "hub/deep/down/b.py"]
