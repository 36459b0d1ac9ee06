"""Which passwords are taken: long ones, but for those that everybody tries first. No rules of composition."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from hub.errors import FieldError, Invalid

LEAST: Final = 12
MOST: Final = 1024
_TRIED_FIRST: Final = """
    123456789012 1234567890123 12345678901234 123456789123 123412341234 121212121212 123123123123 1234567890ab
    1q2w3e4r5t6y 1qaz2wsx3edc 1qaz2wsx3edc4rfv q1w2e3r4t5y6 qwertyuiop12 qwertyuiop123 qwertyuiopasdf qwerty123456
    qwerty1234567 qwertyuiop[] asdfghjkl123 asdfghjklzxcvbnm zxcvbnm123456 abcdefghijkl abcdefgh1234
    abc123abc123 abcd12345678
    password1234 password12345 password123456 password12345678 passwordpassword password2023 password2024 password2025
    password2026 passw0rd1234 p@ssw0rd1234 p@ssword1234 p@ssw0rd12345 mypassword123 mypassword1234 thisismypassword
    letmein12345 letmeinletmein welcome12345 welcome123456 welcome2024! welcome2025! welcome2026!
    iloveyou1234 iloveyou12345
    iloveyouiloveyou administrator administrator1 administrator123 admin1234567 admin12345678 adminadminadmin
    admin123admin changeme1234 changemechangeme changemenow! default12345 secret123456 rootrootroot root12345678
    test12345678 testtesttest monkey123456 dragon123456 football1234 baseball1234 sunshine1234 princess1234 superman1234
    nexomatic1234 nexomaticnexomatic correcthorsebatterystaple trustno1trustno1 summer2024summer winter2025winter
"""
_COMMON: Final = frozenset(_TRIED_FIRST.split())


def normal(password: str) -> str:
    """The same characters, however a keyboard composed them."""
    return unicodedata.normalize("NFKC", password)


def check(field: str, password: str, name: str) -> None:
    """Raises `Invalid` that says why this is no password for a user of this name. The password is not repeated."""
    said = _refusal(normal(password), name)
    if said is not None:
        raise Invalid(f"{field} {said}", [FieldError(field, said)])


def _refusal(password: str, name: str) -> str | None:
    if not LEAST <= len(password) <= MOST:
        return f"must be {LEAST} to {MOST} characters; any characters will do"
    plain = password.casefold()
    if plain in _COMMON or re.fullmatch(r"(.{1,3})\1+.?.?", plain, re.DOTALL):
        return "is one that everybody tries first: choose another"
    if name.casefold() in plain and len(plain) - len(name) < LEAST // 2:
        return "is little more than the user's name: choose another"
    return None
