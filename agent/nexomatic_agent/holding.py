"""One attempt in this agent's hands: carries out what its state machine asks for, and tells it what came of it.

A long file: each intent has its place here, and all of them share one lock.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Callable, Optional

from nexomatic_agent import bundles
from nexomatic_agent import happenings as told
from nexomatic_agent import intents as asked
from nexomatic_agent.answers import HubError, LeaseOver, Refused
from nexomatic_agent.attempt import Attempt
from nexomatic_agent.attempt_log import AttemptLog
from nexomatic_agent.client import patience
from nexomatic_agent.files import UnreadableDocument
from nexomatic_agent.journal import Claim
from nexomatic_agent.masking import Masker
from nexomatic_agent.runner import CannotRun, DiskFailed, Job
from nexomatic_agent.spool import Spooled
from nexomatic_agent.stopping import Stopper
from nexomatic_agent.task import Phase, Task
from nexomatic_agent.tools import Tools

log = logging.getLogger(__name__)

REMOVED_FIRST = 1000
"""So many files and folders of a task are removed before its result is reported: nearly always, all."""
RIDING_CHUNKS = 4
"""So many chunks of log may go with a report."""


class Holding:
    """The shell around one `Task`.

    Whatever happens, on whichever thread, goes through `_tell`, which feeds the machine one thing at a time and carries
    out what it answers. Short work on the disk is done there and then; calls to the hub go to the crew, and the child
    gets a thread of its own.
    """

    def __init__(self, machine: Task, claim: Claim, tools: Tools, attempt: Optional[Attempt] = None) -> None:
        self.claim = claim
        self._machine = machine
        self._attempt = attempt
        self._tools = tools
        self._secrets: Mapping[str, str] = {}
        """Values by the parameter they are for: here, in the task's input and its environment, and nowhere else."""
        self._masker = Masker()
        self._log = AttemptLog(tools.limits, self._masker)
        self._stopper = Stopper(tools.grace_seconds, partial(_later, tools))
        self._lock = threading.Lock()
        self._inbox: deque[Callable[[float], list[asked.Intent]]] = deque()
        self._busy = False
        self._armed: Optional[float] = None
        self._at_work = 1
        """The machine, and the child's thread once there is one."""
        self._refused: dict[asked.Call, str] = {}
        self._settled = threading.Event()

    # --- what others tell it

    def begin(self) -> None:
        """A poll brought it."""
        self._feed(self._machine.begin)

    def resume(self, spooled: Optional[Spooled]) -> None:
        """An earlier life of the agent left it behind, with its result or without."""
        if spooled is not None:
            try:
                self._log.restore(self._tools.spool.logs(self.claim.key))
            except (UnreadableDocument, KeyError, TypeError, OSError) as error:
                log.error("%s: the rest of the spooled log cannot be read: %s", self.claim.key, error)
        result = spooled.result if spooled is not None else None
        self._feed(lambda now: self._machine.resume(result, self.claim.started, self._log.pending_bytes, now))

    def cancel_heard(self) -> None:
        """A poll's answer said that the event was cancelled."""
        self._tell(told.CancelHeard())

    def hand_back(self) -> None:
        """The agent stops and will not wait for it."""
        self._tell(told.HandBack())

    @property
    def running(self) -> bool:
        """Whether its child may run, or is about to."""
        return self._machine.phase in _MAY_RUN

    def wait_settled(self, seconds: float) -> bool:
        """Wait until it is off the agent's hands, at most so long. Whether it is."""
        return self._settled.wait(seconds)

    # --- feeding the machine

    def _tell(self, happening: object) -> None:
        self._feed(partial(self._machine.handle, happening))

    def _feed(self, step: Callable[[float], list[asked.Intent]]) -> None:
        with self._lock:
            self._inbox.append(step)
            if self._busy:
                return  # whoever is at it now takes this up too
            self._busy = True
        try:
            self._work()
        except BaseException:
            self._busy = False
            raise

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._inbox:
                    self._arm()
                    self._busy = False
                    return
                step = self._inbox.popleft()
            for intent in step(self._tools.clock()):
                _CARRY_OUT[type(intent)](self, intent)

    def _arm(self) -> None:
        wake_at = self._machine.wake_at
        if wake_at is not None and (self._armed is None or wake_at < self._armed):
            self._armed = wake_at
            # Weakly: the clock may remember this for as long as a lease lasts, with payload, result and log.
            self._tools.timer.at(wake_at, partial(_tick, weakref.ref(self), wake_at))

    def _tick(self, at: float) -> None:
        with self._lock:
            if self._armed == at:
                self._armed = None
        self._tell(told.Tick())

    # --- intents: the disk

    def _write_journal(self, intent: asked.WriteJournal) -> None:
        self.claim = replace(self.claim, started=intent.started, token=self._machine.token)
        try:
            self._tools.journal.write(self.claim)
        except OSError as error:
            log.error("%s: the claim cannot be journaled, the task is handed back: %s", self.claim.key, error)
            self._tools.disk_failed()
            self._tell(told.JournalFailed(str(error)))
        else:
            self._tell(told.Journaled())

    def _write_spool(self, intent: asked.WriteSpool) -> None:
        machine, claim = self._machine, self.claim
        spooled = Spooled(claim.event_id, claim.attempt, machine.token, machine.lease_seconds, intent.result)
        try:
            self._tools.spool.write(claim.key, spooled, self._log.rest())
        except OSError as error:
            log.error("%s: the result cannot be spooled, it is only reported: %s", claim.key, error)
        self._tell(told.Spooled())

    def _forget(self, intent: asked.Forget) -> None:
        key, tools = self.claim.key, self._tools
        if intent.lost is not None:
            log.warning("%s: the hub did not take the result: %s", key, intent.lost)
            if intent.result is not None:
                self._keep_aside(asked.KeepAside(intent.lost, intent.result))
        with _complaining("remove the files of", key):
            tools.journal.remove(key)
            tools.spool.remove(key)
        self._secrets = {}
        tools.watch.succeeded(*map(self._name, asked.Call), f"{key} bundle")
        self._leave()

    def _leave(self) -> None:
        """The machine is done with it, or the child's thread is; after both, it is off the agent's hands."""
        with self._lock:
            self._at_work -= 1
            settled = self._at_work == 0
        if settled:
            self._settled.set()
            self._tools.settled(self)

    def _keep_aside(self, intent: asked.KeepAside) -> None:
        with _complaining("keep the result the hub did not take, of", self.claim.key):
            self._tools.spool.keep_aside(self.claim.key, intent.why, intent.result)

    # --- intents: the child

    def _start_child(self, _: asked.StartChild) -> None:
        with self._lock:
            self._at_work += 1
        try:
            threading.Thread(target=self._run_child, name=f"task-{self.claim.key}", daemon=True).start()
        except RuntimeError as error:
            log.error("%s: no thread can be started to run the task: %s", self.claim.key, error)
            self._tell(told.Exited(asked.TaskResult("ERROR", "START_FAILED", f"no thread could be started: {error}")))
            self._leave()

    def _run_child(self) -> None:
        try:
            result, removal = self._ran(), self._tools.folders.removal(self.claim.key)
            # Before the result is spooled: what the task wrote there, its result too, is not masked, and may fill the
            # disk. But a report does not wait until a million files are gone.
            removal.go_on(REMOVED_FIRST)
            self._tell(told.Exited(result, self._log.pending_bytes))
            removal.go_on()
        finally:
            self._leave()

    def _ran(self) -> asked.TaskResult:
        try:
            result = self._run()
        except Exception:
            # Not the task's fault, and it must not look as if it still ran.
            log.exception("%s: the agent failed to run the task", self.claim.key)
            result = asked.TaskResult("ERROR", "AGENT_FAILED", "the agent failed to run the task; its log says how")
        log.info("%s: ended: %s %s", self.claim.key, result.state, result.code or "")
        return result

    def _run(self) -> asked.TaskResult:
        assert self._attempt is not None
        try:
            with self._tools.bundles.provided(self._attempt, self._piece, self._is_stopped) as bundle:
                job = self._job(bundle)
                return self._tools.runner.run(job, self._stopper, self._child_started, self._child_wrote)
        except CannotRun as error:
            return asked.TaskResult("ERROR", error.code, str(error), started=False)
        except DiskFailed as error:
            # Not the task's fault either, and another machine may have the room.
            log.error("%s: the disk takes no input, the task is handed back: %s", self.claim.key, error)
            self._tools.disk_failed()
            message = f"the agent could not write to its disk: {error}"
            return asked.TaskResult("RETURNED", message=message, started=False)

    def _is_stopped(self) -> bool:
        return self._stopper.reason is not None

    def _piece(self, digest: str, first: int) -> tuple[bytes, int]:
        """Some of the task's bundle, under the newest of its leases. Raises HubError."""
        name = f"{self.claim.key} bundle"
        try:
            piece = self._tools.client.piece(digest, self._machine.token, first, bundles.PIECE_BYTES)
        except HubError as error:
            self._tools.watch.failed(error, name)
            raise
        self._tools.watch.succeeded(name)
        return piece

    def _job(self, bundle: Optional[Path]) -> Job:
        assert self._attempt is not None
        try:
            folder = self._tools.folders.make(self.claim.key)
        except OSError as error:
            raise DiskFailed(str(error)) from None
        return Job(self._attempt, folder, self.claim.mark, self._log, self._secrets, self._masker, bundle)

    def _child_started(self, process: Mapping[str, Any]) -> None:
        self._tell(told.Started())
        with _complaining("note the process of", self.claim.key):
            self._tools.journal.note_process(self.claim.key, dict(process))

    def _child_wrote(self) -> None:
        self._tell(told.Logged(self._log.pending_bytes))

    def _stop_child(self, intent: asked.StopChild) -> None:
        log.info("%s: stopping: %s", self.claim.key, intent.reason.value)
        self._stopper.stop(intent.reason)

    # --- intents: calls

    def _fetch_secrets(self, intent: asked.FetchSecrets) -> None:
        seconds = self._patience()
        self._call(asked.Call.SECRETS, lambda: self._take_secrets(intent.token, seconds))

    def _take_secrets(self, token: str, seconds: float) -> object:
        assert self._attempt is not None
        released = self._tools.client.secrets(self.claim.event_id, token, seconds)
        values = self._tools.unsealer.values(self.claim.event_id, self._attempt.attempt, released)
        missing = sorted(set(self._attempt.secrets.values()) - values.keys())
        if missing:
            raise Refused(f"the hub's answer does not hold the secrets {', '.join(missing)}")
        self._secrets = {parameter: values[name] for parameter, name in self._attempt.secrets.items()}
        self._masker = Masker(self._secrets.values())
        self._log.mask(self._masker)
        return told.SecretsFetched()

    def _send_renewal(self, intent: asked.SendRenewal) -> None:
        event_id, client, seconds = self.claim.event_id, self._tools.client, self._patience()
        self._call(asked.Call.RENEW, lambda: client.renew(event_id, intent.token, seconds))

    def _send_chunk(self, intent: asked.SendChunk) -> None:
        seconds = self._patience()
        self._call(asked.Call.CHUNK, lambda: self._chunk(intent, seconds))

    def _chunk(self, intent: asked.SendChunk, seconds: float) -> object:
        event_id, client, chunk = self.claim.event_id, self._tools.client, self._log.chunk()
        if chunk is None:
            # Lines counted as waiting went with the chunk before; only the lease may still want something.
            renewed = client.renew(event_id, intent.token, seconds) if intent.renew else None
            return told.ChunkStored(0, renewed)
        leased = client.logs(event_id, intent.token, chunk, intent.renew, seconds)
        self._log.stored()
        return told.ChunkStored(self._log.pending_bytes, leased if intent.renew else None)

    def _send_report(self, intent: asked.SendReport) -> None:
        seconds = self._patience()

        def send() -> object:
            # More than may ride waits only when the lease was refused on the way: then the hub has it, or wants none.
            logs = list(islice(self._log.rest(), RIDING_CHUNKS))
            self._tools.client.result(self.claim.event_id, intent.token, intent.result, logs, seconds)
            return told.Recorded()

        self._call(asked.Call.REPORT, send)

    def _patience(self) -> float:
        return patience(self._machine.lease_seconds)

    def _call(self, call: asked.Call, send: Callable[[], object]) -> None:
        self._tools.crew.submit(lambda: self._tell(self._answer_to(call, send)))

    def _answer_to(self, call: asked.Call, send: Callable[[], object]) -> object:
        watch = self._tools.watch
        try:
            answer = send()
        except LeaseOver as error:
            watch.succeeded(self._name(call))
            return told.LeaseRefused(call, error.reason)
        except Refused as error:
            watch.succeeded(self._name(call))
            return self._refusal(call, str(error))
        except HubError as error:
            watch.failed(error, self._name(call))
            if self._settled.is_set():  # a renewal beside the report: nobody will make it again
                watch.succeeded(self._name(call))
            return told.CallFailed(call, error.retry_after)
        except Exception:
            # Unanswered, the machine would wait for ever.
            log.exception("%s: the agent failed to make the call %s", self.claim.key, call.value)
            return told.CallFailed(call)
        renewed = isinstance(answer, told.ChunkStored) and answer.renewed is not None
        watch.succeeded(self._name(call), *([self._name(asked.Call.RENEW)] if renewed else ()))
        return answer

    def _refusal(self, call: asked.Call, words: str) -> told.CallRefused:
        """Said once: a renewal that the hub refuses is tried as long as the task runs."""
        new, self._refused[call] = self._refused.get(call) != words, words
        (log.warning if new else log.debug)("%s: the hub refused the %s: %s", self.claim.key, call.value, words)
        if call is asked.Call.CHUNK:
            self._log.refused(words)
        return told.CallRefused(call, words, self._log.pending_bytes)

    def _name(self, call: asked.Call) -> str:
        """Of this call, among those of all tasks."""
        return f"{self.claim.key} {call.value}"


def _later(tools: Tools, seconds: float, callback: Callable[[], None]) -> None:
    tools.timer.at(tools.clock() + seconds, callback)


def _tick(weak: weakref.ref[Holding], at: float) -> None:
    holding = weak()
    if holding is not None:
        holding._tick(at)


@contextlib.contextmanager
def _complaining(doing: str, key: str) -> Iterator[None]:
    """A disk that fails here costs tidiness, not work: say so and go on."""
    try:
        yield
    except OSError as error:
        log.error("cannot %s %s: %s", doing, key, error)


_MAY_RUN = (Phase.NEW, Phase.CONFIRMING, Phase.FETCHING, Phase.STARTING, Phase.RUNNING, Phase.STOPPING)
_CARRY_OUT: Mapping[type, Callable[[Holding, Any], None]] = {
    asked.WriteJournal: Holding._write_journal,
    asked.FetchSecrets: Holding._fetch_secrets,
    asked.StartChild: Holding._start_child,
    asked.SendRenewal: Holding._send_renewal,
    asked.SendChunk: Holding._send_chunk,
    asked.StopChild: Holding._stop_child,
    asked.WriteSpool: Holding._write_spool,
    asked.SendReport: Holding._send_report,
    asked.KeepAside: Holding._keep_aside,
    asked.Forget: Holding._forget,
}
