"""`nexo login`, `logout`, `whoami`, `health`, `hubs`."""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from nexo_cli import api, output, store
from nexo_cli.asking import secret_from
from nexo_cli.command import command
from nexo_cli.errors import Exit, NexoError
from nexo_cli.state import run

MADE_HERE: Final = "nexo-"
"""How the names of tokens begin that `nexo login` made: `nexo logout` ends those."""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (login, logout, whoami, health, hubs):
        command(app, function.__name__)(function)


def login(
    url: Annotated[str | None, typer.Argument(help="The hub's address. Unless given: the current one.")] = None,
    token: Annotated[
        bool, typer.Option("--token", help="With an access token, from a prompt or standard input.")
    ] = False,
    user: Annotated[
        str | None, typer.Option("--user", help="With this user's password, from a prompt or standard input.")
    ] = None,
    browser: Annotated[
        bool | None,
        typer.Option(
            "--browser/--no-browser",
            help="In the browser. Unless said: in a terminal, where the hub has a provider of OpenID Connect.",
        ),
    ] = None,
    local: Annotated[
        Path | None, typer.Option("--local", help="To what `make run` started: its data folder, .local as a rule.")
    ] = None,
) -> None:
    """Sign in to a hub. The token is kept in the system's keyring, or else in a file that only you can read."""
    from nexo_cli.client import Hub, checked_url

    if browser and (token or user is not None or local is not None):
        raise NexoError("--browser goes without --token, --user and --local", Exit.USAGE)
    if local is not None:
        found, secret = _ready(local)
    else:
        found = checked_url(url or run.hub or os.environ.get(store.HUB_VARIABLE) or store.hubs()[0] or _no_address())
        secret = secret_from("access token") if token else _signed_in(found, user, browser)
    me = Hub(found, secret).call(api.GET_ME)
    where = store.keep(checked_url(found), secret)
    if run.json:
        output.json_out({"url": found, "me": me, "kept": where})
        return
    output.say(f"signed in to {found} as {me['name']}, {me['role'] or 'without a role'}; the token is in {where}")
    if me["notice"]:
        output.note(me["notice"])


def logout(
    url: Annotated[str | None, typer.Argument(help="Which hub. Unless given: the current one.")] = None,
) -> None:
    """Forget a hub's token here, and end it there if `nexo login` made it."""
    from nexo_cli.client import Hub

    found = store.find(url or run.hub)
    ended = False
    try:
        hub = Hub(found.url, found.token)
        name = hub.call(api.GET_ME)["token"]
        if name is not None and name.startswith(MADE_HERE):
            hub.call(api.DELETE_TOKENS_NAME, name=name)
            ended = True
    except NexoError as error:
        output.note(f"the token could not be ended at the hub: {error.message}")
    store.forget(found.url)
    if run.json:
        output.json_out({"url": found.url, "ended": ended})
    else:
        output.say(
            f"signed out of {found.url}" + ("; the token is ended" if ended else "; the token is forgotten here")
        )


def whoami() -> None:
    """Say who you are to the hub, and what you may."""
    from nexo_cli.client import hub

    there = hub()
    me = there.call(api.GET_ME)
    output.shown({"hub": there.url, **me})


def health(
    url: Annotated[
        str | None, typer.Argument(help="The hub's address; no account is needed. Unless given: the current one.")
    ] = None,
) -> None:
    """Say whether a hub works, and if not, why. Ends with 0, 3 (it works, and somebody should look) or 7."""
    from nexo_cli.client import Hub, checked_url

    if url is not None and not run.hub:
        found, token = checked_url(url), None
    else:
        there = store.find(run.hub or url)
        found, token = there.url, there.token
    answered = Hub(found, token).call(api.GET_HEALTH)
    if run.json:
        output.json_out({"hub": found, **answered})
    else:
        output.fields({"hub": found, **answered, "reasons": None})
        for each in answered["reasons"]:
            output.say(f"{each['code']}: {each['words']}")
    if answered["status"] != "up":
        raise typer.Exit(Exit.WARNING)


def hubs() -> None:
    """List the hubs that you are signed in to."""
    current, known = store.hubs()
    output.listed(
        [{"url": each, "current": each == current} for each in known],
        ("url", "current"),
        nothing="none yet: nexo login URL",
    )


def _ready(folder: Path) -> tuple[str, str]:
    """Address and token of the platform that `make run` keeps up."""
    path = folder if folder.suffix == ".json" else folder / "ready.json"
    try:
        document = json.loads(path.read_text("utf-8"))
        return document["url"], document["token"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "Start it in another terminal, and wait for it to print its address: make run"
        raise NexoError(f"no platform is up in {folder}: {error}", Exit.UNAVAILABLE, hint=hint) from error


def _no_address() -> str:
    raise NexoError("which hub?", Exit.USAGE, hint="nexo login https://hub.example.com, or nexo login --local .local")


def _signed_in(url: str, user: str | None, browser: bool | None) -> str:
    """An access token: by way of the browser, or with a password."""
    from nexo_cli.client import Hub

    methods = Hub(url, None).call(api.GET_SESSION_METHODS)
    if browser and not methods["oidc"]:
        hint = "Sign in with a password, --user NAME, or with a token that you have, --token"
        raise NexoError("this hub has no provider of OpenID Connect to sign in with", Exit.NOT_ALLOWED, hint=hint)
    if browser is None:
        browser = methods["oidc"] and user is None and sys.stdin.isatty()
    if browser:
        from nexo_cli.by_browser import signed_in

        return signed_in(url, _machine())
    return _by_password(url, user, methods)


def _by_password(url: str, user: str | None, methods: api.Methods) -> str:
    """Sign in as a browser would, make an access token, and sign out again."""
    from nexo_cli.browser import Browser

    if not methods["password"]:
        hint = "Make a token where you are signed in already, and: nexo login --token"
        raise NexoError("this hub takes no passwords", Exit.NOT_ALLOWED, hint=hint)
    if user is None:
        if not sys.stdin.isatty():
            raise NexoError("who signs in?", Exit.USAGE, hint="--user NAME, or --token")
        user = typer.prompt("user", err=True)
    browser = Browser(url)
    session = browser.sign_in(user, password := secret_from("password"))
    try:
        if session["must_change_password"]:
            output.note("This password was given to you by somebody else: choose your own.")
            session = browser.change_password(password, secret_from("new password", again=True))
        if session["role"] is None:
            raise NexoError(session["notice"] or "you have no role at this hub", Exit.NOT_ALLOWED)
        name = f"{MADE_HERE}{_machine()}-{secrets.token_hex(3)}"
        return browser.make_token(name, session["role"])
    finally:
        browser.sign_out()


def _machine() -> str:
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in platform.node())
    return kept[:40].strip("-") or "machine"
