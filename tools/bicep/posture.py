"""`make checkov`: what checkov finds in the templates, but for what checkov_skips.txt lists with a reason.

It is a failure, too, when checkov cannot read a file (it would say nothing of it), when one of its checks breaks down,
when it asks the network, when a line of the list has nothing to skip, and when it does not see the two files, put
beside the templates for each run, in which something is wrong.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.bicep.project import FOLDER

ROOT: Final = Path(__file__).resolve().parents[2]
SKIPS: Final = Path(__file__).with_name("checkov_skips.txt")
PYTHON: Final = ROOT / ".venv-checkov/bin/python"
UNREADABLE: Final = f"{FOLDER}/seen-unreadable.bicep"
WRONG: Final = f"{FOLDER}/seen-wrong.bicep"
PLANTED: Final = {
    UNREADABLE: "param text string =\n",
    WRONG: """resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: 'x'
  location: 'westeurope'
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    supportsHttpsTrafficOnly: false
  }
}
""",
}
SEEN: Final = "CKV_AZURE_3"
"""What checkov has to say of the wrong one: secure transfer is not required."""
_BROKE: Final = re.compile(r"Failed to run check (\S+) on (\S+):\S+\.(\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One check that a resource does not pass."""

    check: str
    path: str
    resource: str

    def __str__(self) -> str:
        return f"{self.check} {self.path} {self.resource}"


def skips(text: str) -> dict[Finding, str]:
    """What is not counted, and why. Raises ValueError for a line without a reason."""
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            check, path, resource, *reason = line.split(maxsplit=3)
            if not reason:
                raise ValueError(f"no reason is given in: {line}")
            found[Finding(check, path, resource)] = reason[0]
    return found


def judge(report: Mapping[str, Any], said: str, root: str, skipped: Mapping[Finding, str]) -> Iterator[str]:
    """What is wrong with the templates, or with the run. `said` is checkov's standard error, `root` where it ran."""
    for line in said.splitlines():
        if "ASKED THE NETWORK" in line:
            yield line
    unreadable = {os.path.relpath(each, root) for each in report["results"]["parsing_errors"]}
    for path in sorted(unreadable - {UNREADABLE}):
        yield f"{path}: checkov cannot read it, and so checks nothing in it"
    failed = {
        Finding(each["check_id"], each["file_path"].lstrip("/"), each["resource"].rpartition(".")[2]): each[
            "check_name"
        ]
        for each in report["results"]["failed_checks"]
    }
    for check, path, resource in _BROKE.findall(said):
        failed[Finding(check, os.path.relpath(path, root), resource)] = "the check itself broke down"
    if UNREADABLE not in unreadable or Finding(SEEN, WRONG, "account") not in failed:
        yield "checkov did not see what was put there to be seen: what it says of the templates is worth nothing"
    ours = {each: name for each, name in failed.items() if each.path != WRONG}
    for each in sorted(ours.keys() - skipped.keys()):
        yield f"{each}: {ours[each]}"
    for each in sorted(skipped.keys() - ours.keys()):
        yield f"{SKIPS.name} skips {each}, which is not found: remove the line"


def run(root: Path, python: Path) -> tuple[dict[str, Any], str, str]:
    """Checkov's report on the templates below a folder, its standard error, and where it ran."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shutil.copytree(root / FOLDER, folder / FOLDER)
        for path, text in PLANTED.items():
            (folder / path).write_text(text)
        command = [str(python), str(Path(__file__).with_name("checkov_offline.py")), "-d", str(folder)]
        command += ["--framework", "bicep", "--skip-download", "--compact", "-o", "json"]
        # Nothing of this machine: neither a configuration of checkov's nor the key of an account somewhere.
        environ = {"PATH": os.defpath, "HOME": name, "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true"}
        done = subprocess.run(  # noqa: S603 - all ours
            command, capture_output=True, text=True, check=False, cwd=folder, env=environ
        )
        try:
            return json.loads(done.stdout), done.stderr, str(folder)
        except ValueError:
            raise SystemExit(f"checkov ended with status {done.returncode}:\n{done.stderr[-3000:]}") from None


def main(argv: Sequence[str]) -> int:
    root = Path(argv[0]) if argv else ROOT
    report, said, where = run(root, PYTHON)
    skipped = skips(SKIPS.read_text())
    wrong = list(judge(report, said, where, skipped))
    for each in wrong:
        print(each, file=sys.stderr)
    print(f"checkov: {report['summary']['passed']} checks passed, {len(skipped)} skipped, {len(wrong)} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
