"""CORS for a page from another origin, as `func start --cors` does it; on Azure the front end does."""

from __future__ import annotations

from collections.abc import Mapping

from multidict import CIMultiDict

from hosting.answers import SERVER, Answer
from hosting.settings import Cors


def _allowed(cors: Cors, origin: str) -> str | None:
    if "*" in cors.origins and not cors.credentials:
        return "*"
    return origin if "*" in cors.origins or origin in cors.origins else None


def preflight(cors: Cors, method: str, headers: Mapping[str, str]) -> Answer | None:
    """The answer to a preflight from a listed origin, whatever it wants to send; None for any other request."""
    origin, wanted = headers.get("Origin"), headers.get("Access-Control-Request-Method")
    if method != "OPTIONS" or not origin or not wanted or _allowed(cors, origin) is None:
        return None
    answer = Answer(204, CIMultiDict({"Server": SERVER, "Access-Control-Allow-Methods": wanted}), b"")
    if asked := headers.get("Access-Control-Request-Headers"):
        answer.headers["Access-Control-Allow-Headers"] = asked
    add_headers(cors, headers, answer)
    return answer


def add_headers(cors: Cors, headers: Mapping[str, str], answer: Answer) -> None:
    """Let the origin that asks read the answer, if it is listed."""
    origin = headers.get("Origin")
    allowed = _allowed(cors, origin) if origin else None
    if allowed is None:
        return
    answer.headers["Access-Control-Allow-Origin"] = allowed
    answer.headers["Vary"] = "Origin"
    if cors.credentials:
        answer.headers["Access-Control-Allow-Credentials"] = "true"
