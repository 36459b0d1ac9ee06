"""Rules between files: what a module is given, what is taken of it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lark import Tree

from tools.bicep.parse import Fault, allowed, key_of, line_of, member, name_of, pairs, text_of
from tools.bicep.symbols import used_by
from tools.bicep.template import Declaration, Template

_KEYS: Final = frozenset({"name", "params", "scope", "dependsOn"})
_KINDS: Final = {"int_type": "int", "true": "bool", "false": "bool", "array": "array", "object": "object"}


def path_of(template: Template, module: Declaration) -> str:
    """Where a module's file lies, from where the templates are."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(template.path), module.target))


def check(template: Template, templates: Mapping[str, Template]) -> Iterator[Fault]:
    for each in template.of("module"):
        path = path_of(template, each)
        if path not in templates:
            known = {posixpath.relpath(other, posixpath.dirname(template.path) or ".") for other in templates}
            message = f"there is no file {each.target}{allowed(each.target, known)}"
            yield Fault(template.path, each.line, "module", message)
            continue
        yield from _keys(template, each)
        yield from given(template, each.line, member(each.body, "params"), templates[path])
    yield from _outputs(template, templates)


def _keys(template: Template, module: Declaration) -> Iterator[Fault]:
    for key, _ in pairs(module.body) if module.body is not None else ():
        if (name := key_of(key)) not in _KEYS:
            yield Fault(template.path, line_of(key), "module", f"a module has no {name!r}{allowed(name or '', _KEYS)}")


def given(template: Template, line: int, params: Any, of: Template) -> Iterator[Fault]:
    """What is wrong with the parameters given to a file. `line` is where they should stand."""
    wanted = {each.name: each for each in of.of("param")}
    found = {key_of(key) or "": (key, value) for key, value in pairs(params)} if isinstance(params, Tree) else {}
    for name in wanted.keys() - found.keys():
        if not wanted[name].optional:
            yield Fault(template.path, line, "parameter", f"{of.path} needs the parameter {name!r}")
    for name, (key, value) in found.items():
        if name not in wanted:
            message = f"{of.path} has no parameter {name!r}{allowed(name, wanted)}"
            yield Fault(template.path, line_of(key), "parameter", message)
        else:
            yield from _value(template, line_of(key), value, wanted[name])


def _value(template: Template, line: int, value: Any, wanted: Declaration) -> Iterator[Fault]:
    kind, want = kind_of(value, template), "array" if (wanted.type or "").endswith("[]") else wanted.type
    if kind is not None and want in ("string", "int", "bool", "array", "object") and kind != want:
        yield Fault(template.path, line, "parameter", f"{wanted.name} is of type {wanted.type}, not {kind}")
        return
    if (choices := choices_of(wanted)) and (text := text_of(value)) is not None and text not in choices:
        yield Fault(template.path, line, "parameter", f"{wanted.name} is one of {', '.join(choices)}")
    source = template.named(name_of(value) or "")
    if source is not None and "secure" in source.decorators and "secure" not in wanted.decorators:
        yield Fault(template.path, line, "secret", f"{source.name} is secret; {wanted.name} is not marked @secure()")


def choices_of(param: Declaration) -> list[str]:
    """The texts that a parameter may be, if it says so."""
    node = param.decorators.get("allowed")
    children = node.children if isinstance(node, Tree) else []
    return [text for each in children if (text := text_of(each)) is not None]


def kind_of(value: Any, template: Template) -> str | None:
    """The type of an expression, if that can be seen."""
    if not isinstance(value, Tree):
        return None
    if value.data in _KINDS:
        return _KINDS[str(value.data)]
    name = name_of(value)
    if value.data == "multi_line_string" or (value.data == "string" and name is None):
        return "string"
    found = template.named(name) if name else None
    if found is None:
        return None
    if found.kind == "param":
        return "array" if (found.type or "").endswith("[]") else found.type
    return kind_of(found.value, template) if found.kind == "var" and name_of(found.value) != name else None


def _outputs(template: Template, templates: Mapping[str, Template]) -> Iterator[Fault]:
    modules = {each.name: each for each in template.of("module")}
    for declared in template.declared:
        for use in used_by(declared).uses:
            module = modules.get(use.name)
            of = templates.get(path_of(template, module)) if module is not None else None
            chain = [each for each in use.chain if each != "[]"]
            if of is None or chain[:1] != ["outputs"] or len(chain) < 2:
                continue
            known = {each.name for each in of.of("output")}
            if chain[1] not in known:
                message = f"{of.path} has no output {chain[1]!r}{allowed(chain[1], known)}"
                yield Fault(template.path, use.line, "output", message)


def taken(templates: Mapping[str, Template]) -> set[tuple[str, str]]:
    """The outputs that some file takes: path and name."""
    found = set()
    for template in templates.values():
        modules = {each.name: path_of(template, each) for each in template.of("module")}
        for declared in template.declared:
            for use in used_by(declared).uses:
                chain = [each for each in use.chain if each != "[]"]
                if use.name in modules and chain[:1] == ["outputs"]:
                    of = templates.get(modules[use.name])
                    names = chain[1:2] or [each.name for each in of.of("output")] if of is not None else []
                    found |= {(modules[use.name], name) for name in names}
    return found


def unused(templates: Mapping[str, Template], read: str) -> Iterator[Fault]:
    """Outputs that nobody takes, and modules that nobody deploys. `read` is the text of all that reads outputs
    of a whole deployment: azure.yaml, the documentation, files of parameters."""
    used, words = taken(templates), set(re.findall(r"\w+", read))
    deployed = {path_of(each, module) for each in templates.values() for module in each.of("module")}
    for path, template in templates.items():
        for each in template.of("output"):
            if (path, each.name) not in used and (path in deployed or each.name not in words):
                by = "no template" if path in deployed else "no template, document or azure.yaml"
                yield Fault(path, each.line, "output", f"{by} uses the output {each.name!r}")
        if path not in deployed and "/modules/" in f"/{path}":
            yield Fault(path, 1, "module", "no template deploys this module")
