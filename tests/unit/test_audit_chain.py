"""The hash chain: what is altered, put in, taken out or cut off shows, and where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.model.audit import AuditEntry, Change, Result
from hub.rules import audit_chain
from hub.rules.audit_chain import GENESIS, START, Break, Link, Point, follow, hash_of
from hub.rules.audit_changes import MOST_BYTES, MOST_BYTES_OF_ONE, bounded, change

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(seq: int, **fields: object) -> AuditEntry:
    given = {"actor": "ann", "action": "PUT /x", "resource": f"x/{seq}", "result": Result.DONE, **fields}
    return AuditEntry.model_validate({"chain": "people", "seq": seq, "id": f"id{seq}", "at": AT, **given})


def chain(length: int) -> list[Link]:
    links: list[Link] = []
    point = START
    for seq in range(1, length + 1):
        links.append(audit_chain.link(entry(seq), point))
        point = Point(seq, links[-1].hash)
    return links


def test_what_is_hashed_and_how() -> None:
    """Written out, so that somebody else can verify an export with what every machine has."""
    (link,) = chain(1)
    assert link.body == (
        b'{"action":"PUT /x","actor":"ann","at":"2026-03-01T12:00:00Z","chain":"people","id":"id1",'
        b'"resource":"x/1","result":"DONE","seq":1}'
    )
    assert link.previous == GENESIS
    assert (
        link.hash == hash_of(GENESIS, link.body) == "1a3ca5b6095ea165375d38816d90629ed656b18dec40549e5089ac078802cd30"
    )


def test_a_whole_chain_holds() -> None:
    links = chain(5)
    reached, broken = follow("people", START, links)
    assert (reached, broken) == (Point(5, links[4].hash), None)
    assert audit_chain.ends("people", reached, Point(5, links[4].hash)) is None


def test_it_may_be_followed_in_parts() -> None:
    links = chain(5)
    half, _ = follow("people", START, links[:3])
    assert follow("people", half, links[3:]) == (Point(5, links[4].hash), None)


def forged(links: list[Link], place: int, /, **fields: object) -> Link:
    """An entry with other contents, and a hash that fits them."""
    old = links[place]
    body = audit_chain.encode(entry(old.seq).model_copy(update=fields))
    return replace(old, body=body, hash=hash_of(old.previous, body))


@pytest.mark.parametrize(
    ("spoil", "seq", "says"),
    [
        (lambda links: [*links[:2], *links[3:]], 3, "entry 3 is missing: the next one that is there is 4"),
        (lambda links: [links[0], *links[3:]], 2, "entries 2 to 3 are missing"),
        (lambda links: links[1:], 1, "entry 1 is missing"),
        (
            lambda links: [*links[:2], replace(links[2], body=links[2].body.replace(b"ann", b"bob")), *links[3:]],
            3,
            "was altered",
        ),
        (lambda links: [*links[:2], forged(links, 2, actor="bob"), *links[3:]], 4, "one of the two was replaced"),
        (lambda links: [*links[:2], replace(links[2], hash="0" * 64), *links[3:]], 3, "was altered"),
        (lambda links: [*links[:1], forged(links, 1, seq=9), *links[2:]], 2, "it says that it is 9 of people"),
        (lambda links: [*links[:1], forged(links, 1, chain="other"), *links[2:]], 2, "it is 2 of other"),
        (
            lambda links: [
                *links[:4],
                replace(links[4], body=b"{}", hash=hash_of(links[4].previous, b"{}")),
            ],
            5,
            "cannot be read",
        ),
    ],
)
def test_what_was_done_to_it_shows_at_its_place(spoil: object, seq: int, says: str) -> None:
    assert callable(spoil)
    reached, broken = follow("people", START, spoil(chain(5)))
    assert broken is not None
    assert broken.seq == seq == reached.seq + 1
    assert says in broken.what


def test_a_removed_tail_shows_by_the_head_and_by_an_anchor() -> None:
    links = chain(5)
    head = Point(5, links[4].hash)
    reached, broken = follow("people", START, links[:3])
    assert broken is None
    found = audit_chain.ends("people", reached, head)
    assert found == Break("people", 4, "entries 4 to 5 are missing: the head says that the chain goes on to 5")
    by_anchor = audit_chain.anchored("people", head, None, "noon")
    assert by_anchor == Break("people", 5, "the entry is missing: the anchor of noon saw the chain reach it")


def test_a_head_that_was_put_back_shows() -> None:
    links = chain(5)
    reached = Point(5, links[4].hash)
    behind = audit_chain.ends("people", reached, Point(3, links[2].hash))
    assert behind is not None
    assert behind.seq == 4
    other = audit_chain.ends("people", reached, Point(5, "f" * 64))
    assert other is not None
    assert other.seq == 5


def test_a_chain_written_anew_shows_by_an_anchor() -> None:
    old = chain(5)
    anew = [audit_chain.link(entry(1, actor="nobody"), START)]
    for seq in range(2, 6):
        anew.append(audit_chain.link(entry(seq), Point(seq - 1, anew[-1].hash)))
    assert follow("people", START, anew)[1] is None
    seen = Point(5, old[4].hash)
    assert audit_chain.anchored("people", seen, old[4], "noon") is None
    assert audit_chain.anchored("people", seen, anew[4], "noon") is not None
    lying = replace(anew[4], hash=old[4].hash)
    assert audit_chain.anchored("people", seen, lying, "noon") is not None


@given(st.integers(1, 12), st.data())
def test_any_one_byte_that_is_altered_shows(length: int, data: st.DataObject) -> None:
    links = chain(length)
    at = data.draw(st.integers(0, length - 1))
    where = data.draw(st.integers(0, len(links[at].body) - 1))
    body = bytearray(links[at].body)
    body[where] ^= data.draw(st.integers(1, 255))
    links[at] = replace(links[at], body=bytes(body))
    _, broken = follow("people", START, links)
    assert broken is not None
    assert broken.seq == at + 1


@given(st.text(max_size=50), st.text(max_size=50))
def test_an_entry_reads_back_as_it_was(actor: str, resource: str) -> None:
    said = entry(1, actor=actor, resource=resource, changes=[Change(resource=resource, after={actor: [1, None]})])
    assert audit_chain.decode(audit_chain.encode(said)) == said


class TestChanges:
    def test_only_what_differs_is_told_of_what_is_replaced(self) -> None:
        found = change("x", {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": None})
        assert (found.before, found.after) == ({"b": 2, "c": 3}, {"b": 5})

    def test_a_big_one_is_told_by_its_digest_and_the_names_of_its_fields(self) -> None:
        big = change("x", {"script": "a" * MOST_BYTES_OF_ONE, "n": 1}, {"script": "b", "n": 2})
        (shown,) = bounded([big])
        assert isinstance(shown.before, dict)
        assert shown.before["fields"] == ["n", "script"]
        assert isinstance(shown.before["bytes"], int)
        assert shown.before["bytes"] > MOST_BYTES_OF_ONE
        assert "aaaa" not in shown.model_dump_json()
        assert bounded([change("y", None, {"n": 1})]) == (change("y", None, {"n": 1}),)

    @given(st.lists(st.integers(0, 20_000), max_size=99))
    def test_an_entry_always_fits_its_column(self, sizes: list[int]) -> None:
        changes = [change(f"event-types/{number}", None, {"text": "€" * size}) for number, size in enumerate(sizes)]
        shown = bounded(changes)
        assert [each.resource for each in shown] == [each.resource for each in changes]
        assert len(audit_chain.encode(entry(1, changes=shown))) < MOST_BYTES + 99 * 100 < 60_000

    def test_also_when_many_have_many_fields_with_long_names(self) -> None:
        document = {f"{'n' * 190}{number}": "x" * 100 for number in range(60)}
        changes = [change(f"event-types/{'e' * 60}{number}", None, document) for number in range(99)]
        shown = bounded(changes)
        assert len(shown) == 99
        assert shown[0].after is not None
        assert shown[-1].after is None
        assert len(audit_chain.encode(entry(1, changes=shown))) < 60_000
