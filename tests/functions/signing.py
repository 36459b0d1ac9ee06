"""Webhooks signed as their senders sign them: by the providers' own libraries and by openssl, never by our own code."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import standardwebhooks
import stripe
import svix.webhooks
from requests.auth import HTTPBasicAuth
from requests.models import PreparedRequest
from slack_sdk.signature import SignatureVerifier

ROOT = Path(__file__).resolve().parent.parent.parent
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_STANDARD_SECRET = "whsec_" + base64.b64encode(b"another secret of 24 byte").decode()
Sign = Callable[[str, bytes, datetime], dict[str, str]]
"""The headers of a body under a secret at a time."""


@dataclass(frozen=True)
class Sender:
    """One kind of sender: what its source says, and how it signs."""

    verify: Mapping[str, Any]
    sign: Sign
    signature: str
    """The header that holds the signature."""
    secret: str = "the secret of the tests"
    other_secret: str = "another secret of the tests"
    timestamp: bool = False
    """It signs a time too."""


def _standard(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    signature = standardwebhooks.Webhook(secret).sign("msg_1", at, body.decode())
    seconds = str(int(at.timestamp()))
    return {"webhook-id": "msg_1", "webhook-timestamp": seconds, "webhook-signature": signature}


def _svix(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    signature = svix.webhooks.Webhook(secret).sign("msg_2", at, body.decode())
    return {"svix-id": "msg_2", "svix-timestamp": str(int(at.timestamp())), "svix-signature": signature}


@cache
def _octokit(secret: str, body: bytes) -> str:
    """`@octokit/webhooks`, from npm."""
    module = (ROOT / "node_modules/@octokit/webhooks/dist-bundle/index.js").as_uri()
    program = f"""
        import {{ Webhooks }} from {json.dumps(module)};
        console.log(await new Webhooks({{ secret: {json.dumps(secret)} }}).sign({json.dumps(body.decode())}));
    """
    command = ["node", "--input-type=module", "--eval", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _github(secret: str, body: bytes, _at: datetime) -> dict[str, str]:
    return {"x-hub-signature-256": _octokit(secret, body)}


def _stripe(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    seconds = int(at.timestamp())
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, seconds)
    return {"stripe-signature": header}


def _slack(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    seconds = str(int(at.timestamp()))
    signature = SignatureVerifier(secret).generate_signature(timestamp=seconds, body=body)
    assert signature is not None
    return {"x-slack-request-timestamp": seconds, "x-slack-signature": signature}


def openssl(key: bytes, content: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC as openssl makes it."""
    command = ["openssl", "dgst", f"-{algorithm}", "-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def _shopify(secret: str, body: bytes, _at: datetime) -> dict[str, str]:
    return {"x-shopify-hmac-sha256": base64.b64encode(openssl(secret.encode(), body)).decode()}


def _generic(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    time = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    signature = openssl(secret.encode(), f"t={time};b=".encode() + body, "sha512").hex()
    return {"x-acme-time": time, "x-acme-signature": f"v=1,sig={signature}"}


def _gitlab(secret: str, _body: bytes, _at: datetime) -> dict[str, str]:
    return {"x-gitlab-token": secret}


def _bearer(secret: str, _body: bytes, _at: datetime) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def _basic(secret: str, _body: bytes, _at: datetime) -> dict[str, str]:
    request = PreparedRequest()
    request.headers = {}  # type: ignore[assignment]  # all that HTTPBasicAuth needs
    HTTPBasicAuth("deploy", secret)(request)
    return {"authorization": str(request.headers["Authorization"])}


def _shared(secret: str, _body: bytes, _at: datetime) -> dict[str, str]:
    return {"x-monitor-key": secret}


_GENERIC = {
    "preset": "hmac",
    "header": "X-Acme-Signature",
    "algorithm": "sha512",
    "prefix": "v=1,sig=",
    "timestamp_header": "X-Acme-Time",
    "signs": "t={timestamp};b={body}",
}


def _standard_sender(sign: Sign, signature: str) -> Sender:
    return Sender({"preset": "standard"}, sign, signature, STANDARD_SECRET, OTHER_STANDARD_SECRET, timestamp=True)


SIGNING: Mapping[str, Sender] = {
    "standard": _standard_sender(_standard, "webhook-signature"),
    "svix": _standard_sender(_svix, "svix-signature"),
    "github": Sender({"preset": "github"}, _github, "x-hub-signature-256"),
    "stripe": Sender({"preset": "stripe"}, _stripe, "stripe-signature", secret="whsec_abc", timestamp=True),
    "slack": Sender({"preset": "slack"}, _slack, "x-slack-signature", timestamp=True),
    "shopify": Sender({"preset": "shopify"}, _shopify, "x-shopify-hmac-sha256"),
    "hmac": Sender(_GENERIC, _generic, "x-acme-signature", timestamp=True),
}
"""Senders that sign the body."""
TELLING: Mapping[str, Sender] = {
    "gitlab": Sender({"preset": "gitlab"}, _gitlab, "x-gitlab-token"),
    "bearer": Sender({"preset": "bearer"}, _bearer, "authorization"),
    "basic": Sender({"preset": "basic", "username": "deploy"}, _basic, "authorization"),
    "shared": Sender({"preset": "shared", "header": "X-Monitor-Key"}, _shared, "x-monitor-key"),
}
"""Senders that only say a secret."""
