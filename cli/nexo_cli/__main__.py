"""The command `nexo`."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from nexo_cli.errors import Exit, NexoError


def main() -> int:
    """Run one command; its exit code."""
    signal.signal(signal.SIGTERM, _ended)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        from nexo_cli.app import app

        app(standalone_mode=True, prog_name="nexo")
    except NexoError as error:
        return _say(error)
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as end:
        return _interrupted() if end.code == Exit.INTERRUPTED else _flushed(end)
    return Exit.OK


def _say(error: NexoError) -> int:
    from nexo_cli import output
    from nexo_cli.errors import Problem
    from nexo_cli.outside import as_json
    from nexo_cli.state import run

    fields = error.fields if isinstance(error, Problem) else []
    if run.json:
        errors = [{"field": field, "message": message} for field, message in fields]
        told = {"error": error.message, "errors": errors, "hint": error.hint, "exit_code": int(error.exit_code)}
        sys.stderr.write(as_json(told) + "\n")
        return error.exit_code
    output.note(f"nexo: {error.message}")
    if len(fields) > 1:
        for field, message in fields:
            output.note(f"  {field} {message}")
    if error.hint:
        output.note(f"      {error.hint}")
    return error.exit_code


def _flushed(end: SystemExit) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        from nexo_cli.output import nobody_reads

        nobody_reads()
        return Exit.OK
    return end.code if isinstance(end.code, int) else Exit.OK if end.code is None else Exit.FAILED


def _interrupted() -> int:
    """Colours as they were, the cursor to be seen, and the prompt on a line of its own."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[0m\x1b[?25h\n")
        sys.stdout.flush()
    return Exit.INTERRUPTED


def _ended(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
