"""Where infrastructure, code and documentation say the same thing, and where one of them does not.

Pure functions of `Facts`: what removes one name from one text costs milliseconds, so that each is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from lark import Tree

from tests.infra.expected import (
    ALERTED,
    IN_WORDS,
    NO_SECRET,
    NOT_IN_THE_TEMPLATE,
    OF_THE_HOST,
    OF_THE_PLATFORM,
    PACKAGES,
    RIGHTS,
    ROLE_IDS,
    ROLE_IN_WORDS,
    RUNBOOK,
)
from tests.infra.facts import ALERTS, APP, DEPLOY, EVENTS, MAIN, ROLES, STORAGE, Facts, objects, rows, texts
from tools.bicep.expressions import Expressions
from tools.bicep.parse import member, name_of, text_of, trees


def disagreements(facts: Facts) -> Iterator[str]:
    """What one says and another does not."""
    return (each for rule in RULES for each in rule(facts))


def examples_and_docs(facts: Facts) -> Iterator[str]:
    """Code, local.settings.example.json and docs/settings.md have the same settings."""
    known = {each.name for each in facts.settings}
    example = facts.json("local.settings.example.json")["Values"]
    yield from differ("local.settings.example.json", set(example) - {"FUNCTIONS_WORKER_RUNTIME"}, known)
    for each in facts.settings:
        if each.name in example and (example[each.name] or "") != each.example:
            yield f"local.settings.example.json: {each.name} is {example[each.name]!r}, in the code {each.example!r}"
    table = {name for row in rows(facts.files["docs/settings.md"]) for name in re.findall(r"\w*[A-Z]_?\w+", row[0])}
    yield from differ("docs/settings.md", table, known | facts.of_one_machine)


def app_settings(facts: Facts) -> Iterator[str]:
    """The template gives every setting that Azure has a say in, and none that nobody reads."""
    given, known = facts.app_settings, {each.name for each in facts.settings}
    yield from differ(f"{APP} (appSettings)", set(given), (known - set(NOT_IN_THE_TEMPLATE)) | set(OF_THE_PLATFORM))
    for name in set(NOT_IN_THE_TEMPLATE) - known:
        yield f"{name} is left out of the template, and is no setting"
    for name, value in OF_THE_PLATFORM.items():
        if value is not None and name in given and text_of(given[name]) != value:
            yield f"{APP}: {name} has to be {value!r}"
    secure = {each.name for each in facts.template(APP).of("param") if "secure" in each.decorators}
    for setting in facts.settings:
        if not setting.secret or setting.name not in given or setting.name in NO_SECRET:
            continue
        named = _names(given[setting.name])
        if "@Microsoft.KeyVault(" not in _text(given[setting.name]) and not named & secure:
            yield f"{APP}: {setting.name} is a secret: it comes from a vault"


def values(facts: Facts) -> Iterator[str]:
    """Whatever the templates and files of parameters give a setting can be read by the code."""
    hub = facts.template(MAIN).named("hub")
    readers = {each.name: each.read for each in facts.settings}
    for name, expression in facts.app_settings.items():
        if name not in readers:
            continue
        inside = _unwrapped(expression)
        outside = (
            name_of(member(hub.body if hub else None, "params", name_of(inside) or "")) if name_of(inside) else None
        )
        for where, text in [(APP, text_of(inside)), *_given(facts, outside)]:
            try:
                if text:
                    readers[name](text)
            except ValueError as error:
                yield f"{where}: {name} {error}, not {text!r}"


def _given(facts: Facts, param: str | None) -> Iterator[tuple[str, str | None]]:
    """What a parameter of main.bicep may be, as far as anybody says it."""
    declared = facts.template(MAIN).named(param) if param else None
    if declared is None:
        return
    for value in (declared.value, declared.decorators.get("minValue"), declared.decorators.get("maxValue")):
        yield MAIN, _literal(value)
    for path, text in facts.matching("infra/", ".bicepparam").items():
        for found in re.findall(rf"(?m)^param {param} = (?:'([^']*)'|(\d+))$", text):
            yield path, found[0] or found[1]


def names_in_texts(facts: Facts) -> Iterator[str]:
    """No document and no script of ours names a setting that is none."""
    known = {each.name for each in facts.settings}
    azd = set(re.findall(r"readEnvironmentVariable\('(\w+)'", facts.files["infra/bicep/main.bicepparam"]))
    scripts = "".join(text for path, text in facts.files.items() if path.endswith(".sh"))
    known |= azd | set(re.findall(r"\$\{(NEXOMATIC_\w+)", scripts)) | facts.of_one_machine
    of_sinks = re.compile(
        r"NEXOMATIC_(AGENT|PARAM)_\w*|NEXOMATIC_(ACTION|ATTEMPT|EVENT_ID|EVENT_TYPE|INPUT|RESULT|TASK_MARK)"
    )
    for path, text in facts.files.items():
        for name in sorted(set(re.findall(r"\bNEXOMATIC_[A-Z0-9_]*[A-Z0-9]\b", text)) - known):
            if not of_sinks.fullmatch(name):
                yield f"{path}: {name} is no setting"
    for name in azd - {each.name for each in facts.settings}:
        if not name.startswith("AZURE_") and name not in facts.files["docs/deploy.md"]:
            yield f"docs/deploy.md does not say what {name} is (infra/bicep/main.bicepparam reads it)"


def storage(facts: Facts) -> Iterator[str]:
    """Tables, queues and containers: the code's, and what the platform needs."""
    template = facts.template(STORAGE)
    for name, code in (
        ("tableNames", facts.tables),
        ("queueNames", facts.queues),
        ("containerNames", facts.containers),
    ):
        found = texts(template, name)
        if found is None:
            yield f"{STORAGE}: there is no list {name}"
        else:
            yield from differ(f"{STORAGE} ({name})", set(found), set(code))
            if len(found) != len(set(found)):
                yield f"{STORAGE}: {name} has one twice"
    account = facts.template(MAIN).named("storage")
    if member(account.body if account else None, "params", "queueNames") is not None:
        yield f"{MAIN} gives queueNames: the hub makes its queues itself"
    yield from differ(f"{STORAGE} (hostContainerNames)", set(texts(template, "hostContainerNames") or ()), OF_THE_HOST)
    for name in ("deploymentContainerName", "deadLetterContainerName"):
        if (found_one := template.named(name)) is None or not text_of(found_one.value):
            yield f"{STORAGE}: {name} is missing"
    anchors = template.named("auditContainerName")
    if anchors is None or text_of(anchors.value) != facts.anchors:
        yield f"{STORAGE}: the write-once policy is on another container than the anchors ({facts.anchors})"


def roles(facts: Facts) -> Iterator[str]:
    """Every right is one that the hub, its host or who deploys needs, and is documented; and the other way round."""
    template = facts.template(ROLES)
    ids = {name: text_of(value) for name, value in objects(template, "roles").items()}
    yield from differ(f"{ROLES} (roles)", set(ids), {role for role, _, _ in RIGHTS})
    for name, text in ids.items():
        if text != ROLE_IDS.get(name):
            yield f"{ROLES}: {name} is {ROLE_IDS.get(name)}, not {text}"
    given = [_right(each.body) for each in template.of("resource") if "roleAssignments@" in each.target]
    yield from differ(f"{ROLES} (assignments)", {*given}, {*RIGHTS})
    for role, scope, who in given:
        if given.count((role, scope, who)) > 1:
            yield f"{ROLES}: {who} is given {role} on {scope} twice"
    for right, setting in RIGHTS.items():
        if setting is not None and setting not in facts.app_settings:
            yield f"{ROLES}: {right} is for {setting}, which {APP} does not set"
    said = "".join(facts.files[f"docs/{each}.md"] for each in ("settings", "secrets", "event-grid", "security-review"))
    wanted = {_words(name) for name in ids}
    yield from differ("docs/ (roles)", set(ROLE_IN_WORDS.findall(said)), wanted)


def _right(body: Any) -> tuple[str, str, str]:
    scope = sorted(_names(member(body, "scope")))
    used = Expressions()
    used.read(member(body, "properties", "roleDefinitionId"))
    role = next((each.chain[0] for each in used.uses if each.name == "roles" and each.chain), "")
    return role, scope[0] if scope else "", name_of(member(body, "properties", "principalId")) or ""


def secret_names(facts: Facts) -> Iterator[str]:
    """What the app looks for in the vault is what the script puts there, and what the documentation says."""
    named = [text_of(value) or "" for value in objects(facts.template(APP), "secretNames").values()]
    for name in named:
        if f"{name}" not in facts.files["docs/deploy.md"]:
            yield f"docs/deploy.md does not name the secret {name}"
    for path, pattern in ((DEPLOY, r"(?m)^readonly \w+=(hub-[\w-]+)$"), ("docs/deploy.md", r"`(hub-[a-z-]+)`")):
        for name in sorted(set(re.findall(pattern, facts.files[path])) - set(named)):
            yield f"{path} names the secret {name}, which {APP} never reads"


def functions(facts: Facts) -> Iterator[str]:
    """Names of functions: in the subscription, host.json, the documentation."""
    hears = {name for name, trigger in facts.functions.items() if trigger["type"] == "eventGridTrigger"}
    called = facts.template(EVENTS).named("functionName")
    yield from differ(f"{EVENTS} (functionName)", {text_of(called.value) or ""} if called else set(), hears)
    for name in re.findall(r"functionName=(\w+)|/functions/(\w+)(?= )", facts.files["docs/event-grid.md"]):
        if (name[0] or name[1]) not in hears:
            yield f"docs/event-grid.md calls the function {name[0] or name[1]}"
    host = facts.json("host.json")
    levels = {each.removeprefix("Function.") for each in host["logging"]["logLevel"] if each.startswith("Function.")}
    for name in levels - set(facts.functions):
        yield f"host.json has a level for the log of {name}, which is no function"
    if host["extensions"]["http"]["routePrefix"]:
        yield "host.json: routePrefix is empty; every address in the documentation and the templates says so"
    if any(each["type"] != "httpTrigger" for each in facts.functions.values()) and "extensionBundle" not in host:
        yield "host.json: without the extension bundle there is no trigger of Event Grid"


def schedule(facts: Facts) -> Iterator[str]:
    """The one timer, once a minute, and what is made of its heartbeat."""
    timers = {name: each["schedule"] for name, each in facts.functions.items() if each["type"] == "timerTrigger"}
    if timers != {"tick": "0 * * * * *"}:
        yield f"the timer runs once a minute, by the documentation and the alert; here it is {timers}"
    for name, cron in timers.items():
        if f'timer_trigger("timer", "{cron}")' not in facts.files[f"functions/{name}.py"]:
            yield f"functions/{name}.py has another schedule than tests/functions/bindings.json: {cron}"
    for path in (MAIN, ALERTS):
        declared = facts.template(path).named("heartbeatSeconds")
        least = _literal(declared.decorators.get("minValue")) if declared else None
        if least != str(facts.late_seconds):
            yield f"{path}: heartbeatSeconds is at least {facts.late_seconds}: before that the hub calls it in time"
    for path, words in (
        ("docs/schedules.md", "The timer runs each minute"),
        (RUNBOOK, f"{facts.late_seconds // 60} minutes old"),
        *((RUNBOOK, f"the function `{name}`") for name in timers),
    ):
        if words not in facts.files[path]:
            yield f"{path} does not say {words!r}"


def addresses(facts: Facts) -> Iterator[str]:
    """What is asked from outside is there."""
    for path in (ALERTS, DEPLOY):
        # The hub's own, not those of the site that deploys to it.
        ours = r"(?<!https://)(?:\$url|\$1|\$\{publicUrl\})(/api/[a-z/-]+)"
        asked = {each.rstrip("/") for each in re.findall(ours, facts.files[path])}
        for address in sorted(asked):
            if f"GET {address}" not in facts.routes:
                yield f"{path} asks {address}, which nothing answers"
        if not asked:
            yield f"{path} asks the hub nothing"


def metrics(facts: Facts) -> Iterator[str]:
    """What alerts query is what the hub reports of itself as a whole; the documentation says no other names."""
    queried = {text_of(value) or "" for value in objects(facts.template(ALERTS), "metrics").values()}
    yield from differ(f"{ALERTS} (metrics)", queried, {*ALERTED})
    for name in sorted(queried - facts.metrics):
        yield f"{ALERTS}: {name} is no metric of the whole hub; those are {', '.join(sorted(facts.metrics))}"
    for name in sorted(ALERTED):
        if name not in facts.files["docs/deploy.md"]:
            yield f"docs/deploy.md does not say that an alert is on {name}"
    for name in sorted(
        set(re.findall(r"`(nexomatic\.[a-z]+\.[a-z_]+)`", facts.files["docs/deploy.md"])) - facts.metrics
    ):
        yield f"docs/deploy.md: {name} is no metric of the whole hub"


def python(facts: Facts) -> Iterator[str]:
    """One version of Python where the hub is deployed."""
    runtime = member(facts.template(APP).named("app").body, "properties", "functionAppConfig", "runtime")  # type: ignore[union-attr]
    found = {APP: text_of(member(runtime, "version"))}
    for path, pattern in (
        ("Makefile", r"mypy --python-version (\S+)"),
        ("docs/package.md", r"Python (\d\.\d+) on"),
        ("docs/verified.md", r"fits Python (\d\.\d+) and"),
    ):
        said = re.search(pattern, facts.files[path])
        found[path] = said[1] if said else None
    for path, version in found.items():
        if version != facts.python:
            yield f"{path} says Python {version}; tools/package.py builds for {facts.python}"
    language = facts.json("local.settings.example.json")["Values"].get("FUNCTIONS_WORKER_RUNTIME")
    if not language == text_of(member(runtime, "name")) == "python":
        yield f"{APP} and local.settings.example.json have different runtimes"


def packages(facts: Facts) -> Iterator[str]:
    """What reads a setting is in requirements.txt."""
    pinned = set(re.findall(r"(?m)^([\w.-]+)==", facts.files["requirements.txt"]))
    for setting, package in {**PACKAGES, "the app": "azure-functions"}.items():
        if package not in pinned:
            yield f"requirements.txt has no {package}, which reads {setting}"
        if setting in PACKAGES and setting not in facts.app_settings:
            yield f"{APP} does not set {setting}, by which {package} is told where"


def places(facts: Facts) -> Iterator[str]:
    """Files that infrastructure names exist."""
    roots = r"(?<![\w/.-])((?:docs|hub|functions|infra)/[\w/.-]*\.(?:md|py|bicep|sh|bicepparam))\b"
    for path, text in facts.matching("infra/").items():
        for named in sorted(set(re.findall(roots, text))):
            if named not in facts.files and not named.startswith("hub/"):
                yield f"{path} names {named}, which is not there"


RULES: Final[tuple[Callable[[Facts], Iterator[str]], ...]] = (
    app_settings,
    storage,
    roles,
    secret_names,
    metrics,
    examples_and_docs,
    values,
    names_in_texts,
    functions,
    schedule,
    addresses,
    python,
    packages,
    places,
)


def differ(where: str, found: set[Any], wanted: set[Any]) -> Iterator[str]:
    """What one set has and the other has not."""
    for each in sorted(wanted - found):
        yield f"{where}: {each} is missing"
    for each in sorted(found - wanted):
        yield f"{where}: {each} is known nowhere else"


def _words(role: str) -> str:
    return IN_WORDS.get(role, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", role[:1].upper() + role[1:]))


def _names(node: Any) -> set[str]:
    used = Expressions()
    used.read(node)
    return {each.name for each in used.uses}


def _text(node: Any) -> str:
    return " ".join(str(each) for each in node.scan_values(lambda _: True)) if isinstance(node, Tree) else ""


def _literal(node: Any) -> str | None:
    if isinstance(node, Tree) and node.data == "int_type":
        return str(node.children[0])
    return text_of(node)


def _unwrapped(node: Any) -> Any:
    """What is inside of `string(…)`."""
    if isinstance(node, Tree) and node.data == "function" and str(node.children[0]) == "string(":
        return trees(node)[0]
    return node
