"""Static check of a state machine: what would otherwise show only when it is deployed or run.

    python tools/check_asl.py statemachines/run.asl.json --template template.yaml

Prints one line per problem and exits with 1, or says that there is none and exits with 0.

Three kinds of rules: the language (targets, reachability, which field belongs to which query
language; from the Amazon States Language specification and the answers of
ValidateStateMachineDefinition), the project's conventions (time limits, one retry shape,
comments, names), and the seam to the template (substitutions, functions).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonata import Jsonata  # type: ignore[import-untyped]
from jsonata.jexception import JException  # type: ignore[import-untyped]
from jsonata.parser import Parser  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

JsonObject = dict[str, Any]

JSONPATH, JSONATA = "JSONPath", "JSONata"

LAMBDA_INVOKE = "arn:${Partition}:states:::lambda:invoke"
TERMINAL_TYPES = frozenset({"Succeed", "Fail"})
COMMENTED_TYPES = frozenset({"Choice", "Map", "Wait"})
RETRYING_TYPES = frozenset({"Task", "Map", "Parallel"})
INNER_SCOPES = ("ItemProcessor", "Iterator", "Branches")

JSONPATH_FIELDS = frozenset(
    {"Parameters", "ResultSelector", "InputPath", "OutputPath", "ResultPath"}
)
"""Together with every field that ends in `Path`, and `Variable` in a choice."""
JSONATA_FIELDS = frozenset({"Arguments", "Output", "Items", "Condition"})

RETRY_REQUIRED = frozenset({"ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate"})
RETRY_ALLOWED = RETRY_REQUIRED | {"JitterStrategy", "MaxDelaySeconds"}

SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
SECRET_NAME = re.compile(
    r"secret|passw|credential|authori[sz]ation|bearer|api_?key|private_?key|token", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class State:
    """One state: `where` names its enclosing states too, `language` is the one in force."""

    name: str
    where: str
    body: JsonObject
    language: str

    @property
    def type(self) -> str:
        return str(self.body.get("Type"))

    @property
    def ends(self) -> bool:
        return self.type in TERMINAL_TYPES or self.body.get("End") is True

    @property
    def invokes_function(self) -> bool:
        return self.type == "Task" and self.body.get("Resource") == LAMBDA_INVOKE

    @property
    def own_fields(self) -> JsonObject:
        """The body without the states inside it, which are states of their own."""
        return {key: value for key, value in self.body.items() if key not in INNER_SCOPES}

    def targets(self) -> list[str]:
        """The states that may come next, in every way a state can say so."""
        branches = [*self.body.get("Choices", []), *self.body.get("Catch", [])]
        named = [
            self.body.get("Next"),
            self.body.get("Default"),
            *(b.get("Next") for b in branches),
        ]
        return [target for target in named if target is not None]


@dataclass(frozen=True, slots=True)
class Scope:
    """States that can name each other: the machine's own, or those inside a Map or Parallel."""

    where: str
    start_at: str | None
    body: JsonObject
    states: Mapping[str, State]


@dataclass(frozen=True, slots=True)
class Machine:
    text: str
    body: JsonObject
    scopes: tuple[Scope, ...]

    @property
    def states(self) -> list[State]:
        return [state for scope in self.scopes for state in scope.states.values()]


Check = Callable[[Machine], Iterator[str]]


class UnreadableError(Exception):
    """The definition or the template cannot be checked at all."""


# Reading


def read_machine(text: str) -> Machine:
    """The definition with its scopes, outermost first. `UnreadableError` if it is no such thing."""
    try:
        body = json.loads(text, object_pairs_hook=_without_repeats)
    except ValueError as error:
        message = f"not JSON: {error}"
        raise UnreadableError(message) from error
    if not isinstance(body, dict) or "States" not in body:
        message = "not a state machine: it has no States"
        raise UnreadableError(message)
    language = str(body.get("QueryLanguage", JSONPATH))
    return Machine(text, body, tuple(_scopes(body, "", language)))


def _without_repeats(pairs: list[tuple[str, Any]]) -> JsonObject:
    """JSON readers keep the last of two equal keys, so a doubled state would vanish unseen."""
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        message = f"the key {repeated[0]} stands twice in one object"
        raise ValueError(message)
    return dict(pairs)


def _scopes(body: JsonObject, where: str, language: str) -> Iterator[Scope]:
    """A state without a language of its own has the machine's, also inside a Map that has one."""
    states = {
        name: State(name, f"{where}{name}", state, str(state.get("QueryLanguage", language)))
        for name, state in body.get("States", {}).items()
    }
    yield Scope(where.rstrip("/") or "machine", body.get("StartAt"), body, states)
    for state in states.values():
        inner = [state.body[key] for key in ("ItemProcessor", "Iterator") if key in state.body]
        for scope in [*inner, *state.body.get("Branches", [])]:
            yield from _scopes(scope, f"{state.where}/", language)


def _strings(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value with the path to it."""
    if isinstance(value, str):
        yield path, value
    for key, child in _children(value):
        yield from _strings(child, f"{path}/{key}" if path else key)


def _keys(value: object) -> Iterator[str]:
    """Every key of every object in a JSON value."""
    if isinstance(value, dict):
        yield from value
    for _, child in _children(value):
        yield from _keys(child)


def _children(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return list(value.items())
    return [(str(at), item) for at, item in enumerate(value)] if isinstance(value, list) else []


# The language: transitions


def check_targets(machine: Machine) -> Iterator[str]:
    for scope in machine.scopes:
        if scope.start_at not in scope.states:
            yield f"{scope.where}: StartAt names {scope.start_at}, which is not a state here"
        for state in scope.states.values():
            for target in state.targets():
                if target not in scope.states:
                    yield f"{state.where}: goes to {target}, which is not a state here"


def check_names(machine: Machine) -> Iterator[str]:
    """State names are unique in the whole machine, so that history and metrics are unambiguous."""
    for name, count in Counter(state.name for state in machine.states).items():
        if count > 1:
            yield f"{name}: {count} states have this name"


def check_reachable(machine: Machine) -> Iterator[str]:
    for scope in machine.scopes:
        following = {name: state.targets() for name, state in scope.states.items()}
        reached = _closure([scope.start_at or ""], following)
        for name, state in scope.states.items():
            if name not in reached:
                yield f"{state.where}: cannot be reached"


def check_ends(machine: Machine) -> Iterator[str]:
    """Every state says where it goes, and from each some way leads to an end."""
    for scope in machine.scopes:
        preceding: dict[str, list[str]] = {}
        for name, state in scope.states.items():
            for target in state.targets():
                preceding.setdefault(target, []).append(name)
        job_end = _closure([name for name, state in scope.states.items() if state.ends], preceding)
        for name, state in scope.states.items():
            if not state.ends and not state.targets():
                yield f"{state.where}: has neither Next nor End"
            elif name not in job_end:
                yield f"{state.where}: no way from here leads to an end"


def _closure(start: Iterable[str], edges: Mapping[str, list[str]]) -> set[str]:
    """Everything that can be reached from `start` along `edges`."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += edges.get(name, [])
    return seen


# The language: fields


def check_query_languages(machine: Machine) -> Iterator[str]:
    """A JSONPath machine may have JSONata states, never the other way round; Step Functions
    refuses the definition."""
    for state in machine.states:
        if state.language not in (JSONPATH, JSONATA):
            yield f"{state.where}: {state.language} is not a query language"
        if state.language == JSONPATH and machine.body.get("QueryLanguage") == JSONATA:
            yield f"{state.where}: cannot be JSONPath in a machine whose QueryLanguage is JSONata"
    for scope in machine.scopes[1:]:
        if "QueryLanguage" in scope.body:
            yield f"{scope.where}: an ItemProcessor or a branch cannot have a QueryLanguage"


def check_fields_of_language(machine: Machine) -> Iterator[str]:
    for state in machine.states:
        other = JSONATA if state.language == JSONPATH else JSONPATH
        rules = [*state.body.get("Choices", []), *state.body.get("Catch", [])]
        for field in sorted({*state.body, *(key for rule in rules for key in rule)}):
            if _language_of_field(field) == other:
                yield f"{state.where}: {field} is a {other} field in a {state.language} state"
        if state.language == JSONATA:
            for key in sorted({key for key in _keys(state.own_fields) if key.endswith(".$")}):
                yield f"{state.where}: {key} is a JSONPath key in a JSONata state"
        else:
            for path, text in _strings(state.own_fields):
                if "{%" in text:
                    yield f"{state.where}: {path} is a JSONata expression in a JSONPath state"


def _language_of_field(field: str) -> str | None:
    if field in JSONPATH_FIELDS or field == "Variable" or field.endswith("Path"):
        return JSONPATH
    return JSONATA if field in JSONATA_FIELDS else None


def check_misplaced_fields(machine: Machine) -> Iterator[str]:
    for state in machine.states:
        if state.type != "Task" and "TimeoutSeconds" in state.body:
            yield f"{state.where}: a {state.type} state cannot have TimeoutSeconds"
        for field in ("Retry", "Catch"):
            if state.type not in RETRYING_TYPES and field in state.body:
                yield f"{state.where}: a {state.type} state cannot have {field}"


# The language: expressions


def check_expressions(machine: Machine) -> Iterator[str]:
    for state in machine.states:
        if state.language == JSONATA:
            for path, text in _strings(state.own_fields):
                problem = _expression_problem(text)
                if problem:
                    yield f"{state.where}: {path} {problem}"


def _expression_problem(text: str) -> str | None:
    if not (text.startswith("{%") and text.endswith("%}")):
        return "has {% or %} inside a text" if "{%" in text or "%}" in text else None
    try:
        tree = Jsonata(text[2:-2].strip()).ast
    except JException as error:
        return f"is no JSONata: {error}"
    bare = next(_bare_names(tree), None)
    return f"refers to {bare} without $states" if bare else None


def _bare_names(symbol: Parser.Symbol | None) -> Iterator[str]:
    """Names at the top level of an expression. There is no document that they could be fields of,
    and Step Functions refuses the definition. What stands behind a path's first step, or inside a
    function's body, has a context and may use names."""
    if symbol is None or symbol.type == "lambda":
        return
    if symbol.type == "path":
        first = symbol.steps[0]
        if first.type == "name":
            yield str(first.value)
        else:
            yield from _bare_names(first)
        return
    alone = [symbol.lhs, symbol.rhs, symbol.expression, symbol.condition, symbol.then, symbol._else]
    many = [*(symbol.arguments or []), *(symbol.expressions or [])]
    pairs = [part for pair in symbol.lhs_object or [] for part in pair]
    for part in (*alone, *many, *pairs):
        yield from _bare_names(part)


# The project's conventions


def check_time_limits(machine: Machine) -> Iterator[str]:
    if "TimeoutSeconds" not in machine.body:
        yield "machine: has no TimeoutSeconds"
    for state in machine.states:
        if state.type == "Task" and not {"TimeoutSeconds", "TimeoutSecondsPath"} & set(state.body):
            yield f"{state.where}: has no TimeoutSeconds"


NEVER_RETRIED = ("RunGoneError", "LanesStuckError")
"""Exceptions of the functions that no repetition mends."""

THROTTLED = ("Lambda.TooManyRequestsException",)
"""The account has no room for another execution of a function; nothing was done.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html"""

RETRIED = (NEVER_RETRIED, THROTTLED, ("States.ALL",))

LONGER = frozenset({"OpenRun"})
SHORTER = frozenset({"AnnounceOpened"})
_ENDS = ("MaxAttempts", "MaxDelaySeconds")


def _without_ends(retriers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in retrier.items() if k not in _ENDS} for retrier in retriers]


def check_retries(machine: Machine) -> Iterator[str]:
    """Every step may be repeated whatever went wrong, so there is one shape, and all have it.

    First what a repetition cannot mend, then Lambda's throttles, which outlast many failures in a
    busy account, then everything else. Those of LONGER are tried for longer, as nobody else would
    do their work; those of SHORTER for half a minute, as the run waits and does not need them.
    """
    tasks = [state for state in machine.states if state.type == "Task"]
    for state in tasks:
        if state.invokes_function and "Retry" not in state.body:
            yield f"{state.where}: has no Retry"
    pattern: State | None = None
    others: list[State] = []
    for state in tasks:
        if "Retry" not in state.body:
            continue
        problem = _retry_problem(state.body["Retry"])
        if problem:
            yield f"{state.where}: Retry {problem}"
        elif state.where in LONGER | SHORTER:
            others.append(state)
        elif pattern is None:
            pattern = state
        elif state.body["Retry"] != pattern.body["Retry"]:
            yield f"{state.where}: Retry differs from that of {pattern.where}"
    for state in others:
        if pattern and _without_ends(state.body["Retry"]) != _without_ends(pattern.body["Retry"]):
            yield f"{state.where}: Retry differs from that of {pattern.where}"


def _retry_problem(retry: list[JsonObject]) -> str | None:
    if len(retry) != len(RETRIED):
        return f"has {len(retry)} rules instead of {len(RETRIED)}"
    for rule, errors in zip(retry, RETRIED, strict=True):
        fields = set(rule)
        if RETRY_REQUIRED - fields:
            return f"lacks {', '.join(sorted(RETRY_REQUIRED - fields))}"
        if fields - RETRY_ALLOWED:
            return f"should not have {', '.join(sorted(fields - RETRY_ALLOWED))}"
        if tuple(rule["ErrorEquals"]) != errors:
            return f"must have ErrorEquals {', '.join(errors)}"
    if retry[0]["MaxAttempts"] != 0:
        return f"must not repeat {', '.join(NEVER_RETRIED)}"
    return None


def check_comments(machine: Machine) -> Iterator[str]:
    if not machine.body.get("Comment"):
        yield "machine: has no Comment"
    for state in machine.states:
        if state.type in COMMENTED_TYPES and not state.body.get("Comment"):
            yield f"{state.where}: a {state.type} state needs a Comment"


def check_secrets(machine: Machine) -> Iterator[str]:
    """Payloads are pointers and counts; whoever may read the history must find nothing else."""
    for state in machine.states:
        payload = {key: value for key, value in state.own_fields.items() if key != "Comment"}
        texts = [*_keys(payload), *(text for _, text in _strings(payload))]
        for text in sorted({text for text in texts if SECRET_NAME.search(text)}):
            yield f"{state.where}: {text} looks like a secret in a payload"


CHECKS: tuple[Check, ...] = (
    check_targets,
    check_names,
    check_reachable,
    check_ends,
    check_query_languages,
    check_fields_of_language,
    check_misplaced_fields,
    check_expressions,
    check_time_limits,
    check_retries,
    check_comments,
    check_secrets,
)


# The seam to the template and the tree


def check_substitutions(machine: Machine, declared: set[str]) -> Iterator[str]:
    """What the definition leaves open is just what the template fills in."""
    used = set(SUBSTITUTION.findall(machine.text))
    for name in sorted(used - declared):
        yield f"machine: ${{{name}}} is not among the template's DefinitionSubstitutions"
    for name in sorted(declared - used):
        yield f"machine: the template substitutes {name}, which is not used"


CARRIED_BY: Mapping[str, str] = {"ProcessSmallRun": "SubmitJobs"}
"""States that invoke the function of another verb, which does more there than in its own state."""


def check_verbs(machine: Machine, root: Path) -> Iterator[str]:
    """One verb, one name: state SubmitJobs, `${SubmitJobsFunctionArn}`, functions/submit_jobs,
    jobferry/steps/submit_jobs.py."""
    for state in machine.states:
        if not state.invokes_function:
            continue
        called = _function_name(state)
        name = CARRIED_BY.get(state.name, state.name)
        named = set(re.findall(r"\$\{(\w+)FunctionArn\}", str(called)))
        if name not in named or not named <= {name, f"{name}Large"}:
            yield f"{state.where}: invokes {called}, not ${{{name}FunctionArn}}"
        verb = _snake_case(name)
        for path in (
            f"functions/{verb}/app.py",
            f"layers/jobferry/jobferry/steps/{verb}.py",
        ):
            if not (root / path).is_file():
                yield f"{state.where}: {path} is missing"


def _function_name(state: State) -> str | None:
    arguments = state.body.get("Arguments", state.body.get("Parameters", {}))
    return arguments.get("FunctionName") if isinstance(arguments, dict) else None


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def declared_substitutions(template: JsonObject, root: Path, definition: Path) -> set[str]:
    """The names that the state machine with this definition file substitutes."""
    for resource in template.get("Resources", {}).values():
        properties = resource.get("Properties", {})
        uri = properties.get("DefinitionUri")
        if isinstance(uri, str) and (root / uri).resolve() == definition.resolve():
            return set(properties.get("DefinitionSubstitutions", {}))
    message = f"no state machine in the template has the DefinitionUri {definition}"
    raise UnreadableError(message)


def find_problems(definition: Path, template: Path) -> list[str]:
    """All problems, in the order of the rules; `UnreadableError` if nothing can be checked."""
    machine = read_machine(definition.read_text(encoding="utf-8"))
    root = template.resolve().parent
    parsed = yaml_parse(template.read_text(encoding="utf-8"))
    declared = declared_substitutions(parsed, root, definition)
    return [
        *(problem for check in CHECKS for problem in check(machine)),
        *check_substitutions(machine, declared),
        *check_verbs(machine, root),
    ]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Static check of a state machine.")
    parser.add_argument("definition", type=Path)
    parser.add_argument("--template", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        problems = find_problems(options.definition, options.template)
    except UnreadableError as error:
        problems = [str(error)]
    for problem in problems:
        print(f"{options.definition}: {problem}")
    if not problems:
        print(f"{options.definition}: no problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
