"""Rows as the Tables SDK knows them: typed values, filters, ETags. Pure.

Every integer travels as Int64, because the service has two kinds that do not compare equal. Filters are written here
and not with the SDK's `parameters`, which take 0 and 1 for booleans and leave small integers 32 bit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from azure.data.tables import EdmType, EntityProperty, TableEntity

from hub.storage.ports import ANY_ETAG, Row, Value, Values

PARTITION: Final = "PartitionKey"
KEY: Final = "RowKey"
SYSTEM_COLUMNS: Final = (PARTITION, KEY, "Timestamp")

_ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e]*"')
_NEVER = "W/\"datetime'1601-01-01T00%3A00%3A00Z'\""
"""A well-formed ETag that no row ever had."""


def to_entity(partition: str, key: str, values: Values) -> dict[str, Any]:
    """A row as the SDK sends it."""
    columns = {name: _typed(value) for name, value in values.items()}
    return {PARTITION: partition, KEY: key, **columns}


def to_row(entity: TableEntity) -> Row:
    """A row as the SDK has read it."""
    etag = entity.metadata["etag"]
    assert etag, "the service gives one with every row, and the SDK makes one of the timestamp otherwise"
    values = {name: _plain(value) for name, value in entity.items() if name not in SYSTEM_COLUMNS}
    return Row(entity[PARTITION], entity[KEY], values, etag)


def equals(row: Row, where: Values) -> bool:
    """Whether the row has these columns, of these types, with these values.

    The service has been asked for just that. It is looked at again because the emulator takes a text for the integer
    it spells, and any two values that it cannot compare for equal.
    """
    return all(type(found := row.values.get(name)) is type(value) and found == value for name, value in where.items())


def only(row: Row, select: Collection[str] | None) -> Row:
    """The row with no more than these columns; None is all it has."""
    if select is None or row.values.keys() <= set(select):
        return row
    return replace(row, values={name: value for name, value in row.values.items() if name in select})


def sent_etag(etag: str) -> str:
    """The ETag as it can be sent. One that this service cannot have given (another engine's) stands for no version."""
    return etag if etag == ANY_ETAG or _ENTITY_TAG.fullmatch(etag) else _NEVER


def range_filter(partition: str, after: str, before: str | None, where: Values) -> str:
    """The filter for the rows of a partition between two keys, both left out, whose columns equal these values."""
    return " and ".join(_conditions(partition, after, before, where))


def _conditions(partition: str, after: str, before: str | None, where: Values) -> Iterator[str]:
    yield f"{PARTITION} eq {_literal(partition)}"
    if after:
        yield f"{KEY} gt {_literal(after)}"
    if before is not None:
        yield f"{KEY} lt {_literal(before)}"
    for name, value in where.items():
        yield f"{name} eq {_literal(value)}"


def _literal(value: Value) -> str:
    """A value as OData writes it."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L"
    if isinstance(value, float):
        return _decimal(value)
    return f"X'{value.hex()}'"


def _decimal(value: float) -> str:
    """Without an exponent, whose sign the emulator takes for an operator, and never mistaken for an integer."""
    digits = format(Decimal(repr(value)), "f")
    return digits if "." in digits else f"{digits}.0"


def _typed(value: Value) -> Any:
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return EntityProperty(value, EdmType.INT64) if is_integer else value


def _plain(value: Any) -> Value:
    if isinstance(value, EntityProperty):
        integer: int = value.value
        return integer
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # a double without a fraction: our integers all come as Int64
    plain: Value = value
    return plain
