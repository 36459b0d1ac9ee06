"""A page of a partition of events: what of it was wanted, and how far it was looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from hub.rules import partitions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """What of some rows was wanted, newest first."""

    items: Sequence[T]
    rows: int
    """How many were read for it."""
    reached: str | None
    """The id down to which everything was looked at; None: all there is."""


def key_behind(event_id: str) -> str:
    """The key after which the events older than this one lie; all of them, if it is empty."""
    return partitions.row_key_of(event_id) if event_id else ""


def id_reached(key: str | None) -> str | None:
    """The same the other way round, of where a search ended."""
    return partitions.id_of(key) if key is not None else None
