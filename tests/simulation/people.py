"""Callers who post events, admins who cancel them or run them again: all repeat themselves until they are answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from random import Random

from hub.life.create import NewEvent
from hub.life.idempotency import Asked
from hub.life.rerun import Wish
from hub.model.configuration import SourceKind
from hub.model.sink import Command, Order
from hub.rules.rerunning import RerunAs
from hub.wiring import Hub
from tests.simulation.book import Book, id_of, payload_of
from tests.simulation.network import Network, NoAnswer, Refused
from tests.simulation.process import Process
from tests.simulation.scenario import Pool, Post, Scenario
from tests.simulation.virtual_loop import EPOCH

AGAIN_SECONDS = (0.5, 3.0)
LOOKS = 4


class People:
    """Everybody outside."""

    def __init__(self, scenario: Scenario, network: Network, book: Book, rng: Random) -> None:
        self._scenario = scenario
        self._network = network
        self._book = book
        self._rng = rng

    async def post(self, post: Post) -> None:
        """Post the event at its time, again and again, until the hub has acknowledged it."""
        await asyncio.sleep(post.at)
        caller, event_id = Process(f"caller-{post.number}"), id_of(self._scenario, post)
        new = NewEvent(
            event_type=self._scenario.kind(post.kind).event_type,
            source_kind=SourceKind.MANUAL,
            payload=payload_of(post),
            id=event_id,
            not_before=None if post.not_before is None else EPOCH + timedelta(seconds=post.not_before),
        )
        while event_id not in self._book.acknowledged and event_id not in self._book.refused:
            try:
                await self._network.call(caller, "create", event_id, lambda hub: hub.creator.create(new), patience=70)
            except NoAnswer:
                await asyncio.sleep(self._rng.uniform(*AGAIN_SECONDS))
            except Refused as refusal:
                self._book.refused[event_id] = refusal.reason
            else:
                self._book.acknowledged[event_id] = asyncio.get_running_loop().time()

    async def cancel(self, post: Post) -> None:
        """Cancel the event at its time, again and again, until it is cancelled or too late."""
        assert post.cancel_at is not None
        await asyncio.sleep(post.cancel_at)
        admin, event_id = Process(f"admin-{post.number}"), id_of(self._scenario, post)
        while event_id not in self._book.cancel_answers:
            try:
                await self._network.call(admin, "cancel", event_id, lambda hub: hub.canceller.cancel(event_id))
            except Refused as refusal:
                if refusal.status == 409:
                    self._book.cancel_answers[event_id] = "too late"
            except NoAnswer:
                pass
            else:
                self._book.cancel_answers[event_id] = "cancelled"
            await asyncio.sleep(self._rng.uniform(*AGAIN_SECONDS))

    async def command(self, pool: Pool) -> None:
        """Tell the sink one thing after the other, each again and again until the hub has it; a restart also not.

        Each has a key of its own: a try that comes late must not undo what came after it, or the sink would drain for
        ever.
        """
        admin = Process(f"admin-of-{pool.name}")
        for number, (at, command) in enumerate(pool.commands):
            await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
            await self._command(admin, pool.name, command, f"{number} {pool.name}")

    async def _command(self, admin: Process, sink: str, command: Command, key: str) -> None:
        async def give(hub: Hub) -> Order:
            asked = Asked(admin.name, "command", key, command.encode())
            return await hub.orders.give(sink, command, "admin", (await hub.idempotency.promise(asked)).id)

        while True:
            try:
                await self._network.call(admin, "command", sink, give, patience=70)
            except NoAnswer:
                pass
            except Refused as refusal:  # it has not come yet, or has not taken what it was told before
                if command is Command.RESTART:
                    return
                if "use another key" in refusal.reason:  # by the clock of the hub that has told it the one before
                    key += "'"
            else:
                return
            await asyncio.sleep(self._rng.uniform(*AGAIN_SECONDS))

    async def rerun(self, post: Post) -> None:
        """Have the event run again once it has ended, asking again and again under one key."""
        assert post.rerun_at is not None
        await asyncio.sleep(post.rerun_at)
        admin, event_id = Process(f"admin-again-{post.number}"), id_of(self._scenario, post)
        wish = Wish(event_id, RerunAs.RECORDED if post.number % 2 == 0 else RerunAs.TODAY, key=f"again {post.number}")
        while event_id not in self._book.rerun_answers:
            try:
                made = await self._network.call(
                    admin, "rerun", event_id, lambda hub: hub.reruns.rerun(wish), patience=70
                )
            except Refused as refusal:
                if "never ran" in refusal.reason:
                    return
            except NoAnswer:
                pass
            else:
                self._book.rerun_answers[event_id] = made.id
            await asyncio.sleep(self._rng.uniform(*AGAIN_SECONDS))

    async def watch(self, post: Post) -> None:
        """Read the event's log from some time on, a few times, as a viewer's page does."""
        assert post.watched_at is not None
        await asyncio.sleep(post.watched_at)
        viewer, event_id = Process(f"viewer-{post.number}"), id_of(self._scenario, post)
        for _ in range(LOOKS):
            with suppress(NoAnswer, Refused):
                await self._network.call(viewer, "read log", event_id, lambda hub: hub.logs.read(event_id, after=0))
            await asyncio.sleep(self._rng.uniform(1.0, 12.0))
