"""Whole runs in which rows that may have been applied go again, and are refused then."""

from __future__ import annotations

from collections import Counter

from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.types import JsonObject
from virtual.vendor import KEY_FIELD, UPSERT, Behaviour
from virtual.world import World, sample_csv


def only_the_first(record: JsonObject) -> RecordResult:
    if record[KEY_FIELD] == "r1":
        return RecordResult(OutcomeStatus.SUCCEEDED, vendor_id="id-r1")
    return RecordResult(OutcomeStatus.FAILED, code="NotFound", text="There is no such thing.")


def test_a_row_that_may_have_been_carried_out_is_not_called_failed() -> None:
    with World(token_search=False) as world:
        world.put_profile({"operation": UPSERT})
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        world.account.result_of = only_the_first
        run = world.processed(sample_csv(2))
        assert world.statuses(run.run_id) == [OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN]
        second = world.outcomes(run.run_id)[2]
        assert second.error_code == "NotFound"
        assert second.error == (
            "Sent before without a clear answer, then refused: There is no such thing."
        )
        assert world.problems(run.run_id) == []


def test_a_row_that_was_surely_not_carried_out_before_is_failed() -> None:
    with World(token_search=False) as world:
        world.put_profile({"operation": UPSERT})
        world.account.will_reply(Behaviour.THROTTLE)
        world.account.result_of = only_the_first
        run = world.processed(sample_csv(2))
        assert world.statuses(run.run_id) == [OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED]


def test_doubt_about_one_row_is_no_doubt_about_another_of_its_job() -> None:
    sent: Counter[str] = Counter()

    def at_first(record: JsonObject) -> RecordResult | None:
        """One row meets a conflict, of the other nothing is said; then both are refused."""
        key = record[KEY_FIELD]
        sent[key] += 1
        if sent[key] > 1:
            return RecordResult(OutcomeStatus.FAILED, code="NotFound", text="It is not there.")
        if key == "r1":
            return RecordResult(OutcomeStatus.FAILED, code="DatabaseConflict", text="Try again.")
        return None

    with World(token_search=False) as world:
        world.put_profile({"operation": UPSERT})
        world.account.result_of = at_first
        run = world.processed(sample_csv(2))
        assert world.statuses(run.run_id) == [OutcomeStatus.FAILED, OutcomeStatus.UNKNOWN]
        assert sent == {"r1": 2, "r2": 2}
        assert world.problems(run.run_id) == []
