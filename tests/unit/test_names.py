from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hub.errors import Invalid
from hub.model.configuration import Name, Parameter
from hub.rules import names


def check_name(name: str) -> None:
    names.check_name("event type", name)


@pytest.mark.parametrize("name", ["a", "7", "PYTHON:BASE", "disk.cleanup_2-x", "A" * 63])
def test_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A" * 64, "-a", ".a", ":a", "_a", "a b", "a/b", "a\n", "a\0", "ä", "a\u0661", "a\u202eb", "a#", "a\ud800"],
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(Invalid, match=r"cannot be the name of an event type: it has 1 to 63 letters"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "api-token", "0", "-", "A" * 127])
def test_secret_names(name: str) -> None:
    names.check_secret_name(name)


@pytest.mark.parametrize("name", ["", "a_b", "a.b", "a:b", "ä", "A" * 128, "a\n"])
def test_what_is_no_secret_name(name: str) -> None:
    with pytest.raises(Invalid, match=r"name of a secret: it has 1 to 127 letters \(A-Z, a-z\), digits and dashes\."):
        names.check_secret_name(name)


@pytest.mark.parametrize(
    ("name", "variable"),
    [("path", "NEXOMATIC_PARAM_PATH"), ("_x1", "NEXOMATIC_PARAM__X1"), ("a" * 63, "NEXOMATIC_PARAM_" + "A" * 63)],
)
def test_parameter_names(name: str, variable: str) -> None:
    names.check_parameter_name(name)
    assert names.environment_variable(name) == variable


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a.b", "a=b", "ß", "a" * 64, "a\n"])
def test_what_is_no_parameter_name(name: str) -> None:
    with pytest.raises(Invalid, match=r"name of a parameter: .* begins with a letter or underscore\."):
        names.check_parameter_name(name)


def test_a_refused_name_is_shown_on_one_line_and_not_endless() -> None:
    with pytest.raises(Invalid) as caught:
        check_name("a\nb\u202e" + "c" * 10_000)
    assert str(caught.value).startswith(r"'a\nb\u202ecc")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("given_names", "both"),
    [(["a", "b", "A"], "'a' and 'A'"), (["x", "x"], "'x'"), (["PYTHON:Base", "b", "python:BASE"], "'PYTHON:Base' and")],
)
def test_names_differ_in_more_than_their_case(given_names: list[str], both: str) -> None:
    with pytest.raises(Invalid, match=f"Two of the actions have the same name, {both}"):
        names.check_unique("action", given_names)


def test_different_names_are_unique() -> None:
    names.check_unique("action", ["a", "b", "a-b", "a.b"])
    names.check_unique("action", [])


def accepted(check: Callable[[str], object], name: str, refusal: type[Exception]) -> bool:
    try:
        check(name)
    except refusal:
        return False
    return True


NAMES = st.text("aZ0:._- ä\n", max_size=5) | st.text(max_size=3) | st.integers(60, 66).map(lambda n: "a" * n)


@given(NAMES)
def test_the_models_take_the_same_names(name: str) -> None:
    model = TypeAdapter(Name)
    assert accepted(model.validate_python, name, ValidationError) == accepted(check_name, name, Invalid)


@given(NAMES)
def test_the_models_take_the_same_parameter_names(name: str) -> None:
    def model(name: str) -> None:
        Parameter.model_validate({"name": name, "type": "STATIC", "value": 1})

    assert accepted(model, name, ValidationError) == accepted(names.check_parameter_name, name, Invalid)
