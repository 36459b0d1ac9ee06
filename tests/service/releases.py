"""Releases for tests: real in form, with an app of three files and one small wheel."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Final

import pip

ROOT: Final = Path(__file__).resolve().parents[2]
SCRIPTS: Final = ROOT / "hosting/service"
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
HUB = """
import small, sys
print("hub", small.NAME, *sys.argv[1:])
"""


def make_release(folder: Path, version: str, hub: str = HUB, database_format: int = 2) -> Path:
    """An unpacked release; `hub` is what its command `nexomatic-hub` runs."""
    shutil.copytree(_template(folder.parent), folder)
    (folder / "app/hosting/service/__main__.py").write_text(hub)
    about = {"version": version, "pythons": [PYTHON], "database_format": database_format}
    write_manifest(folder, about)
    return folder


def write_manifest(folder: Path, about: dict[str, object]) -> None:
    files = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "release.json"
    }
    (folder / "release.json").write_text(json.dumps({**about, "files": files}))


@cache
def _template(parent: Path) -> Path:
    folder = parent / "template"
    (folder / "app/hosting/service").mkdir(parents=True)
    for name in ("function_app.py", "hosting/__init__.py", "hosting/service/__init__.py"):
        (folder / "app" / name).touch()
    for name in ("install.sh", "uninstall.sh", "nexomatic-hub", "nexo", "nexomatic-hub.service", "hub.env", "place.py"):
        shutil.copy(SCRIPTS / name, folder / name)
    wheels = folder / "wheels"
    wheels.mkdir()
    _zip_pip(wheels / f"pip-{pip.__version__}-py3-none-any.whl")
    digest = _write_wheel(wheels / "small-1.0-py3-none-any.whl")
    (folder / "requirements.txt").write_text(f"small==1.0 --hash=sha256:{digest}\n")
    return folder


def _zip_pip(path: Path) -> None:
    source = Path(pip.__file__).parent
    with zipfile.ZipFile(path, "w") as wheel:
        for each in sorted(source.rglob("*")):
            if each.is_file() and "__pycache__" not in each.parts:
                wheel.write(each, f"pip/{each.relative_to(source).as_posix()}")


def _write_wheel(path: Path) -> str:
    info = "small-1.0.dist-info"
    contents = {
        "small.py": "NAME = 'small'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        for name, text in contents.items()
    ]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in contents.items():
            wheel.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()
