"""How often a sink comes, and how long its poll is held. Pure.

On Flex Consumption an instance is billed while any poll is held: a small or sleepy fleet is cheapest when it looks
and goes, a large or busy one when it waits on one instance. A held poll gets its work at once, a looking one within
its pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
CROWDED_PAUSE_SECONDS = 5.0
"""Over `max_held_polls`: long enough to let held polls end, short enough that work is not late by much."""
BUSY_WITHIN_SECONDS = 600.0
LARGE_FLEET = 20
OFFLINE_AT_LEAST_SECONDS = 60.0


class CadenceMode(StrEnum):
    """The setting."""

    AUTO = "auto"
    HOLD = "hold"
    """Always hold polls: lowest latency."""
    PAUSE = "pause"
    """Never hold: lowest cost while idle."""


@dataclass(frozen=True, slots=True)
class Cadence:
    """What a sink is told: how long its next poll may be held, and how long to stay away before it."""

    hold_seconds: float
    pause_seconds: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the settings say of this installation."""

    mode: CadenceMode = CadenceMode.AUTO
    embedded: bool = True
    """One process on one machine: holding costs nothing."""
    always_ready: bool = False
    """An instance is paid for anyway."""
    poll_seconds: float = 50.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is so at this moment, as this process sees it."""

    sinks: int
    seconds_since_event: float | None
    """Since an event was created or claimed here; None: never."""
    empty_answers: int
    """How many polls in a row this sink was answered with nothing, without being held."""
    crowded: bool
    """This process holds as many polls as it may."""


def cadence(fleet: Fleet, now: Circumstances) -> Cadence:
    """How the sink goes on."""
    if now.crowded:
        return Cadence(0.0, CROWDED_PAUSE_SECONDS)
    if _holds(fleet, now):
        return Cadence(fleet.poll_seconds, 0.0)
    doublings = min(max(0, now.empty_answers - 1), 10)
    return Cadence(0.0, min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**doublings))


def offline_after_seconds(told: Cadence) -> float:
    """A sink that has not come for so long is OFFLINE: three times as long as it was told to take, at least 60 s."""
    return max(OFFLINE_AT_LEAST_SECONDS, 3 * (told.hold_seconds + told.pause_seconds))


def max_held_polls(http_concurrency: int, setting: int | None = None) -> int:
    """How many polls a process holds: three quarters of what the instance takes, which webhooks share."""
    return setting if setting is not None else max(1, http_concurrency * 3 // 4)


def _holds(fleet: Fleet, now: Circumstances) -> bool:
    if fleet.mode is not CadenceMode.AUTO:
        return fleet.mode is CadenceMode.HOLD
    busy = now.seconds_since_event is not None and now.seconds_since_event <= BUSY_WITHIN_SECONDS
    return fleet.embedded or fleet.always_ready or now.sinks > LARGE_FLEET or busy
