"""Every route through the run's state machine, on two engines: who was called with what, what was
announced, how it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobferry.domain.routes import CloseRoute, LaneRoute, OpenRoute, PlanRoute
from jobferry.lane.state import LaneState
from tests.engines.script import (
    FAILED_ENTRY,
    PAST,
    PUT_EVENTS,
    SEND_MESSAGE,
    THROTTLED,
    Answer,
    Engine,
    Lanes,
    Script,
    StepError,
)

RUN = {"run_id": "things-1"}
UPLOAD = {
    "detail-type": "Object Created",
    "detail": {"bucket": {"name": "inbox"}, "object": {"key": "inbox/things/a.csv"}},
}

OPENED_EVENT = {**RUN, "profile": "things", "status": "planning", "rows": 0}
OPENED = {**RUN, "state": OpenRoute.OPEN, "event": OPENED_EVENT}
CLOSED_EVENT = {
    **RUN,
    "profile": "things",
    "status": "completed",
    "rows": 3,
    "outcomes": {"succeeded": 3, "failed": 0},
}
CLOSED = {**RUN, "state": CloseRoute.CLOSED, "event": CLOSED_EVENT}
PAUSED_EVENT = {**CLOSED_EVENT, "status": "paused", "code": "trial"}
ENDED = {**RUN, "status": "completed"}
ANNOUNCED_OPENED = ("jobferry", "Run opened", OPENED_EVENT)
ANNOUNCED_PAUSED = ("jobferry", "Run paused", PAUSED_EVENT)
ANNOUNCED_CLOSED = ("jobferry", "Run closed", CLOSED_EVENT)


def planned(*lanes: int) -> Answer:
    return {**RUN, "state": PlanRoute.PLANNED, "lanes": list(lanes)}


def relaunched(*lanes: int) -> Answer:
    return {**RUN, "state": CloseRoute.LANES, "lanes": list(lanes), "wait_until": PAST}


def settled(_payload: dict[str, Any]) -> Answer:
    return {"settled": 1}


def through(lanes: Lanes, **steps: Any) -> Script:
    """A run with these lanes; each other step does its work at once unless another answer is
    given."""
    usual: dict[str, Any] = {
        "OpenRun": [OPENED],
        "PlanRun": [planned(0)],
        "SubmitJobs": lanes.submit,
        "PollJobs": lanes.poll,
        "SettleJob": settled,
        "CloseRun": [CLOSED],
    }
    return Script(**{**usual, **steps})


class TestOpening:
    def test_what_the_run_is_opened_with(self, engine: Engine) -> None:
        script = Script(OpenRun=[{**RUN, "state": OpenRoute.DUPLICATE}])
        engine.execute(script, UPLOAD)
        (asked,) = script.calls("OpenRun")
        assert asked["input"] == UPLOAD
        assert asked["execution"].startswith("arn:")
        assert asked["started"][:2] == "20"

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({**RUN, "state": OpenRoute.DUPLICATE}, id="second event"),
            pytest.param({"state": OpenRoute.IGNORED}, id="folder"),
        ],
    )
    def test_what_is_no_new_file_ends_at_once(self, engine: Engine, answer: dict[str, Any]) -> None:
        script = Script(OpenRun=[answer])
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output) == ("SUCCEEDED", answer)
        assert (script.order, script.announced) == (["OpenRun"], [])

    def test_an_input_that_names_no_file_is_refused(self, engine: Engine) -> None:
        script = Script(OpenRun=[{"state": OpenRoute.REFUSED, "error": "No file."}])
        ended = engine.execute(script, {"profile": 3})
        assert (ended.status, ended.error) == ("FAILED", "InputRefused")
        assert (script.order, script.announced) == (["OpenRun"], [])

    def test_an_input_that_never_becomes_a_run_is_kept(self, engine: Engine) -> None:
        def fail(_payload: dict[str, Any]) -> Answer:
            return StepError("BusyTableError")

        script = Script(OpenRun=fail)
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.error) == ("FAILED", "RunNotOpened")
        assert len(script.calls("OpenRun")) > 50
        assert script.order[-2:] == ["OpenRun", SEND_MESSAGE]
        (message,) = script.calls(SEND_MESSAGE)
        assert message["QueueUrl"]
        assert json.loads(message["MessageBody"]) == UPLOAD
        assert script.announced == []

    def test_a_run_that_cannot_begin_is_closed_and_announced(self, engine: Engine) -> None:
        event = {**CLOSED_EVENT, "status": "failed", "rows": 0}
        closed = {**CLOSED, "event": event}
        script = Script(OpenRun=[{**RUN, "state": OpenRoute.UNUSABLE}], CloseRun=[closed])
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output) == ("SUCCEEDED", {**RUN, "status": "failed"})
        assert script.order == ["OpenRun", "CloseRun", PUT_EVENTS]
        assert script.calls("CloseRun") == [RUN]
        assert script.announced == [("jobferry", "Run closed", event)]


class TestPlanning:
    def test_a_plan_goes_on_until_it_is_done(self, engine: Engine) -> None:
        planning = {**RUN, "state": PlanRoute.PLANNING}
        script = through(Lanes({0: [[]]}), PlanRun=[planning, planning, planned(0)])
        assert engine.execute(script, UPLOAD).status == "SUCCEEDED"
        assert script.calls("PlanRun") == [RUN] * 3

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param({**RUN, "state": PlanRoute.UNUSABLE}, id="file refused"),
            pytest.param({**RUN, "state": PlanRoute.NOTHING_TO_SEND, "lanes": []}, id="no rows"),
        ],
    )
    def test_a_run_without_jobs_is_closed(self, engine: Engine, answer: Answer) -> None:
        script = Script(OpenRun=[OPENED], PlanRun=[answer], CloseRun=[CLOSED])
        assert engine.execute(script, UPLOAD).output == ENDED
        assert script.order == ["OpenRun", PUT_EVENTS, "PlanRun", "CloseRun", PUT_EVENTS]


class TestLanes:
    def test_each_lane_iterates_until_it_is_done(self, engine: Engine) -> None:
        iterations = {0: [[[1]], [], []], 1: [[[11], [12, 13]], []], 2: [[]]}
        script = through(Lanes(iterations), PlanRun=[planned(0, 1, 2)])
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output, ended.lanes_failed) == ("SUCCEEDED", ENDED, 0)
        for lane, polls in iterations.items():
            assert len(script.of_lane("SubmitJobs", lane)) == len(polls)
            assert len(script.of_lane("PollJobs", lane)) == len(polls)
        assert script.announced == [ANNOUNCED_OPENED, ANNOUNCED_CLOSED]
        assert script.order[-2:] == ["CloseRun", PUT_EVENTS]

    def test_a_lane_begins_with_its_number_and_nothing_to_settle(self, engine: Engine) -> None:
        script = through(Lanes({0: [[]], 7: [[]]}), PlanRun=[planned(0, 7)])
        engine.execute(script, UPLOAD)
        first = sorted(script.calls("SubmitJobs"), key=lambda payload: payload["lane"])
        assert first == [{**RUN, "lane": lane, "settle": []} for lane in (0, 7)]

    def test_each_step_is_given_what_the_one_before_it_said(self, engine: Engine) -> None:
        lanes = Lanes({0: [[[1], [2, 3]], [[4]], []]})
        script = through(lanes)
        engine.execute(script, UPLOAD)
        begun = {**RUN, "lane": 0, "settle": []}
        for submitted, polled in zip(
            script.calls("SubmitJobs"), script.calls("PollJobs"), strict=True
        ):
            assert submitted == begun
            assert LaneState.from_payload(polled) == LaneState.from_payload(
                as_document(lanes.submit(submitted))
            )
            begun = as_document(lanes.poll(polled))

    @pytest.mark.parametrize(
        ("groups", "asked"),
        [([], []), ([[1]], [[1]]), ([[1, 2]], [[1, 2]]), ([[1, 2], [3]], [[1, 2], [3]])],
    )
    def test_what_an_iteration_found_is_settled_group_by_group_in_the_next(
        self, engine: Engine, groups: list[list[int]], asked: list[list[int]]
    ) -> None:
        """One group of one chunk is a list in a list on every way."""
        script = through(Lanes({0: [groups, []]}))
        assert engine.execute(script, UPLOAD).status == "SUCCEEDED"
        found = sorted(script.calls("SettleJob"), key=lambda payload: payload["chunks"])
        assert found == [{**RUN, "chunks": chunks} for chunks in asked]

    def test_a_lane_that_wants_to_be_renewed_is_started_afresh(self, engine: Engine) -> None:
        renewing = Lanes({0: [[[1]], []], 1: [[]]}, ends={0: LaneRoute.RENEW})
        script = through(
            renewing, PlanRun=[planned(0, 1)], CloseRun=[relaunched(0, 1), relaunched(0), CLOSED]
        )
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.lanes_failed) == ("SUCCEEDED", 0)
        begun = [payload for payload in script.calls("SubmitJobs") if "iteration" not in payload]
        assert sorted(payload["lane"] for payload in begun) == [0, 0, 0, 1, 1]
        assert all(payload == {**RUN, "lane": payload["lane"], "settle": []} for payload in begun)
        assert script.calls("CloseRun") == [RUN] * 3
        assert script.announced == [ANNOUNCED_OPENED, ANNOUNCED_CLOSED]


class TestFailures:
    def test_a_lane_that_dies_takes_no_other_along(self, engine: Engine) -> None:
        def settle(payload: dict[str, Any]) -> Answer:
            return StepError("RuntimeError") if payload["chunks"] == [1] else {"settled": 1}

        lanes = Lanes({0: [[[1]], [], []], 1: [[[11]], [[12]], []]})
        script = through(
            lanes, PlanRun=[planned(0, 1)], SettleJob=settle, CloseRun=[relaunched(1), CLOSED]
        )
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output, ended.lanes_failed) == ("SUCCEEDED", ENDED, 1)
        chunks = [payload["chunks"] for payload in script.calls("SettleJob")]
        assert chunks.count([1]) > 1
        # The other lane was carried to its end, and once more when lanes started again.
        assert (chunks.count([11]), chunks.count([12])) == (2, 2)
        assert len(script.of_lane("PollJobs", 1)) == 2 * 3
        assert script.calls("CloseRun") == [RUN] * 2

    @pytest.mark.parametrize("step", ["SubmitJobs", "PollJobs"])
    def test_a_step_of_a_lane_that_fails_for_good_ends_the_lane(
        self, engine: Engine, step: str
    ) -> None:
        def fail(_payload: dict[str, Any]) -> Answer:
            return StepError("BusyTableError")

        script = through(Lanes({0: [[]]}), **{step: fail})
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output, ended.lanes_failed) == ("SUCCEEDED", ENDED, 1)
        assert len(script.calls(step)) > 1

    @pytest.mark.parametrize("step", ["PlanRun", "CloseRun"])
    def test_a_run_that_is_gone_is_not_tried_again(self, engine: Engine, step: str) -> None:
        script = through(Lanes({0: [[]]}), **{step: [StepError("RunGoneError")]})
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.error, ended.waits) == ("FAILED", "RunGoneError", [])
        assert script.announced == [ANNOUNCED_OPENED]

    def test_a_lane_whose_run_is_gone_is_not_tried_again(self, engine: Engine) -> None:
        script = through(Lanes({0: [[]]}), PollJobs=[StepError("RunGoneError")])
        ended = engine.execute(script, UPLOAD)
        assert (ended.output, ended.lanes_failed, ended.waits) == (ENDED, 1, [])

    def test_throttled_functions_are_called_for_longer_than_others(self, engine: Engine) -> None:
        """A busy account is no reason to give a run up."""
        throttled = [StepError(THROTTLED)] * 60
        script = through(Lanes({0: [[]]}), PlanRun=[*throttled, planned(0)])
        ended = engine.execute(script, UPLOAD)
        assert (ended.output, len(ended.waits)) == (ENDED, 60)
        assert max(ended.waits) <= 60

    @pytest.mark.parametrize("step", ["OpenRun", "PlanRun", "CloseRun"])
    @pytest.mark.parametrize("error", ["BusyTableError", "Sandbox.Timedout", THROTTLED])
    def test_a_step_that_failed_is_repeated_with_the_same_payload(
        self, engine: Engine, step: str, error: str
    ) -> None:
        usual = {"OpenRun": OPENED, "PlanRun": planned(0), "CloseRun": CLOSED}
        answers = [StepError(error), StepError(error), usual[step]]
        script = through(Lanes({0: [[]]}), **{step: answers})
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output) == ("SUCCEEDED", ENDED)
        first, second, third = script.calls(step)
        assert first == second == third
        assert len(ended.waits) == 2
        assert all(0 <= seconds <= 4 for seconds in ended.waits)

    @pytest.mark.parametrize("step", ["SubmitJobs", "PollJobs", "SettleJob"])
    def test_a_step_of_a_lane_that_failed_is_repeated_with_the_same_payload(
        self, engine: Engine, step: str
    ) -> None:
        failures = [StepError("BusyTableError"), StepError(THROTTLED)]
        lanes = Lanes({0: [[[1]], []]})
        usual = {"SubmitJobs": lanes.submit, "PollJobs": lanes.poll, "SettleJob": settled}

        def fail_twice(payload: dict[str, Any]) -> Answer:
            return failures.pop(0) if failures else usual[step](payload)

        script = through(lanes, **{step: fail_twice})
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.lanes_failed) == ("SUCCEEDED", 0)
        first, second, third, *_ = script.calls(step)
        assert first == second == third

    def test_what_could_not_be_announced_is_announced_again(self, engine: Engine) -> None:
        told = {"FailedEntryCount": 0}
        entries = [StepError(FAILED_ENTRY), told, StepError(FAILED_ENTRY), told]
        script = through(Lanes({0: [[]]}), **{PUT_EVENTS: entries})
        assert engine.execute(script, UPLOAD).output == ENDED
        assert script.announced == [ANNOUNCED_OPENED] * 2 + [ANNOUNCED_CLOSED] * 2

    def test_a_run_that_cannot_be_announced_as_open_goes_on(self, engine: Engine) -> None:
        def refuse(payload: dict[str, Any]) -> Answer:
            opened = payload["Entries"][0]["DetailType"] == "Run opened"
            return StepError(FAILED_ENTRY) if opened else {"FailedEntryCount": 0}

        script = through(Lanes({0: [[]]}), **{PUT_EVENTS: refuse})
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output) == ("SUCCEEDED", ENDED)
        assert script.calls("PlanRun") == [RUN]
        assert script.announced[-2:] == [ANNOUNCED_OPENED, ANNOUNCED_CLOSED]

    def test_an_answer_that_is_too_large_to_hand_on_ends_its_lane(self, engine: Engine) -> None:
        """More than 256 KiB. Moto tries such a step again before it gives up; AWS does not."""
        lanes = Lanes({0: [[]]})

        def large(payload: dict[str, Any]) -> Answer:
            return {**as_document(lanes.poll(payload)), "note": "x" * 256 * 1024}

        script = through(lanes, PollJobs=large)
        ended = engine.execute(script, UPLOAD)
        assert (ended.output, ended.lanes_failed) == (ENDED, 1)


class TestClosing:
    def test_a_run_that_is_paused_is_announced_and_ends(self, engine: Engine) -> None:
        paused = {**RUN, "state": CloseRoute.PAUSED, "event": PAUSED_EVENT}
        script = through(Lanes({0: [[[1]], []]}), CloseRun=[paused])
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.output) == ("SUCCEEDED", {**RUN, "status": "paused"})
        assert script.announced == [ANNOUNCED_OPENED, ANNOUNCED_PAUSED]

    def test_a_run_is_resumed_by_an_execution_of_its_own(self, engine: Engine) -> None:
        given = {"resume": RUN["run_id"], "previous": "arn:of:the:last"}
        script = through(Lanes({0: [[]]}))
        assert engine.execute(script, given).output == ENDED
        assert script.calls("OpenRun")[0]["input"] == given
        assert script.order[:3] == ["OpenRun", PUT_EVENTS, "PlanRun"]

    def test_a_run_that_goes_on_behind_its_plan_is_not_announced_as_opened(
        self, engine: Engine
    ) -> None:
        given = {"resume": RUN["run_id"], "previous": "arn:of:the:last"}
        script = Script(OpenRun=[{**RUN, "state": OpenRoute.RESUMED}], CloseRun=[CLOSED])
        assert engine.execute(script, given).output == ENDED
        assert script.announced == [ANNOUNCED_CLOSED]

    def test_closing_goes_on_until_it_is_done(self, engine: Engine) -> None:
        closing = {**RUN, "state": CloseRoute.CLOSING}
        script = through(Lanes({0: [[]]}), CloseRun=[closing, closing, CLOSED])
        assert engine.execute(script, UPLOAD).output == ENDED
        assert script.calls("CloseRun") == [RUN] * 3
        assert script.announced == [ANNOUNCED_OPENED, ANNOUNCED_CLOSED]

    def test_a_run_that_does_not_add_up_fails_loudly(self, engine: Engine) -> None:
        script = through(Lanes({0: [[]]}), CloseRun=[{**RUN, "state": CloseRoute.UNBALANCED}])
        ended = engine.execute(script, UPLOAD)
        assert (ended.status, ended.error) == ("FAILED", "RunDoesNotAddUp")
        assert script.announced == [ANNOUNCED_OPENED]


def as_document(answer: Answer) -> dict[str, Any]:
    """An answer as it arrives: JSON knows lists and no tuples."""
    assert not isinstance(answer, StepError)
    state = LaneState.from_payload(answer)
    groups = {name: [list(g) for g in getattr(state, name)] for name in ("settle", "settling")}
    return {**answer, **groups}
