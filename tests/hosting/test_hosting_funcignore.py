"""What is deployed: the names at the top of the repository that .funcignore lets through, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pathspec
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("path", "deployed"),
    [
        ("function_app.py", True),
        ("functions/webhook.py", True),
        ("hub/storage/azure/tables.py", True),
        ("host.json", True),
        ("requirements.txt", True),
        (".python_packages/lib/site-packages/pydantic/main.py", True),
        (".python_packages/lib/site-packages/pydantic/__pycache__/main.cpython-312.pyc", False),
        ("hub/__pycache__/errors.cpython-311.pyc", False),
        ("hosting/host.py", False),
        ("agent/nexomatic_agent/hub/client.py", False),
        ("cli/nexo/main.py", False),
        ("web/src/main.ts", False),
        ("web/host.json", False),
        ("docs/hosting.md", False),
        ("examples/modules/disk.py", False),
        ("tests/hosting/support.py", False),
        ("tools/package.py", False),
        ("infra/bicep/main.bicep", False),
        ("local.settings.json", False),
        ("local.settings.example.json", False),
        ("requirements-dev.txt", False),
        ("package-lock.json", False),
        ("pyproject.toml", False),
        ("Makefile", False),
        ("node_modules/azurite/package.json", False),
        (".venv/bin/python", False),
        (".local/root.key", False),
        (".git/config", False),
        (".env", False),
    ],
)
def test_only_the_app_is_deployed(path: str, deployed: bool) -> None:
    spec = pathspec.GitIgnoreSpec.from_lines((REPOSITORY / ".funcignore").read_text().splitlines())
    assert spec.match_file(path) is not deployed
