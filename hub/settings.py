"""The hub's settings: one table, read once at the start, never at import.

Every setting is an environment variable (an app setting on Azure). All that is wrong is reported at once, each with
what is allowed; the value itself is never repeated, because it may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from hub.errors import FieldError, Invalid
from hub.rules.cadence import CadenceMode
from hub.rules.callers import FrontEnd
from hub.rules.keeping import Keeping
from hub.rules.oidc import Provider
from hub.settings_table import KEEP, SETTINGS, STORAGE, Engine, Sealing, Setting
from hub.signing import RootKey

MOST_ON_FLEX: Final = 1000
_ON_AZURE: Final = "WEBSITE_INSTANCE_ID"
"""Set by the platform."""
_IDENTITY: Final = ("tableServiceUri", "queueServiceUri", "blobServiceUri")


@dataclass(frozen=True, slots=True)
class IdentityAddress:
    """A storage account by its services, asked as the managed identity we run as."""

    table: str
    queue: str
    blob: str
    client_id: str | None = None


class BadSettings(Invalid):
    """Some settings cannot be used."""

    def __init__(self, problems: list[FieldError]) -> None:
        lines = "\n".join(f"  {problem.field}: {problem.message}" for problem in problems)
        super().__init__(f"these settings cannot be used:\n{lines}", problems)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the hub was told at its start."""

    storage: Engine
    home: Path
    """The folder of the embedded engine, and of the root key."""
    storage_address: str | IdentityAddress | None = field(repr=False)
    """Of the Azure engine: a connection string, or endpoints for a managed identity. Never None with that engine."""
    public_url: str | None
    """Without a slash at its end."""
    root_key: RootKey | None
    """None: it is in `root_key_file`."""
    root_key_file: Path
    previous_root_key: RootKey | None
    key_vault: str | None
    """None: the hub keeps the values of secrets itself."""
    key_vault_prefix: str
    key_vault_client_id: str | None
    sealed_secrets: bool
    """A sink without a key of its own is given none."""
    front_end: FrontEnd | None
    """None: no header tells who calls."""
    receipt_days: int
    min_free_bytes: int
    """0: nobody looks at the disk."""
    first_admin_token_sha256: str | None = field(repr=False)
    session_hours: int
    admin_contact: str | None
    provider: Provider | None
    """Of OpenID Connect; None: only the hub's own users sign in."""
    event_shards: int
    max_payload: int
    max_bundle: int
    lease_seconds: int
    clock_margin_seconds: float
    poll_seconds: int
    cadence: CadenceMode
    http_concurrency: int
    max_held_polls: int
    always_ready: int
    """How many instances."""
    application_insights: str | None = field(repr=False)
    """A connection string; None: nobody is sent telemetry."""
    eventgrid_topic: str | None
    eventgrid_key: str | None = field(repr=False)
    sink_credential_days: int
    """0: sinks keep the one they were enrolled with."""
    keeping: Keeping

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Read all of them. Raises `BadSettings` that names everything that is wrong."""
        problems: list[FieldError] = []
        read = {setting.name: _read(setting, environ, problems) for setting in SETTINGS}
        address = _address(read)
        problems += _together(read, address, environ)
        if problems:
            raise BadSettings(problems)
        return cls(
            storage=read["NEXOMATIC_STORAGE"],
            home=read["NEXOMATIC_HOME"],
            storage_address=address,
            public_url=read["NEXOMATIC_PUBLIC_URL"],
            root_key=read["NEXOMATIC_ROOT_KEY"],
            root_key_file=read["NEXOMATIC_ROOT_KEY_FILE"] or read["NEXOMATIC_HOME"] / "root.key",
            previous_root_key=read["NEXOMATIC_PREVIOUS_ROOT_KEY"],
            key_vault=read["NEXOMATIC_KEY_VAULT"],
            key_vault_prefix=read["NEXOMATIC_KEY_VAULT_PREFIX"],
            key_vault_client_id=read["NEXOMATIC_KEY_VAULT_CLIENT_ID"],
            sealed_secrets=read["NEXOMATIC_SEALED_SECRETS"] is Sealing.ALWAYS,
            front_end=read["NEXOMATIC_FRONT_END"],
            receipt_days=read["NEXOMATIC_RECEIPT_DAYS"],
            min_free_bytes=read["NEXOMATIC_MIN_FREE_BYTES"],
            first_admin_token_sha256=read["NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256"],
            session_hours=read["NEXOMATIC_SESSION_HOURS"],
            admin_contact=read["NEXOMATIC_ADMIN_CONTACT"],
            provider=_provider(read),
            event_shards=read["NEXOMATIC_EVENT_SHARDS"],
            max_payload=read["NEXOMATIC_MAX_PAYLOAD"],
            max_bundle=read["NEXOMATIC_MAX_BUNDLE"],
            lease_seconds=read["NEXOMATIC_LEASE_SECONDS"],
            clock_margin_seconds=read["NEXOMATIC_CLOCK_MARGIN_SECONDS"],
            poll_seconds=read["NEXOMATIC_POLL_SECONDS"],
            cadence=read["NEXOMATIC_CADENCE"],
            http_concurrency=read["NEXOMATIC_HTTP_CONCURRENCY"],
            max_held_polls=_held_polls(read),
            always_ready=read["NEXOMATIC_ALWAYS_READY"],
            application_insights=read["APPLICATIONINSIGHTS_CONNECTION_STRING"],
            eventgrid_topic=read["NEXOMATIC_EVENTGRID_TOPIC"],
            eventgrid_key=read["NEXOMATIC_EVENTGRID_KEY"],
            sink_credential_days=read["NEXOMATIC_SINK_CREDENTIAL_DAYS"],
            keeping=_keeping(read),
        )


def _read(setting: Setting, environ: Mapping[str, str], problems: list[FieldError]) -> Any:
    text = environ.get(setting.name, "").strip()
    if not text:
        return setting.default
    try:
        return setting.read(text)
    except ValueError as error:
        problems.append(FieldError(setting.name, str(error)))
        return setting.default


def _provider(read: Mapping[str, Any]) -> Provider | None:
    if read["NEXOMATIC_OIDC_ISSUER"] is None:
        return None
    return Provider(
        issuer=read["NEXOMATIC_OIDC_ISSUER"],
        client_id=read["NEXOMATIC_OIDC_CLIENT_ID"] or "",
        client_secret=read["NEXOMATIC_OIDC_CLIENT_SECRET"],
        scopes=read["NEXOMATIC_OIDC_SCOPES"],
        claim=read["NEXOMATIC_OIDC_CLAIM"],
        admins=read["NEXOMATIC_OIDC_ADMINS"],
        viewers=read["NEXOMATIC_OIDC_VIEWERS"],
        first_admin=read["NEXOMATIC_FIRST_ADMIN"],
    )


def _wrong_provider(read: Mapping[str, Any], environ: Mapping[str, str]) -> list[FieldError]:
    issuer = "NEXOMATIC_OIDC_ISSUER"
    if read[issuer] is None and environ.get(issuer, "").strip():
        return []  # it is given, and wrong: that is said, and the others are not wrong for it
    if read[issuer] is None:
        alone = ("CLIENT_ID", "CLIENT_SECRET", "ADMINS", "VIEWERS")
        given = [f"NEXOMATIC_OIDC_{each}" for each in alone if read[f"NEXOMATIC_OIDC_{each}"]]
        given += ["NEXOMATIC_FIRST_ADMIN"] if read["NEXOMATIC_FIRST_ADMIN"] else []
        return [FieldError(each, f"is given without {issuer}") for each in given]
    needed = ("NEXOMATIC_OIDC_CLIENT_ID", "NEXOMATIC_PUBLIC_URL")
    return [FieldError(each, f"is needed with {issuer}") for each in needed if read[each] is None]


def _held_polls(read: Mapping[str, Any]) -> int:
    """Three quarters of what an instance takes at once, if nothing is said: webhooks and the API need the rest."""
    setting: int | None = read["NEXOMATIC_MAX_HELD_POLLS"]
    concurrency: int = read["NEXOMATIC_HTTP_CONCURRENCY"]
    return setting if setting is not None else concurrency * 3 // 4


def _keeping(read: Mapping[str, Any]) -> Keeping:
    """Each state as its own setting says, else as the one for all."""
    every: int | None = read["NEXOMATIC_RETENTION_DAYS"]
    own = {each: read[f"NEXOMATIC_RETENTION_DAYS_{each.upper()}"] for each in ("success", "warning", "error")}
    days = {each: every if said is None else said for each, said in own.items()}
    return Keeping(**{each: None if said == KEEP else said for each, said in days.items()})


def _address(read: Mapping[str, Any]) -> str | IdentityAddress | None:
    table, queue, blob = (read[f"{STORAGE}__{service}"] for service in _IDENTITY)
    if table and queue and blob:
        return IdentityAddress(table, queue, blob, read[f"{STORAGE}__clientId"])
    connection: str | None = read[STORAGE]
    return connection


def _together(
    read: Mapping[str, Any], address: str | IdentityAddress | None, environ: Mapping[str, str]
) -> list[FieldError]:
    """What is wrong with settings taken together."""
    problems = _wrong_storage(read["NEXOMATIC_STORAGE"], address, environ)
    problems += _wrong_provider(read, environ)
    key, key_file = read["NEXOMATIC_ROOT_KEY"], read["NEXOMATIC_ROOT_KEY_FILE"]
    if key is not None and key_file is not None:
        problems.append(FieldError("NEXOMATIC_ROOT_KEY_FILE", "is given beside NEXOMATIC_ROOT_KEY: remove one"))
    if read["NEXOMATIC_STORAGE"] is Engine.AZURE and key is None and key_file is None:
        what = "is needed with the azure engine (or NEXOMATIC_ROOT_KEY_FILE): all instances share one key"
        problems.append(FieldError("NEXOMATIC_ROOT_KEY", what))
    held, concurrency = read["NEXOMATIC_MAX_HELD_POLLS"], read["NEXOMATIC_HTTP_CONCURRENCY"]
    if held is not None and held > concurrency:
        what = f"is at most NEXOMATIC_HTTP_CONCURRENCY ({concurrency})"
        problems.append(FieldError("NEXOMATIC_MAX_HELD_POLLS", what))
    if read["NEXOMATIC_EVENTGRID_KEY"] is not None and read["NEXOMATIC_EVENTGRID_TOPIC"] is None:
        problems.append(FieldError("NEXOMATIC_EVENTGRID_KEY", "is given without NEXOMATIC_EVENTGRID_TOPIC"))
    if environ.get(_ON_AZURE) and concurrency > MOST_ON_FLEX:
        what = f"is at most {MOST_ON_FLEX} here: the platform gives an instance no more requests at once"
        problems.append(FieldError("NEXOMATIC_HTTP_CONCURRENCY", what))
    return problems


def _wrong_storage(
    engine: Engine, address: str | IdentityAddress | None, environ: Mapping[str, str]
) -> list[FieldError]:
    problems: list[FieldError] = []
    given = [service for service in _IDENTITY if environ.get(f"{STORAGE}__{service}", "").strip()]
    if given and len(given) < len(_IDENTITY):
        missing = ", ".join(f"{STORAGE}__{service}" for service in _IDENTITY if service not in given)
        problems.append(FieldError(f"{STORAGE}__{given[0]}", f"all three addresses are given, or none; add {missing}"))
    if engine is Engine.AZURE and address is None and not given:
        what = f"the azure engine needs a connection string here, or {STORAGE}__tableServiceUri and its two siblings"
        problems.append(FieldError(STORAGE, what))
    if engine is Engine.EMBEDDED and environ.get(_ON_AZURE):
        what = "must be azure here: an instance's disk on Azure does not last, and what is on it would be lost"
        problems.append(FieldError("NEXOMATIC_STORAGE", what))
    return problems
