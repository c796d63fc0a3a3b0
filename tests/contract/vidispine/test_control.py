"""Jobs are aborted, hurried, run again and deleted, and their problems told."""

from __future__ import annotations

import pytest

from jobferry.model import JsonObject
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    JobPhase,
    JobProblem,
    RefusalScope,
    Refused,
    Throttled,
)
from tests.contract.vidispine.bench import VidispineBench


def status(bench: VidispineBench, job_id: str) -> str:
    return bench.client.poll([job_id]).readings[job_id].status


@pytest.mark.parametrize("word", ["ABORT_PENDING", "ABORTED_PENDING"])
def test_an_abort_takes_its_time(bench: VidispineBench, word: str) -> None:
    bench.sim.change_settings(vidispine_abort_word=word, vidispine_abort_seconds=5)
    job_id = bench.started()

    assert bench.client.abort(job_id, reason="wrong tape & date") is None
    pending = bench.client.poll([job_id]).readings[job_id]
    bench.pass_time(5)

    assert (pending.phase, pending.status) == (JobPhase.ACTIVE, word)
    assert status(bench, job_id) == "ABORTED"
    (result,) = bench.results(bench.create, job_id, bench.records(1))
    assert (result.status, result.code) == ("failed", "ABORTED")
    (effect,) = bench.sim.effects(kind="job")["effects"]
    assert effect["fields"]["reason"] == "wrong tape & date"


def test_an_abort_without_cleanup_is_immediate_where_nothing_began(bench: VidispineBench) -> None:
    job_id = bench.started()

    bench.client.abort(job_id, cleanup=False)

    assert status(bench, job_id) == "ABORTED"


def test_what_has_ended_is_not_aborted(bench: VidispineBench) -> None:
    job_id = bench.started()
    bench.pass_time()

    answer = bench.client.abort(job_id)

    assert isinstance(answer, Refused)
    assert (answer.code, answer.scope) == ("conflict", RefusalScope.CHUNK)


def test_a_waiting_job_can_be_aborted(bench: VidispineBench) -> None:
    bench.sim.change_settings(vidispine_problems=[{"type": "storage"}])
    job_id = bench.started()
    bench.pass_time()
    bench.client.abort(job_id)
    bench.pass_time()

    assert status(bench, job_id) == "ABORTED"
    assert bench.client.problems() == []


def test_a_priority_decides_whose_turn_it_is(bench: VidispineBench) -> None:
    bench.sim.change_settings(vidispine_running=1)
    first, second = bench.started(), bench.started()

    assert bench.client.set_priority(second, "highest") is None
    bench.pass_time(1.5)

    assert (status(bench, first), status(bench, second)) == ("READY", "STARTED")


def test_a_priority_that_is_none_is_not_sent(bench: VidispineBench) -> None:
    answer = bench.client.set_priority(bench.started(), "urgent")

    assert isinstance(answer, Refused)
    assert "IMMEDIATE" in answer.message
    assert "PUT /API/job/{id}" not in bench.requests_by_path()


def test_a_job_is_run_again_under_a_new_id(bench: VidispineBench) -> None:
    origin = bench.started(bench.rows(1, type="SIM_FAIL")[0])
    bench.pass_time()

    same, sooner = bench.client.rerun(origin), bench.client.rerun(origin, "immediate")

    assert isinstance(same, Accepted)
    assert isinstance(sooner, Accepted)
    assert len({origin, same.job_id, sooner.job_id}) == 3
    assert bench.send("GET", f"/job/{same.job_id}")["priority"] == "MEDIUM"
    assert bench.send("GET", f"/job/{sooner.job_id}")["priority"] == "IMMEDIATE"
    # The copy carries our mark too, so that a poll finds it in the list.
    assert bench.client.poll([same.job_id]).requests == 1


@pytest.mark.parametrize(
    ("effect", "kind"),
    [
        ({"status": 502}, Ambiguous),
        ({"reset": True, "after": True}, Ambiguous),
        ({"rate_limited": "json"}, Throttled),
        ({"status": 401}, Refused),
    ],
    ids=["gateway", "reset", "throttled", "unauthorized"],
)
def test_trouble_is_an_answer(
    bench: VidispineBench, effect: JsonObject, kind: type[object]
) -> None:
    job_id = bench.started()
    bench.befall({"path": "API/job"}, **effect)
    client = bench.client

    answers = (
        client.abort(job_id),
        client.set_priority(job_id, "LOW"),
        client.rerun(job_id),
        client.delete([job_id]),
        client.problems(),
        client.problems(job_id),
    )

    assert [type(answer) for answer in answers] == [kind] * len(answers)
    bench.show_no_secret(*answers)


def test_what_is_no_job_id_never_becomes_an_address(bench: VidispineBench) -> None:
    client, wrong = bench.client, "../item/VX-1"

    answers = (
        client.abort(wrong),
        client.set_priority(wrong, "LOW"),
        client.rerun(wrong),
        client.problems(wrong),
    )

    assert all(isinstance(answer, Refused) for answer in answers)
    assert client.requests_made == 0


def test_jobs_are_deleted_by_the_hundred(bench: VidispineBench) -> None:
    jobs = [bench.started() for _ in range(150)]

    assert bench.client.delete(jobs[:-1]) is None

    assert bench.requests_by_path()["DELETE /API/job"] == 2
    assert [job["jobId"] for job in bench.send("GET", "/job")["job"]] == [jobs[-1]]
    assert bench.sim.effects()["counts"]["job"] == {"deleted": 149}


def test_an_unknown_job_is_not_deleted_and_neither_is_any_other(bench: VidispineBench) -> None:
    job_id = bench.started()

    answer = bench.client.delete([job_id, "VX-999"])

    assert isinstance(answer, Refused)
    assert answer.code == "notFound"
    assert "VX-999" in answer.message
    assert status(bench, job_id) == "READY"


@pytest.mark.parametrize("single", [False, True], ids=["lists", "single objects"])
def test_problems_are_told_with_the_jobs_that_wait(bench: VidispineBench, single: bool) -> None:
    problem = {"type": "storage", "marker": "tape 7", "data": {"storage": "VX-2"}}
    bench.sim.change_settings(vidispine_problems=[problem], vidispine_single_objects=single)
    waiting = bench.started(bench.rows(1, title="tape 7")[0])
    other = bench.started()
    bench.pass_time()

    told = JobProblem("1", "storage", {"storage": "VX-2"}, [waiting])
    assert bench.client.problems() == [told]
    assert bench.client.problems(waiting) == [told]
    assert bench.client.problems(other) == []


def test_no_problem_is_an_empty_list(bench: VidispineBench) -> None:
    assert bench.client.problems() == []
