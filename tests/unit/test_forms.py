"""Forms of a page, read strictly."""

from __future__ import annotations

import pytest

from hub.errors import Invalid, TooLarge
from hub.rules import forms


def test_a_form_is_its_fields() -> None:
    assert forms.read(b"a=1&b=x+y%26%C3%A9&c=", max_bytes=21) == {"a": "1", "b": "x y&é", "c": ""}
    assert forms.read(b"", max_bytes=1) == {}
    fields = [b"%d=" % number for number in range(forms.MOST_FIELDS + 1)]
    assert len(forms.read(b"&".join(fields[1:]), max_bytes=1000)) == forms.MOST_FIELDS
    with pytest.raises(Invalid, match="at most 20 fields"):
        forms.read(b"&".join(fields), max_bytes=1000)


@pytest.mark.parametrize("data", [b"a=1&a=2", b"a=1&%61=1", b"a=\xff", b"a=%ff", b"a=%C3"])
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid):
        forms.read(data, max_bytes=100)


def test_one_that_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(TooLarge):
        forms.read(b"a=" + b"x" * 20, max_bytes=21)
