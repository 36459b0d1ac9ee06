"""Configuration files: YAML or JSON, one or a folder of them, with `${NAME}` for what differs from place to place."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nexo_cli.errors import Exit, NexoError

LISTS: Final = {"sink_types": "sink-types", "actions": "actions", "event_types": "event-types", "sources": "sources"}
"""The lists of a file, and what their documents are called in messages."""
SUFFIXES: Final = (".yaml", ".yml", ".json")
_VARIABLE: Final = re.compile(r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Documents = dict[str, list[dict[str, Any]]]


def read(paths: Sequence[Path], variables: Mapping[str, str]) -> Documents:
    """The documents of all these files, by list. Raises `NexoError` that names the file and what is wrong in it."""
    documents: Documents = {}
    where: dict[tuple[str, str], Path] = {}
    for path in _files(paths):
        for kind, each in _lists_of(path, variables).items():
            for document in each:
                name = (kind, str(document.get("name")).casefold())
                if name in where and document.get("name") is not None:
                    what = f"{LISTS[kind]}/{document['name']} is in {where[name]} and in {path}"
                    raise NexoError(what, Exit.USAGE, hint="Name the files one by one, or let one of them go.")
                where[name] = path
            documents.setdefault(kind, []).extend(each)
    return documents


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files themselves; of a folder those that lie in it, not those of its folders."""
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file())
        if not inside:
            raise NexoError(f"{path} holds no {', '.join(SUFFIXES)} file", Exit.USAGE)
        found += inside
    return found


def _lists_of(path: Path, variables: Mapping[str, str]) -> Documents:
    import yaml

    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_strict_loader())  # noqa: S506 - a SafeLoader of ours
    except OSError as error:
        raise NexoError(f"{path} cannot be read: {error.strerror}", Exit.USAGE) from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NexoError(f"{path} is neither YAML nor JSON: {error}", Exit.USAGE) from error
    allowed = f"{path} may hold the lists {', '.join(LISTS)}, and nothing else"
    if not isinstance(content, dict):
        raise NexoError(allowed, Exit.USAGE)
    content.pop("$schema", None)
    unknown = [str(name) for name in content if name not in LISTS]
    if unknown:
        raise NexoError(f"{allowed}: not {', '.join(unknown)}", Exit.USAGE)
    for name, each in content.items():
        if not isinstance(each, list) or not all(isinstance(one, dict) for one in each):
            raise NexoError(f"{path}: {name} must be a list of documents", Exit.USAGE)
    return {name: _filled(each, path, variables) for name, each in content.items()}


def _strict_loader() -> Any:
    """YAML in which a key that is there twice is an error, and a time stays the text that it is."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
        loader.flatten_mapping(node)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            if key in found:
                raise yaml.constructor.ConstructorError(None, None, f"{key} is there twice", key_node.start_mark)
            found[key] = loader.construct_object(value_node, deep=True)
        return found

    Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    return Loader


def _filled(value: Any, path: Path, variables: Mapping[str, str]) -> Any:
    """The value with `${NAME}` replaced in its texts; `$${NAME}` is `${NAME}` as it stands."""
    if isinstance(value, dict):
        return {name: _filled(each, path, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, path, variables) for each in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        if found[0].startswith("$$"):
            return found[0][1:]
        name = found[1]
        if name in variables:
            return variables[name]
        if name in os.environ:
            return os.environ[name]
        hint = f"--var {name}=…, or set it in the environment; $${{{name}}} stands for the text itself"
        raise NexoError(f"{path} does not say what ${{{name}}} is", Exit.USAGE, hint=hint)

    return _VARIABLE.sub(replaced, value)
