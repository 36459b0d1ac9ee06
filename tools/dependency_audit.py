"""`make audit`: known vulnerabilities in what is pinned here, by pip-audit and npm.

Ends with 1 for what was found, and with 2 for what could not be audited: silence is not a clean bill. It is no part of
`make lint`, because it asks the registries: an advisory of today must not turn the commit of yesterday red by itself.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt")
Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True, slots=True)
class Audited:
    """One audit. Neither findings nor a reason: it was clean."""

    what: str
    findings: Sequence[str] = ()
    not_audited: str | None = None
    """Why nothing can be said."""


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """To its end, whatever that is."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - all ours


def python_packages(lock: str, ask: Run) -> Audited:
    """By pip-audit, which reads versions and hashes from the lock file and installs nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--require-hashes", "--disable-pip"]
    done = ask([*command, "--format", "json", "--progress-spinner", "off"])
    document = _json(done.stdout)
    if not isinstance(document, dict) or "dependencies" not in document:
        return Audited(lock, not_audited=_last_line(done.stderr or done.stdout))
    findings, skipped = [], []
    for each in document["dependencies"]:
        if "skip_reason" in each:
            skipped.append(f"{each['name']}: {each['skip_reason']}")
        for found in each.get("vulns", ()):
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            findings.append(f"{each['name']} {each['version']}: {found['id']} (fixed in {fixed})")
    missing = f"{len(skipped)} of {len(document['dependencies'])} packages, such as {skipped[0]}" if skipped else None
    return Audited(lock, findings, missing)


def node_packages(ask: Run) -> Audited:
    """By npm, from its lock file."""
    what, npm = "package-lock.json", shutil.which("npm")
    if npm is None:
        return Audited(what, not_audited="npm is not installed")
    done = ask([npm, "audit", "--json", "--package-lock-only"])
    document = _json(done.stdout)
    if not isinstance(document, dict) or "vulnerabilities" not in document:
        said = document.get("message") if isinstance(document, dict) else None
        return Audited(what, not_audited=str(said or _last_line(done.stderr)))
    found = document["vulnerabilities"].values()
    return Audited(what, [f"{each['name']} {each['range']}: {each['severity']}" for each in found])


def report(audits: Sequence[Audited]) -> int:
    """Say what came of them; the program's end."""
    for each in audits:
        for finding in each.findings:
            print(f"{each.what}: {finding}")
        if each.not_audited is not None:
            print(f"{each.what}: NOT AUDITED: {each.not_audited}")
        if not each.findings and each.not_audited is None:
            print(f"{each.what}: nothing known")
    if any(each.findings for each in audits):
        return 1
    return 2 if any(each.not_audited is not None for each in audits) else 0


def main(ask: Run = run) -> int:
    """The program."""
    return report([*(python_packages(each, ask) for each in LOCKS), node_packages(ask)])


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _last_line(text: str) -> str:
    lines = [each.strip() for each in text.splitlines() if each.strip()]
    return lines[-1][:300] if lines else "it said nothing"


if __name__ == "__main__":
    sys.exit(main())
