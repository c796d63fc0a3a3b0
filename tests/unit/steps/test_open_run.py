"""Open: one run per file version, profile and firing; the rest is told why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobferry.ledger.config import Connection
from jobferry.model import RunStatus
from jobferry.steps.open_run import RunRequest, open_run, resume_run, run_id_of
from tests.fakes.vendor import UPSERT, VENDOR
from tests.fakes.world import CONNECTION, INBOX, PROFILE, World, things

ONE, TWO = "arn:execution:one", "arn:execution:two"


def test_a_run_is_claimed_with_all_that_it_needs(world: World) -> None:
    request = world.drop(things(3), options={"Jobferry-Priority": "high", "jobferry-origin": "r0"})
    answer = open_run(request, ONE, world.deps)
    assert answer == {"run_id": run_id_of(request, str(request.version_id)), "state": "open"}
    run = world.run(answer["run_id"])
    assert run.run_id.startswith("things-")
    assert (run.status, run.execution, run.started_at) == (
        RunStatus.PLANNING,
        ONE,
        world.clock.now(),
    )
    assert (run.profile, run.revision, run.connection) == (PROFILE, 1, CONNECTION)
    assert (run.priority, run.origin) == ("high", "r0")
    assert (run.source.version_id, run.source.size) == (request.version_id, len(things(3)))
    assert world.ledger.limits.get(CONNECTION).ceiling == 3


def test_the_vendor_limit_holds_whatever_the_operator_allows(world: World) -> None:
    world.ledger.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", max_jobs=500))
    open_run(world.drop(things(1)), ONE, world.deps)
    assert world.ledger.limits.get(CONNECTION).ceiling == 30


def test_asking_again_changes_nothing(world: World) -> None:
    request = world.drop(things(3))
    first = open_run(request, ONE, world.deps)
    before = world.table.items()
    world.clock.advance(30)
    assert open_run(request, ONE, world.deps) == first
    assert world.table.items() == before


def test_a_second_event_is_a_duplicate(world: World) -> None:
    request = world.drop(things(3))
    first = open_run(request, ONE, world.deps)
    assert open_run(request, TWO, world.deps) == {**first, "state": "duplicate"}
    assert world.run(first["run_id"]).execution == ONE


def test_a_request_without_a_version_means_the_current_one(world: World) -> None:
    request = world.drop(things(3))
    first = open_run(replace(request, version_id=None), ONE, world.deps)
    assert open_run(request, TWO, world.deps) == {**first, "state": "duplicate"}


def test_what_makes_a_run_another(world: World) -> None:
    request = world.drop(things(3))
    again = world.drop(things(3))
    world.put_profile({"name": "other"})
    requests = [
        request,
        again,
        replace(request, profile="other"),
        replace(request, firing="2026-01-01T06:00:00Z"),
        replace(request, firing="2026-01-02T06:00:00Z"),
    ]
    answers = [open_run(r, ONE, world.deps) for r in requests]
    assert {a["state"] for a in answers} == {"open"}
    assert len({a["run_id"] for a in answers}) == len(requests)


def test_a_priority_that_does_not_exist_is_medium(world: World) -> None:
    request = world.drop(things(1), options={"jobferry-priority": "urgent!"})
    run_id = open_run(request, ONE, world.deps)["run_id"]
    assert world.run(run_id).priority == "medium"


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no such file": ({"key": "inbox/things/other.csv"}, "no file s3://inbox-bucket/inbox/things/o"),
    "no such version": ({"version_id": "v999"}, "no file"),
    "no such profile": ({"profile": "nobody"}, "jobferry profile put"),
    "no such connection": ({"profile": "lost"}, "jobferry connection put elsewhere"),
    "no such operation": ({"profile": "dance"}, "no operation 'things.dance'"),
    "a needed field is not mapped": ({"profile": "nameless"}, "needs the field name"),
}


@pytest.mark.parametrize(("changes", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_a_failed_run_that_says_why(
    world: World, changes: dict[str, Any], reason: str
) -> None:
    world.put_profile({"name": "lost", "connection": "elsewhere"})
    world.put_profile({"name": "dance", "operation": "things.dance"})
    world.put_profile({"name": "nameless", "columns": {"Ref": "ref"}})
    request = replace(world.drop(things(3)), **changes)
    answer = open_run(request, ONE, world.deps)
    assert answer["state"] == "unusable"
    assert open_run(request, ONE, world.deps) == answer
    run = world.execute(replace(request, firing="again"))
    assert (run.status, run.rows) == (RunStatus.FAILED, 0)
    assert reason in (run.error or "")
    assert run.closed_at is not None
    assert world.account.submissions == []
    assert world.outcomes(run.run_id) == {}


def test_a_run_keeps_the_profile_that_it_was_opened_with(world: World) -> None:
    request = world.drop(things(1))
    run_id = open_run(request, ONE, world.deps)["run_id"]
    world.put_profile({"operation": UPSERT, "columns": {"Ref": "name"}})
    execution = world.execution()
    execution.carry(lambda: resume_run(run_id, ONE, execution.arn, world.deps))
    (submission,) = world.account.submissions
    assert submission.operation == "things.create"
    assert submission.records == ({"name": "thing 1", "ref": "r1"},)


class TestResume:
    def test_a_run_in_planning_is_planned_on(self, world: World) -> None:
        run_id = open_run(world.drop(things(3)), ONE, world.deps)["run_id"]
        assert resume_run(run_id, ONE, TWO, world.deps)["state"] == "open"
        assert world.run(run_id).execution == TWO
        assert resume_run(run_id, ONE, TWO, world.deps)["state"] == "open"

    def test_only_one_may_take_over(self, world: World) -> None:
        run_id = open_run(world.drop(things(3)), ONE, world.deps)["run_id"]
        resume_run(run_id, ONE, TWO, world.deps)
        assert resume_run(run_id, ONE, "arn:execution:three", world.deps)["state"] == "duplicate"

    def test_a_run_in_lanes_goes_to_closing_which_starts_them(self, world: World) -> None:
        run = world.planned(things(3))
        assert resume_run(run.run_id, run.execution, TWO, world.deps)["state"] == "unusable"
        answer = world.close(run.run_id)
        assert (answer["state"], answer["lanes"]) == ("lanes", [0])

    def test_a_closed_run_is_left_alone(self, world: World) -> None:
        run = world.carried(things(3))
        assert resume_run(run.run_id, run.execution, TWO, world.deps)["state"] == "duplicate"
        assert world.run(run.run_id) == run


def test_the_name_of_a_run_depends_on_nothing_else() -> None:
    request = RunRequest("p", INBOX, "inbox/p/a.csv", None)
    assert run_id_of(request, "v1") == run_id_of(replace(request, version_id="v1"), "v1")
    assert run_id_of(request, "v1") != run_id_of(request, "v2")
