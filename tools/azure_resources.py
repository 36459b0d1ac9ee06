"""What infra/bicep makes: every resource with its identity, its rights and how it is paid, and every right.

    python -m tools.azure_resources

The documentation has the same tables (`make docs`). Read from the templates alone: nobody is asked what there is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lark import Tree

from tools.bicep.parse import member, name_of, text_of
from tools.bicep.template import Declaration, Template, read

BICEP: Final = Path(__file__).resolve().parent.parent / "infra" / "bicep"
ROOTS: Final = ("main.bicep", "events.bicep")
ROLE_ASSIGNMENT: Final = "Microsoft.Authorization/roleAssignments"
NOTHING: Final = "–"
PRICES: Final[Mapping[str, str]] = {
    "Microsoft.Web/serverfarms": "GB-seconds and executions; an always-ready instance by the second, idle or not",
    "Microsoft.Web/sites": "in its plan",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies": "nothing",
    "Microsoft.Web/sites/config": "nothing",
    "Microsoft.Storage/storageAccounts": "GB-months and operations",
    "Microsoft.Storage/storageAccounts/blobServices": "in its account",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "in its account",
    "Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies": "nothing",
    "Microsoft.Storage/storageAccounts/queueServices": "in its account",
    "Microsoft.Storage/storageAccounts/queueServices/queues": "in its account",
    "Microsoft.Storage/storageAccounts/tableServices": "in its account",
    "Microsoft.Storage/storageAccounts/tableServices/tables": "in its account",
    "Microsoft.KeyVault/vaults": "operations (standard tier)",
    "Microsoft.EventGrid/topics": "operations, some of them free",
    "Microsoft.EventGrid/topics/eventSubscriptions": "in its topic: each delivery is an operation",
    "Microsoft.OperationalInsights/workspaces": "GB that come in, and GB-months past the first 31 days",
    "Microsoft.Insights/components": "in its workspace",
    "Microsoft.Insights/diagnosticSettings": "in the workspace: what it logs",
    "Microsoft.Insights/actionGroups": "mails, a thousand a month free",
    "Microsoft.Insights/scheduledQueryRules": "a rule and month",
    "Microsoft.Insights/metricAlerts": "a rule and month",
    "Microsoft.Insights/webtests": "each question from each place",
    "Microsoft.Network/virtualNetworks": "nothing",
    "Microsoft.Network/networkSecurityGroups": "nothing",
    "Microsoft.Network/privateEndpoints": "an hour each, and GB",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": "nothing",
    "Microsoft.Network/privateDnsZones": "a zone and month, and queries",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": "nothing",
    ROLE_ASSIGNMENT: "nothing",
}
"""How each type is paid: a type that is not here has no place in the templates."""


KINDS: Final[Mapping[str, str]] = {
    "Microsoft.Storage/storageAccounts": "account",
    "Microsoft.Storage/storageAccounts/blobServices/containers": "container",
    "Microsoft.KeyVault/vaults": "vault",
    "Microsoft.Insights/components": "component",
    "Microsoft.EventGrid/topics": "topic",
}
"""What rights are on, in a word."""


@dataclass(frozen=True, slots=True)
class Right:
    """One role that somebody is given."""

    who: str
    """The principal, as main.bicep says it."""
    role: str
    on: str
    why: str
    when: str


@dataclass(frozen=True, slots=True)
class Resource:
    """One that is made, or one for each of a list."""

    where: str
    symbol: str
    type: str
    names: tuple[str, ...]
    """None: a list that is empty as long as nobody says what is in it."""
    identity: str
    when: str
    rights: tuple[Right, ...] = field(default=())
    """Of its identity."""


@dataclass(frozen=True, slots=True)
class _File:
    """A template as one place uses it."""

    template: Template
    given: Mapping[str, str]
    """What its parameters are, as text."""
    when: str
    called: str
    """The symbol of the module in main.bicep; empty: not a module."""

    def text(self, node: Any) -> str:
        return " ".join(self.template.text[node.meta.start_pos : node.meta.end_pos].split())

    def said(self, text: str) -> str:
        """An expression with names filled in that stand for other expressions, as far as that makes it plainer."""
        for name, value in self.given.items():
            filled = value[1:-1] if value.startswith("'") and value.endswith("'") else f"${{{value}}}"
            text = text.replace(f"${{{name}}}", filled)
            text = value if text == name else text
        return text


def resources() -> list[Resource]:
    """All that the templates make, in the order in which they say it; what is read there already is not among them."""
    files = list(_files())
    given = [right for file in files for right in _rights(file)]
    return [
        _resource(file, each, given)
        for file in files
        for each in file.template.of("resource")
        if not each.existing and not each.target.startswith(ROLE_ASSIGNMENT)
    ]


def rights() -> list[Right]:
    """All that somebody is given."""
    return [right for file in _files() for right in _rights(file)]


def resource_lines() -> list[str]:
    """The table of resources."""
    lines = ["| resource | file | type | identity | rights | paid by | only |", "|---|---|---|---|---|---|---|"]
    for each in resources():
        held = "<br>".join(f"{right.role}: {right.on}" for right in each.rights) or NOTHING
        cells = (
            _code(each.names),
            each.where,
            f"`{each.type}`",
            each.identity,
            held,
            PRICES[each.type],
            _only(each.when),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def right_lines() -> list[str]:
    """The table of rights."""
    lines = ["| who | role | on | what for | only |", "|---|---|---|---|---|"]
    lines += [f"| {_who(each.who)} | {each.role} | {each.on} | {each.why} | {_only(each.when)} |" for each in rights()]
    return lines


def _files() -> Iterator[_File]:
    for root in ROOTS:
        template = read((BICEP / root).read_text("utf-8"), root)
        here = _File(template, {}, "", "")
        here = _File(
            template, {each.name: here.text(each.value) for each in template.of("var") if _short(each)}, "", ""
        )
        yield here
        for module in template.of("module"):
            path = BICEP / module.target
            parameters = member(module.body, "params")
            given = {str(key): here.said(value) for key, value in _texts(here, parameters)}
            inner = read(path.read_text("utf-8"), module.target.removeprefix("modules/"))
            yield _File(inner, given, _condition(here, module), module.name)


def _texts(file: _File, node: Any) -> Iterator[tuple[str, str]]:
    for pair in node.children if isinstance(node, Tree) else ():
        if isinstance(pair, Tree) and pair.data == "pair":
            yield file.text(pair.children[0]), file.text(pair.children[-1])


def _short(variable: Declaration) -> bool:
    """A variable whose text says more than its name: `suffix` says less when it is spelled out."""
    return text_of(variable.value) is not None or "prefix" in variable.name.lower()


def _resource(file: _File, each: Declaration, given: list[Right]) -> Resource:
    type_ = each.target.partition("@")[0]
    if type_ not in PRICES:
        raise SystemExit(f"{file.template.path}: how is a {type_} paid? Say it in PRICES of tools/azure_resources.py")
    body = each.body
    identity = member(body, "identity", "type")
    principal = (
        f"{file.called}.outputs.principalId" if file.called == "hub" else f"topics.outputs.{each.name}PrincipalId"
    )
    return Resource(
        where=file.template.path,
        symbol=each.name,
        type=type_,
        names=_names(file, each),
        identity="the system's" if text_of(identity) == "SystemAssigned" else NOTHING,
        when=_condition(file, each) or file.when,
        rights=tuple(right for right in given if identity is not None and right.who == principal),
    )


def _names(file: _File, each: Declaration) -> tuple[str, ...]:
    """Of a resource, or of each of a loop."""
    name = file.said(file.text(member(each.body, "name"))).strip("'")
    loop = re.search(
        rf"^resource {each.name} .*= \[for \(?(\w+)(?:, \w+)?\)? in (.+?): \{{$", file.template.text, re.MULTILINE
    )
    if loop is None:
        return (name,)
    each_of = re.compile(rf"\$\{{{loop[1]}(?:\.name)?\}}|\b{loop[1]}\b")
    return tuple(each_of.sub(item, name) for item in _items(file, loop[2]))


def _items(file: _File, text: str) -> list[str]:
    """The names in a list: of texts, or of objects with a name."""
    given = file.given.get(text)
    if given is not None and given != text:
        return _output(given)
    if text.startswith("concat("):
        parts = re.findall(r"\w+|\[[^\]]*\]", text.removeprefix("concat("))
        return [item for part in parts for item in _items(file, part)]
    if text.startswith("["):
        return [item for name in re.findall(r"\w+", text) for item in _items(file, name)]
    node = getattr(file.template.named(text), "value", None)
    literal = text_of(node)
    if literal is not None:
        return [literal]
    if not isinstance(node, Tree):
        raise SystemExit(f"{file.template.path}: what is in {text}?")
    if node.data != "array":
        return _items(file, file.text(node))
    items = [
        each if each.data == "string" else member(each, "name") for each in node.children if isinstance(each, Tree)
    ]
    return [file.text(each).strip("'") for each in items]


def _output(said: str) -> list[str]:
    """What an output of a module stands for: a resource's name, or a list."""
    found = re.fullmatch(r"(\w+)\.outputs\.(\w+)", said)
    if found is None:
        return [said]
    file = next(each for each in _files() if each.called == found[1])
    output = next(each for each in file.template.of("output") if each.name == found[2])
    text = file.text(output.value)
    resource = file.template.named(text.removesuffix(".name"))
    return list(_names(file, resource)) if resource is not None and text.endswith(".name") else _items(file, text)


def _condition(file: _File, each: Declaration) -> str:
    found = re.search(rf"^(?:resource|module) {each.name} '[^']+' = if \((.*)\) \{{$", file.template.text, re.MULTILINE)
    return found[1] if found else ""


def _rights(file: _File) -> Iterator[Right]:
    for each in file.template.of("resource"):
        if not each.target.startswith(ROLE_ASSIGNMENT):
            continue
        properties = member(each.body, "properties")
        role = re.search(r"roles\.(\w+)", file.text(member(properties, "roleDefinitionId")))
        who, scope = member(properties, "principalId"), file.text(member(each.body, "scope"))
        if role is None or name_of(who) is None:
            raise SystemExit(f"roles.bicep: {each.name} names no role of the map, or nobody")
        why = str(text_of(member(properties, "description")))
        when = _condition(file, each) or file.when
        yield Right(file.said(file.text(who)), _words(role[1]), _scope(file, scope), why, when)


def _scope(file: _File, scope: str) -> str:
    """What a right is on: the existing resource of that symbol, by its type and name."""
    target = file.template.named(scope.partition("[")[0])
    if target is None:
        raise SystemExit(f"roles.bicep: there is no {scope}")
    kind = target.target.partition("@")[0]
    if kind not in KINDS:
        raise SystemExit(f"roles.bicep: what is a {kind} in one word? Say it in KINDS of tools/azure_resources.py")
    names = [name for found in _names(file, target) for name in _output(found)]
    return f"{KINDS[kind]} {_code(tuple(names))}"


def _who(principal: str) -> str:
    return {
        "hub.outputs.principalId": "the hub",
        "topics.outputs.incomingPrincipalId": "the incoming topic",
        "deployerPrincipalId": "who deploys",
    }[principal]


def _words(key: str) -> str:
    """storageBlobDataOwner as Azure writes it."""
    return re.sub(r"([A-Z])", r" \1", key[0].upper() + key[1:]).strip().replace("Event Grid", "EventGrid")


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{each.replace('${', '{')}`" for each in dict.fromkeys(names)) or NOTHING


def _only(condition: str) -> str:
    return f"`{condition.replace('|', chr(92) + '|')}`" if condition else ""


if __name__ == "__main__":
    print("\n".join([*resource_lines(), "", *right_lines()]))
    sys.exit(0)
