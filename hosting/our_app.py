"""What this project's app wants of the host, which itself knows of none in particular."""

from __future__ import annotations

from typing import Final

OUR_APP: Final = ("--when-stopping", "hub.process:let_go")
"""Options of `hosting.host`, wherever this app is served: a stop answers the polls that are held open, and is short."""
