"""Which hubs this user is signed in to, and the tokens: in the system's keyring, or in a file for this user alone."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nexo_cli.errors import Exit, NexoError

FORMAT: Final = 1
"""Of the files that nexo keeps. The first ones had no number, and are of this one."""
SERVICE: Final = "nexo"
TOKEN_VARIABLE: Final = "NEXO_TOKEN"  # noqa: S105 - a name
HUB_VARIABLE: Final = "NEXO_HUB"
HOME_VARIABLE: Final = "NEXO_HOME"


@dataclass(frozen=True)
class SignIn:
    """Where to, and with which token."""

    url: str
    token: str
    """Secret."""

    def __repr__(self) -> str:
        return f"SignIn({self.url!r})"


def find(wanted: str | None) -> SignIn:
    """What this run uses: the environment first, then what `nexo login` kept. Raises `NexoError`."""
    known = _read("hubs.json")
    url = wanted or os.environ.get(HUB_VARIABLE) or known.get("current")
    if not url:
        raise NexoError("not signed in to any hub", Exit.NOT_ALLOWED, hint="Sign in: nexo login URL")
    url = url.rstrip("/")
    token = os.environ.get(TOKEN_VARIABLE) or _token(url, known)
    if not token:
        raise NexoError(f"not signed in to {url}", Exit.NOT_ALLOWED, hint=f"Sign in: nexo login {url}")
    return SignIn(url, token)


def keep(url: str, token: str) -> str:
    """Keep a token, for this hub to be the current one; answers where it is kept now."""
    known = _read("hubs.json")
    where = "keyring" if _to_keyring(url, token) else "file"
    tokens = _read("tokens.json")
    tokens.pop(url, None)
    if where == "file":
        tokens[url] = token
    if tokens or _path("tokens.json").exists():
        _write("tokens.json", tokens)
    hubs = {**known.get("hubs", {}), url: {"kept": where}}
    _write("hubs.json", {"current": url, "hubs": hubs})
    return "the system's keyring" if where == "keyring" else str(_path("tokens.json"))


def forget(url: str) -> None:
    """Keep nothing of this hub any more."""
    known = _read("hubs.json")
    hubs = known.get("hubs", {})
    if hubs.get(url, {}).get("kept") == "keyring":
        import keyring
        import keyring.errors

        try:
            keyring.delete_password(SERVICE, url)
        except keyring.errors.KeyringError as error:
            raise NexoError(f"the keyring does not let go of the token: {error}") from error
    tokens = _read("tokens.json")
    if tokens.pop(url, None) is not None:
        _write("tokens.json", tokens)
    hubs.pop(url, None)
    current = known.get("current") if known.get("current") != url else next(iter(hubs), None)
    _write("hubs.json", {"current": current, "hubs": hubs})


def hubs() -> tuple[str | None, list[str]]:
    """The current hub, and all of them."""
    known = _read("hubs.json")
    return known.get("current"), sorted(known.get("hubs", {}))


def _token(url: str, known: dict[str, Any]) -> str | None:
    if known.get("hubs", {}).get(url, {}).get("kept") == "keyring":
        import keyring
        import keyring.errors

        try:
            return keyring.get_password(SERVICE, url)
        except keyring.errors.KeyringError as error:
            raise NexoError(f"the keyring does not answer: {error}", hint=f"Or set {TOKEN_VARIABLE}") from error
    token = _read("tokens.json").get(url)
    return token if isinstance(token, str) else None


def _to_keyring(url: str, token: str) -> bool:
    """Whether the system has a keyring that took it."""
    import keyring
    import keyring.errors

    try:
        keyring.set_password(SERVICE, url, token)
    except (keyring.errors.KeyringError, RuntimeError):  # no keyring here, or a locked one: the file will do
        return False
    return True


def _folder() -> Path:
    said = os.environ.get(HOME_VARIABLE)
    if said:
        return Path(said)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nexo"


def _path(name: str) -> Path:
    return _folder() / name


def _read(name: str) -> dict[str, Any]:
    path = _path(name)
    try:
        document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise NexoError(f"{path} cannot be read: {error}", hint="Remove it and sign in again: nexo login") from error
    if not isinstance(document, dict):
        raise NexoError(f"{path} is not what nexo wrote", hint="Remove it and sign in again: nexo login")
    number = document.pop("format", FORMAT)
    if number != FORMAT:
        what = f"{path} is of format {number}, and this release of nexo reads up to {FORMAT}"
        raise NexoError(what, hint="Use the newer release that wrote it")
    return document


def _write(name: str, document: dict[str, Any]) -> None:
    """Whole or not at all, for its owner alone."""
    path = _path(name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, **document}, file, indent=2)
    draft.replace(path)
