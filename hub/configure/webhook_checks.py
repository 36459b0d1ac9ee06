"""What a webhook must say beyond its shape: verification, deduplication, networks. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.errors import FieldError, Invalid
from hub.model.configuration import WebhookSource
from hub.model.verification import BODY, TIMESTAMP, Dedupe, GenericHmac, NoVerification, Shared, Verification
from hub.rules import expressions
from hub.rules.networks import network_errors

TAKEN_HEADERS: Final = frozenset({"content-type", "content-length", "content-encoding", "host", "traceparent"})
"""What the hub itself reads in a request: no names for a secret."""
TAKEN_QUERY: Final = frozenset({"code", "wait"})
"""The Functions host's key, and how long a caller waits: no names for a secret."""


def check_webhook(document: WebhookSource, *, front_end: bool) -> Iterator[FieldError]:
    """Everything that is wrong with it. `front_end`: a setting names who tells the hub its callers' addresses."""
    yield from _verification(document.verify)
    if document.dedupe is not None:
        yield from _dedupe(document.dedupe)
    yield from network_errors(document.networks, front_end=front_end)


def _verification(verify: Verification) -> Iterator[FieldError]:
    if isinstance(verify, NoVerification):
        return
    if verify.previous_secret is not None and verify.previous_secret.casefold() == verify.secret.casefold():
        yield FieldError("verify.previous_secret", "is the same as secret; null is allowed, or another secret")
    header = getattr(verify, "header", None)
    if header is not None and header.lower() in TAKEN_HEADERS:
        yield FieldError("verify.header", f"cannot be {header}, which means something else")
    if isinstance(verify, Shared):
        yield from _shared(verify)
    elif isinstance(verify, GenericHmac):
        yield from _signed(verify)


def _shared(verify: Shared) -> Iterator[FieldError]:
    if (verify.header is None) == (verify.query is None):
        yield FieldError("verify.header", "give header or query, one of the two: where the secret is sent")
    if verify.query is not None and verify.query.casefold() in TAKEN_QUERY:
        yield FieldError("verify.query", f"cannot be {' or '.join(sorted(TAKEN_QUERY))}, which mean something else")


def _signed(verify: GenericHmac) -> Iterator[FieldError]:
    rest = verify.signs.replace(BODY, "").replace(TIMESTAMP, "")
    if verify.signs.count(BODY) != 1 or verify.signs.count(TIMESTAMP) > 1 or "{" in rest or "}" in rest:
        what = f"holds {BODY} once, {TIMESTAMP} at most once, and no other braces, such as {TIMESTAMP}.{BODY}"
        yield FieldError("verify.signs", what)
    if TIMESTAMP in verify.signs and verify.timestamp_header is None:
        yield FieldError("verify.timestamp_header", f"is needed: signs holds {TIMESTAMP}")
    if TIMESTAMP not in verify.signs and verify.timestamp_header is not None:
        what = f"does not hold {TIMESTAMP}: a timestamp that is not signed proves nothing"
        yield FieldError("verify.signs", what)


def _dedupe(dedupe: Dedupe) -> Iterator[FieldError]:
    if (dedupe.header is None) == (dedupe.path is None):
        yield FieldError("dedupe.header", "give header or path, one of the two: what tells deliveries apart")
    if dedupe.path is not None:
        try:
            expressions.check(dedupe.path)
        except Invalid as error:
            yield FieldError("dedupe.path", str(error))
