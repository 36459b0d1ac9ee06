"""Serves the functions of an app folder on this machine, as the Functions host and the Python worker would together.

    python -m hosting.host --app DIR --home DIR --port N [--no-keys] [--grace SECONDS] [--when-stopping MODULE:FUNCTION]
        [--bind ADDRESS] [--certificate FILE --key FILE | --behind-proxy ADDRESS,…]

SIGHUP: read the certificate again. SIGTERM or SIGINT: stop accepting, let what runs end within the grace, exit 0. A
second one: exit at once.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import logging
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from hosting import logs
from hosting.errors import HostingError
from hosting.exposure import Exposure, read_proxies
from hosting.functions_host import DEFAULT_PORT, GRACE_SECONDS, FunctionsHost, Options, WhenStopping, bind
from hosting.hostjson import category_level, read_host_json
from hosting.indexing import index, load_app
from hosting.notify import notify, stay_alive
from hosting.settings import flag, merge, read_local_settings

_logger = logging.getLogger("Host.Startup")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; `port` is None when it is not given."""
    parser = argparse.ArgumentParser(prog="python -m hosting.host", description="Serve the functions of an app folder.")
    parser.add_argument("--app", type=Path, required=True, help="the folder with function_app.py and host.json")
    parser.add_argument("--home", type=Path, required=True, help="where the host keeps what survives a restart")
    parser.add_argument("--port", type=int, help=f"default: local.settings.json, else {DEFAULT_PORT}; 0 chooses one")
    add_exposure(parser)
    parser.add_argument("--no-keys", action="store_true", help="check no function keys: every caller is an admin")
    parser.add_argument("--grace", type=float, default=GRACE_SECONDS, help="seconds for what runs when told to stop")
    parser.add_argument(
        "--when-stopping",
        metavar="MODULE:FUNCTION",
        help="an async function of the app, called without arguments when told to stop: it may end what it holds open",
    )
    return parser.parse_args(argv)


def add_exposure(parser: argparse.ArgumentParser) -> None:
    """The options that say how the host is reached."""
    parser.add_argument("--bind", default="127.0.0.1", help="the address to listen on (default: this machine only)")
    parser.add_argument("--certificate", type=Path, help="the certificate and its chain, as PEM: serve https")
    parser.add_argument("--key", type=Path, help="its key, as PEM, without a password and at most of mode 0640")
    parser.add_argument(
        "--behind-proxy", metavar="ADDRESSES", help="the proxies that end TLS before this host; nobody else may connect"
    )


def exposure_of(arguments: argparse.Namespace) -> Exposure:
    """Those options, read. Raises HostingError."""
    proxies = read_proxies(arguments.behind_proxy) if arguments.behind_proxy is not None else ()
    return Exposure(arguments.bind, arguments.certificate, arguments.key, proxies)


def prepare(arguments: argparse.Namespace) -> tuple[FunctionsHost, socket.socket]:
    """Everything before serving: settings into the environment, the log, the app. Raises HostingError."""
    exposure = exposure_of(arguments)
    _open_as_many_files_as_allowed()
    app: Path = arguments.app.resolve()
    local = read_local_settings(app / "local.settings.json")
    settings = merge(os.environ, local)
    host_json = read_host_json(app, settings)
    logs.install(host_json.log_levels, flag("PYTHON_ENABLE_DEBUG_LOGGING", settings))
    sock = bind(exposure.bind, (local.port or DEFAULT_PORT) if arguments.port is None else arguments.port)
    settings |= {"AzureWebJobsScriptRoot": str(app), "WEBSITE_HOSTNAME": f"localhost:{sock.getsockname()[1]}"}
    settings.setdefault("AZURE_FUNCTIONS_ENVIRONMENT", "Development")
    os.environ.update(settings)
    _forget_start_folder()
    functions = index(load_app(app, settings))
    for function in functions:
        name = f"Function.{function.name}"
        logging.getLogger(name).setLevel(category_level(host_json.log_levels, name))
    home = arguments.home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    options = Options(
        home=home,
        exposure=exposure,
        check_keys=not arguments.no_keys,
        cors=local.cors,
        when_stopping=_named(arguments.when_stopping) if arguments.when_stopping else None,
    )
    return FunctionsHost(functions, settings, host_json, options), sock


def _named(name: str) -> WhenStopping:
    """The async function of that name. Raises HostingError."""
    try:
        found = pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise HostingError(f"--when-stopping {name}: {error}") from None
    if not inspect.iscoroutinefunction(found):
        raise HostingError(f"--when-stopping {name}: it must be an async function of the app, as MODULE:FUNCTION")
    return cast("WhenStopping", found)


def _forget_start_folder() -> None:
    """`python -m` put the folder it was started in first on the path; an app's modules come last, after packages."""
    start = str(Path.cwd())
    sys.path[:] = [each for each in sys.path if each not in ("", start)]


def _open_as_many_files_as_allowed() -> None:
    """Each open request is a file: raise the limit that is usual in shells, 1024, to what the system allows us."""
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS names a hard limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(host: FunctionsHost, sock: socket.socket, grace: float) -> None:
    """Serve until a signal, then end the process: 0 when told to, 1 when a part of the host died.

    It leaves by os._exit: a tidy end of the event loop would cancel handlers, and wait for threads that may never end.
    """
    told = asyncio.Event()

    def tell() -> None:
        if told.is_set():
            leave(0)
        told.set()

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, tell)
    if hasattr(signal, "SIGHUP") and host.certificate is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, host.certificate.reload)
    await host.start(sock)
    host.report()
    notify("READY=1")
    alive = asyncio.create_task(stay_alive())
    ends = [asyncio.create_task(event.wait()) for event in (told, host.failed)]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    left = await host.stop(grace)
    alive.cancel()
    if left:
        _logger.warning("%d invocations did not end within %g s and are cut off", left, grace)
    leave(1 if host.failed.is_set() else 0)


def leave(status: int) -> None:
    """End the process now, with everything written that was said."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


async def run(arguments: argparse.Namespace) -> None:
    """Prepare and serve: in one event loop, which the app may meet while it is imported."""
    host, sock = prepare(arguments)
    await serve(host, sock, arguments.grace)


def main(argv: Sequence[str] | None = None) -> int:
    """The program; answers its exit status if it cannot even start."""
    try:
        asyncio.run(run(parse_arguments(sys.argv[1:] if argv is None else argv)))
    except HostingError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
