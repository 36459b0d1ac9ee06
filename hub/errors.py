"""Everything that can go wrong in the hub, as one tree. The docstring of a class is its default message.

The tree is ordered by what the reader can do about it: correct the request, accept that somebody else was first,
or try again later. `functions/endpoint.py` maps it to HTTP in one table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class NexomaticError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


# --- the request is wrong: correct it -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that was refused: where it is (`retry.max_attempts`), what was wrong, what is allowed."""

    field: str
    message: str


class Invalid(NexomaticError):
    """The request is not valid."""

    def __init__(self, message: str | None = None, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class TooLarge(Invalid):
    """The content is larger than what is allowed."""


class LimitExceeded(Invalid):
    """The content breaks a limit of the storage service, which it would refuse."""


class LengthRequired(Invalid):
    """The request needs a Content-Length: a body sent in chunks does not reach the hub."""


class UnsupportedBody(Invalid):
    """This kind of body is not taken."""


class NotAuthenticated(NexomaticError):
    """No valid credential came with the request."""


class Unverified(NotAuthenticated):
    """The request could not be verified."""

    challenge = "Signature"
    """How callers may prove themselves here, as `WWW-Authenticate` says it."""


class NotAllowed(NexomaticError):
    """This credential may not do that."""


class NotFound(NexomaticError):
    """There is nothing at this address."""


class SecretUnavailable(NotFound):
    """A secret that the attempt needs is not there."""


class Gone(NexomaticError):
    """This address has been switched off."""


class Rejected(NexomaticError):
    """The state of things does not allow it."""


# --- somebody else was first: read again, or let it be --------------------------------------------------------------


class Conflict(NexomaticError):
    """Somebody else changed it meanwhile."""


class Cloned(Conflict):
    """This credential is in use by another process."""

    def __init__(self, message: str, who: str | None = None) -> None:
        super().__init__(message)
        self.who = who
        """Both processes, with their addresses, for those who keep the hub; None: they were told before."""


class Superseded(Conflict):
    """This lease is over: the attempt belongs to somebody else, or has ended."""

    reason = "superseded"
    """What the sink is told."""


class Cancelled(Superseded):
    """The event was cancelled."""

    reason = "cancelled"


class LeaseRunOut(Conflict):
    """The lease has run out. Renew it, if it still can be, and ask again."""


class TimedOut(Superseded):
    """The attempt ran longer than it may."""

    reason = "timed-out"


# --- storage ---------------------------------------------------------------------------------------------------------


class Missing(NexomaticError):
    """There is no such row, message or blob. (404)"""


class Exists(Conflict):
    """There is such a row already. (409)"""


class Changed(Conflict):
    """The row is not the one that was read: its ETag has changed. (412)"""


class StaleReceipt(Conflict):
    """The message was received by somebody else since, or is gone. (404 or 400 of the queue service)"""


class Unavailable(NexomaticError):
    """Storage did not answer in time: what was asked may or may not have happened. Try again later."""


class VaultUnavailable(Unavailable):
    """The key vault did not answer in time, or asked for fewer calls. Try again later."""

    def __init__(self, message: str | None = None, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotReady(Unavailable):
    """The hub cannot work now. Try again later."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """`reasons`: codes, and the same in words."""
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


class ProviderUnavailable(Unavailable):
    """The sign-in provider does not answer as it should. Try again later."""


class BadSecret(Unavailable):
    """A secret that the configuration names is not there, or is not what it is used as: an admin must see to it."""


# --- too much at once: later -----------------------------------------------------------------------------------------


class TooMany(NexomaticError):
    """Too many requests. Try again later."""

    def __init__(self, message: str | None = None, *, retry_after_seconds: float = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoRoom(TooMany):
    """The disk is nearly full: nothing new is taken until there is room. What was taken goes on."""

    def __init__(self, message: str | None = None, *, retry_after_seconds: float = 30) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)


class Paused(NexomaticError):
    """This is paused. Try again later."""

    def __init__(self, message: str | None = None, *, retry_after_seconds: float = 60) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


# --- a bug -----------------------------------------------------------------------------------------------------------


class IllegalMove(NexomaticError):
    """A state was asked to change in a way that the transition table does not have."""
