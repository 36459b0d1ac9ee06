"""Signing in by way of the browser (RFC 8252 with PKCE): the hub asks there, and sends the browser back to here.

What comes back is a code. It opens nothing without the verifier, which is drawn here and goes to the hub alone; so it
does not matter who else on this machine sees the address in the browser or listens to what comes back.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import re
import secrets
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from nexo_cli import api, output
from nexo_cli.client import Hub
from nexo_cli.errors import Exit, NexoError

WAIT_SECONDS: Final = 180.0
MOST_CODE: Final = 2000
_STALLED_SECONDS: Final = 10
"""So long a connection may say nothing; browsers open some that they do not use."""
_CODE: Final = re.compile(r"[A-Za-z0-9._-]+")
_PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>nexo</title>
<h1>{}</h1>
<p>How it went on, nexo says in its terminal. You can close this page.</p>
</html>
"""
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Connection": "close",
}


def signed_in(url: str, machine: str) -> str:
    """An access token for who allows it in the browser. Raises `NexoError`, `Problem`."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    with listening(challenge) as answer:
        asked = urlencode({"port": answer.port, "challenge": challenge, "name": machine})
        address = f"{url}/api/session/nexo?{asked}"
        output.note("Allow it in the browser of this machine, within three minutes, at")
        output.note(address)
        # It may be a browser in this very terminal, which is waited for; the answer comes meanwhile.
        threading.Thread(target=_open, args=(address,), daemon=True).start()
        code = answer.code(WAIT_SECONDS)
    made = Hub(url, None).call(api.POST_SESSION_NEXO, body={"code": code, "verifier": verifier})
    return made["token"]


def _open(address: str) -> None:
    try:
        opened = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        output.note("No browser could be started here: open the address yourself.")


class Answer:
    """The one answer that is waited for. `state`: what shows that it is to this question."""

    def __init__(self, state: str) -> None:
        self.port = 0
        self._state = state
        self._came = threading.Event()
        self._lock = threading.Lock()
        self._code: str | None = None

    def take(self, target: str) -> str | None:
        """Take what a browser asks for, if it is the answer: then what to say to it; else None."""
        found = answer_in(target, self._state)
        if found is None:
            return None
        with self._lock:
            if self._code is not None:
                return None
            self._code = found
        return "nexo has your answer: yes" if found else "nexo has your answer: no"

    def told(self) -> None:
        """The browser was told, so that nexo may go on, and end."""
        self._came.set()

    def code(self, seconds: float) -> str:
        """The code. Raises `NexoError` for a no, and when nothing came for so long."""
        if not self._came.wait(seconds):
            hint = "Where no browser is, or it is on another machine: nexo login --token, or --user NAME"
            raise NexoError("nobody allowed it in three minutes", Exit.NOT_ALLOWED, hint=hint)
        if not self._code:
            raise NexoError("it was denied in the browser", Exit.NOT_ALLOWED)
        return self._code


def answer_in(target: str, state: str) -> str | None:
    """The code in what a browser asks for; empty: it was denied; None: it is not the answer to this question."""
    parts = urlsplit(target)
    if parts.path != "/" or parts.netloc or len(target) > MOST_CODE:
        return None
    said = parse_qs(parts.query, keep_blank_values=True)
    if any(len(each) != 1 for each in said.values()):
        return None
    given = said.get("state", [""])[0]
    if not hmac.compare_digest(given.encode(errors="surrogateescape"), state.encode()):
        return None
    if set(said) == {"state", "error"}:
        return ""
    if set(said) == {"state", "code"} and _CODE.fullmatch(code := said["code"][0]):
        return code
    return None


@contextmanager
def listening(state: str) -> Iterator[Answer]:
    """Listens on this machine alone, at a free port, meanwhile."""
    answer = Answer(state)

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = _STALLED_SECONDS
        server_version, sys_version = "nexo", ""

        def do_GET(self) -> None:
            # Another name than this address would be a page that has its own name lead here.
            here = self.headers.get_all("Host") == [f"127.0.0.1:{answer.port}"]
            said = answer.take(self.path) if here else None
            content = b"" if said is None else _PAGE.format(said).encode()
            try:
                self.send_response(404 if said is None else 200)
                for name, value in _HEADERS.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            finally:
                if said is not None:
                    answer.told()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            """Nothing: the code stands in the address."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A browser that goes away has no need to be told of."""

    server = Server(("127.0.0.1", 0), Handler)
    answer.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield answer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
