"""The notifiers of the examples, against real sockets: a mail server that speaks TLS, a web server that takes posts."""

from __future__ import annotations

import http.server
import importlib.util
import json
import socketserver
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.model.configuration import Action, EventType, ScheduleSource, SourceKind
from hub.rules import alert_payloads
from hub.rules.alert_payloads import Failed
from hub.rules.alerts import Alert
from hub.rules.lateness import Late, Lateness
from tests.unit.factories import NOW

ROOT = Path(__file__).resolve().parents[2]
FAILURE = alert_payloads.failed(
    Failed("01E", "BACKUP", "01E", "NoBackup", "line one\nline two & <!channel>", NOW, "sink-1", 2, "order-7"),
    "https://hub.example",
)


@pytest.fixture(scope="module")
def nexomatic() -> Iterator[Any]:
    """What an agent puts on the path of a module."""
    inside = str(ROOT / "agent/nexomatic_agent/inside")
    sys.path.insert(0, inside)
    yield importlib.import_module("nexomatic")
    sys.path.remove(inside)


@pytest.fixture(scope="module")
def notify(nexomatic: Any) -> Any:
    spec = importlib.util.spec_from_file_location("notify", ROOT / "examples/modules/notify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def context(nexomatic: Any) -> Any:
    return nexomatic.Context(event_id="01ALERT", event_type="HUB.FAILED", attempt=1)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_text_begins_with_what_happened_and_has_all_that_is_known(notify: Any, context: Any) -> None:
    lines = notify.text_of(FAILURE, context).splitlines()
    assert lines[0] == "BACKUP failed: NoBackup: line one"
    for line in (
        "alert: HUB.FAILED",
        "hub: https://hub.example",
        "event id: 01E",
        "event type: BACKUP",
        "event result code: NoBackup",
        "event sink: sink-1",
        "event attempt: 2",
        "event address: https://hub.example/api/events/01E",
        "told by: event 01ALERT",
    ):
        assert line in lines


def test_every_alert_of_the_hub_reads_well(notify: Any, context: Any) -> None:
    schedule = ScheduleSource(
        name="nightly", kind=SourceKind.SCHEDULE, event_types=("BACKUP", "REPORT"), cron="5 2 * * *"
    )
    late = Late(schedule, Lateness.NOT_MADE, NOW, 1)
    lines = notify.text_of(
        alert_payloads.schedule_late(late, 0, NOW + timedelta(minutes=6), None), context
    ).splitlines()
    said = "a tick is late of the schedule nightly: no hub made it in time, due at 2026-11-23 12:00:00 UTC"
    assert lines[0] == said
    assert "event types: BACKUP, REPORT" in lines
    assert "late seconds: 360" in lines
    assert "address: /api/sources/nightly" in lines
    assert not [line for line in lines if "None" in line or "{" in line or "[" in line]


def test_a_failure_handler_tells_of_its_parent_but_not_its_result(notify: Any, context: Any) -> None:
    parent = {"id": "01P", "event_type": "A", "state": "ERROR", "result_code": "C", "result_message": "m"}
    text = notify.text_of({"parent": {**parent, "result_data": {"key": "private"}}}, context)
    assert text.startswith("A ended as ERROR: C: m\n")
    assert "private" not in text


@pytest.mark.parametrize("payload", [{}, [], None, "text", {"alert": None, "key": "private"}, {"key": "private"}])
def test_fired_by_hand_it_says_so(notify: Any, context: Any, payload: Any) -> None:
    assert notify.text_of(payload, context).startswith("HUB.FAILED was fired without a message")


def test_the_log_and_a_file(notify: Any, context: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new/alerts.txt"
    for _ in range(2):
        assert notify.log(FAILURE, {"file": str(file)}, context)["message"].startswith("BACKUP failed")
    text = notify.text_of(FAILURE, context)
    assert file.read_text() == f"{text}\n\n" * 2
    assert capsys.readouterr().out == f"{text}\n" * 2


# --- mail -------------------------------------------------------------------------------------------------------------


class _Mail(socketserver.StreamRequestHandler):
    """A mail server as far as a notifier needs one: EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA."""

    server: MailServer

    def setup(self) -> None:
        if self.server.wrapped:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()  # what was wrapped for TLS is not the server's any more

    def handle(self) -> None:
        self._say("220 mail.test")
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            self.server.said.append((word, isinstance(self.request, ssl.SSLSocket)))
            if not getattr(self, f"do_{word.lower()}", self._unknown)(rest):
                return

    def _say(self, text: str) -> bool:
        self.wfile.write(f"{text}\r\n".encode())
        return True

    def _unknown(self, _: str) -> bool:
        return self._say("502 unknown")

    def do_ehlo(self, _: str) -> bool:
        more = "AUTH PLAIN" if isinstance(self.request, ssl.SSLSocket) else self.server.offers
        return self._say(f"250-mail.test\r\n250 {more}")

    def do_starttls(self, _: str) -> bool:
        self._say("220 go")
        self.rfile.close()
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)
        return True

    def do_auth(self, rest: str) -> bool:
        self.server.credentials.append(rest)
        return self._say("235 fine" if self.server.lets_in else "535 wrong password")

    def do_mail(self, _: str) -> bool:
        return self._say("250 ok")

    def do_rcpt(self, rest: str) -> bool:
        return self._say("550 nobody" if "nobody" in rest else "250 ok")

    def do_data(self, _: str) -> bool:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line)
        self.server.letters.append(b"".join(lines))
        return self._say("250 taken")

    def do_quit(self, _: str) -> bool:
        self._say("221 bye")
        return False


class MailServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext, *, wrapped: bool = False, lets_in: bool = True, offers: str) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.tls, self.wrapped, self.lets_in, self.offers = tls, wrapped, lets_in, offers
        self.said: list[tuple[str, bool]] = []
        self.credentials: list[str] = []
        self.letters: list[bytes] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not like the certificate hangs up."""

    @property
    def letter(self) -> EmailMessage:
        (letter,) = self.letters
        read = message_from_bytes(letter, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _mail(tls: ssl.SSLContext, *, offers: str = "STARTTLS", **how: bool) -> Iterator[MailServer]:
    with _serving(MailServer(tls, offers=offers, **how)) as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "both.pem"
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    return found


def _letter(server: MailServer, certificate: Path, **more: Any) -> dict[str, Any]:
    given = {
        "server": "127.0.0.1",
        "port": server.server_address[1],
        "user": "robot",
        "password": "pass-word",
        "from": "Nexomatic <robot@example.com>",
        "to": ["a@example.com", "b@example.com"],
        "ca_file": str(certificate),
        **more,
    }
    return {name: value for name, value in given.items() if value is not None}


def test_a_mail_is_sent_over_starttls(notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path) -> None:
    with _mail(tls) as server:
        sent = notify.mail(FAILURE, _letter(server, certificate), context)
    assert [word for word, encrypted in server.said if not encrypted] == ["ehlo", "STARTTLS"]
    assert len(server.credentials) == 1
    assert server.letter["Subject"] == "[Nexomatic] BACKUP failed: NoBackup: line one line two & <!channel>"
    assert server.letter["To"] == "a@example.com, b@example.com"
    assert server.letter["Message-ID"] == sent["message_id"] == "<01ALERT@example.com>"
    assert server.letter["Auto-Submitted"] == "auto-generated"
    assert server.letter.get_content().replace("\r\n", "\n").strip() == notify.text_of(FAILURE, context)


def test_a_mail_over_tls_from_the_first_byte(notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path) -> None:
    with _mail(tls, wrapped=True) as server:
        notify.mail(FAILURE, _letter(server, certificate, security="tls", to="a@example.com"), context)
    assert all(encrypted for _, encrypted in server.said)
    assert server.letter["To"] == "a@example.com"


def test_a_relay_that_asks_for_nothing(notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path) -> None:
    with _mail(tls, offers="8BITMIME") as server:
        notify.mail(FAILURE, _letter(server, certificate, security="none", user=None, password=None), context)
    assert server.letter["Subject"].startswith("[Nexomatic]")


@pytest.mark.parametrize(
    "wrong",
    [{"ca_file": None}, {"security": "none"}, {"security": "maybe"}],
    ids=["a certificate that nobody knows", "no encryption", "no such word"],
)
def test_a_password_goes_to_nobody_else(
    notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path, wrong: dict[str, Any]
) -> None:
    with _mail(tls) as server, pytest.raises((ssl.SSLError, notify.NotSent)):
        notify.mail(FAILURE, _letter(server, certificate, **wrong), context)
    assert (server.credentials, server.letters) == ([], [])


def test_a_server_without_starttls_gets_no_password(
    notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path
) -> None:
    with _mail(tls, offers="AUTH PLAIN") as server, pytest.raises(notify.smtplib.SMTPNotSupportedError):
        notify.mail(FAILURE, _letter(server, certificate), context)
    assert server.credentials == []


def test_a_wrong_password_is_a_failure(notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path) -> None:
    with _mail(tls, lets_in=False) as server, pytest.raises(notify.smtplib.SMTPAuthenticationError):
        notify.mail(FAILURE, _letter(server, certificate), context)
    assert server.letters == []


def test_one_address_that_is_refused_keeps_nobody_else_from_being_told(
    notify: Any, context: Any, tls: ssl.SSLContext, certificate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _mail(tls) as server:
        sent = notify.mail(FAILURE, _letter(server, certificate, to=["nobody@example.com", "b@example.com"]), context)
    assert sent["refused"] == ["nobody@example.com"]
    assert "refused for nobody@example.com: 550 nobody" in capsys.readouterr().out
    assert len(server.letters) == 1


# --- chat -------------------------------------------------------------------------------------------------------------


class _Chat(http.server.BaseHTTPRequestHandler):
    server: ChatServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        if self.server.status == http.HTTPStatus.FOUND:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"so\nit is")

    def do_GET(self) -> None:
        self.server.posts.append((self.path, "GET", {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not on the tests' output."""


class ChatServer(http.server.ThreadingHTTPServer):
    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Chat)
        self.status = status
        self.posts: list[tuple[str, str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/private-key"


@contextmanager
def _chat(status: int = 200) -> Iterator[ChatServer]:
    with _serving(ChatServer(status)) as server:
        yield server


def test_a_chat_is_posted_the_text_and_calls_no_channel(notify: Any, context: Any) -> None:
    with _chat() as server:
        assert notify.chat(FAILURE, {"address": server.address}, context) == {"status": 200}
    ((path, kind, body),) = server.posts
    assert (path, kind, list(body)) == ("/hooks/private-key", "application/json", ["text"])
    assert body["text"].startswith("BACKUP failed: NoBackup: line one\n")
    assert "line two &amp; &lt;!channel&gt;" in body["text"]


def test_teams_gets_a_card(notify: Any, context: Any) -> None:
    with _chat(202) as server:
        notify.chat(FAILURE, {"address": server.address, "format": "teams"}, context)
    ((_, _, body),) = server.posts
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    title, facts = attachment["content"]["body"]
    assert title["text"].startswith("BACKUP failed")
    assert {"title": "event id", "value": "01E"} in facts["facts"]


@pytest.mark.parametrize("status", [302, 403, 429, 500])
def test_what_the_chat_does_not_take_is_a_failure_without_its_address(notify: Any, context: Any, status: int) -> None:
    with _chat(status) as server, pytest.raises(notify.NotSent) as caught:
        notify.chat(FAILURE, {"address": server.address}, context)
    assert str(caught.value) == f"the chat answered {status}: so it is"
    assert [path for path, *_ in server.posts] == ["/hooks/private-key"], "followed nowhere"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.com/x", "example.com/hook"])
def test_only_web_addresses_are_posted_to(notify: Any, context: Any, address: str) -> None:
    with pytest.raises(notify.NotSent, match="no web address"):
        notify.chat(FAILURE, {"address": address}, context)


def test_a_chat_that_is_away_is_a_failure(notify: Any, context: Any) -> None:
    with _chat() as server:
        address = server.address
    with pytest.raises(notify.NotSent, match="could not be reached"):
        notify.chat(FAILURE, {"address": address}, context)


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "function", "secret"),
    [("by-mail", "mail", "smtp-password"), ("by-chat", "chat", "chat-webhook")],
)
def test_the_files_to_apply_name_every_alert_and_a_function_that_is_there(
    notify: Any, name: str, function: str, secret: str
) -> None:
    documents = json.loads((ROOT / f"examples/alerts/{name}.json").read_text())
    (action,) = (Action.model_validate(each) for each in documents["actions"])
    event_types = [EventType.model_validate(each) for each in documents["event_types"]]
    assert {each.name for each in event_types} == set(Alert)
    assert {each.action for each in event_types} == {action.name}
    assert action.module == f"notify:{function}"
    assert callable(getattr(notify, function))
    assert [each.value for each in action.parameters if each.type == "SECRET"] == [secret]
