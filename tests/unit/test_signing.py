from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import Invalid
from hub.signing import BadSignature, Purpose, RootKey, Signer

CURRENT, OLD, STRANGER = (RootKey(bytes([n]) * 32) for n in (1, 2, 3))


@given(st.binary(max_size=300))
def test_a_token_comes_back_as_it_was_signed(content: bytes) -> None:
    assert Signer(Purpose.LEASE, CURRENT).read(Signer(Purpose.LEASE, CURRENT).sign(content)) == content


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_altered_token_is_taken(position: int, char: str) -> None:
    signer = Signer(Purpose.LEASE, CURRENT)
    token = signer.sign(b"a lease")
    place = position % len(token)
    altered = token[:place] + char + token[place + 1 :]
    if altered == token:
        return
    try:
        content = signer.read(altered)
    except BadSignature:
        return
    # The last character of base64 carries bits that mean nothing: the same bytes, signed the same.
    assert content == b"a lease"
    assert place == len(token) - 1


@pytest.mark.parametrize("rubbish", ["", ".", "..", "a.b.c", "é.é.é", "x" * 10_000, "a.b.c.d", "\x00"])
def test_rubbish_is_refused_and_nothing_else_happens(rubbish: str) -> None:
    with pytest.raises(BadSignature):
        Signer(Purpose.LEASE, CURRENT).read(rubbish)


def test_a_token_is_good_for_one_purpose_and_under_known_keys_only() -> None:
    token = Signer(Purpose.LEASE, OLD).sign(b"x")
    assert Signer(Purpose.LEASE, CURRENT, previous=OLD).read(token) == b"x"
    for signer in (Signer(Purpose.STATUS, OLD), Signer(Purpose.LEASE, CURRENT), Signer(Purpose.LEASE, STRANGER)):
        with pytest.raises(BadSignature):
            signer.read(token)


def test_the_key_never_shows() -> None:
    assert "AQEB" not in repr(CURRENT)
    assert (b"\x01" * 4).hex() not in repr(CURRENT)


def test_a_root_key_has_256_bits() -> None:
    with pytest.raises(Invalid, match="32 bytes, this one has 31"):
        RootKey(bytes(31))
