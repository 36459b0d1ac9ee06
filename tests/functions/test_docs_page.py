"""The page of the API: served from here alone, and it shows every route of the OpenAPI document."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.functions.shell import Shell
from tests.functions.test_openapi import operations

FILES = {
    "/api/docs": "text/html; charset=utf-8",
    "/api/docs/page.js": "text/javascript; charset=utf-8",
    "/api/docs/page.css": "text/css; charset=utf-8",
}
MOST_BYTES = 30_000


async def test_all_of_it_is_served_to_anybody_under_a_policy(shell: Shell) -> None:
    total = 0
    for url, kind in FILES.items():
        reply = await shell("GET", url, token=None)
        assert (reply.status, reply.headers["content-type"]) == (200, kind)
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        total += len(reply.body)
    assert total < MOST_BYTES


async def test_it_names_no_other_host_and_holds_no_script_of_its_own(shell: Shell) -> None:
    for url in FILES:
        text = (await shell("GET", url, token=None)).body.decode()
        assert not re.search(r"https?:|//[a-z]|@import|url\(", text.replace("// ", "")), url
        assert "innerHTML" not in text
    page = (await shell("GET", "/api/docs", token=None)).body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon[a-z]+=", page)
    assert set(re.findall(r'(?:src|href)="([^"]+)"', page)) <= {
        *FILES,
        "/api/openapi.json",
        "/api/session/oidc?return_to=/api/docs",
    }


async def shown(shell: Shell, folder: Path, status: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is on the page once all of it was opened, and the document that it shows."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js here")
    document = await shell.ok("GET", "/api/openapi.json")
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "page.js").write_bytes((await shell("GET", "/api/docs/page.js", token=None)).body)
    driver = Path(__file__).with_name("docs_page_dom.mjs")
    command = [node, str(driver), str(folder / "page.js"), str(folder / "openapi.json"), str(status)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, document


async def test_it_shows_every_route_with_its_fields_and_answers(shell: Shell, tmp_path: Path) -> None:
    found, document = await shown(shell, tmp_path, 200)
    assert found["asked"] == [["/api/openapi.json", None]]
    for route, operation in operations(document).items():
        assert route.partition(" ")[2] in found["text"]
        assert squeezed(operation["description"].split("\n")[0]) in squeezed(found["text"]), route
    assert "`" not in found["text"].replace("_`|~", "")  # but for a pattern
    for said in (
        "backoff_seconds",
        "at most 100",
        "urn:nexomatic:problem:invalid",
        "disk_cleanup:run",
        "ETag",
        "a session and its X-CSRF-Token",
    ):
        assert said in found["text"], said
    assert found["opened"] > 500
    assert found["tags"] == len({each["tags"][0] for each in operations(document).values()})
    assert found["found"] == ["post /api/events/bulk", "post /api/operations/{id}/cancel"]
    assert found["links"] == ["operations"]
    assert found["says"] == "2 routes. Version 1."


@pytest.mark.parametrize(
    ("status", "says", "provider"),
    [
        (401, "This is shown to those who may read the hub. Give an access token.", False),
        (403, "No: you have no role here: ask ops@example.com for one.", True),
    ],
)
async def test_who_may_not_read_is_told_why_and_asked_for_a_token(
    shell: Shell, tmp_path: Path, status: int, says: str, provider: bool
) -> None:
    found, _ = await shown(shell, tmp_path, status)
    assert found["first"] == {"says": says, "form": True, "provider": provider}
    assert found["asked"] == [
        ["/api/openapi.json", None],
        ["/api/session/methods", None],
        ["/api/openapi.json", "Bearer nxt_of-the-reader"],
    ]
    assert "/api/events" in found["text"]


def squeezed(text: str) -> str:
    """Without what the page puts between words and around names."""
    return "".join(text.replace("`", "").split())
