"""The report as of now: of runs that are open, paused or closed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.job_control import abort_run
from jobferry.operator.pause_resume import continue_run, resume
from jobferry.operator.report import report_page
from jobferry.operator.status import run_document
from jobferry.reporting.result_files import result_key
from virtual.world import World, sample_csv

HOURS = 12 * 3_600.0


def _trial(world: World, rows: int = 9, first: int = 4) -> Run:
    return world.execute(world.drop(sample_csv(rows), options={"jobferry-trial": str(first)}))


def _ask(world: World, run_id: str, previous: str) -> None:
    world.restarts.append((run_id, previous))


def _resumed(world: World, run: Run) -> Run:
    resume(run, world.deps, partial(_ask, world))
    world.run_restarts()
    return world.run(run.run_id)


class TestReport:
    def test_a_paused_run_has_one_with_the_wrong_rows_and_the_question(self, world: World) -> None:
        world.account.result_of = lambda record: RecordResult(
            OutcomeStatus.FAILED, code="RecordInvalid", text="Name: is already taken"
        )
        run = _trial(world)
        page = report_page(run, world.deps)
        assert "The run is paused and waits for your yes or no" in page
        assert "Name: is already taken" in page
        assert "thing 1" in page
        assert f"jobferry resume {run.run_id}" in page
        assert "As of" in page

    def test_a_run_under_way_has_one(self, world: World) -> None:
        run = world.planned(sample_csv(10) + ",bad\n")
        page = report_page(world.run(run.run_id), world.deps)
        assert "The run goes on" in page
        assert "bad" in page

    def test_a_closed_run_has_the_one_that_was_written(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        world.deps.objects.put(result_key(run.run_id, "report.html"), b"<p>kept", "text/html")
        assert report_page(run, world.deps) == "<p>kept"

    def test_one_that_is_no_longer_kept_is_made_again(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        world.deps.objects.delete_prefix(f"results/{run.run_id}/")
        assert "All 3 rows succeeded." in report_page(run, world.deps)


class TestTime:
    def test_hours_of_a_pause_are_no_work(self, world: World) -> None:
        run = _trial(world)
        before = run_document(run, world.deps)
        world.clock.advance(HOURS)
        paused = run_document(world.run(run.run_id), world.deps)
        assert paused["status"] == "paused"
        assert paused["seconds"] - before["seconds"] < 5
        assert paused["paused_seconds"] >= HOURS
        closed = _resumed(world, run)
        document = run_document(closed, world.deps)
        assert (document["status"], document["outcomes"]["succeeded"]) == ("completed", 9)
        assert document["seconds"] < 300
        assert HOURS <= document["paused_seconds"] < HOURS + 60
        assert closed.figures is not None
        assert closed.figures["seconds"] < 300
        page = report_page(closed, world.deps)
        assert "Paused besides" in page
        assert "time since the start" in page
        assert ">6 h<" not in page

    def test_a_run_that_is_aborted_while_it_rests(self, world: World) -> None:
        run = _trial(world)
        world.clock.advance(HOURS)
        abort_run(world.run(run.run_id), "Wrong file.", world.deps)
        continue_run(run.run_id, world.deps, partial(_ask, world))
        world.run_restarts()
        document = run_document(world.run(run.run_id), world.deps)
        assert document["status"] == "aborted"
        assert document["seconds"] < 300
        assert document["paused_seconds"] >= HOURS

    def test_a_run_that_is_opened_again_to_be_resolved(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        seconds = run_document(run, world.deps)["seconds"]
        world.clock.advance(HOURS)
        assert world.store.runs.ask_resolve(run, world.clock.now())
        again = run_document(world.run(run.run_id), world.deps)
        assert again["seconds"] == seconds
        assert again["paused_seconds"] >= HOURS

    def test_idle_time_of_a_run(self, world: World) -> None:
        run = replace(world.planned(sample_csv(1)), started_at=0.0)
        twice = replace(run, idle=((10.0, 20.0),), rested_at=50.0)
        assert twice.idle_until(60.0) == ((10.0, 20.0), (50.0, 60.0))
        assert twice.worked(60.0) == 40.0
        assert twice.worked(15.0) == 10.0
        assert twice.phase is RunStatus.RUNNING
        assert run.worked(-5.0) == 0.0
