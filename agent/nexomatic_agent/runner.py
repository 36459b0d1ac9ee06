"""Runs one task from its input to its result, in a child process of its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional

from nexomatic_agent.attempt import Attempt
from nexomatic_agent.attempt_log import AttemptLog
from nexomatic_agent.environment import (
    as_bytes,
    input_document,
    input_file,
    result_file,
    task_environment,
    without_secrets,
)
from nexomatic_agent.files import write_bytes
from nexomatic_agent.intents import StopReason, TaskResult
from nexomatic_agent.launch import Launcher, RuntimeMissing
from nexomatic_agent.masking import Masker
from nexomatic_agent.modules import ModuleMissing
from nexomatic_agent.outcome import LONGEST_CODE, LONGEST_MESSAGE, outcome, shortened
from nexomatic_agent.pipes import Reader, write_all
from nexomatic_agent.process_trees import ProcessTree
from nexomatic_agent.stopping import Stopper

log = logging.getLogger(__name__)

DRAINED_SECONDS = 5.0
"""How long the end of the output is waited for once all known processes are dead; twice at most."""


class CannotRun(Exception):
    """The task ends as an error before anything is started."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DiskFailed(Exception):
    """The task's input cannot be written. Nothing was started, and it is not the task's fault."""


@dataclass(frozen=True)
class RunnerSettings:
    """What the machine's owner decides about tasks."""

    inherited: Mapping[str, str]
    pass_environment: tuple[str, ...] = ()
    result_bytes: int = 4 << 20


@dataclass(frozen=True)
class Job:
    """One attempt, ready to run: where, under which mark, and with which secrets."""

    attempt: Attempt
    folder: Path
    mark: str
    log: AttemptLog
    secrets: Mapping[str, str]
    """Values by the parameter they are for."""
    masker: Masker
    bundle: Optional[Path] = None
    """The folder of its bundle; None: its module is installed."""


class Runner:
    """Runs jobs; one thread calls `run` for each."""

    def __init__(self, launcher: Launcher, settings: RunnerSettings) -> None:
        self._launcher = launcher
        self._settings = settings

    def run(
        self,
        job: Job,
        stopper: Stopper,
        on_start: Callable[[Mapping[str, object]], None],
        on_output: Callable[[], None],
    ) -> TaskResult:
        """How the task ended. Returns once its processes are dead and its output is read.

        Raises DiskFailed, and nothing that is the task's fault; whatever it raises, no process is left.

        `on_start` is told what identifies the process, `on_output` that the log has grown.
        """
        return masked(self._run(job, stopper, on_start, on_output), job.masker)

    def _run(
        self,
        job: Job,
        stopper: Stopper,
        on_start: Callable[[Mapping[str, object]], None],
        on_output: Callable[[], None],
    ) -> TaskResult:
        if stopper.reason is not None:
            return _stopped(stopper.reason, job.attempt.timeout_seconds, killed=False)
        try:
            tree, stdin = self._start(job)
        except CannotRun as error:
            return TaskResult("ERROR", error.code, str(error))
        pipe_in, pipe_out, pipe_err = tree.pipes
        readers: list[Reader] = []
        try:
            stopper.attach(tree)
            for name, pipe in (("stdout", pipe_out), ("stderr", pipe_err)):
                readers.append(Reader(pipe, name, _into(job.log, name, on_output)))
            on_start(tree.described())
            write_all(pipe_in, stdin)
        except BaseException:
            # On a machine that has no thread left, say. Nobody would wait for the process, nor ever end it.
            tree.kill()
            tree.wait()
            for pipe in (pipe_in, *(pipe_out, pipe_err)[len(readers) :]):
                pipe.close()
            raise
        exit_code = tree.wait()
        self._drain(tree, readers, job.log)
        return self._result(job, stopper, exit_code, tree.killed)

    def _start(self, job: Job) -> tuple[ProcessTree, bytes]:
        attempt, folder = job.attempt, job.folder
        _check_runnable(job)
        parameters = {**attempt.parameters, **job.secrets}
        document = input_document(attempt, parameters, folder)
        environment, too_large = task_environment(
            attempt, parameters, folder, self._settings.inherited, self._settings.pass_environment
        )
        for name in too_large:
            job.log.note(f"[parameter {name} does not fit into the environment; it is in the input document]", "INFO")
        try:
            launcher = self._launcher if job.bundle is None else self._launcher.within(job.bundle)
            command = launcher.command(attempt.runtime, attempt.module, result_file(folder))
            self._write_input(job, document)
            return ProcessTree(command, folder, environment, job.mark), as_bytes(document)
        except ModuleMissing as error:
            raise CannotRun("MODULE_NOT_FOUND", str(error)) from None
        except RuntimeMissing as error:
            raise CannotRun("RUNTIME_MISSING", str(error)) from None
        except (OSError, ValueError) as error:
            raise CannotRun("START_FAILED", f"the task's process could not be started: {error}") from None

    @staticmethod
    def _write_input(job: Job, document: Mapping[str, Any]) -> None:
        try:
            write_bytes(input_file(job.folder), [as_bytes(without_secrets(document, job.secrets))])
        except OSError as error:
            raise DiskFailed(str(error)) from None

    @staticmethod
    def _drain(tree: ProcessTree, readers: list[Reader], task_log: AttemptLog) -> None:
        if not all(reader.wait(DRAINED_SECONDS) for reader in readers):
            tree.kill_pipe_holders()
            if not all(reader.wait(DRAINED_SECONDS) for reader in readers):
                task_log.note("[the rest of the output is not read: a process that cannot be killed holds it]", "ERROR")
                for reader in readers:
                    reader.give_up()
        task_log.finish()

    def _result(self, job: Job, stopper: Stopper, exit_code: int, killed: bool) -> TaskResult:
        if stopper.reason is not None:
            return _stopped(stopper.reason, job.attempt.timeout_seconds, killed, job.log.last_lines())
        return outcome(
            result_file(job.folder),
            exit_code,
            job.attempt.warning_codes,
            job.log.last_lines(),
            self._settings.result_bytes,
            returned=job.attempt.runtime == "python" and exit_code == 0,
        )


def _check_runnable(job: Job) -> None:
    attempt = job.attempt
    if attempt.bundle is not None and job.bundle is None:
        raise CannotRun("BUNDLE_UNAVAILABLE", f"the bundle {attempt.bundle} is not here")
    missing = sorted(attempt.secrets[name] for name in attempt.secrets.keys() - job.secrets.keys())
    if missing:
        raise CannotRun("SECRET_UNAVAILABLE", f"this agent was not given the secrets {', '.join(missing)}")


def _into(task_log: AttemptLog, stream: str, on_output: Callable[[], None]) -> Callable[[bytes], None]:
    def take(data: bytes) -> None:
        task_log.feed(stream, data)
        on_output()

    return take


def _stopped(reason: StopReason, timeout_seconds: float, killed: bool, last_lines: str = "") -> TaskResult:
    how = "; it went on when it was interrupted, and was killed" if killed else ""
    if last_lines:
        how += f"; before, it wrote:\n{last_lines}"
    if reason is StopReason.TIMEOUT:
        return TaskResult("ERROR", "TIMEOUT", f"the task was stopped after {timeout_seconds:g} s{how}")
    return TaskResult("ERROR", "STOPPED", f"the task was stopped: {reason.value}{how}")


def masked(result: TaskResult, masker: Masker) -> TaskResult:
    """The result without secret values. Masked first and cut after: a cut could leave half a value that none knows."""
    texts: dict[str, Any] = {
        name: None if text is None else shortened(masker.mask_cut(text), longest)
        for name, text, longest in (("code", result.code, LONGEST_CODE), ("message", result.message, LONGEST_MESSAGE))
    }
    return replace(result, **texts, data=masker.mask_document(result.data))
