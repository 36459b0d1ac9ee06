"""What a form of a page sends, read strictly. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from hub.errors import Invalid, TooLarge

MOST_FIELDS: Final = 20


def read(data: bytes, *, max_bytes: int) -> Mapping[str, str]:
    """Its fields, each of which is there once. Raises `Invalid`, `TooLarge`."""
    if len(data) > max_bytes:
        raise TooLarge(f"This form is {len(data)} bytes long; at most {max_bytes} are allowed.")
    try:
        text = data.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid(f"this is not a form as a browser sends one, with at most {MOST_FIELDS} fields") from None
    if len(dict(pairs)) != len(pairs):
        raise Invalid("a field of this form is there twice")
    return dict(pairs)
