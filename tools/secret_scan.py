"""Looks for secrets in every file that git would not ignore: `make lint` fails on what nobody has looked at.

    python -m tools.secret_scan            what is new; 1 if there is any
    python -m tools.secret_scan --write    put all that is found into .secrets.baseline, the new ones not yet reviewed

The baseline is in the format of detect-secrets. An entry counts once a person has written `"is_secret": false` to it:
by hand, or with `detect-secrets audit .secrets.baseline`. Files that have not changed are not looked at again: what was
found in them is kept in .secrets_cache, by their content. Hard-coded passwords are ruff's (S105 to S107).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detect_secrets.__version__ import VERSION
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings, get_settings
from pathspec import GitIgnoreSpec

ROOT: Final = Path(__file__).resolve().parents[1]
LEFT_OUT: Final = (
    "package-lock.json",
    "requirements.txt",
    "requirements-local.txt",
    "requirements-dev.txt",
    "requirements-checkov.txt",
    ".secrets.baseline",
)
"""Lock files: nothing but hashes."""
PLUGINS_LEFT_OUT: Final = ("KeywordDetector", "IPPublicDetector")
"""ruff's S105 to S107 find passwords in code, and know tests; addresses are no secrets."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that looks like a secret, by its hash."""

    file: str
    line: int
    kind: str
    hashed: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.kind, self.hashed


def is_noise(file: str, kind: str) -> bool:
    """Whether it is what tests are full of: ids, hashes and signatures, which look random and open nothing.

    Keys of the kinds that can be told by their form are looked for there as everywhere.
    """
    return kind.endswith("High Entropy String") and "tests" in Path(file).parts


def files_of(root: Path) -> Iterator[str]:
    """Every file that is part of the project, by its path with slashes."""
    ignored = GitIgnoreSpec.from_lines((root / ".gitignore").read_text().splitlines())
    for folder, folders, names in os.walk(root):
        below = Path(folder).relative_to(root)
        # `.git` is a file in a worktree.
        folders[:] = [each for each in folders if each != ".git" and not ignored.match_file(f"{below / each}/")]
        paths = ((below / each).as_posix() for each in sorted(names) if each not in LEFT_OUT and each != ".git")
        yield from (each for each in paths if not ignored.match_file(each))


def found_in(root: Path, file: str) -> list[list[Any]]:
    """What detect-secrets finds: line, kind, hash."""
    secrets = SecretsCollection(root=str(root))
    secrets.scan_file(file)
    return [[each.line_number, each.type, each.secret_hash] for _, each in secrets]


def scan(root: Path) -> list[Finding]:
    """Everything that is found, and nothing twice for the same content."""
    cache = root / ".secrets_cache"
    with default_settings():
        get_settings().disable_plugins(*PLUGINS_LEFT_OUT)
        made_by = f"{VERSION} {sorted(get_settings().plugins)}"
        before = _cached(cache, made_by)
        known: dict[str, list[list[Any]]] = {}
        findings = []
        for file in files_of(root):
            # The name too: what is looked for depends on its ending.
            content = hashlib.sha256(Path(file).suffix.encode() + b"\0" + (root / file).read_bytes()).hexdigest()
            found = before.get(content)
            known[content] = found_in(root, file) if found is None else found
            all_of_it = (Finding(file, line, kind, hashed) for line, kind, hashed in known[content])
            findings += [each for each in all_of_it if not is_noise(file, each.kind)]
    cache.write_text(json.dumps({"made_by": made_by, "files": known}))
    return findings


def _cached(cache: Path, made_by: str) -> Mapping[str, list[list[Any]]]:
    try:
        document = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    files: Mapping[str, list[list[Any]]] = document.get("files", {}) if document.get("made_by") == made_by else {}
    return files


def reviewed(baseline: Path) -> dict[tuple[str, str, str], bool | None]:
    """What the baseline has, and what a person said of each: whether it is a secret; None: nothing yet."""
    if not baseline.exists():
        return {}
    results = json.loads(baseline.read_text())["results"]
    return {
        (file, each["type"], each["hashed_secret"]): each.get("is_secret")
        for file, entries in results.items()
        for each in entries
    }


def not_cleared(findings: Sequence[Finding], said: Mapping[tuple[str, str, str], bool | None]) -> list[Finding]:
    """What nobody has said to be no secret."""
    return [each for each in findings if said.get(each.key) is not False]


def write(root: Path, findings: Sequence[Finding]) -> None:
    """The baseline of what is found now; what was said of it stays."""
    said = reviewed(root / ".secrets.baseline")
    results: dict[str, list[dict[str, Any]]] = {}
    for each in sorted(findings, key=lambda each: (each.file, each.line, each.kind)):
        entry = {"type": each.kind, "filename": each.file, "hashed_secret": each.hashed, "line_number": each.line}
        verdict = said.get(each.key)
        results.setdefault(each.file, []).append(entry if verdict is None else {**entry, "is_secret": verdict})
    with default_settings():
        get_settings().disable_plugins(*PLUGINS_LEFT_OUT)
        plugins = [{"name": name, **_plain(options)} for name, options in sorted(get_settings().plugins.items())]
        filters = [{"path": path, **_plain(config)} for path, config in sorted(get_settings().filters.items())]
        document = {"version": VERSION, "plugins_used": plugins, "filters_used": filters, "results": results}
    (root / ".secrets.baseline").write_text(json.dumps(document, indent=1) + "\n")


def _plain(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if isinstance(value, str | int | float | list)}


def main(argv: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python -m tools.secret_scan", description="Look for committed secrets.")
    parser.add_argument("--write", action="store_true", help="write the baseline anew")
    arguments = parser.parse_args(argv)
    findings = scan(root)
    if arguments.write:
        write(root, findings)
    left = not_cleared(findings, reviewed(root / ".secrets.baseline"))
    for each in left:
        print(f"{each.file}:{each.line}: {each.kind}: looks like a secret", file=sys.stderr)
    if left:
        print(
            "remove it and make it invalid where it is valid; or, if it is none, see tools/secret_scan.py",
            file=sys.stderr,
        )
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
