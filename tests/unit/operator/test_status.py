"""The status document: the shape that scripts rely on, live and at the end."""

from __future__ import annotations

import json

import pytest

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.lane.state import LaneState
from jobferry.operator.status import row_document, run_document
from virtual.vendor import Behaviour, Reply
from virtual.world import World, sample_csv

NO_OUTCOMES = {"succeeded": 0, "failed": 0, "rejected": 0, "skipped": 0, "unknown": 0}

pytestmark = pytest.mark.usefixtures("settled_later")


def test_a_closed_run(world: World) -> None:
    world.account.will_reply(Behaviour.ACCEPT, Reply(Behaviour.REFUSE, http_status=405))
    run = world.processed(sample_csv(6) + ",bad\n")
    document = run_document(run, world.deps)
    assert document == {
        "run_id": run.run_id,
        "status": "completed_with_failures",
        "profile": "things",
        "operation": "things.create",
        "connection": "acme",
        "priority": "medium",
        "rows": 7,
        "outcomes": {**NO_OUTCOMES, "succeeded": 4, "failed": 2, "rejected": 1},
        "jobs": {"planned": 3, "submitted": 2, "finished": 2},
        "requests": {"submit": 3, "poll": len(world.account.polls), "other": 0},
        "started_at": "2026-01-01T00:00:00.000Z",
        "closed_at": document["closed_at"],
        "seconds": document["seconds"],
        "source": {
            "bucket": run.source.bucket,
            "key": run.source.key,
            "version_id": run.source.version_id,
        },
        "origin": None,
        "forecast": run.forecast,
        "figures": run.figures,
        "error": None,
        "error_code": None,
        "failed_by_class": {"row": 2},
        "paused_seconds": 0,
        "steps": document["steps"],
        "paused": None,
        "waiting": [],
        "warnings": [],
        "by": dict.fromkeys(("started", "aborted", "resumed", "priority", "resolved")),
        "next": [
            f"jobferry rows {run.run_id} --status failed",
            f"jobferry results {run.run_id} --out results/{run.run_id}",
            f"jobferry run results/{run.run_id}/failed.csv --profile things",
            f"jobferry retry {run.run_id}",
            f"jobferry rows {run.run_id} --status rejected",
            f"jobferry run results/{run.run_id}/rejected.csv --profile things",
        ],
    }
    commands = [each for step in document["steps"] for each in step["commands"]]
    assert list(dict.fromkeys(commands)) == document["next"]
    assert 20 <= document["seconds"] <= 40
    assert document["closed_at"].startswith("2026-01-01T00:00:")
    assert json.loads(json.dumps(document)) == document


def test_a_run_under_way(world: World) -> None:
    world.account.latency = lambda number: 20.0 if number <= 3 else 500.0
    run = world.planned(sample_csv(10))
    state = world.submit(LaneState(run.run_id, 0))
    document = run_document(world.run(run.run_id), world.deps)
    assert document["jobs"] == {"planned": 5, "submitted": 3, "finished": 0}
    assert (document["status"], document["seconds"]) == ("running", 0.0)
    state = world.poll(state)
    document = run_document(world.run(run.run_id), world.deps)
    assert document["jobs"] == {"planned": 5, "submitted": 5, "finished": 3}
    assert (document["outcomes"], document["closed_at"]) == (NO_OUTCOMES, None)
    assert document["seconds"] == round(world.clock.now() - run.started_at, 1) > 20
    world.settle(state)
    document = run_document(world.run(run.run_id), world.deps)
    assert document["jobs"] == {"planned": 5, "submitted": 5, "finished": 3}
    assert document["outcomes"] == {**NO_OUTCOMES, "succeeded": 6}


def test_a_run_that_cannot_be_used(world: World) -> None:
    document = run_document(world.processed(b""), world.deps)
    assert (document["status"], document["rows"]) == ("failed", 0)
    assert document["jobs"] == {"planned": 0, "submitted": 0, "finished": 0}
    assert document["requests"] == {"submit": 0, "poll": 0, "other": 0}
    assert document["error"]


def test_a_stopped_run_says_why(world: World) -> None:
    world.account.will_reply(Reply(Behaviour.REFUSE_PROFILE, message="Log in."))
    run = world.processed(sample_csv(6))
    assert run_document(run, world.deps)["error"] == "Log in."


def test_a_row() -> None:
    outcome = Outcome(7, OutcomeStatus.FAILED, None, "Invalid", "Name: is taken", "V3-1", 1)
    assert row_document(outcome) == {
        "row": 7,
        "status": "failed",
        "vendor_id": None,
        "error_code": "Invalid",
        "error": "Name: is taken",
        "job_id": "V3-1",
        "attempts": 1,
    }
