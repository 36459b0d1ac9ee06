"""A fleet of sinks with nothing to do: each has a connection of its own, and a poll on it that the hub holds.

One process holds them all. A client that stays needs a file descriptor for each (`ulimit -n`), as the hub does.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from hub.wire import PAUSE_HEADER
from tests.size.hub_process import TOKEN

AT_ONCE: Final = 16
PATIENCE_SECONDS: Final = 300.0
RUNTIMES: Final = ["python", "shell"]


@dataclass(frozen=True, slots=True)
class Member:
    """One sink."""

    name: str
    credential: str
    instance: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass(slots=True)
class Fleet:
    """Sinks that poll, and what they were answered."""

    url: str
    session: aiohttp.ClientSession
    answers: Counter[int] = field(default_factory=Counter)
    tasks: int = 0
    waiting: int = 0
    """Polls that are open at this moment."""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_waiting(self, polls: int) -> None:
        """Until so many polls are open. Raises TimeoutError after some minutes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.waiting < polls:
                self._more.clear()
                await self._more.wait()

    async def poll_for_ever(self, member: Member) -> None:
        """As an agent does: again at once, or after the pause it is told."""
        said: dict[str, Any] = {"slots": 2, "version": "1.0", "instance": member.instance}
        capabilities = {"platform": "linux", "runtimes": RUNTIMES, "modules": ["disk_cleanup", "machine_report"]}
        headers = {"Authorization": f"Bearer {member.credential}"}
        document = {**said, "capabilities": capabilities}
        while True:
            self.waiting += 1
            self._more.set()
            try:
                async with self.session.post(f"{self.url}/agent/poll", json=document, headers=headers) as answer:
                    self.answers[answer.status] += 1
                    if answer.status == 200:
                        self.tasks += len((await answer.json())["tasks"])
                    pause = float(answer.headers.get(PAUSE_HEADER, 0))
            finally:
                self.waiting -= 1
            document = said
            await asyncio.sleep(pause)


@asynccontextmanager
async def fleet(url: str, members: Sequence[Member]) -> AsyncIterator[Fleet]:
    """All of them polling, until the block ends."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        made = Fleet(url, session)
        polls = [asyncio.create_task(made.poll_for_ever(member)) for member in members]
        try:
            yield made
        finally:
            for each in polls:
                each.cancel()
            ended = await asyncio.gather(*polls, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error


async def enrol(url: str, sink_type: str, count: int) -> tuple[list[Member], list[float]]:
    """So many sinks let in, a few at a time; and the seconds that each tenth of them took."""
    async with aiohttp.ClientSession() as session:
        asked = {"sink_type": sink_type, "uses": count}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with session.post(f"{url}/api/enrolments", json=asked, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        members: list[Member] = []
        tenths: list[float] = []
        for tenth in range(10):
            began = time.monotonic()
            names = [f"sink-{number:05d}" for number in range(count * tenth // 10, count * (tenth + 1) // 10)]
            for start in range(0, len(names), AT_ONCE):
                some = names[start : start + AT_ONCE]
                members += await asyncio.gather(*(_enrol_one(session, url, token, name) for name in some))
            tenths.append(time.monotonic() - began)
    return members, tenths


async def _enrol_one(session: aiohttp.ClientSession, url: str, token: str, name: str) -> Member:
    document = {"token": token, "name": name, "version": "1.0", "platform": "linux"}
    async with session.post(f"{url}/agent/enroll", json=document) as answer:
        assert answer.status == 201, await answer.text()
        return Member(name, (await answer.json())["credential"])
