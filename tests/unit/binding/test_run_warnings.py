"""What the plan and the vendor warn of: kept with the run, shown, and in no log."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from jobferry.binding.run_warnings import fresh_warnings, in_vendors_words
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunStatus
from jobferry.operator.delete_run import delete_run
from jobferry.operator.status import run_document
from jobferry.store.run_notes import MOST_WARNINGS, WARNING_CHARACTERS
from jobferry.vendors.operation import Operation
from tests.unit.operator.test_pause_resume import resumed, trial
from virtual.vendor import CREATE, KEY_FIELD, Behaviour, Reply
from virtual.world import World, sample_csv

IGNORED = 'Removed restricted keys ["subjet"] from parameters according to whitelist'


def warning(text: str = IGNORED) -> Reply:
    return Reply(Behaviour.ACCEPT, warnings=(text,))


def list_fields(world: World, *fields: str) -> None:
    operations = cast("dict[str, Operation]", world.vendor.operations)
    operations[CREATE] = replace(operations[CREATE], fields=fields)


def told(world: World, run: Run) -> list[str]:
    found: list[str] = run_document(world.run(run.run_id), world.deps)["warnings"]
    return found


class TestOfThePlan:
    def test_a_field_that_is_not_listed(self, world: World) -> None:
        list_fields(world, "name", KEY_FIELD, "priority")
        world.put_profile({"columns": {"Name": "name", "Ref": KEY_FIELD, "Prio": "priorty"}})
        run = world.planned("Name,Ref,Prio\na,r1,high\n")

        (text,) = told(world, run)
        assert text.startswith(f"Column Prio: {CREATE} is not known to have the field priorty;")
        assert text.endswith("Did you mean priority?")

    def test_a_header_that_is_a_field(self, world: World) -> None:
        list_fields(world, "name", KEY_FIELD)
        world.put_profile({"columns": None})
        run = world.processed("name,ref,nmae\na,r1,b\n")

        assert len(told(world, run)) == 1
        assert run.status is RunStatus.COMPLETED

    def test_nothing_where_all_is_well(self, world: World) -> None:
        list_fields(world, "name", KEY_FIELD)

        assert told(world, world.processed(sample_csv(3))) == []


class TestOfTheVendor:
    def test_it_is_kept_once_and_names_the_vendor(self, world: World) -> None:
        world.account.will_reply(*[warning()] * 5)
        run = world.processed(sample_csv(5))

        assert told(world, run) == [f"{world.vendor.title} warns: {IGNORED}"]
        assert run.status is RunStatus.COMPLETED
        assert run.outcomes[OutcomeStatus.SUCCEEDED] == 5

    def test_different_texts_are_kept_up_to_a_bound(self, world: World) -> None:
        world.account.will_reply(*[warning(f"text {n}") for n in range(MOST_WARNINGS + 10)])
        run = world.processed(sample_csv(2 * (MOST_WARNINGS + 10)))

        assert len(told(world, run)) == MOST_WARNINGS

    def test_a_long_text_is_cut(self, world: World) -> None:
        world.account.will_reply(*[warning("x" * 5_000)] * 2)
        run = world.processed(sample_csv(4))

        (text,) = told(world, run)
        assert len(text) == WARNING_CHARACTERS

    def test_it_is_in_no_log_and_no_metric(self, world: World) -> None:
        world.account.will_reply(warning("secret words"))
        world.execute(world.drop(sample_csv(9), options=trial(3)))

        assert "secret words" not in repr(world.log)
        assert "secret words" not in repr(world.metrics)
        assert "secret words" not in repr(world.announced)

    def test_it_is_in_the_report(self, world: World) -> None:
        world.account.will_reply(warning())
        run = world.processed(sample_csv(3))

        page = world.objects.get(f"results/{run.run_id}/report.html").decode()
        assert "Removed restricted keys" in page
        assert "Warnings" in page

    def test_a_run_that_is_gone_stays_gone(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        delete_run(run, world.deps, vendor_jobs=False)
        world.store.runs.warn(run.run_id, "late")

        assert world.store.runs.get(run.run_id) is None


class TestOfATrial:
    def test_it_is_paused_with_the_reason(self, world: World) -> None:
        world.account.will_reply(warning())
        run = world.execute(world.drop(sample_csv(9), options=trial(6)))

        assert run.pause is not None
        assert run.pause.code == "vendor_warning"
        assert run.pause.reason == (f"The trial is paused. {world.vendor.title} warns: {IGNORED}")
        assert run.suspended
        assert len(world.account.submissions) == 1

    def test_a_yes_goes_on_with_the_trial_and_the_same_is_not_told_again(
        self, world: World
    ) -> None:
        world.account.will_reply(*[warning()] * 5)
        run = world.execute(world.drop(sample_csv(9), options=trial(6)))
        after = resumed(world, run)

        assert after.pause is not None
        assert after.pause.code == "trial"
        assert sorted(world.account.times_applied) == [f"r{n}" for n in range(1, 7)]
        assert resumed(world, after).outcomes[OutcomeStatus.SUCCEEDED] == 9
        assert set(world.account.times_applied.values()) == {1}
        assert world.problems(run.run_id) == []

    def test_at_its_last_job_a_yes_sends_the_rest(self, world: World) -> None:
        world.account.will_reply(Behaviour.ACCEPT, Behaviour.ACCEPT, warning())
        run = world.execute(world.drop(sample_csv(9), options=trial(6)))

        assert run.pause is not None
        assert run.pause.code == "vendor_warning"
        assert resumed(world, run).outcomes[OutcomeStatus.SUCCEEDED] == 9

    def test_after_the_trial_nothing_is_paused(self, world: World) -> None:
        run = world.execute(world.drop(sample_csv(9), options=trial(2)))
        world.account.will_reply(warning())

        assert resumed(world, run).outcomes[OutcomeStatus.SUCCEEDED] == 9

    @pytest.mark.parametrize("rows", [5, 6, 100])
    def test_a_trial_of_all_rows_is_paused_too(self, world: World, rows: int) -> None:
        world.account.will_reply(warning())
        run = world.execute(world.drop(sample_csv(5), options=trial(rows)))

        assert run.pause is not None
        assert run.pause.code == "vendor_warning"
        assert resumed(world, run).outcomes[OutcomeStatus.SUCCEEDED] == 5

    @pytest.mark.parametrize("rows", [2, 100])
    def test_where_nothing_is_left_to_send_the_run_ends(self, world: World, rows: int) -> None:
        world.account.will_reply(warning())
        run = world.execute(world.drop(sample_csv(2), options=trial(rows)))

        assert run.status is RunStatus.COMPLETED
        assert run_document(run, world.deps)["paused"] is None
        assert len(told(world, run)) == 1

    def test_without_a_trial_the_run_goes_on(self, world: World) -> None:
        world.account.will_reply(warning())

        assert world.processed(sample_csv(9)).outcomes[OutcomeStatus.SUCCEEDED] == 9


def test_only_what_is_new_is_worth_keeping() -> None:
    assert fresh_warnings(["a"], ["a", "b"]) == ["b"]
    assert fresh_warnings([str(n) for n in range(MOST_WARNINGS)], ["b"]) == []
    assert fresh_warnings(["x"] * MOST_WARNINGS, ["b"]) == ["b"]
    assert in_vendors_words("Acme", "no") == "Acme warns: no"
