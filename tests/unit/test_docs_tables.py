"""What the documentation says of the code is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hosting.service.serving import OPTIONS
from hub.problems import INTERNAL, KINDS
from hub.rules.prices import PER_TEN_THOUSAND
from hub.settings import Settings
from hub.settings_table import SETTINGS
from hub.sources.request import HEADERS
from tools import docs_tables

DOCS = docs_tables.ROOT / "docs"


def test_what_is_generated_is_up_to_date() -> None:
    assert docs_tables.main(["--check"]) == 0


def test_a_check_finds_what_is_stale_and_a_run_mends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    for name in docs_tables.FILES:
        if (DOCS.parent / name).suffix == ".md":
            text = (DOCS.parent / name).read_text("utf-8")
            (tmp_path / name).write_text(text.replace("| `", "| `OLD_", 1), "utf-8")
    monkeypatch.setattr(docs_tables, "ROOT", tmp_path)
    assert docs_tables.main(["--check"]) == 1
    assert docs_tables.main([]) == 0
    assert docs_tables.main(["--check"]) == 0
    for name in docs_tables.FILES:
        assert (tmp_path / name).read_text("utf-8") == (DOCS.parent / name).read_text("utf-8")


def test_the_example_has_every_setting_and_can_be_used() -> None:
    example = json.loads((DOCS.parent / "local.settings.example.json").read_text("utf-8"))["Values"]
    assert set(example) == {"FUNCTIONS_WORKER_RUNTIME", *(each.name for each in SETTINGS)}
    Settings.from_env({name: value for name, value in example.items() if value is not None})
    assert all(example[each.name] in (None, "UseDevelopmentStorage=true") for each in SETTINGS if each.secret)


def test_every_name_of_a_setting_in_the_docs_is_one() -> None:
    known = {each.name for each in SETTINGS}
    others = set(OPTIONS.values())  # of the service of one machine, not of the hub
    for path in (DOCS / "settings.md", DOCS / "api.md", DOCS / "webhooks.md", DOCS / "people.md"):
        named = set(re.findall(r"NEXOMATIC_[A-Z0-9_]+", path.read_text("utf-8")))
        assert named - others <= known, path


def test_the_headers_that_expressions_see_are_listed() -> None:
    text = (DOCS / "webhooks.md").read_text("utf-8")
    said = text.partition("Expressions see these headers")[2].partition(". Credentials")[0]
    assert set(re.findall(r"`([a-z-]+)`", said)) == HEADERS


def test_every_type_of_problem_is_listed_with_its_status() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    listed = {(int(status), slug) for status, slug in re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", text, re.MULTILINE)}
    made = {(kind.status, kind.slug) for kind in (*KINDS.values(), INTERNAL)}
    assert listed - made == {(405, "method-not-allowed")}
    assert made <= listed


def test_another_price_changes_the_table_of_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (DOCS / "cost.md").read_text("utf-8")
    assert docs_tables.costs_table(before) == before
    from nexo_cli.commands import cost

    prices = json.loads((cost.DATA / "prices.json").read_text("utf-8"))
    prices["functions"]["always_ready_gb_second"] *= 2
    for name in ("prices.json", "measured.json"):
        (tmp_path / name).write_bytes((cost.DATA / name).read_bytes())
    (tmp_path / "prices.json").write_text(json.dumps(prices))
    monkeypatch.setattr(cost, "DATA", tmp_path)
    assert docs_tables.costs_table(before) != before


def test_the_hub_and_nexo_price_storage_alike() -> None:
    prices = json.loads((DOCS.parent / "cli/nexo_cli/prices.json").read_text("utf-8"))
    assert prices["storage"]["per_ten_thousand"] == PER_TEN_THOUSAND
