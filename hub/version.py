"""Which release this is."""

VERSION = "0.1.0"
"""The hub's version, in the manifest of its deployment package."""
