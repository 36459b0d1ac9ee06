"""Every setting once: its name, what it may be, its default, what it is for. One table, and so one file."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from hub.rules.cadence import CadenceMode
from hub.rules.callers import front_end_of
from hub.rules.ids import MAX_SHARDS
from hub.rules.oidc import check_address
from hub.signing import ROOT_KEY_BYTES, RootKey


class Engine(StrEnum):
    """Where events, queues and blobs are kept."""

    EMBEDDED = "embedded"
    """One file on this machine."""
    AZURE = "azure"
    """An Azure Storage account, or Azurite."""


class Sealing(StrEnum):
    """Whether secrets go out sealed to the sink's own key."""

    IF_POSSIBLE = "if-possible"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `read` makes its value from the text, or raises ValueError saying what is allowed."""

    name: str
    read: Callable[[str], Any]
    default: Any
    allowed: str
    """What it may be, for the documentation."""
    help: str
    secret: bool = False
    example: str = ""
    """The value in `local.settings.example.json`."""


E = TypeVar("E", bound=StrEnum)


def _one_of(choices: type[E]) -> Callable[[str], E]:
    def read(text: str) -> E:
        try:
            return choices(text.lower())
        except ValueError:
            raise ValueError(f"is one of {', '.join(choices)}") from None

    return read


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            raise ValueError(f"is a whole number from {least} to {most}")
        return int(text)

    return read


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,3})?", text) or not least <= float(text) <= most:
            raise ValueError(f"is a number of seconds from {least:g} to {most:g}")
        return float(text)

    return read


def _days(text: str) -> int | str:
    try:
        return KEEP if text.lower() == KEEP else _whole(1, MOST_DAYS)(text)
    except ValueError:
        raise ValueError(f"is a whole number of days from 1 to {MOST_DAYS}, or {KEEP}: for ever") from None


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _text(text: str) -> str:
    return text


def _line(text: str) -> str:
    if len(text) > 2000 or not text.isprintable():
        raise ValueError("is one line of at most 2000 characters")
    return text


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if not check_address(text) or parts.query or parts.fragment or parts.username:
        raise ValueError("is an https address without query; http will do on a loopback address alone")
    if parts.path.strip("/").partition("/")[0] in ("common", "organizations", "consumers"):
        raise ValueError("names one tenant: https://login.microsoftonline.com/TENANT/v2.0")
    return text


def _scopes(text: str) -> str:
    found = text.split()
    if "openid" not in found or not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", each) for each in found):
        raise ValueError("is a list of scopes, openid among them")
    return " ".join(found)


def _names(text: str) -> frozenset[str]:
    return frozenset(each.strip() for each in _line(text).split(",") if each.strip())


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("is an http or https address without query, such as https://hub.example.com")
    return text.rstrip("/")


def _vault(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError("is the https address of a key vault, such as https://example.vault.azure.net")
    return text.rstrip("/")


def _vault_prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}", text):
        raise ValueError("is 1 to 40 letters, digits and dashes, and begins with a letter or digit")
    return text


def _key(text: str) -> RootKey:
    try:
        secret = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != ROOT_KEY_BYTES:
        raise ValueError(f"is {ROOT_KEY_BYTES} random bytes as base64 (openssl rand -base64 {ROOT_KEY_BYTES})")
    return RootKey(secret)


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ValueError("is the SHA-256 of a token, 64 hexadecimal digits")
    return text.lower()


KEEP: Final = "keep"
"""Instead of a number of days: for ever."""
MOST_DAYS: Final = 36_500
STORAGE: Final = "AzureWebJobsStorage"
"""The setting that the Functions host itself keeps its state by."""

SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "NEXOMATIC_STORAGE",
        _one_of(Engine),
        Engine.EMBEDDED,
        "`embedded` or `azure`",
        "Where everything is kept: in one file on this machine, or in an Azure Storage account. "
        "`embedded` is refused on Azure itself, where the disk of an instance does not last.",
        example="embedded",
    ),
    Setting(
        "NEXOMATIC_HOME",
        _path,
        Path(".local"),
        "a folder",
        "The data folder of the embedded engine.",
        example=".local",
    ),
    Setting(
        STORAGE,
        _text,
        None,
        "a connection string",
        "The storage account of the `azure` engine, and of the Functions host for its timers. On Azure prefer the "
        "identity form below, which needs no secret.",
        secret=True,
        example="UseDevelopmentStorage=true",
    ),
    Setting(
        f"{STORAGE}__tableServiceUri",
        _url,
        None,
        "an https address",
        "The account's table service, asked as a managed identity. All three addresses are given, or none.",
    ),
    Setting(f"{STORAGE}__queueServiceUri", _url, None, "an https address", "The account's queue service."),
    Setting(f"{STORAGE}__blobServiceUri", _url, None, "an https address", "The account's blob service."),
    Setting(
        f"{STORAGE}__clientId",
        _text,
        None,
        "a client id",
        "The user-assigned managed identity to ask as; empty: the system-assigned one.",
    ),
    Setting(
        "NEXOMATIC_PUBLIC_URL",
        _url,
        None,
        "an http or https address",
        "Where callers reach the hub. Every absolute address it prints begins with this; without it they are relative. "
        "Never taken from a request, whose Host header is the caller's to choose.",
        example="http://127.0.0.1:7071",
    ),
    Setting(
        "NEXOMATIC_FRONT_END",
        front_end_of,
        None,
        "a header, and after a colon 1 to 10 proxies",
        "The header in which the front end tells callers' addresses, and how many proxies of your own append to it: "
        "on Azure `x-forwarded-for`, with another proxy before it `x-forwarded-for:2`. Empty: no header is believed, "
        "receipts name no caller, and sources cannot list networks.",
    ),
    Setting(
        "NEXOMATIC_RECEIPT_DAYS",
        _whole(1, 90),
        14,
        "1 to 90 days",
        "How long receipts of webhook requests are kept. One that lies on an event goes with it, if that is sooner.",
    ),
    Setting(
        "NEXOMATIC_MIN_FREE_BYTES",
        _whole(0, 999_999_999_999),
        256 * 1024 * 1024,
        "bytes; 0: the disk may fill up",
        "Of the embedded engine: with less free on its disk new events are refused (507), and what was taken goes on "
        "with this reserve ([the disk](backup.md#when-the-disk-is-nearly-full)).",
    ),
    Setting(
        "NEXOMATIC_ROOT_KEY",
        _key,
        None,
        "32 bytes as base64",
        "The key from which all keys for signing and encrypting are derived. On Azure a Key Vault reference.",
        secret=True,
    ),
    Setting(
        "NEXOMATIC_ROOT_KEY_FILE",
        _path,
        None,
        "a file",
        "Holds the root key as base64, in place of `NEXOMATIC_ROOT_KEY`. Empty: `root.key` in `NEXOMATIC_HOME`. "
        "The embedded engine makes it, readable by its owner alone, if it is not there.",
    ),
    Setting(
        "NEXOMATIC_PREVIOUS_ROOT_KEY",
        _key,
        None,
        "32 bytes as base64",
        "The root key before this one: what it signed stays valid, what it encrypted stays readable. Remove it a week "
        "after a rotation.",
        secret=True,
    ),
    Setting(
        "NEXOMATIC_KEY_VAULT",
        _vault,
        None,
        "an https address",
        "The Key Vault that keeps the values of secrets, asked as a managed identity; see secrets.md for its rights. "
        "Empty: the hub keeps them itself, encrypted.",
    ),
    Setting(
        "NEXOMATIC_KEY_VAULT_PREFIX",
        _vault_prefix,
        "nexomatic-",
        "1 to 40 letters, digits and dashes",
        "What the names of secrets begin with in the vault. Nothing else there is touched or can be named: each hub "
        "that shares a vault has a prefix of its own.",
    ),
    Setting(
        "NEXOMATIC_KEY_VAULT_CLIENT_ID",
        _text,
        None,
        "a client id",
        "The user-assigned managed identity to ask the vault as; empty: the system-assigned one.",
    ),
    Setting(
        "NEXOMATIC_SEALED_SECRETS",
        _one_of(Sealing),
        Sealing.IF_POSSIBLE,
        "`if-possible` or `always`",
        "`if-possible`: secrets are sealed to sinks that gave a key when they were enrolled, and go to others over TLS "
        "as they are. `always`: other sinks are given none, and what needs one ends as `SECRET_UNAVAILABLE` there.",
    ),
    Setting(
        "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256",
        _sha256,
        None,
        "64 hexadecimal digits",
        "The SHA-256 of a token whose bearer is an Admin, for making the first real tokens. Remove it afterwards. "
        "The token itself begins with `nxt_` and is long and random: see below.",
        secret=True,
    ),
    Setting(
        "NEXOMATIC_OIDC_ISSUER",
        _issuer,
        None,
        "an https address",
        "The issuer of the provider of OpenID Connect with which people sign in, exactly as its discovery document "
        "names it; on Entra `https://login.microsoftonline.com/TENANT/v2.0`. Empty: only users of its own sign in.",
    ),
    Setting("NEXOMATIC_OIDC_CLIENT_ID", _line, None, "an id", "What the provider calls this hub."),
    Setting(
        "NEXOMATIC_OIDC_CLIENT_SECRET",
        _text,
        None,
        "a secret",
        "The hub's secret there. Empty: the provider knows the hub as a public client.",
        secret=True,
    ),
    Setting(
        "NEXOMATIC_OIDC_SCOPES",
        _scopes,
        "openid profile email",
        "scopes, with spaces between",
        "What the provider is asked for; some tell of groups only when asked for `groups`.",
    ),
    Setting(
        "NEXOMATIC_OIDC_CLAIM",
        _line,
        "groups",
        "the name of a claim",
        "The claim that says what people may, such as `groups` or `roles`.",
    ),
    Setting(
        "NEXOMATIC_OIDC_ADMINS",
        _names,
        frozenset(),
        "values of that claim, with commas between",
        "Who has one of these is an Admin.",
    ),
    Setting(
        "NEXOMATIC_OIDC_VIEWERS",
        _names,
        frozenset(),
        "values of that claim, with commas between",
        "Who has one of these is a Viewer.",
    ),
    Setting(
        "NEXOMATIC_FIRST_ADMIN",
        _line,
        None,
        "a subject (on Entra an object id), or a value of that claim",
        "Who is an Admin before anybody could have made one.",
    ),
    Setting(
        "NEXOMATIC_SESSION_HOURS",
        _whole(1, 168),
        12,
        "1 to 168 hours",
        "How long a browser stays signed in.",
    ),
    Setting(
        "NEXOMATIC_ADMIN_CONTACT",
        _line,
        None,
        "one line of text",
        "Whom people are told to ask who may nothing here: a name, a mail address, a channel.",
    ),
    Setting(
        "NEXOMATIC_EVENT_SHARDS",
        _whole(1, MAX_SHARDS),
        1,
        f"1 to {MAX_SHARDS}",
        "Partitions an hour over which new events are spread. One takes about 2000 operations a second on Azure. "
        "May be changed at any time.",
        example="1",
    ),
    Setting(
        "NEXOMATIC_MAX_PAYLOAD",
        _whole(1024, 4 * 1024 * 1024),
        4 * 1024 * 1024,
        "1024 to 4194304 bytes",
        "The largest payload and result.",
    ),
    Setting(
        "NEXOMATIC_MAX_BUNDLE",
        _whole(1024, 64 * 1024 * 1024),
        20 * 1024 * 1024,
        "1024 to 67108864 bytes",
        "The largest bundle, as a zip; unpacked it may be eight times as big.",
    ),
    Setting(
        "NEXOMATIC_LEASE_SECONDS",
        _whole(10, 3600),
        30,
        "10 to 3600 seconds",
        "How long a sink may be silent before its events go to another. An EventType may say otherwise.",
    ),
    Setting(
        "NEXOMATIC_CLOCK_MARGIN_SECONDS",
        _seconds(0, 60),
        5.0,
        "0 to 60 seconds",
        "How much later than written a lease counts as expired: the most by which two hubs' clocks may differ.",
    ),
    Setting(
        "NEXOMATIC_POLL_SECONDS",
        _whole(1, 200),
        50,
        "1 to 200 seconds",
        "How long a poll is held while there is nothing to do. Azure's load balancer cuts requests at 230 s.",
    ),
    Setting(
        "NEXOMATIC_CADENCE",
        _one_of(CadenceMode),
        CadenceMode.AUTO,
        "`auto`, `hold` or `pause`",
        "`hold` keeps polls open (quick, and an instance is billed meanwhile), `pause` sends agents away for up to a "
        "minute (cheap), `auto` chooses by the size of the fleet and the time since the last event.",
    ),
    Setting(
        "NEXOMATIC_HTTP_CONCURRENCY",
        _whole(1, 10_000),
        200,
        "1 to 10000",
        "How many requests the platform gives one instance at once. On Flex Consumption its `perInstanceConcurrency`, "
        "at most 1000; on a machine of your own as many as you like: each open one costs about 30 KiB.",
    ),
    Setting(
        "NEXOMATIC_MAX_HELD_POLLS",
        _whole(0, 10_000),
        None,
        "0 to 10000",
        "How many of those may be polls that are held. Empty: three quarters.",
    ),
    Setting(
        "NEXOMATIC_ALWAYS_READY",
        _whole(0, 1000),
        0,
        "0 to 1000",
        "How many always-ready instances the platform keeps. They are paid for anyway, so polls are then held.",
    ),
    Setting(
        "NEXOMATIC_EVENTGRID_TOPIC",
        _url,
        None,
        "an http or https address",
        "The endpoint of an Event Grid custom topic (input schema CloudEvents 1.0) that is told of every change of an "
        "event's state. Empty: nobody is told.",
    ),
    Setting(
        "NEXOMATIC_EVENTGRID_KEY",
        _text,
        None,
        "an access key",
        "The topic's key. On Azure leave it empty: the hub then publishes as its managed identity.",
        secret=True,
    ),
    Setting(
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        _text,
        None,
        "a connection string",
        "The component of Application Insights that is sent metrics and traces, see telemetry.md; the Functions host "
        "reads it too. On Azure `APPLICATIONINSIGHTS_AUTHENTICATION_STRING` is `Authorization=AAD`. Empty: nobody is.",
    ),
    Setting(
        "NEXOMATIC_SINK_CREDENTIAL_DAYS",
        _whole(0, 3650),
        30,
        "0 to 3650 days",
        "How old a sink's credential gets before the sink exchanges it for another, by itself and without an "
        "interruption. 0: never.",
    ),
    Setting(
        "NEXOMATIC_RETENTION_DAYS",
        _days,
        KEEP,
        "1 to 36500 days, or `keep`",
        "How long events are kept after their end, with their logs, unless the next three say otherwise for their "
        "state.",
    ),
    *(
        Setting(
            f"NEXOMATIC_RETENTION_DAYS_{state}",
            _days,
            None,
            "1 to 36500 days, or `keep`",
            f"The same for events that ended in {state}. Empty: as NEXOMATIC_RETENTION_DAYS says.",
        )
        for state in ("SUCCESS", "WARNING", "ERROR")
    ),
)
"""Every setting there is; docs/settings.md and local.settings.example.json follow it."""
