"""Puts together what takes webhook requests and Event Grid's events, with their receipts, and what fires schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from hub.configure.copy import ConfigurationCopy
from hub.life.alerts import Alerts
from hub.life.context import LifeContext
from hub.life.create import Creator
from hub.rules.callers import FrontEnd
from hub.secrets.port import Secrets
from hub.signing import Signer
from hub.sources import eventgrid
from hub.sources.deduplication import Deduplication
from hub.sources.eventgrid import EventGrid
from hub.sources.firing import Firing
from hub.sources.limits import SourceLimits
from hub.sources.receipt_list import ReceiptList
from hub.sources.receipts import Receipts
from hub.sources.refusal_limit import RefusalLimit
from hub.sources.replay import Replays
from hub.sources.schedules import Schedules
from hub.sources.status import Statuses
from hub.sources.webhook import Stages, Webhooks
from hub.storage.delivery_rows import DeliveryRows
from hub.storage.event_receipts import EventReceipts
from hub.storage.ports import Tables
from hub.storage.receipt_rows import ReceiptRows
from hub.storage.schedule_rows import ScheduleRows


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the settings, and the layers above, say."""

    front_end: FrontEnd | None
    keep_receipts: timedelta
    status_signer: Signer
    status_of: Callable[[BaseException], int]
    """What an error is answered with over HTTP."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The use cases of webhooks, of Event Grid and of schedules."""

    webhooks: Webhooks
    event_grid: EventGrid
    statuses: Statuses
    receipts: Receipts
    receipt_list: ReceiptList
    replays: Replays
    schedules: Schedules


def build_sources(
    context: LifeContext,
    creator: Creator,
    alerts: Alerts,
    configuration: ConfigurationCopy,
    secrets: Secrets,
    tables: Tables,
    limits: SourceLimits,
    told: Surroundings,
) -> Sources:
    """All of them, over one storage. Reads and writes nothing yet."""
    rows = ReceiptRows(tables)
    receipts = Receipts(context, rows, told.status_of)
    firing = Firing(context, creator, receipts, limits)
    receipt_list = ReceiptList(context, rows, EventReceipts(tables), told.keep_receipts)
    deduplication = Deduplication(context, DeliveryRows(tables))
    stages = Stages(receipts, RefusalLimit(), secrets, deduplication, limits, firing, told.front_end)
    return Sources(
        webhooks=Webhooks(context, configuration, stages),
        event_grid=EventGrid(context, configuration, eventgrid.Stages(receipts, deduplication, firing)),
        statuses=Statuses(context, told.status_signer),
        receipts=receipts,
        receipt_list=receipt_list,
        replays=Replays(context, configuration.current, receipt_list, firing),
        schedules=Schedules(context, creator, ScheduleRows(tables), alerts),
    )
