"""Which character sets text may come in. Pure.

A list, and not whatever Python can look up: among its codecs are some that are no character sets, one takes a time that
grows with the square of the text, and a name it does not know is remembered for ever.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases
from typing import Final

_NONE: Final = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
)
"""Codecs with other names that turn bytes into bytes, or exist on Windows alone."""
_MORE: Final = frozenset({"cp720", "cp737", "cp874", "iso8859_1", "koi8_u", "utf_8_sig"})
"""Character sets without another name."""
KNOWN: Final = frozenset(aliases.values()) - _NONE | _MORE
_NAMED: Final = re.compile(r""";\s*charset\s*=\s*"?([^\s;"]+)""", re.IGNORECASE)


def charset_of(content_type: str) -> str:
    """What a Content-Type names, as it is written there; `utf-8` if it names none."""
    found = _NAMED.search(content_type)
    return found[1] if found else "utf-8"


def codec_of(charset: str) -> str | None:
    """What Python calls it; None: it is not known."""
    name = re.sub(r"[^a-z0-9]+", "_", charset.lower()).strip("_")
    codec = aliases.get(name, name)
    return codec if codec in KNOWN else None
