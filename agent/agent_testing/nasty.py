"""Modules that misbehave, and how each must end: one table for the tests with a fake hub and for those on the whole
platform. The modules themselves are tests/modules/nasty*."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

MODULES = ("nasty.py", "nasty.sh", "nasty_folder.py", "nasty_output.py", "nasty_processes.py", "nasty_results.py")
"""Files below tests/modules."""
END = (("SUCCESS", None),)
NOT_JSON = (("ERROR", "RESULT_NOT_JSON"),)
BAD = (("ERROR", "BAD_RESULT"),)
UNWRITTEN = (("ERROR", "EXIT_74"),)
TIMEOUT = (("ERROR", "TIMEOUT"),)
TIMEOUT_SECONDS = 2
"""Of what never ends by itself."""

GOES_ON, GONE_ON = " [the line goes on]", "[the line goes on] "

Log = Callable[[Sequence[str]], bool]
"""Whether these are the lines of log that there must be."""


def only(*lines: str) -> Log:
    return lambda texts: list(texts) == list(lines)


NOTHING = only()


def with_line(part: str) -> Log:
    return lambda texts: any(part in line for line in texts)


def much(lines: int, size: int, characters: int) -> Log:
    """All of it, or as much as is kept, and then it says so where it ends."""

    def check(texts: Sequence[str]) -> bool:
        marks = [line for line in texts if line.startswith("[log cut: ")]
        if marks:
            end = f"[log cut: the task wrote {lines} lines, {size} bytes in all]"
            return len(marks) == 2 and marks[1] == texts[-1] == end
        return sum(len(line.replace(GONE_ON, "").replace(GOES_ON, "")) for line in texts) == characters

    return check


def prints_on(texts: Sequence[str]) -> bool:
    """Beside the child's own line, nothing but what it repeats; a slow machine lets it come to the end of the log."""
    return {text for text in texts if not text.startswith(("child ", "[log cut: "))} <= {"still talking"}


@dataclass(frozen=True)
class Nasty:
    """One way to misbehave."""

    module: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    results: tuple[tuple[str, str | None], ...] = END
    """The states and codes with which it may end."""
    message: str = ""
    """A part of the message."""
    data: Any = None
    log: Log = field(default=lambda _: True, repr=False)
    timeout_seconds: int = 120

    @property
    def name(self) -> str:
        """For people."""
        given = ", ".join(str(value)[:30] for value in self.payload.values())
        return f"{self.module.partition(':')[2] or 'sh'}({given})"

    @property
    def runtime(self) -> str:
        return "shell" if self.module.endswith(".sh") else "python"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """A script has its payload as parameters."""
        return {name.upper(): value for name, value in self.payload.items()} if self.runtime == "shell" else {}

    def problems(self, state: str, code: str | None, message: str | None, data: Any, texts: Sequence[str]) -> list[str]:
        """What is wrong with how it ended."""
        wrong = []
        if (state, code) not in self.results:
            wrong.append(f"ended with {state} {code}: {message}")
        if self.message not in (message or "") or (state == "ERROR" and not message):
            wrong.append(f"the message is {message!r}")
        if state == "SUCCESS" and data != self.data:
            wrong.append(f"the data are {str(data)[:200]}")
        if not self.log(texts):
            wrong.append(f"the log is {[line[:200] for line in texts[:3]]} … {[line[:200] for line in texts[-3:]]}")
        return [f"{self.name}: {words}" for words in wrong]


def output(function: str, log: Log, results: Any = END, message: str = "", data: Any = None, **payload: Any) -> Nasty:
    return Nasty(f"nasty_output:{function}", payload, results, message, data, log)


def thing(name: str, message: str) -> Nasty:
    return Nasty("nasty_results:thing", {"thing": name}, NOT_JSON, message, log=lambda _: True)


def error(name: str, code: str, message: str, log: Log = lambda _: True, state: str = "ERROR") -> Nasty:
    return Nasty("nasty_results:error", {"error": name}, ((state, code),), message, log=log)


def leaves(given: Any, code: int, message: str = "", log: Log = lambda _: True) -> Nasty:
    results = END if code == 0 else (("ERROR", f"EXIT_{code}"),)
    return Nasty("nasty_results:leave", {"with": given}, results, message, log=log)


def result(function: str, results: Any = END, message: str = "", data: Any = "returned", **payload: Any) -> Nasty:
    return Nasty(f"nasty_results:{function}", payload, results, message, data)


def processes(function: str, log: Log = NOTHING, data: Any = "returned", **payload: Any) -> Nasty:
    return Nasty(f"nasty_processes:{function}", payload, END, data=data, log=log)


def endless(function: str, log: Log = lambda _: True, **payload: Any) -> Nasty:
    # On a busy machine the time may be over before the module's first line.
    log_or_nothing: Log = lambda texts: log(texts) or not texts  # noqa: E731
    return Nasty(
        f"nasty_processes:{function}", payload, TIMEOUT, "stopped after 2 s", None, log_or_nothing, TIMEOUT_SECONDS
    )


def dies(how: str, code: str, message: str = "before") -> Nasty:
    return Nasty("nasty_processes:dies", {"how": how}, (("ERROR", code),), message, log=only("before"))


def folder(function: str, data: Any, results: Any = END, message: str = "", **payload: Any) -> Nasty:
    return Nasty(f"nasty_folder:{function}", payload, results, message, data)


def script(do: str, log: Log = NOTHING, results: Any = END, message: str = "", **payload: Any) -> Nasty:
    endless = results == TIMEOUT
    checked: Log = (lambda texts: log(texts) or not texts) if endless else log
    seconds = TIMEOUT_SECONDS if endless else 120
    return Nasty("nasty.sh", {"do": do, **payload}, results, message, None, checked, seconds)


BINARY = (bytes(range(256)) * 40).decode("utf-8", "replace").replace("\r\n", "\n").split("\n")

CASES: tuple[Nasty, ...] = (
    # --- the log
    output("much", much(3000, 3_000_000, 2_997_000), data=3_000_000, lines=3000, width=1000),
    output("one_line", much(1, 3 << 20, 3 << 20), bytes=3 << 20),
    output("one_line_of_errors", much(1, 6_000_009, 6_000_000), bytes=6_000_000),
    output("empty_lines", much(20_000, 20_000, 0), lines=20_000),
    output("binary", only(*BINARY), times=40),
    output("terminal", only("\x1b[31mred\x1b[0m", "\0nul\0", "caf\ufffd", "10%\r20%\rdone", "no end")),
    output("marks", much(20, 1_200_020, 1_200_000)),
    output("closed_output", lambda texts: sorted(texts) == ["after", "before"], data="went on"),
    output("closed_objects", with_line("ValueError: said after"), (("ERROR", "ValueError"),), "said after the end"),
    output("swallowed_errors", with_line("ValueError: said to nobody"), (("ERROR", "ValueError"),), "said to nobody"),
    output("closed_everything", only("before"), data="went on"),
    output("nothing_left_of_python", only("before"), data="went on"),
    output("eats_its_input", only(), data=[0, True, 0]),
    output("child_prints_on", prints_on, data="ended"),
    output("silent_exit", only("before"), (("ERROR", "EXIT_7"),), "before", code=7),
    output("silent_exit", only("before"), code=0),
    # --- what JSON cannot hold
    thing("a set", "a set is not JSON"),
    thing("bytes", "a bytes is not JSON"),
    thing("NaN", "not JSON"),
    thing("infinity", "not JSON"),
    thing("a cycle", "Circular"),
    thing("half a pair", "half of a surrogate pair"),
    thing("half a pair as a name", "half of a surrogate pair"),
    thing("70 bits", "does not fit into 64 bit"),
    thing("5000 digits", "not JSON"),
    thing("70 levels", "more than 64 levels deep"),
    thing("100000 levels", "recursion"),
    thing("a mute object", "a Mute is not JSON"),
    thing("a moody dictionary", "not today"),
    thing("a name twice", "'1' is there twice"),
    thing("an odd name", "not tuple"),
    thing("too much", "larger than 4194304 bytes"),
    thing("what is to come", "a coroutine is not JSON"),
    thing("itself", "a module is not JSON"),
    thing("a long way to a name twice", "'19999' is there twice"),
    Nasty("nasty_results:thing_in_a_warning", {"thing": "a set"}, NOT_JSON, "a set is not JSON"),
    # --- errors that cannot be told
    error("bad words", "ValueError", "half \\udc80 a pair, \0 and \x1b[31m", with_line("a pair")),
    error("long words", "ValueError", " [cut]", with_line("[the line goes on]")),
    error("long name", "X" * 94 + " [cut]", "a long name"),
    error("mute", "Unspeakable", "(Unspeakable, which cannot say what it is)", with_line("raise Unspeakable")),
    error("mute warning", "(Mute, which cannot say what it is)", "(Mute, which", only("before"), "WARNING"),
    error("escaping", "Escaping", "got away", with_line("Escaping: got away")),
    error("interrupt", "KeyboardInterrupt", "KeyboardInterrupt", with_line("KeyboardInterrupt")),
    error("chain", "RuntimeError", "second", with_line("ValueError: first")),
    error("recursion", "RecursionError", "maximum recursion depth", with_line("RecursionError")),
    error("memory", "MemoryError", "MemoryError", with_line("MemoryError")),
    error("crash by recursion", "SIGNAL_SEGV", "signal SEGV; before, it wrote:\nbefore", only("before")),
    leaves("words", 1, "words", only("words")),
    leaves(300, 44, "exit code 44", only()),
    leaves(-1, 255),
    leaves(2**63, 255),
    leaves(None, 0, "", only()),
    leaves("mute", 1, "exit code 1"),
    leaves([1, 2], 1, "[1, 2]"),
    # --- the result's place
    result("in_its_place", BAD, "not a plain file", put="folder"),
    result("in_its_place", BAD, "not a plain file", put="full folder"),
    result("in_its_place", put="link"),
    result("in_its_place", put="link to nowhere"),
    result("in_its_place", put="pipe"),
    result("in_its_place", put="rubbish"),
    result("written_and_gone", (("WARNING", "BY_HAND"),), "m"),
    result("written_after_the_end", END + NOT_JSON),
    result("returned_twice", data="the task"),
    result("cannot_write", UNWRITTEN, "could not be written: File too large", how="size"),
    result("cannot_write", UNWRITTEN, "could not be written: Too many open files", how="files"),
    result("cannot_write", UNWRITTEN, "could not be written: No such file", how="folder"),
    # --- processes and threads
    processes("family"),
    processes("daemon", hides=False),
    processes("daemon", hides=True),
    processes("many_daemons"),
    processes("orphan"),
    processes("headless"),
    processes("zombies"),
    processes("relay"),
    processes("stops_its_child"),
    processes("threads", count=20, daemon=True),
    endless(
        "threads", with_line("threads that are no daemons still run (endless-0, endless-1)"), count=2, daemon=False
    ),
    endless("hangs_at_the_end", with_line("something still runs at its exit")),
    endless("ignores_being_asked", only("ready")),
    endless("stops_itself", only("ready", "cleaned up")),
    endless("imports_for_ever"),
    endless("swallows_the_end"),
    dies("abort", "SIGNAL_ABRT"),
    dies("fault", "SIGNAL_SEGV"),
    dies("group", "SIGNAL_KILL", "ended by the signal KILL; before, it wrote:\nbefore"),
    dies("SIGKILL", "SIGNAL_KILL"),
    dies("SIGTERM", "EXIT_143"),
    dies("SIGHUP", "SIGNAL_HUP"),
    dies("SIGUSR1", "SIGNAL_USR1"),
    # --- the folder
    folder("many_files", 500, files=500),
    folder("deep", 1200, levels=1200),
    folder("locked", "returned"),
    folder("odd_names", "returned", precious="/proc/self"),
    folder("gone", None, UNWRITTEN, "could not be written: No such file", instead="nothing"),
    folder("gone", None, BAD, "cannot be read: Not a directory", instead="a file"),
    folder("gone", None, UNWRITTEN, "could not be written", instead="a link"),
    # --- scripts
    script("floods", much(10_000, 255_000, 245_000)),
    script("no-end", only("no end of line")),
    script("binary", lambda texts: sum(map(len, texts)) > 10_000),
    script("family"),
    script("daemon"),
    script("orphan"),
    script("stubborn", only("ready"), TIMEOUT, "stopped after 2 s"),
    script("stops", only("ready"), TIMEOUT, "stopped after 2 s"),
    script("dies", only("before"), (("ERROR", "SIGNAL_SEGV"),), "signal SEGV", signal="SEGV"),
    script("dies", only("before"), (("ERROR", "SIGNAL_TERM"),), "signal TERM", signal="TERM"),
    script("closes", only("before"), (("ERROR", "EXIT_3"),), "before"),
    script("talks", with_line("before"), (("ERROR", "EXIT_4"),)),
    script("deaf", text="x" * 60_000),
    script("gone", only("gone"), (("ERROR", "EXIT_5"),), "gone"),
    script("link"),
    script("folder", only(), BAD, "not a plain file"),
    script("pipe", only(), BAD, "not a plain file"),
    script("symlink", only(), BAD, "cannot be read"),
    script("huge", only(), BAD, "larger than 4194304 bytes"),
    script("rubbish", only(), BAD, "not JSON"),
    script("nothing", only(), BAD, "is empty"),
    script("spoils", only(), (("WARNING", "MINE"),)),
)
