"""Sweep: a run whose execution died is carried on by another, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from jobferry.domain.chunk import Pool
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus, Source, StopReason
from jobferry.domain.run_request import RunRequest
from jobferry.lane.state import LaneState
from jobferry.steps.open_run import open_run
from jobferry.steps.sweep import (
    INBOX_SECONDS,
    INBOX_YOUNG,
    INDEX_LAG,
    SETTLED_SECONDS,
    STOPPED,
    sweep,
)
from jobferry.store import keys
from jobferry.store.operations import Item, Update
from virtual.clock import START
from virtual.table import FakeTable
from virtual.world import CONNECTION, INBOX, World, sample_csv


def test_a_dead_run_is_carried_to_its_end(world: World) -> None:
    run = world.planned(sample_csv(9))
    world.submit(LaneState(run.run_id, 0))  # and then the execution is stopped
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 1, "restarted": 1, "opened": 0}
    assert world.restarts == [(run.run_id, run.execution)]
    world.run_restarts()
    assert world.run(run.run_id).status is RunStatus.COMPLETED
    assert set(world.account.times_applied.values()) == {1}
    assert world.problems(run.run_id) == []
    assert world.sweep() == {"open_runs": 0, "restarted": 0, "opened": 0}


def test_two_sweeps_start_one_execution(world: World) -> None:
    run = world.planned(sample_csv(9))
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.sweep()
    assert len(world.restarts) == 2
    world.run_restarts()
    assert len(world.account.submissions) == 5
    assert world.problems(run.run_id) == []


def test_a_run_that_is_carried_is_left_alone(world: World) -> None:
    run = world.planned(sample_csv(9))
    world.running.add(run.execution)
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 1, "restarted": 0, "opened": 0}


def test_a_run_that_has_just_begun_is_left_alone(world: World) -> None:
    world.planned(sample_csv(9))
    world.clock.advance(SETTLED_SECONDS)
    assert world.sweep() == {"open_runs": 1, "restarted": 0, "opened": 0}


def test_the_run_itself_decides_and_not_the_index(world: World) -> None:
    run = world.planned(sample_csv(2))
    world.table.hold_indexes()
    world.store.runs.stop(run.run_id, StopReason("aborted", "Stopped."))
    execution = world.execution()
    execution.run(lambda: {"run_id": run.run_id, "state": "unusable"})
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 0, "restarted": 0, "opened": 0}


def test_a_file_that_failed_and_was_never_closed_is_closed(world: World) -> None:
    opened = open_run(world.drop("No header\n"), "arn:execution:0", world.deps)
    world.plan(opened["run_id"])
    run = world.run(opened["run_id"])
    assert (run.status, run.closed_at) == (RunStatus.FAILED, None)
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.run_restarts()
    assert world.run(run.run_id).status is RunStatus.FAILED
    assert world.run(run.run_id).closed_at == world.clock.now()


@pytest.mark.parametrize("status", STOPPED)
def test_a_run_that_somebody_stopped_is_brought_to_its_end_and_no_further(
    world: World, status: str
) -> None:
    world.store.limits.learn_jobs("acme", 2, world.clock.now())
    run = world.planned(sample_csv(9))
    world.submit(LaneState(run.run_id, 0))  # two jobs are in flight
    world.ended[run.execution] = status
    world.clock.advance(SETTLED_SECONDS + 1)

    assert world.sweep() == {"open_runs": 1, "restarted": 1, "opened": 0}
    world.run_restarts()

    closed = world.run(run.run_id)
    assert closed.status is RunStatus.ABORTED
    assert closed.error == STOPPED[status]
    assert Counter(world.statuses(run.run_id)) == {
        OutcomeStatus.SUCCEEDED: 4,
        OutcomeStatus.SKIPPED: 5,
    }
    assert {o.error_code for o in world.outcomes(run.run_id).values()} == {None, "aborted"}
    assert world.problems(run.run_id) == []
    assert world.sweep() == {"open_runs": 0, "restarted": 0, "opened": 0}


def test_a_run_that_was_stopped_while_it_was_planned_sends_nothing(world: World) -> None:
    world.seconds["plan"] = -1.0
    run = world.planned(sample_csv(400))
    assert not run.plan.done
    world.ended[run.execution] = "ABORTED"
    world.seconds["plan"] = 810.0
    world.clock.advance(SETTLED_SECONDS + 1)

    world.sweep()
    world.run_restarts()

    assert world.run(run.run_id).status is RunStatus.ABORTED
    assert set(world.statuses(run.run_id)) == {OutcomeStatus.SKIPPED}
    assert world.account.submissions == []
    assert world.problems(run.run_id) == []


def test_an_execution_that_is_no_longer_known_is_carried_on(world: World) -> None:
    run = world.planned(sample_csv(9))
    world.ended[run.execution] = None
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.run_restarts()
    assert world.run(run.run_id).status is RunStatus.COMPLETED


def test_however_many_runs_came_after_it_an_open_run_is_found(world: World) -> None:
    run = world.planned(sample_csv(3))
    close_many(world, run, 600)
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep() == {"open_runs": 1, "restarted": 1, "opened": 0}
    assert world.restarts == [(run.run_id, run.execution)]


def close_many(world: World, run: Run, many: int) -> None:
    """Closed runs that began after this one."""
    for number in range(many):
        later = replace(
            run,
            run_id=f"things-{number:012x}",
            source=Source("b", "k", str(number)),
            started_at=run.started_at + 1 + number / 1_000,
        )
        world.store.runs.create(later)
        world.store.runs.close(
            later.run_id, RunStatus.COMPLETED, world.clock.now(), {}, {}, expires_at=1
        )


def test_what_is_kept_of_closed_runs_costs_a_sweep_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Item] = []
    query = FakeTable.query

    def counted(table: FakeTable, *args: Any, **kwargs: Any) -> Iterator[Item]:
        for item in query(table, *args, **kwargs):
            read.append(item)
            yield item

    monkeypatch.setattr(FakeTable, "query", counted)
    run = world.planned(sample_csv(3))
    world.running.add(run.execution)
    world.clock.advance(SETTLED_SECONDS + 1)

    def cost() -> int:
        read.clear()
        assert world.sweep()["open_runs"] == 1
        return len(read)

    world.sweep()
    few = cost()
    assert few > 0
    close_many(world, run, 600)
    world.sweep()
    world.clock.advance(INDEX_LAG + 1)
    world.sweep()
    assert cost() == few


class TestRunsOfAnOlderVersion:
    """They lie among the closed ones in the index."""

    @staticmethod
    def as_before(world: World, run: Run) -> None:
        update = Update(keys.run(run.run_id), keys.META, assign={"time_pk": keys.CLOSED_RUNS})
        world.table.write(update)

    def test_a_dead_one_is_found(self, world: World) -> None:
        run = world.planned(sample_csv(9))
        self.as_before(world, run)
        world.clock.advance(SETTLED_SECONDS + 1)
        assert world.sweep()["restarted"] == 1
        world.run_restarts()
        assert world.run(run.run_id).status is RunStatus.COMPLETED
        assert world.problems(run.run_id) == []

    def test_it_is_found_however_many_are_kept_by_one_sweep_after_the_other(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobferry.steps.sweep.FILED_AT_ONCE", 10)
        first = world.planned(sample_csv(2))
        world.processed(sample_csv(1, start=20))
        close_many(world, first, 35)
        world.clock.advance(100)
        last = world.planned(sample_csv(2, start=50))
        for run in (first, last):
            world.running.add(run.execution)
            self.as_before(world, run)
        found = [world.sweep()["open_runs"] for _ in range(6)]
        assert found == [1, 1, 1, 2, 2, 2]

    def test_one_that_comes_to_light_while_the_index_lags_is_found_later(
        self, world: World
    ) -> None:
        run = world.planned(sample_csv(2))
        world.running.add(run.execution)
        world.clock.advance(SETTLED_SECONDS + 1)
        world.sweep()
        self.as_before(world, run)
        world.clock.advance(INDEX_LAG - 2 * SETTLED_SECONDS)
        assert world.sweep()["open_runs"] == 1

    def test_one_that_it_has_closed_is_looked_at_once(self, world: World) -> None:
        run = world.processed(sample_csv(2))
        update = Update(keys.run(run.run_id), keys.META, assign={"time_pk": keys.OPEN_RUNS})
        world.table.write(update)
        assert world.sweep()["open_runs"] == 0
        assert list(world.store.runs.oldest_open()) == []
        assert [r.run_id for _, r in world.store.runs.newest()] == [run.run_id]


class TestSlowSweeps:
    """Of so much that one sweep cannot do it all."""

    @staticmethod
    def sweep(world: World, seconds: float) -> list[str]:
        """The runs that one sweep looks after; each takes ten seconds."""
        seen: list[str] = []

        def status_of(execution: str) -> str:
            seen.append(execution)
            world.clock.advance(10)
            return "RUNNING"

        deadline = world.clock.now() + seconds
        sweep(world.deps, status_of, lambda *_: None, world.unopened.append, deadline)
        return seen

    def test_every_open_run_has_its_turn(self, world: World) -> None:
        runs = []
        for n in range(7):
            runs.append(world.planned(sample_csv(2, start=10 * n)).execution)
            world.clock.advance(1)
        world.clock.advance(SETTLED_SECONDS + 1)
        turns = [self.sweep(world, 50.0) for _ in range(3)]
        assert all(len(turn) == 3 for turn in turns)
        assert [run for turn in turns for run in turn] == [*runs, *runs[:2]]

    def test_a_run_that_takes_too_long_to_be_kept_holds_no_other_up(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs = []
        for n in range(3):
            runs.append(world.planned(sample_csv(2, start=10 * n)).execution)
            world.clock.advance(1)
        world.clock.advance(20 * 86_400.0)

        def killed(*_: object) -> bool:
            raise SystemExit

        monkeypatch.setattr("jobferry.steps.sweep.prolong", killed)
        turns = []
        for _ in range(4):
            seen: list[str] = []
            with pytest.raises(SystemExit):
                sweep(
                    world.deps,
                    lambda arn, seen=seen: [seen.append(arn), "RUNNING"][1],
                    lambda *_: None,
                    world.unopened.append,
                )
            turns += seen
        assert turns == [*runs, runs[0]]

    def test_what_takes_long_for_runs_leaves_time_for_the_rest(self, world: World) -> None:
        for n in range(7):
            world.planned(sample_csv(2, start=10 * n))
        world.drop(sample_csv(2, start=90))
        world.clock.advance(INBOX_YOUNG + 1)
        self.sweep(world, 100.0)
        assert len(world.unopened) == 1

    def test_every_connection_has_its_turn(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a", "b", "c", "z"):
            world.store.config.put_connection(Connection(name, "fake", f"https://{name}.example"))
        seen: list[str] = []

        def slowly(name: str, _deps: object) -> int:
            seen.append(name)
            world.clock.advance(10)
            return 0

        monkeypatch.setattr("jobferry.steps.sweep.results_at_risk", slowly)
        for _ in range(3):
            self.sweep(world, 20.0)
        assert seen == ["a", CONNECTION, "b", "c", "z", "a"]

    def test_every_file_has_its_turn(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobferry.steps.sweep.FILES_AT_ONCE", 2)
        for n in range(5):
            world.objects.upload(INBOX, f"inbox/things/{n}.csv", b"Name,Ref\n")
        world.objects.upload(INBOX, "inbox/things/1.csv", b"Name,Ref\n")
        world.clock.advance(INBOX_YOUNG + 1)
        opened = []
        for _ in range(3):
            self.sweep(world, 1_000.0)
            opened.append([request.key[-5:] for request in world.unopened])
            world.unopened.clear()
        assert opened == [["0.csv", "1.csv", "1.csv"], ["2.csv", "3.csv"], ["4.csv"]]


def test_a_run_whose_execution_was_too_old_goes_on_and_is_not_stopped(world: World) -> None:
    run = world.planned(sample_csv(9))
    world.submit(LaneState(run.run_id, 0))
    world.ended[run.execution] = "TIMED_OUT"
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep()["restarted"] == 1
    world.run_restarts()
    done = world.run(run.run_id)
    assert (done.status, done.stop) == (RunStatus.COMPLETED, None)
    assert set(world.account.times_applied.values()) == {1}
    assert world.problems(run.run_id) == []


def test_what_a_late_claim_has_left_of_a_closed_run_is_forgotten(world: World) -> None:
    closed, live = world.planned(sample_csv(1)), world.planned(sample_csv(3, start=10))
    world.store.runs.stop(closed.run_id, StopReason("aborted", "Stopped."))
    world.execution().run(lambda: {"run_id": closed.run_id, "state": "unusable"})
    world.submit(LaneState(live.run_id, 0))
    chunks = world.store.chunks
    under_way = list(chunks.claims(CONNECTION))
    (planned,) = world.store.runs.planned_chunks(closed.run_id, 1, 1)
    late = chunks.claim(closed, 0, [planned], Pool(1, 2, frozenset()), START, max_jobs=30)
    assert late is None
    # As a version before left it, which wrote a pointer before it claimed.
    pointer = {"run_id": closed.run_id, "lane": 0, "chunk": 1}
    key = {"pk": keys.connection(CONNECTION), "sk": keys.job(closed.run_id, 0, 1)}
    chunks._table.put_many([{**key, **pointer}])
    assert len(list(chunks.claims(CONNECTION))) == len(under_way) + 1

    world.sweep()

    assert list(chunks.claims(CONNECTION)) == under_way


def test_a_sweep_ends_when_its_time_is_up(world: World) -> None:
    world.planned(sample_csv(3))
    now = world.clock.advance(SETTLED_SECONDS + 1) or world.clock.now()

    swept = sweep(
        world.deps,
        lambda _: "FAILED",
        lambda *r: world.restarts.append(r),
        world.unopened.append,
        deadline=now,
    )

    assert swept == {"open_runs": 0, "restarted": 0, "opened": 0}
    assert world.restarts == []
    assert "sweep is out of time" in world.warnings()


def test_a_run_that_cannot_be_looked_after_keeps_no_other_waiting(world: World) -> None:
    runs = [world.planned(sample_csv(2, start=10 * n)) for n in (1, 2, 3)]
    world.clock.advance(SETTLED_SECONDS + 1)
    restarted: list[str] = []

    def restart(run_id: str, _previous: str) -> None:
        if run_id == runs[1].run_id:
            raise PermissionError(run_id)
        restarted.append(run_id)

    with pytest.raises(PermissionError):
        sweep(world.deps, lambda _arn: "FAILED", restart, world.unopened.append)

    assert sorted(restarted) == sorted([runs[0].run_id, runs[2].run_id])


def test_a_connection_of_a_vendor_that_is_gone_hides_no_results_at_risk(world: World) -> None:
    run = world.planned(sample_csv(1))
    world.submit(LaneState(run.run_id, 0))
    world.clock.advance(50_000.0)
    world.store.config.put_connection(Connection("a-first", "gone", "https://gone.example.com"))

    with pytest.raises(LookupError):
        world.sweep()

    assert {"ResultsAtRisk": 1} in world.metrics


@pytest.mark.parametrize(
    ("key", "profile"),
    [
        ("inbox/things/EXPORT.CSV", "things"),
        ("inbox/things/a.tsv.gz", "things"),
        ("inbox/things/data.txt", "things"),
        ("inbox/a.csv", "unknown"),
        ("inbox/no name/a.csv", "unknown"),
    ],
)
def test_whatever_was_dropped_and_has_no_run_gets_one(world: World, key: str, profile: str) -> None:
    world.objects.upload(INBOX, key, b"Name,Ref\n")
    world.clock.advance(INBOX_YOUNG + 1)
    assert world.sweep()["opened"] == 1
    assert [(r.profile, r.key) for r in world.unopened] == [(profile, key)]
    world.run_restarts()
    assert world.sweep()["opened"] == 0


def test_folders_get_no_run(world: World) -> None:
    world.objects.upload(INBOX, "inbox/things/", b"")
    world.clock.advance(INBOX_YOUNG + 1)
    assert world.sweep()["opened"] == 0


class TestFilesWithoutARun:
    """Their event was lost, or the execution that it had started."""

    @pytest.mark.parametrize(
        ("key", "age", "opened"),
        [
            ("inbox/things/a.csv", INBOX_YOUNG + 1.0, True),
            ("inbox/things/A.CSV", INBOX_SECONDS - 1.0, True),
            ("inbox/things/a.csv", INBOX_YOUNG, False),
            ("inbox/things/a.csv", INBOX_SECONDS, False),
            ("inbox/things/a.txt", INBOX_YOUNG + 1.0, True),
        ],
    )
    def test_what_gets_a_run(self, world: World, *, key: str, age: float, opened: bool) -> None:
        version = world.objects.upload(INBOX, key, b"Name,Ref\n")
        world.clock.advance(age)
        assert world.sweep()["opened"] == int(opened)
        expected = [RunRequest("things", INBOX, key, version)] if opened else []
        assert world.unopened == expected

    @pytest.mark.parametrize("deleted", [False, True])
    def test_one_whose_run_is_there_or_was_deleted_is_left_alone(
        self,
        world: World,
        deleted: bool,
    ) -> None:
        run = world.processed(sample_csv(2))
        if deleted:
            world.store.runs.delete(run, world.clock.now())
        world.clock.advance(INBOX_YOUNG + 1.0)
        assert world.sweep() == {"open_runs": 0, "restarted": 0, "opened": 0}

    def test_none_is_opened_when_the_time_is_up(self, world: World) -> None:
        world.drop(sample_csv(2))
        world.clock.advance(INBOX_YOUNG + 1.0)
        now = world.clock.now()
        opened: list[RunRequest] = []
        for deadline, files in ((now, 0), (now + 1.0, 1)):
            sweep(world.deps, lambda _arn: "FAILED", lambda *_: None, opened.append, deadline)
            assert len(opened) == files

    def test_an_inbox_that_cannot_be_listed_is_said_at_the_end(self, world: World) -> None:
        run = world.planned(sample_csv(2))
        world.clock.advance(SETTLED_SECONDS + 1)
        with (
            mock.patch.object(world.objects, "versions", side_effect=PermissionError),
            pytest.raises(PermissionError),
        ):
            world.sweep()
        assert world.restarts == [(run.run_id, run.execution)]


def test_an_open_run_is_kept_for_longer(world: World) -> None:
    run = world.planned(sample_csv(2))
    world.running.add(run.execution)
    world.clock.advance(20 * 86_400.0)
    world.sweep()
    assert world.run(run.run_id).expires_at > run.expires_at


def test_a_run_that_is_gone_while_the_index_lags_is_none(world: World) -> None:
    run = world.planned(sample_csv(2))
    world.table.hold_indexes()
    pointer = {"pk": f"CONN#{CONNECTION}", "sk": f"JOB#{run.run_id}#0#1"}
    world.store.chunks._table.put_many([{**pointer, "run_id": run.run_id, "lane": 0, "chunk": 1}])
    world.store.chunks._table.delete_many([(f"RUN#{run.run_id}", "META")])
    world.clock.advance(SETTLED_SECONDS + 1)
    assert world.sweep()["open_runs"] == 0
