"""Composes the host of one app: its functions, routes, timers, queues, and the web server in front."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import random
import socket
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from aiohttp import web

from hosting.admin import Admin
from hosting.certificate import Certificate
from hosting.errors import HostingError
from hosting.eventgrid import EventGrid
from hosting.exposure import Exposure
from hosting.hostjson import HostJson
from hosting.indexing import QUEUE, TIMER, IndexedFunction
from hosting.invocations import Invocations
from hosting.keys import keys_from
from hosting.protocol import Server
from hosting.requests import BODY_LIMIT_SETTING, DEFAULT_BODY_LIMIT
from hosting.retries import retry_policy, run_with_retries
from hosting.routes import build_routes
from hosting.settings import Cors, flag, is_disabled, number
from hosting.throttle import Throttle
from hosting.timers import Clock, SystemClock, Timer, make_timer
from hosting.watchdog import Watchdog
from hosting.web import Front, Limits

if TYPE_CHECKING:
    from hosting.queue_listener import Listener
    from hosting.queues import Queues

WhenStopping: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
DEFAULT_PORT = 7071
GRACE_SECONDS = 5.0  # for running invocations, when the host is told to stop
HTTP_SECONDS = 230.0
FLUSH_SECONDS = 1.0  # for answers that are being written when the grace is over
LINGER_SECONDS = 2.0  # for who is still sending a body that was refused: a reset would lose the answer
THREADS_SETTING = "PYTHON_THREADPOOL_THREAD_COUNT"
# What Kestrel accepts: a request line of 8 KiB, 32 KiB of headers, 100 of them.
_LINE_BYTES, _HEADER_BYTES, _HEADERS = 8192, 32768, 100

_logger = logging.getLogger("Host.Startup")


class _Demote(logging.Filter):
    """What aiohttp calls an error is a caller's: nonsense instead of HTTP, or a connection that breaks."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.DEBUG, "DEBUG"
        if record.exc_info and record.exc_info[1] is not None:  # its words quote the request, whatever is in it
            record.msg, record.args = f"{record.getMessage()}: {type(record.exc_info[1]).__qualname__}", ()
            record.exc_info = None
        return True


_protocol_logger = logging.getLogger("Host.Web.Protocol")
_protocol_logger.addFilter(_Demote())


@dataclass(frozen=True, slots=True)
class Options:
    """How to host an app. `home` keeps what must survive a restart; port 0 lets the system choose. Times: seconds."""

    home: Path
    port: int = DEFAULT_PORT
    exposure: Exposure = field(default_factory=Exposure)
    check_keys: bool = True
    cors: Cors = field(default_factory=Cors)
    http_seconds: float = HTTP_SECONDS
    when_stopping: WhenStopping | None = None
    """What of the app is told that the host stops, and may take as long as what else runs."""
    clock: Clock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)


class FunctionsHost:
    """Hosts indexed functions in the running event loop. `async with` starts and stops it.

    Making one raises IndexingError or BadSettings, naming function or setting, for an app that cannot be served.
    """

    def __init__(
        self, functions: Iterable[IndexedFunction], settings: Mapping[str, str], host_json: HostJson, options: Options
    ) -> None:
        self._options = options
        self._host_json = host_json
        self.functions = tuple(replace(each, disabled=is_disabled(each.name, settings)) for each in functions)
        self.routes = build_routes(self.functions, host_json.http.route_prefix)
        self._keys = keys_from(settings, options.check_keys)
        self._queues = self._make_queues(settings)
        threads = number(THREADS_SETTING, settings, min(32, (os.cpu_count() or 1) + 4))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self.invocations = Invocations(self._pool, self._queues.send if self._queues else None)
        self._timers = self._make_timers(settings)
        self._listeners = self._make_listeners()
        self._front = self._make_front(settings)
        self._watchdog = self._make_watchdog()
        self._background: list[asyncio.Task[None]] = []
        self._site: web.SockSite | None = None
        self._socket: socket.socket | None = None
        self.certificate = _certificate(options.exposure)
        self._server: web.Server | None = None
        self.failed = asyncio.Event()

    # --- making ------------------------------------------------------------------------------------------------------

    def _make_timers(self, settings: Mapping[str, str]) -> list[Timer]:
        timers = []
        for function in self.functions:
            retry_policy(function)  # a bad one is better found now than at the first failure
            if function.kind == TIMER:
                run = partial(self._run_timer, function)
                timers.append(make_timer(function, settings, self._options.home / "timers", run, self._options.clock))
        return timers

    async def _run_timer(self, function: IndexedFunction, trigger: object) -> None:
        await run_with_retries(self.invocations, function, trigger, self._options.clock, self._options.rng)

    def _make_queues(self, settings: Mapping[str, str]) -> Queues | None:
        """Only for an app that has queues: loading the Azure SDK takes a good part of a start."""
        outputs = [
            (each, function) for function in self.functions for each in function.bindings if each.type == "queue"
        ]
        if not outputs and not any(function.kind == QUEUE for function in self.functions):
            return None
        from hosting.queues import Queues

        queues = Queues(settings, self._host_json.queues)
        for binding, function in outputs:
            queues.check_output(binding, function.name)
        return queues

    def _make_listeners(self) -> list[Listener]:
        if self._queues is None:
            return []
        return [
            self._queues.listener(function, self.invocations, self._options.clock, self._options.rng)
            for function in self.functions
            if function.kind == QUEUE
        ]

    def _make_front(self, settings: Mapping[str, str]) -> Front:
        enabled = [function for function in self.functions if not function.disabled]
        return Front(
            routes=self.routes,
            keys=self._keys,
            invocations=self.invocations,
            event_grid=EventGrid(enabled, self.invocations),
            admin=self._make_admin(),
            limits=Limits(number(BODY_LIMIT_SETTING, settings, DEFAULT_BODY_LIMIT), self._options.http_seconds),
            throttle=Throttle(self._host_json.http),
            cors=self._options.cors,
            has_homepage=not flag("AzureWebJobsDisableHomepage", settings),
            exposure=self._options.exposure,
        )

    def _make_admin(self) -> Admin:
        return Admin(
            host_id="local" + hashlib.sha256(str(self._options.home).encode()).hexdigest()[:12],
            instance_id=uuid.uuid4().hex,
            host_json=self._host_json,
            functions={function.name.lower(): function for function in self.functions},
            timers={timer.function.name.lower(): timer for timer in self._timers},
            errors=self.routes.errors,
            invocations=self.invocations,
            started_at=time.monotonic(),
        )

    def _make_watchdog(self) -> Watchdog | None:
        timeout = self._host_json.function_timeout
        return None if timeout is None else Watchdog(self.invocations.started, timeout)

    # --- living ------------------------------------------------------------------------------------------------------

    async def start(self, sock: socket.socket | None = None) -> None:
        """Begin to serve, on a bound socket if one is given; then start timers and queue listeners."""
        self._server = Server(
            self._front.handle,
            auto_decompress=False,  # the bytes of a body are what a signature was made over
            access_log=None,  # addresses hold keys
            logger=_protocol_logger,
            lingering_time=LINGER_SECONDS,
            max_line_size=_LINE_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
        )
        runner = web.ServerRunner(self._server)
        await runner.setup()
        self._socket = sock or bind(self._options.exposure.bind, self._options.port)
        context = self.certificate.context if self.certificate else None
        self._site = web.SockSite(runner, self._socket, ssl_context=context)
        await self._site.start()
        if self.certificate:
            self._keep(self.certificate.watch(), "certificate")
        if self._watchdog:
            self._watchdog.start()
        for timer in self._timers:
            if not timer.function.disabled:
                self._keep(timer.run(), f"timer {timer.function.name}")
        for listener in self._listeners:
            if not listener.function.disabled:
                self._keep(listener.run(), f"queue {listener.function.name}")

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        assert self._socket is not None, "not started"
        host, port = self._socket.getsockname()[:2]
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        task.add_done_callback(self._background_ended)
        self._background.append(task)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """A timer or listener that dies must not leave a host that looks alive."""
        if not task.cancelled() and (error := task.exception()):
            _logger.critical("%s ended", task.get_name(), exc_info=error)
            self.failed.set()

    async def stop(self, grace: float = GRACE_SECONDS) -> int:
        """Stop accepting, wait up to `grace` seconds for what runs; answers how many still run then."""
        self._front.stopping = True
        if self._site is not None:
            await self._site.stop()
        if self._server is not None:
            self._server.pre_shutdown()  # closes what is idle
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._options.when_stopping is not None:
            self.invocations.track(asyncio.create_task(self._tell_app(self._options.when_stopping)))
        left = await self.invocations.drain(grace)
        if self._server is not None:
            await self._server.shutdown(FLUSH_SECONDS)
        if self._watchdog and self._site is not None:
            self._watchdog.stop()
        for listener in self._listeners:
            await listener.close()
        if self._queues is not None:
            await self._queues.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        return left

    async def _tell_app(self, when_stopping: WhenStopping) -> None:
        try:
            await when_stopping()
        except Exception:
            _logger.exception("the app failed when it was told that the host stops")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def report(self) -> None:
        """Say in the log what is served, and what will not work."""
        for name, error in self.routes.errors.items():
            _logger.error("The '%s' function is in error: %s", name, error)
        for route in self.routes.routes:
            if not self._keys.can_open(route.function.name, route.level):
                _logger.warning(
                    "no key opens function %s (level %s): set host.master or host.function.default",
                    route.function.name,
                    route.level.name.lower(),
                )
        served = ", ".join(f"{each.name} ({each.kind.removesuffix('Trigger')})" for each in self.functions)
        _logger.info("serving %s: %s", self.url, served)


def _certificate(exposure: Exposure) -> Certificate | None:
    if exposure.certificate is None or exposure.key is None:
        return None
    return Certificate(exposure.certificate, exposure.key)


def bind(address: str, port: int) -> socket.socket:
    """A bound socket; raises HostingError if the port is taken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        sock.close()
        raise HostingError(f"cannot listen on {address} port {port}: {error.strerror}") from error
    return sock
