"""The interpreter of the state machine: the deployed definition, and what it must refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from virtual.machine import (
    DATA_LIMIT,
    ExecutionFailedError,
    ExecutionStoppedError,
    ExecutionTimedOutError,
    Machine,
    UnknownStateError,
    evaluated,
    expression,
)
from virtual.world import DEFINITION

Json = Any


@dataclass
class Host:
    """Tasks as the test says, one after the other, on a clock of its own."""

    answers: Callable[[str, Json], Json] = lambda _name, payload: payload
    clock: float = 0.0
    asked: list[tuple[str, Json]] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)
    children_failed: int = 0

    def now(self) -> float:
        return self.clock

    def until(self, moment: float) -> None:
        self.clock = max(self.clock, moment)

    def parallel_map(
        self, work: Callable[[Any], Any], items: Sequence[Any], _workers: int
    ) -> list[Any]:
        return [work(item) for item in items]

    def task(self, name: str, payload: Json) -> Json:
        self.asked.append((name, payload))
        return self.answers(name, payload)

    def entering(self, name: str, _payload: Json) -> None:
        self.entered.append(name)

    def failed(self, _name: str) -> None:
        """The next try is told by `asked`."""

    def jitter(self, longest: float) -> float:
        return longest

    def child_failed(self, _name: str) -> None:
        self.children_failed += 1


RETRY = {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2.0}
PASSED_ON = {"Type": "Task", "QueryLanguage": "JSONata", "Output": "{% $states.result.Payload %}"}


def task(**body: Any) -> dict[str, Any]:
    return {
        **PASSED_ON,
        "Resource": "arn:${Partition}:states:::lambda:invoke",
        "Arguments": {"FunctionName": "${WorkFunctionArn}", "Payload": "{% $states.input %}"},
        "End": True,
        **body,
    }


def machine(first: str = "First", timeout: float | None = None, **states: Json) -> Machine:
    limit = {} if timeout is None else {"TimeoutSeconds": timeout}
    return Machine({"StartAt": first, "States": states, **limit})


def failing(*errors: Exception) -> Callable[[str, Json], Json]:
    left = list(errors)

    def answer(_name: str, payload: Json) -> Json:
        if left:
            raise left.pop(0)
        return payload

    return answer


def test_the_deployed_definition_is_understood() -> None:
    Machine(json.loads(DEFINITION.read_text()))


def _expressions(value: Json) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _expressions(inner)
    elif isinstance(value, str) and value.startswith("{%"):
        yield value[2:-2].strip()


@pytest.mark.parametrize("text", sorted(set(_expressions(json.loads(DEFINITION.read_text())))))
@pytest.mark.parametrize("state", ["open", "working", "closed", None])
def test_what_is_read_directly_is_what_the_language_says(text: str, state: str | None) -> None:
    inner = {name: name for name in ("run_id", "wait_until", "error")}
    event = {"status": "completed", "outcomes": {"failed": 1}}
    states = {
        "input": {**inner, "state": state, "settle": [[1], [2]], "event": event},
        "result": {"Payload": {"state": state}},
        "context": {
            "Execution": {"Id": "arn", "StartTime": "now", "Input": {"profile": "p"}},
            "Map": {"Item": {"Value": [1, 2]}},
        },
        "errorOutput": {"Error": "SomeError"},
    }
    assert expression(text)(states) == evaluated(text)(states)


@pytest.mark.parametrize("text", ["$states.input.nothing", "$states.result", "$count($states)[9]"])
def test_an_expression_that_gives_nothing_fails(text: str) -> None:
    with pytest.raises(ExecutionFailedError):
        expression(text)({"input": {}})


@pytest.mark.parametrize(
    "body",
    [
        {"Type": "Activity"},
        task(HeartbeatSeconds=3),
        task(Resource="arn:${Partition}:states:::sqs:deleteMessage"),
        task(Retry=[{**RETRY, "Longer": 1}]),
        task(QueryLanguage="JSONPath"),
        {"Type": "Wait", "QueryLanguage": "JSONata", "End": True},
        {"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": 1},
        {"Type": "Choice", "QueryLanguage": "JSONata", "Choices": [{"And": [], "Next": "First"}]},
        {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"a": 1}, "End": True},
        {"Type": "Parallel", "QueryLanguage": "JSONPath", "Branches": [], "ResultPath": "$.a"},
    ],
)
def test_what_is_not_known_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UnknownStateError):
        machine(First=body)


def test_a_state_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(UnknownStateError, match="Gone"):
        machine(First={"Type": "Pass", "QueryLanguage": "JSONata", "Next": "Gone"})


def test_a_failed_task_is_tried_again_later_and_later() -> None:
    host = Host(failing(ValueError("1"), KeyError("2")))
    assert machine(First=task(Retry=[RETRY])).execute({"a": 1}, host, "arn") == {"a": 1}
    assert (len(host.asked), host.clock) == (3, 2.0 + 4.0)


def test_the_longest_wait_between_tries_is_kept() -> None:
    host = Host(failing(*[ValueError("no")] * 3))
    machine(First=task(Retry=[{**RETRY, "MaxDelaySeconds": 3}])).execute({}, host, "arn")
    assert host.clock == 2.0 + 3.0 + 3.0


def test_tries_come_to_an_end() -> None:
    host = Host(failing(*[ValueError("no")] * 9))
    with pytest.raises(ExecutionFailedError) as failed:
        machine(First=task(Retry=[RETRY])).execute({}, host, "arn")
    assert (len(host.asked), failed.value.error) == (4, "ValueError")


def test_only_the_errors_that_are_named_are_tried_again() -> None:
    host = Host(failing(KeyError("no")))
    retry = {**RETRY, "ErrorEquals": ["ValueError"]}
    with pytest.raises(ExecutionFailedError):
        machine(First=task(Retry=[retry])).execute({}, host, "arn")
    assert len(host.asked) == 1


def test_an_answer_that_is_too_large_is_not_asked_for_again() -> None:
    host = Host(failing(ExecutionFailedError("too large", DATA_LIMIT)))
    with pytest.raises(ExecutionFailedError):
        machine(First=task(Retry=[RETRY])).execute({}, host, "arn")
    assert len(host.asked) == 1


def test_what_fails_for_good_is_caught_by_its_name() -> None:
    catch = [{"ErrorEquals": ["KeyError"], "Next": "Second"}]
    host = Host(failing(KeyError("gone")))
    caught = machine(First=task(Catch=catch), Second={"Type": "Succeed"})
    assert caught.execute({}, host, "arn") == {"Error": "KeyError", "Cause": "'gone'"}


def test_a_task_that_takes_too_long_is_tried_again() -> None:
    host = Host()
    durations = [10.0, 1.0]

    def slow(_name: str, payload: Json) -> Json:
        host.clock += durations.pop(0)
        return payload

    host.answers = slow
    machine(First=task(Retry=[RETRY], TimeoutSeconds=5)).execute({}, host, "arn")
    assert len(host.asked) == 2


def test_an_execution_that_is_stopped_tries_nothing_again() -> None:
    host = Host(failing(ExecutionStoppedError("arn")))
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Second"}]
    stopped = machine(First=task(Retry=[RETRY], Catch=catch), Second={"Type": "Succeed"})
    with pytest.raises(ExecutionStoppedError):
        stopped.execute({}, host, "arn")
    assert (len(host.asked), host.entered) == (1, ["First"])


def test_an_execution_ends_when_its_time_is_up() -> None:
    wait = {"Type": "Wait", "QueryLanguage": "JSONata", "Seconds": 60, "Next": "Second"}
    host = Host()
    with pytest.raises(ExecutionTimedOutError):
        machine(First=wait, Second={"Type": "Succeed"}, timeout=30).execute({}, host, "arn")
    assert (host.clock, host.entered) == (30.0, ["First"])


@pytest.mark.parametrize(
    ("seen", "clock"), [("1970-01-01T00:01:00.500Z", 60.5), ("1969-12-31T23:00:00Z", 0.0)]
)
def test_a_wait_ends_at_its_moment(seen: str, clock: float) -> None:
    wait = {"Type": "Wait", "QueryLanguage": "JSONata", "Timestamp": "{% $states.input.at %}"}
    host = Host()
    machine(First={**wait, "End": True}).execute({"at": seen}, host, "arn")
    assert host.clock == clock


@pytest.mark.parametrize("at", ["", None, "tomorrow", "2026-01-01"])
def test_a_wait_for_what_is_no_moment_fails(at: str | None) -> None:
    wait = {"Type": "Wait", "QueryLanguage": "JSONata", "Timestamp": "{% $states.input.at %}"}
    with pytest.raises(ExecutionFailedError):
        machine(First={**wait, "End": True}).execute({"at": at}, Host(), "arn")


def distributed(**body: Any) -> dict[str, Any]:
    return {
        "Type": "Map",
        "QueryLanguage": "JSONPath",
        "ItemsPath": "$.lanes",
        "ItemSelector": {"run.$": "$.run", "lane.$": "$$.Map.Item.Value", "settle": []},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {"Work": task()},
        },
        "ResultPath": None,
        "End": True,
        **body,
    }


def test_a_map_hands_each_item_on_and_keeps_its_input() -> None:
    host, given = Host(), {"run": "r", "lanes": [0, 1]}
    assert machine(First=distributed()).execute(given, host, "arn") == given
    assert host.asked == [("Work", {"run": "r", "lane": lane, "settle": []}) for lane in (0, 1)]


def test_failures_that_a_map_tolerates_do_not_end_it() -> None:
    host = Host(failing(ValueError("no")))
    tolerant = machine(First=distributed(ToleratedFailurePercentage=100))
    tolerant.execute({"run": "r", "lanes": [0, 1]}, host, "arn")
    assert (host.children_failed, len(host.asked)) == (1, 2)


def test_a_failure_that_a_map_does_not_tolerate_ends_it() -> None:
    host = Host(failing(ValueError("no")))
    with pytest.raises(ExecutionFailedError, match="no"):
        machine(First=distributed()).execute({"run": "r", "lanes": [0, 1]}, host, "arn")


def test_a_branch_that_fails_takes_the_others_along() -> None:
    host = Host(failing(ValueError("no")))
    branches = [
        {"StartAt": "Bad", "States": {"Bad": task()}},
        {"StartAt": "Good", "States": {"Good": task()}},
    ]
    both = {"Type": "Parallel", "QueryLanguage": "JSONPath", "Branches": branches, "End": True}
    with pytest.raises(ExecutionFailedError, match="no"):
        machine(First=both).execute({}, host, "arn")
    assert host.entered == ["First", "Bad"]


def test_a_parallel_state_gives_what_its_path_chooses() -> None:
    branches = [
        {"StartAt": "One", "States": {"One": task(Output={"n": 1})}},
        {"StartAt": "Two", "States": {"Two": task(Output={"n": 2})}},
    ]
    both = {"Type": "Parallel", "QueryLanguage": "JSONPath", "Branches": branches, "End": True}
    assert machine(First={**both, "OutputPath": "$[1]"}).execute({}, Host(), "arn") == {"n": 2}


@pytest.mark.parametrize(("state", "end"), [("a", "A"), ("b", "B"), ("c", "Other")])
def test_a_choice_takes_the_first_rule_that_holds(state: str, end: str) -> None:
    rules = [
        {"Condition": "{% $states.input.state = 'a' %}", "Next": "A"},
        {"Condition": "{% $states.input.state = 'b' %}", "Next": "B"},
    ]
    choice = {"Type": "Choice", "QueryLanguage": "JSONata", "Choices": rules, "Default": "Other"}
    ends = {name: {"Type": "Succeed"} for name in ("A", "B", "Other")}
    host = Host()
    machine(First=choice, **ends).execute({"state": state}, host, "arn")
    assert host.entered == ["First", end]


def test_a_fail_state_fails_by_its_name() -> None:
    with pytest.raises(ExecutionFailedError, match=r"^Wrong$"):
        machine(First={"Type": "Fail", "Error": "Wrong"}).execute({}, Host(), "arn")
