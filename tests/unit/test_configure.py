"""Configuring: what is saved, what is refused and with which words, and what two writers at once leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest

from hub.configure.checks import check
from hub.configure.deciding import InUse
from hub.configure.matching import Match, MustMatch
from hub.errors import Changed, FieldError, Invalid, NotFound, Rejected, Unavailable
from hub.model.configuration import Kind, SourceKind, WebhookSource
from hub.model.verification import GitLab
from hub.people.enrolment import WantedEnrolment
from hub.wire import Enrol
from tests.unit.configuring import ANY, NO_MATCH, Desk, desk_over, opened_desk

HMAC = {"preset": "hmac", "secret": "s", "header": "X-Sig"}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with opened_desk() as opened:
        yield opened


def refused(caught: pytest.ExceptionInfo[Invalid]) -> dict[str, str]:
    return {each.field: each.message for each in caught.value.fields}


class TestPut:
    async def test_creates_then_replaces_the_version_that_was_read(self, desk: Desk) -> None:
        created = await desk.put(Kind.SINK_TYPE, "PYTHON:BASE", description="old")
        assert created.created
        match = Match.of_headers(f'"{created.entry.revision}"', None)
        replaced = await desk.put(Kind.SINK_TYPE, "PYTHON:BASE", match, description="new")
        assert not replaced.created
        read = await desk.resources.get(Kind.SINK_TYPE, "python:base")
        assert read.model.model_dump() == {
            "name": "PYTHON:BASE",
            "description": "new",
            "max_queue_depth": None,
            "pause": None,
        }
        assert read.revision == replaced.entry.revision != created.entry.revision

    async def test_keeps_names_that_begin_with_hub_for_the_alerts(self, desk: Desk) -> None:
        await desk.pool()
        await desk.action()
        with pytest.raises(Invalid) as caught:
            await desk.event_type("HUB.SINKLOST")
        assert refused(caught) == {
            "name": "begins with HUB., as only the hub's own alerts do: "
            "HUB.UNROUTABLE, HUB.SINK_LOST, HUB.SCHEDULE_LATE, HUB.FAILED are allowed"
        }
        assert (await desk.event_type("HUB.SINK_LOST")).created

    async def test_asks_for_the_version_when_it_exists(self, desk: Desk) -> None:
        await desk.pool()
        with pytest.raises(MustMatch):
            await desk.put(Kind.SINK_TYPE, "PYTHON:BASE", description="new")

    async def test_refuses_an_old_version_and_leaves_everything_as_it_was(self, desk: Desk) -> None:
        first = await desk.put(Kind.SINK_TYPE, "A", description="1")
        await desk.put(Kind.SINK_TYPE, "A", ANY, description="2")
        with pytest.raises(Changed, match="not the version"):
            await desk.put(Kind.SINK_TYPE, "A", Match.of_headers(f'"{first.entry.revision}"', None), description="3")
        assert (await desk.resources.get(Kind.SINK_TYPE, "A")).model.model_dump()["description"] == "2"

    async def test_the_same_again_changes_nothing(self, desk: Desk) -> None:
        first = await desk.put(Kind.SINK_TYPE, "A", description="1")
        again = await desk.put(Kind.SINK_TYPE, "A", description="1")
        assert again.entry.revision == first.entry.revision
        assert not again.created

    async def test_if_none_match_creates_only(self, desk: Desk) -> None:
        only_new = Match.of_headers(None, "*")
        await desk.put(Kind.SINK_TYPE, "A", only_new)
        with pytest.raises(Changed, match="exists already"):
            await desk.put(Kind.SINK_TYPE, "A", only_new)
        with pytest.raises(Changed, match="does not exist"):
            await desk.put(Kind.SINK_TYPE, "B", ANY)

    async def test_the_name_is_the_addresss(self, desk: Desk) -> None:
        await desk.put(Kind.SINK_TYPE, "Pool")
        await desk.put(Kind.SINK_TYPE, "POOL", ANY, name="POOL")
        assert (await desk.resources.get(Kind.SINK_TYPE, "pool")).name == "POOL"
        with pytest.raises(Invalid) as caught:
            await desk.put(Kind.SINK_TYPE, "Pool", ANY, name="Other")
        assert "must be the name in the address, Pool" in refused(caught)["name"]

    async def test_a_webhooks_key_is_made_once_and_kept(self, desk: Desk) -> None:
        await desk.pool()
        await desk.action()
        await desk.event_type()
        created = await desk.webhook()
        replaced = await desk.webhook("hook", match=ANY, methods=["PUT"])
        assert len(created.entry.key) == 43
        assert replaced.entry.key == created.entry.key

    async def test_many_writers_at_once_all_succeed(self, desk: Desk) -> None:
        other = desk_over(desk.storage, desk.clock, first=2)
        await asyncio.gather(
            *(each.put(Kind.SINK_TYPE, f"{name}{n}") for n in range(8) for name, each in (("A", desk), ("B", other)))
        )
        entries, more = await desk.resources.page(Kind.SINK_TYPE, limit=100)
        assert len(entries) == 16
        assert not more


class TestPatch:
    async def test_changes_what_it_names(self, desk: Desk) -> None:
        await desk.everything()
        await desk.resources.patch(Kind.EVENT_TYPE, "go", {"retry": {"max_attempts": 4}, "enabled": False}, NO_MATCH)
        saved = await desk.resources.patch(Kind.EVENT_TYPE, "go", {"retry": {"max_lost": 1}, "enabled": None}, ANY)
        document = saved.entry.model.model_dump()
        assert (document["retry"]["max_attempts"], document["retry"]["max_lost"]) == (4, 1)
        assert document["enabled"] is True  # null takes a field back to its default

    async def test_refuses_what_a_put_refuses(self, desk: Desk) -> None:
        await desk.everything()
        with pytest.raises(Invalid) as caught:
            await desk.resources.patch(Kind.EVENT_TYPE, "GO", {"name": "OTHER"}, NO_MATCH)
        assert list(refused(caught)) == ["name"]
        with pytest.raises(Invalid, match="JSON object"):
            await desk.resources.patch(Kind.EVENT_TYPE, "GO", [1], NO_MATCH)
        with pytest.raises(NotFound):
            await desk.resources.patch(Kind.EVENT_TYPE, "NONE", {}, NO_MATCH)
        with pytest.raises(Changed):
            await desk.resources.patch(Kind.EVENT_TYPE, "GO", {"enabled": False}, Match(frozenset({"old"})))


class TestRefusals:
    """Every refusal names the field, and says what is allowed."""

    ACTION = (
        ({"module": "disk_cleanup"}, "module", "package.module:function"),
        ({"runtime": "powershell", "module": "x.sh"}, "module", "ends in .ps1"),
        ({"runtime": "shell", "module": "../x.sh"}, "module", "below the sink's module folder"),
        ({"runtime": "exec", "module": "/bin/sh"}, "module", "below the sink's module folder"),
        ({"runtime": "perl"}, "runtime", "must be 'python', 'powershell', 'shell' or 'exec'"),
        ({"bundle": "x@1"}, "bundle", "there is no bundle x@1: push it first"),
        ({"on_success": "NONE"}, "on_success", "there is no event type NONE"),
        ({"on_failure": "MANUAL-ONLY"}, "on_failure", "its sources are MANUAL"),
        ({"timeout_seconds": 0}, "timeout_seconds", "greater than or equal to 1"),
        ({"timeout_seconds": "300"}, "timeout_seconds", "must be a whole number"),
        ({"timout": 3}, "timout", "allowed are name, runtime, module, bundle"),
        ({"warning_codes": [0]}, "warning_codes[0]", "greater than or equal to 1"),
        ({"parameters": [{"name": "a b", "type": "STATIC", "value": 1}]}, "parameters[0].name", "letters, digits"),
        ({"parameters": [{"name": "a", "type": "STATIC"}]}, "parameters[0].value", "is required"),
        ({"parameters": [{"name": "a", "type": "STATIC", "valu": 1}]}, "parameters[0].valu", "name, type, value"),
        ({"parameters": [{"name": "a", "type": "DATA", "value": 1}]}, "parameters[0].value", "a JMESPath"),
        ({"parameters": [{"name": "a", "type": "DATA", "value": "x["}]}, "parameters[0].value", "column"),
        ({"parameters": [{"name": "a", "type": "DATA", "value": "x" * 1025}]}, "parameters[0].value", "1024"),
        ({"parameters": [{"name": "a", "type": "SECRET", "value": "a_b"}]}, "parameters[0].value", "dashes"),
        (
            {
                "parameters": [
                    {"name": "Path", "type": "STATIC", "value": 1},
                    {"name": "path", "type": "STATIC", "value": 2},
                ]
            },
            "parameters[1].name",
            "there already",
        ),
    )

    @pytest.mark.parametrize(("fields", "field", "said"), ACTION)
    async def test_of_actions(self, desk: Desk, fields: dict[str, Any], field: str, said: str) -> None:
        await desk.pool()
        await desk.action("first")
        await desk.event_type("MANUAL-ONLY", action="first", sources=["MANUAL"])
        with pytest.raises(Invalid) as caught:
            await desk.action(**fields)
        assert said in refused(caught)[field]

    EVENT_TYPE = (
        ({"sink_type": "NONE"}, "sink_type", "there is no sink type NONE"),
        ({"action": "none"}, "action", "there is no action none"),
        ({"sink": "box-9"}, "sink", "there is no sink box-9"),
        ({"sink": "box-1"}, "sink", "is of the sink type OTHER, not PYTHON:BASE"),
        ({"filter": "a =="}, "filter", "column"),
        ({"payload": "nosuch(body)"}, "payload", "nosuch"),
        ({"redact": ["a", "length(a)"]}, "redact[1]", "a path is fields"),
        ({"redact": ["a[0]"]}, "redact[0]", "a path is fields"),
        ({"redact": ["a."]}, "redact[0]", "after a dot"),
        ({"redact": ["a"] * 51}, "redact", "more than 50"),
        ({"rate_per_minute": 0}, "rate_per_minute", "greater than or equal to 1"),
        ({"sources": ["EMAIL"]}, "sources[0]", "must be 'WEBHOOK'"),
        ({"sources": ["MANUAL", "MANUAL"]}, "sources[1]", "there already"),
        ({"retry": {"max_attempts": 0}}, "retry.max_attempts", "greater than or equal to 1"),
        ({"retry": {"attempts": 2}}, "retry.attempts", "allowed are max_attempts, backoff_seconds"),
        ({"retry": None}, "retry", "must be a JSON object"),
        ({"pause": {"until": "soon"}}, "pause.until", "datetime"),
        ({"pause": {"until": "2030-01-01T00:00:00"}}, "pause.until", "offset from UTC"),
        ({"enabled": "yes"}, "enabled", "must be true or false"),
    )

    @pytest.mark.parametrize(("fields", "field", "said"), EVENT_TYPE)
    async def test_of_event_types(self, desk: Desk, fields: dict[str, Any], field: str, said: str) -> None:
        await desk.pool()
        await desk.pool("OTHER")
        await desk.action()
        made = await desk.enrolments.create(WantedEnrolment("OTHER", desk.clock.now() + timedelta(hours=1), 1))
        await desk.enrolments.exchange(Enrol(token=made.text, name="box-1", version="1"))
        with pytest.raises(Invalid) as caught:
            await desk.event_type(**fields)
        assert said in refused(caught)[field]

    SOURCE: tuple[tuple[dict[str, Any], str, str], ...] = (
        ({"event_types": ["NONE"]}, "event_types[0]", "there is no event type NONE"),
        ({"event_types": ["GO", "MANUAL-ONLY"]}, "event_types[1]", "may not be fired by WEBHOOK"),
        ({"event_types": ["GO", "go"]}, "event_types[1]", "there already"),
        ({"event_types": []}, "event_types", "at least 1"),
        ({"methods": ["GET"]}, "methods[0]", "must be 'POST' or 'PUT'"),
        ({"event_types": ["GO"] * 51}, "event_types", "at most 50"),
        ({"verify": {"preset": "github"}}, "verify.secret", "is required"),
        ({"verify": {"preset": "mail"}}, "verify.preset", "must be one of none, bearer, basic, shared, hmac"),
        ({"verify": {"secret": "s"}}, "verify.preset", "must be one of none, bearer"),
        ({"verify": {"preset": "github", "secret": "s_1"}}, "verify.secret", "name of a secret"),
        ({"verify": {"preset": "github", "secret": "s"}}, "verify.secret", "there is no secret s"),
        ({"verify": {"preset": "gitlab", "secret": "s", "x": 1}}, "verify.x", "allowed are secret, previous_secret"),
        (
            {"verify": {"preset": "stripe", "secret": "s", "tolerance_seconds": 0}},
            "verify.tolerance_seconds",
            "greater",
        ),
        ({"verify": {"preset": "basic", "secret": "s", "username": "a:b"}}, "verify.username", "no colon"),
        ({"verify": {"preset": "shared", "secret": "s"}}, "verify.header", "header or query"),
        (
            {"verify": {"preset": "shared", "secret": "s", "header": "A", "query": "b"}},
            "verify.header",
            "one of the two",
        ),
        ({"verify": {"preset": "shared", "secret": "s", "query": "Code"}}, "verify.query", "code or wait"),
        ({"verify": {"preset": "hmac", "secret": "s"}}, "verify.header", "is required"),
        ({"verify": {**HMAC, "header": "Traceparent"}}, "verify.header", "means something else"),
        ({"verify": {**HMAC, "header": "a b"}}, "verify.header", "name of a header"),
        ({"verify": {**HMAC, "algorithm": "md5"}}, "verify.algorithm", "'sha1', 'sha256' or 'sha512'"),
        ({"verify": {**HMAC, "signs": "{timestamp}"}}, "verify.signs", "holds {body} once"),
        ({"verify": {**HMAC, "signs": "{body}{body}"}}, "verify.signs", "holds {body} once"),
        ({"verify": {**HMAC, "signs": "{url}{body}"}}, "verify.signs", "no other braces"),
        ({"verify": {**HMAC, "signs": "{timestamp}.{body}"}}, "verify.timestamp_header", "is needed"),
        ({"verify": {**HMAC, "timestamp_header": "T"}}, "verify.signs", "not signed proves nothing"),
        ({"dedupe": {}}, "dedupe.header", "header or path"),
        ({"dedupe": {"header": "A", "path": "body.id"}}, "dedupe.header", "one of the two"),
        ({"dedupe": {"path": "body."}}, "dedupe.path", "column"),
        ({"dedupe": {"header": "A", "hours": 721}}, "dedupe.hours", "less than or equal to 720"),
        ({"networks": ["192.0.2.0/24"]}, "networks", "NEXOMATIC_FRONT_END"),
        ({"networks": ["192.0.2.1/24"]}, "networks[0]", "is no network"),
        ({"networks": ["::/0", "0::/0"]}, "networks[1]", "is there already"),
        ({"kind": "EMAIL"}, "kind", "WEBHOOK"),
        ({"key": "abc"}, "key", "is not a field here"),
        ({"pause": {"until": "2030-01-01T00:00:00"}}, "pause.until", "offset from UTC"),
        ({"rate": {"limit": 0}}, "rate.limit", "greater than or equal to 1"),
        ({"rate": {"limit": 1, "burst": 0}}, "rate.burst", "greater than or equal to 1"),
        ({"rate": {"limit": 1, "seconds": 1}}, "rate.seconds", "is not a field here"),
    )

    @pytest.mark.parametrize(("fields", "field", "said"), SOURCE)
    async def test_of_sources(self, desk: Desk, fields: dict[str, Any], field: str, said: str) -> None:
        await desk.everything()
        await desk.event_type("MANUAL-ONLY", sources=["MANUAL"])
        with pytest.raises(Invalid) as caught:
            await desk.webhook("other", **fields)
        assert said in refused(caught)[field]

    async def test_of_a_rotation_to_the_same_secret(self) -> None:
        verify = GitLab(preset="gitlab", secret="s", previous_secret="S")
        source = WebhookSource(name="a", kind=SourceKind.WEBHOOK, event_types=("GO",), verify=verify)
        (problem,) = check(source)
        assert (problem.field, "the same" in problem.message) == ("verify.previous_secret", True)

    async def test_of_sink_types(self, desk: Desk) -> None:
        with pytest.raises(Invalid) as caught:
            await desk.put(Kind.SINK_TYPE, "A", max_queue_depth=0)
        assert "greater than or equal to 1" in refused(caught)["max_queue_depth"]

    @pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "ä", "x" * 64])
    async def test_of_names(self, desk: Desk, name: str) -> None:
        with pytest.raises(Invalid) as caught:
            await desk.put(Kind.SINK_TYPE, name)
        assert "1 to 63 letters" in refused(caught)["name"]

    async def test_no_value_is_repeated(self, desk: Desk) -> None:
        with pytest.raises(Invalid) as caught:
            await desk.action(parameters=[{"name": "p", "type": "SECRET", "value": "hunter_2", "x": "hunter_2"}])
        assert "hunter" not in str(caught.value)
        assert "hunter" not in str(caught.value.fields)


class TestReferences:
    async def test_what_others_name_cannot_be_deleted(self, desk: Desk) -> None:
        await desk.everything()
        made = await desk.enrolments.create(WantedEnrolment("python:base", desk.clock.now() + timedelta(hours=1), 2))
        await desk.enrolments.exchange(Enrol(token=made.text, name="box", version="1"))
        await desk.event_type("PINNED", sink="box")
        await desk.action("other", on_failure="go")
        expected = {
            (Kind.SINK_TYPE, "PYTHON:BASE"): ["event-types/GO", "event-types/PINNED", "sinks/box", "enrolments/"],
            (Kind.ACTION, "go"): ["event-types/GO", "event-types/PINNED"],
            (Kind.EVENT_TYPE, "GO"): ["actions/other", "sources/hook"],
        }
        for (kind, name), naming in expected.items():
            with pytest.raises(InUse) as caught:
                await desk.resources.delete(kind, name, NO_MATCH)
            assert all(given.startswith(wanted) for given, wanted in zip(caught.value.named_by, naming, strict=True))
        with pytest.raises(InUse, match="event-types/PINNED"):
            await desk.sinks.delete("BOX")

    async def test_from_the_top_everything_can_be_deleted(self, desk: Desk) -> None:
        await desk.everything()
        for kind, name in reversed(
            [(Kind.SINK_TYPE, "PYTHON:BASE"), (Kind.ACTION, "GO"), (Kind.EVENT_TYPE, "go"), (Kind.SOURCE, "HOOK")]
        ):
            await desk.resources.delete(kind, name, NO_MATCH)
            with pytest.raises(NotFound):
                await desk.resources.get(kind, name)
            with pytest.raises(NotFound):
                await desk.resources.delete(kind, name, NO_MATCH)

    async def test_a_delete_may_name_the_version(self, desk: Desk) -> None:
        await desk.pool()
        with pytest.raises(Changed):
            await desk.resources.delete(Kind.SINK_TYPE, "PYTHON:BASE", Match(frozenset({"old"})))

    async def test_a_change_may_not_break_who_names_it(self, desk: Desk) -> None:
        await desk.everything()
        with pytest.raises(Rejected, match="sources/hook"):
            await desk.event_type(match=ANY, sources=["MANUAL"])
        await desk.action("other", on_failure="GO")
        with pytest.raises(Rejected, match="actions/other"):
            await desk.event_type(match=ANY, sources=["WEBHOOK"])

    async def test_taking_away_and_beginning_to_name_at_once_never_both_succeed(self, desk: Desk) -> None:
        other = desk_over(desk.storage, desk.clock, first=2)
        for number in range(5):
            await desk.pool(f"P{number}")
            await desk.action(f"a{number}")
            answers = await asyncio.gather(
                desk.resources.delete(Kind.ACTION, f"a{number}", NO_MATCH),
                other.event_type(f"E{number}", sink_type=f"P{number}", action=f"a{number}"),
                return_exceptions=True,
            )
            assert sum(isinstance(each, Exception) for each in answers) == 1


class TestApply:
    DOCUMENTS: Final[Mapping[Kind, list[Any]]] = {
        Kind.ACTION: [
            {"name": "go", "runtime": "python", "module": "m:f", "on_failure": "ALERT"},
            {"name": "alert", "runtime": "python", "module": "m:alert"},
        ],
        Kind.EVENT_TYPE: [
            {"name": "GO", "sink_type": "P", "action": "go"},
            {"name": "ALERT", "sink_type": "P", "action": "alert"},
        ],
        Kind.SINK_TYPE: [{"name": "P"}],
        Kind.SOURCE: [{"name": "hook", "kind": "WEBHOOK", "event_types": ["GO"]}],
    }

    async def test_documents_that_name_each_other_are_written_together(self, desk: Desk) -> None:
        saved = await desk.resources.apply(self.DOCUMENTS)
        assert all(each.created for each in saved)
        assert len({each.entry.revision for each in saved}) == 1
        again = await desk.resources.apply(self.DOCUMENTS)
        assert [each.entry.revision for each in again] == [each.entry.revision for each in saved]
        assert again[-1].entry.key == saved[-1].entry.key

    async def test_one_that_is_wrong_refuses_all_and_says_which(self, desk: Desk) -> None:
        wrong = {**self.DOCUMENTS, Kind.SOURCE: [{"name": "hook", "kind": "WEBHOOK", "event_types": ["NONE"]}]}
        with pytest.raises(Invalid) as caught:
            await desk.resources.apply(wrong)
        assert list(refused(caught)) == ["sources/hook.event_types[0]"]
        assert (await desk.resources.page(Kind.SINK_TYPE)) == ([], False)

    async def test_shapes_are_refused_with_their_place_in_the_file(self, desk: Desk) -> None:
        wrong: dict[Kind, list[Any]] = {
            Kind.SINK_TYPE: [{"name": "P"}, {"name": "p"}, 3],
            Kind.ACTION: [{"name": "go"}],
        }
        with pytest.raises(Invalid) as caught:
            await desk.resources.apply(wrong)
        assert caught.value.fields == (
            FieldError("sink_types[1].name", "p is there twice"),
            FieldError("sink_types[2]", "must be a JSON object"),
            FieldError("actions[0].runtime", "is required"),
            FieldError("actions[0].module", "is required"),
        )


class TestRotation:
    async def test_the_old_key_is_valid_for_the_overlap(self, desk: Desk) -> None:
        await desk.everything()
        old = (await desk.resources.get(Kind.SOURCE, "hook")).key
        rotated = await desk.resources.rotate_key("hook")
        keys = (await desk.copy.credentials()).webhook_keys
        assert keys[old].until == desk.clock.now() + timedelta(hours=24)
        assert keys[rotated.key].until is None
        assert rotated.key != old

    async def test_again_within_the_overlap_only_by_ending_every_older_key(self, desk: Desk) -> None:
        await desk.everything()
        await desk.resources.rotate_key("hook")
        with pytest.raises(Rejected, match="valid until 2026-03-02T12:00:00Z"):
            await desk.resources.rotate_key("hook")
        last = await desk.resources.rotate_key("hook", timedelta(0))
        assert list((await desk.copy.credentials()).webhook_keys) == [last.key]

    async def test_a_put_keeps_both_keys(self, desk: Desk) -> None:
        await desk.everything()
        await desk.resources.rotate_key("hook")
        before = (await desk.copy.credentials()).webhook_keys
        await desk.webhook(match=ANY, enabled=False)
        assert (await desk.copy.credentials()).webhook_keys == before


class TestPages:
    async def test_by_name_a_page_at_a_time(self, desk: Desk) -> None:
        for name in ("b", "A", "C"):
            await desk.pool(name)
        first, more = await desk.resources.page(Kind.SINK_TYPE, limit=2)
        rest, none = await desk.resources.page(Kind.SINK_TYPE, after=first[-1].name, limit=2)
        assert [each.name for each in first + rest] == ["A", "b", "C"]
        assert more
        assert not none


class TestLostAnswers:
    async def test_a_write_whose_answer_was_lost_is_recognised(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        transact = desk.storage.tables.transact

        async def lose(*arguments: Any) -> None:
            await transact(*arguments)
            raise Unavailable

        monkeypatch.setattr(desk.storage.tables, "transact", lose)
        saved = await desk.put(Kind.SINK_TYPE, "A")
        assert saved.created
        token = await desk.tokens.create("ci", "ADMIN")  # type: ignore[arg-type]  # what the model takes
        assert token.text.startswith("nxt_")

    async def test_one_that_did_not_take_effect_is_reported(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        async def fail(*_: Any) -> None:
            raise Unavailable

        monkeypatch.setattr(desk.storage.tables, "transact", fail)
        with pytest.raises(Unavailable):
            await desk.pool()
