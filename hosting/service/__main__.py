"""The command `nexomatic-hub`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hosting.errors import HostingError
from hosting.service import first_admin, serving
from hosting.service.account import become_owner
from hosting.service.layout import Layout, environment
from hub.errors import NexomaticError

OK, FAILED, BAD_SETTINGS = 0, 1, 2


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
    text = "take, check and restore backups: take --to FOLDER, check BACKUP, restore BACKUP"
    commands.add_parser("backup", help=text, description=text, add_help=False)
    return parser


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
