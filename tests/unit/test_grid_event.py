"""What is read from an event of Event Grid, and which sources hear it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid, TooLarge
from hub.model.configuration import EventGridSource, SourceKind
from hub.sources.grid_event import GridEvent, hears, read

OWN = {
    "id": "1",
    "topic": "/subscriptions/x/topics/plant",
    "subject": "/line/7/Disk.log",
    "eventType": "Plant.DiskFull",
    "eventTime": "2026-01-01T00:00:00.1234567Z",
    "data": {"free": 12},
    "dataVersion": "1",
    "metadataVersion": "1",
}
CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "/subscriptions/x/topics/plant",
    "subject": "/line/7/Disk.log",
    "type": "Plant.DiskFull",
    "time": "2026-01-01T00:00:00Z",
    "data": {"free": 12},
}
LIMIT = 100_000


def event(document: Any = None, limit: int = LIMIT, **fields: Any) -> GridEvent:
    return read(json.dumps({**(document or OWN), **fields}), limit)


def source(**fields: Any) -> EventGridSource:
    return EventGridSource(name="blobs", kind=SourceKind.EVENTGRID, event_types=("GO",), **fields)


@pytest.mark.parametrize("document", [OWN, CLOUD], ids=["own", "cloud"])
def test_both_schemas_say_the_same(document: dict[str, Any]) -> None:
    found = event(document)
    assert found.fault is None
    assert (found.id, found.origin, found.type, found.subject) == (
        "1",
        "/subscriptions/x/topics/plant",
        "Plant.DiskFull",
        "/line/7/Disk.log",
    )
    headers = dict(found.seen.headers)
    assert headers.pop("ce-time") == document.get("eventTime", document.get("time"))
    assert headers.pop("ce-specversion", None) == document.get("specversion")
    assert headers == {
        "content-type": "application/json" if document is OWN else "application/cloudevents+json",
        "ce-id": "1",
        "ce-source": "/subscriptions/x/topics/plant",
        "ce-type": "Plant.DiskFull",
        "ce-subject": "/line/7/Disk.log",
    }
    assert json.loads(found.text) == document


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({}, True),
        ({"types": ()}, True),
        ({"types": ("Plant.DiskFull",)}, True),
        ({"types": ("Other", "plant.DISKFULL")}, True),
        ({"types": ("Plant",)}, False),
        ({"types": ("Plant.DiskFull.More", "Plant.Disk")}, False),
        ({"subject_begins_with": "/line/7"}, True),
        ({"subject_begins_with": "/LINE/7/d"}, True),
        ({"subject_begins_with": "line"}, False),
        ({"subject_begins_with": ""}, True),
        ({"subject_ends_with": ".LOG"}, True),
        ({"subject_ends_with": ".txt"}, False),
        ({"subject_ends_with": ""}, True),
        ({"subject_begins_with": "/line", "subject_ends_with": ".log"}, True),
        ({"subject_begins_with": "/line", "subject_ends_with": ".txt"}, False),
        ({"subject_begins_with": "/other", "subject_ends_with": ".log"}, False),
        ({"types": ("Plant.DiskFull",), "subject_begins_with": "/other"}, False),
        ({"types": ("Other",), "subject_begins_with": "/line"}, False),
    ],
)
@pytest.mark.parametrize("document", [OWN, CLOUD], ids=["own", "cloud"])
def test_types_and_subjects_are_compared_as_azure_does(
    document: dict[str, Any], fields: dict[str, Any], heard: bool
) -> None:
    assert hears(source(**fields), event(document)) is heard


@given(st.text(max_size=300), st.text(), st.text(max_size=300))
def test_a_subject_passes_its_own_beginning_and_end(begins: str, middle: str, ends: str) -> None:
    assert hears(source(subject_begins_with=begins, subject_ends_with=ends), event(subject=begins + middle + ends))


@pytest.mark.parametrize(
    ("missing", "wanted", "heard"),
    [
        ("subject", {"subject_begins_with": "/line"}, False),
        ("eventType", {"types": ("Plant.DiskFull",)}, False),
        ("topic", {"types": ("Plant.DiskFull",), "subject_begins_with": "/line"}, True),
        ("eventTime", {"types": ("Plant.DiskFull",), "subject_begins_with": "/line"}, True),
    ],
)
def test_what_is_not_said_is_empty(missing: str, wanted: dict[str, Any], heard: bool) -> None:
    found = read(json.dumps({name: value for name, value in OWN.items() if name != missing}), LIMIT)
    assert found.fault is None
    assert hears(source(), found)
    assert hears(source(**wanted), found) is heard


def test_ids_are_told_apart_by_where_they_are_from() -> None:
    known = {
        event(id=one, topic=other).known_by for one, other in (("a", "b"), ("b", "a"), ("a", 'b","'), ('b","a', ""))
    }
    assert len(known) == 4
    assert event().known_by == event(CLOUD).known_by


class TestFaults:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('{"id": "1", "eventType": "T", "eventType": "T"}', "twice"),
            ('{"id": "1", "eventType": "T", "data": 123456789012345678901234567890}', "an integer is between"),
            ('{"id": "1", "eventType": "T", "data": NaN}', "NaN"),
            ('{"id": "1", "eventType": "T", "data": "\\ud800"}', "surrogate"),
            ('{"eventType": "T"}', "has no id"),
            ('{"id": 7, "eventType": "T"}', "has no id"),
            ('{"id": "", "eventType": "T"}', "has no id"),
        ],
    )
    def test_what_can_be_seen_of_it_is_seen(self, text: str, words: str) -> None:
        found = read(text, LIMIT)
        assert words in str(found.fault)
        assert hears(source(types=("T",)), found)

    @pytest.mark.parametrize("text", ["", "nonsense", "[]", '"event"', "null", "7", '{"id": "1"', "[" * 100_000])
    def test_what_is_no_object_is_no_event(self, text: str) -> None:
        with pytest.raises(Invalid):
            read(text, LIMIT)

    def test_sizes(self) -> None:
        size = len(json.dumps(OWN))
        assert event(limit=size).fault is None
        assert isinstance(event(limit=size - 1).fault, TooLarge)
        assert isinstance(event(subject="x" * 25_000).fault, TooLarge)

    def test_half_a_surrogate_pair_never_gets_into_a_receipt(self) -> None:
        found = read('{"id": "\\ud800", "eventType": "\\udfff"}', LIMIT)
        assert found.fault is not None
        json.dumps(dict(found.seen.headers), ensure_ascii=False).encode()
