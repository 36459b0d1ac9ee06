"""What all commands have in common: `--json` and `--hub`, an end by Ctrl-C, and no heavy imports."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from nexo_cli.errors import Exit
from nexo_cli.state import run

Json = Annotated[bool, typer.Option("--json", help="Say it as JSON, for programs.")]
HubUrl = Annotated[str | None, typer.Option("--hub", metavar="URL", help="Which hub, if you are signed in to several.")]
Command = Callable[..., Any]


def group(name: str, text: str) -> typer.Typer:
    """A group of commands. Help is plain text: what makes it colourful takes longer to import than all else."""
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)


def command(app: typer.Typer, name: str) -> Callable[[Command], Command]:
    """Make a function a command, with the options that every command has. Its docstring is its help."""

    def decorate(function: Command) -> Command:
        app.command(name)(_with_common_options(function))
        return function

    return decorate


def _with_common_options(function: Command) -> Command:
    @functools.wraps(function)
    def wrapper(*, json: bool, hub: str | None, **arguments: Any) -> Any:
        run.json, run.hub = json, hub
        try:
            return function(**arguments)
        except KeyboardInterrupt:
            raise SystemExit(Exit.INTERRUPTED) from None
        except BrokenPipeError:  # who read it has enough; the end of the process sees to what is not written yet
            raise SystemExit(Exit.OK) from None

    hints = get_type_hints(function, include_extras=True)
    signature = inspect.signature(function)
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [each.replace(annotation=hints[each.name]) for each in signature.parameters.values()]
    common = [
        inspect.Parameter("json", keyword, default=False, annotation=Json),
        inspect.Parameter("hub", keyword, default=None, annotation=HubUrl),
    ]
    wrapper.__signature__ = signature.replace(parameters=[*own, *common])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {**hints, "json": Json, "hub": HubUrl}
    return wrapper
