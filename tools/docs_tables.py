"""Writes the generated parts of the documentation, so that docs and code cannot say different things.

`python -m tools.docs_tables` writes them; with `--check` nothing is written, and what is not up to date is named.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hub import wire
from hub.api.app import build_app
from hub.api.views import SourceDocument
from hub.configure.documents import MODELS, list_name
from hub.model.configuration import Kind
from hub.people.roles import ROUTES, Access
from hub.rules.explanation import MEANINGS
from hub.rules.metrics import METRICS, Metric
from hub.settings_table import SETTINGS, Setting
from tools import azure_resources, nexo_docs
from tools.api_client import api_client
from tools.configuration_docs import fields_of

ROOT: Final = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"
EXAMPLE_HEAD: Final = {"FUNCTIONS_WORKER_RUNTIME": "python"}
"""What the Functions host itself asks for."""
WHO: Final = {
    Access.ANYBODY: "anybody",
    Access.SINK: "a sink",
    Access.SIGNED_IN: "who is signed in",
    Access.VIEWER: "Viewer",
    Access.ADMIN: "Admin",
}
CALLS: Final[Mapping[str, tuple[type[BaseModel], type[BaseModel]]]] = {
    "POST /agent/enroll": (wire.Enrol, wire.Enrolled),
    "POST /agent/credential": (wire.Rotate, wire.Rotated),
    "POST /agent/poll": (wire.Poll, wire.Polled),
    "POST /agent/events/{id}/secrets": (wire.Need, wire.Released),
    "POST /agent/events/{id}/renew": (wire.Renew, wire.Leased),
    "POST /agent/events/{id}/logs": (wire.Logs, wire.Leased),
    "POST /agent/events/{id}/result": (wire.Result, wire.Recorded),
}
OUTSIDE_API: Final = {
    "POST /hooks/{key}": "Fire what a webhook fires",
    "PUT /hooks/{key}": "The same, for sources that take PUT",
    "GET /hooks/status/{id}": "How an event stands, for who fired it",
    "GET /": "Where to go from here, for a browser",
    "GET /api/openapi.json": "This API, for programs",
    "GET /api/docs": "This API, for people: a page that loads nothing from another host",
}


def main(argv: list[str] | None = None) -> int:
    """Write, or check. Exit code 1 when something was not up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if something is not up to date")
    check: bool = parser.parse_args(argv).check
    stale = [path for path, make in FILES.items() if not _up_to_date(ROOT / path, make, check)]
    for path in stale:
        print(f"{path} {'is not up to date: run `make docs`' if check else 'was written'}", file=sys.stderr)
    return 1 if check and stale else 0


def settings_table(before: str) -> str:
    """docs/settings.md with its table."""
    rows = [f"| `{each.name}` | {_default(each)} | {each.allowed} | {each.help} |" for each in SETTINGS]
    return _between(
        before, "settings", ["| setting | default | allowed | what it is for |", "|---|---|---|---|", *rows]
    )


def routes_table(before: str) -> str:
    """docs/api.md with its table."""
    said = _summaries()
    rows = [f"| `{route}` | {WHO[access]} | {said[route]} |" for route, access in ROUTES.items() if route in said]
    return _between(before, "routes", ["| route | who | what |", "|---|---|---|", *rows])


def reasons_table(before: str) -> str:
    """docs/explain.md with its table."""
    rows = [f"| `{code}` | {said} | `{effect}` |" for code, (effect, said) in MEANINGS.items()]
    return _between(before, "reasons", ["| code | what is so | effect |", "|---|---|---|", *rows])


def metrics_table(before: str) -> str:
    """docs/telemetry.md with its table."""

    def row(each: Metric) -> str:
        labels = " ".join(f"`{label}`" for label in each.labels)
        return f"| `{each.name}` | `{each.exposed}` | {each.shape} | {labels} | {each.scope} | {each.help} |"

    head = ["| metric | for Prometheus | kind | labels | whose | what |", "|---|---|---|---|---|---|"]
    return _between(before, "metrics", [*head, *map(row, METRICS)])


def agent_protocol(before: str) -> str:  # noqa: ARG001 - every maker is given what is there
    """docs/agent-protocol.json."""
    models = [model for pair in CALLS.values() for model in pair]
    _, schemas = models_json_schema([(model, "validation") for model in dict.fromkeys(models)])
    document = {
        "protocol": wire.PROTOCOL,
        "calls": {
            call: {"says": {"$ref": f"#/$defs/{said.__name__}"}, "is_answered": {"$ref": f"#/$defs/{told.__name__}"}}
            for call, (said, told) in CALLS.items()
        },
        "headers_of_204": [wire.HOLD_HEADER, wire.PAUSE_HEADER],
        "lease_lost_reasons": list(wire.LeaseLost),
        "max_call_bytes": wire.MAX_CALL_BYTES,
        "$defs": schemas["$defs"],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def nexo_api(before: str) -> str:  # noqa: ARG001
    """The typed half of `nexo`'s client."""
    return api_client(build_app(services=_NOBODY).openapi())


def costs_table(before: str) -> str:
    """docs/cost.md with its tables, as `nexo cost` computes them."""
    return _between(before, "costs", nexo_docs.costs())


def azure_resources_table(before: str) -> str:
    """docs/azure-resources.md with its table, read from the templates."""
    return _between(before, "resources", azure_resources.resource_lines())


def azure_rights_table(before: str) -> str:
    """docs/security-review.md with its table of rights."""
    return _between(before, "rights", azure_resources.right_lines())


def nexo_commands(before: str) -> str:
    """docs/nexo.md with its tables."""
    return _between(_between(before, "commands", nexo_docs.commands()), "exit codes", nexo_docs.exit_codes())


def configuration_schema(before: str) -> str:  # noqa: ARG001
    """The JSON Schema of configuration files, for editors."""
    items = {list_name(kind): SourceDocument if kind is Kind.SOURCE else model for kind, model in MODELS.items()}
    _, schemas = models_json_schema([(model, "validation") for model in items.values()])
    lists = {name: {"type": "array", "items": {"$ref": f"#/$defs/{model.__name__}"}} for name, model in items.items()}
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A configuration file of Nexomatic",
        "type": "object",
        "properties": {"$schema": {"type": "string"}, **lists},
        "additionalProperties": False,
        "$defs": schemas["$defs"],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def configuration_fields(before: str) -> str:
    """docs/configuration.md with the fields of every document."""
    schema = json.loads(configuration_schema(""))["$defs"]
    return _between(before, "fields", list(fields_of(schema)))


def example_settings(before: str) -> str:  # noqa: ARG001
    """local.settings.example.json: every setting; null is not set."""
    values: dict[str, str | None] = {**EXAMPLE_HEAD, **{each.name: each.example or None for each in SETTINGS}}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


FILES: Final[Mapping[str, Callable[[str], str]]] = {
    "docs/settings.md": settings_table,
    "docs/api.md": routes_table,
    "docs/explain.md": reasons_table,
    "docs/telemetry.md": metrics_table,
    "docs/agent-protocol.json": agent_protocol,
    "cli/nexo_cli/api.py": nexo_api,
    "docs/nexo.md": nexo_commands,
    "docs/cost.md": costs_table,
    "docs/azure-resources.md": azure_resources_table,
    "docs/security-review.md": azure_rights_table,
    "cli/nexo_cli/configuration.schema.json": configuration_schema,
    "docs/configuration.md": configuration_fields,
    "local.settings.example.json": example_settings,
}
"""Each with what it should say, given what it says now."""


def _up_to_date(path: Path, make: Callable[[str], str], check: bool) -> bool:
    before = path.read_text("utf-8") if path.exists() else ""
    wanted = make(before)
    if wanted != before and not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted, "utf-8")
    return wanted == before


def _between(text: str, name: str, lines: list[str]) -> str:
    """The text with these lines between its two marks."""
    begin = BEGIN.format(name)
    pattern = re.compile(f"{re.escape(begin)}\n.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"there is no place for the table of {name}: {begin} … {END}")
    return pattern.sub(lambda _: "\n".join([begin, *lines, END]), text, count=1)


def _default(setting: Setting) -> str:
    value = setting.default
    if value is None or value == frozenset():
        return ""
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _summaries() -> dict[str, str]:
    """What each route does, as the first sentence of its function says."""
    document = build_app(services=_NOBODY).openapi()
    said = dict(OUTSIDE_API)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            said[f"{method.upper()} {path}"] = operation["description"].split("\n")[0].rstrip(".")
    return said


_NOBODY: Any = None
"""The routes are described without anything behind them."""

if __name__ == "__main__":
    sys.exit(main())
