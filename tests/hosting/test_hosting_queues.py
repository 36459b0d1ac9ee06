"""Queue triggers and outputs, on Azurite."""

from __future__ import annotations

import asyncio
import random
import typing
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import azure.functions.queue
import pytest
from azure.storage.queue import BinaryBase64DecodePolicy, BinaryBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from hosting.azurite import Azurite, start_azurite
from hosting.errors import BadSettings
from hosting.functions_host import FunctionsHost, Options
from hosting.hostjson import HostJson, HttpOptions, QueueOptions
from hosting.indexing import index
from hosting.queue_listener import RENEW_SECONDS, Backoff
from hosting.timers import SystemClock
from tests.hosting.support import PATIENCE_SECONDS, ask, hosted, open_app

pytestmark = pytest.mark.azurite


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with start_azurite() as running:
        yield running


@pytest.fixture
async def service(azurite: Azurite) -> AsyncIterator[QueueServiceClient]:
    """The queue service, without a queue in it."""
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as client:
        async for queue in client.list_queues():
            await client.delete_queue(queue)
        yield client


def reader(service: QueueServiceClient, name: str) -> QueueClient:
    """A client that speaks base64, as the host does."""
    return service.get_queue_client(
        name,
        message_encode_policy=BinaryBase64EncodePolicy(),
        message_decode_policy=BinaryBase64DecodePolicy(),
    )


@asynccontextmanager
async def opened(service: QueueServiceClient, name: str) -> AsyncIterator[QueueClient]:
    async with reader(service, name) as queue:
        await queue.create_queue()
        yield queue


class Worker:
    """An app with one queue function, which records what it was given and then does `work`."""

    def __init__(self, queue: str = "work") -> None:
        self.app = open_app()
        self.seen: asyncio.Queue[func.QueueMessage] = asyncio.Queue()
        self.work: Callable[[func.QueueMessage], Any] = lambda _: None

        @self.app.queue_trigger("message", queue, "Store")
        async def on_message(message: func.QueueMessage) -> None:
            self.seen.put_nowait(message)
            result = self.work(message)
            if asyncio.iscoroutine(result):
                await result

    def fails(self, _: func.QueueMessage) -> None:
        raise RuntimeError("cannot do it")


def settings(azurite: Azurite, **more: str) -> dict[str, str]:
    return {"AzureWebJobsStore": azurite.connection_string, "AZURE_FUNCTIONS_ENVIRONMENT": "Development", **more}


def options(**queues: Any) -> HostJson:
    return HostJson(http=HttpOptions(""), queues=QueueOptions(**queues))


async def until(condition: Callable[[], Any], reason: str) -> Any:
    """Poll something in storage, which tells nobody of a change, until it is true."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if found := await condition():
                return found
            await asyncio.sleep(0.02)
    raise AssertionError(reason)


async def count(queue: QueueClient) -> int:
    """Messages, invisible ones included."""
    return (await queue.get_queue_properties()).approximate_message_count or 0


async def peeked(service: QueueServiceClient, name: str) -> list[bytes]:
    """The contents of the visible messages of a queue; none if there is no such queue."""
    async with reader(service, name) as queue:
        if not [each async for each in service.list_queues(name_starts_with=name) if each.name == name]:
            return []
        return [each.content for each in await queue.peek_messages(32)]


async def test_a_message_is_deleted_after_success_not_before(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker, go_on = Worker(), asyncio.Event()

    async def wait(_: func.QueueMessage) -> None:
        await go_on.wait()

    worker.work = wait
    async with opened(service, "work") as queue, hosted(worker.app, tmp_path, settings(azurite)):
        await queue.send_message(b"hello")
        await worker.seen.get()
        assert await count(queue) == 1
        assert await queue.peek_messages() == []  # it is invisible meanwhile
        go_on.set()
        await until(lambda: _is_empty(queue), "the message was not deleted")


async def _is_empty(queue: QueueClient) -> bool:
    return await count(queue) == 0


async def test_the_message_is_the_class_that_the_worker_builds_with_what_is_known_of_it(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker()
    async with opened(service, "work") as queue, hosted(worker.app, tmp_path, settings(azurite)):
        sent = await queue.send_message(b"\xff\x00")
        message = await worker.seen.get()
    assert type(message) is azure.functions.queue.QueueMessage
    assert (message.id, message.get_body(), message.dequeue_count) == (sent.id, b"\xff\x00", 1)
    assert message.pop_receipt
    assert message.insertion_time is not None
    assert message.insertion_time.tzinfo is not None
    assert abs((datetime.now(UTC) - message.insertion_time).total_seconds()) < 3600
    assert message.expiration_time is not None
    assert message.time_next_visible is not None


async def test_a_failed_message_comes_back_at_once_and_the_fifth_failure_poisons_it(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()
    worker.work = worker.fails
    async with opened(service, "work") as queue, hosted(worker.app, tmp_path, settings(azurite)):
        await queue.send_message(b"bad")
        counts = [(await worker.seen.get()).dequeue_count for _ in range(5)]
        assert await until(lambda: peeked(service, "work-poison"), "it was not poisoned") == [b"bad"]
        await until(lambda: _is_empty(queue), "it is still in its own queue")
    assert counts == [1, 2, 3, 4, 5]
    assert worker.seen.empty()
    assert "goes to work-poison: it failed 5 times" in caplog.text


async def test_a_visibility_timeout_keeps_a_failed_message_away_for_that_long(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker()
    worker.work = worker.fails
    json = options(visibility_timeout=600.0)
    async with opened(service, "work") as queue:
        async with hosted(worker.app, tmp_path, settings(azurite), json):
            await queue.send_message(b"bad")
            await worker.seen.get()
        # The host has ended, so the message has been dealt with.
        assert await queue.peek_messages() == []
        assert await count(queue) == 1
        assert worker.seen.empty()


async def test_a_message_in_another_encoding_is_poisoned_without_a_run(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker()
    plain = QueueClient.from_connection_string(azurite.connection_string, "work")
    poison = QueueClient.from_connection_string(azurite.connection_string, "work-poison")
    async with plain, poison, hosted(worker.app, tmp_path, settings(azurite)):
        await plain.create_queue()
        await poison.create_queue()
        await plain.send_message("{not base64}")

        async def contents() -> list[str]:
            return [each.content for each in await poison.peek_messages()]

        assert await until(contents, "it was not poisoned") == ["{not base64}"]
    assert worker.seen.empty()
    assert "it is not base64" in caplog.text


async def test_without_encoding_a_message_is_taken_as_it_is(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker()
    plain = QueueClient.from_connection_string(azurite.connection_string, "work")
    async with plain, hosted(worker.app, tmp_path, settings(azurite), options(base64=False)):
        await plain.create_queue()
        await plain.send_message("{not base64}")
        assert (await worker.seen.get()).get_body() == b"{not base64}"


async def test_a_message_taken_too_often_already_is_poisoned_without_a_run(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker()
    async with opened(service, "work") as queue:
        await queue.send_message(b"old")
        for _ in range(2):  # by somebody who died
            (message,) = [each async for each in queue.receive_messages(max_messages=1)]
            await queue.update_message(message, visibility_timeout=0)
        async with hosted(worker.app, tmp_path, settings(azurite), options(max_dequeue_count=2)):
            assert await until(lambda: peeked(service, "work-poison"), "it was not poisoned") == [b"old"]
    assert worker.seen.empty()


async def test_a_poison_queue_has_no_poison_queue_and_its_failed_messages_stay_away(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker("work-poison")
    worker.work = worker.fails
    async with opened(service, "work-poison") as queue:
        async with hosted(worker.app, tmp_path, settings(azurite), options(max_dequeue_count=1)):
            await queue.send_message(b"bad")
            await worker.seen.get()
        assert await queue.peek_messages() == []
        assert await count(queue) == 1
        assert [each.name async for each in service.list_queues()] == ["work-poison"]


async def test_at_most_a_batch_and_the_threshold_are_in_flight(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker, running, most = Worker(), 0, 0

    async def work(_: func.QueueMessage) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    worker.work = work
    async with opened(service, "work") as queue:
        for number in range(12):
            await queue.send_message(str(number).encode())
        json = options(batch_size=3, new_batch_threshold=1)
        async with hosted(worker.app, tmp_path, settings(azurite), json):
            seen = {(await worker.seen.get()).get_body() for _ in range(12)}
    assert seen == {str(number).encode() for number in range(12)}
    assert 1 < most <= 4


async def test_a_long_run_keeps_its_message(azurite: Azurite, service: QueueServiceClient, tmp_path: Path) -> None:
    renewals, go_on = 0, asyncio.Event()

    class Quick(SystemClock):
        async def sleep(self, seconds: float) -> None:
            nonlocal renewals
            if seconds == RENEW_SECONDS:
                renewals += 1
                if renewals > 2:  # two have been made
                    go_on.set()
                    await asyncio.Event().wait()
                return
            await super().sleep(seconds)

    worker = Worker()

    async def wait(_: func.QueueMessage) -> None:
        await go_on.wait()

    worker.work = wait
    async with opened(service, "work") as queue:
        host = FunctionsHost(
            index(worker.app), settings(azurite), options(), Options(home=tmp_path, port=0, clock=Quick())
        )
        async with host:
            await queue.send_message(b"long")
            await until(lambda: _is_empty(queue), "it was not deleted with its newest receipt")
    assert worker.seen.qsize() == 1


async def test_a_queue_that_is_not_there_yet_is_waited_for(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    worker = Worker("%QUEUE%")
    async with hosted(worker.app, tmp_path, settings(azurite, QUEUE="Later")):
        await asyncio.sleep(0)
        async with opened(service, "later") as queue:
            await queue.send_message(b"now")
            assert (await worker.seen.get()).get_body() == b"now"


@pytest.mark.parametrize("annotation", [str, bytes])
async def test_a_function_may_take_the_body_alone(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path, annotation: type
) -> None:
    app, seen = open_app(), asyncio.Queue[object]()

    async def on_message(message: Any) -> None:
        seen.put_nowait(message)

    on_message.__annotations__["message"] = annotation
    app.queue_trigger("message", "work", "Store")(on_message)
    async with opened(service, "work") as queue, hosted(app, tmp_path, settings(azurite)):
        await queue.send_message("über".encode())
        assert await seen.get() == ("über" if annotation is str else "über".encode())


# --- outputs ---------------------------------------------------------------------------------------------------------


def sender(value: Any, fails: bool = False) -> func.FunctionApp:
    app = open_app()

    @app.route("send")
    @app.queue_output("out", "sent", "Store")
    async def send(req: func.HttpRequest, out: func.Out[typing.List[str]]) -> func.HttpResponse:  # noqa: UP006
        assert out.get() is None
        if value is not None:
            out.set(value)
        if fails:
            raise RuntimeError("after setting")
        return func.HttpResponse("done")

    return app


@pytest.mark.parametrize(
    ("value", "messages"),
    [
        ("one", [b"one"]),
        (b"\xff", [b"\xff"]),
        (["one", "two"], [b"one", b"two"]),
        (func.QueueMessage(body="three"), [b"three"]),
        ([func.QueueMessage(body=b"four"), "five"], [b"four", b"five"]),
        (None, []),
        ([], []),
    ],
)
async def test_an_output_is_encoded_and_its_queue_is_made(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path, value: object, messages: list[bytes]
) -> None:
    async with hosted(sender(value), tmp_path, settings(azurite)) as host:
        assert (await ask(host, "/send")).status == 200
    assert await peeked(service, "sent") == messages


async def test_nothing_is_put_out_when_the_function_fails_later(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    async with hosted(sender("one", fails=True), tmp_path, settings(azurite)) as host:
        assert (await ask(host, "/send")).status == 500
    assert await peeked(service, "sent") == []


async def test_an_output_that_cannot_be_encoded_fails_the_run(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with hosted(sender(7), tmp_path, settings(azurite)) as host:
        assert (await ask(host, "/send")).status == 500
    assert "`out` cannot put out a value of type int" in caplog.text


async def test_a_return_value_may_be_the_message(azurite: Azurite, service: QueueServiceClient, tmp_path: Path) -> None:
    app, done = open_app(), asyncio.Event()

    @app.timer_trigger("t", "0 0 0 1 1 *", run_on_startup=True)
    @app.queue_output("$return", "sent", "Store")
    async def tick(t: func.TimerRequest) -> str:
        done.set()
        return "ticked"

    async with hosted(app, tmp_path, settings(azurite)):
        await done.wait()
        assert await until(lambda: peeked(service, "sent"), "nothing was sent") == [b"ticked"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "function on_message: connection: neither AzureWebJobsStore nor Store"),
        ({"Store__queueServiceUri": "https://x"}, "function on_message: connection: `Store` is identity-based"),
    ],
)
async def test_a_connection_that_is_not_there_is_found_at_the_start(
    tmp_path: Path, given: dict[str, str], reason: str
) -> None:
    with pytest.raises(BadSettings, match=reason):
        FunctionsHost(index(Worker().app), given, HostJson(), Options(home=tmp_path, port=0))
    with pytest.raises(BadSettings, match="function send: connection"):
        FunctionsHost(index(sender("x")), given, HostJson(), Options(home=tmp_path, port=0))


async def test_a_connection_may_be_named_without_the_prefix(
    azurite: Azurite, service: QueueServiceClient, tmp_path: Path
) -> None:
    async with hosted(sender("one"), tmp_path, {"Store": azurite.connection_string}) as host:
        assert (await ask(host, "/send")).status == 200
    assert await peeked(service, "sent") == [b"one"]


def test_the_wait_after_empty_looks_grows_to_its_maximum() -> None:
    class Middle(random.Random):
        def uniform(self, a: float, b: float) -> float:
            return (a + b) / 2

    backoff = Backoff(maximum=2.0, rng=Middle())
    assert [round(backoff.next_wait(), 3) for _ in range(7)] == [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2.0]
    backoff.found()
    assert backoff.next_wait() == 0.1
