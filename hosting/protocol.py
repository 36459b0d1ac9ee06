"""The web server below the host: what it says of itself to who does not speak HTTP is a status and nothing else.

aiohttp would quote the line that it could not read, to the caller and in the log; Azure's server says nothing.
"""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from hosting.answers import plain_answer, to_response


class Protocol(RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - what would be quoted
    ) -> web.StreamResponse:
        """A bare status; the connection is at its end."""
        what = type(exc).__qualname__ if isinstance(exc, HttpProcessingError) else "an error"
        self.log_debug("a request from %s could not be read: %s", request.remote, what)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer has been sent")
        response = to_response(plain_answer(status), is_http_1_1=True)
        response.force_close()
        return response


class Server(web.Server):
    """Makes one for each connection."""

    def __call__(self) -> RequestHandler:
        return Protocol(self, loop=self._loop, **self._kwargs)
