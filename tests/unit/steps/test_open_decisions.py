"""Opening, one decision at a time: which run it is, what it keeps, and when it asks first."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest

from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import RunStatus, StopReason
from jobferry.domain.run_request import RunRequest
from jobferry.settlement.retention import kept_seconds
from jobferry.steps import open_run as module
from jobferry.steps.open_run import (
    DENIED_INBOX_SECONDS,
    DENIED_SECONDS,
    OPENS_WITHIN,
    SAME_CONTENT,
    open_run,
    resume_run,
    run_id_of,
)
from jobferry.store.objects import DeniedError, ObjectMissingError
from virtual.vendor import NOTE, UPSERT
from virtual.world import INBOX, PROFILE, World, sample_csv

ONE, TWO = "arn:execution:one", "arn:execution:two"


def test_everything_that_makes_a_run_is_in_its_name() -> None:
    plain = RunRequest("things", "bucket", "key", "v1")
    others = [
        replace(plain, bucket="other"),
        replace(plain, key="other"),
        replace(plain, firing="now"),
        replace(plain, profile="thing-s"),
    ]
    names = [run_id_of(request, "v1") for request in (plain, *others)]
    names.append(run_id_of(plain, "v2"))
    assert len({name.rpartition("-")[2] for name in names}) == len(names)


@pytest.mark.parametrize(
    ("bucket", "started", "raises"),
    [
        (INBOX, None, True),
        (INBOX, DENIED_INBOX_SECONDS - 1.0, True),
        (INBOX, DENIED_INBOX_SECONDS + 1.0, False),
        ("other", DENIED_SECONDS - 1.0, True),
        ("other", DENIED_SECONDS + 1.0, False),
    ],
)
def test_a_file_that_may_not_be_read_is_waited_for(
    world: World, *, bucket: str, started: float | None, raises: bool
) -> None:
    request = RunRequest(PROFILE, bucket, "inbox/things/file.csv", "v1")
    started_at = None if started is None else world.clock.now() - started
    with mock.patch.object(world.objects, "head", side_effect=DeniedError("no")):
        if raises:
            with pytest.raises(DeniedError):
                open_run(request, ONE, world.deps, started_at)
            return
        answer = open_run(request, ONE, world.deps, started_at)
    assert answer == {"run_id": run_id_of(request, "v1"), "state": "unusable"}
    assert world.run(answer["run_id"]).source.version_id == "v1"


@pytest.mark.parametrize("started", [None, 10.0])
def test_a_file_that_is_not_there_is_not_waited_for(world: World, started: float | None) -> None:
    request = RunRequest(PROFILE, INBOX, "inbox/things/file.csv")
    with mock.patch.object(world.objects, "head", side_effect=ObjectMissingError("no")):
        answer = open_run(request, ONE, world.deps, started and world.clock.now() - started)
    assert (answer["state"], world.run(answer["run_id"]).source.version_id) == ("unusable", "null")


@pytest.mark.parametrize(
    ("asked", "state", "trial"),
    [
        ("1", "open", 1),
        ("25", "open", 25),
        ("9" * 20, "open", 10**12),
        ("0", "unusable", None),
        ("-1", "unusable", None),
        ("many", "unusable", None),
        ("٣", "unusable", None),
        ("²", "unusable", None),
    ],
)
def test_the_rows_of_a_trial(world: World, asked: str, state: str, trial: int | None) -> None:
    request = world.drop(sample_csv(1), options={"jobferry-trial": asked})
    answer = open_run(request, ONE, world.deps)
    assert answer["state"] == state
    assert world.run(answer["run_id"]).trial == trial


def test_it_keeps_what_was_learned_and_how_long_it_stays(world: World) -> None:
    with mock.patch.object(module, "rows_per_job", return_value=17):
        answer = open_run(world.drop(sample_csv(1)), ONE, world.deps)
    run = world.run(answer["run_id"])
    assert run.job_rows == 17
    assert run.expires_at == int(world.clock.now()) + kept_seconds(world.store.retention)


def test_one_that_was_deleted_is_not_carried_once_more(world: World) -> None:
    request = world.drop(sample_csv(1))
    run = world.execute(request)
    world.store.runs.delete(run, world.clock.now())
    answer = open_run(request, ONE, world.deps)
    assert answer == {"run_id": run.run_id, "state": "duplicate"}
    assert world.store.runs.get(run.run_id) is None


class TestSameContent:
    """Another run has carried the very same bytes."""

    def opened(self, world: World, *, origin: str = "") -> str:
        options = {"jobferry-origin": origin} if origin else {}
        request = world.drop(sample_csv(2), options=options)
        answer = open_run(request, ONE, world.deps)
        assert answer["state"] == "open"
        return str(answer["run_id"])

    def paused(self, world: World, run_id: str) -> bool:
        pause = world.run(run_id).pause
        if pause is not None:
            assert (pause.code, pause.at) == (SAME_CONTENT, world.clock.now())
        return pause is not None

    def test_the_second_asks(self, world: World) -> None:
        first, second = self.opened(world), self.opened(world)
        assert (self.paused(world, first), self.paused(world, second)) == (False, True)
        assert f"jobferry resume {second}" in getattr(world.run(second).pause, "reason", "")

    def test_what_may_be_repeated_asks_nothing(self, world: World) -> None:
        world.put_profile({"operation": UPSERT})
        self.opened(world)
        assert not self.paused(world, self.opened(world))

    def test_what_adds_something_each_time_asks(self, world: World) -> None:
        world.put_profile({"operation": UPSERT, "constants": {NOTE: "seen"}})
        self.opened(world)
        assert self.paused(world, self.opened(world))

    def test_without_a_known_content_nothing_is_asked(self, world: World) -> None:
        head = world.objects.head
        with mock.patch.object(
            world.objects, "head", lambda *args: replace(head(*args), content="")
        ):
            self.opened(world)
            assert not self.paused(world, self.opened(world))

    def test_rows_that_are_sent_again_on_purpose_ask_nothing(self, world: World) -> None:
        first = self.opened(world)
        assert not self.paused(world, self.opened(world, origin=first))

    @pytest.mark.parametrize(
        ("fate", "asks"),
        [("open", True), ("carried", True), ("nothing sent", False), ("open, nothing sent", True)],
    )
    def test_it_depends_on_what_became_of_the_first(
        self, world: World, *, fate: str, asks: bool
    ) -> None:
        first = self.opened(world)
        run = world.run(first)
        outcomes = {OutcomeStatus.SUCCEEDED: 2} if "nothing" not in fate else {}
        changed = replace(run, outcomes=outcomes)
        if "open" not in fate:
            changed = replace(changed, closed_at=1.0, status=RunStatus.COMPLETED)
        get = type(world.store.runs).get
        with mock.patch.object(
            type(world.store.runs),
            "get",
            lambda runs, run_id: changed if run_id == first else get(runs, run_id),
        ):
            second = self.opened(world)
            assert self.paused(world, second) is asks
        third = self.opened(world)
        named = getattr(world.run(third).pause, "reason", "")
        assert (first if asks else second) in named

    @pytest.mark.parametrize(
        ("seconds", "deleted", "asks"),
        [
            (0.0, False, True),
            (OPENS_WITHIN - 1.0, False, True),
            (OPENS_WITHIN + 1.0, False, False),
            (0.0, True, False),
        ],
    )
    def test_one_that_is_not_there_is_waited_for(
        self, world: World, *, seconds: float, deleted: bool, asks: bool
    ) -> None:
        first = self.opened(world)
        run = world.run(first)
        if deleted:
            world.store.runs.delete(run, world.clock.now())
        else:
            world.store.runs._table.delete_many([(f"RUN#{first}", "META")])
        world.clock.advance(seconds)
        assert self.paused(world, self.opened(world)) is asks

    def test_one_that_is_there_is_asked_about_however_old(self, world: World) -> None:
        self.opened(world)
        world.clock.advance(2 * OPENS_WITHIN)
        assert self.paused(world, self.opened(world))


class TestResume:
    @pytest.mark.parametrize("forced", [False, True])
    def test_a_run_that_was_ended_by_force_is_not_planned_on(
        self, world: World, *, forced: bool
    ) -> None:
        run_id = open_run(world.drop(sample_csv(3)), ONE, world.deps)["run_id"]
        if forced:
            world.store.runs.force(run_id, StopReason("ops", "Now."))
        state = resume_run(run_id, ONE, TWO, world.deps)["state"]
        assert state == ("resumed" if forced else "open")

    def test_its_own_execution_finds_a_closed_run_done(self, world: World) -> None:
        run = world.processed(sample_csv(1))
        answer = resume_run(run.run_id, "arn:0", run.execution, world.deps)
        assert answer == {"run_id": run.run_id, "state": "duplicate"}
