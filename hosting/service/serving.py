"""`nexomatic-hub serve`: the hub in this process, as the settings say, until a signal says to stop."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from hosting import host
from hosting.errors import HostingError
from hosting.exposure import Exposure
from hosting.our_app import OUR_APP
from hosting.service import first_admin
from hosting.service.account import become_owner
from hosting.service.layout import Layout, environment
from hub.rules.cookies import is_loopback
from hub.settings import Settings

APP = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 7071
GRACE_SECONDS = 5.0
"""For what runs when it is told to stop; nothing relies on an orderly end."""
PUBLIC_URL = "NEXOMATIC_PUBLIC_URL"
FRONT_END = "NEXOMATIC_FRONT_END"
OPTIONS = {
    "bind": "NEXOMATIC_BIND",
    "port": "NEXOMATIC_PORT",
    "certificate": "NEXOMATIC_CERTIFICATE",
    "key": "NEXOMATIC_KEY",
    "behind_proxy": "NEXOMATIC_BEHIND_PROXY",
}
"""What the command line says, and the setting for each."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`; whatever is not given is a setting, or has its default."""
    host.add_exposure(parser)
    parser.add_argument("--port", help=f"default {DEFAULT_PORT}; 0 takes a free one")
    parser.set_defaults(bind=None)


def serve(layout: Layout, arguments: argparse.Namespace) -> int:
    """Check everything, make the first admin of a new hub, and serve. Raises HostingError, hub.errors.Invalid."""
    become_owner(layout.data)
    told = environment(layout, os.environ)
    said = {name: getattr(arguments, name) or told.get(setting) for name, setting in OPTIONS.items()}
    line = command_line(layout, said)
    options = host.parse_arguments(line)
    exposure = host.exposure_of(options)
    told.setdefault(PUBLIC_URL, f"http://127.0.0.1:{options.port}" if not exposure.is_https else "")
    check_public_url(told[PUBLIC_URL], exposure)
    if not exposure.proxies:
        told.setdefault(FRONT_END, "x-forwarded-for")  # where our own host writes the caller, and nobody before it
    Settings.from_env(told)
    os.environ.update(told)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a reload: where there is no certificate, it would be the end
    first_admin.make(APP, layout.data, told)
    return host.main(line)


def command_line(layout: Layout, said: Mapping[str, object]) -> list[str]:
    """The options of the host."""
    line = ["--app", str(APP), "--home", str(layout.data / "host"), "--grace", f"{GRACE_SECONDS:g}", *OUR_APP]
    port = str(said["port"] or DEFAULT_PORT)
    if not port.isdecimal() or int(port) > 65_535:
        raise HostingError(f"{OPTIONS['port']} must be a port from 1 to 65535")
    line += ["--port", port]
    for name in ("bind", "certificate", "key", "behind_proxy"):
        if said[name]:
            line += [f"--{name.replace('_', '-')}", str(said[name])]
    return line


def check_public_url(url: str, exposure: Exposure) -> None:
    """The address that browsers are told must be the one that is served, or their cookies would not come back.

    Raises HostingError.
    """
    if exposure.is_https and urlsplit(url).scheme != "https":
        raise HostingError(
            f"{PUBLIC_URL} must be the https address at which this hub is found, such as https://hub.example.org: "
            "it has a certificate, or is behind a proxy that has one"
        )
    if not exposure.is_https and (urlsplit(url).scheme != "http" or not is_loopback(url)):
        raise HostingError(
            f"{PUBLIC_URL} names another address than the one that is served, which is http:// on this machine alone: "
            "leave it out, or give NEXOMATIC_CERTIFICATE and NEXOMATIC_KEY, or NEXOMATIC_BEHIND_PROXY"
        )
