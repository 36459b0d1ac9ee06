"""Becoming a sink: an enrolment token for an identity."""

from __future__ import annotations

import logging
import threading
from typing import Callable, Optional

from nexomatic_agent.answers import Transient
from nexomatic_agent.client import Client
from nexomatic_agent.config import Settings
from nexomatic_agent.files import make_private_folder
from nexomatic_agent.identity import Identity, Instances
from nexomatic_agent.retry import Backoff
from nexomatic_agent.trust import trust

log = logging.getLogger(__name__)


class CannotEnrol(Exception):
    """There is nothing to enrol with, or the hub refused it."""


def enrol(settings: Settings, draw: Callable[[], float], stop: Optional[threading.Event] = None) -> Identity:
    """Enrol and keep the identity. Tries again while the hub does not answer, until `stop` is set.

    Raises CannotEnrol, BadBundle, Refused, Unauthorised, OSError.
    """
    if settings.hub is None or settings.token is None:
        raise CannotEnrol("enrolment needs the hub's address and an enrolment token: set hub, and token or token_file")
    client = Client(settings.hub, None, trust(settings.ca_bundle))
    backoff = Backoff(draw)
    waiting = stop or threading.Event()
    while True:
        try:
            given = client.enrol(settings.token, settings.name)
            break
        except Transient as error:
            wait = backoff.failed(error.retry_after)
            log.warning("the hub does not answer the enrolment, next try in %.0f s: %s", wait, error)
            if waiting.wait(wait):
                raise CannotEnrol("stopped before the hub answered") from None
    make_private_folder(settings.state)
    identity = Identity(settings.hub, given["sink"], given["sink_type"], given["credential"])
    Instances(settings.state).forget()
    identity.save(settings.state)
    return identity
