"""The page that asks whether a `nexo` may act as who is signed in: it runs nothing and loads nothing."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from html import escape
from typing import Final

from hub.model.people import Role

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --soft: #f3f5f7; --line: #8a949e; --mark: #0b5cad;
  --on: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --paper: #14181c; --soft: #1e242a; --line: #6b7783; --mark: #7db8f5; --on: #14181c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 34rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; line-height: 1.3; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0; padding: 1rem;
  background: var(--soft); border-radius: .4rem; }
dd { margin: 0; font-weight: 600; }
form { display: flex; flex-wrap: wrap; gap: .75rem; margin-top: 1.5rem; }
button { font: inherit; min-height: 2.75rem; min-width: 7rem; padding: .5rem 1.25rem; border-radius: .4rem;
  border: 1px solid var(--line); color: var(--ink); background: var(--soft); cursor: pointer; }
button.yes { color: var(--on); background: var(--mark); border-color: var(--mark); }
button:focus-visible { outline: 3px solid var(--ink); outline-offset: 2px; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_MAY: Final = {
    Role.ADMIN: "Admin: everything, on every sink",
    Role.VIEWER: "Viewer: read, and no secrets",
}


@dataclass(frozen=True, slots=True)
class Page:
    """What it says."""

    hub: str
    user: str
    display_name: str | None
    role: Role
    port: int
    challenge: str = field(repr=False)
    machine: str
    csrf_token: str = field(repr=False)

    def policy(self) -> str:
        """Its Content-Security-Policy. Browsers hold a form's redirect to it, too: to that one port it goes on."""
        return (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'; "
            f"form-action 'self' http://127.0.0.1:{self.port}"
        )

    def html(self) -> str:
        """The page. Whatever stands in it is escaped."""
        who = self.user if self.display_name is None else f"{self.display_name} ({self.user})"
        told = {"You are": who, "at": self.hub, "nexo runs on": self.machine, "it may": _MAY[self.role]}
        facts = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told.items())
        hidden = {"port": self.port, "challenge": self.challenge, "name": self.machine, "csrf_token": self.csrf_token}
        fields = "\n".join(
            f'<input type="hidden" name="{name}" value="{escape(str(value))}">' for name, value in hidden.items()
        )
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Allow nexo? · Nexomatic</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>May nexo on {escape(self.machine)} act as you?</h1>
<dl>
{facts}
</dl>
<p>It gets an access token of yours, good for 90 days, which <code>nexo logout</code> ends.</p>
<p><strong>Allow it only if you have just started <code>nexo login</code> yourself, on this computer.</strong>
The name is what that nexo says of its machine. If a link brought you here that somebody sent you, deny.</p>
<form method="post" action="/api/session/nexo/answer">
{fields}
<button class="yes" name="answer" value="allow">Allow</button>
<button name="answer" value="deny">Deny</button>
</form>
</main>
</body>
</html>
"""
