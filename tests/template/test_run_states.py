"""The state machine knows what its steps answer."""

from __future__ import annotations

import json

from jobferry.steps import close_run, open_run
from tests.template.conftest import ROOT

STATES = json.loads((ROOT / "statemachines" / "run.asl.json").read_text())["States"]


def following(choice: str, answer: str) -> str:
    """The state after a choice, for an answer of the step before it."""
    condition = f"{{% $states.input.state = '{answer}' %}}"
    found = [c["Next"] for c in STATES[choice]["Choices"] if c["Condition"] == condition]
    return str(found[0]) if found else str(STATES[choice]["Default"])


def test_every_answer_of_open_run_has_its_way() -> None:
    ways = {
        open_run.OPEN: "PlanRun",
        open_run.UNUSABLE: "CloseRun",
        open_run.DUPLICATE: "RunEnded",
        open_run.IGNORED: "RunEnded",
        open_run.REFUSED: "InputRefused",
    }
    assert {answer: following("IsRunOpen", answer) for answer in ways} == ways
    assert STATES["InputRefused"]["Type"] == "Fail"


def test_every_answer_of_close_run_has_its_way() -> None:
    ways = {
        close_run.CLOSED: "AnnounceRun",
        close_run.CLOSING: "CloseRun",
        close_run.LANES: "WaitForLanes",
        close_run.PAUSED: "RunEnded",
        close_run.UNBALANCED: "RunUnbalanced",
    }
    assert {answer: following("IsRunClosed", answer) for answer in ways} == ways
    assert STATES["RunEnded"]["Type"] == "Succeed"
