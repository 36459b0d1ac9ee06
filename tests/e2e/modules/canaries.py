"""A module that says all its parameters in every way a module may, by mistake, say them."""

from __future__ import annotations

import base64
import json
import logging
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from nexomatic import Warn


def tell(payload: dict[str, Any], params: dict[str, Any], context: Any) -> dict[str, Any]:
    """`payload["end"]` says how it ends: by returning, with a warning, or with an exception."""
    values = {name: str(value) for name, value in sorted(params.items())}
    for name, value in values.items():
        ways = [value, repr(value), json.dumps(value), quote(value), quote(value, safe=""), quote_plus(value)]
        ways += [base64.b64encode(f"{before}{value}".encode()).decode() for before in ("", "a", "ab")]
        for way in ways:
            print(f"{name} is {way} indeed")
            print(f"{name}: {way}", file=sys.stderr)
            logging.getLogger(name).warning("login failed with %s", way)
        Path(f"{name}.txt").write_text("\n".join(ways))
    lengths = {name: len(value) for name, value in values.items()}
    if payload["end"] == "warn":
        raise Warn("TOLD", f"said {values}", {"values": values, "lengths": lengths})
    if payload["end"] == "raise":
        raise ValueError(f"cannot log in with {values}")
    return {
        "lengths": lengths,
        "values": values,
        "inside": [{value: [value.encode().hex()[:2], value]} for value in values.values()],
    }
