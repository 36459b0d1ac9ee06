"""Where the host listens, with what certificate, and whom it believes about its callers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import azure.functions as func
import pytest
from cryptography import x509

from hosting import host as program
from hosting.certificate import Certificate
from hosting.errors import HostingError
from hosting.exposure import THREE_WAYS, Exposure, read_proxies
from hosting.functions_host import FunctionsHost
from tests.certificates import write_pair
from tests.hosting.support import PATIENCE_SECONDS, ask, hosted, open_app


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"])  # noqa: S104
def test_nothing_but_loopback_without_tls_and_the_words_say_the_three_ways(address: str) -> None:
    with pytest.raises(HostingError) as refused:
        Exposure(bind=address)
    assert str(refused.value) == THREE_WAYS
    assert all(way in THREE_WAYS for way in ("127.0.0.1", "--certificate", "--key", "--behind-proxy"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_needs_nothing(address: str) -> None:
    assert not Exposure(bind=address).is_https


@pytest.mark.parametrize("text", ["", "proxy.example.org", "10.0.0.1/8", "0.0.0.0/0", "::/0", "10.0.0.1,,10.0.0.2"])
def test_proxies_are_addresses_and_never_everybody(text: str) -> None:
    with pytest.raises(HostingError, match="--behind-proxy"):
        read_proxies(text)


def test_half_a_certificate_both_ways_at_once_and_names_are_refused(tmp_path: Path) -> None:
    for exposure in (
        {"certificate": tmp_path},
        {"key": tmp_path},
        {"certificate": tmp_path, "key": tmp_path, "proxies": read_proxies("10.0.0.5")},
        {"bind": "localhost"},
    ):
        with pytest.raises(HostingError):
            Exposure(**exposure)


def test_the_program_refuses_before_it_reads_the_app(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = program.main(["--app", str(tmp_path), "--home", str(tmp_path), "--bind", "0.0.0.0"])  # noqa: S104
    assert (status, capsys.readouterr().err) == (2, f"cannot start: {THREE_WAYS}\n")


def app_that_tells() -> func.FunctionApp:
    app = open_app()

    @app.route("who")
    async def who(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"{req.url.partition(':')[0]} {req.headers.get('x-forwarded-for')}")

    return app


FORGED = [("X-Forwarded-For", "192.0.2.66")]


async def test_a_proxy_is_believed_and_nobody_else(tmp_path: Path) -> None:
    named = Exposure(proxies=read_proxies("127.0.0.1"))
    async with hosted(app_that_tells(), tmp_path, exposure=named) as host:
        told = (await ask(host, "/who", headers=FORGED)).text
    assert told.startswith("https 192.0.2.66, 127.0.0.1:")


async def test_this_machine_may_come_past_the_proxy_but_not_speak_for_it(tmp_path: Path) -> None:
    async with hosted(app_that_tells(), tmp_path, exposure=Exposure(proxies=read_proxies("192.0.2.5"))) as host:
        told = (await ask(host, "/who", headers=FORGED)).text
    assert told.startswith("https 127.0.0.1:")


def test_others_than_the_proxies_may_not_connect() -> None:
    exposure = Exposure(bind="0.0.0.0", proxies=read_proxies("10.0.0.5,10.1.0.0/16,fd00::/8"))  # noqa: S104
    taken = ("10.0.0.5", "::ffff:10.0.0.5", "10.1.2.3", "fd00::1", "127.0.0.1", "::1")
    refused = ("10.0.0.6", "192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "fe80::1%eth0", "0.0.0.0")  # noqa: S104
    assert all(exposure.may_connect(each) for each in taken)
    assert not any(exposure.may_connect(each) for each in refused)


async def test_who_comes_past_the_proxy_gets_403(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that the system reports is another one: this machine has only loopback for sure."""
    monkeypatch.setattr("hosting.web.peer_address", lambda _: "192.0.2.1")
    async with hosted(app_that_tells(), tmp_path, exposure=Exposure(proxies=read_proxies("192.0.2.5"))) as host:
        assert (await ask(host, "/who")).status == 403


class Caller:
    """One connection to a host over TLS."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, host: FunctionsHost, most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> Caller:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version, context.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, most
        context.set_ciphers("ALL:@SECLEVEL=0")  # so that an old version is refused by the host and not by us
        port = int(host.url.rpartition(":")[2])
        async with asyncio.timeout(PATIENCE_SECONDS):
            return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    @property
    def certificate(self) -> str:
        """The name in the certificate that the host showed."""
        found = x509.load_der_x509_certificate(self._writer.get_extra_info("ssl_object").getpeercert(True))
        return found.subject.rfc4514_string()

    async def ask(self) -> bytes:
        self._writer.write(b"GET /who HTTP/1.1\r\nHost: hub\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            size = int((await self._reader.readline()).strip(), 16)
            body = await self._reader.readexactly(size)
            await self._reader.readuntil(b"0\r\n\r\n")
            return head.splitlines()[0] + b" " + body[:5]

    async def close(self) -> None:
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


async def test_https_with_a_renewed_certificate_keeps_connections(tmp_path: Path) -> None:
    pair = Exposure("127.0.0.1", *write_pair(tmp_path, "first"))
    async with hosted(app_that_tells(), tmp_path, exposure=pair) as host:
        assert host.url.startswith("https://127.0.0.1:")
        assert host.certificate is not None
        before = await Caller.connect(host)
        assert (before.certificate, await before.ask()) == ("CN=first", b"HTTP/1.1 200 OK https")
        write_pair(tmp_path, "second")
        assert host.certificate.reload()
        after = await Caller.connect(host)
        assert (after.certificate, await after.ask()) == ("CN=second", b"HTTP/1.1 200 OK https")
        assert await before.ask() == b"HTTP/1.1 200 OK https"
        await before.close()
        await after.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_before_1_2_is_refused(tmp_path: Path) -> None:
    async with hosted(app_that_tells(), tmp_path, exposure=Exposure("127.0.0.1", *write_pair(tmp_path, "x"))) as host:
        new = await Caller.connect(host, ssl.TLSVersion.TLSv1_2)
        await new.close()
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await Caller.connect(host, ssl.TLSVersion.TLSv1_1)


async def test_a_changed_file_is_noticed_and_a_bad_pair_leaves_the_one_before(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "first")
    held = Certificate(*pair)
    first = held._current
    watching = asyncio.create_task(held.watch(0.01))
    try:
        pair[0].write_text("half a certif")
        await _until(lambda: held._seen == held._stamps())
        assert held._current is first
        write_pair(tmp_path, "stranger", key="another.pem")  # a certificate that is not this key's
        await _until(lambda: held._seen == held._stamps())
        assert held._current is first
        write_pair(tmp_path, "second")
        await _until(lambda: held._current is not first)
    finally:
        watching.cancel()


async def _until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not seen():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("mode", "fine"), [(0o600, True), (0o400, True), (0o640, True), (0o644, False), (0o660, False)]
)
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int, fine: bool) -> None:
    certificate, key = write_pair(tmp_path, "mine")
    key.chmod(mode)
    if fine:
        Certificate(certificate, key)
    else:
        with pytest.raises(HostingError, match=f"mode {mode:04o}.*chmod 640"):
            Certificate(certificate, key)


def test_files_that_are_no_pair_are_refused_with_their_names(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path, "one")
    _, other = write_pair(tmp_path, "two", "cert2.pem", "key2.pem")
    for pair in ((certificate, other), (certificate, tmp_path / "none"), (key, key)):
        with pytest.raises(HostingError, match="cannot be used as a certificate"):
            Certificate(*pair)
