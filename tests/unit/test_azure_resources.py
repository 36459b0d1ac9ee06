"""The lists of what the templates make: nothing is left out, and no right is wider than it is said to be."""

from __future__ import annotations

import re

import pytest

from tools import azure_resources
from tools.azure_resources import BICEP, PRICES, resources, rights
from tools.bicep.template import read


def test_every_resource_of_every_template_is_listed() -> None:
    written = {
        (path.name, symbol)
        for path in BICEP.rglob("*.bicep")
        for symbol, existing in re.findall(
            r"^resource (\w+) '[^']+' (existing )?=", path.read_text("utf-8"), re.MULTILINE
        )
        if not existing and path.name != "roles.bicep"
    }
    assert written
    assert {(each.where, each.symbol) for each in resources()} == written


def test_every_assignment_is_listed() -> None:
    written = re.findall(
        r"^resource \w+ 'Microsoft.Authorization", (BICEP / "modules/roles.bicep").read_text(), re.MULTILINE
    )
    assert len(rights()) == len(written) > 5


def test_no_right_is_on_more_than_one_resource() -> None:
    assert all(re.match(r"(account|container|vault|component|topic) `", each.on) for each in rights())


def test_the_hub_owns_no_container_but_the_hosts_and_writes_no_root_key() -> None:
    held = {(each.role, each.on) for each in rights() if each.who == "hub.outputs.principalId"}
    assert {on for role, on in held if "Owner" in role} == {"container `azure-webjobs-hosts`, `azure-webjobs-secrets`"}
    assert {role for role, on in held if on.startswith("vault `nxm-hub")} == {"Key Vault Secrets User"}
    assert not any("dead-letters" in on for _, on in held)


def test_an_identity_holds_what_the_table_of_rights_says() -> None:
    held = [right for each in resources() for right in each.rights]
    assert set(held) == {each for each in rights() if each.who != "deployerPrincipalId"}


def test_a_type_that_nobody_said_the_price_of_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without = {kind: price for kind, price in PRICES.items() if kind != "Microsoft.KeyVault/vaults"}
    monkeypatch.setattr(azure_resources, "PRICES", without)
    with pytest.raises(SystemExit, match=r"how is a Microsoft\.KeyVault/vaults paid"):
        azure_resources.resource_lines()


def test_no_parameter_looks_like_a_secret_that_is_not_secure() -> None:
    """As Bicep's own linter looks (`secure-secrets-in-params`), which cannot run here."""
    secret, allowed = (
        re.compile("password|pwd|secret|accountkey|acctkey", re.I),
        re.compile("secret(ur[il]|name)", re.I),
    )
    for path in BICEP.rglob("*.bicep"):
        for each in read(path.read_text("utf-8"), path.name).of("param"):
            suspect = each.type in ("string", "object") and secret.search(each.name) and not allowed.search(each.name)
            assert not suspect or "secure" in each.decorators, f"{path.name}: {each.name}"
