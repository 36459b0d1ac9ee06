"""What the admin API works with: the use cases behind its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.audit.wiring import Audit
from hub.clock import Clock
from hub.configure.copy import ConfigurationCopy
from hub.configure.formats import Formats
from hub.configure.resources import Resources
from hub.configure.secret_book import SecretBook
from hub.configure.sinks import Sinks
from hub.dispatch.orders import Orders
from hub.dispatch.presence import PresenceBook
from hub.distribution.bundles import Bundles
from hub.life.cancel import Canceller
from hub.life.context import LifeContext
from hub.life.create import Creator
from hub.life.explain import Explainer
from hub.life.idempotency import Idempotency
from hub.life.listing import Listing
from hub.life.logs import Logs
from hub.life.operations import Operations
from hub.life.rerun import Reruns
from hub.life.watchers import Watchers
from hub.limits.depth import QueueDepths
from hub.people.wiring import People
from hub.rules.callers import FrontEnd
from hub.signing import Signer
from hub.sources.wiring import Sources
from hub.upkeep.health import Health
from hub.upkeep.metrics import Metrics
from hub.upkeep.stats import StatsBook


@dataclass(frozen=True, slots=True)
class Services:
    """One per hub."""

    life: LifeContext
    creator: Creator
    canceller: Canceller
    reruns: Reruns
    explainer: Explainer
    depths: QueueDepths
    logs: Logs
    listing: Listing
    operations: Operations
    watchers: Watchers
    idempotency: Idempotency
    configuration: ConfigurationCopy
    formats: Formats
    resources: Resources
    bundles: Bundles
    secrets: SecretBook
    sinks: Sinks
    orders: Orders
    presence: PresenceBook
    people: People
    stats: StatsBook
    sources: Sources
    audit: Audit
    front_end: FrontEnd | None
    cursors: Signer
    public_url: str | None
    health: Health
    metrics: Metrics
    reconcile: Callable[[], Awaitable[int]]
    """One step of upkeep out of turn; how many events it touched."""

    @property
    def clock(self) -> Clock:
        return self.life.clock
