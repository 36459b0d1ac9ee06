"""The hub over HTTP: one call for each route of the generated table, and its errors as exceptions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

from nexo_cli import store
from nexo_cli.api import Route
from nexo_cli.errors import Exit, NexoError, Problem
from nexo_cli.state import run
from nexo_cli.version import VERSION

if TYPE_CHECKING:
    import requests

Answer = TypeVar("Answer")
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 120.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Hub:
    """A hub, as who signed in."""

    def __init__(self, url: str, token: str | None) -> None:
        import requests

        self.url = checked_url(url)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": f"nexo/{VERSION}", "Accept": "application/json"})
        self._session.auth = _Bearer(token)  # said explicitly: else requests would look for one in ~/.netrc
        self.etag: str | None = None
        """Of the last answer."""

    def call(
        self,
        route: Route[Answer],
        *,
        body: Any = None,
        content: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **names: str,
    ) -> Answer:
        """What the route answers. `body` is sent as JSON, `content` as a zip; `names` go into its path.

        Raises `Problem`, `NexoError`.
        """
        path = route.path
        for name, value in names.items():
            if value.strip(".") == "":
                raise NexoError(f"{value!r} is no name", Exit.USAGE)
            path = path.replace(f"{{{name}}}", quote(value, safe=":"))
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        response = self._ask(route.method, path, content if body is None else body, asked, headers)
        self.etag = response.headers.get("ETag")
        if response.status_code == 204:
            return None  # type: ignore[return-value]  # routes that answer nothing are Route[None]
        return _document(response, self.url)  # type: ignore[no-any-return]

    def items(
        self, route: Route[Any], query: Mapping[str, Any] | None = None, *, most: int | None = None, **names: str
    ) -> Iterator[Any]:
        """All items of a list, page by page; at most so many."""
        cursor: str | None = None
        given = 0
        while True:
            page = self.call(route, query={**(query or {}), "cursor": cursor}, **names)  # type: ignore[arg-type]
            for each in page["items"]:
                if most is not None and given >= most:
                    return
                given += 1
                yield each
            cursor = page["cursor"]
            if cursor is None or (most is not None and given >= most):
                return

    def post_outside(self, url: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Post to a webhook's address, as its caller would: with no token."""
        response = self._send("POST", url, {"data": content, "headers": headers, "auth": _Bearer(None)})
        return response.status_code, response.text

    def _ask(
        self, method: str, path: str, body: Any, query: Mapping[str, Any], headers: Mapping[str, str] | None
    ) -> requests.Response:
        options: dict[str, Any] = {"params": query, "headers": dict(headers or {})}
        if isinstance(body, bytes):
            options["data"] = body
            options["headers"]["Content-Type"] = "application/zip"
        elif body is not None:
            options["data"] = json.dumps(body).encode()
            options["headers"]["Content-Type"] = "application/json"
        response = self._send(method, f"{self.url}{path}", options)
        if response.status_code >= 400:
            raise problem_of(response)
        if response.is_redirect:
            where = response.headers.get("Location", "elsewhere")
            raise NexoError(f"{self.url} sends on to {where}", hint="Sign in to that address: nexo login URL")
        return response

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> requests.Response:
        import requests

        try:
            return self._session.request(
                method, url, timeout=(CONNECT_SECONDS, ANSWER_SECONDS), allow_redirects=False, **options
            )
        except requests.exceptions.SSLError as error:
            hint = "A certificate of your own authority: set REQUESTS_CA_BUNDLE to its file"
            raise NexoError(f"{self.url} is not trusted: {_reason(error)}", Exit.UNAVAILABLE, hint=hint) from error
        except requests.RequestException as error:
            hint = "Is the address right, and the hub up? On this machine `make run` starts one."
            raise NexoError(f"no answer from {self.url}: {_reason(error)}", Exit.UNAVAILABLE, hint=hint) from error


class _Bearer:
    """Says who calls; says nothing when there is no token."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def hub() -> Hub:
    """The hub of this run. Raises `NexoError` if nobody is signed in."""
    found = store.find(run.hub)
    return Hub(found.url, found.token)


def checked_url(url: str) -> str:
    """Raises `NexoError` for what is no address of a hub, and where a token would go over the network in clear."""
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
        raise NexoError(f"{url} is no address of a hub, such as https://hub.example.com", Exit.USAGE)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise NexoError(
            f"{url} would send your token over the network in clear", Exit.USAGE, hint="Use its https address."
        )
    return parts.geturl().rstrip("/")


def problem_of(response: requests.Response) -> Problem:
    """What an error says. Not every one comes from the hub: a proxy before it answers in HTML."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or "detail" not in document:
        text = f"{response.status_code} {response.reason}, and not in the hub's words"
        return Problem(response.status_code, "", text, [], hint="Is there a proxy in between?")
    slug = str(document.get("type", "")).rpartition(":")[2]
    fields = [(str(each.get("field")), str(each.get("message"))) for each in document.get("errors") or []]
    return Problem(response.status_code, slug, str(document["detail"]), fields)


def _document(response: requests.Response, url: str) -> Any:
    try:
        return response.json()
    except ValueError:
        hint = "Is it the address of a Nexomatic hub, and not that of a page before it?"
        raise NexoError(f"{url} answered something that is not JSON", Exit.UNAVAILABLE, hint=hint) from None


def _reason(error: BaseException) -> str:
    """The innermost cause, which says it best."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]  # one of the two is there
    return str(error) or type(error).__name__
