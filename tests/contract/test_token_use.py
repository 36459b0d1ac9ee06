"""When tokens were last used, on every storage engine."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from hub.storage.counting import counting
from hub.storage.ports import Storage
from hub.storage.token_use_rows import TokenUseRows
from tests.contract.rig import unique

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sha256() -> str:
    return hashlib.sha256(unique("token").encode()).hexdigest()


async def test_the_last_time_stands_and_costs_one_write(storage: Storage) -> None:
    rows, token = TokenUseRows(storage.tables), sha256()
    await rows.put(token, AT)
    with counting() as operations:
        await rows.put(token, AT.replace(hour=13))
    assert operations.total() == 1
    assert (await rows.all())[token] == AT.replace(hour=13)


async def test_a_token_that_is_gone_has_no_row_and_may_go_twice(storage: Storage) -> None:
    rows, token = TokenUseRows(storage.tables), sha256()
    await rows.put(token, AT)
    for _ in range(2):
        await rows.remove(token)
    assert token not in await rows.all()
