"""What can go wrong, how it is said, and which exit code a script gets."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes. An event's end has its own, as those of `nexomatic-agent exec`."""

    OK = 0
    FAILED = 1
    """The event ended in ERROR, or what was asked could not be done."""
    USAGE = 2
    """The command line, or a file that it names, is not right."""
    WARNING = 3
    """The event ended in WARNING, or the hub is degraded."""
    NOT_ALLOWED = 4
    """Not signed in, or the role is not enough."""
    NOT_FOUND = 5
    CONFLICT = 6
    """The state of things does not allow it, or somebody else was first."""
    UNAVAILABLE = 7
    """The hub cannot be reached, or asks to come again later."""
    CHANGES = 8
    """`nexo plan --exit-code`: there is something to apply."""
    INTERRUPTED = 130


class NexoError(Exception):
    """Said on standard error, with the next step; then the command ends with its exit code."""

    def __init__(self, message: str, exit_code: Exit = Exit.FAILED, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.hint = hint


class Problem(NexoError):
    """The hub said no, in a problem document (RFC 9457), or something in between answered in its place."""

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        fields: list[tuple[str, str]],
        *,
        hint: str | None = None,
    ) -> None:
        super().__init__(detail, exit_code_of(status), hint=hint or _HINTS.get(slug))
        self.status = status
        self.slug = slug
        self.fields = fields


def exit_code_of(status: int) -> Exit:
    """For scripts: which of the codes stands for this answer."""
    if status in (401, 403):
        return Exit.NOT_ALLOWED
    if status in (404, 410):
        return Exit.NOT_FOUND
    if status in (409, 412):
        return Exit.CONFLICT
    if status in (429, 502, 503, 504, 507):
        return Exit.UNAVAILABLE
    return Exit.USAGE if status in (400, 413, 415) else Exit.FAILED


_HINTS = {
    "not-authenticated": "Sign in: nexo login",
    "not-allowed": "See who you are here with nexo whoami; another Admin can change your role: nexo users set-role",
    "changed": "Somebody else changed it after you had read it. Look at what is there now, and try again.",
    "conflict": "Somebody else was first. Look at what is there now, and try again.",
    "too-many": "A limit is reached. Try again later, or see docs/limits.md",
    "no-room": 'The disk of the hub\'s machine is nearly full: see the runbook "Storage is throttled or full".',
    "unavailable": "The hub's storage does not answer. It may have been done all the same: look, then repeat it.",
    "internal": "This is a bug of the hub. Its log says more.",
}
