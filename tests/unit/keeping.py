"""A keeper of secrets over a storage, as one process has it, for tests."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from hub.clock import Clock
from hub.configure.copy import ConfigurationCopy
from hub.configure.deciding import removal
from hub.configure.writing import ConfigurationWriter
from hub.model.secret import Keeper as Where
from hub.secrets.embedded import EmbeddedValues
from hub.secrets.port import Values
from hub.secrets.registered import RegisteredSecrets, Registry
from hub.secrets.sealing import Sealer
from hub.secrets.tidying import SecretTidying
from hub.signing import RootKey
from hub.storage.ports import Tables
from hub.storage.secret_rows import SecretRows

OLD_KEY, NEW_KEY = RootKey(b"o" * 32), RootKey(b"n" * 32)


@dataclass(frozen=True)
class Keeper:
    """One process's keeper."""

    copy: ConfigurationCopy
    writer: ConfigurationWriter
    rows: SecretRows
    secrets: RegisteredSecrets
    tidying: SecretTidying


def keeper_over(
    tables: Tables,
    clock: Clock,
    *,
    key: RootKey = OLD_KEY,
    previous: RootKey | None = None,
    vault: Mapping[Where, Values] | None = None,
) -> Keeper:
    """A process of its own over this storage, which keeps values there, or in a vault if it is given one."""

    def randomness() -> int:
        return secrets.randbits(128)

    copy = ConfigurationCopy(tables, clock)
    writer = ConfigurationWriter(tables, copy, randomness)
    registry = Registry(copy.configuration, copy.news, copy.newest, writer.write, removal)
    rows, sealer = SecretRows(tables), Sealer(key, previous, randomness)
    keepers = {Where.HUB: EmbeddedValues(rows, sealer, clock, randomness), **(vault or {})}
    return Keeper(
        copy,
        writer,
        rows,
        RegisteredSecrets(keepers, Where.VAULT if vault else Where.HUB, registry, clock),
        SecretTidying(rows, sealer, copy.newest, clock),
    )
