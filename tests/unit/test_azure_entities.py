"""Rows and filters as the table service is told them."""

from __future__ import annotations

import pytest
from azure.data.tables import EdmType, EntityProperty, TableEntity

from hub.storage.azure.entities import equals, only, range_filter, sent_etag, to_entity, to_row
from hub.storage.ports import ANY_ETAG, Row, Value


def test_every_integer_is_sent_as_64_bit_and_nothing_else_is() -> None:
    entity = to_entity("p", "k", {"small": 1, "great": 2**62, "flag": True, "float": 1.0, "text": "1", "bytes": b"1"})
    assert entity == {
        "PartitionKey": "p",
        "RowKey": "k",
        "small": EntityProperty(1, EdmType.INT64),
        "great": EntityProperty(2**62, EdmType.INT64),
        "flag": True,
        "float": 1.0,
        "text": "1",
        "bytes": b"1",
    }
    assert entity["flag"] is True
    assert isinstance(entity["float"], float)


def test_a_number_that_was_not_sent_as_64_bit_is_a_float() -> None:
    entity = TableEntity(PartitionKey="p", RowKey="k", whole=3, flag=True, number=EntityProperty(3, EdmType.INT64))
    entity._metadata = {"etag": "e", "timestamp": None}
    row = to_row(entity)
    assert {name: (type(value), value) for name, value in row.values.items()} == {
        "whole": (float, 3.0),
        "flag": (bool, True),
        "number": (int, 3),
    }


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("it's", "'it''s'"),
        ("", "''"),
        ("@x", "'@x'"),
        (True, "true"),
        (False, "false"),
        (0, "0L"),
        (1, "1L"),
        (-(2**63), "-9223372036854775808L"),
        (1.0, "1.0"),
        (-0.5, "-0.5"),
        (1e22, "10000000000000000000000.0"),
        (1.5e-7, "0.00000015"),
        (b"\x00\xff", "X'00ff'"),
    ],
)
def test_a_value_is_compared_by_its_own_type(value: Value, literal: str) -> None:
    assert range_filter("p", "", None, {"name": value}) == f"PartitionKey eq 'p' and name eq {literal}"


def test_a_range_leaves_out_both_ends() -> None:
    expected = "PartitionKey eq 'it''s' and RowKey gt 'a''' and RowKey lt 'b'"
    assert range_filter("it's", "a'", "b", {}) == expected


@pytest.mark.parametrize("etag", [ANY_ETAG, "W/\"datetime'2026-11-23T23%3A19%3A37.7139055Z'\"", '"0x8D"'])
def test_an_etag_is_sent_as_it_came(etag: str) -> None:
    assert sent_etag(etag) == etag


@pytest.mark.parametrize("etag", ["17", "", 'W/"a\r\nx: y"', 'W/"a"b"', '*, "a"'])
def test_what_cannot_be_an_etag_is_sent_as_one_that_never_was(etag: str) -> None:
    assert "1601" in sent_etag(etag)


@pytest.mark.parametrize("other", [True, 1.0, "1", b"1", 2])
def test_equal_is_of_the_same_type(other: Value) -> None:
    row = Row("p", "k", {"value": 1}, "e")
    assert equals(row, {"value": 1})
    assert not equals(row, {"value": other})
    assert not equals(row, {"other": 1})


def test_only_the_columns_asked_for_are_left() -> None:
    row = Row("p", "k", {"a": 1, "b": 2}, "e")
    assert only(row, ["b", "c"]) == Row("p", "k", {"b": 2}, "e")
    assert only(row, []) == Row("p", "k", {}, "e")
    assert only(row, None) is row
