"""Modules that do with their secrets what modules do by mistake."""

from __future__ import annotations

import base64
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote


def tell(payload: Any, params: dict[str, Any], context: Any) -> dict[str, Any]:
    """Says its secret in every way there is, and proves that it was given the right one."""
    secret = params["token"]
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    print("plain", secret)
    print("in base64", encoded)
    print("in a URL", f"https://example.com/?token={quote(secret, safe='')}")
    print("shown", repr(secret), {"token": secret}, file=sys.stderr)
    given = {"length": len(secret), "in the environment": os.environ["NEXOMATIC_PARAM_TOKEN"] == secret}
    return {**given, "plain": secret, "encoded": [encoded, {quote(secret): 1}]}


def fail(payload: Any, params: dict[str, Any], context: Any) -> None:
    """Ends in an error whose message holds the secret, and is longer than a message may be."""
    raise ValueError(f"login with {params['token']} failed " + "x" * payload.get("before", 0) + params["token"] * 100)


def hold(payload: Any, params: dict[str, Any], context: Any) -> None:
    """Says who it is and goes on until it is killed."""
    print("holding", params["token"])
    (Path(payload["folder"]) / "pid").write_text(f"{os.getpid()}\n")
    time.sleep(60)
