"""What is asked of the person at the keyboard. What is secret is never an argument: others read those in `ps`."""

from __future__ import annotations

import sys
from pathlib import Path

from nexo_cli.errors import Exit, NexoError


def secret_from(what: str, *, again: bool = False) -> str:
    """Something secret, from a prompt that does not show it, or the first line of standard input."""
    if not sys.stdin.isatty():
        text = sys.stdin.readline().rstrip("\r\n")
        if not text:
            raise NexoError(f"standard input holds no {what}", Exit.USAGE)
        return text
    import getpass

    text = getpass.getpass(f"{what}: ", sys.stderr)
    if again and getpass.getpass(f"{what}, again: ", sys.stderr) != text:
        raise NexoError("the two are not the same", Exit.USAGE)
    if not text:
        raise NexoError(f"no {what} was given", Exit.USAGE)
    return text


def confirmed(question: str, *, yes: bool) -> None:
    """Goes on if the person agrees. Raises `NexoError` if not, and where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NexoError("nobody is there to agree", Exit.USAGE, hint="Say it on the command line: --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise NexoError("nothing was changed")


def bytes_of(path: Path | None) -> bytes | None:
    """A file's content; of `-` standard input's."""
    if path is None:
        return None
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise NexoError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
