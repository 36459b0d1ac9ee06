"""Writes a release note from the commits of a push, and archives notes by repository and month."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nexomatic import Context, Warn


def write(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """One note, in Markdown, from `repository`, `branch`, `compare` and `commits` (message, author, id, url)."""
    commits = params["commits"] or []
    if not commits:
        raise Warn("the push holds no commits: nothing to note", code="NO_COMMITS")
    repository, branch = params["repository"], params["branch"].removeprefix("refs/heads/")
    print(f"{len(commits)} commit(s) on {repository} {branch}")
    entries = [entry(commit) for commit in commits]
    lines = [f"# {repository}: {branch}", "", *entries, "", f"Compare: {params['compare']}"]
    return {"repository": repository, "branch": branch, "commits": len(commits), "note": "\n".join(lines) + "\n"}


def entry(commit: dict[str, Any]) -> str:
    """One commit as a list entry: its first line, its author, a link."""
    subject = commit["message"].splitlines()[0]
    return f"- {subject} ({commit['author']}, [{commit['id'][:7]}]({commit['url']}))"


def archive(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Keeps the note that the event before this one wrote: `folder`/repository/month/event.md, and an index."""
    result = params["result"]
    owner, _, name = result["repository"].partition("/")
    now = datetime.now(timezone.utc)
    folder = Path(params["folder"]).expanduser() / safe(owner) / safe(name) / now.strftime("%Y-%m")
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{context.parent_id}.md"
    note.write_text(result["note"], encoding="utf-8")
    with (folder / "index.jsonl").open("a", encoding="utf-8") as index:
        index.write(json.dumps({"at": now.isoformat(), "branch": result["branch"], "note": note.name}) + "\n")
    print(f"archived as {note}")
    return {"path": str(note), "bytes": note.stat().st_size}


def safe(name: str) -> str:
    """A name from outside as a folder's name: it cannot lead anywhere else."""
    return "".join(char if char.isalnum() or char in "-_." else "_" for char in name).lstrip(".") or "_"
