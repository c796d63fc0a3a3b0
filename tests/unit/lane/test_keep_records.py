"""Records are kept before they are changed: always, once, as they were, and paid for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.run import Run, RunStatus
from jobferry.lane.keep_records import SNAPSHOT, snapshot_key
from jobferry.vendors.answers import (
    Ambiguous,
    RecordsRead,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import NOTE, UPDATE, Behaviour
from virtual.world import CONNECTION, World, sample_csv

PROFILE = {"operation": UPDATE, "snapshot": True, "row_key": "Ref"}


@pytest.fixture(params=[True, False], ids=["by token", "by list"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Chunks of two rows, three jobs at a time."""
    with World(max_records=2, max_jobs=3, token_search=request.param) as made:
        made.put_profile(PROFILE)
        yield made


def kept(world: World, run: Run) -> dict[int, Any]:
    """Row → what was kept of its record first."""
    found: dict[int, Any] = {}
    for key in world.objects.keys(f"snapshots/{run.run_id}/"):
        for row, record in world.objects.get_json(key)["rows"]:
            found.setdefault(row, record)
    return found


def old(row: int) -> dict[str, Any]:
    return {"id": f"id-r{row}", "fields": {"name": f"old r{row}"}, "lost": []}


def assert_kept_first(world: World, run: Run, rows: int) -> None:
    """Everything that was sent was kept before as it was."""
    assert kept(world, run) == {row: old(row) for row in range(1, rows + 1)}
    first_read: dict[str, float] = {}
    for at, keys in world.account.reads:
        for key in keys:
            first_read.setdefault(key, at)
    for submission in world.account.submissions:
        assert all(first_read[key] <= submission.at for key in submission.keys)


def test_what_records_were_is_kept_before_they_are_changed(world: World) -> None:
    run = world.processed(sample_csv(7))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 7)
    assert world.objects.keys("snapshots/") == [snapshot_key(run.run_id, n) for n in range(1, 5)]
    assert len(world.account.reads) == 4
    assert run.requests["other"] == 4


def test_without_a_snapshot_nothing_is_read(world: World) -> None:
    world.put_profile({"operation": UPDATE})
    run = world.processed(sample_csv(7))
    assert not world.account.reads
    assert not kept(world, run)
    assert run.requests["other"] == 0


def test_records_that_are_not_there_are_noted_as_absent(world: World) -> None:
    world.account.knows = lambda record: record["ref"] != "r2"
    run = world.processed(sample_csv(3))
    assert kept(world, run) == {1: old(1), 2: None, 3: old(3)}


def test_what_cannot_be_put_back_is_noted(world: World) -> None:
    world.put_profile({**PROFILE, "constants": {NOTE: "hello"}})
    run = world.processed(sample_csv(1))
    assert kept(world, run)[1]["lost"] == [NOTE]


@pytest.mark.parametrize("behaviour", [Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED])
def test_a_submission_without_an_answer_keeps_what_was_kept_first(
    world: World, behaviour: Behaviour
) -> None:
    world.account.will_reply(behaviour, behaviour)
    run = world.processed(sample_csv(6))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 6)


def test_rows_that_go_again_show_what_they_were_before_the_first_time(world: World) -> None:
    world.account.poison = lambda record: record["ref"] == "r3"
    run = world.processed(sample_csv(4))
    assert run.status is RunStatus.COMPLETED_WITH_FAILURES
    assert_kept_first(world, run, 4)


def test_submissions_that_find_no_slot_read_once(world: World) -> None:
    world.account.max_jobs = 1
    run = world.processed(sample_csv(6))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 6)


@pytest.mark.parametrize(
    "problem",
    [
        Ambiguous("gateway error"),
        Ambiguous("busy", retry_after=30.0),
        Throttled(ThrottleReason.RATE, 30.0),
        Throttled(ThrottleReason.RATE),
        Throttled(ThrottleReason.UNREACHABLE),
        Refused("vendor_forbidden", "no", RefusalScope.RUN, 403),
    ],
    ids=str,
)
def test_records_that_cannot_be_read_for_a_while_are_changed_later(
    world: World, problem: Any
) -> None:
    world.account.will_read(RecordsRead(problem=problem), RecordsRead(problem=problem))
    run = world.processed(sample_csv(5))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 5)
    assert not world.account.requests_during_wait


def test_an_account_that_may_not_read_stops_the_run(world: World) -> None:
    denied = RecordsRead(problem=Refused("vendor_forbidden", "no", RefusalScope.RUN, 403))
    world.account.will_read(*[denied] * 200)
    run = world.processed(sample_csv(5))
    assert run.status is RunStatus.ABORTED
    assert not world.account.submissions


def test_records_that_are_never_shown_pause_the_run_and_are_not_changed(world: World) -> None:
    world.account.will_read(RecordsRead(problem=Refused("not_found", "No such path.")))
    run = world.processed(sample_csv(5))
    assert run.pause is not None
    assert run.pause.code == SNAPSHOT
    assert "not_found: No such path." in run.pause.reason
    assert not world.account.submissions
    assert not any("No such path" in str(line) for line in world.log)


@pytest.mark.parametrize(
    "answer", [RecordsRead([]), RecordsRead([None] * 9)], ids=["too few", "too many"]
)
def test_an_answer_about_other_records_is_none(world: World, answer: RecordsRead) -> None:
    world.account.will_read(answer)
    run = world.processed(sample_csv(4))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 4)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("kind", ["vendor.read", "objects.put", "vendor.submit", "table.write"])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_crash_anywhere_changes_nothing_that_is_not_kept(
    world: World, kind: str, phase: Phase, number: int
) -> None:
    crash = CrashOnce(number, phase, frozenset({kind}))
    world.effects.on_effect = crash
    try:
        world.processed(sample_csv(4))
    except Crash:
        world.effects.on_effect = lambda *_: None
        for _ in range(20):
            world.clock.pass_time(120)
            world.sweep()
            world.run_restarts()
    world.effects.on_effect = lambda *_: None
    (run,) = [run for _, run in world.store.runs.newest()]
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 4)


@pytest.mark.parametrize("budget", [2, 4, 7, 60])
def test_reads_are_paid_from_the_requests_of_the_connection(world: World, budget: int) -> None:
    connection = Connection(
        CONNECTION, "fake", "https://acme.example", max_jobs=3, requests_per_minute=budget
    )
    world.store.config.put_connection(connection)
    world.deps = world.fresh_deps()
    run = world.processed(sample_csv(8))
    assert run.status is RunStatus.COMPLETED
    assert_kept_first(world, run, 8)
    moments = sorted(
        [at for at, _ in world.account.reads]
        + [each.at for each in world.account.submissions]
        + [at for at, _ in world.account.polls]
    )
    for start in moments:
        assert sum(start <= each < start + 60 for each in moments) <= budget
