"""The agent's wheel together with those that it needs, as one zip: what a hub hands out where no package index is near.

They are pure Python, pinned by their hashes in agent/requirements.txt, and the same for every machine.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

from tools.agent_package import MANIFEST, ROOT, build
from tools.zips import CannotPackage, entry

REQUIREMENTS: Final = ROOT / "agent" / "requirements.txt"
OLDEST_PYTHON: Final = "3.9"


def build_with_dependencies(output: Path, source: Path = ROOT / "agent", requirements: Path = REQUIREMENTS) -> Path:
    """Write the zip beside the wheel, and name it in the manifest. Raises `CannotPackage`."""
    wheel = build(output, source)
    manifest = json.loads((output / MANIFEST).read_text())
    package = output / f"{wheel.name.partition('-py3-')[0]}.zip"
    with tempfile.TemporaryDirectory(dir=output) as folder:
        wheels = [wheel, *_downloaded(requirements, Path(folder))]
        written = Path(folder) / package.name
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
            for each in sorted(wheels, key=lambda path: path.name):
                archive.writestr(entry(each.name), each.read_bytes())
        digest = hashlib.sha256(written.read_bytes()).hexdigest()
        new = Path(folder) / MANIFEST
        new.write_text(json.dumps({**manifest, "package": package.name, "package_sha256": digest}, indent=1) + "\n")
        written.replace(package)
        new.replace(output / MANIFEST)
    return package


def _downloaded(requirements: Path, folder: Path) -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary", ":all:", "--python-version", OLDEST_PYTHON]
    command += ["--implementation", "py", "--abi", "none", "--platform", "any"]
    command += ["--requirement", str(requirements), "--dest", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - all ours
    if done.returncode != 0:
        raise CannotPackage(f"the wheels that the agent needs cannot be had:\n{done.stderr.strip()}")
    return list(folder.glob("*.whl"))
