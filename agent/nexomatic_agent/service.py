"""`nexomatic-agent run`: from start to the last hand-back."""

from __future__ import annotations

import logging
import random
import time

from nexomatic_agent import process_trees
from nexomatic_agent.agent import Agent
from nexomatic_agent.config import BadSettings, Settings
from nexomatic_agent.enrolment import enrol
from nexomatic_agent.files import make_private_folder
from nexomatic_agent.identity import Identity, NotEnrolled, load_identity
from nexomatic_agent.interpreter import BadInterpreter, find_interpreter
from nexomatic_agent.lock import StateLock
from nexomatic_agent.signals import Signals

log = logging.getLogger(__name__)

HAND_BACK_SECONDS = 15.0
"""Beyond the grace time: how long handing back may take before it is left to the agent's next start."""
LOOK_SECONDS = 0.5
"""How often a draining agent looks for a second signal."""


def run(settings: Settings) -> None:
    """Work until a signal says to stop.

    Raises BadSettings, NotEnrolled, CannotEnrol, StateInUse, UnreadableDocument, HubError, OSError.
    """
    signals = Signals()
    make_private_folder(settings.state)
    lock = StateLock(settings.state)
    try:
        interpreter = find_interpreter(settings.python)
    except BadInterpreter as error:
        raise BadSettings([str(error)]) from None
    identity = _identity(settings)
    process_trees.adopt_orphans()
    agent = Agent(settings, identity, interpreter)
    agent.start()
    log.info("sink %s of %s, hub %s, %d slots", identity.sink, identity.sink_type, identity.hub, settings.slots)
    log.info("%s: stopping after the tasks at hand; a second signal stops them", signals.wait())
    _stop(agent, signals, settings)
    lock.release()


def _identity(settings: Settings) -> Identity:
    """The one on disk; with an enrolment token and none on disk, a new one."""
    try:
        identity = load_identity(settings.state)
    except NotEnrolled:
        if settings.token is None:
            raise
        return enrol(settings, random.random)
    if settings.hub is not None and settings.hub != identity.hub:
        raise BadSettings([f"hub is {settings.hub}, but this agent is enrolled with {identity.hub}: enrol it again"])
    return identity


def _stop(agent: Agent, signals: Signals, settings: Settings) -> None:
    """Drain; at the second signal, or when patience ends, hand back."""
    agent.drain()
    deadline = time.monotonic() + settings.drain_seconds
    while not agent.wait_idle(0) and time.monotonic() < deadline:
        if signals.wait(LOOK_SECONDS) is not None:
            break
    agent.give_up()
    if not agent.wait_idle(settings.grace_seconds + HAND_BACK_SECONDS):
        log.warning("some results are not delivered; they are on disk for the next start")
    agent.stop()
    log.info("stopped")
