"""`nexo plan`, `nexo apply`, `nexo export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nexo_cli import api, output
from nexo_cli.asking import confirmed
from nexo_cli.command import command
from nexo_cli.differences import MISSING, differences
from nexo_cli.errors import Exit, NexoError, Problem
from nexo_cli.outside import as_json
from nexo_cli.state import run

if TYPE_CHECKING:
    from nexo_cli.client import Hub
    from nexo_cli.files import Documents

Files = Annotated[list[Path] | None, typer.Argument(help="YAML or JSON files, or folders of them.")]
MoreFiles = Annotated[
    list[Path] | None,
    typer.Option("--file", "-f", metavar="PATH", help="The same, one at a time: as often as you like."),
]
Variables = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=TEXT", help="What ${NAME} stands for in the files.")
]
SecretsLater = Annotated[bool, typer.Option("--secrets-later", help="They may name secrets that are not there yet.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for name, function in (("plan", plan), ("apply", apply), ("export", export)):
        command(app, name)(function)


def plan(
    paths: Files = None,
    file: MoreFiles = None,
    var: Variables = None,
    secrets_later: SecretsLater = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="End with 8 if there is something to apply.")] = False,
) -> None:
    """Say what `nexo apply` would do, and do nothing."""
    from nexo_cli.client import hub

    planned = _planned(hub(), _read([*(paths or ()), *(file or ())], var), secrets_later)
    if run.json:
        output.json_out(planned)
    else:
        _print_plan(planned)
    if exit_code and _changes(planned):
        raise typer.Exit(Exit.CHANGES)


def apply(
    paths: Files = None,
    file: MoreFiles = None,
    var: Variables = None,
    secrets_later: SecretsLater = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do nothing: the same as nexo plan.")] = False,
    if_version: Annotated[
        str | None,
        typer.Option(metavar="VERSION", help="Only if the configuration is still the one that a plan was made on."),
    ] = None,
) -> None:
    """Create and replace what the files hold: all of it or nothing. What they do not name stays.

    Shows the plan first. If somebody else changes the configuration meanwhile, nothing is applied.
    """
    from nexo_cli.client import hub

    there, documents = hub(), _read([*(paths or ()), *(file or ())], var)
    planned = _planned(there, documents, secrets_later)
    if not run.json:
        _print_plan(planned)
    if dry_run or not _changes(planned):
        if run.json:
            output.json_out(planned)
        return
    if not run.json or not yes:
        confirmed("Apply this?", yes=yes)
    applied = _applied(there, documents, secrets_later, if_version or planned["version"])
    if run.json:
        output.json_out(applied)
    else:
        output.say(f"applied: {len(applied['created'])} created, {len(applied['changed'])} changed")


def export() -> None:
    """Print the whole configuration as a file that can be applied. Without secrets and webhook addresses."""
    from nexo_cli.client import hub

    configuration = hub().call(api.GET_CONFIGURATION)
    if run.json:
        output.json_out(configuration)
        return
    import yaml

    for each in yaml.safe_dump(configuration, sort_keys=False, allow_unicode=False).splitlines():
        output.say(each)


def _read(paths: Sequence[Path], var: Sequence[str] | None) -> Documents:
    from nexo_cli import files

    if not paths:
        raise NexoError("no file was named", Exit.USAGE, hint="nexo apply nexomatic.yaml, or -f nexomatic.yaml")
    variables: dict[str, str] = {}
    for each in var or ():
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise NexoError(f"--var {each} must be NAME=TEXT", Exit.USAGE)
        variables[name] = value
    return files.read(paths, variables)


def _planned(there: Hub, documents: Documents, secrets_later: bool) -> api.Planned:
    query = {"secrets": "later" if secrets_later else None}
    try:
        return there.call(api.POST_CONFIGURATION_PLAN, body=documents, query=query)
    except Problem as error:
        raise _explained(error) from None


def _applied(there: Hub, documents: Documents, secrets_later: bool, version: str) -> api.Applied:
    query = {"secrets": "later" if secrets_later else None}
    try:
        return there.call(api.PUT_CONFIGURATION, body=documents, query=query, headers={"If-Match": f'"{version}"'})
    except Problem as error:
        raise _explained(error) from None


def _explained(error: Problem) -> Problem:
    """The problem, with what to do about it."""
    if error.status == 412:
        error.message = "the configuration was changed by somebody else after this plan was made; nothing was applied"
        error.args = (error.message,)
        error.hint = "Plan again and look at what is different now. Who changed what: nexo audit list"
    elif any("there is no secret" in message for _, message in error.fields):
        error.hint = "Put the secret first: nexo secrets set NAME. Or apply now and put it later: --secrets-later"
    elif any("cycle" in message or "leads back" in message for _, message in error.fields):
        error.hint = "If the chain is meant to lead back, say allow_cycle: true on one of its actions."
    return error


def _changes(planned: api.Planned) -> bool:
    return bool(planned["created"] or planned["changed"])


def _print_plan(planned: api.Planned) -> None:
    before, after = _by_address(planned["before"]), _by_address(planned["after"])
    for address in planned["created"]:
        output.painted(f"+ {address}", output.COLOURS["+"])
        for name, value in after[address].items():
            if name != "name" and value not in (None, [], {}, ""):
                output.say(f"    {name}: {_shown(value)}")
    for address in planned["changed"]:
        output.painted(f"~ {address}", output.COLOURS["~"])
        for each in differences(before[address], after[address]):
            output.say(f"    {each.field}: {_shown(each.before)} -> {_shown(each.after)}")
    for warning in planned["warnings"]:
        output.painted(f"! {warning['document']} {warning['code']}: {warning['message']}", output.COLOURS["WARNING"])
    for missing in planned["missing_secrets"]:
        who = ", ".join(missing["named_by"])
        output.painted(f"! secret {missing['name']} is not there; named by {who}", output.COLOURS["WARNING"])
    if _changes(planned):
        unchanged = len(planned["unchanged"])
        counts = f"{len(planned['created'])} to create, {len(planned['changed'])} to change, {unchanged} as they are"
        output.say(f"{counts} (version {planned['version']})")
    else:
        output.say(f"nothing to change: all {len(planned['unchanged'])} are as they should be")


def _by_address(configuration: api.ConfigurationView) -> dict[str, dict[str, Any]]:
    from nexo_cli.files import LISTS

    lists: Any = configuration
    return {f"{LISTS[kind]}/{each['name']}": each for kind in LISTS for each in lists[kind]}


def _shown(value: Any) -> str:
    return "nothing" if value is MISSING else as_json(value, indent=None)
