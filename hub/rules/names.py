"""Which names things may have, and how a module is named. Raises `Invalid` saying what is wrong and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hub.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,62}")
_SECRET_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_SHOWN = 80


def fold(name: str) -> str:
    """What a name is compared by: names that fold to the same are the same name."""
    return name.casefold()


def check_name(kind: str, name: str) -> None:
    """The name of a sink type, an action, an event type, a source, a sink (`kind` says which, in words)."""
    _check(
        _NAME,
        name,
        f"the name of {_a(kind)}",
        "1 to 63 letters (A-Z, a-z), digits and : . _ -, and begins with a letter or digit",
    )


def check_secret_name(name: str) -> None:
    """The name of a secret, as Key Vault takes it."""
    _check(_SECRET_NAME, name, "the name of a secret", "1 to 127 letters (A-Z, a-z), digits and dashes")


def is_secret_name(name: str) -> bool:
    """The same as a question, for a place where somebody may have written the secret itself: it is not repeated."""
    return _SECRET_NAME.fullmatch(name) is not None


def check_parameter_name(name: str) -> None:
    """The name of a parameter, which is also part of the name of an environment variable."""
    _check(
        _PARAMETER_NAME,
        name,
        "the name of a parameter",
        "1 to 63 letters (A-Z, a-z), digits and underscores, and begins with a letter or underscore",
    )


def environment_variable(parameter: str) -> str:
    """The environment variable that carries a parameter. Windows knows no case there, so it is in capitals."""
    return f"NEXOMATIC_PARAM_{parameter.upper()}"


def check_unique(kind: str, names: Iterable[str]) -> None:
    """See that no two names are the same without regard to case."""
    seen: dict[str, str] = {}
    for name in names:
        folded = fold(name)
        if folded in seen:
            both = shown(name) if seen[folded] == name else f"{shown(seen[folded])} and {shown(name)}"
            raise Invalid(f"Two of the {kind}s have the same name, {both}: upper and lower case make no difference.")
        seen[folded] = name


def _check(allowed: re.Pattern[str], name: str, what: str, rule: str) -> None:
    if not allowed.fullmatch(name):
        raise Invalid(f"{shown(name)} cannot be {what}: it has {rule}.")


def _a(kind: str) -> str:
    return f"an {kind}" if kind[:1].lower() in "aeiou" else f"a {kind}"


def shown(name: str) -> str:
    """A refused name as it may stand in a message: on one line, nothing invisible in it, and not endless."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")
