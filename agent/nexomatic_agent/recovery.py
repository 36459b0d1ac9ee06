"""What an earlier life of the agent left: its tasks are killed, its results delivered, its claims handed back."""

from __future__ import annotations

import logging
from typing import Callable, Optional

from nexomatic_agent.files import UnreadableDocument
from nexomatic_agent.journal import Claim, Journal
from nexomatic_agent.process_trees import kill_remains
from nexomatic_agent.spool import Spool, Spooled
from nexomatic_agent.work_folder import WorkFolders

log = logging.getLogger(__name__)


def recover(
    journal: Journal, spool: Spool, folders: WorkFolders, resume: Callable[[Claim, Optional[Spooled]], None]
) -> int:
    """Kill and clean up, then give each claim to `resume` with its spooled result, if it has one. How many there were.

    Raises OSError if the state folder cannot be read.
    """
    journal.sweep()
    spool.sweep()
    found = []
    for key in sorted({*journal.keys(), *spool.keys()}):
        claim, spooled = _read(key, journal, spool)
        _kill(key, claim, journal)
        if claim is not None:
            found.append((claim, spooled))
    # Only now: what still ran may have worked in these folders.
    folders.remove_all()
    for claim, spooled in found:
        resume(claim, spooled)
    return len(found)


def _read(key: str, journal: Journal, spool: Spool) -> tuple[Optional[Claim], Optional[Spooled]]:
    """The claim, made up from the spooled result if the journal's file is gone or damaged."""
    spooled = claim = None
    try:
        spooled = spool.read(key)
    except (UnreadableDocument, KeyError, TypeError) as error:
        log.error("%s: the spooled result is left where it is: %s", key, error)
    try:
        claim = journal.read(key)
    except FileNotFoundError:
        pass
    except (UnreadableDocument, KeyError, TypeError) as error:
        log.error("%s: the journaled claim is left where it is, its lease will expire: %s", key, error)
    if claim is None and spooled is not None:
        claim = Claim(spooled.event_id, spooled.attempt, spooled.token, spooled.lease_seconds, mark="", started=True)
    return claim, spooled


def _kill(key: str, claim: Optional[Claim], journal: Journal) -> None:
    if claim is None or not claim.mark:
        return
    try:
        process = journal.process(key)
    except UnreadableDocument as error:
        log.error("%s: %s", key, error)
        process = None
    killed = kill_remains(claim.mark, process)
    log.warning("%s: left by an earlier life of the agent; %d of its processes were still running", key, killed)
