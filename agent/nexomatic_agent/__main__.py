"""The command `nexomatic-agent`: enroll, run, exec."""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from nexomatic_agent import console
from nexomatic_agent.answers import HubError
from nexomatic_agent.config import BadSettings, Settings, read_settings
from nexomatic_agent.enrolment import CannotEnrol, enrol
from nexomatic_agent.files import UnreadableDocument, make_private_folder
from nexomatic_agent.identity import NotEnrolled, load_identity
from nexomatic_agent.interpreter import BadInterpreter
from nexomatic_agent.lock import StateInUse, StateLock
from nexomatic_agent.service import run
from nexomatic_agent.settings_table import SETTINGS
from nexomatic_agent.trust import BadBundle
from nexomatic_agent.try_out import add_options, try_out
from nexomatic_agent.version import VERSION

log = logging.getLogger(__name__)

OK, FAILED, USAGE, NOT_ENROLLED, IN_USE = 0, 1, 2, 4, 5


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command. Its exit code: 0; 1 it failed; 2 bad settings; 4 not enrolled; 5 state folder in use.

    `run` answers 6 when the hub has said to restart, 7 when it has said to stop.

    `exec` answers 1 for ERROR and 3 for WARNING.
    """
    options = _parser().parse_args(arguments)
    flags = {name: text for name, text in vars(options).items() if isinstance(text, str) and name in _NAMES}
    try:
        settings = read_settings(flags, os.environ, options.config)
    except BadSettings as error:
        return _refuse(error)
    console.configure(settings.log_level)
    try:
        return int(options.command(settings, options))
    except BadSettings as error:
        return _refuse(error)
    except (NotEnrolled, CannotEnrol) as error:
        log.error("%s", error)
        return NOT_ENROLLED
    except StateInUse as error:
        log.error("%s", error)
        return IN_USE
    except (HubError, BadBundle, BadInterpreter, UnreadableDocument, OSError) as error:
        log.error("%s", error)
        return FAILED


ENROLMENT_SECONDS = 10.0
"""Whoever started an enrolment may have been killed and start another: the first one is over in a moment."""
_NAMES = {setting.name for setting in SETTINGS}


def _refuse(error: BadSettings) -> int:
    for problem in error.problems:
        print(f"nexomatic-agent: {problem}", file=sys.stderr)  # noqa: T201 - before the log is configured
    return USAGE


def _run(settings: Settings, _: argparse.Namespace) -> int:
    return run(settings)


def _enroll(settings: Settings, options: argparse.Namespace) -> int:
    make_private_folder(settings.state)
    lock = StateLock.within(settings.state, ENROLMENT_SECONDS)
    try:
        if not options.again:
            try:
                known = load_identity(settings.state)
            except NotEnrolled:
                pass
            else:
                raise CannotEnrol(f"already enrolled as {known.sink} with {known.hub}; --again enrols anew")
        identity = enrol(settings, random.random)
    finally:
        lock.release()
    log.info("enrolled as %s of %s with %s", identity.sink, identity.sink_type, identity.hub)
    return OK


def _exec(settings: Settings, options: argparse.Namespace) -> int:
    return try_out(settings, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nexomatic-agent", description="Runs a Nexomatic hub's tasks on this machine."
    )
    parser.add_argument("--version", action="version", version=VERSION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function, text in (
        ("enroll", _enroll, "exchange an enrolment token for an identity"),
        ("run", _run, "work until a signal says to stop"),
        ("exec", _exec, "run one task here, without a hub"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function)
        command.add_argument("--config", type=Path, help="file of `setting = value` lines")
        for setting in SETTINGS:
            command.add_argument(setting.flag, dest=setting.name, help=setting.help, metavar="VALUE")
        if name == "enroll":
            command.add_argument("--again", action="store_true", help="even if this agent has an identity")
        if name == "exec":
            add_options(command)
    return parser


if __name__ == "__main__":
    sys.exit(main())
