"""What the functions of a state machine answer, one scenario at a time, and what was asked."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from jobferry.domain.routes import LaneRoute
from jobferry.lane.state import LaneState

PUT_EVENTS = "putEvents"
SEND_MESSAGE = "sendMessage"
SERVICES: Mapping[str, Mapping[str, Any]] = {
    PUT_EVENTS: {"FailedEntryCount": 0},
    SEND_MESSAGE: {"MessageId": "message-1"},
}
"""What states call besides functions, and what is answered unless a scenario says otherwise."""

FAILED_ENTRY = "EventBridge.FailedEntry"
THROTTLED = "Lambda.TooManyRequestsException"

PAST = "2020-01-01T00:00:00.123Z"
"""When lanes and steps say to go on: no engine has to wait for it."""

Payload = dict[str, Any]


class StepError(Exception):
    """A task fails. `error` is its name as Step Functions tells it.

    The class of the exception that a function raised, or `Lambda.…` for what Lambda itself says.
    """

    def __init__(self, error: str) -> None:
        super().__init__(f"{error}, as the script says")
        self.error = error


Answer = Mapping[str, Any] | StepError
Answers = Sequence[Answer] | Callable[[Payload], Answer]


class Script:
    """The answers of each step: in the order of its calls, or by what it is called with.

    Safe to share between the threads of an engine. A step that the scenario does not know, or that
    is called once too often, fails with an error that says so.
    """

    def __init__(self, **steps: Answers) -> None:
        self._steps = steps
        self._lock = Lock()
        self._calls: dict[str, list[Payload]] = defaultdict(list)
        self.order: list[str] = []

    def answer(self, step: str, payload: Payload) -> Payload:
        """One invocation; what goes in and comes out goes through JSON.

        Raises:
            StepError: the step fails.
        """
        with self._lock:
            number = len(self._calls[step])
            self._calls[step].append(json.loads(json.dumps(payload)))
            self.order.append(step)
        answers = self._steps.get(step, (lambda _: SERVICES[step]) if step in SERVICES else ())
        if callable(answers):
            answer = answers(payload)
        elif number < len(answers):
            answer = answers[number]
        else:
            answer = StepError(f"CalledOnceTooOften.{step}")
        if isinstance(answer, StepError):
            raise answer
        document: Payload = json.loads(json.dumps(answer))
        return document

    def calls(self, step: str) -> list[Payload]:
        """The payloads of a step's calls, in the order in which they came."""
        return self._calls[step]

    def of_lane(self, step: str, lane: int) -> list[Payload]:
        return [payload for payload in self._calls[step] if payload["lane"] == lane]

    @property
    def announced(self) -> list[tuple[str, str, Payload]]:
        """Source, type and detail of each event, also of those that failed."""
        return [
            (entry["Source"], entry["DetailType"], _object(entry["Detail"]))
            for payload in self._calls[PUT_EVENTS]
            for entry in payload["Entries"]
        ]


def _object(detail: Any) -> Payload:
    """AWS turns an event's detail into text on its way."""
    document: Payload = json.loads(detail) if isinstance(detail, str) else detail
    return document


@dataclass
class Ended:
    """How an execution ended.

    waits         seconds between the tries of failed tasks
    lanes_failed  child executions of the Distributed Map that failed
    """

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None
    waits: list[float] = field(default_factory=list)
    lanes_failed: int = 0


class Engine(Protocol):
    """Something that runs the deployed state machine."""

    def execute(self, script: Script, given: Any) -> Ended:
        """One execution with this input, to its end."""
        ...


class Lanes:
    """The steps of lanes that work off what they are told.

    Args:
        iterations: lane → the groups of chunks that each poll finds finished. With the last
            one the lane ends.
        ends: lane → how it ends, `done` where nothing is said.
    """

    def __init__(
        self,
        iterations: Mapping[int, Sequence[Sequence[Sequence[int]]]],
        ends: Mapping[int, str] | None = None,
    ) -> None:
        self._iterations = iterations
        self._ends = ends or {}

    def submit(self, payload: Payload) -> Answer:
        state = LaneState.from_payload(payload)
        return state.then(settling=state.settle, settle=(), wait_until=PAST).to_payload()

    def poll(self, payload: Payload) -> Answer:
        state = LaneState.from_payload(payload)
        iterations = self._iterations[state.lane]
        groups = tuple(tuple(group) for group in iterations[state.iteration])
        last = state.iteration + 1 == len(iterations)
        ends = self._ends.get(state.lane, LaneRoute.DONE)
        return state.then(
            iteration=state.iteration + 1,
            settle=groups,
            settling=(),
            last_polled_at=1_600_000_000.25 + state.iteration,
            state=ends if last else state.state,
        ).to_payload()
