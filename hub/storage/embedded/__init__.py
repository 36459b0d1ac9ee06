"""Storage in one SQLite file, or in memory: the engine of one machine, of a closed network, of tests."""

from hub.storage.embedded.engine import EmbeddedStorage, open_embedded

__all__ = ["EmbeddedStorage", "open_embedded"]
