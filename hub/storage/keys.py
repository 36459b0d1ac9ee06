"""Names and addresses in storage: tables, containers, queues, and where a row lies. All computed, nothing looked up."""

from __future__ import annotations

import hashlib

EVENTS = "events"
PARTITIONS = "partitions"
LOGS = "logs"
CONFIGURATION = "configuration"
PRESENCE = "presence"
SLOTS = "slots"
UPKEEP = "upkeep"
STATS = "stats"
SECRETS = "secrets"
RECEIPTS = "receipts"
DELIVERIES = "deliveries"
TABLES = (EVENTS, PARTITIONS, LOGS, CONFIGURATION, PRESENCE, SLOTS, UPKEEP, STATS, SECRETS, RECEIPTS, DELIVERIES)

SOUGHT: tuple[tuple[str, str | bool], ...] = (("open", True), ("state", "ERROR"), ("state", "WARNING"))
"""Rows of events that are sought among a great many others, by the value of a column: what is not settled, and what
somebody should look at. An engine that can keeps an index of them."""

PAYLOADS = "payloads"
RESULTS = "results"
REQUESTS = "requests"
CONTAINERS = (PAYLOADS, RESULTS, REQUESTS)


def queue_of_sink_type(name: str) -> str:
    """The queue that all sinks of a SinkType share. A hash, because names may hold what a queue name may not."""
    return _queue("t", name)


def queue_of_sink(name: str) -> str:
    """The queue of one sink, for the EventTypes pinned to it."""
    return _queue("s", name)


def _queue(kind: str, name: str) -> str:
    digest = hashlib.sha256(name.casefold().encode()).hexdigest()[:32]
    return f"nexomatic-{kind}-{digest}"
