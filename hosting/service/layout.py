"""Where things lie on the machine. `NEXOMATIC_HUB_ROOT` puts all of it below another folder, for images and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hosting.errors import BadSettings

USER: Final = "nexomatic-hub"
UNIT: Final = "nexomatic-hub.service"
ROOT: Final = "NEXOMATIC_HUB_ROOT"


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of the service."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Layout:
        return cls(Path(environ.get(ROOT) or "/"))

    @property
    def software(self) -> Path:
        """Root's; the service only reads it."""
        return self.root / "opt/nexomatic"

    @property
    def releases(self) -> Path:
        return self.software / "releases"

    @property
    def current(self) -> Path:
        """A link to the release that runs."""
        return self.software / "current"

    @property
    def previous(self) -> Path:
        """A link to the one before, if there is one."""
        return self.software / "previous"

    @property
    def data(self) -> Path:
        return self.root / "var/lib/nexomatic-hub"

    @property
    def settings(self) -> Path:
        return self.root / "etc/nexomatic-hub/hub.env"


def read_settings(path: Path) -> dict[str, str]:
    """The settings in a file of `NAME=value` lines. Raises BadSettings, naming the line but never a value."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or any(each.isspace() for each in name):
            raise BadSettings(f"{path}:{number}: must be NAME=value, or begin with #")
        if name in found:
            raise BadSettings(f"{path}:{number}: {name} is set twice")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name] = value
    return found


def environment(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """What the hub is to be told: the environment, and from the file what is not set there. Raises BadSettings."""
    told = {**read_settings(layout.settings), **{name: value for name, value in environ.items() if value}}
    told.setdefault("NEXOMATIC_HOME", str(layout.data))
    return told
