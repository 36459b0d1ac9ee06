"""What every attempt in the agent's hands works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from nexomatic_agent.attempt_log import LogLimits
from nexomatic_agent.bundles import Bundles
from nexomatic_agent.client import Client
from nexomatic_agent.crew import Crew
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.journal import Journal
from nexomatic_agent.runner import Runner
from nexomatic_agent.spool import Spool
from nexomatic_agent.timer import Timer
from nexomatic_agent.unsealing import Unsealer
from nexomatic_agent.work_folder import WorkFolders

if TYPE_CHECKING:
    from nexomatic_agent.holding import Holding


@dataclass(frozen=True)
class Tools:
    """Made once, for all of them."""

    client: Client
    crew: Crew
    timer: Timer
    clock: Callable[[], float]
    journal: Journal
    spool: Spool
    folders: WorkFolders
    runner: Runner
    bundles: Bundles
    unsealer: Unsealer
    watch: HubWatch
    limits: LogLimits
    grace_seconds: float
    settled: Callable[[Holding], None]
    """Called once the attempt is off the agent's hands."""
    disk_failed: Callable[[], None]
    """Called when a claim cannot be journaled."""
