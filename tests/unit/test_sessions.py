"""Sessions over several processes, and over a change of the root key; how many passwords are hashed at once."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hub.configure.copy import ConfigurationCopy
from hub.configure.writing import ConfigurationWriter
from hub.errors import TooMany
from hub.model.people import Role
from hub.people.identity import Anonymous, Person
from hub.people.passwords import AT_ONCE, MOST_WAITING, Passwords
from hub.people.sessions import Session, Site
from hub.people.wiring import Book, People, PeopleOptions, build_people
from hub.signing import Purpose, RootKey, Signer
from hub.storage.embedded import open_embedded
from hub.storage.ports import Storage
from tests.functions.shell import CHEAP
from tests.unit.configuring import StepClock

OLD, NEW = RootKey(bytes(32)), RootKey(bytes([1]) * 32)
URL = "https://hub.example.com"
PASSWORD = "four words and a bit"


class Processes:
    """One storage, and hubs over it."""

    def __init__(self, storage: Storage, clock: StepClock) -> None:
        self.storage = storage
        self.clock = clock
        self._numbers = itertools.count(1)

    def start(self, current: RootKey = OLD, previous: RootKey | None = None) -> People:
        copy = ConfigurationCopy(self.storage.tables, self.clock)
        write = ConfigurationWriter(self.storage.tables, copy, lambda: next(self._numbers) << 40).write
        book = Book(copy.credentials, copy.news, copy.newest, write, self.storage.tables)
        options = PeopleOptions(site=Site(URL), passwords=CHEAP)

        def signer(purpose: Purpose) -> Signer:
            return Signer(purpose, current, previous)

        return build_people(options, book, self.clock, lambda: next(self._numbers) * 0x9E3779B97F4A7C15, signer)


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    clock = StepClock()
    storage = open_embedded(None, clock)
    await storage.prepare()
    yield Processes(storage, clock)
    await storage.close()


async def signed_in(people: People, name: str = "ada") -> Session:
    made = await people.users.create(name, Role.ADMIN, PASSWORD)
    user = await people.users._change(name, lambda found: found.changed(must_change_password=False))
    assert user.id == made.user.id
    return people.sessions.begin(user)


async def whose(people: People, session: Session) -> Person | Anonymous:
    return await people.sessions.of(session.cookie.partition(";")[0])


async def end(how: str, people: People, session: Session) -> None:
    user = await people.users.get("ada")
    match how:
        case "sign out":
            await people.users.end_session(user.id, session.id, session.expires_at)
        case "sign out everywhere":
            await people.users.end_all_sessions(user.id)
        case "another role":
            await people.users.change("ada", changes={"role": Role.VIEWER})
        case "disabled":
            await people.users.change("ada", changes={"disabled": True})
        case _:
            await people.users.remove("ada")


@pytest.mark.parametrize("how", ["sign out", "sign out everywhere", "another role", "disabled", "removed"])
async def test_an_end_is_in_force_everywhere_within_five_seconds(processes: Processes, how: str) -> None:
    here, there = processes.start(), processes.start()
    await signed_in(here, "another-admin")
    session = await signed_in(here)
    assert isinstance(await whose(there, session), Person)
    await end(how, here, session)
    assert isinstance(await whose(here, session), Anonymous)
    processes.clock.seconds += 5.1
    assert isinstance(await whose(there, session), Anonymous)


async def test_a_session_that_another_process_began_counts_at_once(processes: Processes) -> None:
    here, there = processes.start(), processes.start()
    await signed_in(there, "somebody")
    session = await signed_in(here)
    assert isinstance(await whose(there, session), Person)
    await here.users.end_all_sessions((await here.users.get("ada")).id)
    again = here.sessions.begin(await here.users.get("ada"))
    assert isinstance(await whose(there, again), Person)


async def test_a_removed_user_who_comes_again_has_none_of_their_old_sessions(processes: Processes) -> None:
    people = processes.start()
    await signed_in(people, "another-admin")
    session = await signed_in(people)
    user = await people.users.get("ada")
    await people.users.remove("ada")
    processes.clock.seconds += 1
    people.users._new_id = lambda: user.id[1:]
    await signed_in(people)
    assert isinstance(await whose(people, session), Anonymous)


async def test_sessions_outlive_a_change_of_the_root_key_while_two_are_good(processes: Processes) -> None:
    session = await signed_in(processes.start(OLD))
    assert isinstance(await whose(processes.start(NEW, OLD), session), Person)
    assert isinstance(await whose(processes.start(NEW), session), Anonymous)


async def test_a_cookie_of_another_purpose_is_no_session(processes: Processes) -> None:
    people = processes.start()
    session = await signed_in(people)
    content = Signer(Purpose.SESSION, OLD).read(session.cookie.partition("=")[2].partition(";")[0])
    for purpose in Purpose:
        forged = f"__Host-nexomatic-session={Signer(purpose, OLD).sign(content)}"
        assert isinstance(await people.sessions.of(forged), Person) is (purpose is Purpose.SESSION)


class Slow(Passwords):
    """Hashes that end when they are told to."""

    def __init__(self) -> None:
        super().__init__(CHEAP)
        self.go = threading.Event()
        self.full = threading.Event()
        self.running = 0
        self.most = 0

    def _matches(self, stored: str | None, password: str) -> bool:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == AT_ONCE:
            self.full.set()
        assert threading.current_thread() is not threading.main_thread()
        self.go.wait(30)
        self.running -= 1
        return True


async def test_few_passwords_are_hashed_at_once_and_few_wait() -> None:
    passwords = Slow()
    waiting = [asyncio.create_task(passwords.matches("x", "y")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    assert await asyncio.get_running_loop().run_in_executor(ThreadPoolExecutor(1), passwords.full.wait, 30)
    with pytest.raises(TooMany):
        await passwords.matches("x", "y")
    passwords.go.set()
    assert all(await asyncio.gather(*waiting))
    assert passwords.most == AT_ONCE
    assert await passwords.matches("x", "y")
