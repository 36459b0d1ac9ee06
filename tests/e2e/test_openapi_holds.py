"""A short run of schemathesis with a fixed seed. `make soak ONLY=api` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.people.roles import ROUTES
from tests.functions.test_routes_golden import ABOUT_THE_DOCUMENT
from tests.soak import api


@pytest.mark.processes
def test_every_answer_is_one_that_the_document_says(tmp_path: Path) -> None:
    figures = api.against_a_hub(tmp_path, 1, "examples,fuzzing,stateful", ["--max-examples", "1"])
    described = {each for each in ROUTES if " /api/" in each} - ABOUT_THE_DOCUMENT
    assert figures["operations asked"] == len(described)
    assert figures["answers that were as the document says"] > 100
