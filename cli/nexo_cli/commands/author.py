"""`nexo new module`, `nexo dev`, `nexo schema`: the loop of who writes modules."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from nexo_cli import output
from nexo_cli.asking import bytes_of
from nexo_cli.command import command, group
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

new = group("new", "Begin something.")
SCHEMA: Final = "configuration.schema.json"


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(new)
    command(app, "dev")(dev)
    command(app, "schema")(schema)


@command(new, "module")
def new_module(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _.")],
    runtime: Annotated[str, typer.Option(help="python, shell or powershell.")] = "python",
    folder: Annotated[Path, typer.Option(help="Where to; one of a sink's module folders.")] = Path(),
) -> None:
    """Write a small module with a test, and the configuration that runs it. Overwrites nothing."""
    from nexo_cli.templates import TEMPLATES, is_name

    if not is_name(name):
        raise NexoError(f"{name} is no name of a module: small letters, digits and _", Exit.USAGE)
    if runtime not in TEMPLATES:
        raise NexoError(f"the runtime {runtime} is none of {', '.join(TEMPLATES)}", Exit.USAGE)
    drafts = {folder / path.replace("NAME", name): text for path, text in TEMPLATES[runtime].items()}
    there = [str(path) for path in drafts if path.exists()]
    if there:
        raise NexoError(f"there is already {', '.join(there)}", Exit.CONFLICT)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in drafts.items():
        path.write_text(text.replace("NAME", name).replace("TYPE", name.upper()), "utf-8", newline="\n")
        if path.suffix == ".sh":
            path.chmod(0o755)
    if run.json:
        output.json_out([str(path) for path in drafts])
        return
    for path in drafts:
        output.say(str(path))
    output.note(f'Try it: cd {folder} && nexo dev {_entry(name, runtime)} -d \'{{"who": "Ada"}}\'')


def dev(
    module: Annotated[
        str | None, typer.Argument(help="package.module:function, or a script. Unless given: the event's.")
    ] = None,
    payload: Annotated[Path | None, typer.Option("--payload", "-p", help="A JSON file; - is standard input.")] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", metavar="JSON", help="The payload itself.")] = None,
    event: Annotated[
        str | None, typer.Option(metavar="ID", help="Payload and fixed parameters of a past event, or LAST.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="NAME=TEXT", help="Or NAME:=JSON; repeatable.")] = None,
    runtime: Annotated[str | None, typer.Option(help="Unless given: as the module's name says.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds.")] = 300.0,
) -> None:
    """Run a module here, as a sink would: in the agent's own child process. Ends as it ends.

    Needs the agent on this machine, and no hub unless --event names something that happened there.
    """
    from nexo_cli import trying

    given = [each for each in (payload, data, event) if each is not None]
    if len(given) > 1:
        raise NexoError("--payload, --data and --event are more than one payload", Exit.USAGE)
    parameters = list(param or ())
    if event is not None:
        past = trying.past_event(event)
        content = json.dumps(past.payload).encode()
        module, runtime = module or past.module, runtime or (past.runtime if module is None else None)
        parameters = [*past.parameters, *parameters]
        if past.not_given:
            output.note(f"not known here, say them with --param: {', '.join(past.not_given)}")
    else:
        content = bytes_of(payload) or (data or "{}").encode()
    if module is None:
        raise NexoError("which module?", Exit.USAGE, hint="nexo dev hello:run, or --event ID")
    code, result = trying.try_out(module, runtime or trying.runtime_of(module), content, parameters, timeout)
    _print_result(result)
    raise typer.Exit(code)


def schema() -> None:
    """Print the JSON Schema of configuration files, for the completion of your editor."""
    for each in (files("nexo_cli") / SCHEMA).read_text("utf-8").splitlines():
        output.say(each)


def _print_result(result: dict[str, Any]) -> None:
    if run.json:
        output.json_out(result)
        return
    ended = " ".join(str(each) for each in (result.get("code"), result.get("message")) if each)
    output.painted(f"{result['state']} {ended}".rstrip(), output.COLOURS.get(result["state"], "0"))
    if result.get("data") is not None:
        output.json_out(result["data"])


def _entry(name: str, runtime: str) -> str:
    return {"python": f"{name}:run", "shell": f"{name}.sh", "powershell": f"{name}.ps1"}[runtime]
