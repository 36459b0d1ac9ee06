"""The hub of this process: opened at the first call, from the settings, and kept.

Nothing is opened at import: the functions are indexed on machines that have no storage. A host has one event loop;
tests may have one after the other, and each gets a hub of its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from hub import lasting
from hub.announce.port import Topic
from hub.clock import Clock, SystemClock
from hub.errors import Unavailable
from hub.evaluation import Evaluator
from hub.insights.sending import Exporter, Insights
from hub.insights.spans import EventSpans, Seen
from hub.life.terms import Terms
from hub.life.traces import Noted, here
from hub.model.secret import Keeper
from hub.options import Options
from hub.per_loop import PerLoop
from hub.root_key import root_key
from hub.rules.cadence import Fleet
from hub.secrets.port import Values
from hub.settings import IdentityAddress, Settings
from hub.settings_table import Engine
from hub.storage.ports import Storage
from hub.wiring import Hub, build

RANDOM_BITS = 256
DATABASE = "nexomatic.db"
PUBLIC_URL = "NEXOMATIC_PUBLIC_URL"
UNNAMED_HUB = "urn:nexomatic:hub"
"""What a hub without a public address calls itself in what it announces."""

log = logging.getLogger(__name__)

SAY_AGAIN_SECONDS = 60.0
MOST_REASONS = 20
_said: dict[str, float] = {}
"""Why the hub could not start, and when that was logged."""
_insights: PerLoop[Insights] = PerLoop()
_hubs: PerLoop[asyncio.Task[Hub]] = PerLoop()


async def hub() -> Hub:
    """The hub of this event loop. Raises `Unavailable` when it cannot be opened, and tries again at the next call.

    Why it cannot is said in the log alone: callers are not told of settings.
    """
    opening = _hubs.get()
    if opening is not None and _is_open(opening):
        return opening.result()  # every request comes by here
    if opening is None or opening.done():
        opening = _hubs.keep(asyncio.create_task(_open(), name="open the hub"))
    # Shielded: a request that is given up must not end the opening for the others that wait for it.
    return await asyncio.shield(opening)


def _is_open(opening: asyncio.Task[Hub]) -> bool:
    return opening.done() and not opening.cancelled() and opening.exception() is None


async def let_go() -> None:
    """This process is about to stop: answer what is held open as it stands, and send the telemetry that waits.

    Azure's host tells its worker nothing of the kind. Ours does, `--when-stopping` of `hosting.host`: without it each
    stop takes the whole grace, because a poll is held for 50 s.
    """
    opening = _hubs.get()
    if opening is not None and _is_open(opening):
        opening.result().held.let_go()
    if (insights := _insights.get()) is not None:
        await insights.close()


def served_by_https() -> bool:
    """Whether the public address, as the settings say it, is one of https. Known before, and without, an open hub."""
    return os.environ.get(PUBLIC_URL, "").strip().casefold().startswith("https://")


async def _open() -> Hub:
    try:
        opened = await open_hub(os.environ)
    except Exception as error:
        _say(str(error))
        raise Unavailable("the hub cannot start; its log says why") from error
    lasting.leave_out("the hub")
    return opened


def _say(why: str) -> None:
    """Every request tries to open the hub: the same reason is said once in a while, not at each of them."""
    now = time.monotonic()
    if now - _said.get(why, -SAY_AGAIN_SECONDS) >= SAY_AGAIN_SECONDS:
        if len(_said) >= MOST_REASONS:
            _said.clear()
        _said[why] = now
        log.error("the hub cannot start: %s", why)


async def open_hub(environ: Mapping[str, str]) -> Hub:
    """A hub over the storage that the settings name, its tables made.

    Raises `BadSettings`, `Rejected` (a root key or file that cannot be used), `NotReady` (a database that another
    release must serve), `Unavailable`.
    """
    settings = Settings.from_env(environ)
    options = options_of(settings)
    clock = SystemClock()
    storage = await open_storage(settings, clock)
    try:
        await storage.prepare()
    except BaseException:
        await storage.close()
        raise
    topic = topic_of(settings)
    vault = vault_of(settings, clock)
    process = secrets.token_hex(4)
    insights = insights_of(settings, process)
    spans = EventSpans(insights.add, clock.now) if insights is not None else None
    opened = build(options, storage, clock, Evaluator(), lambda: secrets.randbits(RANDOM_BITS), topic, vault, spans)
    try:
        await opened.configuration.begin()
    except BaseException:
        await storage.close()
        raise
    opened.stats.start(process)
    if insights is not None:
        _insights.keep(insights)
        insights.measure(opened.metrics.gather)
    return opened


def insights_of(settings: Settings, process: str) -> Insights | None:
    """Who tells Azure Monitor, if a connection string is set. Its SDK is loaded when there is something to tell."""
    connection_string = settings.application_insights
    if connection_string is None:
        return None

    def make() -> Exporter:
        from hub.insights.azure_monitor import AzureMonitor

        return AzureMonitor(connection_string, process)

    return Insights(make)


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """A request that may belong to a trace."""

    insights: Insights
    noted: Noted
    began: datetime

    def end(self, route: str, traceparent: str | None, status: int) -> None:
        """It was answered. `traceparent` as it came."""
        self.insights.answered(Seen(route, traceparent, self.noted, self.began, SystemClock().now(), status))


def begin_trace() -> RequestTrace | None:
    """A request has come, in this task; None while nobody collects traces."""
    if (insights := _insights.get()) is None:
        return None
    noted = Noted()
    here.set(noted)
    return RequestTrace(insights, noted, SystemClock().now())


def options_of(settings: Settings) -> Options:
    """What the settings decide."""
    return Options(
        root_key=root_key(settings),
        previous_root_key=settings.previous_root_key,
        terms=Terms(
            lease_seconds=settings.lease_seconds,
            clock_margin_seconds=settings.clock_margin_seconds,
            max_payload=settings.max_payload,
            shards=settings.event_shards,
        ),
        fleet=Fleet(
            mode=settings.cadence,
            embedded=settings.storage is Engine.EMBEDDED,
            always_ready=settings.always_ready > 0,
            poll_seconds=settings.poll_seconds,
        ),
        max_held_polls=settings.max_held_polls,
        front_end=settings.front_end,
        receipt_days=settings.receipt_days,
        max_bundle=settings.max_bundle,
        sealed_secrets=settings.sealed_secrets,
        sink_credential_days=settings.sink_credential_days,
        keeping=settings.keeping,
        public_url=settings.public_url,
        first_admin_token_sha256=settings.first_admin_token_sha256,
        session_hours=settings.session_hours,
        admin_contact=settings.admin_contact,
        provider=settings.provider,
    )


def topic_of(settings: Settings) -> Topic | None:
    """Who is told of every change, if anybody is."""
    if settings.eventgrid_topic is None:
        return None
    from hub.announce.event_grid import EventGridTopic

    return EventGridTopic(settings.eventgrid_topic, settings.eventgrid_key, settings.public_url or UNNAMED_HUB)


def vault_of(settings: Settings, clock: Clock) -> Mapping[Keeper, Values] | None:
    """The key vault that keeps the values of secrets, if one does."""
    if settings.key_vault is None:
        return None
    from hub.secrets.keyvault import keepers
    from hub.secrets.vault import open_vault

    vault = open_vault(settings.key_vault, settings.key_vault_client_id, clock)
    return keepers(vault, settings.key_vault_prefix, clock, lambda: secrets.randbits(RANDOM_BITS))


async def open_storage(settings: Settings, clock: Clock) -> Storage:
    """The engine that the settings name. Only that one is imported: a start pays for no other."""
    if settings.storage is Engine.EMBEDDED:
        from hub.storage.embedded import open_embedded

        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_embedded(settings.home / DATABASE, clock, settings.min_free_bytes)
    from hub.storage.azure import Endpoints, open_azure

    address = settings.storage_address
    if isinstance(address, IdentityAddress):
        endpoints = Endpoints(address.table, address.queue, address.blob, address.client_id)
        return await open_azure(endpoints, clock=clock)
    assert address is not None, "the settings were checked"
    return await open_azure(address, clock=clock)
