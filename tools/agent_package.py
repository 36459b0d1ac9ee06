"""`make agent-package`: the agent as a wheel in build/agent, and a manifest beside it that says which bytes it is.

    python -m tools.agent_package [--alone] [--output build/agent]

Unless it is wanted alone, a zip with it and the wheels that it needs is made too (`agent_dependencies.py`).

Written by this file rather than by a build back-end: nothing is installed or asked for, and twice from the same tree it
is the same bytes on every machine.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import json
import os
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools.zips import CannotPackage, entry

ROOT: Final = Path(__file__).resolve().parents[1]
MANIFEST: Final = "manifest.json"
_TAG: Final = "py3-none-any"


def build(output: Path, source: Path = ROOT / "agent") -> Path:
    """Write the wheel of a source tree to a folder, with a manifest `{version, file, sha256}`. Raises CannotPackage."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))
    version = _version(source, project["tool"]["setuptools"]["dynamic"]["version"]["attr"])
    stem = f"{project['project']['name'].replace('-', '_')}-{version}"
    contents = _files(source, project["tool"]["setuptools"])
    contents.update(_metadata(project["project"], version, f"{stem}.dist-info"))
    contents[f"{stem}.dist-info/RECORD"] = _record(contents, f"{stem}.dist-info/RECORD")
    output.mkdir(parents=True, exist_ok=True)
    wheel = output / f"{stem}-{_TAG}.whl"
    # What is finished takes its place in one step. The manifest comes last: it never names what is not there.
    with tempfile.TemporaryDirectory(dir=output) as folder:
        written, manifest = Path(folder) / wheel.name, Path(folder) / MANIFEST
        _write(written, contents)
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        manifest.write_text(json.dumps({"version": version, "file": wheel.name, "sha256": digest}, indent=1) + "\n")
        written.replace(wheel)
        manifest.replace(output / MANIFEST)
    return wheel


def _version(source: Path, attribute: str) -> str:
    """The constant that an attribute path names, read without running anything."""
    module, _, name = attribute.rpartition(".")
    for node in ast.parse((source / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=ast.Constant(value=str(value))) if found == name:
                return value
    raise CannotPackage(f"{attribute} is not a text in {module}")


def _files(source: Path, setuptools: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of the packages. One that pyproject.toml does not name is refused: it would be missed on a sink."""
    packages, data = setuptools["packages"], setuptools.get("package-data", {})
    named: set[Path] = set()
    for package in packages:
        folder = source / package.replace(".", "/")
        for pattern in ("*.py", *data.get(package, ())):
            named.update(folder.glob(pattern))
    there = {
        path
        for package in packages
        for path in (source / package.replace(".", "/")).rglob("*")
        if not path.is_dir() and "__pycache__" not in path.parts
    }
    if forgotten := sorted(path.relative_to(source).as_posix() for path in there - named):
        raise CannotPackage(f"agent/pyproject.toml does not name {', '.join(forgotten)}")
    if links := sorted(path.relative_to(source).as_posix() for path in there if path.is_symlink()):
        raise CannotPackage(f"a link cannot be packaged: {', '.join(links)}")
    return {path.relative_to(source).as_posix(): path.read_bytes() for path in named}


def _metadata(project: Mapping[str, Any], version: str, folder: str) -> dict[str, bytes]:
    about = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
        *(
            line
            for extra, needed in project.get("optional-dependencies", {}).items()
            for line in (f"Provides-Extra: {extra}", *(f'Requires-Dist: {each}; extra == "{extra}"' for each in needed))
        ),
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: nexomatic", "Root-Is-Purelib: true", f"Tag: {_TAG}"]
    commands = ["[console_scripts]", *(f"{name} = {target}" for name, target in project["scripts"].items())]
    return {
        f"{folder}/METADATA": _lines(about),
        f"{folder}/WHEEL": _lines(wheel),
        f"{folder}/entry_points.txt": _lines(commands),
    }


def _record(contents: Mapping[str, bytes], own: str) -> bytes:
    rows = []
    for name in sorted(contents):
        digest = base64.urlsafe_b64encode(hashlib.sha256(contents[name]).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(contents[name])}")
    return _lines([*rows, f"{own},,"])


def _lines(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def _write(path: Path, contents: Mapping[str, bytes]) -> None:
    """Not compressed: two builds of zlib need not write the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(contents, key=lambda name: (".dist-info/" in name, name)):
            archive.writestr(entry(name), contents[name])


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.agent_package", description="Build the agent's package.")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "agent", help="the folder to write into")
    parser.add_argument("--alone", action="store_true", help="the wheel alone: nothing is downloaded")
    arguments = parser.parse_args(argv)
    from tools.agent_dependencies import build_with_dependencies

    try:
        built = build(arguments.output) if arguments.alone else build_with_dependencies(arguments.output)
    except CannotPackage as error:
        print(error, file=sys.stderr)
        return 1
    manifest = json.loads((built.parent / MANIFEST).read_text())
    digest = manifest["sha256" if arguments.alone else "package_sha256"]
    print(f"{os.path.relpath(built)}: {built.stat().st_size / 1e3:.0f} kB, sha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
