"""Signatures as the hub's own verification takes them."""

from __future__ import annotations

from typing import Any

import pytest
from nexo_cli.errors import NexoError
from nexo_cli.signing import signature_headers

BODY = b'{"a": 1}'


@pytest.mark.parametrize(
    ("verify", "headers"),
    [
        ({"preset": "none"}, {}),
        ({"preset": "bearer"}, {"Authorization": "Bearer key"}),
        ({"preset": "basic", "username": "ada"}, {"Authorization": "Basic YWRhOmtleQ=="}),
        ({"preset": "gitlab"}, {"X-Gitlab-Token": "key"}),
        ({"preset": "shared", "header": "X-Key", "query": None}, {"X-Key": "key"}),
    ],
)
def test_what_proves_it(verify: dict[str, Any], headers: dict[str, str]) -> None:
    assert signature_headers(verify, BODY, lambda: "key") == headers


def test_github_as_its_documentation_shows() -> None:
    said = signature_headers({"preset": "github"}, b"Hello, World!", lambda: "It's a Secret to Everybody")
    number = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert said == {"X-Hub-Signature-256": f"sha256={number}"}


def test_what_cannot_be_signed_says_what_to_do() -> None:
    for verify in ({"preset": "stripe"}, {"preset": "shared", "header": None, "query": "key"}):
        with pytest.raises(NexoError) as refused:
            signature_headers(verify, BODY, lambda: "key")
        assert "replay" in (refused.value.hint or "")
