"""Speaks the hub's public HTTP API for the local platform: what an admin would do with curl."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import requests

from hosting.errors import HostingError

TIMEOUT_SECONDS = 30
_POLL_SECONDS = 0.05


class Refused(HostingError):
    """The hub refused a call."""


class HubClient:
    """Calls with an admin's token. Raises `Refused` with the hub's own words."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        """The document at an address; None if there is nothing."""
        answer = self._session.get(self.url + path, timeout=TIMEOUT_SECONDS)
        return None if answer.status_code == 404 else _read(answer)

    def put(self, path: str, document: Any) -> Any:
        return _read(self._session.put(self.url + path, json=document, timeout=TIMEOUT_SECONDS))

    def post(self, path: str, document: Any) -> Any:
        return _read(self._session.post(self.url + path, json=document, timeout=TIMEOUT_SECONDS))

    def delete(self, path: str) -> None:
        answer = self._session.delete(self.url + path, timeout=TIMEOUT_SECONDS)
        if answer.status_code != 404:
            _read(answer)

    def deliver(self, webhook: str, body: bytes, headers: dict[str, str]) -> Any:
        """Post to a webhook as its caller would: without any token."""
        return _read(requests.post(webhook, data=body, headers=headers, timeout=TIMEOUT_SECONDS))

    def wait(self, path: str, until: Callable[[Any], bool], seconds: float) -> Any:
        """The document at an address once `until` says yes; a hub that is away meanwhile is asked again.

        Raises `HostingError` after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                document = self.get(path)
            except requests.RequestException as error:
                document = error
            else:
                if document is not None and until(document):
                    return document
            if time.monotonic() > deadline:
                raise HostingError(f"{path} did not come to what was waited for within {seconds:g} s: {document}")
            time.sleep(_POLL_SECONDS)


def address(kind: str, name: str) -> str:
    """The address of a configuration document."""
    return f"/api/{kind}/{quote(name, safe='')}"


def _read(answer: requests.Response) -> Any:
    if answer.ok:
        return answer.json() if answer.content else None
    try:
        problem = answer.json()
        fields = "".join(f"\n  {each['field']}: {each['message']}" for each in problem.get("errors", []))
        words = f"{problem.get('detail') or problem.get('title')}{fields}"
    except (requests.JSONDecodeError, AttributeError, KeyError, TypeError):
        words = answer.text[:500]
    raise Refused(f"{answer.request.method} {answer.request.path_url.partition('?')[0]}: {answer.status_code} {words}")
