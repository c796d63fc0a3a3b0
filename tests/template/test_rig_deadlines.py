"""The virtual-time rig gives each step the time that its deployed function has."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from jobferry.vendors.http.limits import REQUEST_SECONDS
from virtual.world import World

ROOT = Path(__file__).parents[2]
FUNCTIONS = {
    "plan": ("PlanRunFunction", "plan_run"),
    "submit": ("SubmitJobsFunction", "submit_jobs"),
    "poll": ("PollJobsFunction", "poll_jobs"),
    "close": ("CloseRunFunction", "close_run"),
}


def margin(folder: str) -> float:
    """`MARGIN_SECONDS` of a handler, read without running it."""
    tree = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "MARGIN_SECONDS":
            value = compile(ast.Expression(node.value), folder, "eval")
            return float(eval(value, {"REQUEST_SECONDS": REQUEST_SECONDS}))
    raise AssertionError(f"functions/{folder}/app.py has no MARGIN_SECONDS")


@pytest.mark.parametrize("step", FUNCTIONS)
def test_a_step_has_as_long_as_its_function(step: str, source: dict[str, Any]) -> None:
    function, folder = FUNCTIONS[step]
    timeout = source["Resources"][function]["Properties"]["Timeout"]
    assert World().seconds[step] == timeout - margin(folder)


def test_every_step_with_a_deadline_is_held() -> None:
    assert World().seconds.keys() == FUNCTIONS.keys()
