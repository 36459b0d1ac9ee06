"""A Key Vault for tests: TLS, and the REST protocol of the real one as far as secrets go, its refusals included.

Requests are challenged (401) until they carry the bearer of the fake sign-in; names, versions, tags, soft delete and
recovery, throttling and outages are as https://learn.microsoft.com/rest/api/keyvault/secrets describes them.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from azure.core.credentials import AccessTokenInfo
from azure.core.pipeline.transport import AioHttpTransport
from azure.keyvault.secrets._shared import http_challenge_cache
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.clock import Clock, SystemClock
from hub.secrets.vault import Vault

HOST: Final = "nexomatic-tests.vault.azure.net"
BEARER: Final = "the-bearer-of-the-tests"
RESOURCE: Final = "https://vault.azure.net"
MOST_VALUE: Final = 25 * 1024


@dataclass
class Version:
    """One version of a secret in the vault."""

    version: str
    value: str
    tags: dict[str, str]
    enabled: bool = True


@dataclass
class Held:
    """A secret in the vault."""

    versions: list[Version] = field(default_factory=list)
    deleted: bool = False
    busy: int = 0
    """So many more writes meet a name that is still being deleted or recovered."""


class VaultServer:
    """One vault. Tests may look into it and put things there with their own hands."""

    def __init__(self) -> None:
        self.secrets: dict[str, Held] = {}
        self.calls: list[str] = []
        """Method and path of each request that was let in or challenged."""
        self.sent: list[bytes] = []
        """Every answer's body."""
        self.throttle = 0
        """So many more requests are answered 429."""
        self.retry_after: str | None = "7"
        self.outage: str | None = None
        """`hang`, `drop`, `500` or `foreign` (an answer of somebody in between)."""
        self.forbidden: set[str] = set()
        """Methods that the caller has no right to."""
        self.slow_names = 0
        """Deleting or recovering a name takes so many writes."""
        self.port = 0

    def put(self, name: str, value: str, **tags: str) -> str:
        """As somebody else does, with tools of the vault; the version."""
        held = self.secrets.setdefault(name.lower(), Held())
        held.versions.append(Version(uuid4().hex, value, tags))
        return held.versions[-1].version

    def find(self, name: str) -> Held | None:
        """What is there under this name, alone or with a place of the hub's behind it, and is not deleted."""
        name = name.lower()
        alike = [key for key in self.secrets if key == name or key.startswith(f"{name}-")]
        found = [self.secrets[key] for key in alike if not self.secrets[key].deleted]
        return found[-1] if found else None

    def value(self, name: str) -> str | None:
        """What is newest there."""
        held = self.find(name)
        return held.versions[-1].value if held else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        answer = await self._answer(request)
        if isinstance(answer, web.Response):
            self.sent.append(bytes(answer.body or b"") if isinstance(answer.body, bytes) else b"")
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.outage == "hang":
            await asyncio.Event().wait()
        if self.outage == "drop":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if self.outage == "500":
            return web.Response(status=500, text="<html>oops</html>")
        if self.outage == "foreign":
            return web.Response(status=404, text="<html>no such page</html>", content_type="text/html")
        if request.headers.get("Authorization") != f"Bearer {BEARER}":
            challenge = f'Bearer authorization="https://login.microsoftonline.com/{uuid4()}", resource="{RESOURCE}"'
            refused = _refusal(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.")
            refused.headers["WWW-Authenticate"] = challenge
            return refused
        if self.throttle:
            self.throttle -= 1
            limited = _refusal(429, "Throttled", "Request was not processed because too many requests were received.")
            if self.retry_after is not None:
                limited.headers["Retry-After"] = self.retry_after
            return limited
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", request.query.get("api-version", "")):
            return _refusal(400, "BadParameter", "AKV10001: The api-version is missing.")
        if request.method in self.forbidden:
            return _refusal(403, "Forbidden", "Caller is not authorized.", "ForbiddenByRbac")
        return await self._serve(request)

    async def _serve(self, request: web.Request) -> web.Response:
        parts = request.path.strip("/").split("/")
        name = parts[1] if len(parts) > 1 else ""
        if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name):
            return _refusal(400, "BadParameter", f"Invalid name: {name}")
        match (request.method, parts[0], parts[2:]):
            case ("PUT", "secrets", []):
                return self._set(name, await request.json())
            case ("GET", "secrets", rest):
                return self._get(name, rest[0] if rest else "")
            case ("PATCH", "secrets", [version]):
                return self._update(name, version, await request.json())
            case ("DELETE", "secrets", []):
                return self._delete(name)
            case ("GET", "deletedsecrets", []):
                return self._get_deleted(name)
            case ("POST", "deletedsecrets", ["recover"]):
                return self._recover(name)
        return _refusal(405, "MethodNotAllowed", "no such call")

    def _set(self, name: str, body: Mapping[str, Any]) -> web.Response:
        if len(str(body["value"]).encode()) > MOST_VALUE:
            return _refusal(400, "BadParameter", "Property value has invalid length")
        held = self.secrets.setdefault(name.lower(), Held())
        if held.busy:
            held.busy -= 1
            code = "ObjectIsBeingDeleted" if held.deleted else "ObjectIsBeingRecovered"
            return _refusal(409, "Conflict", f"Secret {name} is currently being deleted or recovered.", code)
        if held.deleted:
            return _refusal(409, "Conflict", f"Secret {name} is deleted.", "ObjectIsDeletedButRecoverable")
        held.versions.append(Version(uuid4().hex, body["value"], dict(body.get("tags") or {})))
        return self._bundle(name, held.versions[-1], value=True)

    def _get(self, name: str, version: str) -> web.Response:
        held = self.secrets.get(name.lower())
        found = _version_of(held, version) if held and not held.deleted else None
        if found is None:
            return _not_found(name)
        if not found.enabled:
            return _refusal(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return self._bundle(name, found, value=True)

    def _update(self, name: str, version: str, body: Mapping[str, Any]) -> web.Response:
        held = self.secrets.get(name.lower())
        found = _version_of(held, version) if held and not held.deleted else None
        if found is None:
            return _not_found(name)
        found.enabled = bool(body.get("attributes", {}).get("enabled", found.enabled))
        return self._bundle(name, found)

    def _delete(self, name: str) -> web.Response:
        held = self.secrets.get(name.lower())
        if held is None or held.deleted:
            return _not_found(name)
        held.deleted, held.busy = True, self.slow_names
        return self._bundle(name, held.versions[-1], deletedDate=int(time.time()), recoveryId=self._id("deleted", name))

    def _get_deleted(self, name: str) -> web.Response:
        held = self.secrets.get(name.lower())
        if held is None or not held.deleted or held.busy:
            return _not_found(name)
        return self._bundle(name, held.versions[-1], recoveryId=self._id("deletedsecrets", name))

    def _recover(self, name: str) -> web.Response:
        held = self.secrets.get(name.lower())
        if held is None or not held.deleted:
            return _not_found(name)
        held.deleted, held.busy = False, self.slow_names
        return self._bundle(name, held.versions[-1])

    def _bundle(self, name: str, version: Version, *, value: bool = False, **more: Any) -> web.Response:
        times = {"created": 1_700_000_000, "updated": 1_700_000_000}
        document: dict[str, Any] = {
            "id": self._id("secrets", f"{name}/{version.version}"),
            "attributes": {"enabled": version.enabled, **times, "recoveryLevel": "Recoverable+Purgeable"},
            "tags": version.tags,
            **more,
        }
        return web.json_response({**document, "value": version.value} if value else document)

    def _id(self, kind: str, rest: str) -> str:
        return f"https://{HOST}/{kind}/{rest}"


def _version_of(held: Held, version: str) -> Version | None:
    found = [each for each in held.versions if not version or each.version == version]
    return found[-1] if found else None


def _not_found(name: str) -> web.Response:
    return _refusal(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")


def _refusal(status: int, code: str, message: str, inner: str | None = None) -> web.Response:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        error["innererror"] = {"code": inner}
    return web.json_response({"error": error}, status=status)


class Bearer:
    """A sign-in that was done elsewhere, as an Azure credential."""

    def __init__(self, token: str = BEARER) -> None:
        self.token = token
        self.scopes: list[str] = []

    async def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        self.scopes += scopes
        return AccessTokenInfo(self.token, int(time.time()) + 3600)

    async def close(self) -> None:
        """Nothing is open."""


class _ToThisMachine(AbstractResolver):
    """The vault's name leads here: its certificate and the challenge are checked against that name."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def vault_server(made: VaultServer | None = None) -> AsyncIterator[VaultServer]:
    """A running vault."""
    server = made or VaultServer()
    app = web.Application(client_max_size=2**20)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certificates() / "server.pem")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def vault_of(
    server: VaultServer,
    clock: Clock | None = None,
    credential: Any = None,
    *,
    trusted: bool = True,
    read_seconds: float = 10,
    **options: Any,
) -> AsyncIterator[Vault]:
    """A client of this vault as the hub has it; `trusted`: it knows who signed the vault's certificate."""
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_ToThisMachine(server.port), force_close=True), auto_decompress=False
    )
    verify: Any = str(_certificates() / "ca.pem") if trusted else True
    transport = AioHttpTransport(session=session, connection_verify=verify, read_timeout=read_seconds)
    http_challenge_cache.clear()  # the SDK remembers challenges for the whole process
    opened = Vault(f"https://{HOST}", credential or Bearer(), clock or SystemClock(), transport=transport, **options)
    try:
        yield opened
    finally:
        await opened.close()
        await session.close()


@cache
def _certificates() -> Path:
    """A folder with an authority of our own (`ca.pem`) and the vault's key and certificate (`server.pem`)."""
    folder = Path(mkdtemp(prefix="nexomatic-vault-"))
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("Nexomatic tests", ca_key.public_key(), "Nexomatic tests", ca_key, ca=True)
    mine = _certificate(HOST, key.public_key(), "Nexomatic tests", ca_key, ca=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(private + mine.public_bytes(pem))
    return folder


def _certificate(
    name: str, key: ec.EllipticCurvePublicKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    return builder.sign(signer, hashes.SHA256())
