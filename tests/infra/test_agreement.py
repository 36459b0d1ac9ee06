"""Infrastructure, code and documentation agree; whatever is taken out of one of them, another one misses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest

from hub.settings_table import SETTINGS
from tests.infra.agreement import RULES, disagreements
from tests.infra.facts import (
    ALERTS,
    APP,
    DEPLOY,
    EVENTS,
    MAIN,
    ROLES,
    STORAGE,
    Facts,
    of_this_tree,
    without,
    without_resources,
)

EXAMPLE: Final = "local.settings.example.json"
SETTINGS_DOC: Final = "docs/settings.md"
GOLDEN: Final = "tests/functions/bindings.json"
RUNBOOK: Final = "docs/runbooks/timer-has-stopped.md"
PROD: Final = "infra/bicep/parameters/prod.bicepparam"
AZD: Final = "infra/bicep/main.bicepparam"

EDITS: Final[list[tuple[str, str, str, str, str]]] = [
    # the rule, file, what it says, what it says instead, what is found
    ("examples_and_docs", EXAMPLE, '"NEXOMATIC_HOME": ".local",', "", "NEXOMATIC_HOME is missing"),
    ("examples_and_docs", EXAMPLE, '"NEXOMATIC_HOME"', '"NEXOMATIC_HOMES"', "NEXOMATIC_HOMES is known nowhere else"),
    ("examples_and_docs", EXAMPLE, '"embedded"', '"azure"', "NEXOMATIC_STORAGE is 'azure', in the code 'embedded'"),
    ("examples_and_docs", SETTINGS_DOC, "| `NEXOMATIC_HOME` |", "| `NEXOMATIC_HOUSE` |", "NEXOMATIC_HOME is missing"),
    ("app_settings", APP, "NEXOMATIC_OIDC_CLAIM:", "NEXOMATIC_OIDC_CLAIMS:", "NEXOMATIC_OIDC_CLAIMS is known nowhere"),
    ("app_settings", APP, "WORKER_DEPENDENCIES: '1'", "WORKER_DEPENDENCIES: '0'", "has to be '1'"),
    ("app_settings", APP, "'@Microsoft.KeyVault(SecretUri=${hubVaultUri}secrets/${secretNames.rootKey})'", "publicUrl",
     "NEXOMATIC_ROOT_KEY is a secret"),
    ("values", APP, "NEXOMATIC_STORAGE: 'azure'", "NEXOMATIC_STORAGE: 'azurite'",
     "is one of embedded, azure, not 'azurite'"),
    ("values", PROD, "param retentionDays = '365'", "param retentionDays = '1y'", "or keep: for ever, not '1y'"),
    ("values", PROD, "param perInstanceConcurrency = 200", "param perInstanceConcurrency = 0",
     "NEXOMATIC_HTTP_CONCURRENCY is"),
    ("values", MAIN, "param retentionDays string = 'keep'", "param retentionDays string = 'ever'", "not 'ever'"),
    ("values", MAIN, "@minValue(16)", "@minValue(0)", "NEXOMATIC_HTTP_CONCURRENCY is a whole number from 1"),
    ("names_in_texts", "docs/secrets.md", "NEXOMATIC_KEY_VAULT=", "NEXOMATIC_KEYVAULT=",
     "NEXOMATIC_KEYVAULT is no setting"),
    ("names_in_texts", "docs/deploy.md", "NEXOMATIC_INSTANCE_MEMORY_MB", "…",
     "does not say what NEXOMATIC_INSTANCE_MEMORY_MB is"),
    ("storage", STORAGE, "var tableNames =", "var tables1 =", "there is no list tableNames"),
    ("storage", STORAGE, "'tokenuse'", "'tokenuses'", "tokenuses is known nowhere else"),
    ("storage", STORAGE, "'tokenuse'", "'logs'", "tableNames has one twice"),
    ("storage", STORAGE, "param queueNames array = []", "param queueNames array = ['events']",
     "events is known nowhere else"),
    ("storage", MAIN, "    sku: storageSku", "    sku: storageSku\n    queueNames: ['a']", "gives queueNames"),
    ("storage", STORAGE, "'results'", "'results'\n  'outputs'", "outputs is known nowhere else"),
    ("storage", STORAGE, "var deploymentContainerName = 'deployments'", "", "deploymentContainerName is missing"),
    ("storage", STORAGE, "var auditContainerName = 'audit'", "var auditContainerName = 'results'",
     "than the anchors (audit)"),
    ("roles", ROLES, "4633458b-", "4633458c-", "keyVaultSecretsUser is 4633458b-17de-408a-b874-0445c86b69e6, not"),
    ("roles", ROLES, "  keyVaultSecretsUser: '", "  more: 'x'\n  keyVaultSecretsUser: '", "more is known nowhere"),
    ("roles", ROLES, "scope: hubVault\n", "scope: secretsVault\n", "is known nowhere else"),
    ("roles", ROLES, "principalId: incomingTopicPrincipalId", "principalId: hubPrincipalId", "is known nowhere else"),
    ("roles", APP, "  NEXOMATIC_KEY_VAULT: keyVaultUri\n", "", "is for NEXOMATIC_KEY_VAULT, which"),
    ("roles", "docs/settings.md", "Storage Queue Data Contributor", "Storage Queue Data Reader",
     "Storage Queue Data Reader is known"),
    ("secret_names", APP, "'hub-root-key'", "'hub-key'", "does not name the secret hub-key"),
    ("secret_names", DEPLOY, "ROOT_KEY=hub-root-key", "ROOT_KEY=hub-key", "names the secret hub-key, which"),
    ("functions", EVENTS, "functionName = 'eventgrid'", "functionName = 'on_event'", "eventgrid is missing"),
    ("functions", "docs/event-grid.md", "functionName=eventgrid", "functionName=events", "calls the function events"),
    ("functions", "host.json", "Function.agent_poll", "Function.poll", "a level for the log of poll"),
    ("functions", "host.json", '"routePrefix": ""', '"routePrefix": "hub"', "routePrefix is empty"),
    ("functions", "host.json", '"extensionBundle"', '"bundle"', "there is no trigger of Event Grid"),
    ("schedule", GOLDEN, "0 * * * * *", "0 */5 * * * *", "once a minute, by the documentation"),
    ("schedule", "functions/tick.py", "0 * * * * *", "30 * * * * *", "has another schedule than"),
    ("schedule", MAIN, "@minValue(180)", "@minValue(60)", "heartbeatSeconds is at least 180"),
    ("schedule", ALERTS, "@minValue(180)", "@minValue(60)", "heartbeatSeconds is at least 180"),
    ("schedule", "docs/schedules.md", "The timer runs each minute", "The timer runs each hour",
     "does not say 'The timer runs"),
    ("schedule", RUNBOOK, "`tick`", "`timer`", "does not say 'the function `tick`'"),
    ("addresses", ALERTS, "/api/health", "/api/wellness", "asks /api/wellness, which nothing answers"),
    ("addresses", ALERTS, "/api/health", "/", "asks the hub nothing"),
    ("metrics", ALERTS, "'nexomatic.sinks.lost'", "'nexomatic.sinks.missing'", "nexomatic.sinks.missing is no metric"),
    ("metrics", ALERTS, "'nexomatic.sinks.lost'", "'nexomatic.sinks'", "nexomatic.sinks is known nowhere else"),
    ("metrics", "docs/deploy.md", "`nexomatic.sinks.lost`", "`nexomatic.sinks.gone`", "nexomatic.sinks.gone is no"),
    ("metrics", "docs/deploy.md", "`nexomatic.heartbeat.age`", "it", "an alert is on nexomatic.heartbeat.age"),
    ("python", APP, "version: '3.12'", "version: '3.13'", "says Python 3.13; tools/package.py builds for 3.12"),
    ("python", "Makefile", "--python-version 3.12 function", "--python-version 3.11 function",
     "Makefile says Python 3.11"),
    ("python", "docs/package.md", "Python 3.12 on", "Python 3.11 on", "docs/package.md says Python 3.11"),
    ("python", "docs/verified.md", "fits Python 3.12", "fits Python 3", "docs/verified.md says Python None"),
    ("python", EXAMPLE, '"python"', '"node"', "have different runtimes"),
    ("packages", "requirements.txt", "\nazure-identity==", "\nazure-identities==",
     "requirements.txt has no azure-identity,"),
    ("packages", APP, "  AzureWebJobsStorage__credential: 'managedidentity'\n", "",
     "by which azure-identity is told where"),
    ("places", ALERTS, "docs/runbooks/sink-is-lost.md", "docs/runbooks/sink-lost.md",
     "names docs/runbooks/sink-lost.md"),
]  # fmt: skip


def taken_out() -> Iterator[tuple[str, Facts]]:
    """Everything with one setting, table, container, role or right taken out of the templates, one after the other."""
    facts = of_this_tree()
    for path, name in (
        (APP, "appSettings"),
        (APP, "secretNames"),
        (STORAGE, "tableNames"),
        (STORAGE, "queueNames"),
        (STORAGE, "containerNames"),
        (STORAGE, "hostContainerNames"),
        (ROLES, "roles"),
        (ALERTS, "metrics"),
    ):
        for what, changed in without(facts, path, name):
            yield f"{name}: {what}", changed
    for what, changed in without_resources(facts, ROLES, "Microsoft.Authorization/roleAssignments"):
        yield f"right: {what}", changed


def test_infrastructure_code_and_documentation_agree() -> None:
    assert list(disagreements(of_this_tree())) == []


def test_each_thing_that_is_taken_out_of_the_templates_is_missed() -> None:
    tried = []
    for what, changed in taken_out():
        tried.append(what)
        assert any(disagreements(changed)), f"nobody misses {what}"
    # So that the tables above cannot shrink unseen.
    assert len(tried) == len(set(tried)) > 70


@pytest.mark.parametrize(("rule", "path", "old", "new", "says"), EDITS)
def test_what_one_says_and_another_does_not_is_found(rule: str, path: str, old: str, new: str, says: str) -> None:
    """By the rule that is there for it."""
    (check,) = (each for each in RULES if each.__name__ == rule)
    found = list(check(of_this_tree().edited(path, old, new)))
    assert any(says in each for each in found), found


def test_what_the_code_has_and_nobody_else_is_found() -> None:
    facts = of_this_tree()
    more = replace(SETTINGS[0], name="NEXOMATIC_NEW")
    assert len([each for each in disagreements(replace(facts, settings=(*SETTINGS, more))) if "NEW is" in each]) == 3
    fewer = tuple(each for each in SETTINGS if each.name != "NEXOMATIC_HOME")
    said = list(disagreements(replace(facts, settings=fewer)))
    assert "NEXOMATIC_HOME is left out of the template, and is no setting" in said
    for changed in (
        replace(facts, settings=SETTINGS[1:]),
        replace(facts, tables=(*facts.tables, "more")),
        replace(facts, tables=facts.tables[1:]),
        replace(facts, containers=(*facts.containers, "more")),
        replace(facts, containers=facts.containers[1:]),
        replace(facts, anchors="anchors"),
        replace(facts, queues=("more",)),
        replace(facts, routes=facts.routes - {"GET /api/health"}),
        replace(facts, metrics=facts.metrics - {"nexomatic.heartbeat.age"}),
        replace(facts, python="3.13"),
        replace(facts, late_seconds=300),
    ):
        assert any(disagreements(changed))


def test_every_rule_has_been_seen_to_find_something() -> None:
    assert {each.__name__ for each in RULES} == {rule for rule, *_ in EDITS}
