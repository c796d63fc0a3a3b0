"""Closing, one decision at a time: what is left to do, what is proven, and what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from jobferry.csvfile.dialect import Dialect
from jobferry.domain.chunk import Pool
from jobferry.domain.closing import Action, WorkLeft, next_action
from jobferry.domain.connection import Connection, Demand
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.domain.trouble import SOURCE_MISSING
from jobferry.lane.state import LaneState
from jobferry.reporting.error_summary import build_report
from jobferry.reporting.result_files import BOM
from jobferry.steps import close_run as module
from jobferry.steps.close_run import RELAUNCHES, STUCK_SECONDS, close_run
from jobferry.store.objects import SourceError
from jobferry.store.operations import Update
from tests.unit.outcome_samples import put_outcomes
from virtual.vendor import VENDOR
from virtual.world import CONNECTION, World, sample_csv

SUCCEEDED, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN
FAILED, SKIPPED = OutcomeStatus.FAILED, OutcomeStatus.SKIPPED


def ready(world: World, body: str | bytes) -> Run:
    """A run whose lanes are done."""
    run = world.planned(body)
    state = world.submit(LaneState(run.run_id, 0))
    while state.state == "working":
        world.clock.advance(25)
        state = world.submit(world.poll(state))
        world.settle(state)
    return world.run(run.run_id)


def change(world: World, run: Run, **values: Any) -> None:
    """Edit the run's item."""
    world.store.runs._change(run.run_id, assign=values)


def demands(world: World) -> list[str]:
    return [d.run_id for d in world.store.limits.demands(CONNECTION, world.clock.now())]


def need(world: World, run: Run) -> None:
    world.store.limits.need(CONNECTION, Demand(run.run_id, "medium", 5), world.clock.now())


@pytest.mark.parametrize(
    ("in_flight", "offered", "cut", "trial", "abandoned", "action"),
    [
        (0, 0, 0, None, None, Action.WRITE),
        (0, 0, 0, None, "gone", Action.WRITE),
        (0, 0, 0, 5, None, Action.WRITE),
        (0, 0, 2, 5, None, Action.REST),
        (0, 0, 2, None, None, Action.WRITE),
        (0, 0, 2, None, "gone", Action.ABANDON),
        (0, 3, 0, None, None, Action.REST),
        (0, 3, 0, None, "gone", Action.ABANDON),
        (1, 0, 0, None, None, Action.RELAUNCH),
        (1, 3, 2, 5, None, Action.RELAUNCH),
        (1, 0, 0, None, "gone", Action.ABANDON),
    ],
)
def test_what_is_done_next_depends_on_the_work_left(
    world: World,
    *,
    in_flight: int,
    offered: int,
    cut: int,
    trial: int | None,
    abandoned: str | None,
    action: Action,
) -> None:
    """offered, cut: chunks in the pool, and chunks of the plan that are not in it yet."""
    run = world.planned(sample_csv(1))
    run = replace(run, trial=trial, plan=replace(run.plan, chunks=offered + cut))
    pool = Pool(cursor=1, end=1 + offered, released=frozenset())
    assert next_action(WorkLeft(run, in_flight, pool, abandoned)) is action


def test_a_closed_run_needs_no_slots(world: World) -> None:
    run = ready(world, sample_csv(2))
    need(world, run)
    answer = world.close(run.run_id)
    assert answer["outcomes"] == {
        "succeeded": 2,
        "failed": 0,
        "rejected": 0,
        "skipped": 0,
        "unknown": 0,
    }
    assert demands(world) == []
    change(world, run, n_unknown=0)
    with mock.patch.object(module, "_closed", wraps=module._closed) as closed:
        world.close(run.run_id)
    closed.assert_called_once()


def test_a_counter_that_is_missing_is_none() -> None:
    with World() as world:
        run = replace(ready(world, sample_csv(1)), outcomes={})
        assert set(module._closed(run, world.deps)["outcomes"].values()) == {0}


def test_a_status_alone_or_a_moment_alone_closes_nothing(world: World) -> None:
    run = ready(world, sample_csv(2))
    change(world, run, closed_at=world.clock.now(), status="closing")
    with mock.patch.object(module, "resolve_on", return_value=False) as resolve:
        answer = world.close(run.run_id)
    assert answer == {"run_id": run.run_id, "state": "closing"}
    resolve.assert_called_once()


class TestElsewhere:
    """The connection leads to another account."""

    def moved(self, world: World) -> Run:
        run = world.planned(sample_csv(4))
        world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://elsewhere"))
        world.deps = world.fresh_deps()
        need(world, run)
        return run

    def test_the_run_rests(self, world: World) -> None:
        run = self.moved(world)
        answer = world.close(run.run_id)
        assert (answer["state"], answer["event"]["code"]) == ("paused", "connection_changed")
        assert world.run(run.run_id).suspended
        pause = world.run(run.run_id).pause
        assert pause is not None
        assert pause.code == "connection_changed"
        assert demands(world) == []


class TestLeft:
    @pytest.mark.parametrize(("end", "unsettled"), [(2, True), (3, False)])
    def test_chunks_that_were_kept_back_are_written_off_too(
        self, world: World, *, end: int, unsettled: bool
    ) -> None:
        run = ready(world, sample_csv(4))
        pool = Update(f"RUN#{run.run_id}", "POOL", assign={"end": end, "cursor": end})
        world.store.chunks._table.write(pool)
        with (
            mock.patch.object(module, "why_abandoned", return_value="Gone."),
            mock.patch.object(module, "abandon_run", return_value=False) as abandon_run,
        ):
            answer = world.close(run.run_id)
        assert abandon_run.called is unsettled
        if unsettled:
            assert answer == {"run_id": run.run_id, "state": "closing"}

    @pytest.mark.parametrize(
        ("trial", "end", "state"),
        [(2, 2, "paused"), (2, 3, "closed"), (None, 2, "closed")],
    )
    def test_only_a_trial_keeps_chunks_back(
        self, world: World, *, trial: int | None, end: int, state: str
    ) -> None:
        run = ready(world, sample_csv(4))
        if trial is not None:
            change(world, run, trial=trial)
        pool = Update(f"RUN#{run.run_id}", "POOL", assign={"end": end, "cursor": end})
        world.store.chunks._table.write(pool)
        answer = world.close(run.run_id)
        assert (answer["run_id"], answer["state"]) == (run.run_id, state)

    def test_a_run_without_a_lane_gets_one(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        change(world, run, lanes=0)
        assert world.close(run.run_id)["lanes"] == [0]
        change(world, run, lanes=3)
        assert world.close(run.run_id)["lanes"] == [0, 1, 2]


class TestStuck:
    def test_what_nobody_could_carry_is_closed_in_the_end(self, world: World) -> None:
        run = world.planned(sample_csv(4))
        settled = world.run(run.run_id).settled_rows
        now = world.clock.now()
        change(
            world,
            run,
            relaunches=RELAUNCHES,
            settled_at_relaunch=settled,
            stuck_rows=settled,
            stuck_since=now - STUCK_SECONDS - 1.0,
        )
        assert world.close(run.run_id)["state"] == "closed"
        stop = world.run(run.run_id).stop
        assert stop is not None
        assert stop.reason.startswith("The run's lanes failed for 20 hours without")


class TestProof:
    def test_a_file_that_is_read_no_more_is_waited_for_first(self, world: World) -> None:
        run = ready(world, sample_csv(2))
        error = SourceError(SOURCE_MISSING)
        with (
            mock.patch.object(module, "_write_files", side_effect=error) as write,
            pytest.raises(SourceError),
        ):
            world.close(run.run_id)
        assert write.call_count == 1

    @pytest.mark.parametrize(("body", "marked"), [(BOM, True), (b"", False)])
    def test_files_are_marked_as_their_source_is(
        self, world: World, body: bytes, *, marked: bool
    ) -> None:
        run = ready(world, body + sample_csv(2).encode())
        world.close(run.run_id)
        written = world.objects.get(f"results/{run.run_id}/succeeded.csv")
        assert written.startswith(BOM) is marked

    def test_a_row_more_than_planned_does_not_add_up(self, world: World) -> None:
        run = ready(world, sample_csv(2))
        change(world, run, plan_row=3)
        answer = world.close(run.run_id)
        assert answer == {"run_id": run.run_id, "state": "unbalanced"}

    def test_an_outcome_is_that_of_its_row_only(self, world: World) -> None:
        run = ready(world, sample_csv(3))
        first, _, third = (world.outcomes(run.run_id)[n] for n in (1, 2, 3))
        rows = type(world.store.rows)
        with mock.patch.object(rows, "between", return_value=iter([first, third])):
            assert world.close(run.run_id)["state"] == "unbalanced"
        dialect = Dialect.from_json(dict(run.plan.dialect or {}))
        with mock.patch.object(rows, "between", return_value=iter([first, third])):
            at = dialect.data_offset
            found = module._rows_with_outcomes(run, dialect, world.deps, at, 0, None)
            assert [(raw.number, outcome) for raw, outcome in found] == [
                (1, first),
                (2, None),
                (3, third),
            ]
        with mock.patch.object(rows, "between", return_value=iter([first])):
            assert world.close(run.run_id)["state"] == "unbalanced"

    def test_rows_of_a_file_that_is_gone_have_numbers_and_empty_cells(self, world: World) -> None:
        run = ready(world, sample_csv(3))
        dialect = Dialect.from_json(dict(run.plan.dialect or {}))
        rows = list(module._no_rows(run, dialect, 1))
        assert [(r.number, r.offset, r.length, r.cells) for r in rows] == [
            (2, 0, 0, ["", ""]),
            (3, 0, 0, ["", ""]),
        ]
        instead = iter(rows)
        short = replace(run, source=replace(run.source, size=0))
        found = list(module._rows_with_outcomes(short, dialect, world.deps, 0, 1, instead))
        assert [outcome and outcome.row for _, outcome in found] == [2, 3]
        assert list(module._rows_with_outcomes(short, dialect, world.deps, 0, 1, None)) == []

    def test_only_outcomes_after_the_row_are_read(self, world: World) -> None:
        run = ready(world, sample_csv(3))
        dialect = Dialect.from_json(dict(run.plan.dialect or {}))
        rows = type(world.store.rows)
        with mock.patch.object(rows, "between", return_value=iter([])) as between:
            list(module._rows_with_outcomes(run, dialect, world.deps, 9, 2, iter([])))
        between.assert_called_once_with(run.run_id, 3, 3)

    @pytest.mark.parametrize(
        ("polls", "seconds", "paused_at"),
        [(2, 0.0, [2, 4]), (2, 60.0, []), (100, 0.0, [])],
    )
    def test_the_clock_is_looked_at_now_and_then(
        self, world: World, *, polls: int, seconds: float, paused_at: list[int]
    ) -> None:
        run = ready(world, sample_csv(5))
        world.seconds["close"] = seconds
        seen: list[int] = []
        with mock.patch.object(module, "ROWS_PER_CLOCK_CHECK", polls):
            while world.close(run.run_id)["state"] == "closing":
                saved = world.objects.get_json(world.run(run.run_id).close or "")
                seen += [saved["row"]] if "row" in saved else []
        assert seen == paused_at
        assert world.run(run.run_id).close is None
        written = world.objects.get(f"results/{run.run_id}/succeeded.csv")
        assert written.count(b"\n") == 6

    def test_what_was_seen_before_a_pause_still_counts(self, world: World) -> None:
        body = sample_csv(4)
        run = ready(world, body)
        bad = Outcome(1, SKIPPED, None, "ops", "Stopped.", None, 0)
        worse = Outcome(2, FAILED, None, "RecordInvalid", "Name: is taken", None, 1)
        put_outcomes(world.store, run.run_id, [bad, worse], run.expires_at)
        change(world, run, n_skipped=1, n_failed=1, n_succeeded=2)
        world.store.runs.stop(run.run_id, StopReason("ops", "Stopped."))
        world.seconds["close"] = 0.0
        with (
            mock.patch.object(module, "ROWS_PER_CLOCK_CHECK", 2),
            mock.patch.object(module, "build_report", wraps=build_report) as report,
        ):
            while world.close(run.run_id)["state"] == "closing":
                pass
        assert world.run(run.run_id).status is RunStatus.ABORTED
        assert "is taken" in str(report.call_args.kwargs["groups"])

    def test_files_are_begun_anew_after_a_crash_from_their_completion_on(
        self, world: World
    ) -> None:
        run = ready(world, sample_csv(4))
        world.seconds["close"] = 0.0
        with mock.patch.object(module, "ROWS_PER_CLOCK_CHECK", 2):
            world.close(run.run_id)
        world.seconds["close"] = 60.0
        with (
            mock.patch.object(module, "_finish", side_effect=RuntimeError),
            pytest.raises(RuntimeError),
        ):
            world.close(run.run_id)
        assert world.run(run.run_id).close is None

    def test_nothing_is_noted_where_nothing_was_put_aside(self, world: World) -> None:
        run = ready(world, sample_csv(2))
        with mock.patch.object(type(world.store.runs), "save_close") as save:
            world.close(run.run_id)
        save.assert_not_called()

    @pytest.mark.parametrize("halted", [False, True])
    def test_a_failed_row_of_a_run_that_was_not_stopped_stops_nothing(
        self, world: World, *, halted: bool
    ) -> None:
        run = ready(world, sample_csv(1))
        bad = Outcome(1, FAILED, None, "x", "X.", None, 1)
        put_outcomes(world.store, run.run_id, [bad], run.expires_at)
        change(world, run, n_failed=1, n_succeeded=0)
        if halted:
            world.store.runs.stop(run.run_id, StopReason("ops", "Stopped."))
        world.close(run.run_id)
        expected = RunStatus.ABORTED if halted else RunStatus.COMPLETED_WITH_FAILURES
        assert world.run(run.run_id).status is expected

    def test_a_skipped_row_of_a_run_that_was_not_stopped_is_no_harm(self, world: World) -> None:
        run = ready(world, sample_csv(1))
        twin = Outcome(1, SKIPPED, None, "duplicate", "As row 0.", None, 0)
        put_outcomes(world.store, run.run_id, [twin], run.expires_at)
        change(world, run, n_skipped=1, n_succeeded=0)
        world.close(run.run_id)
        assert world.run(run.run_id).status is RunStatus.COMPLETED


class TestFinish:
    def test_the_table_forgets_it_from_now_on(self, world: World) -> None:
        run = ready(world, sample_csv(1))
        world.close(run.run_id)
        (item,) = [
            item
            for item in world.table.items()
            if (item["pk"], item["sk"]) == (f"RUN#{run.run_id}", "META")
        ]
        assert item["expires_at"] == int(world.clock.now()) + world.store.retention

    @pytest.mark.parametrize(
        ("error", "stop", "kept"),
        [
            ("No.", StopReason("a", "A."), "No."),
            (None, StopReason("a", "A."), "A."),
            (None, None, None),
        ],
    )
    def test_why_it_ended(
        self, world: World, *, error: str | None, stop: StopReason | None, kept: str | None
    ) -> None:
        run = ready(world, sample_csv(1))
        if error is not None:
            change(world, run, error=error)
        if stop is not None:
            world.store.runs.stop(run.run_id, stop)
        world.close(run.run_id)
        assert world.run(run.run_id).error == kept

    def test_figures_of_a_run_that_is_closed_once_more_stay(self, world: World) -> None:
        run = ready(world, sample_csv(1))
        world.close(run.run_id)
        closed = world.run(run.run_id)
        world.store.runs.ask_resolve(closed, world.clock.now())
        world.clock.advance(5_000.0)
        assert world.close(run.run_id)["state"] == "closed"
        assert closed.figures
        again = world.run(run.run_id)
        assert again.closed_at == world.clock.now()
        assert again.figures == closed.figures

    def test_a_run_that_sent_nothing_has_no_figures(self, world: World) -> None:
        run = ready(world, "Name,Ref\n")
        world.close(run.run_id)
        assert world.run(run.run_id).figures == {}

    def test_a_run_is_announced_once(self, world: World) -> None:
        run = ready(world, sample_csv(1))
        world.close(run.run_id)
        closed = [m for m in world.metrics if "RunsClosed" in m]
        with mock.patch.object(type(world.store.runs), "close", return_value=False):
            second = ready(world, sample_csv(1, start=50))
            close_run(second.run_id, world.deps, world.clock.now() + 60.0)
        assert [m for m in world.metrics if "RunsClosed" in m] == closed
        assert len(closed) == 1
