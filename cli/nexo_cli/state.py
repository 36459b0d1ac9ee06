"""What holds for this one run of the command: how to print, and which hub to talk to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Run:
    """Set from the options that every command has."""

    json: bool = False
    hub: str | None = None


run = Run()
"""One command runs in a process; tests that run several put it back."""
