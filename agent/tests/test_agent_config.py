"""Settings: where they come from, what is allowed, and that the documentation has them all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nexomatic_agent.config import FILE_VARIABLE, BadSettings, Settings, read_settings
from nexomatic_agent.settings_table import SETTINGS

DOCS = Path(__file__).parents[2] / "docs" / "agent.md"


def test_flags_come_before_environment_before_file(tmp_path: Path) -> None:
    file = tmp_path / "agent.conf"
    file.write_text("# how many\nslots = 1\n\nname = from-file\nlog_level=debug\nhub = https://hub.example/\n")
    settings = read_settings({"slots": "3"}, {"NEXOMATIC_AGENT_SLOTS": "2", "NEXOMATIC_AGENT_NAME": "from-env"}, file)
    assert (settings.slots, settings.name, settings.log_level) == (3, "from-env", "DEBUG")
    assert settings.hub == "https://hub.example"


def test_the_environment_may_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "agent.conf").write_text("slots = 7")
    assert read_settings({}, {FILE_VARIABLE: str(tmp_path / "agent.conf")}).slots == 7


def test_defaults_are_usable(tmp_path: Path) -> None:
    settings = read_settings({"state": str(tmp_path)}, {})
    assert settings.modules == (tmp_path / "modules",)
    assert (settings.hub, settings.token) == (None, None)
    assert settings.name


def test_all_problems_are_reported_at_once_each_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "agent.conf"
    file.write_text("slots = many\nslits = 3\nname\ngrace_seconds = -1\n")
    with pytest.raises(BadSettings) as raised:
        read_settings(
            {"log_line_bytes": "10", "python": str(tmp_path / "none")},
            {"NEXOMATIC_AGENT_NAME": "-bad-", "NEXOMATIC_AGENT_SEAL_SECRETS": "perhaps", "NEXOMATIC_AGENT_HUB": "hub"},
            file,
        )
    problems = "\n".join(raised.value.problems)
    for words in (
        f"{file}:2: must be `setting = value`",
        f"{file}:3: must be `setting = value`",
        "slots in the file must be a whole number from 1 to 1000",
        "grace_seconds in the file must be a number of seconds from 0 to 600",
        "--log-line-bytes must be a whole number",
        "--python must name a file",
        "NEXOMATIC_AGENT_NAME must be 1 to 63 letters",
        "NEXOMATIC_AGENT_SEAL_SECRETS must be true or false",
        "NEXOMATIC_AGENT_HUB must be an address such as https://",
    ):
        assert words in problems
    assert len(raised.value.problems) == 9


@pytest.mark.parametrize(
    ("hub", "fine"),
    [
        ("https://hub.example.org", True),
        ("https://hub.example.org:8443/base", True),
        ("http://localhost:7071", True),
        ("http://127.0.0.1:7071", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:7071", True),
        ("http://hub.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("ftp://hub.example.org", False),
        ("https://", False),
        ("https://user:word@hub.example.org", False),
        ("https://hub.example.org/?code=x", False),
        ("https://hub.example.org:port", False),
    ],
)
def test_the_credential_does_not_cross_a_network_in_clear(hub: str, fine: bool) -> None:
    if fine:
        assert read_settings({"hub": hub}, {}).hub == hub
    else:
        with pytest.raises(BadSettings):
            read_settings({"hub": hub}, {})


def test_the_token_may_lie_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("very-secret\n")
    settings = read_settings({"token_file": str(tmp_path / "token")}, {})
    assert settings.token == "very-secret"
    assert "very-secret" not in repr(settings)
    with pytest.raises(BadSettings, match="NEXOMATIC_AGENT_TOKEN_FILE cannot be read"):
        read_settings({}, {"NEXOMATIC_AGENT_TOKEN_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("text", "expected"), [("A,B", ("A", "B")), (" A  B ", ("A", "B")), ("A=1", None), ("A-B", None)]
)
def test_variables_to_pass_on_are_names(text: str, expected: Any) -> None:
    if expected is None:
        with pytest.raises(BadSettings):
            read_settings({"pass_environment": text}, {})
    else:
        assert read_settings({"pass_environment": text}, {}).pass_environment == expected


def test_every_setting_is_a_field_and_in_the_documentation() -> None:
    names = {setting.name for setting in SETTINGS}
    assert set(Settings.__dataclass_fields__) == names - {"token_file"}
    text = DOCS.read_text("utf-8")
    assert [name for name in names if f"| `{name}` |" not in text] == []
