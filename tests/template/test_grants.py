"""The roles of the functions hold what the functions use: no call is refused, no right is idle.

Whole runs are carried in memory, and what each function asks of AWS is recorded. That no more than
this is missing on a deployment is shown by the tests of `tests/e2e`, where IAM is enforced.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from unittest import mock

import pytest

from jobferry.binding import unpack as unpacking
from jobferry.csvfile import gzipped
from jobferry.domain.chunk import Pool
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Run, RunStatus, StopReason
from jobferry.domain.run_event import SOURCE, Change
from jobferry.domain.run_request import RunRequest
from jobferry.domain.types import JsonObject
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.lane.state import LaneState
from jobferry.operator.delete_run import delete_run
from jobferry.operator.job_control import abort_run, force_run
from jobferry.operator.notice import Notice
from jobferry.operator.pause_resume import continue_run, resume
from jobferry.operator.report_link import make_token
from jobferry.operator.resolve_run import ask_resolve
from jobferry.reporting import result_files
from jobferry.steps import close_run as closing
from jobferry.steps.notify import notify
from jobferry.steps.show_report import show_report
from jobferry.steps.sweep import INBOX_YOUNG, SETTLED_SECONDS
from jobferry.vendors.answers import Found, FoundState
from tests.template.conftest import Template
from tests.template.policies import LEADING_KEYS, LINK_KEY, TABLE, TOPIC, Call, Policy
from tests.template.recorded_steps import FUNCTIONS, ColdWorld, StepRecorder
from virtual.vendor import KEY_FIELD, UPDATE, UPSERT, Behaviour
from virtual.world import CONNECTION, INBOX, World, sample_csv

FAILED, SUCCEEDED = OutcomeStatus.FAILED, OutcomeStatus.SUCCEEDED

WITHOUT_A_CALL_OF_OURS = {
    "logs:": "Lambda delivers the lines of the log.",
    "xray:": "Lambda delivers the traces.",
    "ec2:": "Lambda makes the network interfaces in a VPC.",
    "sqs:": "Lambda parks an event that failed again and again.",
    "kms:": "DynamoDB, S3 and Secrets Manager use the key on behalf of the function.",
}
"""What the recorder cannot see of a role's rights → who uses it."""


def _conflict_at_first(every: int) -> Callable[[JsonObject], RecordResult]:
    """One row of so many meets a conflict the first time it is sent, and goes again."""
    sent: Counter[str] = Counter()

    def result(record: JsonObject) -> RecordResult:
        key = str(record[KEY_FIELD])
        sent[key] += 1
        if int(key[1:]) % every == 0 and sent[key] == 1:
            return RecordResult(FAILED, code="DatabaseConflict", text="Collision")
        return RecordResult(SUCCEEDED, vendor_id=f"id-{key}")

    return result


def _all_fail(_record: JsonObject) -> RecordResult:
    return RecordResult(FAILED, code="RecordInvalid", text="Name: is taken")


def _start(world: World) -> Callable[[str, str], None]:
    return lambda run_id, previous: world.restarts.append((run_id, previous))


def _under_way(world: World) -> Run:
    """A run of which jobs are in flight, and whose execution died."""
    world.store.limits.learn_jobs(CONNECTION, 3, world.clock.now())
    run = world.planned(sample_csv(12))
    world.account.latency = lambda number: 5.0 if number == 1 else 900.0
    world.submit(LaneState(run.run_id, 0))
    return run


def _swept(world: World) -> None:
    world.clock.advance(SETTLED_SECONDS + 1)
    world.sweep()
    world.run_restarts()


def several_lanes(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=1, lane_window=3, senders=4, slots=12) as world:
        run = world.processed(sample_csv(40))
        assert run.status is RunStatus.COMPLETED


def rows_again_of_a_packed_file(recorder: StepRecorder) -> None:
    with (
        ColdWorld(recorder, max_records=10, slots=3) as world,
        mock.patch.object(unpacking, "PART_BYTES", 100),
        mock.patch.object(unpacking, "PARTS_PER_SAVE", 3),
        mock.patch.object(gzipped, "BLOCK_BYTES", 30),
    ):
        world.account.result_of = _conflict_at_first(7)
        run = world.processed(gzip.compress(sample_csv(80).encode()), name="file.csv.gz")
        assert run.outcomes[SUCCEEDED] == 80
        damaged = gzip.compress(sample_csv(40).encode())[:-9]
        assert world.processed(damaged, name="cut-off.csv.gz").status is RunStatus.FAILED


def rows_again(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=10, slots=3) as world:
        world.account.result_of = _conflict_at_first(7)
        assert world.processed(sample_csv(80)).outcomes[SUCCEEDED] == 80


def in_order(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        world.put_profile({"order": "file", "operation": UPSERT})
        world.account.result_of = _conflict_at_first(3)
        assert world.processed(sample_csv(9)).outcomes[SUCCEEDED] == 9


def with_snapshots(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2, slots=3) as world:
        world.put_profile({"operation": UPDATE, "snapshot": True})
        assert world.processed(sample_csv(50)).outcomes[SUCCEEDED] == 50


def plan_in_steps(recorder: StepRecorder) -> None:
    body = "Name,Ref\n" + "".join(f"{'' if i % 7 == 3 else 'n'},r{i % 50}\n" for i in range(250))
    for on_duplicate in ("first", "last"):
        with ColdWorld(recorder) as world:
            world.put_profile({"row_key": "Ref", "on_duplicate": on_duplicate, "batch_size": 1})
            world.seconds["plan"] = 0.0
            assert world.processed(body).outcomes[OutcomeStatus.SKIPPED]


def submissions_lost(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2, token_search=False) as world:
        world.processed(sample_csv(2, start=50))
        world.account.will_reply(
            Behaviour.APPLIED_NO_ANSWER,
            Behaviour.NEVER_ARRIVED,
            Behaviour.ACCEPT,
            Behaviour.NEVER_ARRIVED,
        )
        assert world.processed(sample_csv(12)).closed_at
        world.account.will_reply(Behaviour.APPLIED_NO_ANSWER)
        lane = LaneState(world.planned(sample_csv(2, start=90)).run_id, 0)
        world.submit(world.submit(lane))  # a lane that sees to it before it polls
        world.account.will_reply(Behaviour.NEVER_ARRIVED)
        world.account.will_find(Found(FoundState.UNDECIDABLE, requests=1))
        unknown = world.processed(sample_csv(2))
        assert unknown.status is RunStatus.UNRESOLVED
        world.clock.advance(3_600)
        ask_resolve(unknown, world.deps, _start(world))
        world.run_restarts()


def given_up_and_resolved(recorder: StepRecorder) -> None:
    with ColdWorld(recorder) as world:
        world.account.latency = lambda number: 2 * JOB_DEADLINE if number == 1 else 20.0
        run = world.processed(sample_csv(200))
        assert run.status is RunStatus.UNRESOLVED
        world.clock.advance(2 * JOB_DEADLINE)
        ask_resolve(run, world.deps, _start(world))
        world.run_restarts()
        assert world.run(run.run_id).status is RunStatus.COMPLETED


def trial_and_yes(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        run = world.execute(world.drop(sample_csv(9), options={"jobferry-trial": "3"}))
        assert run.suspended
        resume(run, world.deps, _start(world))
        world.run_restarts()
        assert world.run(run.run_id).status is RunStatus.COMPLETED


def breaker_and_abort(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2, slots=2) as world:
        world.put_profile({"breaker": {"share": 0.5, "at_least": 4}})
        world.account.result_of = _all_fail
        run = world.processed(sample_csv(60))
        assert run.pause is not None
        abort_run(run, "Wrong file.", world.deps)
        continue_run(run.run_id, world.deps, _start(world))
        world.run_restarts()
        assert world.run(run.run_id).status is RunStatus.ABORTED


def refused(recorder: StepRecorder) -> None:
    for act in (
        Behaviour.REFUSE_RUN,
        Behaviour.REFUSE_PROFILE,
        Behaviour.THROTTLE,
        Behaviour.TOO_MANY_JOBS,
    ):
        with ColdWorld(recorder, max_records=2) as world:
            world.account.will_reply(act)
            assert world.processed(sample_csv(20)).closed_at


def ended_by_force(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        world.schedule_with(rows_settled_at_once=0)
        run = _under_way(world)
        world.clock.advance(8.0)
        world.poll(LaneState(run.run_id, 0))  # one job has ended, and is not settled
        force_run(world.run(run.run_id), "Enough.", world.deps, _start(world))
        world.run_restarts()
        assert world.statuses(run.run_id)[:2] == [SUCCEEDED] * 2


def connection_deleted(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        run = _under_way(world)
        world.store.config.delete_connection(CONNECTION)
        _swept(world)
        assert world.run(run.run_id).closed_at


def closed_in_steps(recorder: StepRecorder) -> None:
    with (
        ColdWorld(recorder) as world,
        mock.patch.object(closing, "ROWS_PER_CLOCK_CHECK", 10),
        mock.patch.object(result_files, "PART_BYTES", 500),
    ):
        world.seconds["close"] = 0.0
        assert world.processed(sample_csv(100)).status is RunStatus.COMPLETED


def unusable(recorder: StepRecorder) -> None:
    with ColdWorld(recorder) as world:
        for name in ("book.xlsx", "empty.csv"):
            assert world.execute(world.drop("", name=name)).status is RunStatus.FAILED
        assert world.processed(sample_csv(2), profile="nobody").status is RunStatus.FAILED
        current = RunRequest("things", INBOX, "inbox/things/now.csv", None)
        world.objects.upload(INBOX, current.key, sample_csv(3).encode())
        assert world.execute(current).status is RunStatus.COMPLETED
        again = world.execute(current)
        assert again.rows == 3
        below = RunRequest("things", INBOX, "inbox/things/no", newest=True)
        assert world.execute(below).run_id == again.run_id
        missing = RunRequest("things", INBOX, "inbox/things/never.csv", None)
        assert world.execute(missing).status is RunStatus.FAILED


def swept(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        closed = world.planned(sample_csv(1))
        world.store.runs.stop(closed.run_id, StopReason("aborted", "Stopped."))
        world.execution().run(lambda: {"run_id": closed.run_id, "state": "unusable"})
        (planned,) = world.store.runs.planned_chunks(closed.run_id, 1, 1)
        offered = Pool(1, 2, frozenset())
        now = world.clock.now()
        world.store.chunks.claim(closed, 0, [planned], offered, now, max_jobs=30)
        run = _under_way(world)
        world.ended[run.execution] = "ABORTED"
        world.store.limits._set(CONNECTION, {"in_flight": 9})
        world.objects.upload(INBOX, "inbox/things/lost.csv", sample_csv(2).encode())
        world.clock.advance(INBOX_YOUNG + 1)
        world.sweep()
        world.sweep()  # slots are counted twice before they are set right
        world.clock.advance(20 * 86_400.0)
        world.sweep()
        assert world.run(run.run_id).expires_at > run.expires_at
        assert any("ResultsAtRisk" in each for each in world.metrics)


def deleted_meanwhile(recorder: StepRecorder) -> None:
    with ColdWorld(recorder, max_records=2) as world:
        run = world.processed(sample_csv(6))
        delete_run(run, world.deps)
        world.clock.advance(INBOX_YOUNG + 1)
        assert world.sweep()["opened"] == 0
        again = RunRequest("things", INBOX, run.source.key, run.source.version_id)
        with suppress(Exception):
            world.execute(again)


def notified_and_shown(recorder: StepRecorder) -> None:
    """What the SDK is asked for by the handlers themselves is noted here in their stead."""
    with ColdWorld(recorder, max_records=2) as world:
        run = world.processed(sample_csv(3))
        event = {
            "source": SOURCE,
            "detail-type": Change.CLOSED.detail_type,
            "detail": {"run_id": run.run_id},
        }
        links = {"report_link_url": "https://links.example/", "report_link_hours": 1}
        deps = replace(world.deps, settings=replace(world.deps.settings, **links))
        messages: list[Notice] = []

        def publish(message: Notice) -> None:
            recorder.note("sns:Publish", TOPIC)
            messages.append(message)

        def key() -> str:
            recorder.note("secretsmanager:GetSecretValue", LINK_KEY)
            return "k" * 64

        with recorder.at_work("Notify"):
            assert notify(event, "delivery", deps, publish, key)["notified"]
        token = make_token("k" * 64, run.run_id, int(world.clock.now()), 3_600)
        request = {"rawPath": f"/{token}", "requestContext": {"http": {"method": "GET"}}}
        with recorder.at_work("ShowReport"):
            assert show_report(request, deps, key)["statusCode"] == 200


SCENES = (
    several_lanes,
    rows_again,
    rows_again_of_a_packed_file,
    in_order,
    with_snapshots,
    plan_in_steps,
    submissions_lost,
    given_up_and_resolved,
    trial_and_yes,
    breaker_and_abort,
    refused,
    ended_by_force,
    connection_deleted,
    closed_in_steps,
    unusable,
    swept,
    deleted_meanwhile,
    notified_and_shown,
)


@pytest.fixture(scope="module")
def used() -> dict[str, list[Call]]:
    """The calls of each function over all scenes."""
    with StepRecorder() as recorder:
        for scene in SCENES:
            scene(recorder)
        # What a poll seldom leaves to SettleJobs, and a run of few jobs to lanes.
        recorder.scheduling |= {"rows_settled_at_once": 0, "small_run_jobs": 0}
        for scene in SCENES:
            scene(recorder)
    return recorder.used


def role(template: Template, function: str) -> Policy:
    return Policy.of_role(template, f"{function}FunctionRole")


def right_of(grant: Policy) -> str:
    (statement,) = grant.statements
    return f"{statement['Action']} {statement['Resource']}"


def test_each_function_is_at_work(used: dict[str, list[Call]], template: Template) -> None:
    roles = {name for name in template.resources if name.endswith("FunctionRole")}
    assert {f"{name}FunctionRole" for name in FUNCTIONS} == roles
    assert all(used.values())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_used_that_is_not_granted(
    used: dict[str, list[Call]], template: Template, function: str
) -> None:
    missing = role(template, function).missing(used[function])
    assert not missing, sorted({f"{call.action} {call.resource}" for call in missing})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_is_granted_that_is_not_used(
    used: dict[str, list[Call]], template: Template, function: str
) -> None:
    """Nor twice: without any one of its rights, a function would be refused something."""
    grants = list(role(template, function).grants())
    times = Counter(
        right_of(only[0])
        for call in used[function]
        if len(only := [grant for grant in grants if grant.allows(call)]) == 1
    )
    idle = [
        right
        for right in map(right_of, grants)
        if not times[right] and not right.startswith(tuple(WITHOUT_A_CALL_OF_OURS))
    ]
    assert not idle, idle


def test_every_exception_is_one(used: dict[str, list[Call]], template: Template) -> None:
    rights = [right_of(g) for name in FUNCTIONS for g in role(template, name).grants()]
    for service in WITHOUT_A_CALL_OF_OURS:
        assert any(right.startswith(service) for right in rights)
        assert not any(c.action.startswith(service) for calls in used.values() for c in calls)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_people_configure_is_only_read(template: Template, function: str) -> None:
    """Also where the right to write to the table is there."""
    allowed = role(template, function)
    config = {LEADING_KEYS: ("RUN#r", "CONFIG#PROFILE#p")}
    for action in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"):
        assert not allowed.allows(Call(f"dynamodb:{action}", TABLE, config))
    # What notifies of runs and shows reports needs none of it.
    reads = function not in ("Notify", "ShowReport")
    assert allowed.allows(Call("dynamodb:GetItem", TABLE, config)) is reads
