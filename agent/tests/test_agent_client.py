"""What the client makes of the hub's answers, over a real socket."""

from __future__ import annotations

import datetime
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from agent_testing.fake_hub import Answer, FakeHub
from nexomatic_agent.answers import LeaseOver, Refused, Steering, Transient, Unauthorised, read_answer
from nexomatic_agent.client import Client
from nexomatic_agent.happenings import Renewed
from nexomatic_agent.intents import TaskResult
from nexomatic_agent.transport import HeldSocket
from nexomatic_agent.trust import BadBundle, trust

STEERING = Steering(hold=1.0, pause=0.0)
A_POLL = {"slots": 1, "running": [], "version": "1", "instance": "12345678", "draining": False}


def a_client(hub: FakeHub, credential: str = "credential") -> Client:
    return Client(hub.address, credential, trust(None))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer.lease_over("superseded"), LeaseOver),
        (Answer.lease_over("cancelled"), LeaseOver),
        (Answer.lease_over("timed-out"), LeaseOver),
        (Answer.problem(409, title="In use"), Unauthorised),
        (Answer.problem(409, reason="something new"), Unauthorised),
        (Answer.problem(401, title="No"), Unauthorised),
        (Answer.problem(403, title="No"), Unauthorised),
        (Answer.problem(400, title="No", errors=[{"field": "slots", "message": "too many"}]), Refused),
        (Answer.problem(404, title="No"), Refused),
        (Answer.problem(413, title="No"), Refused),
        (Answer.problem(408, title="Later"), Transient),
        (Answer.problem(429, title="Later"), Transient),
        (Answer.problem(500, title="Later"), Transient),
        (Answer.problem(503, title="Later"), Transient),
        (Answer.page(200), Transient),
        (Answer.page(404), Transient),
        (Answer.page(409), Transient),
        (Answer(200, b""), Transient),
        (Answer(200, b"[]"), Transient),
        (Answer(200, b"{" + b'"a":[' * 100_000), Transient),
        (Answer(302, {}, {"Location": "https://elsewhere.example"}), Transient),
        (Answer(cut=True), Transient),
        (Answer(200, {"status": "ok"}), Transient),
        (Answer(204), Transient),
        (Answer(404, {"message": "no such route"}), Transient),
        (Answer(409, {"reason": "superseded"}), Transient),
        (Answer(403, {"title": "No"}), Transient),
        (Answer.page(403), Transient),
        (Answer.page(413), Transient),
        (Answer(200, {"token": 5, "lease_seconds": 30}), Transient),
        (Answer(200, {"token": "t", "lease_seconds": -1}), Transient),
    ],
)
def test_every_answer_is_sorted_by_what_can_be_done_about_it(hub: FakeHub, answer: Answer, error: type) -> None:
    hub.script["renew"] = lambda _: answer
    with pytest.raises(error):
        a_client(hub).renew("EVENT", "token")


def test_a_page_is_no_answer_whatever_would_be_made_of_it() -> None:
    with pytest.raises(Transient, match="a body that is not the hub's"):
        read_answer(200, {"Content-Type": "text/html"}, b"<html>Welcome</html>", 100)


def test_what_a_gateway_finds_too_large_is_refused_whoever_says_so(hub: FakeHub) -> None:
    hub.script["result"] = lambda _: Answer.page(413)
    with pytest.raises(Refused, match=r"does not let 1000[0-9]+ bytes through"):
        a_client(hub).result("EVENT", "token", TaskResult("SUCCESS", data="x" * 100_000), [])


@pytest.mark.parametrize("answer", [Answer(200, {"status": "ok"}), Answer(200, {"recorded": 1}), Answer(204)])
def test_a_result_is_recorded_only_if_the_hub_says_so(hub: FakeHub, answer: Answer) -> None:
    hub.script["result"] = lambda _: answer
    with pytest.raises(Transient, match="does not say that it is recorded"):
        a_client(hub).result("EVENT", "token", TaskResult("SUCCESS"), [])


@pytest.mark.parametrize("answer", [Answer(200, {"status": "ok"}), Answer(204), Answer(200, {"tasks": {}})])
def test_a_poll_is_answered_only_by_the_hub(hub: FakeHub, answer: Answer) -> None:
    hub.script["poll"] = lambda _: answer
    with pytest.raises(Transient, match="not the hub's"):
        a_client(hub).poll(A_POLL, STEERING, lambda: False)


def test_a_login_page_is_named_without_its_ticket(hub: FakeHub) -> None:
    hub.script["renew"] = lambda _: Answer(302, {}, {"Location": "http://portal.example/login?ticket=5"})
    with pytest.raises(Transient, match=r"leads on to http://portal\.example/login$"):
        a_client(hub).renew("EVENT", "token")


def test_refusals_are_in_the_hubs_words(hub: FakeHub) -> None:
    problem = Answer.problem(400, title="Not valid", detail="see below", errors=[{"field": "slots"}])
    hub.script["renew"] = lambda _: problem
    with pytest.raises(Refused, match=r'400 Not valid: see below: \[\{"field": "slots"\}\]'):
        a_client(hub).renew("EVENT", "token")


def test_what_is_not_ascii_is_sent_as_it_is(hub: FakeHub) -> None:
    """As escapes it would be two or three times as long, and what fits into the hub's limits would not."""
    a_client(hub).result("EVENT", "token", TaskResult("SUCCESS", data="\u65e5" * 1000 + "\U0001f600"), [])
    call = hub.of("result")[0]
    assert call.said["data"] == "\u65e5" * 1000 + "\U0001f600"
    assert call.size < 3500


def test_a_lease_that_is_over_says_why(hub: FakeHub) -> None:
    hub.script["renew"] = lambda _: Answer.lease_over("cancelled")
    with pytest.raises(LeaseOver) as raised:
        a_client(hub).renew("EVENT", "token")
    assert raised.value.reason == "cancelled"


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("0.5", 0.5), ("-1", None), ("Wed, 21 Oct 2026", None), ("nan", None)]
)
def test_retry_after_is_heard(hub: FakeHub, value: str, seconds: object) -> None:
    hub.script["renew"] = lambda _: Answer(503, {"title": "Busy"}, {"Retry-After": value})
    with pytest.raises(Transient) as raised:
        a_client(hub).renew("EVENT", "token")
    assert raised.value.retry_after == seconds


def test_a_hub_that_is_not_there_is_transient_and_named_shortly(hub: FakeHub) -> None:
    hub.close()
    with pytest.raises(Transient, match=r"^ConnectionRefusedError: .{0,60}$"):
        a_client(hub).renew("EVENT", "token")


def test_a_dropped_connection_is_not_reported_if_a_new_one_can_be_made(hub: FakeHub) -> None:
    client = a_client(hub)
    client.renew("EVENT", "token")
    hub.close()
    hub.open()
    assert isinstance(client.renew("EVENT", "token"), Renewed)


def test_calls_say_what_they_should(hub: FakeHub) -> None:
    client = a_client(hub)
    client.renew("E1", "t1")
    line = {"time": "2026-11-23T22:59:00Z", "stream": "stdout", "level": "INFO", "text": "ä"}
    client.logs("E2", "t2", {"first": 1, "lines": [line]}, renew=True)
    client.result("E3", "t3", TaskResult("SUCCESS", data={"a": "ä"}), [{"first": 1, "lines": [line]}])
    assert [(call.path, call.said["token"]) for call in hub.calls] == [
        ("/agent/events/E1/renew", "t1"),
        ("/agent/events/E2/logs", "t2"),
        ("/agent/events/E3/result", "t3"),
    ]
    assert {call.authorization for call in hub.calls} == {"Bearer credential"}
    assert hub.calls[2].said["data"] == {"a": "ä"}


def test_a_netrc_on_the_machine_does_not_replace_the_credential(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    a_client(hub).renew("E", "t")
    assert hub.calls[0].authorization == "Bearer credential"


# --- polls


@pytest.mark.parametrize(
    ("answer", "steering"),
    [
        (Answer(204, headers={"nexomatic-hold": "20", "nexomatic-pause": "2.5"}), Steering(20.0, 2.5)),
        (Answer(204, headers={"nexomatic-hold": "7"}), Steering(7.0, 0.0)),
        (Answer(204, headers={"nexomatic-hold": "soon", "nexomatic-pause": "-4"}), STEERING),
        (Answer(204, headers={"nexomatic-hold": "1e9", "nexomatic-pause": "1e9"}), Steering(300.0, 3600.0)),
        (Answer(204, headers={"nexomatic-hold": "inf", "nexomatic-pause": "nan"}), STEERING),
        (Answer(body={"tasks": [], "commands": [], "settings": {"hold": 0, "pause": 60}}), Steering(0.0, 60.0)),
        (Answer(body={"tasks": [], "commands": [], "settings": {"hold": None, "pause": True}}), STEERING),
        (Answer(body={"tasks": [], "commands": [], "settings": 7}), STEERING),
    ],
)
def test_the_hub_steers_by_body_or_headers(hub: FakeHub, answer: Answer, steering: Steering) -> None:
    hub.script["poll"] = lambda _: answer
    assert a_client(hub).poll(A_POLL, STEERING, lambda: False).steering == steering


def test_tasks_and_cancels_are_read_and_what_is_unknown_is_left_aside(hub: FakeHub) -> None:
    commands = [{"command": "cancel", "event_id": "E1"}, {"command": "dance"}, 5]
    hub.script["poll"] = lambda _: Answer(body={"tasks": [{"a": 1}], "commands": commands, "news": 1})
    answer = a_client(hub).poll(A_POLL, STEERING, lambda: False)
    assert (list(answer.tasks), list(answer.cancelled)) == ([{"a": 1}], ["E1"])


def test_a_held_poll_can_be_let_go(hub: FakeHub) -> None:
    hub.hold = 1000.0
    client, left = a_client(hub), threading.Event()
    errors: list[BaseException] = []

    def poll() -> None:
        try:
            client.poll(A_POLL, Steering(1000.0, 0.0), left.is_set)
        except Transient as error:
            errors.append(error)

    thread = threading.Thread(target=poll)
    thread.start()
    hub.wait_call("poll")
    left.set()
    client.abandon_poll()
    thread.join()
    assert len(errors) == 1


def test_a_poll_let_go_before_it_is_connected_is_not_made(hub: FakeHub) -> None:
    with pytest.raises(Transient, match="let go"):
        a_client(hub).poll(A_POLL, STEERING, lambda: True)
    assert hub.calls == []


def test_letting_go_of_nothing_is_harmless() -> None:
    HeldSocket().cut()


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine that no authority has signed, with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2120))
    alternatives = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = builder.add_extension(alternatives, critical=False).sign(key, hashes.SHA256())
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@pytest.fixture
def secure_hub(certificate: Path) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FakeHub(context) as hub:
        yield hub


def test_a_private_authority_is_believed_if_the_owner_says_so(secure_hub: FakeHub, certificate: Path) -> None:
    client = Client(secure_hub.address, "credential", trust(certificate))
    assert client.renew("E", "t").lease_seconds == 30.0


def test_an_unknown_authority_is_not_believed(secure_hub: FakeHub) -> None:
    with pytest.raises(Transient, match="CERTIFICATE_VERIFY_FAILED"):
        Client(secure_hub.address, "credential", trust(None)).renew("E", "t")
    assert secure_hub.calls == []


def test_a_held_poll_can_be_let_go_over_tls(secure_hub: FakeHub, certificate: Path) -> None:
    secure_hub.hold = 1000.0
    client, left = Client(secure_hub.address, "credential", trust(certificate)), threading.Event()

    def let_go() -> None:
        secure_hub.wait_call("poll")
        left.set()
        client.abandon_poll()

    threading.Thread(target=let_go).start()
    with pytest.raises(Transient):
        client.poll(A_POLL, Steering(1000.0, 0.0), left.is_set)


def test_a_bundle_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(BadBundle, match=r"ca\.pem does not hold certificates"):
        trust(tmp_path / "ca.pem")


def test_enrolment_answers_are_checked(hub: FakeHub) -> None:
    hub.script["enroll"] = lambda call: Answer(body={"sink": call.said["name"]})
    with pytest.raises(Transient, match="names no sink"):
        a_client(hub).enrol("token", "alpha", "n" * 43)


def test_the_fake_hub_notices_what_the_protocol_does_not_allow() -> None:
    """The tests' own instrument: it must not be blind."""
    hub = FakeHub()
    hub.open()
    client = a_client(hub)
    hub.script["poll"] = lambda _: Answer(204, headers={"nexomatic-hold": "1"})
    client.poll({**A_POLL, "slots": -1, "slits": 1}, STEERING, lambda: False)
    hub.close()
    assert sorted(problem.split(":")[0] for problem in hub.problems) == ["poll", "poll.slots"]
