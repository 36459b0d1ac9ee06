"""A keeper of secrets over a storage, as one process has it, for tests."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from hub.clock import Clock
from hub.configure.copy import ConfigurationCopy
from hub.configure.deciding import removal
from hub.configure.writing import ConfigurationWriter
from hub.secrets.embedded import EmbeddedSecrets, Registry
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
    secrets: EmbeddedSecrets
    tidying: SecretTidying


def keeper_over(tables: Tables, clock: Clock, *, key: RootKey = OLD_KEY, previous: RootKey | None = None) -> Keeper:
    """A process of its own over this storage."""

    def randomness() -> int:
        return secrets.randbits(128)

    copy = ConfigurationCopy(tables, clock)
    writer = ConfigurationWriter(tables, copy, randomness)
    registry = Registry(copy.configuration, copy.news, copy.newest, writer.write, removal)
    rows, sealer = SecretRows(tables), Sealer(key, previous, randomness)
    return Keeper(
        copy,
        writer,
        rows,
        EmbeddedSecrets(rows, sealer, registry, clock, randomness),
        SecretTidying(rows, sealer, copy.newest, clock),
    )
