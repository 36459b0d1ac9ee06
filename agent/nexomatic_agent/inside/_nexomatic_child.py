"""Runs one Python module's function, inside the child process.

Written for a fast start: nothing is imported before the module's own code but what the interpreter has loaded anyway.
`json` alone would double the time to the first line of that code, so JSON goes through the C functions beneath it
(and through `json` on an interpreter that has none).
"""

from __future__ import annotations

import io
import sys

import nexomatic  # type: ignore[import-not-found,unused-ignore]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Optional

LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"))
LONGEST_MESSAGE = 4000
STANDARD: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
TERMINATED = 143
"""The exit code of a task that was interrupted and ended in order."""


def main() -> None:
    """`sys.argv`: folder of this file, module:function, folders of modules, site-packages folders, result file."""
    _, _, reference, folders, sites, result_file = sys.argv
    sys.argv[:] = [reference]
    raw = sys.stdin.buffer.read()
    sys.stdin = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8")  # the module may read its input there too
    errors = prepare(split_paths(folders), split_paths(sites))
    document = read_json(raw.decode("utf-8"))
    context = nexomatic.Context(**document["event"])
    try:
        outcome = run(reference, document["payload"], document["parameters"], context)
    finally:
        errors.finish()
    with open(result_file, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
        file.write(encoded(outcome))


def split_paths(paths: str) -> list[str]:
    return [path for path in paths.split(";" if sys.platform == "win32" else ":") if path]


# --- before the module's code


def prepare(folders: list[str], sites: list[str]) -> OrderedErrors:
    """Make the interpreter what the module expects, which was started without `site` for speed."""
    import builtins

    sys.path[1:1] = folders
    sys.meta_path.insert(0, LoggingFinder())
    sys.meta_path.append(SiteFinder(sites))
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # `site` would have put them there
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    errors = OrderedErrors(sys.stdout, sys.stderr)
    sys.stderr = errors
    if sys.platform != "win32":
        import _signal  # type: ignore[import-not-found]  # `signal` imports enum

        _signal.signal(_signal.SIGTERM, leave)
    return errors


def leave(*_: object) -> None:
    """The agent interrupts the task: let `finally` blocks run, for as long as the grace time lasts."""
    raise SystemExit(TERMINATED)


class OrderedErrors(io.TextIOBase):
    """Standard error through the pipe of standard output, each line marked for the agent (see logstream.py there).

    Of two pipes nobody can tell in which order they were written to. Bytes, and processes the module starts, still go
    to the real standard error. A line is written when it is complete.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, beside: Any, real: Any) -> None:
        self._beside = beside
        self._real = real
        self._partial = ""
        self.buffer = real.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno()  # type: ignore[no-any-return]

    def write(self, text: str) -> int:
        *lines, self._partial = (self._partial + text).split("\n")
        if lines:
            self._beside.write("".join([f"\x1estderr\x1f{line}\n" for line in lines]))
        return len(text)

    def finish(self) -> None:
        """What was written without the end of its line."""
        if self._partial:
            self.write("\n")


class SiteFinder:
    """Asked last for a module nobody else found: only then are the site-packages folders taken into use."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002 - the import protocol
        if path is not None or not self._folders or name in STANDARD:
            return None  # the standard library itself asks for parts that this platform does not have
        folders, self._folders = self._folders, []
        import site
        from importlib.machinery import PathFinder

        for folder in folders:
            site.addsitedir(folder)
        return PathFinder.find_spec(name)


class LoggingFinder:
    """Waits for the module to import `logging`, and then sends its records to standard error with their level."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = LoggingLoader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class LoggingLoader:
    """Loads `logging` as usual, then configures it."""

    def __init__(self, usual: Any) -> None:
        self._usual = usual

    def __getattr__(self, name: str) -> Any:
        return getattr(self._usual, name)

    def exec_module(self, module: ModuleType) -> None:
        self._usual.exec_module(module)
        configure(module)


def configure(logging: Any) -> None:
    """Records from INFO on, each line marked with its level for the agent (see logstream.py there)."""

    beside = sys.stdout

    class Marked(logging.Handler):  # type: ignore[misc]
        def emit(self, record: Any) -> None:
            level = next((name for least, name in LEVELS if record.levelno >= least), "DEBUG")
            try:
                lines = self.format(record).split("\n")
                beside.write("".join([f"\x1estderr {level}\x1f{line}\n" for line in lines]))
            except Exception:  # noqa: BLE001 - as every handler: logging must not end the task
                self.handleError(record)

    logging.root.addHandler(Marked())
    logging.root.setLevel(logging.INFO)


# --- the module's code


def run(reference: str, payload: Any, parameters: Any, context: nexomatic.Context) -> dict[str, Any]:
    """Load the function and call it. What it returns or raises, as a result; SystemExit passes."""
    try:
        data = load(reference)(payload, parameters, context)
    except nexomatic.Warn as warning:
        return result("WARNING", warning.code, warning.message, warning.data)
    except NotThere as error:
        return result("ERROR", "MODULE_NOT_FOUND", str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the task's result
        trace = error.__traceback__
        error.__traceback__ = trace.tb_next if trace is not None else None  # without this file's own frame
        sys.__excepthook__(type(error), error, error.__traceback__)
        return result("ERROR", type(error).__name__, str(error) or type(error).__name__)
    return result("SUCCESS", data=data)


class NotThere(Exception):
    """The function cannot be found."""


def load(reference: str) -> Callable[..., Any]:
    """The function that `package.module:function` names. Raises NotThere."""
    name, _, function = reference.partition(":")
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # the module is there; something it imports is not
        raise NotThere(f"there is no module {error.name}") from None
    found = getattr(sys.modules[name], function, None)
    if not callable(found):
        raise NotThere(f"the module {name} has no function {function}")
    return found  # type: ignore[no-any-return]


def result(state: str, code: Optional[str] = None, message: Optional[str] = None, data: Any = None) -> dict[str, Any]:
    text = None if message is None else str(message)[:LONGEST_MESSAGE]
    return {"state": state, "code": None if code is None else str(code), "message": text, "data": data}


def encoded(outcome: dict[str, Any]) -> str:
    """As JSON; a result that JSON cannot hold becomes an error that says so."""
    try:
        return write_json(outcome)
    except (TypeError, ValueError, RecursionError) as error:
        return write_json(result("ERROR", "RESULT_NOT_JSON", f"the function's result is not JSON: {error}"))


# --- JSON without `json`


class Reading:
    """What the scanner asks for: the defaults of `json`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner's own


def read_json(text: str) -> Any:
    """Read a document the agent wrote."""
    try:
        import _json

        scan = _json.make_scanner(Reading)  # type: ignore[arg-type]
    except (ImportError, AttributeError, TypeError):
        import json

        return json.loads(text)
    return scan(text, 0)[0]


def write_json(document: Any) -> str:
    """Raises TypeError, ValueError, RecursionError for what JSON cannot hold."""
    try:
        import _json

        quote = _json.encode_basestring_ascii
        encode = _json.make_encoder({}, refuse, quote, None, ":", ",", False, False, False)
    except (ImportError, AttributeError, TypeError):
        import json

        return json.dumps(document, allow_nan=False)
    return "".join(encode(document, 0))


def refuse(thing: object) -> None:
    raise TypeError(f"a {type(thing).__name__} is not JSON")
