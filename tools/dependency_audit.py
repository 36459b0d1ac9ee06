"""Known vulnerabilities in what is pinned here, by pip-audit and npm.

    python -m tools.dependency_audit            `make audit`
    python -m tools.dependency_audit --lint     a part of `make lint`

What is found fails both, unless `accepted-advisories.toml` says why it does no harm, and until when. They differ in
what could not be asked: `make audit` ends with 2, because silence is not a clean bill; `make lint` says so in a line
and lets it be, because one must be able to work without a network, and waits a few seconds only.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import requests

from tools.accepted_advisories import Acceptance, Advisory, judged, read

ROOT: Final = Path(__file__).resolve().parents[1]
LOCKS: Final = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt", "requirements-checkov.txt")
ACCEPTED: Final = Path("tools/accepted-advisories.toml")
CACHE: Final = Path("build/audit")
"""Answers that PyPI says may be kept: with them the next run is quick, and one that was cut short gets further."""
LINT_SECONDS: Final = 15.0
AUDIT_SECONDS: Final = 300.0
ANSWER_SECONDS: Final = 5
"""For one answer of a registry."""
Run = Callable[[Sequence[str], float], "subprocess.CompletedProcess[str]"]


class NotAsked(Exception):
    """Nothing, or not everything, can be said; with the reason."""


@dataclass(frozen=True, slots=True)
class Audited:
    """One audit. Neither findings nor a reason: it was clean."""

    what: str
    findings: Sequence[Advisory] = ()
    not_asked: str | None = None
    """Why nothing, or not all, can be said."""


def run(command: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    """To its end, whatever that is. Raises `NotAsked` when it takes longer."""
    try:
        return subprocess.run(  # noqa: S603 - all ours
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise NotAsked(f"it took longer than {seconds:.0f} s") from None


def python_packages(root: Path, ask: Run, seconds: float) -> Audited:
    """By pip-audit, once for all lock files: it reads versions and hashes from them and installs nothing."""
    what = "Python packages"
    locks = [argument for each in LOCKS for argument in ("--requirement", str(root / each))]
    command = [sys.executable, "-m", "pip_audit", *locks, "--require-hashes", "--disable-pip"]
    command += ["--aliases", "on", "--cache-dir", str(root / CACHE), "--timeout", str(ANSWER_SECONDS)]
    try:
        _first_answer(root)
        done = ask([*command, "--format", "json", "--progress-spinner", "off"], seconds)
    except NotAsked as why:
        return Audited(what, not_asked=str(why))
    document = _json(done.stdout)
    if not isinstance(document, dict) or "dependencies" not in document:
        return Audited(what, not_asked=_last_line(done.stderr or done.stdout))
    skipped = [each["name"] for each in document["dependencies"] if "skip_reason" in each]
    missing = None
    if skipped:
        missing = f"PyPI does not know {len(skipped)} of {len(document['dependencies'])}, such as {skipped[0]}"
    return Audited(what, list(_pythons(document["dependencies"])), missing)


def _first_answer(root: Path) -> None:
    """Ask PyPI for one package. Where it does not answer, asking for all of them only takes time. Raises `NotAsked`."""
    pinned = re.search(r"^([\w.-]+)==([^\s;]+)", (root / LOCKS[0]).read_text(), re.MULTILINE)
    if pinned is None:
        raise NotAsked(f"{LOCKS[0]} pins nothing")
    try:
        answer = requests.get(f"https://pypi.org/pypi/{pinned[1]}/{pinned[2]}/json", timeout=ANSWER_SECONDS)
    except requests.RequestException as error:
        raise NotAsked(f"PyPI cannot be reached ({type(error).__name__})") from None
    if not answer.ok:
        raise NotAsked(f"PyPI answers {answer.status_code} for {pinned[1]} {pinned[2]}")


def _pythons(dependencies: Iterable[dict[str, Any]]) -> Iterable[Advisory]:
    for each in dependencies:
        for found in each.get("vulns", ()):
            fixed = ", ".join(found.get("fix_versions", ())) or "no version yet"
            text = f"{each['name']} {each['version']}: {found['id']} (fixed in {fixed})"
            yield Advisory(each["name"], [found["id"], *found.get("aliases", ())], text)


def node_packages(root: Path, ask: Run, seconds: float) -> Audited:
    """By npm, from its lock file."""
    what, npm = "npm packages", shutil.which("npm")
    if npm is None:
        return Audited(what, not_asked="npm is not installed")
    command = [npm, "--prefix", str(root), "audit", "--json", "--package-lock-only", "--fetch-retries=0"]
    try:
        done = ask([*command, f"--fetch-timeout={ANSWER_SECONDS * 1000}", f"--cache={root / CACHE / 'npm'}"], seconds)
    except NotAsked as why:
        return Audited(what, not_asked=str(why))
    document = _json(done.stdout)
    if not isinstance(document, dict) or "vulnerabilities" not in document:
        said = document.get("message") if isinstance(document, dict) else None
        return Audited(what, not_asked=_last_line(str(said or done.stderr)))
    return Audited(what, list(_nodes(document["vulnerabilities"].values())))


def _nodes(vulnerable: Iterable[dict[str, Any]]) -> Iterable[Advisory]:
    """Each advisory once. A package that is only named because it depends on another has none of its own."""
    seen = set()
    for each in vulnerable:
        for found in (via for via in each["via"] if isinstance(via, dict)):
            name = found["url"].rpartition("/")[2]
            if (found["name"], name) not in seen:
                seen.add((found["name"], name))
                text = f"{found['name']} {found['range']}: {name} ({found['severity']})"
                yield Advisory(found["name"], [name], text)


def report(audits: Sequence[Audited], accepted: Sequence[Acceptance], today: date, *, lint: bool) -> int:
    """Say what came of them; the program's end. In `make lint` one hears of what somebody can act on."""
    unasked = [each for each in audits if each.not_asked is not None]
    found = [advisory for each in audits for advisory in each.findings]
    fails, known = judged(found, accepted, today, everything_asked=not unasked)
    for line in fails:
        print(line)
    for each in unasked:
        again = " (make audit repeats it)" if lint else ""
        print(f"{each.what}: could not be asked: {each.not_asked}{again}")
    if not lint:
        for line in [*known, *(f"{each.what}: nothing else known" for each in audits if each.not_asked is None)]:
            print(line)
    if fails:
        return 1
    return 2 if unasked and not lint else 0


def main(argv: Sequence[str] | None = None, ask: Run = run, root: Path = ROOT, today: date | None = None) -> int:
    """The program. `today` decides what is still accepted; None: the day it is, in UTC."""
    parser = argparse.ArgumentParser(prog="python -m tools.dependency_audit", description="Ask what is known.")
    parser.add_argument("--lint", action="store_true", help="bear with registries that cannot be asked")
    lint = parser.parse_args(argv).lint
    seconds = LINT_SECONDS if lint else AUDIT_SECONDS
    try:
        accepted = read(root / ACCEPTED)
    except ValueError as wrong:
        print(wrong)
        return 1
    with ThreadPoolExecutor() as both:
        audits = both.map(lambda audit: audit(root, ask, seconds), (python_packages, node_packages))
        return report(list(audits), accepted, today or datetime.now(UTC).date(), lint=lint)


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
