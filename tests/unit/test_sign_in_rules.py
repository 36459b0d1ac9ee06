"""The pure rules of signing in: where a browser is sent, which cookies count, how long who guesses waits, passwords."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid, TooMany
from hub.people.throttle import FORGET_SECONDS, Guess, Throttle
from hub.rules import local_paths, passwords
from hub.rules.cookies import Cookie, is_loopback, origin_of
from hub.rules.slowing_down import Slope
from tests.unit.configuring import StepClock


class TestLocalPaths:
    @pytest.mark.parametrize("path", ["/", "/ui/", "/ui/events?id=1#log", "/a//b", "/@x:y"])
    def test_taken(self, path: str) -> None:
        assert local_paths.check("return_to", path) == path

    @pytest.mark.parametrize(
        "path",
        [
            *("", "ui", "//evil.example.com", "/\\evil.example.com", "\\\\evil", "https://evil.example.com", "/a\\b"),
            *("/a b", "/\t/evil.example.com", "/\n", "/é", "javascript:alert(1)", "/" * 1001, " /"),
        ],
    )
    def test_refused(self, path: str) -> None:
        with pytest.raises(Invalid, match="a path on this hub"):
            local_paths.check("return_to", path)

    @given(st.text(alphabet="/\\.:@?#%\t\n aé", max_size=12) | st.text(max_size=12))
    def test_whatever_is_taken_stays_on_the_hub(self, path: str) -> None:
        try:
            local_paths.check("return_to", path)
        except Invalid:
            return
        assert urlsplit(urljoin("https://hub.example.com/x", path)).netloc == "hub.example.com"


class TestCookies:
    @pytest.mark.parametrize(
        ("url", "loopback"),
        [
            ("http://127.0.0.1:7071", True),
            ("http://127.9.9.9", True),
            ("http://[::1]:80", True),
            ("http://localhost:7071", True),
            ("http://localhost.", True),
            ("https://hub.example.com", False),
            ("http://127.0.0.1.evil.example.com", False),
            ("http://localhost.evil.example.com", False),
            ("http://10.0.0.1", False),
            ("http://0.0.0.0", False),
        ],
    )
    def test_which_addresses_are_this_machine(self, url: str, loopback: bool) -> None:
        assert is_loopback(url) is loopback
        cookie = Cookie.of("x", url)
        assert cookie.set("v", 1).endswith("; Secure") is not loopback
        assert cookie.name.startswith("__Host-") is not loopback

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("x=1", "1"),
            ("a=2; x=1;b=3", "1"),
            ("x=a=b", "a=b"),
            ("xx=1", None),
            ("x=", None),
            ("x", None),
            ("x=1; x=2", None),
            ("X=1", None),
            (None, None),
        ],
    )
    def test_found(self, header: str | None, value: str | None) -> None:
        assert Cookie("x", secure=False).read(header) == value

    @pytest.mark.parametrize(
        ("url", "origin"),
        [
            ("https://hub.example.com", "https://hub.example.com"),
            ("https://HUB.example.com:443/path", "https://hub.example.com"),
            ("http://127.0.0.1:7071", "http://127.0.0.1:7071"),
            ("http://[::1]:7071", "http://[::1]:7071"),
            ("http://hub:443", "http://hub:443"),
        ],
    )
    def test_origins(self, url: str, origin: str) -> None:
        assert origin_of(url) == origin


class TestSlowingDown:
    @given(st.integers(0, 5000), st.integers(0, 50), st.floats(1, 600))
    def test_it_grows_and_never_locks_out(self, failures: int, free: int, most: float) -> None:
        slope = Slope(free, most)
        assert 0 <= slope.wait_after(failures) <= slope.wait_after(failures + 1) <= most
        assert (slope.wait_after(failures) == 0) is (failures < free)


class TestThrottle:
    def test_wrong_guesses_are_forgotten_after_an_hour(self) -> None:
        clock = StepClock()
        throttle = Throttle(clock.monotonic)
        guess = Guess("ada", ip_address("192.0.2.1"))
        for _ in range(5):
            throttle.begin(guess)
        with pytest.raises(TooMany):
            throttle.begin(guess)
        clock.seconds += FORGET_SECONDS
        for _ in range(5):
            throttle.begin(guess)

    def test_refused_tries_make_nobody_wait_longer(self) -> None:
        clock = StepClock()
        throttle = Throttle(clock.monotonic)
        guess = Guess("ada", ip_address("192.0.2.1"))
        for _ in range(5):
            throttle.begin(guess)
        for _ in range(100):
            with pytest.raises(TooMany) as raised:
                throttle.begin(guess)
            assert raised.value.retry_after_seconds == 1
        clock.seconds += 1
        throttle.begin(guess)

    def test_what_was_never_checked_does_not_count(self) -> None:
        throttle = Throttle(StepClock().monotonic)
        guess = Guess("ada", ip_address("192.0.2.1"))
        for _ in range(100):
            throttle.void(throttle.begin(guess))

    def test_it_takes_no_memory_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hub.people.throttle.MOST_COUNTED", 10)
        throttle = Throttle(StepClock().monotonic)
        for number in range(1000):
            throttle.begin(Guess(f"user{number}" * 1000))
        assert len(throttle._counts) == 10
        assert all(len(key) == 64 for key in throttle._counts)


class TestPasswords:
    @pytest.mark.parametrize(
        "password",
        ["four words and a bit", "日本語のとても長いパスワード", "a" * 11 + "b" * 1013, " x" * 3 + "       y"],
    )
    def test_any_characters_will_do(self, password: str) -> None:
        passwords.check("password", password, "ada")

    def test_the_common_ones_are_long_enough_to_be_asked_for(self) -> None:
        assert all(len(each) >= passwords.LEAST for each in passwords._COMMON)
        assert len(passwords._COMMON) >= 80
