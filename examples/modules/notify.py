"""Tells people of an alert: in the log and a file, by mail, or in a chat.

For the event types HUB.FAILED, HUB.UNROUTABLE, HUB.SINK_LOST and HUB.SCHEDULE_LATE, which the hub fires itself, and
for the `on_failure` of any action. Needs nothing but Python 3.9.
"""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Any

from nexomatic import Context

SECONDS = 30
SUBJECT_CHARS = 120


class NotSent(Exception):
    """Nobody was told; the message says why."""


def log(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Writes it to the event's log and, if `file` is given, to the end of that file."""
    text = text_of(payload, context)
    print(text)
    if params.get("file"):
        file = Path(params["file"]).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as alerts:
            alerts.write(text + "\n\n")
    return {"message": message_of(payload, context)}


def mail(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Sends a mail.

    `server`, `port` (587), `security`: `starttls` (the default), `tls` (as on port 465) or `none`; `user` and
    `password`, if the server wants them; `from`, `to` (one address or a list); `ca_file`, if the server's certificate
    is your own.
    """
    to = [params["to"]] if isinstance(params["to"], str) else list(params["to"])
    letter = EmailMessage()
    letter["From"] = params["from"]
    letter["To"] = ", ".join(to)
    letter["Subject"] = one_line("[Nexomatic] " + message_of(payload, context), SUBJECT_CHARS)
    letter["Date"] = formatdate()
    # The same at every attempt: a mail that was sent although its answer was lost is known for the same one.
    letter["Message-ID"] = f"<{context.event_id}@{parseaddr(params['from'])[1].rpartition('@')[2] or 'nexomatic'}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text_of(payload, context))
    with _connected(params) as server:
        refused = server.send_message(letter, to_addrs=to)
    for address, (code, reason) in refused.items():
        print(f"refused for {address}: {code} {reason.decode(errors='replace')}")
    print(f"sent to {', '.join(each for each in to if each not in refused)}: {letter['Subject']}")
    return {"to": to, "refused": sorted(refused), "message_id": letter["Message-ID"]}


def chat(payload: Any, params: dict[str, Any], context: Context) -> dict[str, Any]:
    """Posts to an incoming webhook.

    `address`: the webhook's, which is a secret. `format`: `text` (the default: Slack, Mattermost, Rocket.Chat, Google
    Chat) or `teams` (a card, as Microsoft Teams' workflows take it).
    """
    kind = params.get("format") or "text"
    if kind == "text":
        # These three have a meaning there: a message must not call a whole channel.
        text = text_of(payload, context).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        body: dict[str, Any] = {"text": text}
    elif kind == "teams":
        body = _card(message_of(payload, context), lines_of(payload, context))
    else:
        raise NotSent(f"format is {kind!r}; text and teams are allowed")
    status = _post(params["address"], body)
    print(f"posted: {message_of(payload, context)}")
    return {"status": status}


def message_of(payload: Any, context: Context) -> str:
    """What happened, in a sentence."""
    told = payload if isinstance(payload, dict) else {}
    if isinstance(told.get("parent"), dict):  # it follows another event, as its failure handler
        before = told["parent"]
        parts = (f"{before.get('event_type')} ended as {before.get('state')}", *_reason(before))
        return ": ".join(parts)
    return str(told.get("message") or f"{context.event_type} was fired without a message")


def lines_of(payload: Any, context: Context) -> list[tuple[str, str]]:
    """What is known of it: names and values. Of what it does not know it shows nothing."""
    told = payload if isinstance(payload, dict) else {}
    if isinstance(told.get("parent"), dict):
        told = {"event": {name: told["parent"].get(name) for name in ("id", "event_type", "state", "result_code")}}
    elif "alert" not in told:
        told = {}
    lines: list[tuple[str, str]] = []
    for name, value in told.items():
        if isinstance(value, dict):
            lines += [(_label(name, inner), _said(each)) for inner, each in value.items() if each is not None]
        elif value is not None and name != "message":
            lines.append((_label("", name), _said(value)))
    return [*lines, ("told by", f"event {context.event_id}")]


def text_of(payload: Any, context: Context) -> str:
    """All of it as plain text."""
    lines = [f"{name}: " + "\n    ".join(value.splitlines()) for name, value in lines_of(payload, context)]
    return "\n".join([message_of(payload, context), "", *lines])


def one_line(text: str, most: int) -> str:
    """The beginning of it, without line breaks."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _reason(event: dict[str, Any]) -> list[str]:
    return [str(event[name]) for name in ("result_code", "result_message") if event.get(name)]


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _label(outer: str, inner: str) -> str:
    name = inner if not outer or inner.startswith(outer) else f"{outer} {inner}"
    return name.replace("_", " ")


def _connected(params: dict[str, Any]) -> smtplib.SMTP:
    security, user = params.get("security") or "starttls", params.get("user")
    if security not in ("starttls", "tls", "none"):
        raise NotSent(f"security is {security!r}; starttls, tls and none are allowed")
    if security == "none" and user:
        raise NotSent("a password is not sent over a connection that is not encrypted: use starttls or tls")
    tls = ssl.create_default_context(cafile=params.get("ca_file") or None)
    name, port = params["server"], int(params.get("port") or (465 if security == "tls" else 587))
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(name, port, timeout=SECONDS, context=tls)
    else:
        server = smtplib.SMTP(name, port, timeout=SECONDS)
    try:
        if security == "starttls":
            server.starttls(context=tls)
        if user:
            server.login(user, params["password"])
    except BaseException:
        server.close()
        raise
    return server


def _card(title: str, lines: list[tuple[str, str]]) -> dict[str, Any]:
    facts = [{"title": name, "value": value} for name, value in lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": title, "weight": "bolder", "wrap": True},
            {"type": "FactSet", "facts": facts},
        ],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}


class _NoDetour(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET, which tells nobody anything."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(address: str, body: dict[str, Any]) -> int:
    if urllib.parse.urlsplit(address).scheme not in ("https", "http"):
        raise NotSent("address is no web address: it begins with https:// (or http://, inside your own network)")
    data = json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 - seen above
    try:
        with urllib.request.build_opener(_NoDetour).open(request, timeout=SECONDS) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            said = one_line(error.read(1000).decode(errors="replace"), 200)
        raise NotSent(f"the chat answered {error.code}: {said}") from None
    except urllib.error.URLError as error:
        raise NotSent(f"the chat could not be reached: {error.reason}") from None
