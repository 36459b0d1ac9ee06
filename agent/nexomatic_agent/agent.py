"""The agent: its parts put together, its start, and its two ways to stop."""

from __future__ import annotations

import logging
import os
import random
import secrets
import threading
import time
from typing import Any, Callable, Optional

from nexomatic_agent.answers import HubError
from nexomatic_agent.attempt import BadAttempt, read_attempt
from nexomatic_agent.attempt_log import LogLimits
from nexomatic_agent.bundle_cache import BundleCache
from nexomatic_agent.bundles import Bundles
from nexomatic_agent.capabilities import Capabilities
from nexomatic_agent.client import Client
from nexomatic_agent.commands import DRAIN, RESUME, STOP, Commands, is_started_again, known
from nexomatic_agent.config import Settings
from nexomatic_agent.crew import Crew
from nexomatic_agent.holding import Holding
from nexomatic_agent.holdings import Holdings
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.identity import Identity, Instances
from nexomatic_agent.interpreter import Interpreter
from nexomatic_agent.journal import Claim, Journal
from nexomatic_agent.launch import Launcher
from nexomatic_agent.modules import Modules
from nexomatic_agent.polling import FIRST_STEERING, Polling, Receiver
from nexomatic_agent.recovery import recover
from nexomatic_agent.rotation import Rotation
from nexomatic_agent.runner import Runner, RunnerSettings
from nexomatic_agent.signing import TrustedKeys
from nexomatic_agent.spool import Spool, Spooled
from nexomatic_agent.task import Task
from nexomatic_agent.timer import Timer
from nexomatic_agent.tools import Tools
from nexomatic_agent.trust import trust
from nexomatic_agent.unsealing import Unsealer
from nexomatic_agent.work_folder import WorkFolders

log = logging.getLogger(__name__)

CALLS_AT_ONCE = 16
"""Threads, and connections, for calls about tasks."""
DISK_SECONDS = 30.0
"""An agent that cannot write to its disk takes nothing for so long: it would be handed the same task over and over."""
RECOVERY_SECONDS = 30.0
"""How long the first poll waits for what an earlier life left behind to be settled."""
ROTATION_LOOK_SECONDS = 3600.0
"""How often at least the age of the credential is looked at."""
FAREWELL_SECONDS = 2.0
"""How long a stopping agent waits for the hub to know that it takes no more."""


class Agent:
    """One sink at work. `start` it once; then `drain` it, or `give_up`."""

    def __init__(
        self,
        settings: Settings,
        identity: Identity,
        interpreter: Interpreter,
        end: Callable[[str], None],
        trusted: Optional[TrustedKeys] = None,
    ) -> None:
        """`end` is told the command by which this process is to end.

        Raises BadBundle; UnreadableDocument, OSError if the state folder cannot be read or written.
        """
        self._end = end
        self._settings = settings
        state = settings.state
        launcher = Launcher(Modules(settings.modules, interpreter.sites), interpreter)
        self._random = random.Random()  # noqa: S311 - spreads calls over time, keeps nothing secret
        context = trust(settings.ca_bundle)
        self._client = Client(identity.hub, identity.credential, context, CALLS_AT_ONCE)
        self._crew = Crew(CALLS_AT_ONCE)
        self._journal, self._folders = Journal(state / "journal"), WorkFolders(state / "work")
        self._spool = Spool(state / "spool", state / "lost")
        cache = BundleCache(state / "bundles", settings.bundle_cache_bytes)
        self._bundles = Bundles(cache, trusted or TrustedKeys({}))
        self._holdings = Holdings(settings.slots)
        self._instances = Instances(state)
        self._instance = self._instances.start()
        self._draining = False
        self._rotation = Rotation(state, identity, self._client, time.time)
        runner = Runner(launcher, _runner_settings(settings))
        self._tools = self._make_tools(runner, Unsealer(state, identity.sink))
        names = known(is_started_again())
        self.commands = Commands(state, self._begun, names)
        self._polling = Polling(
            self._client,
            self._holdings,
            Capabilities(launcher, settings.modules, self._bundles.capabilities(), names),
            Receiver(self._take, self._cancelled, self.commands.take, self._answered),
            self.commands,
            self._instance,
            HubWatch("poll", time.monotonic),
            self._random.random,
            time.monotonic,
        )

        if self.commands.drained:
            self._polling.drain()

    def _make_tools(self, runner: Runner, unsealer: Unsealer) -> Tools:
        return Tools(
            client=self._client,
            crew=self._crew,
            timer=Timer(),
            clock=time.monotonic,
            journal=self._journal,
            spool=self._spool,
            folders=self._folders,
            runner=runner,
            bundles=self._bundles,
            unsealer=unsealer,
            watch=HubWatch("calls about tasks", time.monotonic),
            limits=LogLimits(self._settings.log_line_bytes, self._settings.log_attempt_bytes),
            grace_seconds=self._settings.grace_seconds,
            settled=self._on_settled,
            disk_failed=lambda: self._holdings.pause(DISK_SECONDS),
        )

    # --- its life

    def start(self) -> None:
        """Deal with what an earlier life left behind, then poll. Returns at once; raises OSError."""
        recovered = recover(self._journal, self._spool, self._folders, self._resume)
        threading.Thread(target=self._run, args=(recovered > 0,), name="poll", daemon=True).start()
        self._rotate_in(0.0)

    def _run(self, recovered: bool) -> None:
        # Handed back first, or the hub would take this poll's new instance for news of lost tasks.
        if recovered and not self._holdings.wait_empty(RECOVERY_SECONDS):
            log.warning("results of an earlier life are still not delivered; polling meanwhile")
        self._polling.run()

    def drain(self, leaving: bool = True) -> None:
        """Take no new work, before the end. Returns at once. `leaving`: nobody is to start this agent again."""
        self._draining = True
        self._polling.drain(leaving)
        self._crew.submit(self._say_draining)

    @property
    def running(self) -> bool:
        """Whether a task's process may run."""
        return self._holdings.running

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is in hand, at most so long. Whether nothing is."""
        return self._holdings.wait_empty(seconds)

    def give_up(self) -> None:
        """Hand back what is in hand: tasks are stopped. Returns at once; `wait_idle` tells when it is done."""
        self._draining = True
        for holding in self._holdings.all():
            holding.hand_back()

    def stop(self) -> None:
        """Stop polling, once the hub has had a moment to answer the poll that still offers slots."""
        self._polling.stop()
        if self.commands.ending == STOP:
            self._say_stopped()
        self._polling.wait_quiet(FAREWELL_SECONDS)

    # --- what happens to it

    def _rotate_in(self, seconds: float) -> None:
        # An hour at most: the monotonic clock stands still while a machine sleeps, and credentials age.
        when = time.monotonic() + min(seconds, ROTATION_LOOK_SECONDS)
        self._tools.timer.at(when, lambda: self._crew.submit(lambda: self._rotate_in(self._rotation.step())))

    def _take(self, task: Any) -> bool:
        """Take on what the hub handed out. Whether it is something new."""
        try:
            attempt = read_attempt(task)
        except BadAttempt as error:
            log.error("the hub handed out a task that cannot be read; its lease will expire: %s", error)
            return False
        claim = Claim(
            attempt.event_id,
            attempt.attempt,
            attempt.token,
            attempt.lease_seconds,
            secrets.token_hex(16),
            started=False,
        )
        machine = Task(
            attempt.event_id,
            attempt.token,
            attempt.lease_seconds,
            attempt.timeout_seconds,
            attempt.confirm,
            self._random.random(),
            secrets=bool(attempt.secrets),
        )
        holding = Holding(machine, claim, self._tools, attempt)
        for older in self._holdings.of_event(attempt.event_id):
            older.cancel_heard()  # another attempt of the same event: the hub will say that the older one is over
        if not self._holdings.add(holding):
            log.warning("%s: handed out again while it is in hand", claim.key)
            return False
        log.info("%s: taken: %s, %s %s", claim.key, attempt.event_type, attempt.runtime, attempt.module)
        if self._draining:
            holding.hand_back()
        else:
            holding.begin()
        return True

    def _resume(self, claim: Claim, spooled: Optional[Spooled]) -> None:
        token = spooled.token if spooled is not None else claim.token
        machine = Task(claim.event_id, token, claim.lease_seconds, 0.0, spread=self._random.random())
        holding = Holding(machine, claim, self._tools)
        self._holdings.add(holding)
        log.info("%s: %s", claim.key, "delivering its result" if spooled is not None else "handing it back")
        holding.resume(spooled)

    def _cancelled(self, event_id: str) -> None:
        for holding in self._holdings.of_event(event_id):
            holding.cancel_heard()

    def _answered(self) -> None:
        log.info("the hub serves this agent")
        try:
            self._instances.answered(self._instance)
        except OSError as error:
            log.error("the instance cannot be noted: %s", error)

    def _on_settled(self, holding: Holding) -> None:
        self._holdings.remove(holding)
        self._polling.task_ended()

    def _begun(self, command: str) -> None:
        if command == DRAIN:
            self._polling.drain()
        elif command == RESUME:
            if not self._draining:  # else this process ends, and the next one offers slots
                self._polling.resume()
        else:
            self._end(command)

    def _say_stopped(self) -> None:
        """Its last words; if they are lost, the hub sees in a minute or two that it has gone as it was told to."""
        self.commands.stopped()
        heard = threading.Event()

        def say() -> None:
            self._say_draining(everything=True)  # such a poll is not held
            heard.set()

        self._crew.submit(say)
        heard.wait(FAREWELL_SECONDS)

    def _say_draining(self, everything: bool = False) -> None:
        """Beside the poll that is held, which still offers slots."""
        try:
            self._client.poll_beside(self._polling.said(everything), FIRST_STEERING)
        except HubError as error:
            log.debug("the hub was not told that this agent drains: %s", error)


def _runner_settings(settings: Settings) -> RunnerSettings:
    return RunnerSettings(dict(os.environ), settings.pass_environment, settings.result_bytes)
