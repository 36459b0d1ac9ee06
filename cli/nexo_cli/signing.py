"""Signs a request as the caller of a webhook would, to try it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any

from nexo_cli.errors import Exit, NexoError

_KEYS: Mapping[str, Callable[[str], bytes]] = {
    "text": lambda text: text.encode(),
    "base64": base64.b64decode,
    "hex": bytes.fromhex,
}
_NUMBERS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}


def signature_headers(verify: Mapping[str, Any], body: bytes, secret: Callable[[], str]) -> dict[str, str]:
    """The headers that prove it, by the webhook's preset. Raises `NexoError` for one that cannot be tried this way."""
    match verify["preset"]:
        case "none":
            return {}
        case "bearer":
            return {"Authorization": f"Bearer {secret()}"}
        case "basic":
            pair = f"{verify['username']}:{secret()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case "gitlab":
            return {"X-Gitlab-Token": secret()}
        case "github":
            number = hmac.new(secret().encode(), body, hashlib.sha256).hexdigest()
            return {"X-Hub-Signature-256": f"sha256={number}"}
        case "shared" if verify.get("header"):
            return {verify["header"]: secret()}
        case "hmac":
            return _generic(verify, body, secret())
    what = f"a webhook of the preset {verify['preset']} cannot be signed here"
    raise NexoError(what, Exit.USAGE, hint="Let its caller send something, and: nexo webhooks replay")


def _generic(verify: Mapping[str, Any], body: bytes, secret: str) -> dict[str, str]:
    at = str(int(time.time()))
    key = _KEYS[verify["key_encoding"]](secret)
    before, between, after = verify["signs"].partition("{body}")
    signed = before.replace("{timestamp}", at).encode() + (body if between else b"")
    signed += after.replace("{timestamp}", at).encode()
    number = hmac.new(key, signed, _NUMBERS[verify["algorithm"]]).digest()
    text = number.hex() if verify["encoding"] == "hex" else base64.b64encode(number).decode()
    headers = {verify["header"]: f"{verify['prefix']}{text}"}
    return headers | ({verify["timestamp_header"]: at} if verify.get("timestamp_header") else {})
