"""Verification over HTTP: what providers' own libraries sign is let in; all else is refused, with a receipt of why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.functions.shell import Reply, Shell
from tests.functions.signing import SIGNING, STANDARD_SECRET, TELLING, Sender, openssl
from tests.unit.configuring import BEGIN

BODY = b'{"order": 7, "name": "Gr\xc3\xbc\xc3\x9fe"}'
EVERY = {**SIGNING, **TELLING}


@pytest.fixture(autouse=True)
def today(shell: Shell) -> None:
    """The library of Standard Webhooks reads the machine's clock, so the hub's has to agree with it here."""
    shell.clock.seconds = (datetime.now(UTC) - BEGIN).total_seconds()


async def source_of(shell: Shell, sender: Sender, **fields: Any) -> str:
    """A webhook for this sender; where it is."""
    await shell.hub.secrets.put("hook-secret", sender.secret)
    return await shell.configure({"verify": {**sender.verify, "secret": "hook-secret", **fields}})


async def send(shell: Shell, path: str, headers: Mapping[str, str], body: bytes = BODY) -> Reply:
    return await shell.send("POST", path, {"host": "hub", "content-type": "application/json", **headers}, body)


async def last_receipt(shell: Shell) -> Any:
    return (await shell.ok("GET", "/api/sources/hook/receipts?limit=1"))["items"][0]


async def refused(shell: Shell, path: str, case: str, headers: Mapping[str, str], body: bytes = BODY) -> str:
    """Why it was refused, as its receipt says."""
    reply = await send(shell, path, headers, body)
    assert reply.status == 401, (case, reply.body)
    assert reply.headers["www-authenticate"], case
    receipt = await last_receipt(shell)
    shell.clock.seconds += 0.001  # the next receipt is newer than this one
    assert (receipt["verdict"], receipt["status"], receipt["event_ids"]) == ("refused", 401, []), case
    assert receipt["size"] == len(body)
    reason: str = receipt["reason"]
    assert reply.problem(401)["detail"] == reason
    return reason


@pytest.mark.parametrize("name", EVERY)
async def test_what_the_sender_signs_is_let_in_under_either_of_two_secrets(shell: Shell, name: str) -> None:
    sender = EVERY[name]
    await shell.hub.secrets.put("hook-old", sender.other_secret)
    path = await source_of(shell, sender, previous_secret="hook-old")
    for secret in (sender.secret, sender.other_secret):
        reply = await send(shell, path, sender.sign(secret, BODY, shell.clock.now()))
        assert reply.status == 202, reply.body
        event = await shell.ok("GET", f"/api/events/{reply.json['event_id']}")
        assert event["payload"] == json.loads(BODY)


@pytest.mark.parametrize("name", EVERY)
async def test_everything_else_is_401_with_a_receipt_that_says_why(shell: Shell, name: str) -> None:
    sender = EVERY[name]
    path = await source_of(shell, sender)
    await refuses_wrong_headers(shell, path, sender)
    if name in SIGNING:
        await refuses_altered_bodies(shell, path, sender)
    if sender.timestamp:
        await refuses_other_times(shell, path, sender)


async def refuses_wrong_headers(shell: Shell, path: str, sender: Sender) -> None:
    good = sender.sign(sender.secret, BODY, shell.clock.now())
    wrong_key = sender.sign(sender.other_secret, BODY, shell.clock.now())
    assert "right" in (why := await refused(shell, path, "wrong key", wrong_key)) or "secret differs" in why
    for header in good:
        without = {each: value for each, value in good.items() if each != header}
        reason = await refused(shell, path, f"without {header}", without)
        assert reason.lower() in (f"the header {header} is missing", "the header webhook-id is missing")
    assert await refused(shell, path, "empty", {**good, sender.signature: ""})
    for cut in (1, 5, len(good[sender.signature]) // 2):
        truncated = {**good, sender.signature: good[sender.signature][:-cut]}
        assert await refused(shell, path, f"{cut} characters short", truncated)
    for odd in ("é" * 40, good[sender.signature] + "é", "\ud83d\ude00", "=", ",", " "):
        assert await refused(shell, path, f"odd {odd!r}", {**good, sender.signature: odd})


async def refuses_altered_bodies(shell: Shell, path: str, sender: Sender) -> None:
    good = sender.sign(sender.secret, BODY, shell.clock.now())
    for altered in (BODY.replace(b"7", b"8"), BODY + b" ", BODY[:-1], b"", b"\xff" + BODY):
        assert "body was altered" in await refused(shell, path, "altered", good, altered)


async def refuses_other_times(shell: Shell, path: str, sender: Sender) -> None:
    now = shell.clock.now()
    old = sender.sign(sender.secret, BODY, now - timedelta(seconds=310))
    assert "too old" in await refused(shell, path, "old", old)
    ahead = sender.sign(sender.secret, BODY, now + timedelta(seconds=310))
    assert "too far in the future" in await refused(shell, path, "ahead", ahead)
    recent = sender.sign(sender.secret, BODY, now - timedelta(seconds=280))
    assert (await send(shell, path, recent)).status == 202
    shell.clock.seconds += 0.001
    # A fresh time in place of the signed one does not help.
    fresh = sender.sign(sender.other_secret, BODY, now)
    for header in [each for each, value in recent.items() if each != sender.signature and value != fresh[each]]:
        assert "altered" in await refused(shell, path, "another time", {**recent, header: fresh[header]})


async def test_stripe_sends_two_signatures_while_it_rolls_a_secret(shell: Shell) -> None:
    sender = SIGNING["stripe"]
    path = await source_of(shell, sender)
    now = shell.clock.now()
    other, good = (
        sender.sign(secret, BODY, now)["stripe-signature"] for secret in (sender.other_secret, sender.secret)
    )
    both = f"{other},v0=abc,{good.partition(',')[2]}"
    assert (await send(shell, path, {"stripe-signature": both})).status == 202


async def test_standard_webhooks_may_carry_several_signatures(shell: Shell) -> None:
    sender = SIGNING["standard"]
    path = await source_of(shell, sender)
    headers = sender.sign(sender.secret, BODY, shell.clock.now())
    other = sender.sign(sender.other_secret, BODY, shell.clock.now())["webhook-signature"]
    headers["webhook-signature"] = f"v1a,abcd {other} {headers['webhook-signature']}"
    assert (await send(shell, path, headers)).status == 202
    headers["webhook-signature"] = headers["webhook-signature"].removeprefix("v1a,abcd ")
    assert (await send(shell, path, headers)).status == 202


async def test_a_shared_secret_in_the_query_as_azure_monitor_sends_it(shell: Shell) -> None:
    await shell.hub.secrets.put("hook-secret", "a-token")
    path = await shell.configure({"verify": {"preset": "shared", "query": "tokenid", "secret": "hook-secret"}})
    await shell.ok("PATCH", "/api/event-types/GO", {"payload": "query"})
    reply = await send(shell, f"{path}?tokenid=a-token&zone=b", {})
    assert reply.status == 202
    event = await shell.ok("GET", f"/api/events/{reply.json['event_id']}")
    assert event["payload"] == {"zone": "b"}
    shell.clock.seconds += 1
    assert "tokenid is missing" in await refused(shell, f"{path}?zone=b", "missing", {})
    assert "not the right one" in await refused(shell, f"{path}?tokenid=a-toke", "truncated", {})
    assert "not the right one" in await refused(shell, f"{path}?tokenid=%C3%A9", "non-ASCII", {})


async def test_the_header_that_a_source_names_for_its_secret_is_nobody_elses_to_see(shell: Shell) -> None:
    await shell.hub.secrets.put("hook-secret", "s3cret-value")
    verify = {"preset": "shared", "header": "X-Request-Id", "secret": "hook-secret"}
    path = await shell.configure({"verify": verify}, payload="headers")
    reply = await send(shell, path, {"x-request-id": "s3cret-value", "x-event-key": "k"})
    event = await shell.ok("GET", f"/api/events/{reply.json['event_id']}")
    assert event["payload"] == {"content-type": "application/json", "x-event-key": "k"}
    assert event["correlation_id"] is None
    assert "s3cret-value" not in json.dumps(await last_receipt(shell))


@pytest.mark.parametrize(("encoding", "text"), [("base64", "c2VjcmV0IGtleQ=="), ("hex", "736563726574206b6579")])
async def test_a_key_that_is_written_in_base64_or_hex(shell: Shell, encoding: str, text: str) -> None:
    await shell.hub.secrets.put("hook-secret", text)
    verify = {"preset": "hmac", "header": "X-Sig", "algorithm": "sha1", "key_encoding": encoding}
    path = await shell.configure({"verify": {**verify, "secret": "hook-secret"}})
    assert (await send(shell, path, {"x-sig": openssl(b"secret key", BODY, "sha1").hex().upper()})).status == 202
    shell.clock.seconds += 1
    await shell.hub.secrets.put("hook-secret", "no such key!")
    reply = await send(shell, path, {"x-sig": "00" * 20})
    assert "cannot verify its callers" in reply.problem(503)["detail"]
    assert encoding in (await last_receipt(shell))["reason"]


async def test_a_secret_that_is_not_there_is_the_hubs_fault_and_not_the_callers(shell: Shell) -> None:
    path = await shell.configure()
    source = {"name": "hook", "kind": "WEBHOOK", "event_types": ["GO"]}
    verify = {"preset": "github", "secret": "not-there"}
    await shell.ok("PUT", "/api/configuration?secrets=later", {"sources": [{**source, "verify": verify}]})
    reply = await send(shell, path, {"x-hub-signature-256": "sha256=" + "0" * 64})
    assert "not-there" not in reply.body.decode()
    assert reply.headers["retry-after"]
    reply.problem(503)
    receipt = await last_receipt(shell)
    assert (receipt["status"], "not-there" in receipt["reason"]) == (503, True)


async def test_slack_asks_whether_the_address_is_right(shell: Shell) -> None:
    sender = SIGNING["slack"]
    path = await source_of(shell, sender)
    body = b'{"token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7", "type": "url_verification"}'
    reply = await send(shell, path, sender.sign(sender.secret, body, shell.clock.now()), body)
    assert (reply.status, reply.json) == (200, {"challenge": json.loads(body)["challenge"]})
    assert (await last_receipt(shell))["verdict"] == "challenge"
    assert (await shell.ok("GET", "/api/events"))["items"] == []
    shell.clock.seconds += 0.001
    forged = sender.sign(sender.other_secret, body, shell.clock.now())
    assert await refused(shell, path, "a forged challenge", forged, body)


PUBLISHED: tuple[tuple[dict[str, Any], str, bytes, dict[str, str], int], ...] = (
    (  # docs.github.com, validating webhook deliveries
        {"preset": "github"},
        "It's a Secret to Everybody",
        b"Hello, World!",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        0,
    ),
    (  # docs.slack.dev, verifying requests from Slack
        {"preset": "slack"},
        "8f742231b10e8888abcd99yyyzzz85a5",
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F"
        b"96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        1531420618,
    ),
    (  # RFC 2202, test case 2
        {"preset": "hmac", "header": "X-Sig", "algorithm": "sha1"},
        "Jefe",
        b"what do ya want for nothing?",
        {"x-sig": "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
        0,
    ),
    (  # RFC 4231, test case 2, as Shopify writes it
        {"preset": "shopify"},
        "Jefe",
        b"what do ya want for nothing?",
        {"x-shopify-hmac-sha256": "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="},
        0,
    ),
    (  # RFC 4231, test case 2
        {"preset": "hmac", "header": "X-Sig", "algorithm": "sha512"},
        "Jefe",
        b"what do ya want for nothing?",
        {
            "x-sig": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
        },
        0,
    ),
)


@pytest.mark.parametrize(("verify", "secret", "body", "headers", "at"), PUBLISHED)
async def test_published_vectors(
    shell: Shell, verify: dict[str, Any], secret: str, body: bytes, headers: dict[str, str], at: int
) -> None:
    if at:
        shell.clock.seconds = (datetime.fromtimestamp(at, UTC) - BEGIN).total_seconds()
    await shell.hub.secrets.put("hook-secret", secret)
    path = await shell.configure({"verify": {**verify, "secret": "hook-secret"}})
    reply = await shell.send("POST", path, {"host": "hub", "content-type": "text/plain", **headers}, body)
    assert reply.status == 202, reply.body


def test_the_published_vector_of_standard_webhooks() -> None:
    """Its time is long past, and the library has no clock to move: so its own signing is compared."""
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = Webhook(STANDARD_SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, '{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
