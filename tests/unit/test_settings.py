"""Settings: read from a dictionary, refused all at once, and the same in code, docs and example."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest

from hub import root_key
from hub.errors import Rejected
from hub.rules.cadence import CadenceMode
from hub.rules.keeping import Keeping
from hub.settings import BadSettings, IdentityAddress, Settings
from hub.settings_table import SETTINGS, STORAGE, Engine

KEY = base64.b64encode(bytes(range(32))).decode()
URIS = {
    f"{STORAGE}__{service}ServiceUri": f"https://nexo.{service}.core.windows.net"
    for service in ("table", "queue", "blob")
}


def problems(**environ: str) -> dict[str, str]:
    with pytest.raises(BadSettings) as caught:
        Settings.from_env(environ)
    return {each.field: each.message for each in caught.value.fields}


def test_nothing_set_is_the_embedded_engine() -> None:
    settings = Settings.from_env({})
    assert settings.storage is Engine.EMBEDDED
    assert settings.root_key_file == Path(".local/root.key")
    assert settings.cadence is CadenceMode.AUTO
    assert settings.max_held_polls == 150
    assert settings.public_url is None


def test_an_empty_value_is_no_value() -> None:
    assert Settings.from_env({setting.name: " " for setting in SETTINGS}) == Settings.from_env({})


def test_everything_can_be_set() -> None:
    settings = Settings.from_env(
        {
            "NEXOMATIC_STORAGE": "Azure",
            STORAGE: "UseDevelopmentStorage=true",
            "NEXOMATIC_HOME": "/data",
            "NEXOMATIC_PUBLIC_URL": "https://hub.example.com/",
            "NEXOMATIC_ROOT_KEY": KEY,
            "NEXOMATIC_PREVIOUS_ROOT_KEY": KEY,
            "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": hashlib.sha256(b"t").hexdigest().upper(),
            "NEXOMATIC_EVENT_SHARDS": "32",
            "NEXOMATIC_MAX_PAYLOAD": "1024",
            "NEXOMATIC_LEASE_SECONDS": "10",
            "NEXOMATIC_CLOCK_MARGIN_SECONDS": "2.5",
            "NEXOMATIC_POLL_SECONDS": "200",
            "NEXOMATIC_CADENCE": "pause",
            "NEXOMATIC_HTTP_CONCURRENCY": "1000",
            "NEXOMATIC_MAX_HELD_POLLS": "0",
            "NEXOMATIC_ALWAYS_READY": "1",
            "NEXOMATIC_RETENTION_DAYS": "30",
        }
    )
    assert settings.storage is Engine.AZURE
    assert settings.storage_address == "UseDevelopmentStorage=true"
    assert settings.public_url == "https://hub.example.com"
    assert settings.root_key is not None
    assert settings.root_key.secret == bytes(range(32))
    assert settings.previous_root_key == settings.root_key
    assert settings.first_admin_token_sha256 == hashlib.sha256(b"t").hexdigest()
    assert (settings.event_shards, settings.max_payload, settings.lease_seconds) == (32, 1024, 10)
    assert (settings.clock_margin_seconds, settings.poll_seconds) == (2.5, 200)
    assert (settings.cadence, settings.http_concurrency, settings.max_held_polls) == (CadenceMode.PAUSE, 1000, 0)
    assert settings.always_ready == 1
    assert settings.keeping == Keeping.all_for(30)


@pytest.mark.parametrize(
    ("environ", "keeping"),
    [
        ({}, Keeping()),
        ({"": "30"}, Keeping.all_for(30)),
        ({"": "keep"}, Keeping()),
        ({"_ERROR": "90"}, Keeping(error=90)),
        ({"": "30", "_ERROR": "90", "_WARNING": " Keep "}, Keeping(success=30, error=90)),
        ({"_SUCCESS": "1", "_WARNING": "36500"}, Keeping(success=1, warning=36_500)),
    ],
)
def test_retention_is_for_all_states_or_for_each(environ: dict[str, str], keeping: Keeping) -> None:
    read = Settings.from_env({f"NEXOMATIC_RETENTION_DAYS{name}": value for name, value in environ.items()})
    assert read.keeping == keeping


@pytest.mark.parametrize("value", ["0", "36501", "1.5", "-1", "never", "1 day"])
def test_days_to_keep_are_whole_or_for_ever(value: str) -> None:
    words = "is a whole number of days from 1 to 36500, or keep: for ever"
    for name in ("NEXOMATIC_RETENTION_DAYS", "NEXOMATIC_RETENTION_DAYS_ERROR"):
        assert problems(**{name: value}) == {name: words}


def test_the_identity_form_wins_over_a_connection_string() -> None:
    environ = {"NEXOMATIC_STORAGE": "azure", "NEXOMATIC_ROOT_KEY": KEY, STORAGE: "x", **URIS}
    address = Settings.from_env({**environ, f"{STORAGE}__clientId": "abc"}).storage_address
    table, queue, blob = URIS.values()
    assert address == IdentityAddress(table, queue, blob, "abc")


def test_all_problems_are_reported_at_once_and_no_value_is_repeated() -> None:
    found = problems(
        NEXOMATIC_STORAGE="floppy",
        NEXOMATIC_ROOT_KEY="c2VjcmV0",
        NEXOMATIC_EVENT_SHARDS="33",
        NEXOMATIC_PUBLIC_URL="hub.example.com",
        NEXOMATIC_CLOCK_MARGIN_SECONDS="nan",
    )
    assert found == {
        "NEXOMATIC_STORAGE": "is one of embedded, azure",
        "NEXOMATIC_ROOT_KEY": "is 32 random bytes as base64 (openssl rand -base64 32)",
        "NEXOMATIC_EVENT_SHARDS": "is a whole number from 1 to 32",
        "NEXOMATIC_PUBLIC_URL": "is an http or https address without query, such as https://hub.example.com",
        "NEXOMATIC_CLOCK_MARGIN_SECONDS": "is a number of seconds from 0 to 60",
    }


@pytest.mark.parametrize(
    ("environ", "field", "said"),
    [
        ({"NEXOMATIC_STORAGE": "azure", "NEXOMATIC_ROOT_KEY": KEY}, STORAGE, "connection string"),
        ({"NEXOMATIC_STORAGE": "azure", STORAGE: "x"}, "NEXOMATIC_ROOT_KEY", "all instances share one key"),
        (dict([next(iter(URIS.items()))]), f"{STORAGE}__tableServiceUri", "all three addresses"),
        ({"WEBSITE_INSTANCE_ID": "abc"}, "NEXOMATIC_STORAGE", "must be azure here"),
        ({"NEXOMATIC_ROOT_KEY": KEY, "NEXOMATIC_ROOT_KEY_FILE": "k"}, "NEXOMATIC_ROOT_KEY_FILE", "remove one"),
        ({"NEXOMATIC_HTTP_CONCURRENCY": "10", "NEXOMATIC_MAX_HELD_POLLS": "11"}, "NEXOMATIC_MAX_HELD_POLLS", "at most"),
        (
            {"WEBSITE_INSTANCE_ID": "abc", "NEXOMATIC_HTTP_CONCURRENCY": "1001"},
            "NEXOMATIC_HTTP_CONCURRENCY",
            "at most 1000 here",
        ),
        ({"NEXOMATIC_PUBLIC_URL": "https://a:b@hub.example.com"}, "NEXOMATIC_PUBLIC_URL", "without query"),
    ],
)
def test_what_does_not_go_together(environ: dict[str, str], field: str, said: str) -> None:
    assert said in problems(**environ)[field]


def test_secrets_are_not_shown() -> None:
    connection = "AccountName=nexo;AccountKey=c2VjcmV0"
    environ = {
        "NEXOMATIC_STORAGE": "azure",
        STORAGE: connection,
        "NEXOMATIC_ROOT_KEY": KEY,
        "NEXOMATIC_FIRST_ADMIN_TOKEN_SHA256": "ab" * 32,
    }
    shown = repr(Settings.from_env(environ))
    for secret in (connection, KEY, "ab" * 32):
        assert secret not in shown


class TestRootKey:
    def test_the_embedded_engine_makes_it_once_for_its_owner_alone(self, tmp_path: Path) -> None:
        settings = Settings.from_env({"NEXOMATIC_HOME": str(tmp_path / "home")})
        first = root_key.root_key(settings)
        assert root_key.root_key(settings) == first
        assert stat.S_IMODE((tmp_path / "home" / "root.key").stat().st_mode) == 0o600
        assert [path.name for path in (tmp_path / "home").iterdir()] == ["root.key"]

    def test_two_have_different_keys(self, tmp_path: Path) -> None:
        root_key.make(tmp_path / "a")
        root_key.make(tmp_path / "b")
        assert root_key.read(tmp_path / "a") != root_key.read(tmp_path / "b")

    def test_the_azure_engine_makes_none(self, tmp_path: Path) -> None:
        path = tmp_path / "root.key"
        environ = {"NEXOMATIC_STORAGE": "azure", STORAGE: "x", "NEXOMATIC_ROOT_KEY_FILE": str(path)}
        with pytest.raises(Rejected, match="cannot be read: No such file"):
            root_key.root_key(Settings.from_env(environ))
        assert not path.exists()

    @pytest.mark.parametrize("content", ["", "c2VjcmV0", "\xff", KEY + "AA"])
    def test_a_file_that_holds_no_key_is_refused(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "root.key"
        path.write_text(content, encoding="latin-1")
        with pytest.raises(Rejected, match="holds no root key"):
            root_key.read(path)

    def test_the_setting_wins_over_the_file(self, tmp_path: Path) -> None:
        settings = Settings.from_env({"NEXOMATIC_HOME": str(tmp_path), "NEXOMATIC_ROOT_KEY": KEY})
        assert root_key.root_key(settings).secret == bytes(range(32))
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address",
    [
        "http://v.vault.azure.net",
        "v.vault.azure.net",
        "https://v.vault.azure.net/secrets/a",
        "https://u@v.net",
        "https://",
    ],
)
def test_a_key_vault_is_asked_over_tls_and_by_its_own_address(address: str) -> None:
    assert "the https address of a key vault" in problems(NEXOMATIC_KEY_VAULT=address)["NEXOMATIC_KEY_VAULT"]


@pytest.mark.parametrize("prefix", ["-", "a_b", "a.", "ä", "x" * 41])
def test_what_names_in_a_vault_begin_with_is_a_name_there(prefix: str) -> None:
    assert "1 to 40 letters" in problems(NEXOMATIC_KEY_VAULT_PREFIX=prefix)["NEXOMATIC_KEY_VAULT_PREFIX"]


def test_a_key_vault_has_a_prefix_unless_told_otherwise() -> None:
    settings = Settings.from_env({"NEXOMATIC_KEY_VAULT": "https://v.vault.azure.net/"})
    assert (settings.key_vault, settings.key_vault_prefix) == ("https://v.vault.azure.net", "nexomatic-")
    assert Settings.from_env({}).key_vault is None


OIDC = {
    "NEXOMATIC_PUBLIC_URL": "https://hub.example.com",
    "NEXOMATIC_OIDC_ISSUER": "https://login.example.com/",
    "NEXOMATIC_OIDC_CLIENT_ID": "hub",
}


class TestOpenIdConnect:
    def test_an_issuer_is_kept_as_it_is_written(self) -> None:
        more = {"NEXOMATIC_OIDC_ADMINS": "ops, a b ,", "NEXOMATIC_FIRST_ADMIN": "ada"}
        provider = Settings.from_env({**OIDC, **more}).provider
        assert provider is not None
        assert provider.issuer == "https://login.example.com/"
        assert (provider.admins, provider.viewers) == (frozenset({"ops", "a b"}), frozenset())
        assert (provider.claim, provider.first_admin, provider.client_secret) == ("groups", "ada", None)

    def test_nobody_signs_people_in_unless_it_is_said(self) -> None:
        assert Settings.from_env({}).provider is None

    @pytest.mark.parametrize("missing", ["NEXOMATIC_PUBLIC_URL", "NEXOMATIC_OIDC_CLIENT_ID"])
    def test_what_it_needs(self, missing: str) -> None:
        assert "is needed" in problems(**{name: OIDC[name] for name in OIDC if name != missing})[missing]

    @pytest.mark.parametrize(
        "name",
        ["NEXOMATIC_OIDC_CLIENT_ID", "NEXOMATIC_OIDC_CLIENT_SECRET", "NEXOMATIC_OIDC_ADMINS", "NEXOMATIC_FIRST_ADMIN"],
    )
    def test_what_is_of_no_use_without_an_issuer(self, name: str) -> None:
        assert "without NEXOMATIC_OIDC_ISSUER" in problems(**{name: "x"})[name]

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("NEXOMATIC_OIDC_ISSUER", "http://login.example.com", "https"),
            ("NEXOMATIC_OIDC_ISSUER", "https://login.example.com/?a=b", "without query"),
            ("NEXOMATIC_OIDC_ISSUER", "https://login.microsoftonline.com/common/v2.0", "one tenant"),
            ("NEXOMATIC_OIDC_SCOPES", "profile", "openid"),
            ("NEXOMATIC_SESSION_HOURS", "0", "1 to 168"),
            ("NEXOMATIC_ADMIN_CONTACT", "a\u202eb", "one line"),
        ],
    )
    def test_what_cannot_be(self, name: str, value: str, said: str) -> None:
        found = problems(**{**OIDC, name: value})
        assert set(found) == {name}
        assert said in found[name]

    def test_the_secret_is_not_shown(self) -> None:
        settings = Settings.from_env({**OIDC, "NEXOMATIC_OIDC_CLIENT_SECRET": "hush hush"})
        assert "hush" not in repr(settings)
