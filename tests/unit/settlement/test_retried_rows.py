"""Whole runs in which rows go again: conflicts, whole refusals, results that were never listed."""

from __future__ import annotations

from collections import Counter

import pytest

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from virtual.vendor import KEY_FIELD, UPSERT, Behaviour
from virtual.world import World, sample_csv

OK, BAD, UNKNOWN = OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN
CONFLICT = RecordResult(BAD, code="DatabaseConflict", text="Database collision")


def done(record: JsonObject) -> RecordResult:
    return RecordResult(OK, vendor_id=f"id-{record[KEY_FIELD]}")


class Conflicts:
    """Some rows meet a conflict the first `times` times they are sent."""

    def __init__(self, rows: set[int], times: int) -> None:
        self.rows, self.times = rows, times
        self.sent: Counter[str] = Counter()

    def __call__(self, record: JsonObject) -> RecordResult:
        key = str(record[KEY_FIELD])
        self.sent[key] += 1
        after_failure = int(key[1:]) in self.rows and self.sent[key] <= self.times
        return CONFLICT if after_failure else done(record)


@pytest.mark.parametrize("rows", [{7}, {1, 20}, {5, 6, 7, 19}, set(range(1, 21))])
def test_only_rows_in_conflict_go_again(rows: set[int]) -> None:
    with World(max_records=10) as world:
        world.account.result_of = conflicts = Conflicts(rows, times=1)
        run = world.processed(sample_csv(20))
        assert run.outcomes[OK] == 20
        assert world.problems(run.run_id) == []
        attempts = {row: o.attempts for row, o in world.outcomes(run.run_id).items()}
        assert attempts == {row: 2 if row in rows else 1 for row in range(1, 21)}
        assert all(n == 1 for key, n in conflicts.sent.items() if int(key[1:]) not in rows)


def test_rows_go_again_as_often_as_the_profile_says() -> None:
    with World(max_records=10) as world:
        world.put_profile({"max_attempts": 4})
        world.account.result_of = Conflicts({3}, times=99)
        run = world.processed(sample_csv(12))
        assert (run.outcomes[OK], run.outcomes[BAD]) == (11, 1)
        failed = world.outcomes(run.run_id)[3]
        assert (failed.error_code, failed.attempts) == ("DatabaseConflict", 4)
        assert world.problems(run.run_id) == []


def test_a_policy_of_failing() -> None:
    with World(max_records=10) as world:
        world.put_profile({"on_error": {"conflict": "fail"}})
        world.account.result_of = Conflicts({3}, times=1)
        run = world.processed(sample_csv(10))
        assert run.outcomes[BAD] == 1
        assert len(world.account.submissions) == 1


def test_a_policy_of_stopping_pauses_the_run() -> None:
    with World(max_records=10, max_jobs=1) as world:
        world.put_profile({"on_error": {"conflict": "stop"}})
        world.account.result_of = Conflicts({3}, times=1)
        run = world.processed(sample_csv(50))
        assert run.closed_at is None
        assert run.pause is not None
        assert run.pause.code == "policy"
        assert "DatabaseConflict" in run.pause.reason
        assert [m for m in world.metrics if "RunsPaused" in m] == [{"RunsPaused": 1}]
        assert world.outcomes(run.run_id)[3].status is BAD
        assert len(world.account.submissions) < 5


@pytest.mark.parametrize("row", [1, 37, 50, 64, 100])
def test_a_poisonous_row_stands_alone_in_the_end(row: int) -> None:
    with World(max_records=50) as world:
        world.account.poison = lambda record: record[KEY_FIELD] == f"r{row}"
        run = world.processed(sample_csv(100))
        assert (run.outcomes[OK], run.outcomes[BAD]) == (99, 1)
        outcome = world.outcomes(run.run_id)[row]
        assert (outcome.status, outcome.error_code, outcome.attempts) == (BAD, "unprocessable", 1)
        assert set(world.account.times_applied.values()) == {1}
        assert len(world.account.submissions) <= 2 + 2 * 6
        assert world.problems(run.run_id) == []


def test_a_profile_that_fits_no_row_is_not_halved_for_ever() -> None:
    with World(max_records=100) as world:
        world.account.poison = lambda _record: True
        run = world.processed(sample_csv(1_000))
        assert run.outcomes[BAD] == 1_000
        assert len(world.account.submissions) < 100
        assert world.problems(run.run_id) == []


@pytest.mark.parametrize(("operation", "known"), [(UPSERT, True), ("things.create", False)])
def test_rows_the_job_never_listed(operation: str, known: bool) -> None:
    with World(max_records=10) as world:
        world.put_profile({"operation": operation})
        listed: Counter[str] = Counter()

        def result(record: JsonObject) -> RecordResult | None:
            key = str(record[KEY_FIELD])
            listed[key] += 1
            return None if key == "r4" and listed[key] == 1 else done(record)

        world.account.result_of = result
        run = world.processed(sample_csv(10))
        outcome = world.outcomes(run.run_id)[4]
        assert outcome.status is (OK if known else UNKNOWN)
        assert world.account.times_applied["r4"] == (2 if known else 1)
        assert world.problems(run.run_id) == []


def test_a_stopped_run_is_over_at_once() -> None:
    with World(max_records=10) as world:
        world.account.will_reply(Behaviour.REFUSE_PROFILE)
        run = world.processed(sample_csv(100))
        assert run.closed_at is not None
        assert run.closed_at - run.started_at < 10
        assert world.problems(run.run_id) == []
