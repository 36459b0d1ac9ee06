"""The sink's credential is exchanged for another from time to time, while the agent works.

The hub takes the old one for an hour more, so what is on disk is good while the new one is on its way there. Where
the disk does not take it, the agent goes on with what it has in memory, and tries again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

from nexomatic_agent.answers import HubError, Transient
from nexomatic_agent.client import Client
from nexomatic_agent.exchange import Exchange
from nexomatic_agent.identity import Identity

log = logging.getLogger(__name__)

AGAIN_SECONDS = 300.0
"""After a hub that did not answer, or a full disk. The hub knows the exchange by its nonce, however often it comes."""
REFUSED_SECONDS = 86400.0
"""After one that said no: a release without rotation, for one. The credential at hand is good until the hub says so."""


class Rotation:
    """When the next exchange is due, and the exchange."""

    def __init__(self, folder: Path, identity: Identity, client: Client, clock: Callable[[], float]) -> None:
        """`clock`: seconds since 1970."""
        self._folder = folder
        self._identity = identity
        self._client = client
        self._clock = clock
        self._unkept: Optional[Identity] = None
        """What the hub has given, while the disk does not take it."""

    def step(self) -> float:
        """Exchange the credential if it is due. Seconds until the next step."""
        wait = self._wait()
        if wait > 0 and self._unkept is None:
            return wait
        try:
            self._exchange()
        except Transient as error:
            log.warning("the credential could not be exchanged, and will be: %s", error)
            return AGAIN_SECONDS
        except OSError as error:
            log.error("the credential was exchanged or is to be, and cannot be kept: %s", error)
            return AGAIN_SECONDS
        except HubError as error:
            log.error("the credential cannot be exchanged: %s", error)
            return REFUSED_SECONDS
        return self._wait()

    def _wait(self) -> float:
        if self._identity.rotate_after_seconds is None:
            return REFUSED_SECONDS
        age = self._clock() - self._identity.given_at
        # A clock that was set back must not keep a credential for years, nor one that runs ahead exchange it each time.
        return min(max(0.0, self._identity.rotate_after_seconds - age), self._identity.rotate_after_seconds)

    def _exchange(self) -> None:
        exchange = Exchange(self._folder / "rotation.json", [self._identity.credential])
        following = self._unkept or self._given(exchange.nonce)
        try:
            following.save(self._folder)
        except OSError:
            self._unkept = following
            self._client.use(following.credential)  # the old one ends, whether or not this is on disk
            raise
        self._identity, self._unkept = following, None
        self._client.use(following.credential)
        exchange.over()
        log.info("the credential was exchanged for another")

    def _given(self, nonce: str) -> Identity:
        given = self._client.rotate(nonce)
        return replace(
            self._identity,
            credential=given["credential"],
            given_at=self._clock(),
            rotate_after_seconds=given.get("rotate_after_seconds"),
        )
