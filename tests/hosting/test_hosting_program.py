"""`python -m hosting.host`: a process of its own, from its first line to its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.certificates import write_pair
from tests.hosting.support import PATIENCE_SECONDS, Reply, ask

pytestmark = pytest.mark.processes

HOST_JSON = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
APP = """
    import asyncio, logging, os, sys, time
    import azure.functions as func
    print("imported")
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route("hello")
    async def hello(req: func.HttpRequest) -> func.HttpResponse:
        logging.info("said hello")
        return func.HttpResponse(f"{os.getcwd()} {os.environ.get('GREETING')} {sys.path[-1]}")

    @app.route("slow")
    async def slow(req: func.HttpRequest) -> func.HttpResponse:
        print("started", flush=True)
        await asyncio.sleep(float(req.params["seconds"]))
        return func.HttpResponse("done")

    @app.route("blocked")
    async def blocked(req: func.HttpRequest) -> func.HttpResponse:
        print("started", flush=True)
        time.sleep(3600)
        return func.HttpResponse()

    @app.route("stuck")
    def stuck(req: func.HttpRequest) -> func.HttpResponse:
        print("started", flush=True)
        time.sleep(3600)
        return func.HttpResponse()

    told = asyncio.Event()

    @app.route("held")
    async def held(req: func.HttpRequest) -> func.HttpResponse:
        print("started", flush=True)
        await told.wait()
        return func.HttpResponse("let go")

    async def let_go() -> None:
        told.set()

    async def fail() -> None:
        raise RuntimeError("it is broken")

    @app.route("exit")
    async def leaves(req: func.HttpRequest) -> func.HttpResponse:
        sys.exit(7)

    @app.route("locked", auth_level=func.AuthLevel.FUNCTION)
    async def locked(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse("in")
"""


class Program:
    """A running host, its lines so far, and where it serves."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.url = ""

    async def line(self, pattern: str) -> re.Match[str]:
        """Read on to the next line that fits."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while raw := await self.process.stdout.readline():
                self.lines.append(raw.decode().rstrip("\n"))
                if match := re.search(pattern, self.lines[-1]):
                    return match
        raise AssertionError(f"no line fits {pattern!r}: {self.lines}")

    async def ends(self) -> int:
        """Read to the end; answers the exit status."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            while raw := await self.process.stdout.readline():
                self.lines.append(raw.decode().rstrip("\n"))
            return await self.process.wait()

    async def ask(self, target: str) -> Reply:
        return await ask(self.url, target)

    async def refuses(self) -> None:
        """Wait until it takes no more connections."""
        parts = urlsplit(self.url)
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    _, writer = await asyncio.open_connection(parts.hostname, parts.port)
                    writer.close()
                    await asyncio.sleep(0.01)


def write_app(folder: Path, source: str = APP, host_json: dict[str, Any] | None = None) -> Path:
    app = folder / "app"
    app.mkdir()
    (app / "function_app.py").write_text(textwrap.dedent(source))
    (app / "host.json").write_text(json.dumps(host_json or HOST_JSON))
    return app


@asynccontextmanager
async def program(
    app: Path,
    *arguments: str,
    ready: bool = True,
    env: Mapping[str, str] = MappingProxyType({}),
    under: Sequence[str] = (),
) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        *(
            *under,
            sys.executable,
            "-m",
            "hosting.host",
            "--app",
            str(app),
            "--home",
            str(app.parent / "home"),
            "--port",
            "0",
        ),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **env},
    )
    running = Program(process)
    try:
        if ready:
            running.url = (await running.line(r"serving (http://[\d.:]+):")).group(1)
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()  # type: ignore[attr-defined] # or it is closed too late, with a warning


async def test_more_requests_are_open_at_once_than_a_shell_allows_files(tmp_path: Path) -> None:
    """The usual soft limit is 1024; here it is 100, of which the host needs some for itself."""
    with_few_files = ("sh", "-c", 'ulimit -Sn 100; exec "$@"', "sh")
    async with program(write_app(tmp_path), under=with_few_files) as running:
        replies = await asyncio.gather(*(running.ask("/slow?seconds=2") for _ in range(150)))
    assert [reply.status for reply in replies] == [200] * 150


async def test_it_serves_says_so_and_exits_0_when_told_to(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    (app / "local.settings.json").write_text(json.dumps({"Values": {"GREETING": "hi"}}))
    async with program(app) as running:
        assert (await running.ask("/hello")).text == f"{app} hi {app}"
        assert (await running.ask("/admin/host/ping")).status == 200
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
    text = "\n".join(running.lines)
    assert "imported" in text
    assert "WARNING Host.Startup no key opens function locked (level function)" in text
    assert re.search(r"INFO    Function\.hello\.User#[0-9a-f]{8} said hello", text)
    assert "Executing" not in text


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_what_runs_ends_within_the_grace(tmp_path: Path, signal_number: int) -> None:
    async with program(write_app(tmp_path), "--grace", "30") as running:
        asking = asyncio.create_task(running.ask("/slow?seconds=0.3"))
        await running.line("started")
        running.process.send_signal(signal_number)
        assert (await asking).text == "done"
        assert await running.ends() == 0


@pytest.mark.parametrize("target", ["/slow?seconds=3600", "/stuck"])
async def test_what_does_not_end_is_cut_off(tmp_path: Path, target: str) -> None:
    async with program(write_app(tmp_path), "--grace", "0.1") as running:
        asking = asyncio.create_task(running.ask(target))
        await running.line("started")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
        await asyncio.wait((asking,))
    assert "1 invocations did not end within 0.1 s" in "\n".join(running.lines)


async def test_the_app_is_told_and_can_end_what_it_holds_open(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    async with program(app, "--grace", "3600", "--when-stopping", "function_app:let_go") as running:
        asking = asyncio.create_task(running.ask("/held"))
        await running.line("started")
        running.process.send_signal(signal.SIGTERM)
        assert (await asking).text == "let go"
        assert await running.ends() == 0


async def test_an_app_that_fails_when_it_is_told_is_stopped_all_the_same(tmp_path: Path) -> None:
    async with program(write_app(tmp_path), "--when-stopping", "function_app:fail") as running:
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
    assert "RuntimeError: it is broken" in "\n".join(running.lines)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("function_app:nothing", "has no attribute 'nothing'"),
        ("nowhere:let_go", "No module named 'nowhere'"),
        ("function_app:HOST", "it must be an async function"),
        ("function_app:os.getcwd", "it must be an async function"),
    ],
)
async def test_it_must_name_an_async_function(tmp_path: Path, name: str, why: str) -> None:
    app = write_app(tmp_path, "HOST = 1\n" + textwrap.dedent(APP))
    async with program(app, "--when-stopping", name, ready=False) as running:
        assert await running.ends() == 2
    assert "cannot start: --when-stopping" in running.lines[-1]
    assert why in running.lines[-1]


async def test_a_hangup_reads_the_certificate_again(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "one")
    options = ("--certificate", str(certificate), "--key", str(key))
    async with program(write_app(tmp_path), *options, ready=False) as running:
        await running.line(r"serving https://127\.0\.0\.1:")
        running.process.send_signal(signal.SIGHUP)
        await running.line("INFO    Host.Certificate the certificate .* was read again")
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with program(write_app(tmp_path), "--grace", "3600") as running:
        asking = asyncio.create_task(running.ask("/slow?seconds=3600"))
        await running.line("started")
        running.process.send_signal(signal.SIGTERM)
        await running.refuses()  # two signals at the same time are one
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends() == 0
        await asyncio.wait((asking,))


@pytest.mark.parametrize("target", ["/slow?seconds=3600", "/blocked"])
async def test_a_function_past_its_timeout_ends_the_process(tmp_path: Path, target: str) -> None:
    app = write_app(tmp_path, host_json={**HOST_JSON, "functionTimeout": "00:00:01"})
    async with program(app) as running:
        asking = asyncio.create_task(running.ask(target))
        assert await running.ends() == 3
        await asyncio.wait((asking,))
    assert "Timeout value of 1 s exceeded by function" in "\n".join(running.lines)


async def test_sys_exit_in_a_handler_ends_the_process(tmp_path: Path) -> None:
    async with program(write_app(tmp_path)) as running:
        asking = asyncio.create_task(running.ask("/exit"))
        assert await running.ends() == 7
        await asyncio.wait((asking,))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere", "importing function_app.py failed: ModuleNotFoundError"),
        (APP.replace("req: func.HttpRequest", "request", 1), "function hello: these parameters are no binding"),
    ],
)
async def test_an_app_that_cannot_be_served_is_refused_with_the_reason(
    tmp_path: Path, source: str, reason: str
) -> None:
    async with program(write_app(tmp_path, source), ready=False) as running:
        assert await running.ends() == 2
    assert reason in "\n".join(running.lines)


async def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    async with program(app) as running:
        port = running.url.rsplit(":", 1)[1]
        async with program(app, "--port", port, ready=False) as other:
            assert await other.ends() == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in "\n".join(other.lines)


async def test_keys_come_from_settings_and_are_not_in_the_log(tmp_path: Path) -> None:
    app = write_app(tmp_path)
    async with program(app, env={"host.function.default": "secret"}) as running:
        assert (await running.ask("/locked")).status == 401
        assert (await running.ask("/locked?code=secret")).status == 200
    assert "secret" not in "\n".join(running.lines)


async def test_host_json_may_ask_for_the_hosts_own_lines(tmp_path: Path) -> None:
    levels = {"logging": {"logLevel": {"default": "Warning", "Function.hello": "Debug", "Host.Startup": "Information"}}}
    async with program(write_app(tmp_path, host_json={**HOST_JSON, **levels})) as running:
        await running.ask("/hello")
        executing = await running.line(r"DEBUG   Function\.hello Executing 'Functions\.hello' \(Reason='.*', Id=(.*)\)")
        await running.line(
            rf"DEBUG   Function\.hello Executed .* \(Succeeded, Id={executing.group(1)}, Duration=\d+ms\)"
        )


async def test_modules_of_the_folder_it_is_started_in_are_not_the_apps(tmp_path: Path) -> None:
    source = textwrap.dedent(APP) + "\nimport functions\nassert functions.WHOSE == 'the app'\n"
    app = write_app(tmp_path, source)
    (app / "functions.py").write_text("WHOSE = 'the app'")
    async with program(app) as running:  # started in the repository, which has a package of that name
        assert (await running.ask("/hello")).status == 200
