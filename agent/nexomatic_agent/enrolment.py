"""Becoming a sink: an enrolment token for an identity."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

from nexomatic_agent import commands
from nexomatic_agent.answers import Transient
from nexomatic_agent.client import Client
from nexomatic_agent.config import Settings
from nexomatic_agent.exchange import Exchange
from nexomatic_agent.files import make_private_folder
from nexomatic_agent.hub_watch import HubWatch
from nexomatic_agent.identity import ROTATE_AFTER_SECONDS, Identity, Instances
from nexomatic_agent.retry import Backoff
from nexomatic_agent.trust import trust
from nexomatic_agent.unsealing import public_key


class CannotEnrol(Exception):
    """There is nothing to enrol with, or the hub refused it."""


def enrol(settings: Settings, draw: Callable[[], float], stop: Optional[threading.Event] = None) -> Identity:
    """Enrol and keep the identity. Tries again while the hub does not answer, until `stop` is set.

    Raises CannotEnrol, BadBundle, Refused, Unauthorised, OSError.
    """
    if settings.hub is None or settings.token is None:
        raise CannotEnrol("enrolment needs the hub's address and an enrolment token: set hub, and token or token_file")
    client = Client(settings.hub, None, trust(settings.ca_bundle))
    backoff, watch = Backoff(draw), HubWatch("enrolment", time.monotonic)
    waiting = stop or threading.Event()
    make_private_folder(settings.state)
    started = Exchange(settings.state / "enrolment.json", [settings.hub, settings.token, settings.name])
    seal_to = public_key(settings.state) if settings.seal_secrets else None
    while True:
        try:
            given = client.enrol(settings.token, settings.name, started.nonce, seal_to)
            break
        except Transient as error:
            watch.failed(error)
            if waiting.wait(backoff.failed(error.retry_after)):
                raise CannotEnrol("stopped before the hub answered") from None
    watch.succeeded()
    rotate_after = given.get("rotate_after_seconds", ROTATE_AFTER_SECONDS)
    identity = Identity(settings.hub, given["sink"], given["sink_type"], given["credential"], time.time(), rotate_after)
    Instances(settings.state).forget()
    commands.forget(settings.state)
    identity.save(settings.state)
    started.over()
    return identity
