"""Names and addresses in storage: tables, containers, queues, and where a row lies. All computed, nothing looked up."""

from __future__ import annotations

import hashlib
from functools import lru_cache

EVENTS = "events"
PARTITIONS = "partitions"
LOGS = "logs"
CONFIGURATION = "configuration"
PRESENCE = "presence"
SLOTS = "slots"
RATES = "rates"
UPKEEP = "upkeep"
STATS = "stats"
SECRETS = "secrets"
RECEIPTS = "receipts"
DELIVERIES = "deliveries"
TOKEN_USE = "tokenuse"  # noqa: S105 - a table
AUDIT = "audit"
RELEASES = "releases"
TABLES = (
    EVENTS,
    PARTITIONS,
    LOGS,
    CONFIGURATION,
    PRESENCE,
    SLOTS,
    RATES,
    UPKEEP,
    STATS,
    SECRETS,
    RECEIPTS,
    DELIVERIES,
    TOKEN_USE,
    AUDIT,
    RELEASES,
)

SOUGHT: tuple[tuple[str, str | bool], ...] = (("open", True), ("state", "ERROR"), ("state", "WARNING"))
"""Rows of events that are sought among a great many others, by the value of a column: what is not settled, and what
somebody should look at. An engine that can keeps an index of them."""

PAYLOADS = "payloads"
RESULTS = "results"
REQUESTS = "requests"
ANCHORS = "audit"
BUNDLES = "bundles"
CONTAINERS = (PAYLOADS, RESULTS, REQUESTS, ANCHORS, BUNDLES)

_OVERFLOW = "-overflow"


def queue_of_sink_type(name: str) -> str:
    """The queue that all sinks of a SinkType share. A hash, because names may hold what a queue name may not."""
    return _queue("t", name)


def queue_of_sink(name: str) -> str:
    """The queue of one sink, for the EventTypes pinned to it."""
    return _queue("s", name)


def overflow_of(queue: str) -> str:
    """The overflow queue beside a queue: for the messages of EventTypes that would crowd out all others there."""
    return queue + _OVERFLOW


def main_of(queue: str) -> str:
    """The queue beside which an overflow queue is; a queue that is none is its own."""
    return queue.removesuffix(_OVERFLOW)


@lru_cache(maxsize=4096)
def _queue(kind: str, name: str) -> str:
    digest = hashlib.sha256(name.casefold().encode()).hexdigest()[:32]
    return f"nexomatic-{kind}-{digest}"
