"""A deployment package unpacked in an empty folder, and the local host that serves it with nothing else at hand."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.network.rig import until
from tools.package_contents import SITE_PACKAGES

ROOT = Path(__file__).resolve().parents[2]

OF_THE_HOST = ("croniter", "dateutil")
"""What the local host needs beside what the package brings along."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Folders: the app, and a place for what it writes."""

    app: Path
    place: Path

    @classmethod
    def of(cls, package: Path, place: Path) -> Unpacked:
        app = place / "app"
        with zipfile.ZipFile(package) as content:
            content.extractall(app)
        return cls(app, place)

    def files(self) -> list[str]:
        return sorted(each.relative_to(self.app).as_posix() for each in self.app.rglob("*") if each.is_file())

    @contextmanager
    def served(self, python: Path, settings: Mapping[str, str], port: int = 0) -> Iterator[str]:
        """The address of a host on this Python, which finds the standard library, the package and itself alone."""
        log, host = self.place / "log", self._host()
        command = [str(python), "-S", "-W", "error", "-m", "hosting.host", "--app", str(self.app)]
        environ = {
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join([str(self.app / SITE_PACKAGES), str(host)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NEXOMATIC_HOME": str(self.place / "home"),
            **settings,
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, "--home", str(self.place / "host-home"), "--port", str(port)],
                cwd=self.place,
                env=environ,
                stdout=output,
                stderr=output,
            )
        try:
            until(lambda: _address(log) is not None or process.poll() is not None, "the host to serve", 60)
            address = _address(log)
            assert address is not None, log.read_text()
            yield address
        finally:
            process.terminate()
            process.wait(30)

    def _host(self) -> Path:
        """The local host in a folder of its own: beside the repository's hub it could serve that one."""
        host = self.place / "host"
        shutil.copytree(ROOT / "hosting", host / "hosting", ignore=shutil.ignore_patterns("__pycache__"))
        for name in OF_THE_HOST:
            found = importlib.util.find_spec(name)
            assert found is not None
            assert found.origin is not None
            shutil.copytree(Path(found.origin).parent, host / name, ignore=shutil.ignore_patterns("__pycache__"))
        return host


def _address(log: Path) -> str | None:
    found = re.search(r"serving (http://\S+):", log.read_text())
    return found[1] if found else None


def python_of(version: str) -> Path | None:
    """A Python of that version on this machine: on the path, or beside the one that runs."""
    beside = sorted(Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}"))
    on_path = shutil.which(f"python{version}")
    for candidate in (*([Path(on_path)] if on_path else []), *beside):
        said = subprocess.run([str(candidate), "-c", _VERSION], capture_output=True, text=True, check=False)
        if said.stdout.strip() == version:
            return candidate
    return None


_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
