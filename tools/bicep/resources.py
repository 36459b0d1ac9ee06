"""Rules on resources: known types and versions, parents, what Flex Consumption takes, what must not come out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lark import Tree

from tools.bicep.parse import Fault, allowed, key_of, line_of, member, name_of, pairs, text_of
from tools.bicep.symbols import used_by
from tools.bicep.template import Declaration, Template

LIST: Final = Path(__file__).with_name("resource_types.txt")
_TOP: Final = frozenset(
    {"name", "location", "tags", "sku", "kind", "identity", "properties", "parent", "scope", "dependsOn", "zones"}
)
_OF_EXISTING: Final = frozenset({"name", "parent", "scope"})
_FLEX_CONFIG: Final[dict[str, frozenset[str]]] = {
    "": frozenset({"deployment", "runtime", "scaleAndConcurrency", "siteUpdateStrategy"}),
    "deployment": frozenset({"storage"}),
    "deployment.storage": frozenset({"type", "value", "authentication"}),
    "deployment.storage.authentication": frozenset(
        {"type", "userAssignedIdentityResourceId", "storageAccountConnectionStringName"}
    ),
    "runtime": frozenset({"name", "version"}),
    "scaleAndConcurrency": frozenset({"alwaysReady", "instanceMemoryMB", "maximumInstanceCount", "triggers"}),
    "scaleAndConcurrency.triggers": frozenset({"http"}),
    "scaleAndConcurrency.triggers.http": frozenset({"perInstanceConcurrency"}),
    "siteUpdateStrategy": frozenset({"type"}),
}
NOT_ON_FLEX: Final = re.compile(
    "FUNCTIONS_EXTENSION_VERSION|FUNCTIONS_WORKER_RUNTIME(_VERSION)?|FUNCTIONS_WORKER_PROCESS_COUNT"
    "|FUNCTIONS_MAX_HTTP_CONCURRENCY|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|WEBSITE_RUN_FROM_PACKAGE"
    "|WEBSITE_CONTENT\\w+|WEBSITE_TIME_ZONE|TZ|WEBSITE_LOAD_CERTIFICATES"
)
"""Settings that a plan of Flex Consumption does not take."""
_NOT_OF_A_SITE: Final = frozenset({"alwaysOn", "linuxFxVersion", "functionAppScaleLimit", "ftpsState"})
_SECRETIVE: Final = re.compile(
    r"(?i)(password|secret|(?<!insights)connectionstring|accountkey|accesskey|rootkey|token)$"
)


def known_types(text: str | None = None) -> dict[str, str]:
    """What a template may name, `type@version`, and where each was read."""
    found: dict[str, str] = {}
    for line in (LIST.read_text() if text is None else text).splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, source = line.partition(" ")
            found[name] = source.strip()
    return found


def check(template: Template, types: Mapping[str, str]) -> Iterator[Fault]:
    for each in template.of("resource"):
        yield from _type(template, each, types)
        yield from _body(template, each)
        yield from _parent(template, each)
    for node in template.tree.iter_subtrees():
        if node.data == "object":
            yield from _flex(template, node)
    yield from _secrets(template)
    yield from _same_names(template)


def _same_names(template: Template) -> Iterator[Fault]:
    """Two that would be one in Azure, of which the second to be deployed wins; also two deployments of modules."""
    first: dict[tuple[str, ...], int] = {}
    for each in template.of("resource", "module"):
        kind = each.target.partition("@")[0] if each.kind == "resource" else each.kind
        where = [_said(template, member(each.body, key)) for key in ("name", "parent", "scope")]
        if each.existing or not where[0]:
            continue
        line = first.setdefault((kind, *where), each.line)
        if line != each.line:
            what = f"{each.name} has the same name as another {kind}, in line {line}"
            yield Fault(template.path, each.line, "duplicate", what)


def _said(template: Template, node: Any) -> str:
    return template.text[node.meta.start_pos : node.meta.end_pos].strip() if isinstance(node, Tree) else ""


def _type(template: Template, declared: Declaration, types: Mapping[str, str]) -> Iterator[Fault]:
    if declared.target in types:
        return
    kind = declared.target.partition("@")[0]
    versions = [each.partition("@")[2] for each in types if each.partition("@")[0] == kind]
    if versions:
        what = f"{declared.target} is not on the list; of this type there is {', '.join(versions)}"
    else:
        what = f"{kind} is not on the list{allowed(kind, {each.partition('@')[0] for each in types})}"
    yield Fault(template.path, declared.line, "type", what)


def _body(template: Template, declared: Declaration) -> Iterator[Fault]:
    if declared.body is None:  # the grammar has it so
        return
    top = _OF_EXISTING if declared.existing else _TOP
    keys = [(key_of(key), line_of(key)) for key, _ in pairs(declared.body)]
    for key, line in keys:
        if key not in top:
            yield Fault(template.path, line, "body", f"a resource has no {key!r} here{allowed(key or '', top)}")
    if "name" not in [key for key, _ in keys]:
        yield Fault(template.path, declared.line, "body", f"{declared.name} has no name")
    value = declared.value
    if isinstance(value, Tree) and value.data == "loop" and not _differ(value, declared):
        yield Fault(template.path, declared.line, "body", f"all of the loop {declared.name} have the same name")


def _differ(loop: Any, declared: Declaration) -> bool:
    """Whether name, parent or scope of what a loop makes has to do with the loop's own names."""
    own = {str(each) for each in loop.children[0].children if isinstance(each, str)}
    where = [member(declared.body, key) for key in ("name", "parent", "scope")]
    text = " ".join(str(each) for node in where for each in _leaves(node))
    return any(re.search(rf"\b{name}\b", text) for name in own)


def _leaves(node: Any) -> list[Any]:
    return list(node.scan_values(lambda _: True)) if isinstance(node, Tree) else [node]


def _parent(template: Template, declared: Declaration) -> Iterator[Fault]:
    parent = member(declared.body, "parent")
    kind = declared.target.partition("@")[0]
    if parent is None:
        name = text_of(member(declared.body, "name"))
        if kind.count("/") > 1 and name is not None and name.count("/") != kind.count("/") - 1:
            yield Fault(template.path, declared.line, "parent", f"{kind} lies in another resource: say `parent:`")
        return
    name = (name_of(parent) or "").strip()
    found = template.named(name) if name else None
    if found is None or found.kind != "resource":
        if not isinstance(parent, Tree) or parent.data == "string":
            yield Fault(template.path, line_of(parent), "parent", "parent is a resource of this file")
    elif (of := found.target.partition("@")[0]) != kind.rpartition("/")[0]:
        yield Fault(template.path, line_of(parent), "parent", f"{kind} lies in {kind.rpartition('/')[0]}, not in {of}")


def _flex(template: Template, node: Any) -> Iterator[Fault]:
    for key, value in pairs(node):
        name = key_of(key)
        if name is not None and (NOT_ON_FLEX.fullmatch(name) or name in _NOT_OF_A_SITE):
            yield Fault(template.path, line_of(key), "flex", f"Flex Consumption does not take {name}")
        if name == "functionAppConfig":
            yield from _config(template, value, "")


def _config(template: Template, node: Any, place: str) -> Iterator[Fault]:
    known = _FLEX_CONFIG.get(place)
    if known is None or not isinstance(node, Tree) or node.data != "object":
        return
    for key, value in pairs(node):
        name = key_of(key) or ""
        if name not in known:
            where = f"functionAppConfig.{place}".rstrip(".")
            yield Fault(template.path, line_of(key), "flex", f"{where} has no {name!r}{allowed(name, known)}")
        yield from _config(template, value, f"{place}.{name}".lstrip("."))


def _secrets(template: Template) -> Iterator[Fault]:
    """What is secret stays out of outputs and defaults: a deployment's record shows both."""
    secure = {each.name for each in template.of("param") if "secure" in each.decorators}
    for each in template.of("output"):
        used = used_by(each)
        for name in sorted({use.name for use in used.uses} & secure):
            yield Fault(template.path, each.line, "secret", f"the output {each.name} shows the secret {name}")
        for call in used.calls:
            if call.method or call.name.startswith("list"):
                message = f"the output {each.name} shows what {call.name}() gives"
                yield Fault(template.path, each.line, "secret", message)
    for each in template.of("param"):
        if _SECRETIVE.search(each.name) and each.type == "string" and each.name not in secure:
            yield Fault(template.path, each.line, "secret", f"{each.name} holds a secret: it needs @secure()")
        if each.name in secure and text_of(each.value):
            yield Fault(template.path, each.line, "secret", f"{each.name} is secret, and has a default for all to read")
