"""All templates of a folder together, and azure.yaml, which deploys them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tools.bicep import modules, parameters, resources, symbols
from tools.bicep.parse import CannotRead, Fault
from tools.bicep.template import Template, read

FOLDER: Final = "infra/bicep"
_AZD: Final = frozenset({"name", "metadata", "infra", "services", "hooks", "requiredVersions", "pipeline", "workflows"})
_SERVICE: Final = frozenset({"project", "language", "host", "hooks", "dist", "resourceName", "module"})


def files_of(root: Path) -> dict[str, str]:
    """The text of every file that is checked, by its path from the root."""
    found = [*sorted((root / FOLDER).rglob("*.bicep")), *sorted((root / FOLDER).rglob("*.bicepparam"))]
    found += [root / "azure.yaml"] if (root / "azure.yaml").exists() else []
    return {each.relative_to(root).as_posix(): each.read_text() for each in found}


def readers_of(root: Path) -> str:
    """What reads the outputs of a deployment."""
    others = [*sorted((root / "docs").rglob("*.md")), *sorted((root / "infra").rglob("*.sh"))]
    return "\n".join(each.read_text() for each in [root / "README.md", *others])


def check(files: Mapping[str, str], read_by: str, types: Mapping[str, str] | None = None) -> list[Fault]:
    """Every fault of all files, in their order. `read_by`: what else reads the outputs of a deployment."""
    known = resources.known_types() if types is None else types
    faults: list[Fault] = []
    templates: dict[str, Template] = {}
    for path, text in files.items():
        if path.endswith(".bicep"):
            try:
                templates[path] = read(text, path)
            except CannotRead as error:
                faults.append(error.fault)
    if faults:  # what the others use of a file that nobody could read would only hide the cause
        return sorted(faults)
    for template in templates.values():
        faults += [*symbols.check(template), *resources.check(template, known), *modules.check(template, templates)]
    others = [text for path, text in files.items() if not path.endswith(".bicep")]
    faults += modules.unused(templates, "\n".join([read_by, *others]))
    for path, text in files.items():
        if path.endswith(".bicepparam"):
            faults += parameters.check(text, path, templates)
        elif path.endswith(".yaml"):
            faults += _azd(text, path, templates)
    return sorted(set(faults))


def _azd(text: str, path: str, templates: Mapping[str, Template]) -> Iterator[Fault]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield Fault(path, 1, "azd", f"is no YAML: {error}")
        return
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        yield Fault(path, 1, "azd", "has no name")
        return
    yield from _unknown(path, document, _AZD, "azure.yaml")
    infra: dict[str, Any] = document.get("infra") or {}
    template = f"{str(infra.get('path', 'infra')).removeprefix('./')}/{infra.get('module', 'main')}.bicep"
    if infra.get("provider", "bicep") != "bicep":
        yield Fault(path, 1, "azd", "infra.provider is bicep")
    if template not in templates:
        yield Fault(path, 1, "azd", f"infra names {template}; there is {', '.join(sorted(templates))}")
    services = document.get("services") or {}
    for name, service in services.items():
        yield from _unknown(path, service, _SERVICE, f"services.{name}")
        for key, value in (("host", "function"), ("language", "python")):
            if service.get(key) not in (value, "py" if key == "language" else value):
                yield Fault(path, 1, "azd", f"services.{name}.{key} is {value}")
        if not any(f"'azd-service-name': '{name}'" in each.text for each in templates.values()):
            yield Fault(path, 1, "azd", f"no template has the tag 'azd-service-name': '{name}'")


def _unknown(path: str, document: Mapping[str, Any], known: frozenset[str], where: str) -> Iterator[Fault]:
    for key in document.keys() - known:
        yield Fault(path, 1, "azd", f"{where} has no {key!r}; there is {', '.join(sorted(known))}")
