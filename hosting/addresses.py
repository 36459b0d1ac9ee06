"""Paths and queries as the host's web server and ASP.NET read them, and write them again."""

from __future__ import annotations

import re
from urllib.parse import quote

_PLAIN_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/]*").fullmatch
_ESCAPED = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_SLASH = re.compile(r"(%2[fF])")
_UNDECODED = re.compile("[\udc80-\udcff]")
_KEPT_IN_PATHS = "-._~!$&'()*+,;=:@/"


class BadAddress(ValueError):
    """The request's address is not valid."""


def decode_path(raw: str) -> str:
    """The path that routes are matched against: percent-decoded except `%2F`, without `.` and `..` segments.

    What is no valid UTF-8 stays escaped. Raises BadAddress for what the web server refuses.
    """
    if not raw.isascii() or "\x00" in raw or "%00" in raw:
        raise BadAddress("a path must be ASCII, without a zero character")
    decoded = _decode(raw, keep_slash=True) if "%" in raw else raw
    return _without_dots(decoded) if "/." in decoded else decoded


def escape_path(path: str) -> str:
    """A decoded path as it stands in `req.url`; what is escaped already stays as it is."""
    if _PLAIN_PATH(path):
        return path
    parts = re.split(r"(%[0-9a-fA-F]{2})", path)
    return "".join(part if index % 2 else quote(part, safe=_KEPT_IN_PATHS) for index, part in enumerate(parts))


def parse_query(raw: str) -> dict[str, str]:
    """The query's parameters: the values of a repeated key joined with commas, a key with only empty values left out.

    Keys that differ only in case are one key, in the spelling of the first.
    """
    params: dict[str, str] = {}
    spelling: dict[str, str] = {}
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        name = _decode_query(name)
        name = spelling.setdefault(name.lower(), name)
        if value:
            value = _decode_query(value)
            params[name] = f"{params[name]},{value}" if name in params else value
    return params


def _decode_query(text: str) -> str:
    text = text.replace("+", " ")
    return _decode(text, keep_slash=False) if "%" in text else text


def _decode(text: str, keep_slash: bool) -> str:
    def run(match: re.Match[str]) -> str:
        parts = _SLASH.split(match[0]) if keep_slash else [match[0]]
        return "".join(part if _SLASH.fullmatch(part) and keep_slash else _unescape(part) for part in parts)

    return _ESCAPED.sub(run, text)


def _unescape(run: str) -> str:
    """Decode `%C3%BC`; bytes that are not UTF-8 stay as they were written."""
    text = bytes.fromhex(run.replace("%", "")).decode("utf-8", "surrogateescape")
    return _UNDECODED.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def _without_dots(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
