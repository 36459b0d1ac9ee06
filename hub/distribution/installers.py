"""The scripts that install the agent: files beside this one, with the hub's address and the package's digest put in."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hub.distribution.agent_packages import AgentPackage
from hub.errors import Rejected

SCRIPTS: Final = ("install.sh", "install.ps1")
_FOLDER: Final = Path(__file__).with_name("install")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.\-_~:/\[\]%]+")
"""Nothing that ends a quoted text, in either language."""


class Installers:
    """Writes them. Reads files: call it in a thread."""

    def __init__(self, package: Callable[[], AgentPackage], public_url: str | None) -> None:
        self._package = package
        self._public_url = public_url

    def script(self, name: str) -> bytes:
        """One of `SCRIPTS`. Raises `Rejected` where nobody said what this hub's address is, `NotFound`."""
        if self._public_url is None:
            raise Rejected(
                "NEXOMATIC_PUBLIC_URL is not set: an installer would not know where the hub is, and a request is not "
                "believed about that"
            )
        if not _ADDRESS.fullmatch(self._public_url):
            raise Rejected("NEXOMATIC_PUBLIC_URL has characters that a script cannot hold")
        found = self._package()
        text = (_FOLDER / name).read_text("utf-8")
        for mark, value in (("@HUB@", self._public_url), ("@VERSION@", found.version), ("@SHA256@", found.sha256)):
            text = text.replace(mark, value)
        return text.encode()
