"""`nexo` against the local platform: every command, as a person or a script uses it.

Longer than other files: the platform takes seconds to start, and all of its tests share one.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import requests
import yaml
from agent_testing.process import AgentProcess
from nexo_cli.errors import Exit

from hosting.run import TOLD_TO_STOP
from tests.e2e import runbooks
from tests.e2e.conftest import MODULES, configure
from tests.e2e.local_platform import ROOT, Platform
from tests.e2e.nexo import Nexo
from tests.infra.docs_commands import PLATFORM, those_of

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One platform for all tests of this module."""
    home = tmp_path_factory.mktemp("nexo") / "home"
    shutil.copytree(MODULES, home / "modules")
    (home / "modules/flood.py").write_text(FLOOD)
    (home / "modules/nasty_text.py").write_text(NASTY)
    with Platform(home) as running:
        configure(running, "FLOOD", "flood:run")
        configure(running, "NASTY_TEXT", "nasty_text:run")
        yield running


@pytest.fixture
def nexo(shared: Platform, tmp_path: Path) -> Nexo:
    """Signed in as the first admin."""
    found = Nexo(tmp_path / "nexo-home")
    found("login", "--local", str(shared.home))
    return found


FLOOD = (
    "def run(payload, params, context):\n    for number in range(payload['lines']):\n        print('line', number)\n"
)
NASTY = """
def run(payload, params, context):
    print("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07 \\u202eback")
    return {"text": "\\x1b[2J\\u202e"}
"""


class TestSigningIn:
    def test_without_a_hub_the_next_step_is_said(self, tmp_path: Path) -> None:
        nexo = Nexo(tmp_path / "empty")
        said = nexo("whoami", code=Exit.NOT_ALLOWED)
        assert "not signed in" in said.err
        assert "nexo login" in said.err
        said = nexo("whoami", "--json", code=Exit.NOT_ALLOWED)
        assert json.loads(said.err)["exit_code"] == Exit.NOT_ALLOWED
        assert "make run" in nexo("login", "--local", str(tmp_path), code=Exit.UNAVAILABLE).err

    def test_with_the_password_of_make_run(self, shared: Platform, tmp_path: Path) -> None:
        nexo, ready = Nexo(tmp_path / "ada"), shared.ready
        passwords = f"{ready['password']}\nfour words and a bit\n"
        said = nexo("login", ready["url"], "--user", ready["user"], stdin=passwords)
        assert "as admin, ADMIN" in said.out
        health = nexo("health", "--json").json
        assert (health["hub"], health["status"], health["reasons"]) == (ready["url"], "up", [])
        assert health["version"] in nexo("health").out
        assert Nexo(tmp_path / "nobody")("health", ready["url"], "--json").json["version"] is None
        me = nexo("whoami", "--json").json
        assert (me["name"], me["role"], me["via"]) == ("admin", "ADMIN", "token")
        kept = nexo.home / "tokens.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        token = json.loads(kept.read_text())[ready["url"]]
        assert nexo("hubs").rows == [[ready["url"], "yes"]]
        assert "ended" in nexo("logout").out
        assert json.loads(kept.read_text()) == {"format": 1}
        refused = Nexo(tmp_path / "other")("login", ready["url"], "--token", stdin=token, code=Exit.NOT_ALLOWED)
        assert "nexo login" in refused.err

    def test_with_a_token_from_standard_input_or_the_environment(self, shared: Platform, tmp_path: Path) -> None:
        nexo, ready = Nexo(tmp_path / "script"), shared.ready
        said = nexo("login", ready["url"], "--token", stdin=ready["token"] + "\n")
        assert ready["token"] not in said.out + said.err
        assert nexo("whoami", "--json").json["name"] == "first-admin"
        environ = {"NEXO_HUB": ready["url"], "NEXO_TOKEN": ready["token"]}
        assert Nexo(tmp_path / "none", environ)("whoami", "--json").json["role"] == "ADMIN"
        wrong = Nexo(tmp_path / "none", {**environ, "NEXO_TOKEN": "nxt_wrong"})("whoami", code=Exit.NOT_ALLOWED)
        assert "nexo login" in wrong.err
        assert not (tmp_path / "none").exists()


class TestEvents:
    def test_fire_follow_look_rerun(self, nexo: Nexo, tmp_path: Path) -> None:
        (tmp_path / "p.json").write_text('{"lines": 3}')
        said = nexo("fire", "FLOOD", "--wait", "--payload", str(tmp_path / "p.json"))
        assert said.out.splitlines()[:3] == ["line 0", "line 1", "line 2"]
        event_id = said.err.split()[0]
        assert nexo("events", "list", "--type", "FLOOD", "-n", "1").rows[0][:3] == [event_id, "SUCCESS", "FLOOD"]
        (listed,) = nexo("events", "list", "--search", event_id, "--since", "1h", "--json").json
        assert listed["id"] == event_id
        assert nexo("events", "list", "--until", "1h", "--type", "FLOOD", "--json").json == []
        shown = nexo("events", "show", event_id.lower()).out
        assert re.search(r"^state +SUCCESS$", shown, re.MULTILINE)
        assert '"lines": 3' in shown
        assert nexo("events", "show", event_id, "--json").json["payload"] == {"lines": 3}
        assert nexo("logs", event_id).out.splitlines() == ["line 0", "line 1", "line 2"]
        lines = [json.loads(each) for each in nexo("logs", event_id, "-f", "--json").out.splitlines()]
        assert [each["text"] for each in lines] == ["line 0", "line 1", "line 2"]
        again = nexo("events", "rerun", event_id, "--json").json
        assert again["rerun_of"] == event_id
        assert nexo("events", "watch", again["id"], "--json").json["state"] == "SUCCESS"
        assert nexo("events", "rerun", event_id, "--recorded", "--wait").out.splitlines()[0] == "line 0"

    def test_exit_codes_tell_how_it_ended(self, nexo: Nexo, shared: Platform) -> None:
        failed = nexo("fire", "BACKUP_CHECK", "--wait", code=Exit.FAILED)
        assert "NoBackup" in failed.out
        event_id = failed.err.split()[0]
        nexo("events", "watch", event_id, code=Exit.FAILED)
        shared.final(shared.final(event_id)["follow_on"])  # it is made after its parent has ended
        tree = nexo("events", "tree", event_id).out.splitlines()
        assert tree[0].split()[1:3] == ["BACKUP_CHECK", "ERROR"]
        assert tree[1].startswith("  ")
        assert nexo("events", "tree", event_id, "--json").json["root_id"] == event_id
        said = nexo("fire", "NOPE", code=Exit.USAGE)
        assert said.err.startswith("nexo: there is no event type NOPE")
        assert nexo("events", "show", "01ARZ3NDEKTSV4RRFFQ69G5FAV", code=Exit.NOT_FOUND).out == ""
        assert "not JSON" in nexo("fire", "FLOOD", "-d", "{", code=Exit.USAGE).err
        assert "is no time" in nexo("events", "list", "--since", "soon", code=Exit.USAGE).err
        nexo("events", "nonsense", code=Exit.USAGE)

    def test_cancel_and_why_it_waits(self, nexo: Nexo, shared: Platform) -> None:
        shared.client.put("/api/sink-types/NOBODY", {"name": "NOBODY"})
        configure(shared, "NOWHERE", "flood:run", sink_type="NOBODY")
        event_id = nexo("fire", "NOWHERE").out.split()[0]
        assert nexo("events", "explain", event_id, "--json").json["code"] == "NO_SINK_ENROLLED"
        assert "NO_SINK_ENROLLED" in nexo("events", "explain", event_id).out
        assert nexo("events", "cancel", event_id).rows[0][:3] == [event_id, "ERROR", "CANCELLED"]
        assert nexo("events", "show", event_id, "--json").json["result_code"] == "CANCELLED"
        ended = nexo("fire", "FLOOD", "-d", '{"lines": 0}', "--wait").err.split()[0]
        assert "too late" in nexo("events", "cancel", ended, code=Exit.CONFLICT).err

    def test_watch_all(self, nexo: Nexo) -> None:
        nexo("fire", "FLOOD", "-d", '{"lines": 0}', "--wait")
        line = nexo("events", "watch", "--type", "FLOOD", "--count", "1").out
        assert "FLOOD" in line
        assert json.loads(nexo("events", "watch", "--count", "1", "--json").out)["state"]

    def test_what_a_module_wrote_cannot_act_on_the_terminal(self, nexo: Nexo, tmp_path: Path) -> None:
        said = nexo("fire", "NASTY_TEXT", "--wait")
        shown = "\x1b[31mred\x1b[0m \\x1b]0;title\\x07 \\u202eback\x1b[0m"
        assert said.out.splitlines()[0] == shown
        event_id = said.err.split()[0]
        everywhere = said.out + nexo("events", "show", event_id).out + nexo("events", "show", event_id, "--json").out
        assert not re.search("\x1b(?!\\[(31|0)m)|\x07|\u202e", everywhere)
        raw = nexo("logs", event_id, "--raw").out
        assert raw == "\x1b[31mred\x1b[0m \x1b]0;title\x07 \u202eback\n"
        output, code = _on_a_terminal(nexo, "logs", event_id, "--raw")
        assert (code, b"does not go to a terminal" in output) == (Exit.USAGE, True)
        output, code = _on_a_terminal(nexo, "events", "show", event_id)
        assert code == 0
        assert b"\x1b]" not in output
        assert b"\x1b[2J" not in output


class TestPlanAndApply:
    def test_the_examples_twice_and_the_second_changes_nothing(self, nexo: Nexo, tmp_path: Path) -> None:
        arguments = [str(ROOT / "examples"), "--var", f"NEXOMATIC_HOME={tmp_path}", "--json"]
        first = nexo("apply", *arguments, "--yes").json
        assert "actions/check-backup" in first["changed"]
        second = nexo("apply", *arguments, "--yes").json
        assert (second["created"], second["changed"]) == ([], [])
        assert len(second["unchanged"]) == len(first["created"] + first["changed"] + first["unchanged"])
        assert "nothing to change" in nexo("plan", *arguments[:-1], "--exit-code").out

    def test_a_plan_of_a_changed_file_shows_exactly_the_change(self, nexo: Nexo, tmp_path: Path) -> None:
        file = tmp_path / "one.yaml"
        file.write_text(DOCUMENTS)
        planned = nexo("plan", str(file), "--exit-code", code=Exit.CHANGES).out
        assert planned.splitlines()[0] == "+ sink-types/PYTHON:ELSEWHERE"
        assert "+ actions/greet" in planned
        assert "! event-types/GREET NO_SINK_ENROLLED" in planned
        assert "! sources/greet VERIFY_NONE" in planned
        assert nexo("events", "list", "--type", "GREET", "--json").json == []
        nexo("apply", str(file), "--yes")
        file.write_text(DOCUMENTS.replace("value: one", "value: two").replace("max_attempts: 2", "max_attempts: 3"))
        lines = nexo("apply", str(file), "--dry-run").out.splitlines()
        assert [each for each in lines if not each.startswith("!")][:-1] == [
            "~ actions/greet",
            '    parameters[who].value: "one" -> "two"',
            "~ event-types/GREET",
            "    retry.max_attempts: 2 -> 3",
        ]
        assert "nobody is there to agree" in nexo("apply", str(file), code=Exit.USAGE).err
        assert nexo("plan", str(file), "--json").json["changed"] == ["actions/greet", "event-types/GREET"]
        exported = tmp_path / "exported.yaml"
        exported.write_text(nexo("export").out)
        assert nexo("plan", str(exported), "--json").json["changed"] == []

    def test_a_conflict_is_explained(self, nexo: Nexo, tmp_path: Path) -> None:
        file = tmp_path / "two.yaml"
        file.write_text("sink_types: [{name: CONFLICT, description: mine}]")
        version = nexo("plan", str(file), "--json").json["version"]
        (tmp_path / "theirs.yaml").write_text("sink_types: [{name: CONFLICT, description: theirs}]")
        nexo("apply", str(tmp_path / "theirs.yaml"), "--yes")
        said = nexo("apply", str(file), "--yes", "--if-version", version, code=Exit.CONFLICT).err
        assert "changed by somebody else after this plan was made; nothing was applied" in said
        assert "Plan again" in said
        assert '"theirs" -> "mine"' in nexo("plan", "-f", str(file)).out

    def test_what_the_hub_refuses_is_said_with_its_fields(self, nexo: Nexo, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("actions: [{name: a, runtime: cobol, module: m:f, timeout_seconds: 0}]")
        said = nexo("plan", str(file), code=Exit.USAGE).err
        assert "actions[0].runtime" in said
        assert "actions[0].timeout_seconds" in said
        secret = "{name: p, type: SECRET, value: not-there}"
        file.write_text(f"actions: [{{name: a, runtime: python, module: m:f, parameters: [{secret}]}}]")
        assert "nexo secrets set" in nexo("plan", str(file), code=Exit.USAGE).err
        assert "no file was named" in nexo("plan", code=Exit.USAGE).err
        assert "secret not-there is not there" in nexo("plan", str(file), "--secrets-later").out
        file.write_text(CYCLE)
        assert "allow_cycle" in nexo("plan", str(file), code=Exit.USAGE).err


DOCUMENTS = """
sink_types: [{name: "PYTHON:ELSEWHERE"}]
actions:
- {name: greet, runtime: python, module: greet:run, parameters: [{name: who, type: STATIC, value: one}]}
event_types:
- {name: GREET, sink_type: "PYTHON:ELSEWHERE", action: greet, retry: {max_attempts: 2}}
sources:
- {name: greet, kind: WEBHOOK, event_types: [GREET]}
"""
CYCLE = """
sink_types: [{name: C}]
actions: [{name: c, runtime: python, module: c:c, on_success: C}]
event_types: [{name: C, sink_type: C, action: c}]
"""


class TestSinks:
    def test_who_is_there(self, nexo: Nexo) -> None:
        assert nexo("sinks", "list").rows[0][:3] == ["local", "PYTHON:BASE", "ONLINE"]
        assert nexo("sinks", "show", "local", "--json").json["runtimes"]
        assert nexo("sinks", "show", "nobody", code=Exit.NOT_FOUND).out == ""

    def test_telling_one_what_to_do(self, nexo: Nexo, shared: Platform) -> None:
        assert nexo("sinks", "drain", "local", "--wait").rows[0][:3] == ["local", "drain", "DONE"]
        event = shared.client.post("/api/events", {"event_type": "FLOOD", "payload": {"lines": 1}})["id"]
        assert "local was told to by" in nexo("events", "explain", event).out
        before = shared.client.get("/api/sinks/local")
        assert before["state"] == "DRAINING"
        assert "nobody is there to agree" in nexo("sinks", "restart", "local", code=Exit.USAGE).err
        assert nexo("sinks", "restart", "local", "--yes", "--wait").rows[0][:3] == ["local", "restart", "DONE"]
        assert shared.client.get("/api/sinks/local")["state"] == "DRAINING"  # it has not forgotten
        assert nexo("sinks", "cancel", "local", code=Exit.CONFLICT).err
        assert nexo("sinks", "resume", "--type", "python:base", "--yes").rows[0][:2] == ["local", "resume"]
        assert shared.final(event)["state"] == "SUCCESS"
        nexo("sinks", "resume", "--label", "site=nowhere", code=Exit.NOT_FOUND)
        nexo("sinks", "drain", code=Exit.USAGE)

    def test_stopping_one(self, nexo: Nexo, shared: Platform, tmp_path: Path) -> None:
        token = nexo("sinks", "enrol", "PYTHON:BASE", "--json").json["token"]
        modules = tmp_path / "modules"
        modules.mkdir()
        with AgentProcess(shared.ready["url"], tmp_path, modules, "--name", "second", token=token) as agent:
            shared.client.wait("/api/sinks/second", lambda sink: sink["state"] == "ONLINE", 30)
            said = nexo("sinks", "stop", "second", "--yes", "--wait", "--json").json
            assert (said[0]["command"], said[0]["state"]) == ("stop", "DONE")
            assert agent.wait() == TOLD_TO_STOP
        seen = shared.client.get("/api/sinks/second")
        assert (seen["state"], seen["command"]["by"]) == ("OFFLINE", said[0]["by"])
        nexo("sinks", "remove", "second", "--yes")

    def test_letting_one_in_and_removing_it(self, nexo: Nexo, shared: Platform) -> None:
        arguments = ("PYTHON:BASE", "--lasts", "1h", "--label", "site=berlin", "--replace", "--json")
        made = nexo("sinks", "enrol", *arguments).json
        assert (made["labels"], made["replace"], made["uses_left"]) == ({"site": "berlin"}, True, 1)
        said = nexo("sinks", "enrol", "PYTHON:BASE", "--uses", "2")
        assert said.out.startswith("nxe_")
        assert "nexomatic-agent enroll" in said.err
        assert f"curl -fsSL {shared.ready['url']}/agent/install.sh | sudo sh -s -- --name NAME" in said.err
        assert made["id"] in [row[0] for row in nexo("sinks", "enrolments").rows]
        enrol = {"token": made["token"], "name": "guest", "version": "0.1.0"}
        answer = requests.post(f"{shared.ready['url']}/agent/enroll", json=enrol, timeout=10)
        assert answer.status_code in (200, 201), answer.text
        for each in nexo("sinks", "enrolments", "--json").json:
            nexo("sinks", "revoke-enrolment", each["id"])
        assert nexo("sinks", "enrolments", "--json").json == []
        assert "nobody is there to agree" in nexo("sinks", "remove", "guest", code=Exit.USAGE).err
        assert nexo("sinks", "remove", "guest", "--yes").out == "removed guest\n"
        assert "guest" not in nexo("sinks", "list").out


class TestSecrets:
    def test_put_rotate_restore_delete(self, nexo: Nexo) -> None:
        value = "-----KEY-----\nsecond line"
        assert "is made" in nexo("secrets", "set", "api-key", "--description", "of the shop", stdin=value + "\n").out
        assert "as it was" in nexo("secrets", "set", "api-key", stdin=value).out
        first = nexo("secrets", "show", "api-key", "--json").json
        assert first["description"] == "of the shop"
        assert "is changed" in nexo("secrets", "rotate", "api-key", stdin="another").out
        assert first["version"] in nexo("secrets", "restore", "api-key").out
        listed = nexo("secrets", "list")
        assert listed.rows[0][0] == "api-key"
        assert "second line" not in listed.out + nexo("secrets", "list", "--json").out
        assert "nexo secrets set" in nexo("secrets", "rotate", "none", stdin="x", code=Exit.NOT_FOUND).err
        assert "holds no value" in nexo("secrets", "set", "empty", stdin="", code=Exit.USAGE).err
        assert nexo("secrets", "delete", "api-key", "--yes").out == "deleted api-key\n"
        assert nexo("secrets", "list").out == ""


class TestBundles:
    def test_keygen_push_list_show_delete(self, nexo: Nexo, tmp_path: Path) -> None:
        folder, key = tmp_path / "tools", tmp_path / "key.pem"
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__/tool.pyc").write_bytes(b"x")
        (folder / "tool.py").write_text("def run(payload, params, context): return 1")
        trusted = nexo("modules", "keygen", str(key)).out
        assert re.fullmatch(r"ed25519 [A-Za-z0-9+/]{43}=\n", trusted)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert "File exists" in nexo("modules", "keygen", str(key), code=Exit.USAGE).err
        push = ("modules", "push", str(folder), "--name", "tools", "--version")
        first = nexo(*push, "1", "--json").json
        assert (first["files"], first["key_id"]) == (1, None)
        (folder / "tool.py").touch()
        signed = nexo(*push, "1", "--sign", str(key), "--json").json
        assert signed["digest"] == first["digest"], "the same files are the same bundle"
        assert signed["key_id"] == nexo("modules", "list").rows[0][3]
        (folder / "tool.py").write_text("other")
        assert "push these as another version" in nexo(*push, "1", code=Exit.CONFLICT).err
        (folder / "link.py").symlink_to("tool.py")
        assert "is a link" in nexo(*push, "2", code=Exit.USAGE).err
        assert first["digest"] in nexo("modules", "show", "tools@1").out
        assert nexo("modules", "delete", "tools@1", "--yes").out == "deleted tools@1\n"
        assert nexo("modules", "list").out == ""

    def test_the_how_to_as_it_is_written(self, nexo: Nexo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        text = (ROOT / "docs/bundles.md").read_text("utf-8")
        said = ""
        for what, content in re.findall(r"^```(\S+(?: \S+)?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if what != "sh":
                (tmp_path / what.partition(" ")[2]).write_text(content)
                continue
            for line in content.splitlines():
                program, *arguments = shlex.split(line)
                if program != "nexo":
                    subprocess.run(["sh", "-c", line], check=True)
                elif ">" in arguments:
                    Path(arguments[-1]).write_text(nexo(*arguments[: arguments.index(">")]).out)
                else:
                    said += nexo(*arguments).out
        assert '"hello": "Ada"' in said, "the real agent of the platform ran it"
        assert "not signed" in said
        assert "signed by" in said
        assert Path("trusted-keys").read_text().startswith("ed25519 ")


class TestPeople:
    def test_tokens(self, nexo: Nexo, shared: Platform, tmp_path: Path) -> None:
        said = nexo("tokens", "create", "reader", "--lasts", "1h")
        reader = Nexo(tmp_path / "reader", {"NEXO_HUB": shared.ready["url"], "NEXO_TOKEN": said.out.strip()})
        assert reader("whoami", "--json").json["role"] == "VIEWER"
        assert reader("events", "list").code == 0
        refused = reader("fire", "FLOOD", code=Exit.NOT_ALLOWED)
        assert "nexo whoami" in refused.err
        assert "only Admins" in reader("webhooks", "test", "machine-report", code=Exit.NOT_ALLOWED).err
        assert [row[1] for row in nexo("tokens", "list").rows if row[0] == "reader"] == ["VIEWER"]
        assert nexo("tokens", "revoke", "reader").out == "revoked reader\n"
        assert "no length of time" in nexo("tokens", "create", "x", "--lasts", "long", code=Exit.USAGE).err

    def test_users(self, nexo: Nexo) -> None:
        assert nexo("users", "invite", "bob", "--role", "viewer").out.startswith("nxi_")
        again = nexo("users", "invite", "bob", "--json").json
        assert (again["name"], again["role"]) == ("bob", "VIEWER")
        assert nexo("users", "set-role", "bob", "admin").out == "bob is ADMIN\n"
        assert "disabled" in nexo("users", "disable", "bob").out
        assert nexo("users", "show", "bob", "--json").json["disabled"] is True
        assert "disabled" not in nexo("users", "enable", "bob").out
        assert "bob" in [row[0] for row in nexo("users", "list").rows]
        assert nexo("users", "remove", "bob", "--yes").out == "removed bob\n"
        assert nexo("users", "set-role", "admin", "king", code=Exit.USAGE).out == ""


class TestSources:
    def test_schedules(self, nexo: Nexo) -> None:
        assert nexo("schedules", "list").rows[0][:2] == ["monday-report", "30 6 * * MON"]
        rows = nexo("schedules", "preview", "monday-report", "-n", "3").rows
        assert len(rows) >= 3
        assert all("T06:30:00" in row[0] for row in rows[:3])
        assert nexo("schedules", "preview", "machine-report", code=Exit.NOT_FOUND).out == ""

    def test_a_signed_webhook_from_test_to_replay(self, nexo: Nexo, tmp_path: Path) -> None:
        nexo("secrets", "set", "gh-secret", stdin="hush")
        (tmp_path / "s.yaml").write_text(
            "sources: [{name: signed, kind: WEBHOOK, event_types: [MACHINE_REPORT], "
            "verify: {preset: github, secret: gh-secret}}]"
        )
        nexo("apply", str(tmp_path / "s.yaml"), "--yes")
        assert "--sign" in nexo("webhooks", "test", "signed", code=Exit.FAILED).err
        nexo("webhooks", "test", "signed", "--sign", stdin="wrong", code=Exit.FAILED)
        posted = nexo("webhooks", "test", "signed", "--sign", "-d", '{"a": 1}', "--json", stdin="hush").json
        assert posted["status"] == 202
        event_id = json.loads(posted["answer"])["event_id"]
        (accepted,) = (row for row in nexo("webhooks", "receipts", "signed").rows if row[2] == "accepted")
        assert accepted[7] == event_id
        assert nexo("webhooks", "receipts", "signed", accepted[0], "--json").json["replayable"]
        fired = nexo("webhooks", "replay", "signed", accepted[0]).out.split()
        assert fired[:2] == ["MACHINE_REPORT", "fired"]
        assert nexo("events", "show", fired[2], "--json").json["replay_of"] == accepted[0]
        (row,) = (row for row in nexo("webhooks", "list").rows if row[0] == "signed")
        assert row[2] == "github"
        assert nexo("webhooks", "rotate-key", "signed", "--yes").out.strip() not in ("", row[4])
        said = nexo("webhooks", "test", "machine-report", "-d", "{", "-H", "Content-Type: text/plain")
        assert said.out.startswith("202 ")


class TestRecords:
    def test_audit(self, nexo: Nexo) -> None:
        nexo("users", "set-role", "nobody", "ADMIN", code=Exit.NOT_FOUND)
        rows = nexo("audit", "list", "--resource", "users/nobody").rows
        assert [row[4] for row in rows] == ["REFUSED"]
        assert nexo("audit", "list", "--until", "1d", "--json").json == []
        assert re.match(
            r"as it was written: \d+ entries, and \d+ places that \d+ anchors name$", nexo("audit", "verify").out
        )
        assert nexo("audit", "verify", "--json").json["breaks"] == []

    def test_formats(self, nexo: Nexo) -> None:
        found = nexo("formats", "show", "--json").json
        assert (found["format"], found["level"], found["reads"]) == (1, 1, [1])
        assert "yes" in nexo("formats", "finalise", code=Exit.USAGE).err
        assert nexo("formats", "finalise", "--yes").out.strip() == "format 1 is written already"

    def test_stats(self, nexo: Nexo) -> None:
        assert re.search(r"^fired +\d", nexo("stats", "--since", "1h").out, re.MULTILINE)
        assert nexo("stats", "--step", "day", "--json").json["step"] == "day"
        assert "step" in nexo("stats", "--step", "week", code=Exit.USAGE).err


class TestTheAuthorsLoop:
    @pytest.mark.parametrize("runtime", ["python", "shell"])
    def test_a_template_passes_its_own_test_and_runs_at_the_hub(
        self, nexo: Nexo, shared: Platform, tmp_path: Path, runtime: str
    ) -> None:
        name = f"hello_{runtime}"
        made = nexo("new", "module", name, "--runtime", runtime, "--folder", str(tmp_path / "modules")).out.split()
        environ = {**os.environ, **nexo.env(), "NEXO": str(ROOT / "cli/nexo")}
        test = [sys.executable, "-m", "unittest", "-q"] if runtime == "python" else [f"./test_{name}.sh"]
        done = subprocess.run(test, cwd=tmp_path / "modules", env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        nexo("new", "module", name, "--runtime", runtime, "--folder", str(tmp_path / "modules"), code=Exit.CONFLICT)
        for path in made:
            if not path.endswith(".yaml"):
                shutil.copy2(path, shared.home / "modules")
        nexo("apply", *(path for path in made if path.endswith(".yaml")), "--yes")
        said = nexo("fire", name.upper(), "-d", '{"who": "Ada"}', "--wait")
        assert said.out.startswith("greeting Ada, attempt 1\n")

    def test_a_powershell_template_is_complete(self, nexo: Nexo, tmp_path: Path) -> None:
        made = nexo("new", "module", "greet_pwsh", "--runtime", "powershell", "--folder", str(tmp_path), "--json").json
        assert {Path(each).name for each in made} == {"greet_pwsh.ps1", "test_greet_pwsh.ps1", "greet_pwsh.yaml"}
        assert not any("NAME." in Path(each).read_text() for each in made)
        planned = nexo("plan", str(tmp_path / "greet_pwsh.yaml"), "--json").json
        assert "event-types/GREET_PWSH" in planned["created"]
        assert "is no name" in nexo("new", "module", "../x", code=Exit.USAGE).err
        assert "none of python, shell" in nexo("new", "module", "x", "--runtime", "cobol", code=Exit.USAGE).err

    def test_dev_runs_through_the_real_child(self, nexo: Nexo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "own.py").write_text(OWN)
        monkeypatch.chdir(tmp_path)
        said = nexo("dev", "own:run", "-d", '{"a": 1}', "--param", "days:=7", "--json")
        assert said.json["data"] == {"payload": {"a": 1}, "event": "EXEC"}
        assert "\\x1b]0;title\\x07 {'days': 7}" in said.err
        said = nexo("dev", "own:run", "-d", '{"fail": true}', code=Exit.FAILED)
        assert "ValueError as asked" in said.out
        event_id = nexo("fire", "MACHINE_REPORT", "-d", '{"past": true}', "--wait").err.split()[0]
        assert nexo("dev", "own:run", "--event", event_id, "--json").json["data"]["payload"] == {"past": True}
        assert "'warn_percent': 90" in nexo("dev", "own:run", "--event", event_id).err
        nexo("dev", "own:run", "--event", event_id, "-d", "{}", code=Exit.USAGE)
        nexo("dev", "nothing:run", code=Exit.FAILED)
        assert "which module" in nexo("dev", code=Exit.USAGE).err
        nexo.environ["NEXO_AGENT"] = "false"
        assert "could not be run" in nexo("dev", "own:run", code=Exit.USAGE).err

    def test_what_a_hub_costs_is_said_without_a_hub(self, nexo: Nexo, tmp_path: Path) -> None:
        rows = nexo("cost", "--sinks", "1", "--sinks", "1000", "--json").json["rows"]
        assert [(row["sinks"], row["plan"]) for row in rows if row["cheapest"]] == [(1, "on-demand"), (1000, "machine")]
        own = tmp_path / "prices.json"
        own.write_text("{}")
        assert "no table of prices" in nexo("cost", "--prices", str(own), code=Exit.USAGE).err

    def test_editors_know_the_configuration(self, nexo: Nexo) -> None:
        check = jsonschema_rs.validator_for(nexo("schema").json)
        good = yaml.safe_load((ROOT / "examples/configuration.yaml").read_text())
        assert check.is_valid(good)
        good["event_types"][0]["retries"] = 3
        assert [list(each.instance_path) for each in check.iter_errors(good)] == [["event_types", 0]]

    def test_the_shell_completes_commands_and_what_the_hub_has(self, nexo: Nexo) -> None:
        assert {"events", "export"} <= set(_completed(nexo, "nexo e"))
        assert _offered(nexo, "nexo fire FLO") == ["FLOOD"]
        assert _offered(nexo, "nexo sinks show lo") == ["local"]
        assert _completed(Nexo(nexo.home / "none"), "nexo fire FLO") == []


OWN = """
def run(payload, params, context):
    print("\\x1b]0;title\\x07", params)
    if payload.get("fail"):
        raise ValueError("as asked")
    return {"payload": payload, "event": context.event_type}
"""


def _offered(nexo: Nexo, line: str) -> list[str]:
    """What a hub offers. A shell that it keeps waiting is offered nothing, and asks again at the next key."""
    return next((found for _ in range(10) if (found := _completed(nexo, line))), [])


def _completed(nexo: Nexo, line: str) -> list[str]:
    """What bash is offered at the end of a line."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_NEXO_COMPLETE": "complete_bash"}
    process = Nexo(nexo.home, {**nexo.environ, **words}).start(stdout=subprocess.PIPE)
    out, _ = process.communicate(timeout=60)
    return str(out.decode()).split()


class TestManyAtOnce:
    def test_cancel_and_rerun_what_a_filter_finds(self, nexo: Nexo, shared: Platform) -> None:
        shared.client.put("/api/sink-types/NEVER", {"name": "NEVER"})
        configure(shared, "CROWD", "flood:run", sink_type="NEVER")
        for _ in range(3):
            nexo("fire", "CROWD")
        assert "agree" in nexo("events", "bulk", "cancel", "--type", "CROWD", code=Exit.USAGE).err
        said = nexo("events", "bulk", "cancel", "--type", "CROWD", "--yes", "--json").json
        assert (said["state"], said["done"], said["failed"]) == ("DONE", 3, 0)
        again = nexo("events", "bulk", "rerun", "--type", "CROWD", "--since", "1h", "--yes", "--json").json
        assert again["done"] == 3
        assert [row[0] for row in nexo("operations", "list").rows][:2] == [again["id"], said["id"]]
        assert nexo("operations", "show", again["id"], "--json").json["state"] == "DONE"
        nexo("events", "bulk", "explode", code=Exit.USAGE)
        assert "too late" in nexo("operations", "cancel", again["id"], code=Exit.CONFLICT).err
        nexo("events", "bulk", "cancel", "--type", "CROWD", "--yes")


class TestTheTutorial:
    def test_every_command_of_it_in_this_order(self, shared: Platform, tmp_path: Path) -> None:
        for name in (".venv", "examples", "cli", "agent"):
            (tmp_path / name).symlink_to(ROOT / name)
        (tmp_path / ".local").symlink_to(shared.home)
        script = _tutorial(tmp_path).replace("http://127.0.0.1:7071", shared.ready["url"])
        bin_folder = tmp_path / "bin"
        bin_folder.mkdir()
        (bin_folder / "nexo").symlink_to(ROOT / "cli/nexo")
        (bin_folder / "nexomatic-agent").write_text(
            f'#!/bin/sh\nPYTHONPATH={ROOT / "agent"} exec {sys.executable} -m nexomatic_agent "$@"\n'
        )
        (bin_folder / "nexomatic-agent").chmod(0o755)
        environ = {**os.environ, **Nexo(tmp_path / "nexo-home").env(), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
        assert "! event-types/PUSHED NO_SINK_ENROLLED" in said
        assert "nothing to change" in said
        assert "office-1\tPYTHON:OFFICE\tONLINE" in said
        assert "\n202 " in said
        assert "Codertocat/Hello-World: Initial commit" in said
        assert re.search(r"\tPUSHED\toffice-1\t", said)
        assert {"accepted", "refused"} <= set(said.split("\t"))


def test_what_the_runbooks_look_at_can_be_looked_at(nexo: Nexo) -> None:
    """Every command in them under "Look", as it stands there."""
    nexo("fire", "MACHINE_REPORT", "-d", "{}", "--wait")
    looks = 0
    for path in runbooks.RUNBOOKS:
        commands = runbooks.commands(path, "look")
        assert commands or path.name == "README.md", path
        for program, *arguments in commands:
            assert program == "nexo", arguments
            nexo(*arguments)
            looks += 1
    assert looks > 20


def test_the_commands_of_the_other_pages(
    nexo: Nexo, shared: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of README and docs/ those that need the platform and nothing else, as they stand there, in their order."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".local").symlink_to(shared.home)
    event_id = nexo("fire", "MACHINE_REPORT", "-d", "{}", "--wait").err.split()[0]
    environ = {**os.environ, "HUB": shared.ready["url"], "TOKEN": shared.ready["token"], "ID": event_id}
    commands = those_of(PLATFORM)
    try:
        for each in commands:
            program, *arguments = shlex.split(each.text)
            if program != "curl":
                if arguments[0] == "dev" and "LAST" in arguments:
                    nexo("fire", "HELLO", "-d", '{"who": "Ada"}', "--wait")
                nexo(*arguments, *(["--yes"] if arguments[0] == "apply" else []))
                continue
            text = re.sub(r"http://127.0.0.1:7071|https://hub.example.com", shared.ready["url"], each.text)
            asked = ["bash", "-c", text.replace("curl", "curl -sSf", 1)]
            subprocess.run(asked, env=environ, capture_output=True, text=True, timeout=60, check=True)
    finally:
        for path in ("event-types/HELLO", "actions/hello"):
            shared.client.delete(f"/api/{path}")
        (shared.home / "modules/hello.py").unlink(missing_ok=True)
    assert len(commands) > 12


STOLEN = "stolen-credential.md"


def test_what_the_runbooks_say_to_do_can_be_done(nexo: Nexo, shared: Platform, tmp_path: Path) -> None:
    """Every command in a block of its own under "Do"; and what was stolen is good for nothing after."""
    done: list[str] = []
    for path in runbooks.RUNBOOKS:
        if not runbooks.commands(path, "do"):
            continue
        if not done or path.name == STOLEN:  # those before it remove the sink
            stolen = runbooks.prepare(shared)
            assert [name for name, good in stolen.uses.items() if not good()] == []
        done += runbooks.do(path, nexo, shared, tmp_path)
        if path.name == STOLEN:
            shared.until(lambda: not any(good() for good in stolen.uses.values()), 30)  # noqa: B023 - asked here
    assert len(done) > 12


def _tutorial(folder: Path) -> str:
    """All its commands as one script; its files are written into the folder."""
    text = (ROOT / "docs/tutorial.md").read_text("utf-8")
    script = ["set -euo pipefail", ENDS_THE_AGENT]
    for what, content in re.findall(r"^```(\S+(?: \S+)?)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        language, _, title = what.partition(" ")
        if language == "sh":
            script.append(content)
            if title == "office":
                script.append(UNTIL_IT_IS_THERE)
        else:
            path = folder / title
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    assert len(script) > 10
    return "\n".join(script)


ENDS_THE_AGENT = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"
UNTIL_IT_IS_THERE = "until nexo sinks list | grep -q 'office-1.*ONLINE'; do sleep 0.2; done"


class TestATerminal:
    def test_ctrl_c_leaves_the_terminal_sane(self, nexo: Nexo) -> None:
        nexo("fire", "FLOOD", "-d", '{"lines": 0}')
        output, code = _on_a_terminal(nexo, "events", "watch", interrupt_after=b"FLOOD")
        assert code == Exit.INTERRUPTED
        assert output.endswith(b"\x1b[0m\x1b[?25h\r\n")
        assert b"Traceback" not in output

    def test_a_reader_who_has_enough_is_no_error(self, nexo: Nexo) -> None:
        event_id = nexo("fire", "FLOOD", "-d", '{"lines": 30000}', "--wait").err.split()[0]
        process = nexo.start("logs", event_id, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)
        process.stderr.close()


def _on_a_terminal(nexo: Nexo, *arguments: str, interrupt_after: bytes | None = None) -> tuple[bytes, int]:
    """What a command writes to a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    process = nexo.start(*arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        return _until_it_ends(process, ours, interrupt_after)
    finally:
        process.kill()
        process.wait()


def _until_it_ends(process: subprocess.Popen[bytes], ours: int, interrupt_after: bytes | None) -> tuple[bytes, int]:
    output, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            piece = os.read(ours, 65_536)
            output += piece
            if interrupt_after is not None and interrupt_after in output:
                process.send_signal(signal.SIGINT)
                interrupt_after = None
            continue
        break
    os.close(ours)
    return output, process.wait(60)
