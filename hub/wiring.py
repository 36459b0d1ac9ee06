"""Puts the hub together: one object per process and event loop, with every use case on it.

A long file, because it names every part once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from hub.announce.announcer import Announcer
from hub.announce.port import Topic
from hub.audit.configuration_changes import intend_edit
from hub.audit.wiring import Audit, build_audit
from hub.clock import Clock
from hub.configure.copy import ConfigurationCopy
from hub.configure.deciding import removal
from hub.configure.formats import Formats
from hub.configure.resources import Resources
from hub.configure.secret_book import SecretBook
from hub.configure.sinks import Sinks
from hub.configure.writing import ConfigurationWriter
from hub.dispatch.dispatcher import Dispatcher
from hub.dispatch.orders import Orders
from hub.dispatch.poll import Hold, Polls
from hub.dispatch.presence import PresenceBook
from hub.dispatch.receive_loop import Patience
from hub.distribution.agent_packages import AgentPackages
from hub.distribution.bundles import Bundles
from hub.distribution.installers import Installers
from hub.evaluation import Evaluation
from hub.held_requests import HeldRequests
from hub.knot import Knot
from hub.life.agent_calls import AgentCalls
from hub.life.alerts import Alerts
from hub.life.cancel import Canceller
from hub.life.claim import Claimer
from hub.life.complete import Completion
from hub.life.context import LifeContext
from hub.life.create import Creator
from hub.life.debts import Debts
from hub.life.explain import Explainer, Process
from hub.life.fetch import Fetch
from hub.life.idempotency import Idempotency
from hub.life.lease import LeaseTokens
from hub.life.listing import Listing
from hub.life.logs import Logs
from hub.life.news import News, Traces
from hub.life.operations import Operations
from hub.life.permits import Permits
from hub.life.redeliver import Redelivery
from hub.life.release import Release
from hub.life.renew import Renewer
from hub.life.rerun import Reruns
from hub.life.tally import Tally
from hub.life.waits import Waits
from hub.life.watchers import Watchers
from hub.limits.depth import QueueDepths
from hub.limits.overflow import Overflow
from hub.limits.slots import Slots
from hub.limits.source_rate import SourceRates
from hub.limits.start_rate import StartRates
from hub.limits.token_rows import TokenRows
from hub.model.secret import Keeper
from hub.options import Options
from hub.people.secret_text import new_secret
from hub.people.sessions import Site
from hub.people.wiring import Book, People, PeopleOptions, build_people
from hub.problems import status_of
from hub.rules import ids
from hub.secrets.cached import CachedSecrets
from hub.secrets.embedded import EmbeddedValues
from hub.secrets.port import Values
from hub.secrets.registered import RegisteredSecrets, Registry
from hub.secrets.sealing import Sealer
from hub.secrets.tidying import SecretTidying
from hub.signing import Purpose
from hub.sources.limits import SourceLimits
from hub.sources.wiring import Sources, Surroundings, build_sources
from hub.storage.configuration import Write
from hub.storage.contents import Contents
from hub.storage.delivery_rows import DeliveryRows
from hub.storage.events import EventRows
from hub.storage.log_rows import LogRows
from hub.storage.operation_rows import OperationRows
from hub.storage.partition_index import PartitionIndex
from hub.storage.ports import Storage
from hub.storage.receipt_rows import ReceiptRows
from hub.storage.secret_rows import SecretRows
from hub.storage.stats_rows import StatsRows
from hub.storage.upkeep_rows import UpkeepRows
from hub.upkeep.departures import Departures
from hub.upkeep.health import Health
from hub.upkeep.heartbeat import Heartbeat
from hub.upkeep.metrics import Metrics
from hub.upkeep.reconcile import Reconciler
from hub.upkeep.retention import Retention
from hub.upkeep.stats import StatsBook
from hub.upkeep.sweep import Sweep
from hub.upkeep.tick import Upkeep
from hub.upkeep.watch import Watching

CLOCK_TOLERANCE = timedelta(seconds=2)
"""A hub whose clock is further than this from storage's claims nothing: leases are stamped and judged by hub clocks."""


@dataclass(frozen=True, slots=True)
class Hub:
    """The use cases, wired."""

    options: Options
    storage: Storage
    clock: Clock
    configuration: ConfigurationCopy
    context: LifeContext
    creator: Creator
    canceller: Canceller
    reruns: Reruns
    listing: Listing
    operations: Operations
    explainer: Explainer
    depths: QueueDepths
    logs: Logs
    agents: AgentCalls
    polls: Polls
    held: HeldRequests
    presence: PresenceBook
    health: Health
    metrics: Metrics
    upkeep: Upkeep
    stats: StatsBook
    sources: Sources
    waits: Waits
    watchers: Watchers
    idempotency: Idempotency
    resources: Resources
    bundles: Bundles
    agent_packages: AgentPackages
    installers: Installers
    sinks: Sinks
    orders: Orders
    people: People
    secrets: CachedSecrets
    """Kept for a minute: for who reads often, and for every write, which is then in force here at once."""
    secret_book: SecretBook
    formats: Formats
    audit: Audit


@dataclass(frozen=True, slots=True)
class _Keeping:
    """The keeper of secrets, its memory, and who tidies up after it."""

    engine: RegisteredSecrets
    kept: CachedSecrets
    tidying: SecretTidying


@dataclass(frozen=True, slots=True)
class _Administration:
    """Who may do what, and what is configured."""

    resources: Resources
    sinks: Sinks
    people: People


def build(
    options: Options,
    storage: Storage,
    clock: Clock,
    evaluator: Evaluation,
    randomness: Callable[[], int],
    topic: Topic | None = None,
    vault: Mapping[Keeper, Values] | None = None,
    traces: Traces | None = None,
) -> Hub:
    """The hub over an opened storage, which tells a topic of every change if there is one. Asks for nothing yet.

    `vault` keeps the values of secrets in place of the storage; `traces` is told what happens to events.
    """
    wires = Knot()
    audit = build_audit(storage, clock, randomness, status_of)
    configuration = ConfigurationCopy(storage.tables, clock)
    news = _news(storage, clock, topic, wires, traces)
    context = _context(options, storage, clock, evaluator, randomness, configuration, wires, news)
    slots = Slots(storage.tables, context.margin())
    tokens = LeaseTokens(options.signer(Purpose.LEASE))
    creator, logs = Creator(context), Logs(context)
    alerts = Alerts(context, creator, options.public_url)
    debts = Debts(context, creator, alerts)
    completion = Completion(context, debts, slots, logs)
    rows = TokenRows(storage.tables, context.now, randomness)
    depths = QueueDepths(storage.queues, clock)
    limits = SourceLimits(SourceRates(rows, clock), depths)
    starts = StartRates(rows, clock)
    permits = Permits(slots, starts, options.terms.no_slot_seconds)
    claimer = Claimer(context, permits, tokens)
    redelivery = Redelivery(context, claimer, debts)
    presence = PresenceBook(storage.tables, clock)
    patience = Patience(options.terms.first_visibility(), lambda: abs(storage.clock_offset()) <= CLOCK_TOLERANCE)
    held = HeldRequests(options.max_held_polls)
    dispatcher = wires.dispatcher = Dispatcher(storage.queues, redelivery.follow, patience, held)
    heartbeat = Heartbeat(storage.tables, clock)
    watching = Watching(storage.tables, presence, alerts)
    elsewhere = (vault or {}).get(Keeper.ELSEWHERE)
    write = ConfigurationWriter(storage.tables, configuration, randomness, intend_edit).write
    administration = _administration(options, storage, clock, configuration, write, randomness)
    keeping = _keeping(options, storage, clock, configuration, write, randomness, vault or {})
    sources = build_sources(
        context, creator, alerts, configuration, keeping.kept, storage.tables, limits, _surroundings(options)
    )
    stats = StatsBook(StatsRows(storage.tables), news.tally, clock)
    upkeep_rows = UpkeepRows(storage.tables)
    waits, watchers = wires.waits, wires.watchers = Waits(context, held), Watchers(held)
    hold = Hold(options.fleet, held)
    polls = wires.polls = Polls(dispatcher, presence, configuration.current, configuration.newest_snapshot, clock, hold)
    packages = AgentPackages(options.agent_packages)
    canceller, reruns = Canceller(context, debts, slots), Reruns(context, creator, depths)
    listing = Listing(storage.tables, context.partitions, clock, context.margin())
    operations = Operations(context, OperationRows(storage.tables), listing, canceller, reruns)
    return Hub(
        options=options,
        storage=storage,
        clock=clock,
        configuration=configuration,
        context=context,
        creator=creator,
        canceller=canceller,
        reruns=reruns,
        listing=listing,
        operations=operations,
        explainer=Explainer(
            context, claimer, slots, starts, presence.newest, Process(patience.clock_is_right, polls.crowd)
        ),
        depths=depths,
        logs=logs,
        agents=AgentCalls(
            context,
            tokens,
            Release(context, keeping.engine, audit.releases, only_sealed=options.sealed_secrets),
            Fetch(context, storage.blobs),
            Renewer(context, slots, completion),
            completion,
            logs,
        ),
        polls=polls,
        held=held,
        presence=presence,
        metrics=Metrics(storage, clock, news.tally, heartbeat, watching, lambda: polls.holding, lambda: stats.process),
        health=Health(storage, clock, heartbeat, patience.clock_is_right, elsewhere),
        upkeep=Upkeep(
            heartbeat,
            clock,
            Reconciler(context, upkeep_rows, debts, watching),
            Retention(context, upkeep_rows, options.keeping),
            stats,
            keeping.tidying,
            _sweep(options, storage, clock, randomness),
            sources.schedules,
            audit,
            Departures(administration.sinks, presence, clock, audit.trail),
            operations,
            configuration.current,
        ),
        stats=stats,
        sources=sources,
        waits=waits,
        watchers=watchers,
        idempotency=Idempotency(context, DeliveryRows(storage.tables)),
        resources=administration.resources,
        agent_packages=packages,
        installers=Installers(packages.current, options.public_url),
        bundles=Bundles(configuration.newest, write, storage.blobs, clock, randomness, options.max_bundle),
        sinks=administration.sinks,
        orders=Orders(configuration.newest, write, presence, polls.tell_held, clock, randomness),
        people=administration.people,
        secrets=keeping.kept,
        secret_book=SecretBook(keeping.engine, keeping.kept),
        formats=Formats(configuration.newest, write, clock),
        audit=audit,
    )


def _news(storage: Storage, clock: Clock, topic: Topic | None, wires: Knot, traces: Traces | None) -> News:
    tally = Tally(clock, storage.operations.by_kind)
    announcer = Announcer(EventRows(storage.tables, announcing=True), topic) if topic is not None else None
    return News(tally, announcer, wires.ended, wires.changed, wires.logged, traces)


def _context(
    options: Options,
    storage: Storage,
    clock: Clock,
    evaluator: Evaluation,
    randomness: Callable[[], int],
    configuration: ConfigurationCopy,
    wires: Knot,
    news: News,
) -> LifeContext:
    return LifeContext(
        events=EventRows(storage.tables, announcing=news.announcing),
        queues=storage.queues,
        contents=Contents(storage.blobs, options.terms.inline_bytes),
        logs=LogRows(storage.tables),
        partitions=PartitionIndex(storage.tables),
        clock=clock,
        terms=options.terms,
        configuration=configuration.current,
        newest=configuration.newest_snapshot,
        evaluator=evaluator,
        news=news,
        randomness=randomness,
        route=Overflow(clock).route,
        wake=wires.wake,
        room=storage.room,
        cancelled=wires.cancelled,
        restarted=wires.restarted,
    )


def _surroundings(options: Options) -> Surroundings:
    return Surroundings(
        front_end=options.front_end,
        keep_receipts=timedelta(days=options.receipt_days),
        status_signer=options.signer(Purpose.STATUS),
        status_of=status_of,
    )


def _sweep(options: Options, storage: Storage, clock: Clock, randomness: Callable[[], int]) -> Sweep:
    rows, deliveries = ReceiptRows(storage.tables), DeliveryRows(storage.tables)
    return Sweep(rows, deliveries, storage.blobs, clock, randomness, timedelta(days=options.receipt_days))


def _keeping(
    options: Options,
    storage: Storage,
    clock: Clock,
    configuration: ConfigurationCopy,
    write: Write,
    randomness: Callable[[], int],
    vault: Mapping[Keeper, Values],
) -> _Keeping:
    rows = SecretRows(storage.tables)
    sealer = Sealer(options.root_key, options.previous_root_key, randomness)
    registry = Registry(configuration.configuration, configuration.news, configuration.newest, write, removal)
    keepers = {Keeper.HUB: EmbeddedValues(rows, sealer, clock, randomness), **vault}
    engine = RegisteredSecrets(keepers, Keeper.VAULT if vault else Keeper.HUB, registry, clock)
    tidying = SecretTidying(rows, sealer, configuration.newest, clock)
    return _Keeping(engine, CachedSecrets(engine, clock), tidying)


def _administration(
    options: Options,
    storage: Storage,
    clock: Clock,
    configuration: ConfigurationCopy,
    write: Write,
    randomness: Callable[[], int],
) -> _Administration:
    newest = configuration.newest
    book = Book(configuration.credentials, configuration.news, newest, write, storage.tables)
    of_people = PeopleOptions(
        site=Site(options.public_url, options.admin_contact),
        session_lifetime=timedelta(hours=options.session_hours),
        front_end=options.front_end,
        first_admin_token_sha256=options.first_admin_token_sha256,
        provider=options.provider,
        passwords=options.passwords,
        sink_credential_days=options.sink_credential_days,
    )
    return _Administration(
        resources=Resources(
            newest,
            write,
            clock,
            new_secret,
            lambda at: ids.new(at, randomness(), options.terms.shards),
            front_end=options.front_end is not None,
            max_payload=options.terms.max_payload,
        ),
        sinks=Sinks(newest, write),
        people=build_people(of_people, book, clock, randomness, options.signer),
    )
