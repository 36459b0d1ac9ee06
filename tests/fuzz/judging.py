"""What an answer to a fuzzed request may be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from tests.fuzz.drawing import Sent
from tests.fuzz.senders import SECRET

_NEVER = (b"Traceback", b'File "', SECRET.encode(), b"RuntimeError", b"ValidationError", b"site-packages")


def wrong_with(sent: Sent, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """What is wrong with this answer; None: nothing. Header names in lower case."""
    if not (200 <= status < 300 or 400 <= status < 500):
        return f"{status} for {sent!r:.2000}\n{body!r:.500}"
    if status == 429 and not headers.get("retry-after", "").isdigit():
        return f"429 without Retry-After for {sent!r:.2000}"
    # A challenge answers what came with it, and so does nothing else.
    if sent.kind != "agent secrets" and any(each in body for each in _NEVER):
        return f"an answer says too much: {body!r:.500} for {sent!r:.2000}"
    if status >= 400 and body:
        try:
            document = json.loads(body)
        except ValueError:
            return f"{status} that is no document: {body!r:.500} for {sent!r:.2000}"
        if document["status"] != status:
            return f"{status} says {document['status']}"
    return None


def reached(counts: Counter[tuple[str, int]]) -> str | None:
    """What was not reached: each kind must have been let in, and refused in several ways."""
    for kind in ("webhook", "agent poll", "agent renew", "agent logs", "sign-in", "status", "event grid"):
        statuses = {status for each, status in counts if each == kind}
        if not any(status < 300 for status in statuses) or (len(statuses) < 2 and kind != "event grid"):
            return f"{kind} was answered {sorted(statuses)} alone"
    return None
