"""The checker of templates: silent on what is right, and each of its rules proven by an example that breaks it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.infra.good import GOOD, READ_BY
from tools.bicep import __main__ as program
from tools.bicep.parse import Fault
from tools.bicep.project import check
from tools.bicep.resources import known_types

ROOT: Final = Path(__file__).resolve().parents[2]
MAIN, HUB, DEV, AZD = GOOD
END: Final = "\n@description('Where the hub is.')"
"""Before the output of main.bicep: a place for more."""

BROKEN: Final[list[tuple[str, str, str, str, str]]] = [
    # file, what is there, what is put in its place, rule, what is said
    (MAIN, "project: 'nexomatic',", "project: 'nexomatic", "syntax", "is not expected here"),
    (
        MAIN,
        "output HUB_ADDRESS string = hub.outputs.address",
        "output HUB_ADDRESS string =",
        "syntax",
        "ends too early",
    ),
    (MAIN, "kind: 'StorageV2'", "kind: 'StorageV2' location: location", "syntax", "a comma or the end of the line"),
    (MAIN, "'westeurope'\n  'northeurope'", "'westeurope' 'northeurope'", "syntax", "a comma or the end of the line"),
    (MAIN, "param names", "var a = 1 param names", "syntax", "begins on the line on which another"),
    (MAIN, "'${prefix}-kv'", "'${prefix}\\-kv'", "syntax", "'\\-' is no escape"),
    (MAIN, "'${prefix}-kv'", "'${prefix +}-kv'", "syntax", "${prefix +} is no expression"),
    (MAIN, "param names", "# what it is\nparam names", "syntax", "# begins no comment"),
    (MAIN, "kind: 'StorageV2'", "kind: 'StorageV2' # the usual", "syntax", "# begins no comment"),
    (
        MAIN,
        END,
        "resource more 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {\n"
        "  parent: account\n  name: 'default'\n}" + END,
        "duplicate",
        "more has the same name as another Microsoft.Storage/storageAccounts/blobServices, in line",
    ),
    (
        MAIN,
        END,
        "module more 'modules/hub.bicep' = {\n  name: 'hub'\n  params: {\n  }\n}" + END,
        "duplicate",
        "more has the same name as another module, in line",
    ),
    (MAIN, END, "extension graph" + END, "not-checked", "extension is nothing that this checker understands"),
    (MAIN, "'resourceGroup'", "'resourcegroup'", "scope", "targetScope is resourceGroup"),
    (MAIN, "name: '${prefix}-kv'", "name: '${prefx}-kv'", "undefined", "'prefx'; did you mean prefix?"),
    (MAIN, "toUpper('${name}-", "toUpper('${names0}-", "undefined", "'names0'"),
    (MAIN, "kind: 'StorageV2'", "kind: index", "undefined", "nothing here is called 'index'"),
    (MAIN, "toLower(text)", "toLower(txt)", "undefined", "'txt'"),
    (MAIN, "param limits Limits", "param limits Limit", "undefined", "there is no type 'Limit'; did you mean Limits?"),
    (MAIN, "output HUB_ADDRESS string", "output HUB_ADDRESS text", "undefined", "there is no type 'text'"),
    (MAIN, "tags['hidden-note']", "tags['hiden-note']", "property", "no 'hiden-note'; did you mean hidden-note?"),
    (MAIN, "roles.reader", "roles.writer", "property", "roles has no 'writer'; there is reader"),
    (MAIN, "hub.outputs.address", "hub.output.address", "property", "hub has no 'output'; did you mean outputs?"),
    (MAIN, "note ?? ''", "note.text ?? ''", "property", "note has no 'text'"),
    (HUB, "app.properties.", "app.property.", "property", "app has no 'property'"),
    (
        MAIN,
        "var suffix",
        "param suffix string\nvar suffix",
        "duplicate",
        "'suffix' is declared twice, first in line 27",
    ),
    (MAIN, END, "output HUB_ADDRESS string = prefix" + END, "duplicate", "'HUB_ADDRESS' is declared twice"),
    (MAIN, "kind: 'StorageV2'", "kind: 'StorageV2'\n  location: location", "duplicate", "'location' stands twice"),
    (MAIN, "uniqueString(", "uniqeString(", "function", "no function uniqeString(); did you mean uniqueString"),
    (MAIN, "uniqueString(", "sys.unique(", "function", "there is no function sys.unique()"),
    (MAIN, "vault.getSecret('one')", "vault.getKey('one')", "function", "there is no function getKey()"),
    (MAIN, "take(toLower(text), 8)", "take(toLower(text))", "function", "take() takes 2 arguments, not 1"),
    (MAIN, "toUpper('${name}-", "toUpper('${take(name)}-", "function", "take() takes 2 arguments, not 1"),
    (MAIN, "short('${prefix}", "short(location, '${prefix}", "function", "short() takes 1 arguments, not 2"),
    (MAIN, "name: '${prefix}-kv'", "name: newGuid()", "function", "only in the default of a parameter"),
    (MAIN, "'${prefix}-kv'", "readEnvironmentVariable('KV')", "function", "only in a file of parameters"),
    (MAIN, "@secure()\n", "@secret()\n", "decorator", "there is no decorator @secret; did you mean secure?"),
    (MAIN, "var tags", "@allowed([\n  'a'\n])\nvar tags", "decorator", "@allowed stands only at: param"),
    (MAIN, END, "var spare = 1" + END, "unused", "'spare' is used nowhere in this file"),
    (MAIN, END, "param spare string = ''" + END, "unused", "'spare' is used nowhere"),
    (MAIN, END, "func spare() string => 'a'" + END, "unused", "'spare' is used nowhere"),
    (MAIN, END, "type spare = 'a' | 'b'" + END, "unused", "'spare' is used nowhere"),
    (MAIN, "vault.getSecret('one')", "adminPassword", "unused", "'vault' is used nowhere"),
    (MAIN, "reader: 'x'", "reader: upper[0]", "circle", "'roles' needs itself"),
    (MAIN, "vaults@2024-11-01", "vaults@2023-07-01", "type", "of this type there is 2024-11-01"),
    (
        MAIN,
        "Microsoft.KeyVault/vaults@",
        "Microsoft.KeyVaults/vaults@",
        "type",
        "did you mean Microsoft.KeyVault/vaults?",
    ),
    (MAIN, "kind: 'StorageV2'", "kin: 'StorageV2'", "body", "no 'kin' here; did you mean kind?"),
    (MAIN, "name: '${prefix}-kv'", "name: 'kv'\n  location: location", "body", "no 'location' here"),
    (MAIN, "parent: account\n  name: 'default'", "parent: account", "body", "blobs has no name"),
    (MAIN, "'it-is-${name}-${index}'", "'it-is-${prefix}'", "body", "all of the loop containers have the same name"),
    (
        MAIN,
        "parent: account\n",
        "parent: vault\n",
        "parent",
        "lies in Microsoft.Storage/storageAccounts, not in Microsoft.Key",
    ),
    (MAIN, "parent: account\n", "parent: prefix\n", "parent", "parent is a resource of this file"),
    (MAIN, "  parent: account\n", "", "parent", "lies in another resource: say `parent:`"),
    (
        MAIN,
        "kind: 'StorageV2'\n",
        "resource x 'blobServices@2025-06-01' = {\n    name: 'default'\n  }\n",
        "nested",
        "outside, with",
    ),
    (MAIN, "hub.outputs.address", "account::blobs.name", "nested", "write it with `parent:` instead"),
    (HUB, "SIZE: size", "SIZE: size\n    FUNCTIONS_WORKER_RUNTIME: 'python'", "flex", "take FUNCTIONS_WORKER_RUNTIME"),
    (HUB, "siteConfig: {", "siteConfig: { alwaysOn: true,", "flex", "Flex Consumption does not take alwaysOn"),
    (
        HUB,
        "runtime: { name:",
        "runtimes: { name:",
        "flex",
        "functionAppConfig has no 'runtimes'; did you mean runtime?",
    ),
    (HUB, "perInstanceConcurrency:", "perInstance:", "flex", "triggers.http has no 'perInstance'"),
    (MAIN, END, "output p string = adminPassword" + END, "secret", "the output p shows the secret adminPassword"),
    (MAIN, END, "output k object = account.listKeys()" + END, "secret", "the output k shows what listKeys() gives"),
    (MAIN, "@secure()\nparam adminPassword", "param adminPassword", "secret", "adminPassword holds a secret"),
    (MAIN, "string = newGuid()", "string = 'hush'", "secret", "has a default for all to read"),
    (
        MAIN,
        "size: 'small'",
        "size: 'small'\n    extra2: 1",
        "parameter",
        "has no parameter 'extra2'; did you mean extra?",
    ),
    (MAIN, "    size: 'small'\n", "", "parameter", "modules/hub.bicep needs the parameter 'size'"),
    (MAIN, "most: 2", "most: '2'", "parameter", "most is of type int, not string"),
    (MAIN, "most: 2", "most: prefix", "parameter", "most is of type int, not string"),
    (MAIN, "most: 2", "most: tags", "parameter", "most is of type int, not object"),
    (MAIN, "size: 'small'", "size: 'medium'", "parameter", "size is one of small, large"),
    (MAIN, "name: '${prefix}-func'", "name: adminPassword", "secret", "adminPassword is secret; name is not marked"),
    (
        MAIN,
        "'modules/hub.bicep'",
        "'modules/hubs.bicep'",
        "module",
        "no file modules/hubs.bicep; did you mean modules/hub",
    ),
    (
        MAIN,
        "  name: 'hub'\n  params",
        "  names: 'hub'\n  params",
        "module",
        "a module has no 'names'; did you mean name?",
    ),
    (MAIN, "hub.outputs.address", "hub.outputs.adress", "output", "has no output 'adress'; did you mean address?"),
    (MAIN, "= hub.outputs.address", "= prefix", "output", "no template uses the output 'address'"),
    (
        MAIN,
        END,
        "output SPARE string = prefix" + END,
        "output",
        "no template, document or azure.yaml uses the output 'SPARE'",
    ),
    (DEV, "using '../main.bicep'", "", "using", "says once which template it is for"),
    (DEV, "../main.bicep", "../mian.bicep", "using", "there is no template ../mian.bicep"),
    (DEV, "param prefix = 'dev'", "param prefix = 'dev", "syntax", "is not expected here"),
    (DEV, "param prefix = 'dev'\n", "", "parameter", "needs the parameter 'prefix'"),
    (DEV, "param prefix = 'dev'", "param prefix = 'dev'\nparam nam = 1", "parameter", "'nam'; did you mean names?"),
    (DEV, "param prefix = 'dev'", "param prefix = 1", "parameter", "prefix is of type string, not int"),
    (
        DEV,
        "param prefix = 'dev'",
        "param prefix = 'dev'\nparam location = 'here'",
        "parameter",
        "one of westeurope, northeurope",
    ),
    (DEV, "param prefix = 'dev'", "param prefix = 'a'\nparam prefix = 'b'", "duplicate", "'prefix' is declared twice"),
    (DEV, "readEnvironmentVariable(", "readEnvironment(", "function", "there is no function readEnvironment()"),
    (
        DEV,
        "readEnvironmentVariable('ADMIN_PASSWORD', '')",
        "'hush'",
        "secret",
        "read it with readEnvironmentVariable()",
    ),
    (DEV, "param prefix = 'dev'", "param prefix = 'dev'\nvar spare = 1", "unused", "'spare' is used nowhere"),
    (AZD, "services:", "service:", "azd", "azure.yaml has no 'service'; there is"),
    (AZD, "name: nexomatic\n", "", "azd", "has no name"),
    (AZD, "name: nexomatic", "name: [", "azd", "is no YAML"),
    (AZD, "module: main", "module: mian", "azd", "infra names infra/bicep/mian.bicep"),
    (AZD, "provider: bicep", "provider: terraform", "azd", "infra.provider is bicep"),
    (AZD, "host: function", "host: appservice", "azd", "services.hub.host is function"),
    (AZD, "    project: .", "    projet: .", "azd", "services.hub has no 'projet'"),
    (AZD, "  hub:", "  app:", "azd", "no template has the tag 'azd-service-name': 'app'"),
]


def broken(path: str, old: str, new: str) -> list[Fault]:
    assert old in GOOD[path], "the example no longer fits the good files"
    return check({**GOOD, path: GOOD[path].replace(old, new, 1)}, READ_BY)


def test_nothing_is_found_in_good_files() -> None:
    assert check(GOOD, READ_BY) == []


@pytest.mark.parametrize(("path", "old", "new", "rule", "says"), BROKEN)
def test_each_rule_finds_its_broken_example(path: str, old: str, new: str, rule: str, says: str) -> None:
    found = broken(path, old, new)
    assert any(fault.rule == rule and says in fault.message for fault in found), [str(each) for each in found]


def test_a_module_that_nobody_deploys() -> None:
    spare = "infra/bicep/modules/spare.bicep"
    assert [str(each) for each in check({**GOOD, spare: "var text = 'a'\noutput text string = text\n"}, READ_BY)] == [
        f"{spare}:1: no template deploys this module [module]",
        f"{spare}:2: no template, document or azure.yaml uses the output 'text' [output]",
    ]


def test_every_rule_has_an_example() -> None:
    source = "".join(each.read_text() for each in (ROOT / "tools/bicep").glob("*.py"))
    rules = set(re.findall(r'(?:Fault|_problem|Problem)\([^"]*?"([a-z-]+)"', source))
    assert len(rules) > 15
    assert rules == {rule for _, _, _, rule, _ in BROKEN}


def test_a_fault_says_where_it_is() -> None:
    (fault,) = broken(MAIN, "vaults@2024-11-01", "vaults@2023-07-01")
    line = 1 + GOOD[MAIN].split("vaults@")[0].count("\n")
    assert str(fault).startswith(f"{MAIN}:{line}: Microsoft.KeyVault/vaults@2023-07-01 is not on the list")
    assert str(fault).endswith("[type]")


def test_every_type_says_where_it_was_read() -> None:
    types = known_types()
    assert all(re.fullmatch(r"Microsoft(\.\w+)+(/\w+)+@\d{4}-\d\d-\d\d(-preview)?", each) for each in types)
    assert set(types.values()) <= {"avm", "public"}
    lines = [each for each in (ROOT / "tools/bicep/resource_types.txt").read_text().splitlines() if each[:1] != "#"]
    assert len(lines) == len(types)


def test_the_command_names_each_fault_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path, text in GOOD.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(READ_BY)
    assert program.main([str(tmp_path)]) == 0
    (tmp_path / "README.md").write_text("")
    assert program.main([str(tmp_path)]) == 1
    assert "uses the output 'HUB_ADDRESS' [output]" in capsys.readouterr().err
    assert program.main([str(tmp_path / "docs")]) == 1
    assert "there is no template" in capsys.readouterr().err
