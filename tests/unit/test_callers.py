"""Who calls: only what the front end wrote is believed."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.rules.callers import FrontEnd, address_of, as_address, front_end_of, within

FORWARDED = FrontEnd("x-forwarded-for")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:51234", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7:1", "192.0.2.7"),
        ("6.6.6.6,192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, ", None),
        ("unknown", None),
        ("192.0.2.256", None),
        ("[192.0.2.7", None),
        ("", None),
    ],
)
def test_the_last_element_is_the_caller(text: str, address: str | None) -> None:
    found = address_of(FORWARDED, {"x-forwarded-for": text})
    assert (None if found is None else str(found)) == address


def test_with_two_proxies_the_one_before_the_last_is() -> None:
    two = front_end_of("X-Forwarded-For:2")
    assert two == FrontEnd("x-forwarded-for", 2)
    assert address_of(two, {"x-forwarded-for": "6.6.6.6, 192.0.2.7, 10.0.0.1"}) == ip_address("192.0.2.7")
    assert address_of(two, {"x-forwarded-for": "192.0.2.7"}) is None


def test_without_a_front_end_nobody_is_known() -> None:
    assert address_of(None, {"x-forwarded-for": "192.0.2.7"}) is None
    assert not within(None, ["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize(
    "text", ["", "a b", "x-forwarded-for:0", "x-forwarded-for:11", "x-forwarded-for:", "a,b", "a:1:2"]
)
def test_what_is_no_front_end_is_refused_with_words(text: str) -> None:
    with pytest.raises(ValueError, match="x-forwarded-for:2"):
        front_end_of(text)


@given(st.ip_addresses(), st.lists(st.text(max_size=30), max_size=3))
def test_nothing_that_a_caller_writes_before_it_matters(address: object, forged: list[str]) -> None:
    header = ",".join([*forged, str(address)])
    assert address_of(FORWARDED, {"x-forwarded-for": header}) == as_address(str(address))


@pytest.mark.parametrize(
    ("address", "networks", "inside"),
    [
        ("192.0.2.7", ["192.0.2.0/24"], True),
        ("192.0.2.7", ["192.0.2.7"], True),
        ("192.0.3.7", ["192.0.2.0/24", "192.0.3.0/29"], True),
        ("192.0.3.8", ["192.0.2.0/24", "192.0.3.0/29"], False),
        ("2001:db8::1", ["192.0.2.0/24", "2001:db8::/32"], True),
        ("2001:db9::1", ["0.0.0.0/0"], False),
        ("::ffff:192.0.2.7", ["192.0.2.0/24"], True),
    ],
)
def test_networks(address: str, networks: list[str], inside: bool) -> None:
    assert within(as_address(address), networks) is inside
