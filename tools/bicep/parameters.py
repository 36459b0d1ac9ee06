"""Files of parameters, `.bicepparam`: they exist, fit their template, and hold no secret."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Final

from lark import Token, Tree

from tools.bicep import symbols
from tools.bicep.modules import given
from tools.bicep.parse import CannotRead, Fault, allowed, text_of
from tools.bicep.template import Declaration, Template, read

_USING: Final = re.compile(r"^using '([^']+)'[ \t]*(//[^\n]*)?$", re.MULTILINE)


def check(text: str, path: str, templates: Mapping[str, Template]) -> Iterator[Fault]:
    """The grammar knows no such files: they are read with `var` for `param`, and without `using`."""
    using = _USING.findall(text)
    if len(using) != 1:
        yield Fault(path, 1, "using", "says once which template it is for: using '../main.bicep'")
        return
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), using[0][0]))
    if target not in templates:
        known = {posixpath.relpath(each, posixpath.dirname(path)) for each in templates}
        yield Fault(path, 1, "using", f"there is no template {using[0][0]}{allowed(using[0][0], known)}")
        return
    written = _USING.sub("", text)
    names = re.findall(r"^param (\w+)", written, re.MULTILINE)
    try:
        template = read(re.sub(r"^param (?=\w+ *=)", "var ", written, flags=re.MULTILINE), path)
    except CannotRead as error:
        yield error.fault
        return
    for fault in symbols.check(template):
        if fault.rule != "unused" or not any(f"{name!r}" in fault.message for name in names):
            yield fault
    values = [each for each in template.of("var") if each.name in names]
    yield from given(template, 1, _object(values), templates[target])
    secure = {each.name for each in templates[target].of("param") if "secure" in each.decorators}
    for each in values:
        if each.name in secure and text_of(each.value):
            yield Fault(path, each.line, "secret", f"{each.name} is secret: read it with readEnvironmentVariable()")


def _object(values: list[Declaration]) -> Tree[Token]:
    """As a module's parameters are written."""
    pairs = []
    for each in values:
        token = Token("STRING", each.name, line=each.line)
        pairs.append(Tree("pair", [Tree("key", [token]), each.value]))
        pairs[-1].children[0].meta.line = each.line
    return Tree("object", pairs)
