"""Which apps are indexed and which are refused, with the function and the reason: the worker's own rules."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from hosting.errors import IndexingError
from hosting.indexing import index
from hosting.signatures import Signature
from tests.hosting.support import open_app

QUEUE: dict[str, Any] = {"arg_name": "out", "queue_name": "q", "connection": "Store"}


def http(handler: Callable[..., Any], output: str | None = None) -> func.FunctionApp:
    """An app with one HTTP function; `output` is the name of a decorator that gives it another output."""
    app = open_app()
    if output is not None:
        handler = getattr(app, output)(**QUEUE)(handler)
    app.function_name("it")(app.route("x")(handler))
    return app


async def plain(req: func.HttpRequest) -> func.HttpResponse:
    raise NotImplementedError


async def with_context(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    raise NotImplementedError


async def with_bare_context(req, context) -> func.HttpResponse:  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def returns_text(req: func.HttpRequest) -> str:
    raise NotImplementedError


async def unannotated(req):  # type: ignore[no-untyped-def]
    raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "signature"),
    [
        (plain, Signature(False, None)),
        (with_context, Signature(True, None)),
        (with_bare_context, Signature(True, None)),
        (returns_text, Signature(False, None)),
        (unannotated, Signature(False, None)),
    ],
)
def test_what_the_worker_accepts(handler: Callable[..., Any], signature: Signature) -> None:
    (function,) = index(http(handler))
    assert function.signature == signature
    assert function.is_async


async def wrong_name(request: func.HttpRequest) -> func.HttpResponse:
    raise NotImplementedError


async def extra(req: func.HttpRequest, other: str) -> func.HttpResponse:
    raise NotImplementedError


async def optional(req: func.HttpRequest) -> func.HttpResponse | None:
    raise NotImplementedError


async def returns_dict(req: func.HttpRequest) -> dict:  # type: ignore[type-arg]
    raise NotImplementedError


async def returns_out(req: func.HttpRequest) -> func.Out[str]:
    raise NotImplementedError


async def unresolved(req: func.HttpRequest) -> "Nowhere":  # type: ignore[name-defined] # noqa: F821, UP037
    raise NotImplementedError


async def wrong_context(req: func.HttpRequest, context: str) -> func.HttpResponse:
    raise NotImplementedError


async def wrong_request(req: int) -> func.HttpResponse:
    raise NotImplementedError


async def text_request(req: str) -> func.HttpResponse:
    raise NotImplementedError


async def union_request(req: func.HttpRequest | None) -> func.HttpResponse:
    raise NotImplementedError


async def out_request(req: func.Out[str]) -> func.HttpResponse:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (wrong_name, "no binding of it: request"),
        (extra, "no binding of it: other"),
        (optional, "not a plain class"),
        (returns_dict, "dict does not fit a binding of type http"),
        (returns_out, "return annotation"),
        (unresolved, "cannot be resolved"),
        (wrong_context, "`context` must be annotated func.Context"),
        (wrong_request, "does not fit a binding of type httpTrigger"),
        (text_request, "must be annotated func.HttpRequest"),
        (union_request, "not a plain type"),
        (out_request, "the binding is an input"),
    ],
)
def test_what_the_worker_refuses_names_function_and_reason(handler: Callable[..., Any], reason: str) -> None:
    with pytest.raises(IndexingError, match=f"function it: .*{reason}"):
        index(http(handler))


async def out_text(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    raise NotImplementedError


async def out_texts(req: func.HttpRequest, out: func.Out[typing.List[str]]) -> func.HttpResponse:  # noqa: UP006
    raise NotImplementedError


async def out_message(req: func.HttpRequest, out: func.Out[func.QueueMessage]) -> func.HttpResponse:
    raise NotImplementedError


async def out_list(req: func.HttpRequest, out: func.Out[list[str]]) -> func.HttpResponse:
    raise NotImplementedError


async def out_dict(req: func.HttpRequest, out: func.Out[dict]) -> func.HttpResponse:  # type: ignore[type-arg]
    raise NotImplementedError


async def out_bare(req: func.HttpRequest, out: func.Out) -> func.HttpResponse:  # type: ignore[type-arg]
    raise NotImplementedError


async def out_plain(req: func.HttpRequest, out: str) -> func.HttpResponse:
    raise NotImplementedError


async def out_missing(req: func.HttpRequest) -> func.HttpResponse:
    raise NotImplementedError


@pytest.mark.parametrize("handler", [out_text, out_texts, out_message])
def test_outputs_that_the_worker_accepts(handler: Callable[..., Any]) -> None:
    (function,) = index(http(handler, "queue_output"))
    assert [binding.name for binding in function.outputs] == ["out"]


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (out_list, "is not a plain type"),
        (out_dict, "does not fit a binding of type queue"),
        (out_bare, "must say what it puts out"),
        (out_plain, "must be func.Out"),
        (out_missing, "no parameter of it: out"),
    ],
)
def test_outputs_that_the_worker_refuses(handler: Callable[..., Any], reason: str) -> None:
    with pytest.raises(IndexingError, match=reason):
        index(http(handler, "queue_output"))


def test_get_functions_is_asked_once_because_a_second_time_fails() -> None:
    app = http(plain)
    index(app)
    with pytest.raises(IndexingError, match="unique"):
        index(app)


def test_names_that_differ_only_in_case_are_refused() -> None:
    app = open_app()
    for name in ("same", "Same"):
        app.function_name(name)(app.route(name)(plain))
    with pytest.raises(IndexingError, match="differ only in case: Same, same"):
        index(app)


@pytest.mark.parametrize("name", ["host", "HOST", "1st", "a.b", "a" * 129, ""])
def test_a_name_that_the_host_does_not_take_is_refused(name: str) -> None:
    app = open_app()
    app.function_name(name)(app.route("x")(plain))
    with pytest.raises(IndexingError, match="a name is"):
        index(app)


def test_a_trigger_or_binding_that_this_host_does_not_know_is_refused() -> None:
    app = open_app()

    @app.blob_trigger("blob", "path", "Store")
    async def on_blob(blob: func.InputStream) -> None: ...

    with pytest.raises(IndexingError, match="function on_blob: this host does not serve blobTrigger"):
        index(app)
    other = open_app()
    other.route("x")(other.table_output(arg_name="out", table_name="t", connection="Store")(out_text))
    with pytest.raises(IndexingError, match="function out_text: this host has no binding table"):
        index(other)


def test_a_function_without_a_trigger_is_refused() -> None:
    app = open_app()
    app.function_name("lonely")(plain)
    with pytest.raises(IndexingError, match="lonely does not have a trigger"):
        index(app)


# --- importing: in a process of its own, as the host does ------------------------------------------------------------


def _import(folder: Path, program: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Write modules into a folder, import its app as the host does, and run a program with `app` and `index`."""
    for name, content in {"host.json": '{"version": "2.0"}', **files}.items():
        path = folder / (name if "." in name else f"{name}.py")
        path.write_text(textwrap.dedent(content))
    head = (
        "import os, sys\nfrom pathlib import Path\nfrom hosting.errors import IndexingError\n"
        "from hosting.indexing import index, load_app\n"
        f"try:\n    app = load_app(Path({str(folder)!r}), os.environ)\n"
        "except IndexingError as error:\n    sys.exit(f'refused: {error}')\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )


APP = """
    import azure.functions as func
    app = func.FunctionApp(http_auth_level="ANONYMOUS")
    @app.route("x")
    async def handler(req: func.HttpRequest) -> func.HttpResponse: ...
"""


def test_the_app_folder_comes_last_on_the_path_and_is_the_working_directory(tmp_path: Path) -> None:
    done = _import(
        tmp_path,
        "import queue; print(hasattr(queue, 'Queue'), sys.path[-1] == os.getcwd() == str(Path(app_folder)))".replace(
            "app_folder", repr(str(tmp_path))
        ),
        function_app=APP,
        queue="raise RuntimeError('a local module must not hide one of the standard library')",
    )
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr


def test_annotations_as_text_are_resolved(tmp_path: Path) -> None:
    source = "from __future__ import annotations\n" + textwrap.dedent(APP)
    done = _import(tmp_path, "print([each.name for each in index(app)])", function_app=source)
    assert done.stdout == "['handler']\n", done.stderr


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "no FunctionApp at its top level"),
        (APP + "    application = app\n", "more than one name for a FunctionApp at its top level: app, application"),
        (APP + "    import nowhere\n", "importing function_app.py failed: ModuleNotFoundError"),
        ("1 +", "importing function_app.py failed: SyntaxError"),
        (APP + "    app.no_such_trigger()\n", "importing function_app.py failed: AttributeError"),
    ],
)
def test_a_module_without_one_app_is_refused(tmp_path: Path, source: str, reason: str) -> None:
    done = _import(tmp_path, "", function_app=source)
    assert reason in done.stderr


def test_another_file_may_be_the_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_SCRIPT_FILE_NAME", "main.py")
    done = _import(tmp_path, "print([each.name for each in index(app)])", main=APP)
    assert done.stdout == "['handler']\n", done.stderr
    assert "there is no function_app.py" in _import_without_setting(tmp_path, monkeypatch)


def _import_without_setting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("PYTHON_SCRIPT_FILE_NAME")
    return _import(folder, "").stderr
