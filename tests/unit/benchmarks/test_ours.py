from __future__ import annotations

import pytest

from benchmarks.virtual.ours import ModelClient, jobferry
from benchmarks.virtual.peers import PEERS, THREADS
from benchmarks.virtual.policy import measure
from benchmarks.virtual.vendor import Conditions, VendorModel
from jobferry.vendors.answers import Accepted, JobPhase, Throttled, ThrottleReason
from jobferry.vendors.operation import Operation
from virtual.schedule import Schedule

EVEN = Conditions(2, 4, latency=10.0, sigma=0.0, stragglers=0.0)
OPERATION = Operation("things.create", "things", 1, 1_000, repeatable=False)


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(0.0)


@pytest.fixture
def client(schedule: Schedule) -> ModelClient:
    return ModelClient(VendorModel(EVEN, seed=1), schedule)


def test_a_submission_takes_its_time_and_is_answered_with_the_vendors_headers(
    client: ModelClient, schedule: Schedule
) -> None:
    answer = client.submit(OPERATION, [{}], "token")
    assert answer == Accepted("0")
    assert isinstance(answer, Accepted)
    assert answer.limits is not None
    assert (answer.limits.requests_limit, answer.limits.requests_remaining) == (4, 3)
    assert answer.limits.resets_in == pytest.approx(60 - schedule.now())
    assert 0.2 < schedule.now() < 0.5
    assert client.requests_made == 1


def test_refusals_say_what_was_too_many(client: ModelClient, schedule: Schedule) -> None:
    answers = [client.submit(OPERATION, [{}], "token") for _ in range(5)]
    assert answers[2:4] == [Throttled(ThrottleReason.SLOTS)] * 2
    assert answers[4] == Throttled(ThrottleReason.RATE, 60 - schedule.now())


def test_a_poll_tells_progress_and_the_result_of_what_ended(
    client: ModelClient, schedule: Schedule
) -> None:
    client.submit(OPERATION, [{}], "token")
    schedule.sleep(5.0)
    client.submit(OPERATION, [{}], "token")
    schedule.sleep(5.0)
    answer = client.poll(["0", "1"])
    assert answer.requests == 1
    assert answer.readings["0"].phase is JobPhase.ENDED
    assert answer.readings["0"].raw == {
        "id": "0",
        "status": "completed",
        "results": [["succeeded", "4800000000000", None, None]],
    }
    assert answer.readings["1"].phase is JobPhase.ACTIVE
    assert 50 <= (answer.readings["1"].progress or 0) <= 60


@pytest.mark.parametrize(
    "conditions",
    [
        pytest.param(Conditions(5, 700, latency=15.0), id="jobs in flight bind"),
        pytest.param(Conditions(30, 30, latency=2.0), id="requests bind"),
        pytest.param(Conditions(5, 700, latency=15.0, storms=True), id="storms"),
    ],
)
def test_the_real_steps_carry_every_job_within_the_limits(conditions: Conditions) -> None:
    figures = measure(jobferry, conditions, jobs=40, seed=2)
    assert figures.most_in_flight <= conditions.max_jobs
    assert figures.most_in_any_minute <= conditions.requests_per_minute
    assert figures.least_ratio >= 1.0
    assert measure(jobferry, conditions, jobs=40, seed=2) == figures


@pytest.mark.parametrize("name", [name for name in PEERS if name not in THREADS])
def test_the_real_steps_need_no_more_time_than_any_peer(name: str) -> None:
    conditions = Conditions(5, 700, latency=15.0)
    ours, theirs = (measure(policy, conditions, 40, seed=2) for policy in (jobferry, PEERS[name]))
    assert ours.seconds <= theirs.seconds
