"""State transitions of an execution, as AWS bills them: every state entered, and every retry."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Event = Mapping[str, Any]
States = Mapping[str, Mapping[str, Any]]
Definition = Mapping[str, Any]


def transitions_of(events: Iterable[Event]) -> int:
    """Counted from a history that tells of every state."""
    kinds = Counter(event["type"] for event in events)
    entered = sum(count for kind, count in kinds.items() if kind.endswith("StateEntered"))
    return entered + max(0, kinds["TaskScheduled"] - kinds["TaskStateEntered"])


def lane_transitions(lane: Definition, events: Sequence[Event]) -> int:
    """Counted from a lane's history, which on the emulator tells of tasks alone.

    lane  the definition of a lane: a loop that takes the same states on every turn; tasks of its
          inner map hand no lane on
    """
    if any(event["type"].endswith("StateEntered") for event in events):
        return transitions_of(events)
    answers: list[Mapping[str, Any]] = [
        json.loads(event["taskSucceededEventDetails"]["output"])["Payload"]
        for event in events
        if event["type"] == "TaskSucceeded"
    ]
    tasks = sum("lane" in answer for answer in answers)
    in_maps = len(answers) - tasks
    retries: int = sum(event["type"] == "TaskFailed" for event in events)
    states, start = lane["States"], lane["StartAt"]
    turn = _counted(states, _way(states, start, {start})[:-1])
    last = _counted(states, _way(states, start, _ends(states)))
    turns = (tasks - last.tasks) // turn.tasks
    return turns * turn.states + last.states + in_maps + retries


class _Counts(NamedTuple):
    states: int
    tasks: int


def _counted(states: States, way: Iterable[str]) -> _Counts:
    """The states of a way, and those of all branches at once that begin on it."""
    entered = tasks = 0
    for state in map(states.__getitem__, way):
        entered += 1
        tasks += state["Type"] == "Task"
        for branch in state.get("Branches", ()):
            inner = branch["States"]
            counts = _counted(inner, _way(inner, branch["StartAt"], _ends(inner)))
            entered += counts.states
            tasks += counts.tasks
    return _Counts(entered, tasks)


def _ends(states: States) -> set[str]:
    return {
        name
        for name, state in states.items()
        if state["Type"] in {"Succeed", "Fail"} or state.get("End")
    }


def _way(states: States, start: str, targets: Collection[str]) -> list[str]:
    """The shortest way of at least one step to a target, both ends included; or just the start."""
    seen: set[str] = set()
    ahead = deque([[start]])
    while ahead:
        way = ahead.popleft()
        for following in _following(states[way[-1]]):
            if following in targets:
                return [*way, following]
            if following not in seen:
                seen.add(following)
                ahead.append([*way, following])
    return [start]


def _following(state: Mapping[str, Any]) -> Iterator[str]:
    rules = (state, *state.get("Choices", ()))
    yield from (rule[name] for rule in rules for name in ("Next", "Default") if name in rule)
