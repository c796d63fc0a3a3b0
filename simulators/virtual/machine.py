"""Run a state machine by its definition: the part of the States Language that ours uses.

The definition is compiled once. What is not known here is refused when it is compiled, so that a
state machine which grows cannot quietly mean something else in the tests than in AWS.

    machine = Machine(json.loads(path.read_text()))
    machine.carry_out({"detail": …}, host, "arn:of:the:execution")

Left out: the Catch of states other than tasks.
Specification: https://states-language.net/spec.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol

from jsonata import Jsonata

Json = Any
States = Mapping[str, Any]
"""What an expression sees as `$states`: input, result, context, errorOutput."""

Template = Callable[[States], Json]

DATA_LIMIT = "States.DataLimitExceeded"
RUNTIME = "States.Runtime"
TIMEOUT = "States.Timeout"
QUERY = "States.QueryEvaluationError"

TIMED_OUT = "TIMED_OUT"


class UnknownStateError(ValueError):
    """The definition uses something that is not known here."""


class ExecutionFailedError(Exception):
    """An execution, or a state of it, ended in failure. Its text is the error's name, or begins so.

    Args:
        error: its name in the words of Step Functions
    """

    def __init__(self, text: str, error: str = "") -> None:
        super().__init__(text)
        self.error = error or text


class ExecutionStoppedError(ExecutionFailedError):
    """The execution was stopped from outside: no state of it is tried again, and none caught."""


class ExecutionTimedOutError(ExecutionStoppedError):
    """The execution took longer than its definition allows."""


class _AbandonedError(ExecutionStoppedError):
    """Another branch beside this one has failed."""


class Host(Protocol):
    """What the machine runs on: a clock, and somebody who runs tasks."""

    def now(self) -> float: ...

    def until(self, moment: float) -> None: ...

    def parallel_map(
        self, work: Callable[[Any], Any], items: Sequence[Any], workers: int
    ) -> list[Any]: ...

    def task(self, name: str, payload: Json) -> Json:
        """Invoke a function, or call a service of SERVICES; the payload is the arguments' own."""
        ...

    def entering(self, name: str, payload: Json) -> None:
        """A state is entered."""
        ...

    def failed(self, name: str) -> None:
        """A task has failed, and is about to be tried again."""
        ...

    def jitter(self, longest: float) -> float:
        """How long to wait where the definition says up to `longest` seconds."""
        ...

    def child_failed(self, name: str) -> None:
        """A child execution of a map has failed, which the map tolerates."""
        ...


@dataclass
class Scope:
    """An execution, a branch or an iteration in flight.

    Attributes:
        over: what ends it from outside
    """

    host: Host
    context: Mapping[str, Any]
    deadline: float = float("inf")
    parent: Scope | None = None
    over: ExecutionStoppedError | None = None

    def inside(self, **context: Any) -> Scope:
        return Scope(self.host, {**self.context, **context}, self.deadline, self)

    def go_on(self) -> None:
        """Raise what ends this scope or one around it, if something does."""
        scope: Scope | None = self
        while scope is not None:
            if scope.over is not None:
                raise scope.over
            scope = scope.parent
        if self.host.now() >= self.deadline:
            raise ExecutionTimedOutError(TIMED_OUT)

    def wait(self, moment: float) -> None:
        self.host.until(min(moment, self.deadline))
        self.go_on()


class Machine:
    """A compiled definition.

    Raises:
        UnknownStateError: it uses what is not known here.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        _only(definition, "the machine", "Comment", "StartAt", "States", "TimeoutSeconds")
        self._states = _Chain(definition)
        self.timeout = float(definition.get("TimeoutSeconds", "inf"))

    def execute(self, payload: Json, host: Host, execution: str) -> Json:
        """One execution, from its first state to its last; returns the output of the last one.

        Raises:
            ExecutionFailedError: a state failed for good, or a Fail state was reached.
            ExecutionTimedOutError: it took too long.
        """
        started = {"Id": execution, "Input": payload, "StartTime": _time(host.now())}
        context = {"Execution": started}
        return self._states.run(payload, Scope(host, context, host.now() + self.timeout))


class _Chain:
    """States of one level, from `StartAt` on."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._first = definition["StartAt"]
        self._states = {name: _compiled(name, body) for name, body in definition["States"].items()}
        for name, state in self._states.items():
            missing = set(state.targets) - self._states.keys()
            if missing:
                raise UnknownStateError(f"{name} leads to {missing}, which is not there")

    def run(self, payload: Json, scope: Scope) -> Json:
        following: str | None = self._first
        while following is not None:
            scope.go_on()
            state = self._states[following]
            scope.host.entering(following, payload)
            payload, following = state.run(payload, scope)
        return payload


@dataclass
class _State:
    """One state of any type.

    Attributes:
        run: (input, scope) → output, and the name of the next state or None
    """

    name: str
    body: Mapping[str, Any]
    targets: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        """Compile the body."""
        raise NotImplementedError

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        raise NotImplementedError

    @property
    def following(self) -> str | None:
        return self.body.get("Next")

    def output(self, payload: Json, scope: Scope, result: Json) -> Json:
        """As `Output` says, or what came of the state as it is."""
        if "Output" not in self.body:
            return result
        states = {"input": payload, "result": result, "context": scope.context}
        return template(self.body["Output"])(states)


def _compiled(name: str, body: Mapping[str, Any]) -> _State:
    kinds: dict[str, type[_State]] = {
        "Task": _Task,
        "Choice": _Choice,
        "Wait": _Wait,
        "Pass": _Pass,
        "Succeed": _Succeed,
        "Fail": _Fail,
        "Map": _Map,
        "Parallel": _Parallel,
    }
    if body["Type"] not in kinds:
        raise UnknownStateError(f"{name} is a {body['Type']}")
    targets = [body[key] for key in ("Next", "Default") if key in body]
    targets += [rule["Next"] for key in ("Choices", "Catch") for rule in body.get(key, ())]
    state = kinds[body["Type"]](name, body, targets)
    ends = body["Type"] in ("Succeed", "Fail", "Choice") or body.get("End", False)
    if not ends and "Next" not in body:
        raise UnknownStateError(f"{name} leads nowhere")
    return state


_ALWAYS = ("Type", "Comment", "QueryLanguage")
_ONWARD = (*_ALWAYS, "Next", "End")

_FUNCTION = re.compile(r"\$\{(\w+)FunctionArn\}")

SERVICES = {"events:putEvents": "putEvents", "sqs:sendMessage": "sendMessage"}
"""What tasks call besides functions, by resource."""


class _Task(_State):
    """Invokes a function, with retries; or puts events."""

    def __post_init__(self) -> None:
        _only(
            self.body,
            self.name,
            *(*_ONWARD, "Resource", "Arguments", "Output", "TimeoutSeconds", "Retry", "Catch"),
            jsonata=True,
        )
        arguments = self.body["Arguments"]
        resource = self.body["Resource"].removeprefix("arn:${Partition}:states:::")
        if resource == "lambda:invoke":
            _only(arguments, self.name, "FunctionName", "Payload")
            if not _FUNCTION.search(arguments["FunctionName"]):
                raise UnknownStateError(f"{self.name} invokes {arguments['FunctionName']}")
            self._named = template(arguments["FunctionName"])
            self._arguments = template(arguments["Payload"])
        elif resource in SERVICES:
            self._named = template(SERVICES[resource])
            self._arguments = template(arguments)
        else:
            raise UnknownStateError(f"{self.name} uses {self.body['Resource']}")
        self._retries = [_Retrier(self.name, each) for each in self.body.get("Retry", ())]
        self._timeout = self.body.get("TimeoutSeconds", float("inf"))
        for catcher in self.body.get("Catch", ()):
            _only(catcher, self.name, "ErrorEquals", "Next", "Output")

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        states = {"input": payload, "context": scope.context}
        arguments = self._arguments(states)
        tried = [0] * len(self._retries)
        while True:
            scope.go_on()
            try:
                result = self._tried(states, arguments, scope)
            except ExecutionStoppedError:
                raise
            except Exception as error:  # noqa: BLE001 - by the error's name, as Retry and Catch say
                failure = error
            else:
                return self.output(payload, scope, result), self.following
            name = error_name(failure)
            at = next((i for i, r in enumerate(self._retries) if r.fits(name)), None)
            if at is None or tried[at] >= self._retries[at].most:
                return self._caught(name, failure, payload)
            scope.wait(scope.host.now() + self._retries[at].delay(tried[at], scope.host))
            tried[at] += 1
            scope.host.failed(self.name)

    def _tried(self, states: States, arguments: Json, scope: Scope) -> Json:
        named = str(self._named(states))
        found = _FUNCTION.fullmatch(named)
        function = named if found is None else found[1]
        began = scope.host.now()
        result = scope.host.task(function, arguments)
        if scope.host.now() - began > self._timeout:
            # In AWS the function goes on beside the next try; duplicate deliveries show that.
            raise ExecutionFailedError(f"{self.name}: {TIMEOUT}", TIMEOUT)
        if function in SERVICES.values():
            return result
        return {"Payload": result, "StatusCode": 200}

    def _caught(self, name: str, failure: Exception, payload: Json) -> tuple[Json, str | None]:
        for catcher in self.body.get("Catch", ()):
            if _matches(catcher["ErrorEquals"], name):
                error = {"Error": name, "Cause": str(failure)}
                states = {"input": payload, "errorOutput": error}
                output = template(catcher["Output"])(states) if "Output" in catcher else error
                return output, catcher["Next"]
        raise ExecutionFailedError(f"{self.name}: {failure}", name) from failure


class _Retrier:
    def __init__(self, state: str, body: Mapping[str, Any]) -> None:
        _only(
            body,
            state,
            *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds"),
            "JitterStrategy",
        )
        self._errors = body["ErrorEquals"]
        self._first = float(body.get("IntervalSeconds", 1))
        self._rate = float(body.get("BackoffRate", 2.0))
        self._longest = float(body.get("MaxDelaySeconds", "inf"))
        self._jitters = body.get("JitterStrategy") == "FULL"
        self.most = int(body.get("MaxAttempts", 3))

    def fits(self, error: str) -> bool:
        return _matches(self._errors, error)

    def delay(self, tried: int, host: Host) -> float:
        longest = min(self._longest, self._first * self._rate ** min(tried, 50))
        return host.jitter(longest) if self._jitters else longest


def error_name(error: Exception) -> str:
    """As Step Functions calls what a task failed with: a function's exception by its class."""
    return error.error if isinstance(error, ExecutionFailedError) else type(error).__name__


def _matches(wanted: Sequence[str], error: str) -> bool:
    if error in wanted:
        return True
    if error in (DATA_LIMIT, RUNTIME):
        return False
    return "States.ALL" in wanted or ("States.TaskFailed" in wanted and error != TIMEOUT)


class _Choice(_State):
    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ALWAYS, "Choices", "Default", jsonata=True)
        for rule in self.body["Choices"]:
            _only(rule, self.name, "Condition", "Next")
        self._rules = [(template(r["Condition"]), r["Next"]) for r in self.body["Choices"]]

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        entered = {"Name": self.name, "EnteredTime": _time(scope.host.now())}
        states = {"input": payload, "context": {**scope.context, "State": entered}}
        for condition, following in self._rules:
            holds = condition(states)
            if not isinstance(holds, bool):
                raise ExecutionFailedError(f"{self.name}: a condition gives {holds!r}", QUERY)
            if holds:
                return payload, following
        if "Default" not in self.body:
            raise ExecutionFailedError("States.NoChoiceMatched")
        return payload, self.body["Default"]


class _Wait(_State):
    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ONWARD, "Timestamp", "Seconds", jsonata=True)
        self._at, self._seconds = (
            template(self.body[key]) if key in self.body else None
            for key in ("Timestamp", "Seconds")
        )
        if (self._at is None) == (self._seconds is None):
            raise UnknownStateError(f"{self.name} waits for nothing, or for two things")

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        states = {"input": payload, "context": scope.context}
        if self._at is not None:
            moment = _moment(self.name, self._at(states))
        else:
            assert self._seconds is not None
            moment = scope.host.now() + float(self._seconds(states))
        scope.wait(moment)
        return payload, self.following


def _time(moment: float) -> str:
    """A moment (epoch seconds) as the context has it."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _moment(state: str, text: Json) -> float:
    if not isinstance(text, str) or not _RFC3339.fullmatch(text):
        raise ExecutionFailedError(f"{state}: {text!r} is no moment", RUNTIME)
    return datetime.fromisoformat(text).timestamp()


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class _Pass(_State):
    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ONWARD, "Output", jsonata=True)

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        return self.output(payload, scope, payload), self.following


class _Succeed(_State):
    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ALWAYS, "Output")

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        return self.output(payload, scope, payload), None


class _Fail(_State):
    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ALWAYS, "Error", "Cause")

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        raise ExecutionFailedError(str(self.body["Error"]))


class _Map(_State):
    """Iterations side by side: child executions (distributed), or part of this one (inline)."""

    def __post_init__(self) -> None:
        processor = self.body["ItemProcessor"]
        self._inline = processor["ProcessorConfig"]["Mode"] == "INLINE"
        _only(processor, self.name, "ProcessorConfig", "StartAt", "States")
        self._states = _Chain(processor)
        usual = (*_ONWARD, "ItemProcessor", "ItemSelector", "MaxConcurrency")
        if self.body.get("QueryLanguage") == "JSONata":
            _only(self.body, self.name, *usual, "Items", "ToleratedFailurePercentage", "Label")
            self._items = template(self.body["Items"])
            self._select = template(self.body.get("ItemSelector", VALUE))
            return
        _only(
            self.body,
            self.name,
            *(*usual, "ItemsPath", "ToleratedFailurePercentage", "Label", "ResultPath"),
        )
        if "ResultPath" in self.body and self.body["ResultPath"] is not None:
            raise UnknownStateError(f"{self.name}: ResultPath is not null")
        self._items = json_path(self.body["ItemsPath"])
        self._select = selector(self.body["ItemSelector"])

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        items = self._items({"input": payload, "context": scope.context})
        if not isinstance(items, list):
            raise ExecutionFailedError(f"{self.name}: the items are no list", RUNTIME)
        tolerated = self.body.get("ToleratedFailurePercentage", 0) >= 100

        def run_item(pair: tuple[int, Json]) -> Json:
            index, item = pair
            inner = scope.inside(Map={"Item": {"Index": index, "Value": item}})
            chosen = self._select({"input": payload, "context": inner.context})
            try:
                return self._states.run(chosen, inner)
            except ExecutionStoppedError:
                raise
            except ExecutionFailedError as error:
                if not tolerated:
                    scope.over = scope.over or _AbandonedError(str(error), error.error)
                    raise
                scope.host.child_failed(self.name)
                return {"Error": error.error}

        most = self.body.get("MaxConcurrency", 0) or len(items)
        results = _beside(scope, run_item, list(enumerate(items)), most)
        keeps_input = "ResultPath" in self.body
        return payload if keeps_input else results, self.following


class _Parallel(_State):
    """Branches side by side; when one fails, the others go no further."""

    def __post_init__(self) -> None:
        _only(self.body, self.name, *_ONWARD, "Branches", "OutputPath", jsonata=False)
        for branch in self.body["Branches"]:
            _only(branch, self.name, "StartAt", "States")
        self._branches = [_Chain(branch) for branch in self.body["Branches"]]
        self._output = json_path(self.body.get("OutputPath", "$"))

    def run(self, payload: Json, scope: Scope) -> tuple[Json, str | None]:
        inner = scope.inside()

        def run_branch(branch: _Chain) -> Json:
            try:
                return branch.run(payload, inner)
            except ExecutionStoppedError:
                raise
            except ExecutionFailedError as error:
                inner.over = inner.over or _AbandonedError(str(error), error.error)
                raise

        results = _beside(inner, run_branch, self._branches, len(self._branches))
        return self._output({"input": results}), self.following


def _beside(
    scope: Scope, work: Callable[[Any], Json], items: Sequence[Any], most: int
) -> list[Json]:
    """Work side by side; raises what failed, not that others were abandoned for it."""
    failures: list[ExecutionFailedError] = []

    def run_item(item: Any) -> Json:
        try:
            return work(item)
        except ExecutionFailedError as error:
            failures.append(error)
            return None

    one = len(items) == 1
    results = [run_item(items[0])] if one else scope.host.parallel_map(run_item, items, most)
    real = [each for each in failures if not isinstance(each, _AbandonedError)]
    if failures:
        raise (real or failures)[0]
    return results


# expressions and paths

VALUE = "{% $states.context.Map.Item.Value %}"


def template(value: Json) -> Template:
    """A JSONata template: every text `{% … %}` in it is an expression."""
    if isinstance(value, str):
        found = re.fullmatch(r"\{%(.*)%\}", value, re.DOTALL)
        return (lambda _states: value) if found is None else expression(found[1].strip())
    if isinstance(value, Mapping):
        parts = {key: template(inner) for key, inner in value.items()}
        return lambda states: {key: part(states) for key, part in parts.items()}
    if isinstance(value, list):
        inner = [template(each) for each in value]
        return lambda states: [part(states) for part in inner]
    return lambda _states: value


_PATH = re.compile(r"\$states((?:\.\w+)+)")
_EQUALS = re.compile(r"(\$states(?:\.\w+)+) = '([^']*)'")


@cache
def expression(text: str) -> Template:
    """One JSONata expression. Plain paths, alone or compared with a text, are by far the most
    common, and are read directly: that takes a fiftieth of the time."""
    if found := _PATH.fullmatch(text):
        return _reader(text, found[1][1:].split("."))
    if found := _EQUALS.fullmatch(text):
        left, right = _reader(text, found[1].split(".")[1:], or_none=True), found[2]
        return lambda states: left(states) == right
    return evaluated(text)


@cache
def evaluated(text: str) -> Template:
    """As the language's own interpreter evaluates it."""
    parsed = Jsonata(text)

    def read(states: States) -> Json:
        frame = parsed.create_frame()
        frame.bind("states", states)
        found = parsed.evaluate(None, frame)
        if found is None:
            raise ExecutionFailedError(f"{text} gives nothing", QUERY)
        return found

    return read


def _reader(text: str, names: Sequence[str], *, or_none: bool = False) -> Template:
    def read(states: States) -> Json:
        value: Json = states
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                if or_none:
                    return None
                raise ExecutionFailedError(f"{text} gives nothing", QUERY)
            value = value[name]
        return value

    return read


@cache
def json_path(path: str) -> Template:
    """A JSONPath of names and positions: `$.lanes`, `$[0]`, or into the context by `$$.`."""
    if not re.fullmatch(r"\$\$?((\.\w+)|(\[\d+\]))*", path):
        raise UnknownStateError(f"the path {path}")
    root = "context" if path.startswith("$$") else "input"
    steps = [int(n) if n else name for name, n in re.findall(r"\.(\w+)|\[(\d+)\]", path)]

    def read(states: States) -> Json:
        value = states[root]
        try:
            for step in steps:
                value = value[step]
        except (KeyError, IndexError, TypeError):
            raise ExecutionFailedError(f"{path} leads nowhere", RUNTIME) from None
        return value

    return read


def selector(body: Mapping[str, Any]) -> Template:
    """A JSONPath payload template of one level: names that end in `.$` hold paths."""
    parts: dict[str, Template] = {}
    for key, value in body.items():
        if key.endswith(".$"):
            parts[key[:-2]] = json_path(value)
        elif isinstance(value, Mapping):
            raise UnknownStateError(f"{key} is an object in a selector")
        else:
            parts[key] = template(value)
    return lambda states: {key: part(states) for key, part in parts.items()}


def _only(body: Mapping[str, Any], where: str, *known: str, jsonata: bool | None = None) -> None:
    unknown = set(body) - set(known)
    if unknown:
        raise UnknownStateError(f"{where}: {', '.join(sorted(unknown))}")
    language = {True: "JSONata", False: "JSONPath"}.get(jsonata)  # type: ignore[arg-type]
    if language is not None and body.get("QueryLanguage") != language:
        raise UnknownStateError(f"{where} is not written in {language}")
