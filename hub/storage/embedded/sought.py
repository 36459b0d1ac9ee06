"""Indexes of the few rows that are sought among many: those that `keys.SOUGHT` names, by the value of a column.

Each kind is a bit of the column `sought`, which is written with the row, and has an index of the rows with that bit:
what is settled is in none of them, however much of it there is. All of it is part of the schema's number
(`database.py`): another kind is another migration.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Final

from hub.storage import keys
from hub.storage.embedded.values import path
from hub.storage.ports import Values


@dataclass(frozen=True, slots=True)
class Sought:
    """One kind."""

    bit: int
    column: str
    value: str | bool

    def is_in(self, values: Values) -> bool:
        """Whether these columns, or what a search asks of them, are of this kind."""
        found = values.get(self.column)
        return type(found) is type(self.value) and found == self.value

    @property
    def index(self) -> str:
        return f"rows_sought_{self.bit}"

    @property
    def condition(self) -> str:
        """As the index has it; a statement that uses the index says the same, word for word."""
        return f"sought & {self.bit}"

    @property
    def as_json(self) -> str:
        """Whether a row is of this kind, read from the text of its columns; never null."""
        value = int(self.value) if isinstance(self.value, bool) else f"'{self.value}'"
        return f"json_extract(columns, '{path(self.column)}') IS {value}"


SOUGHT: Final = tuple(Sought(1 << number, column, value) for number, (column, value) in enumerate(keys.SOUGHT))

_BITS: Final = " + ".join(f"{each.bit} * ({each.as_json})" for each in SOUGHT)

_COLUMN: Final = "ALTER TABLE rows ADD COLUMN sought INTEGER NOT NULL DEFAULT 0;"
_INDEXES: Final = [f"CREATE INDEX {each.index} ON rows(tbl, partition, key) WHERE {each.condition};" for each in SOUGHT]
_FILL: Final = f"UPDATE rows SET sought = {_BITS} WHERE id BETWEEN ? AND ? AND tbl = '{keys.EVENTS}' AND {_BITS}"  # noqa: S608
_AT_A_TIME: Final = 10_000

SCHEMA: Final = "\n".join([_COLUMN, *_INDEXES])
"""What makes the column and its indexes in a new file."""


def add(connection: sqlite3.Connection) -> None:
    """Make the column and its indexes in a file of format 1, and write the column of the rows that are there."""
    connection.execute(_COLUMN)
    ((last,),) = connection.execute("SELECT coalesce(max(id), 0) FROM rows").fetchall()
    # In pieces: SQLite keeps what a statement has overwritten, to undo it, and with `temp_store` that is in memory.
    for start in range(0, last, _AT_A_TIME):
        connection.execute(_FILL, (start + 1, start + _AT_A_TIME))
    for index in _INDEXES:
        connection.execute(index)


def sought_of(values: Values) -> int:
    """What the column `sought` of a row with these columns holds."""
    return sum(each.bit for each in SOUGHT if each.is_in(values))


def sought_by(where: Values) -> Sought | None:
    """The kind that a search asks for, if it is one."""
    return next((each for each in SOUGHT if each.is_in(where)), None)
