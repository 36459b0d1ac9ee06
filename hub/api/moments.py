"""Times as they are asked for: text with a date. Numbers are none, though they could be read as seconds."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d")


def _text(value: Any) -> Any:
    if value is None or isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise PydanticCustomError("time_text", "must be a time with its offset from UTC, such as 2026-11-23T22:00:00Z")


Moment = Annotated[datetime, BeforeValidator(_text)]
"""A time in a query or a body."""
