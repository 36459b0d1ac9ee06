"""The process trees of this platform."""

from __future__ import annotations

import sys

if sys.platform == "win32":  # not run by the project's tests, which run on Linux
    from nexomatic_agent.process_tree_windows import ProcessTree, adopt_orphans, kill_remains
else:
    from nexomatic_agent.linux_processes import adopt_orphans
    from nexomatic_agent.process_tree import ProcessTree, kill_remains

__all__ = ["ProcessTree", "adopt_orphans", "kill_remains"]
