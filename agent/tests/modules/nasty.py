"""Calls one of the modules beside it, whichever the payload names: one action for all of them."""

from __future__ import annotations

import sys
from typing import Any

from nexomatic import Context


def run(payload: Any, params: Any, context: Context) -> Any:
    """`module`: as an action would say it, `package.module:function`."""
    name, _, function = payload["module"].partition(":")
    __import__(name)
    return getattr(sys.modules[name], function)(payload, params, context)
