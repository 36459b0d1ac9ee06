"""The agent's installers and its package, as the hub hands them out."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nexomatic_agent.service import TOLD_TO_STOP

from tests.functions.shell import PUBLIC_URL, opened_shell

PACKAGE = b"a zip of wheels"
DIGEST = hashlib.sha256(PACKAGE).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the package lies beside the hub's code."""
    made = tmp_path / "agent_package"
    made.mkdir()
    (made / "agent.zip").write_bytes(PACKAGE)
    manifest = {"version": "1.2.3", "file": "x.whl", "sha256": "0", "package": "agent.zip", "package_sha256": DIGEST}
    (made / "manifest.json").write_text(json.dumps(manifest))
    return made


@pytest.mark.parametrize("name", ["install.sh", "install.ps1"])
async def test_a_script_holds_the_hubs_address_and_the_packages_digest(folder: Path, name: str) -> None:
    async with opened_shell(agent_packages=[folder]) as shell:
        answer = await shell("GET", f"/agent/{name}", token=None)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain")
        text = answer.body.decode()
        assert all(f"'{each}'" in text for each in (PUBLIC_URL, "1.2.3", DIGEST))
        assert "attacker.example.com" not in text, "the address comes from no request"
        assert "@HUB@" not in text + "@".join(text.split("@VERSION@")[1:])
        assert answer.headers["cache-control"] == "no-cache"
        again = await shell("GET", f"/agent/{name}", token=None, if_none_match=answer.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        if name.endswith(".sh"):
            subprocess.run(["sh", "-n"], input=answer.body, check=True)  # noqa: ASYNC221 - a moment
            assert "\nRestart=always\n" in text
            assert f"\nRestartPreventExitStatus={TOLD_TO_STOP}\n" in text


@pytest.mark.parametrize("url", [None, "https://hub.example.com/'; rm -rf /; '", "https://hub.example.com/$(id)"])
async def test_without_an_address_that_can_be_quoted_there_is_no_script(folder: Path, url: str | None) -> None:
    async with opened_shell(agent_packages=[folder], public_url=url) as shell:
        for name in ("install.sh", "install.ps1"):
            assert "NEXOMATIC_PUBLIC_URL" in (await shell("GET", f"/agent/{name}", token=None)).problem(409)["detail"]


async def test_the_package_is_kept_for_ever_under_its_version(folder: Path) -> None:
    async with opened_shell(agent_packages=[folder]) as shell:
        answer = await shell("GET", "/agent/package/1.2.3", token=None)
        assert (answer.status, answer.body) == (200, PACKAGE)
        assert answer.headers["etag"] == f'"{DIGEST}"'
        assert "immutable" in answer.headers["cache-control"]
        assert (await shell("GET", "/agent/package/1.2.3", token=None, if_none_match=f'"{DIGEST}"')).status == 304
        assert "1.2.3" in (await shell("GET", "/agent/package/1.2.4", token=None)).problem(404)["detail"]
        assert (await shell("GET", "/agent/package/..%2Fmanifest.json", token=None)).status == 404
        (folder / "agent.zip").write_bytes(b"other")
        refused = (await shell("GET", "/agent/package/1.2.3", token=None)).problem(404)
        assert "not what its manifest says" in refused["detail"]


@pytest.mark.parametrize("manifest", [None, {"version": "1", "file": "x.whl", "sha256": "0"}])
async def test_a_hub_without_the_package_says_so(tmp_path: Path, manifest: Any) -> None:
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    async with opened_shell(agent_packages=[tmp_path]) as shell:
        for path in ("install.sh", "install.ps1", "package/1"):
            answer = (await shell("GET", f"/agent/{path}", token=None)).problem(404)
            assert "make agent-package" in answer["detail"]
