"""Runs one Python module's function, inside the child process.

Written for a fast start: nothing is imported before the module's own code but what the interpreter has loaded anyway.
`json` alone would double the time to the first line of that code, so JSON goes through the C functions beneath it
(and through `json` on an interpreter that has none).
"""

from __future__ import annotations

import io
import sys
from io import open as open_file  # under a name that no module takes away

import nexomatic  # type: ignore[import-not-found,unused-ignore]

if sys.platform == "win32":
    import nt as system  # `os` is not loaded yet, and would take its time
else:
    import posix as system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, Callable, Optional

LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"))
LONGEST_MESSAGE = 5000
"""Longer than the agent keeps: it cuts the rest off, with a mark."""
STANDARD: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
TERMINATED = 143
"""The exit code of a task that was interrupted and ended in order."""
NOT_WRITTEN = 74
"""And of one whose result could not be written: `EX_IOERR`."""


def main() -> None:
    """`sys.argv`: folder of this file, module:function, folders of modules, site-packages folders, result file."""
    _, _, reference, folders, sites, result_file = sys.argv
    sys.argv[:] = [reference]
    raw = sys.stdin.buffer.read()
    sys.stdin = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8")  # the module may read its input there too
    errors = prepare(split_paths(folders), split_paths(sites))
    document = read_json(raw.decode("utf-8"))
    context = nexomatic.Context(**document["event"])
    task = system.getpid()
    try:
        outcome = run(reference, document["payload"], document["parameters"], context, errors)
    finally:
        errors.finish()
    if system.getpid() == task:  # a fork that comes back from the function is not the task
        write_result(result_file, encoded(outcome), errors)
        errors.returned = True


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

        _signal.signal(_signal.SIGTERM, lambda *_: leave(errors))
    return errors


def leave(errors: OrderedErrors) -> None:
    """The agent interrupts the task: let `finally` blocks run, for as long as the grace time lasts."""
    if errors.returned:
        errors.write(f"the function has returned, but its process has not ended: {what_holds_it()}\n")
    raise SystemExit(TERMINATED)


def what_holds_it() -> str:
    threading = sys.modules.get("threading")
    running = [] if threading is None else threading.enumerate()
    names = [one.name for one in running if not one.daemon and one is not threading.main_thread()]  # type: ignore[union-attr]
    return (
        f"threads that are no daemons still run ({', '.join(names)})" if names else "something still runs at its exit"
    )


class OrderedErrors(io.TextIOBase):
    """Standard error through the pipe of standard output, each line marked for the agent (see logstream.py there).

    Of two pipes nobody can tell in which order they were written to. Bytes, and processes the module starts, still go
    to the real standard error. A line is written when it is complete.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    returned = False
    """Whether the function has, and its result is written."""

    def __init__(self, beside: Any, real: Any) -> None:
        self._beside = beside
        self._real = real
        self._partial: list[str] = []
        self.buffer = real.buffer

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno()  # type: ignore[no-any-return]

    def write(self, text: str) -> int:
        if "\n" not in text:
            self._partial.append(text)  # joined once: a line may come in a million parts
            return len(text)
        *lines, rest = "".join([*self._partial, text]).split("\n")
        self._partial = [rest] if rest else []
        if not put(self._beside, [f"\x1estderr\x1f{line}\n" for line in lines]):
            put(self._real, [f"{line}\n" for line in lines])
        return len(text)

    def finish(self) -> None:
        """What was written without the end of its line."""
        if self._partial:
            self.write("\n")


def put(stream: Any, lines: list[str]) -> bool:
    """Whether the stream took them: the module may have closed it, or what is beneath it."""
    try:
        stream.write("".join(lines))
    except (ValueError, OSError):
        return False
    return True


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


def run(
    reference: str, payload: Any, parameters: Any, context: nexomatic.Context, errors: OrderedErrors
) -> dict[str, Any]:
    """Load the function and call it. What it returns or raises, as a result; SystemExit passes."""
    try:
        data = load(reference)(payload, parameters, context)
    except nexomatic.Warn as warning:
        return result("WARNING", warning.code, warning.message, warning.data)
    except NotThere as error:
        return result("ERROR", "MODULE_NOT_FOUND", str(error))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the task's result
        trace = error.__traceback__
        error.__traceback__ = trace.tb_next if trace is not None else None  # without this file's own frame
        sys.stderr = errors  # whatever the module has made of it
        sys.__excepthook__(type(error), error, error.__traceback__)
        return result("ERROR", type(error).__name__, text_of(error) or type(error).__name__)
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
    texts = {name: None if text is None else text_of(text) for name, text in (("code", code), ("message", message))}
    return {"state": state, **texts, "data": data}


def text_of(thing: object) -> str:
    """What it says, as JSON can hold it. A module's object may fail to say anything, and its text hold half a pair."""
    try:
        text = str(thing)[:LONGEST_MESSAGE]
    except Exception:  # noqa: BLE001
        return f"({type(thing).__name__}, which cannot say what it is)"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def encoded(outcome: dict[str, Any]) -> str:
    """As JSON; a result that JSON cannot hold becomes an error that says so."""
    try:
        return write_json(outcome)
    except Exception as error:  # noqa: BLE001 - a module's object may raise anything when it is looked into
        said = text_of(error) or type(error).__name__
        return write_json(result("ERROR", "RESULT_NOT_JSON", f"the function's result is not JSON: {said}"))


def write_result(file: str, content: str, errors: OrderedErrors) -> None:
    """Aside, then into place: it replaces whatever the module has put there, and half a result is never there."""
    aside = f"{file}.{system.getpid()}"
    try:
        with open_file(aside, "xb") as opened:
            opened.write(content.encode("ascii"))
        system.replace(aside, file)
    except OSError as error:
        errors.write(f"the result could not be written: {error.strerror}\n")
        try:  # noqa: SIM105 - `contextlib` is not loaded
            system.unlink(aside)
        except OSError:
            pass
        raise SystemExit(NOT_WRITTEN) from None


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
