"""The state machine and `domain/routes.py` know the same words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from jobferry.domain.routes import CloseRoute, LaneRoute, OpenRoute, PlanRoute
from jobferry.scheduler.settings import USUAL
from tests.template.conftest import ROOT
from virtual.machine import template

DEFINITION = json.loads((ROOT / "statemachines" / "run.asl.json").read_text())

WAYS: dict[str, dict[StrEnum, str]] = {
    "IsRunOpen": {
        OpenRoute.OPEN: "AnnounceOpened",
        OpenRoute.RESUMED: "CloseRun",
        OpenRoute.UNUSABLE: "CloseRun",
        OpenRoute.DUPLICATE: "RunEnded",
        OpenRoute.IGNORED: "RunEnded",
        OpenRoute.REFUSED: "InputRefused",
    },
    "IsPlanned": {
        PlanRoute.PLANNING: "PlanRun",
        PlanRoute.PLANNED: "ProcessLanes",
        PlanRoute.SMALL: "ProcessSmallRun",
        PlanRoute.NOTHING_TO_SEND: "CloseRun",
        PlanRoute.UNUSABLE: "CloseRun",
    },
    "IsLaneDone": {
        LaneRoute.WORKING: "LaneIteration",
        LaneRoute.DONE: "LaneEnded",
        LaneRoute.RENEW: "LaneEnded",
    },
    "IsRunClosed": {
        CloseRoute.CLOSED: "AnnounceClosed",
        CloseRoute.CLOSING: "CloseRun",
        CloseRoute.LANES: "WaitForLanes",
        CloseRoute.PAUSED: "AnnouncePaused",
        CloseRoute.UNBALANCED: "RunUnbalanced",
    },
}
"""Choice state → word → the state after it."""

_WORD = re.compile(r"\$states\.input\.state = '(\w+)'")


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states with their names, those inside maps and branches too."""
    for name, state in definition["States"].items():
        yield name, state
        for inner in (state.get("ItemProcessor"), *state.get("Branches", ())):
            if inner is not None:
                yield from states(inner)


STATES = dict(states(DEFINITION))
CHOICES = {name: state for name, state in STATES.items() if state["Type"] == "Choice"}


def test_every_choice_has_its_words() -> None:
    assert CHOICES.keys() == WAYS.keys()


@pytest.mark.parametrize("choice", WAYS)
def test_every_word_of_a_step_has_its_way(choice: str) -> None:
    state = CHOICES[choice]
    ways = {_WORD.findall(c["Condition"])[0]: c["Next"] for c in state["Choices"]}
    assert {word: ways.get(word, state["Default"]) for word in WAYS[choice]} == WAYS[choice]


@pytest.mark.parametrize("choice", WAYS)
def test_no_condition_names_a_word_that_no_step_says(choice: str) -> None:
    (kind,) = {type(word) for word in WAYS[choice]}
    words = [word for c in CHOICES[choice]["Choices"] for word in _WORD.findall(c["Condition"])]
    assert len(words) == len(CHOICES[choice]["Choices"])
    assert set(words) <= {word.value for word in kind}
    assert set(WAYS[choice]) == set(kind)


def test_how_an_execution_ends() -> None:
    assert STATES["InputRefused"]["Type"] == "Fail"
    assert STATES["RunEnded"]["Type"] == "Succeed"


@pytest.mark.parametrize(
    ("age", "state", "following"),
    [
        (863_999.0, "lanes", "WaitForLanes"),
        (864_001.0, "lanes", "RunHandedOver"),
        (864_001.0, "closing", "CloseRun"),
        (864_001.0, "closed", "AnnounceClosed"),
        (864_001.0, "paused", "AnnouncePaused"),
    ],
)
def test_an_execution_ends_before_it_is_too_old(age: float, state: str, following: str) -> None:
    started, now = "2026-01-01T10:00:00.500Z", datetime(2026, 1, 1, 10, tzinfo=UTC)
    entered = (now + timedelta(seconds=age + 0.5)).isoformat(timespec="milliseconds")
    seen = {
        "input": {"state": state},
        "context": {
            "Execution": {"StartTime": started},
            "State": {"EnteredTime": entered.replace("+00:00", "Z")},
        },
    }
    choice = CHOICES["IsRunClosed"]
    ways = (c["Next"] for c in choice["Choices"] if template(c["Condition"])(seen))
    assert next(ways, choice["Default"]) == following
    assert STATES["RunHandedOver"]["Type"] == "Succeed"
    assert DEFINITION["TimeoutSeconds"] > 864_000 + 2 * USUAL.renew_seconds
