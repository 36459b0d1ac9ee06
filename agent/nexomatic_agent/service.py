"""`nexomatic-agent run`: from start to the last hand-back."""

from __future__ import annotations

import logging
import random
import time
from typing import Optional

from nexomatic_agent import process_trees
from nexomatic_agent.agent import Agent
from nexomatic_agent.commands import RESTART, STOP
from nexomatic_agent.config import BadSettings, Settings, address_problems
from nexomatic_agent.enrolment import enrol
from nexomatic_agent.files import make_private_folder, remove_half_written
from nexomatic_agent.identity import Identity, NotEnrolled, load_identity
from nexomatic_agent.interpreter import find_interpreter
from nexomatic_agent.lock import StateLock
from nexomatic_agent.memory import share_one_heap
from nexomatic_agent.signals import Signals
from nexomatic_agent.signing import trusted_keys
from nexomatic_agent.unsealing import has_key

log = logging.getLogger(__name__)

KILL_SECONDS = 10.0
"""Beyond the grace time: how long the end of a stopped task is waited for."""
DELIVERY_SECONDS = 5.0
"""How long results may take to be delivered. They are on disk: the agent's next start delivers the others."""
LOOK_SECONDS = 0.1
"""How often a stopping agent looks whether its tasks have ended, while it listens for a second signal."""


TOLD_TO_RESTART, TOLD_TO_STOP = 6, 7
"""Exit codes after a command of the hub: a service manager starts it again after the one, and not after the other."""


def run(settings: Settings) -> int:
    """Work until a signal or the hub says to stop. The exit code: 0 after a signal.

    Raises BadSettings, BadInterpreter, BadBundle, NotEnrolled, CannotEnrol, StateInUse, UnreadableDocument, HubError,
    OSError.
    """
    share_one_heap()
    signals = Signals()
    make_private_folder(settings.state)
    lock = StateLock(settings.state)
    remove_half_written(settings.state)
    interpreter = find_interpreter(settings.python)
    trusted = trusted_keys(settings.trusted_keys)
    identity = _identity(settings)
    process_trees.adopt_orphans()
    agent = Agent(settings, identity, interpreter, signals.tell, trusted)
    agent.start()
    log.info("sink %s of %s, hub %s, %d slots", identity.sink, identity.sink_type, identity.hub, settings.slots)
    said = signals.wait()
    log.info("%s: stopping after the tasks at hand; a second signal stops them", said)
    # A signal after a command changes nothing: whoever sent it does not start it again unless they want to.
    ending = said if said in (RESTART, STOP) else None
    _stop(agent, signals, settings, ending)
    lock.release()
    return {RESTART: TOLD_TO_RESTART, STOP: TOLD_TO_STOP}.get(ending or "", 0)


def _identity(settings: Settings) -> Identity:
    """The one on disk; with an enrolment token and none on disk, a new one."""
    try:
        identity = load_identity(settings.state)
    except NotEnrolled:
        if settings.token is None:
            raise
        return enrol(settings, random.random)
    if problems := address_problems(identity.hub):
        raise BadSettings([f"the hub {identity.hub}, with which this agent is enrolled, {each}" for each in problems])
    if settings.seal_secrets and not has_key(settings.state):
        log.warning("seal_secrets has no effect: this agent was enrolled without a key; enrol it again")
    if settings.hub is not None and settings.hub != identity.hub:
        raise BadSettings([f"hub is {settings.hub}, but this agent is enrolled with {identity.hub}: enrol it again"])
    return identity


def _stop(agent: Agent, signals: Signals, settings: Settings, ending: Optional[str]) -> None:
    """Drain; at the second signal, or when patience ends, hand back."""
    agent.drain(leaving=ending != RESTART)
    if not _wait_while_running(agent, settings.drain_seconds, signals, heed=True):
        log.info("stopping the tasks at hand")
        agent.give_up()
        _wait_while_running(agent, settings.grace_seconds + KILL_SECONDS, signals, heed=False)
    if not agent.wait_idle(DELIVERY_SECONDS):
        log.warning("some results are not delivered; they are on disk for the next start")
    agent.stop()
    log.info("stopped")


def _wait_while_running(agent: Agent, seconds: float, signals: Signals, heed: bool) -> bool:
    """Wait until no task runs, at most so long; a signal ends the wait if it is to be heeded. Whether none runs."""
    deadline = time.monotonic() + seconds
    while agent.running and time.monotonic() < deadline:
        if signals.wait(LOOK_SECONDS) not in (None, RESTART, STOP) and heed:
            break
    return not agent.running
