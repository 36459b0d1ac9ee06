"""Which character sets text may come in."""

from __future__ import annotations

import codecs
import encodings
from contextlib import suppress

import pytest

from hub.errors import Invalid, UnsupportedBody
from hub.rules.charsets import KNOWN, charset_of, codec_of
from hub.sources.request import Request, body_document


@pytest.mark.parametrize(
    ("content_type", "charset"),
    [
        ("text/plain", "utf-8"),
        ("text/plain; charset=iso-8859-1", "iso-8859-1"),
        ('text/plain; format=flowed ;  Charset = "Windows-1252"', "Windows-1252"),
        ("text/plain; charset=", "utf-8"),
        ("text/plain; charset*=punycode'en'utf-8", "utf-8"),
    ],
)
def test_what_a_content_type_names(content_type: str, charset: str) -> None:
    assert charset_of(content_type) == charset


@pytest.mark.parametrize(
    "charset",
    ["UTF-8", "utf8", "us-ascii", "ISO-8859-1", "latin1", "Windows-1252", "cp1252", "Shift_JIS", "GB2312", "Big5",
     "EUC-KR", "KOI8-R", "KOI8-U", "UTF-16LE", "utf-32", "macroman", "iso-8859-15", "tis-620", "ISO-2022-JP"],
)  # fmt: skip
def test_what_is_in_use_is_known(charset: str) -> None:
    assert codec_of(charset) is not None


@pytest.mark.parametrize(
    "charset",
    ["punycode", "idna", "undefined", "unicode_escape", "raw-unicode-escape", "base64", "zip", "bz2", "rot13", "hex",
     "uu", "quopri", "mbcs", "oem", "aliases", "charmap", "", "..", "klingon", "../../x"],
)  # fmt: skip
def test_what_is_no_character_set_is_not(charset: str) -> None:
    assert codec_of(charset) is None


@pytest.mark.parametrize("codec", sorted(KNOWN))
def test_each_reads_bytes_or_refuses_them(codec: str) -> None:
    assert isinstance(codecs.decode(b"", codec), str)
    for body in (b"\xff\xfe\x80" * 5, b"\x1b$)C\x0e~", bytes(range(256)), b"+AAA-\xff"):
        request = Request("POST", {"content-type": f"text/plain; charset={codec}"}, {}, body)
        with suppress(Invalid):  # anything else is a bug
            body_document(request, 10_000)


def test_a_name_that_nobody_knows_is_not_remembered() -> None:
    before = len(encodings._cache)
    for index in range(50):
        for name in (f"charset=no-such-{index}", f"charset*=no-such-{index}'en'utf-8"):
            request = Request("POST", {"content-type": f"text/plain; {name}"}, {}, b"x")
            try:
                body_document(request, 100)
            except UnsupportedBody:
                assert "charset=" in name
    assert len(encodings._cache) == before
