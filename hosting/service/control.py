"""The running service, as an upgrade sees it: stopped, started, asked how it is."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hosting.errors import HostingError
from hosting.service.layout import UNIT, Layout

_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked on this machine


@dataclass(frozen=True, slots=True)
class Service:
    """The unit. `patience_seconds`: how long a start may take until the hub is well."""

    layout: Layout
    told: Mapping[str, str]
    patience_seconds: float

    def stop(self) -> None:
        """Stop it and wait for its end. Raises HostingError."""
        self._systemctl("stop")

    def start(self, release: Path) -> bool:
        """Start a release that `current` leads to, by its own unit; whether it is well within the patience."""
        shutil.copyfile(release / UNIT, self._unit.with_suffix(".new"))
        self._unit.with_suffix(".new").replace(self._unit)
        self._systemctl("daemon-reload")
        deadline = time.monotonic() + self.patience_seconds
        try:
            self._systemctl("start")
        except HostingError:
            return False
        while time.monotonic() < deadline:
            if self.is_well():
                return True
            if self._has_failed():
                return False
            time.sleep(_LOOK_SECONDS)
        return False

    def is_well(self) -> bool:
        """Whether the hub on this machine says that it is. Its certificate is not looked at: it is for other names."""
        bind = self.told.get("NEXOMATIC_BIND") or "127.0.0.1"
        host, port = _EVERY_ADDRESS.get(bind, bind), int(self.told.get("NEXOMATIC_PORT") or 7071)
        connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_SECONDS)
        if self.told.get("NEXOMATIC_CERTIFICATE"):
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(host, port, timeout=_ANSWER_SECONDS, context=context)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _has_failed(self) -> bool:
        try:
            self._systemctl("is-failed", "--quiet")
        except HostingError:
            return False
        return True

    @property
    def _unit(self) -> Path:
        return self.layout.root / "etc/systemd/system" / UNIT

    def _systemctl(self, *what: str) -> None:
        command = ["systemctl", *what] if what == ("daemon-reload",) else ["systemctl", *what, UNIT]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - all ours
        except OSError as error:
            raise HostingError(f"systemctl cannot be run: {error.strerror}") from None
        if done.returncode != 0:
            raise HostingError(f"{' '.join(command)} failed: {done.stderr.strip()}")
