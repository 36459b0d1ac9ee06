"""What can go wrong in the local host, told to the person who started it. A docstring is the default message."""

from __future__ import annotations


class HostingError(Exception):
    """The local host cannot do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])


class NotInstalled(HostingError):
    """A program that the local host needs is not installed."""


class DidNotStart(HostingError):
    """A child process ended, or was not ready in time."""


class BadSettings(HostingError):
    """host.json, local.settings.json or a setting of the environment is not valid."""


class IndexingError(HostingError):
    """The functions of the app cannot be indexed: Azure would serve none of them."""


class Stopped(HostingError):
    """It was told to stop."""
