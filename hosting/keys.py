"""Function keys: who may call what, by authorization level.

The keys are settings, named as the Functions host names them where it keeps secrets outside Azure:
`host.master`, `host.function.default` (opens every function), `host.systemKey.eventgrid_extension`, and
`functions.NAME.default` for one function. More than one name after the last dot is fine: that is how a key is rotated.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

HEADER, PARAMETER = "x-functions-key", "code"
_MASTER = "host.master"
_HOST, _SYSTEM, _FUNCTIONS = "host.function.", "host.systemkey.", "functions."


class Level(IntEnum):
    """How much a key opens; a request may do what asks for its level or a lower one."""

    ANONYMOUS = 0
    FUNCTION = 1
    SYSTEM = 2
    ADMIN = 3


LEVELS = {"anonymous": Level.ANONYMOUS, "function": Level.FUNCTION, "admin": Level.ADMIN}


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a host. `checked=False` makes every caller an admin, as `func start` does."""

    checked: bool = True
    master: tuple[bytes, ...] = field(default=(), repr=False)
    host: tuple[bytes, ...] = field(default=(), repr=False)
    system: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)  # by lower-case name
    functions: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict, repr=False)  # by lower-case name

    def level(
        self, headers: Mapping[str, str], params: Mapping[str, str], function: str = "", system: str = ""
    ) -> Level:
        """The level of a request to a function, or to the extension whose system key has that name.

        The header wins over the query, even when it is wrong; comparing takes the same time for every key.
        """
        if not self.checked:
            return Level.ADMIN
        given = (headers.get(HEADER) or params.get(PARAMETER) or "").encode("utf-8", "surrogateescape")
        if not given:
            return Level.ANONYMOUS
        if _among(given, self.master):
            return Level.ADMIN
        if _among(given, self.system.get(system.lower(), ())):
            return Level.SYSTEM
        if _among(given, (*self.host, *self.functions.get(function.lower(), ()))):
            return Level.FUNCTION
        return Level.ANONYMOUS

    def can_open(self, function: str, level: Level) -> bool:
        """Whether there is any key at all that opens a function of this level."""
        if level is Level.ANONYMOUS or not self.checked or self.master:
            return True
        return level is Level.FUNCTION and bool(self.host or self.functions.get(function.lower()))


def _among(given: bytes, keys: tuple[bytes, ...]) -> bool:
    found = False
    for key in keys:  # all of them: stopping at the first match would tell which
        found |= hmac.compare_digest(given, key)
    return found


def keys_from(settings: Mapping[str, str], checked: bool = True) -> Keys:
    """The keys that the settings name."""
    system: dict[str, tuple[bytes, ...]] = {}
    functions: dict[str, tuple[bytes, ...]] = {}
    host: tuple[bytes, ...] = ()
    master: tuple[bytes, ...] = ()
    for name, value in settings.items():
        folded, key = name.lower(), value.encode()
        if folded == _MASTER:
            master = (*master, key)
        elif folded.startswith(_HOST):
            host = (*host, key)
        elif folded.startswith(_SYSTEM):
            _add(system, folded.removeprefix(_SYSTEM), key)
        elif folded.startswith(_FUNCTIONS) and folded.count(".") == 2:
            _add(functions, folded.split(".")[1], key)
    return Keys(checked, master, host, system, functions)


def _add(table: dict[str, tuple[bytes, ...]], name: str, key: bytes) -> None:
    table[name] = (*table.get(name, ()), key)
