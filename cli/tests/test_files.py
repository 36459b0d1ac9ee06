"""Configuration files and what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
from nexo_cli.differences import MISSING, Difference, differences
from nexo_cli.errors import Exit, NexoError
from nexo_cli.files import read


def _written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


def test_a_folder_is_all_of_its_files_together(tmp_path: Path) -> None:
    _written(
        tmp_path,
        a_yaml="actions: [{name: a, at: 2026-01-01T00:00:00Z}]",
        b_json='{"actions": [{"name": "b"}]}',
        c_txt="x",
    )
    (tmp_path / "below").mkdir()
    (tmp_path / "below/d.yaml").write_text("not: read")

    documents = read([tmp_path], {})

    assert documents == {"actions": [{"name": "a", "at": "2026-01-01T00:00:00Z"}, {"name": "b"}]}


def test_variables_are_replaced_in_texts_and_never_change_the_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FROM_ENVIRONMENT", "there")
    _written(tmp_path, a_yaml='actions: [{name: "${N}", module: "$${N} ${FROM_ENVIRONMENT} $N", list: ["${N}", 1]}]')
    tricky = 'x", evil: true, y: "'
    assert read([tmp_path], {"N": tricky})["actions"] == [
        {"name": tricky, "module": "${N} there $N", "list": [tricky, 1]}
    ]
    with pytest.raises(NexoError, match=r"does not say what \$\{N\} is") as refused:
        read([tmp_path], {})
    assert "--var N=" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("actions: [{name: a, name: b}]", "name is there twice"),
        ("actions: {", "neither YAML nor JSON"),
        ("[]", "may hold the lists sink_types, actions, event_types, sources"),
        ("secrets: []", "not secrets"),
        ("actions: {}", "actions must be a list of documents"),
        ("actions: [1]", "actions must be a list of documents"),
        ("actions: [{name: A}, {name: a}]", "is in"),
        ("!!python/object/apply:os.system [id]", "neither YAML nor JSON"),
    ],
)
def test_what_is_not_right_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(NexoError, match=said) as refused:
        read([_written(tmp_path, a_yaml=text)], {})
    assert refused.value.exit_code is Exit.USAGE
    assert "a.yaml" in refused.value.message


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NexoError, match="cannot be read"):
        read([tmp_path / "none.yaml"], {})
    with pytest.raises(NexoError, match="holds no"):
        read([tmp_path], {})


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"r": {"x": 1, "y": 2}}, {"r": {"x": 1, "y": 3}}, [("r.y", 2, 3)]),
        ({}, {"a": None}, [("a", MISSING, None)]),
        (
            {"p": [{"name": "x", "v": 1}, {"name": "y", "v": 1}]},
            {"p": [{"name": "x", "v": 2}, {"name": "y", "v": 1}]},
            [("p[x].v", 1, 2)],
        ),
        (
            {"p": [{"name": "x"}, {"name": "y"}]},
            {"p": [{"name": "y"}, {"name": "x"}]},
            [("p", ["x", "y"], ["y", "x"])],
        ),
        ({"p": [{"name": "x"}]}, {"p": []}, [("p", [{"name": "x"}], [])]),
        ({"s": [1, 2]}, {"s": [1, 3]}, [("s", [1, 2], [1, 3])]),
    ],
)
def test_exactly_what_differs(before: object, after: object, found: list[tuple[str, object, object]]) -> None:
    assert list(differences(before, after)) == [Difference(*each) for each in found]
