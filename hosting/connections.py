"""Finds the storage account that a binding's `connection` names: the name of a setting, never a connection string."""

from __future__ import annotations

from collections.abc import Mapping

from hosting.errors import BadSettings

PREFIX = "AzureWebJobs"


def connection_string(name: str, settings: Mapping[str, str], where: str) -> str:
    """The connection string of a connection; raises BadSettings, saying where, if the settings have none."""
    for setting in (f"{PREFIX}{name}", name):
        if value := settings.get(setting):
            return value
    if any(setting.startswith((f"{name}__", f"{PREFIX}{name}__")) for setting in settings):
        raise BadSettings(f"{where}: `{name}` is identity-based, which this host cannot do: set a connection string")
    raise BadSettings(f"{where}: neither {PREFIX}{name} nor {name} is set to a connection string")
