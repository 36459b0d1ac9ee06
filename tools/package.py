"""`make package`: the hub as it is deployed, one zip with all that runs in Azure, and a manifest beside it.

    python -m tools.package [--python 3.12] [--platform x86_64-manylinux2014] [--output build/nexomatic-hub.zip]

What `.funcignore` lets through, and below `.python_packages` what requirements.txt pins: wheels alone, by their hashes,
so that nothing is built or run here and nothing is installed there. Twice from the same tree it is the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.version import VERSION
from tools.agent_dependencies import build_with_dependencies
from tools.agent_package import MANIFEST as AGENT_MANIFEST
from tools.package_contents import IGNORED, SITE_PACKAGES, manifest, promised, sha256, strip, write_zip
from tools.zips import CannotPackage

ROOT: Final = Path(__file__).resolve().parents[1]
REQUIREMENTS: Final = "requirements.txt"
AGENT_PACKAGE: Final = "agent_package"
"""The folder in the package where the hub looks for the agent's (`hub/distribution/agent_packages.py`)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the package is to run on."""

    python: str
    platform: str | None
    """In uv's words; None: as this machine."""


AZURE: Final = Target("3.12", "x86_64-manylinux2014")


def build(output: Path, target: Target, source: Path = ROOT) -> Path:
    """The zip of a source tree, its `.sha256` and its `.json` manifest beside it. Raises `CannotPackage`."""
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output: what is finished takes its place in one step, and a build that fails leaves the one before.
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        root, package = Path(folder) / "root", Path(folder) / output.name
        for name in promised(source):
            if name.startswith(f"{SITE_PACKAGES.partition('/')[0]}/"):
                continue  # whatever somebody once installed there: this build installs its own
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, root / name)
        shutil.copyfile(source / IGNORED, root / IGNORED)
        install(root / REQUIREMENTS, root / SITE_PACKAGES, target)
        add_agent(root / AGENT_PACKAGE, source / "agent")
        names = promised(root)
        write_zip(package, root, names)
        about = {"version": VERSION, "python": target.python, "platform": target.platform or "this machine"}
        document = manifest(root, names, package, about)
        output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
        output.with_suffix(".zip.sha256").write_text(f"{document['sha256']}  {output.name}\n")
        package.replace(output)
    return output


def add_agent(place: Path, source: Path) -> None:
    """What the hub hands out to who installs an agent. Raises `CannotPackage`."""
    with tempfile.TemporaryDirectory(dir=place.parent.parent) as folder:
        package = build_with_dependencies(Path(folder), source)
        place.mkdir()
        for each in (package, Path(folder) / AGENT_MANIFEST):
            shutil.copyfile(each, place / each.name)


def install(requirements: Path, site: Path, target: Target) -> None:
    """What a lock file pins, for the target, into a folder. Raises `CannotPackage`, in uv's words."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(site), "--no-deps"]
    command += ["--python-version", target.python]
    command += ["--python-platform", target.platform] if target.platform is not None else []
    command += ["--only-binary", ":all:", "--require-hashes", "--link-mode", "copy"]
    done = subprocess.run(  # noqa: S603 - all ours
        [*command, "-r", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotPackage(f"installing for Python {target.python} failed:\n{done.stderr.strip()}")
    strip(site)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.package", description="Build the deployment package.")
    parser.add_argument("--python", default=AZURE.python, help="the version it is to run on (default: %(default)s)")
    parser.add_argument("--platform", default=AZURE.platform, help="in uv's words (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "nexomatic-hub.zip", help="the zip to write")
    arguments = parser.parse_args(argv)
    try:
        package = build(arguments.output, Target(arguments.python, arguments.platform))
    except CannotPackage as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{os.path.relpath(package)}: {package.stat().st_size / 1e6:.1f} MB, sha256 {sha256(package)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
