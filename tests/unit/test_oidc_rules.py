"""Who somebody is and what they may, from the claims of a token alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import NotAllowed, NotAuthenticated
from hub.model.people import Role
from hub.rules import names, oidc
from hub.rules.oidc import Provider

GENERIC = Provider(
    "https://login.example.com", "hub", admins=frozenset({"ops"}), viewers=frozenset({"all"}), first_admin="root"
)
TENANT = "11111111-2222-3333-4444-555555555555"
OBJECT = "99999999-2222-3333-4444-555555555555"
ENTRA = Provider(
    f"https://login.microsoftonline.com/{TENANT}/v2.0",
    "hub",
    admins=frozenset({"group-1"}),
    viewers=frozenset({"group-2"}),
    first_admin=OBJECT,
)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["ops"]}, Role.ADMIN),
        ({"groups": ["all", "ops"]}, Role.ADMIN),
        ({"groups": "ops"}, Role.ADMIN),
        ({"groups": ["all"]}, Role.VIEWER),
        ({"groups": ["OPS"]}, None),
        ({"groups": ["ops "]}, None),
        ({"groups": ["ops,all"]}, None),
        ({"groups": [["ops"], 1, None, {"ops": True}]}, None),
        ({"groups": {"ops": True}}, None),
        ({"roles": ["ops"]}, None),
        ({}, None),
        ({"sub": "root"}, Role.ADMIN),
        ({"groups": ["root"]}, Role.ADMIN),
        ({"email": "root", "name": "ops", "preferred_username": "root"}, None),
    ],
)
def test_roles(claims: dict[str, Any], role: Role | None) -> None:
    assert oidc.claimed({"sub": "ada", **claims}, GENERIC).role is role


def test_another_claim_may_be_mapped() -> None:
    provider = Provider("https://login.example.com", "hub", claim="roles", admins=frozenset({"ops"}))
    assert oidc.claimed({"sub": "ada", "roles": ["ops"], "hasgroups": True}, provider).role is Role.ADMIN
    assert oidc.claimed({"sub": "ada", "groups": ["ops"], "hasgroups": True}, provider).role is None


class TestOnEntra:
    def test_people_are_known_by_tenant_and_object(self) -> None:
        one = oidc.claimed({"tid": TENANT, "oid": "a", "sub": "pairwise-1", "email": "x@example.com"}, ENTRA)
        same = oidc.claimed({"tid": TENANT, "oid": "a", "sub": "pairwise-2", "email": "y@example.com"}, ENTRA)
        other = oidc.claimed({"tid": TENANT, "oid": "b", "sub": "pairwise-1", "email": "x@example.com"}, ENTRA)
        assert one.id == same.id != other.id
        assert one.subject == f"{TENANT}/a"

    @pytest.mark.parametrize("claims", [{"oid": "a"}, {"tid": TENANT}, {"sub": "a"}, {"tid": "", "oid": "a"}])
    def test_without_either_nobody_is_known(self, claims: dict[str, Any]) -> None:
        with pytest.raises(NotAuthenticated, match="lacks tid or oid"):
            oidc.claimed(claims, ENTRA)

    @pytest.mark.parametrize("first", [OBJECT, f"{TENANT}/{OBJECT}", "group-9"])
    def test_the_first_admin_is_an_object_or_a_group(self, first: str) -> None:
        provider = Provider(ENTRA.issuer, "hub", first_admin=first)
        claims = {"tid": TENANT, "oid": OBJECT, "groups": ["group-9"]}
        assert oidc.claimed(claims, provider).role is Role.ADMIN
        assert oidc.claimed({"tid": TENANT, "oid": "other", "sub": OBJECT}, provider).role is None

    def test_left_out_groups_are_refused_unless_nothing_is_mapped_to_them(self) -> None:
        claims = {"tid": TENANT, "oid": "a", "_claim_names": {"groups": "src1"}}
        with pytest.raises(NotAllowed, match="too many"):
            oidc.claimed(claims, ENTRA)
        assert oidc.claimed({**claims, "oid": OBJECT}, ENTRA).role is Role.ADMIN
        nothing = Provider(ENTRA.issuer, "hub")
        assert oidc.claimed(claims, nothing).role is None


def test_the_same_subject_of_another_issuer_is_somebody_else() -> None:
    other = Provider("https://login.example.org", "hub")
    assert oidc.claimed({"sub": "ada"}, GENERIC).id != oidc.claimed({"sub": "ada"}, other).id


@given(st.text(max_size=100))
def test_every_name_becomes_one_that_the_hub_takes(called: str) -> None:
    names.check_name("user", oidc.name_for(called, "oidc:"))


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://login.example.com/x", True),
        ("http://127.0.0.1:3000", True),
        ("http://login.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("file:///etc/passwd", False),
        ("ftp://127.0.0.1", False),
        ("https://", False),
        ("login.example.com", False),
    ],
)
def test_which_addresses_are_asked(url: str, asked: bool) -> None:
    assert oidc.check_address(url) is asked


def test_only_signatures_by_a_key_pair() -> None:
    assert not {each for each in oidc.ALGORITHMS if each == "none" or each.startswith("HS")}
