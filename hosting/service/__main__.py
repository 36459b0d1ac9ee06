"""The command `nexomatic-hub`."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hosting.errors import HostingError
from hosting.service import first_admin, serving
from hosting.service.account import become_owner
from hosting.service.layout import Layout, environment
from hosting.service.upgrading import Upgrade
from hub.errors import NexomaticError
from hub.process import DATABASE

OK, FAILED, BAD_SETTINGS = 0, 1, 2
PATIENCE_SECONDS = 300.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Its exit code: 0; 1 it failed; 2 it cannot start with these settings."""
    arguments, rest = _parser().parse_known_args(argv)
    if rest and arguments.command != "backup":
        _parser().error(f"not understood: {' '.join(rest)}")
    layout = Layout.of(os.environ)
    try:
        match arguments.command:
            case "serve":
                return serving.serve(layout, arguments)
            case "first-password":
                return _first_password(layout)
            case "upgrade" | "rollback":
                print(_move(layout, arguments))
                return OK
            case "data-format":
                return _data_format(layout)
            case _:
                return _backup(layout, rest)
    except (HostingError, NexomaticError, OSError) as error:
        print(f"nexomatic-hub {arguments.command}: {error}", file=sys.stderr)
        return BAD_SETTINGS if arguments.command == "serve" else FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nexomatic-hub", description="The Nexomatic hub as a service.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    text = "serve until a signal says to stop; what the service runs"
    serving.add_options(commands.add_parser("serve", help=text, description=text))
    text = "show the first password of the user admin"
    commands.add_parser("first-password", help=text, description=text)
    _add_moves(commands)
    text = "take, check and restore backups: take --to FOLDER, check BACKUP, restore BACKUP"
    commands.add_parser("backup", help=text, description=text, add_help=False)
    return parser


def _add_moves(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "to the release of an archive, and back by itself if that is not well"
    upgrade = commands.add_parser("upgrade", help=text, description=text)
    upgrade.add_argument("archive", type=Path, metavar="ARCHIVE")
    upgrade.add_argument("--sha256", help="of the archive; else it is in ARCHIVE.sha256")
    text = "to the release before"
    rollback = commands.add_parser("rollback", help=text, description=text)
    what = "put back the data of before the upgrade, if that release cannot read what is there: all since is lost"
    rollback.add_argument("--restore", action="store_true", help=what)
    for each in (upgrade, rollback):
        what = "how long a start may take until the hub is well (default: %(default)s)"
        each.add_argument("--patience", type=float, default=PATIENCE_SECONDS, metavar="SECONDS", help=what)
    commands.add_parser("data-format", description="the format of the database; 0: there is none")


def _move(layout: Layout, arguments: argparse.Namespace) -> str:
    os.umask(0o022)
    moving = Upgrade(layout, os.environ, arguments.patience)
    if arguments.command == "rollback":
        return moving.rollback(restore=arguments.restore)
    return moving.upgrade(arguments.archive.resolve(), arguments.sha256)


def _data_format(layout: Layout) -> int:
    become_owner(layout.data)
    database = layout.data / DATABASE
    found = 0
    if database.exists():
        with closing(sqlite3.connect(database)) as connection:
            ((found,),) = connection.execute("PRAGMA user_version").fetchall()
    print(found)
    return OK


def _first_password(layout: Layout) -> int:
    become_owner(layout.data)
    try:
        password = (layout.data / first_admin.PASSWORD).read_text("ascii").strip()
    except FileNotFoundError:
        raise HostingError("there is none: the hub has not started yet, or its settings name the first admin") from None
    print(f"user      {first_admin.USER}\npassword  {password}  (good until it is changed at the first sign-in)")
    return OK


def _backup(layout: Layout, rest: Sequence[str]) -> int:
    become_owner(layout.data)
    os.environ.update(environment(layout, os.environ))
    from hosting import backup

    return backup.main(["--home", os.environ["NEXOMATIC_HOME"], *rest])


if __name__ == "__main__":
    sys.exit(main())
