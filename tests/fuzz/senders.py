"""Senders of webhooks, one for each preset: what the source says, and headers and query that its caller would send."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

SECRET: Final = "whsec_" + base64.b64encode(b"the secret of those who fuzz").decode()
Headers: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sender:
    """One preset. `prove` makes the headers for a body at a time in seconds."""

    verify: Mapping[str, Any]
    prove: Callable[[bytes, int], Headers]
    query: Mapping[str, str] | None = None


def _mac(content: bytes, key: bytes = SECRET.encode()) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)


def _standard(body: bytes, at: int) -> Headers:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(_mac(b"msg_1.%d." % at + body, key)).decode()
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}


def _basic(_body: bytes, _at: int) -> Headers:
    return {"authorization": "Basic " + base64.b64encode(f"deploy:{SECRET}".encode()).decode()}


def _with_secret(preset: str, **more: Any) -> Mapping[str, Any]:
    return {"preset": preset, "secret": "fuzz", **more}


SENDERS: Final[Mapping[str, Sender]] = {
    "none": Sender({"preset": "none"}, lambda *_: {}),
    "bearer": Sender(_with_secret("bearer"), lambda *_: {"authorization": f"Bearer {SECRET}"}),
    "basic": Sender(_with_secret("basic", username="deploy"), _basic),
    "shared": Sender(_with_secret("shared", header="X-Gate"), lambda *_: {"x-gate": SECRET}),
    "by-query": Sender(_with_secret("shared", query="gate"), lambda *_: {}, {"gate": SECRET}),
    "gitlab": Sender(_with_secret("gitlab"), lambda *_: {"x-gitlab-token": SECRET}),
    "github": Sender(_with_secret("github"), lambda body, _: {"x-hub-signature-256": f"sha256={_mac(body).hex()}"}),
    "shopify": Sender(
        _with_secret("shopify"), lambda body, _: {"x-shopify-hmac-sha256": base64.b64encode(_mac(body)).decode()}
    ),
    "stripe": Sender(
        _with_secret("stripe"), lambda body, at: {"stripe-signature": f"t={at},v1={_mac(b'%d.' % at + body).hex()}"}
    ),
    "slack": Sender(
        _with_secret("slack"),
        lambda body, at: {
            "x-slack-request-timestamp": str(at),
            "x-slack-signature": f"v0={_mac(b'v0:%d:' % at + body).hex()}",
        },
    ),
    "hmac": Sender(
        _with_secret("hmac", header="X-Sig", timestamp_header="X-Time", signs="{timestamp}.{body}"),
        lambda body, at: {"x-time": str(at), "x-sig": _mac(b"%d." % at + body).hex()},
    ),
    "standard": Sender(_with_secret("standard"), _standard),
}
