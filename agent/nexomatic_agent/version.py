"""The agent's version, which it tells the hub at every poll."""

VERSION = "0.1.0"
