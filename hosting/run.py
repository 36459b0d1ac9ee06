"""`make run`: the whole platform on this machine, until Ctrl-C.

Starts the hub (and Azurite, if asked), enrols and starts one sink, loads `examples/`, sends one webhook, prints what
came of it, and keeps everything running as a service manager would.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from hosting import examples
from hosting.azurite import Ports, azurite_command, connection_string
from hosting.demonstration import demonstrate
from hosting.errors import HostingError, Stopped
from hosting.hub_client import HubClient, address
from hosting.leash import leash
from hosting.our_app import OUR_APP
from hosting.ports import ReservedPort
from hosting.ready import Ready
from hosting.supervisor import ChildSpec, Supervisor

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_PORT = 7071
READY_SECONDS = 60.0
ADMIN = "admin"
"""The user whom a new platform has."""
SINK = "local"
TOLD_TO_STOP = 7
"""What an agent answers that the hub has told to stop."""
SINK_TYPE = "PYTHON:BASE"
PORT_SECONDS = 5.0
"""How long the hub of a platform that was killed may still hold its port: the kernel ends it, a moment later."""
NEXO = Path(sys.executable).parent / "nexo"
"""The command line, where `make` put it."""
STOP_SECONDS = 2
"""How long a stopping hub lets run what runs; nothing relies on an orderly end."""


@dataclass(frozen=True)
class Place:
    """Where this platform keeps its data, and where it listens."""

    home: Path
    port: int
    storage: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str], storage: str) -> Place:
        """From NEXOMATIC_HOME and NEXOMATIC_PORT. Raises `HostingError` for a port that is none."""
        port = environ.get("NEXOMATIC_PORT") or str(DEFAULT_PORT)
        if not port.isdecimal() or not 1 <= int(port) <= 65_535:
            raise HostingError("NEXOMATIC_PORT must be a port from 1 to 65535")
        home = Path(environ.get("NEXOMATIC_HOME") or ROOT / ".local").resolve()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(home, int(port), storage)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def agent_state(self) -> Path:
        return self.home / "sink"


@dataclass(frozen=True)
class FirstAdmin:
    """The user of a new platform, if they are there, and their first password, if they have it still."""

    user: str | None
    password: str | None = field(repr=False)

    def said(self) -> str:
        """In words, for the terminal of who started the platform."""
        if self.user is None:
            return "as a user of yours"
        if self.password is None:
            return f"as {self.user}, with the password you chose"
        return f"as {self.user}, password {self.password} (you change it when you first sign in)"


def main() -> int:
    """Run until told to stop. Exit code 1 with words when it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m hosting.run", description=__doc__)
    parser.add_argument(
        "--storage", choices=["embedded", "azurite"], default="embedded", help="where the hub keeps its data"
    )
    try:
        place = Place.from_env(os.environ, parser.parse_args().storage)
        with alone(place.home), ExitStack() as held:
            run(place, held)
    except Stopped:
        return 0
    except (HostingError, requests.RequestException) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """One platform in one folder at a time. Raises `HostingError` that says who is there already."""
    with (home / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise HostingError(f"{home} is in use by process {lock.read().strip()}: stop that one first") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def run(place: Place, held: ExitStack) -> None:
    """Start, show, and keep running; `held` keeps the ports. Raises `HostingError`, `Stopped`."""
    held.enter_context(ReservedPort(place.port, PORT_SECONDS))
    token = admin_token(place.home / "admin.token")
    ready = Ready(place.home / "ready.json", place.url, token)
    supervisor = Supervisor(place.home / "logs", ready.pids_changed)
    supervisor.handle_signals()
    try:
        start_hub(supervisor, place, token, held)
        client = HubClient(place.url, token)
        created = examples.load(client, examples.read(ROOT / "examples/configuration.yaml", place.home))
        start_sink(supervisor, place, client)
        admin = first_admin(client, place.home / "admin.password")
        show(place, client, created, admin)
        ready.write(admin.user, admin.password)
        supervisor.wait()
        print("stopping …")
    finally:
        ready.remove()
        supervisor.stop()


def admin_token(path: Path) -> str:
    """The admin's token, made at the first start."""
    return _kept(path, "nxt_")


def first_admin(client: HubClient, path: Path) -> FirstAdmin:
    """The user `admin`, who is made when the hub has no users yet; their password, until they have changed it."""
    password = _kept(path, "", 12)  # kept before it is used: a start that is killed in between must not lose it
    if not client.get("/api/users?limit=1")["items"]:
        client.post("/api/users", {"name": ADMIN, "role": "ADMIN", "password": password})
    known = client.get(address("users", ADMIN))
    if known is None:  # removed, by another admin
        return FirstAdmin(None, None)
    return FirstAdmin(ADMIN, password if known["must_change_password"] else None)


def event_grid_key(path: Path) -> str:
    """The system key by which Event Grid's deliveries are let in. On Azure the platform makes one."""
    return _kept(path, "")


def _kept(path: Path, prefix: str, size: int = 32) -> str:
    """So many random bytes as text, made once and kept for their owner alone."""
    if not path.exists():
        draft = path.with_suffix(".draft")  # a file that is there but empty would shut everybody out, for ever
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{prefix}{secrets.token_urlsafe(size)}\n")
        draft.replace(path)
    return path.read_text().strip()


def start_hub(supervisor: Supervisor, place: Place, token: str, held: ExitStack) -> None:
    """The storage, if it is a process of its own, and the hub; returns when the hub answers."""
    environ = {
        "NEXOMATIC_FRONT_END": "x-forwarded-for",  # where our own host writes the caller, unless a proxy is before it
        "host.systemKey.eventgrid_extension": event_grid_key(place.home / "eventgrid.key"),
        **os.environ,
        "NEXOMATIC_HOME": str(place.home),
        "NEXOMATIC_PUBLIC_URL": place.url,
        "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": hashlib.sha256(token.encode()).hexdigest(),
        "FUNCTIONS_WORKER_RUNTIME": "python",
    }
    if place.storage == "azurite":
        environ |= start_azurite(supervisor, place, held)
    command = [sys.executable, "-m", "hosting.host", "--app", str(ROOT), "--home", str(place.home / "host")]
    argv = [*command, "--port", str(place.port), "--grace", str(STOP_SECONDS), *OUR_APP]
    # Azurite writes to its disk every 5 s. Killed, it has forgotten the seconds since, and with them perhaps a table or
    # the row that makes an hour's events be listed; a hub that remembers those would never make them anew.
    supervisor.start(ChildSpec("hub", argv, environ, ROOT, f"{place.url}/api/health", stands_on="azurite"))
    supervisor.wait_ready("hub", READY_SECONDS)


def start_azurite(supervisor: Supervisor, place: Place, held: ExitStack) -> dict[str, str]:
    """Azurite with its data beside ours; what the hub must be told of it."""
    ports = Ports(*(held.enter_context(ReservedPort()).number for _ in Ports._fields))
    location = place.home / "azurite"
    location.mkdir(exist_ok=True)
    ready_url = f"tcp://127.0.0.1:{ports.table}"
    supervisor.start(ChildSpec("azurite", azurite_command(location, ports), dict(os.environ), ROOT, ready_url))
    supervisor.wait_ready("azurite", READY_SECONDS)
    return {
        "NEXOMATIC_STORAGE": "azure",
        "AzureWebJobsStorage": connection_string(ports),
        "NEXOMATIC_ROOT_KEY_FILE": str(shared_root_key(place.home / "root.key")),
    }


def shared_root_key(path: Path) -> Path:
    """The root key that the Azure engine does not make by itself: all its instances must share one."""
    from hub.root_key import make

    make(path)
    return path


def start_sink(supervisor: Supervisor, place: Place, client: HubClient) -> None:
    """Start the sink, enrolled first if hub and sink do not know each other yet; returns when it is online."""
    environ = {**os.environ, **agent_settings(place)}
    agent = [sys.executable, "-m", "nexomatic_agent"]
    enrolled_with = place.home / "sink.hub"
    known = client.get(address("sinks", SINK)) is not None
    # An agent gives its credential to the address it enrolled with and to no other, so a moved port enrols it anew.
    if not (known and enrolled_with.exists() and enrolled_with.read_text() == place.url):
        if known:
            client.delete(address("sinks", SINK))
        enrolment = client.post("/api/enrolments", {"sink_type": SINK_TYPE})
        enrol([*agent, "enroll", "--again"], {**environ, "NEXOMATIC_AGENT_TOKEN": enrolment["token"]})
        enrolled_with.write_text(place.url)
    supervisor.start(ChildSpec("sink", [*agent, "run"], environ, ROOT, None, final_status=TOLD_TO_STOP))
    client.wait(address("sinks", SINK), lambda sink: sink["state"] == "ONLINE", READY_SECONDS)


def enrol(command: list[str], environ: Mapping[str, str]) -> None:
    """Make the sink known to the hub. Raises HostingError.

    On a leash: left behind by a start that was killed, it would go on trying, and take the name from the next start.
    """
    leashed = leash(command)
    done = subprocess.run(leashed, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode != 0:
        raise HostingError(f"the sink could not be enrolled: {done.stderr.strip()}")


def agent_settings(place: Place) -> dict[str, str]:
    """What the sink is told; its modules are the examples and the user's own."""
    own = place.home / "modules"
    own.mkdir(exist_ok=True)
    return {
        "PYTHONPATH": str(ROOT / "agent"),
        "NEXOMATIC_AGENT_HUB": place.url,
        "NEXOMATIC_AGENT_NAME": SINK,
        "NEXOMATIC_AGENT_STATE": str(place.agent_state),
        "NEXOMATIC_AGENT_MODULES": os.pathsep.join([str(ROOT / "examples/modules"), str(own)]),
    }


def show(place: Place, client: HubClient, created: list[str], admin: FirstAdmin) -> None:
    """Send a real delivery through, and print what came of it and what to do next."""
    if created:
        print(f"loaded from examples/: {', '.join(created)}")
    print(f"\n{demonstrate(client)}")
    print(
        f"""hub       {place.url}
sign in   {admin.said()}
token     {place.home / "admin.token"} (role Admin)
data      {place.home}
logs      {place.home / "logs"}

try       {NEXO} login --local {place.home}
          {NEXO} fire MACHINE_REPORT --wait
          {NEXO} events list
stop      Ctrl-C""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
