"""How an account of Azure Storage is addressed, and as whom it is asked."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from hosting.azurite import ACCOUNT_KEY, BIND
from hub.errors import Invalid, Unavailable
from hub.storage.azure import Endpoints, open_azure
from tests.contract.azure_calls import (
    GET,
    GET_BLOB,
    PUT,
    opened,
)
from tests.contract.fault_server import PUT_DONE, FaultServer, answer, row_answer

ROOT = Path(__file__).resolve().parents[2]


async def test_an_unusable_connection_string_is_refused_and_not_quoted() -> None:
    for address in ("", "nonsense", "AccountName=a;AccountKey", f"AccountKey={ACCOUNT_KEY}"):
        with pytest.raises(Invalid, match="storage address") as refusal:
            await open_azure(address)
        assert ACCOUNT_KEY not in str(refusal.value)


async def test_an_identity_is_not_shown_to_an_endpoint_without_tls() -> None:
    safe = Endpoints.of_account("account")
    for endpoints in (
        replace(safe, table="http://t.example"),
        replace(safe, queue="http://q.example"),
        replace(safe, blob=""),
    ):
        with pytest.raises(Invalid, match="https"):
            await open_azure(endpoints)


@pytest.mark.parametrize("client_id", [None, "client"])
async def test_an_account_is_opened_as_a_managed_identity_without_asking_anybody(client_id: str | None) -> None:
    endpoints = Endpoints.of_account("account", client_id)
    assert endpoints.queue == "https://account.queue.core.windows.net"
    async with opened(endpoints) as storage:
        assert storage.operations.total == 0
        await storage.close()


def test_the_blob_and_identity_sdks_are_not_loaded_before_they_are_needed() -> None:
    script = "import sys, hub.storage.azure; print({'azure.storage.blob', 'azure.identity'} & set(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert loaded.stdout.strip() == "set()"


async def test_an_identity_that_gets_no_token_makes_storage_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FaultServer(answer(400, "{}", Content_Type="application/json")) as identity:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{BIND}:{identity.port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        async with opened(Endpoints.of_account("account", client_id="client")) as storage:
            for call in (GET, PUT, GET_BLOB):
                with pytest.raises(Unavailable):
                    await call(storage)
            assert storage.operations.total == 0
        targets = {request.target for request in identity.requests}
        assert targets == {f"/token?api-version=2019-08-01&resource={STORAGE}&client_id=client"}


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate for this machine, as its server uses it; clients trust it while the test runs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "storage")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(BIND))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    trusting = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return serving


STORAGE = "https://storage.azure.com"
TOKEN = answer(
    200,
    json.dumps({"access_token": "token", "expires_on": "4102444800", "resource": STORAGE, "token_type": "Bearer"}),
    Content_Type="application/json",
)


async def test_every_service_is_asked_with_the_token_of_the_identity(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = answer(206, "data", Content_Range="bytes 0-3/4", Content_Type="application/octet-stream")
    async with (
        FaultServer(TOKEN) as identity,
        FaultServer(answer(503), row_answer(), PUT_DONE, blob, tls=certificate) as service,
    ):
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{BIND}:{identity.port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        url = f"https://{BIND}:{service.port}/"
        async with opened(Endpoints(url, url, url)) as storage:
            for call in (GET, PUT, GET_BLOB):
                await call(storage)
            assert storage.operations.by_kind() == {"table.get": 2, "queue.put": 1, "blob.get": 1}
        assert [request.headers["authorization"] for request in service.requests] == ["Bearer token"] * 4
        assert len(identity.requests) == 1


async def test_a_request_that_is_challenged_for_its_token_is_counted_twice(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = f"Bearer authorization_uri=https://login.example/tenant/oauth2/authorize resource_id={STORAGE}"
    challenged = answer(401, WWW_Authenticate=challenge)
    async with (
        FaultServer(TOKEN) as identity,
        FaultServer(challenged, row_answer(), challenged, PUT_DONE, tls=certificate) as service,
    ):
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{BIND}:{identity.port}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        url = f"https://{BIND}:{service.port}/"
        async with opened(Endpoints(url, url, url)) as storage:
            await GET(storage)
            await PUT(storage)
            assert storage.operations.by_kind() == {"table.get": 2, "queue.put": 2}
        assert len(service.requests) == 4
