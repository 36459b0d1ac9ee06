"""Where the hub can call out at all: a handful of files, each to an address that its settings name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]

MAY: Final = {
    "hub/storage/azure/": "Table, Queue and Blob Storage: AzureWebJobsStorage",
    "hub/secrets/vault.py": "Key Vault: NEXOMATIC_KEY_VAULT",
    "hub/announce/event_grid.py": "the topic: NEXOMATIC_EVENTGRID_TOPIC",
    "hub/insights/azure_monitor.py": "Application Insights: APPLICATIONINSIGHTS_CONNECTION_STRING",
    "hub/people/oidc_http.py": "the provider of sign-in: NEXOMATIC_OIDC_ISSUER, and what its own document names",
}
"""Files that open connections, and the setting that says where to."""
CALLS_OUT: Final = frozenset(
    {"aiohttp", "azure", "ftplib", "http", "httpcore", "httpx", "imaplib", "poplib", "requests", "smtplib", "socket",
     "socketserver", "ssl", "subprocess", "telnetlib", "urllib3", "websockets", "xmlrpc"}
)  # fmt: skip
"""Modules that can reach another machine, or start what can."""
_LOOKS_OUT: Final = frozenset({"urllib.request", "urllib.robotparser", "multiprocessing.connection"})
_OPENS: Final = frozenset(
    {"open_connection", "create_connection", "create_datagram_endpoint", "sock_connect", "getaddrinfo",
     "create_subprocess_exec", "create_subprocess_shell", "open_unix_connection", "urlopen", "system", "popen",
     "import_module"}
)  # fmt: skip
"""Methods of event loops, and others, that do the same without such a module."""


def outbound(path: Path) -> Iterator[str]:
    """What in this file can call out."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Attribute) and node.attr in _OPENS:
            yield node.attr
        for name in names:
            if not name.startswith("azure.functions") and (
                name.partition(".")[0] in CALLS_OUT or name.startswith(tuple(_LOOKS_OUT))
            ):
                yield name


def test_nothing_else_in_the_hub_can_call_out() -> None:
    found: dict[str, list[str]] = {}
    for folder in ("hub", "functions"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(tuple(MAY)) and (calls := list(outbound(path))):
                found[name] = calls
    assert found == {}


def test_what_may_call_out_does() -> None:
    """Otherwise the list says more than there is."""
    for name in MAY:
        paths = (ROOT / name).rglob("*.py") if name.endswith("/") else [ROOT / name]
        assert any(list(outbound(path)) for path in paths), name


def test_docs_name_each() -> None:
    text = (ROOT / "docs/security.md").read_text()
    for why in MAY.values():
        assert why.partition(": ")[2].partition(",")[0] in text
