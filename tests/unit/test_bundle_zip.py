"""What is taken as a bundle: every way in which a zip may be more than a folder of files is refused, with words."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from typing import Any

import pytest

from hub.errors import Invalid, TooLarge
from hub.rules import bundle_zip
from hub.rules.bundle_zip import Contents, check

MOST = 64 * 1024


def zipped(*names: str, content: bytes = b"x", **fields: Any) -> bytes:
    """A zip of these names; `fields` are set on each entry."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as bundle:
        for name in names:
            entry = zipfile.ZipInfo("placeholder" * 20)
            entry.filename = entry.orig_filename = name
            for field, value in fields.items():
                setattr(entry, field, value)
            bundle.writestr(entry, content)
    return made.getvalue()


def linked() -> bytes:
    return zipped("m.py", content=b"/etc/passwd", create_system=3, external_attr=(stat.S_IFLNK | 0o777) << 16)


def bomb(times: int) -> bytes:
    return zipped("zeros", content=bytes(MOST * times + 1), compress_type=zipfile.ZIP_DEFLATED)


def changed(data: bytes, mark: bytes, offset: int, form: str, value: int) -> bytes:
    """With a number at this offset of the first record with this mark."""
    at = data.index(mark) + offset
    return data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]


CENTRAL, LOCAL = b"PK\x01\x02", b"PK\x03\x04"
REFUSED = {
    "out of the folder": (zipped("../m.py"), "no path within the bundle"),
    "in the middle": (zipped("a/../../m.py"), "no path within the bundle"),
    "absolute": (zipped("/etc/m.py"), "no path within the bundle"),
    "backslash": (zipped("..\\m.py"), "means something else on Windows"),
    "drive": (zipped("C:m.py"), "means something else on Windows"),
    "stream": (zipped("m.py:other"), "means something else on Windows"),
    "trailing dot": (zipped("m.py."), "means something else on Windows"),
    "device": (zipped("a/nul.py"), "name of a Windows device"),
    "zero byte": (zipped("m.py\0.txt"), "no path within the bundle"),
    "line feed": (zipped("m\n.py"), "no path within the bundle"),
    "too long": (zipped("a" * 201), "longer than 200 characters"),
    "link": (linked(), "is a link or no file"),
    "device file": (zipped("m", create_system=3, external_attr=stat.S_IFCHR << 16), "is a link or no file"),
    "case": (zipped("m.py", "M.PY"), "are one file where upper and lower case are the same"),
    "unicode": (zipped("\u00e9.py", "e\u0301.py"), "are one file"),
    "file and folder": (zipped("a", "a/b.py"), "is a file and a folder"),
    "file and folder, other case": (zipped("A/b.py", "a"), "is a file and a folder"),
    "other compression": (zipped("m.py", compress_type=zipfile.ZIP_BZIP2), "use deflate"),
    "empty": (zipped(), "no file in the bundle"),
    "folders only": (zipped("a/", content=b""), "no file in the bundle"),
    "a folder with content": (zipped("m.py", "a/"), "a folder with something in it"),
    "no zip": (b"#!/bin/sh\n" * 10, "not a zip that ends with its list"),
    "cut off": (zipped("m.py")[:-1], "not a zip that ends with its list"),
    "short": (b"PK", "not a zip"),
    "comment": (zipped("m.py")[:-2] + b"\x01\x00x", "without a comment behind it"),
    "encrypted": (changed(zipped("m.py"), CENTRAL, 8, "<H", 1), "is encrypted"),
    "other content than its checksum": (zipped("m.py").replace(b"m.pyx", b"m.pyy"), "not a whole zip"),
    "bigger than it says": (changed(zipped("m.py", content=b"12345"), CENTRAL, 24, "<L", 2), "not a whole zip"),
    "other name in front": (changed(zipped("m.py"), LOCAL, 30, "<B", ord("n")), "not a whole zip"),
}
TOO_LARGE = {
    "packed": (zipped("m", content=bytes(MOST)), "at most 65536 are taken"),
    "unpacked": (bomb(8), "unpacked the bundle has"),
    "entries": (zipped(*(f"{number}" for number in range(bundle_zip.MOST_FILES + 1))), "at most 2000 are taken"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    data, words = REFUSED[name]
    with pytest.raises(Invalid) as refused:
        check(data, MOST)
    assert words in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_too_large(name: str) -> None:
    data, words = TOO_LARGE[name]
    with pytest.raises(TooLarge) as refused:
        check(data, MOST if name != "entries" else len(data))
    assert words in str(refused.value)


def test_a_list_that_is_too_long_to_be_read_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zipped("m.py")
    many = changed(data, b"PK\x05\x06", 12, "<L", 0x7FFFFFFF)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(TooLarge):
        check(many, MOST)
    with pytest.raises(Invalid, match="64-bit kind"):
        check(data[:-22] + b"PK\x06\x07" + bytes(16) + data[-22:], MOST)


def test_what_is_taken() -> None:
    assert check(zipped("m.py", "pack/__init__.py", "pack/Größe.txt", content=b"abc"), MOST) == Contents(3, 9)
    folder = zipped("m.py", create_system=3, external_attr=(stat.S_IFREG | 0o755) << 16)
    assert check(folder, MOST) == Contents(1, 1)
    assert check(bomb(7), MOST).unpacked == MOST * 7 + 1
