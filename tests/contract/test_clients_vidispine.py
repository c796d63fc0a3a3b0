"""The official Python SDK of Vidispine understands the simulator: all ten calls of the JobApi."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import vidispine  # type: ignore[import-untyped]
from vidispine.rest import ApiException  # type: ignore[import-untyped]

from vendorsim import ManualClock, RunningSimulator

Create = Callable[..., Any]

# The SDK still uses names that urllib3 2 means to drop.
pytestmark = pytest.mark.filterwarnings("ignore:HTTPResponse.getheader:DeprecationWarning")


@pytest.fixture
def make_client(sim: RunningSimulator) -> Callable[..., vidispine.JobApi]:
    def make(password: str = "admin") -> vidispine.JobApi:
        # The SDK's second configuration is a copy of its first, whatever it is called with.
        configuration = vidispine.Configuration()
        configuration.host = f"{sim.url}/API"
        configuration.username = "admin"
        configuration.password = password
        return vidispine.JobApi(vidispine.ApiClient(configuration))

    return make


@pytest.fixture
def jobs(make_client: Callable[..., vidispine.JobApi]) -> vidispine.JobApi:
    return make_client()


@pytest.fixture
def create(jobs: vidispine.JobApi) -> Create:
    def make(job_type: str = "IMPORT", document: dict[str, str] | None = None, **more: Any) -> Any:
        fields = [{"key": key, "value": value} for key, value in (document or {}).items()]
        body = vidispine.SimpleMetadataType(field=fields)
        return jobs.create_custom_job(job_type, body, **more)

    return make


def data_of(job: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in job.data or []}


def test_a_job_is_created_and_read(
    sim: RunningSimulator, clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    created = create(
        "IMPORT",
        {"title": "Häuser & Höfe"},
        jobmetadata=["title=overruled", "a=b=c"],
        notification_data="told",
        priority="HIGH",
    )
    assert (created.status, created.type, created.priority) == ("READY", "IMPORT", "HIGH")
    assert created.user == "admin"
    assert created.started.timestamp() == pytest.approx(clock.now(), abs=0.001)
    clock.advance(2)

    shown = jobs.get_job(created.job_id, metadata=True)

    (done,) = sim.effects()["effects"]
    assert shown.status == "FINISHED"
    assert shown.finished > shown.started
    assert data_of(shown) == {"item": done["id"], "title": "Häuser & Höfe", "a": "b=c"}
    assert [task.step for task in shown.log.task] == [1, 2, 3]


def test_a_field_of_the_data_can_be_asked_for(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    created = create(document={"one": "1", "two": "2", "three": "3"})
    clock.advance(2)

    assert data_of(jobs.get_job(created.job_id, field=["one", "two"])) == {"one": "1", "two": "2"}


def test_a_running_job_tells_its_step_and_progress(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    created = create()
    clock.advance(1.5)

    shown = jobs.get_job(created.job_id)

    assert shown.status == "STARTED"
    assert (shown.current_step.number, shown.total_steps) == (2, 3)
    assert shown.log.task[-1].progress.value == 50.0
    assert shown.log.task[-1].progress.unit == "percent"


def test_a_failed_job_names_its_error(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    created = create("SIM_FAIL")
    clock.advance(2)

    shown = jobs.get_job(created.job_id)

    assert shown.status == "FAILED_TOTAL"
    assert shown.log.task[-1].error_message == "Simulated failure"


def test_jobs_are_listed_filtered_sorted_and_paged(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    old = [create("IMPORT", jobmetadata=["batch=1"]).job_id, create("SIM_FAIL").job_id]
    middle = datetime.fromtimestamp(clock.now() + 2, UTC)
    clock.advance(3)
    new = [create("EXPORT", jobmetadata=["batch=1", "part=x,y"]).job_id for _ in range(3)]

    def listed(**conditions: Any) -> list[str]:
        found = jobs.get_jobs(**conditions)
        return [job.job_id for job in found.job or []]

    assert listed() == [*old, *new]
    assert listed(sort="startTime desc", user=False, idonly=False) == [*new, *old]
    assert listed(sort="type asc, jobId desc") == [*new[::-1], *old]
    assert listed(state=["FINISHED", "FAILED_TOTAL"]) == old
    assert listed(type=["EXPORT", "SIM_FAIL"]) == [old[1], *new]
    assert listed(jobmetadata=["batch=1"]) == [old[0], *new]
    assert listed(jobmetadata=["batch=1", "part=x,y"]) == new
    assert listed(starttime_from=middle.isoformat()) == new
    assert listed(finishtime_to=middle.isoformat()) == old
    assert listed(first=2, number=2) == [old[1], new[0]]
    assert listed(idonly=True) == [*old, *new]
    assert jobs.get_jobs(number=1).hits == 5
    assert jobs.get_jobs(type=["THUMBNAIL"]).job is None


def test_a_list_shows_metadata_and_steps_on_demand(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    create(document={"title": "t"})
    clock.advance(2)

    (plain,) = jobs.get_jobs().job
    (full,) = jobs.get_jobs(metadata=True, step=True).job

    assert (plain.data, plain.log) == (None, None)
    assert set(data_of(full)) == {"item", "title"}
    assert len(full.log.task) == 3


def test_jobs_of_others_are_shown_on_demand(
    sim: RunningSimulator, jobs: vidispine.JobApi, create: Create
) -> None:
    mine = create().job_id
    jobs.api_client.default_headers["RunAs"] = "somebody"
    theirs = create().job_id
    del jobs.api_client.default_headers["RunAs"]

    assert [job.job_id for job in jobs.get_jobs().job] == [mine]
    assert [job.job_id for job in jobs.get_jobs(user=False).job] == [mine, theirs]


def test_a_job_is_aborted_in_time(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    job_id = create().job_id

    assert jobs.abort_job(job_id, reason="not wanted") is None
    assert jobs.get_job(job_id).status == "ABORT_PENDING"
    clock.advance(1)
    assert jobs.get_job(job_id).status == "ABORTED"


def test_a_job_that_never_began_is_aborted_at_once_without_cleanup(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    ready, running = create().job_id, create().job_id
    jobs.abort_job(ready, cleanup=False)
    clock.advance(1)
    jobs.abort_job(running, cleanup=False)

    assert jobs.get_job(ready).status == "ABORTED"
    assert jobs.get_job(running).status == "ABORT_PENDING"


def test_a_job_is_run_again_as_a_new_one(
    clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    origin = create("EXPORT", {"title": "t"}, priority="LOW").job_id
    clock.advance(2)

    again = jobs.create_duplicate_job(origin)
    sooner = jobs.create_duplicate_job(origin, priority="HIGHEST")

    assert len({origin, again.job_id, sooner.job_id}) == 3
    assert (again.type, again.priority, again.status) == ("EXPORT", "LOW", "READY")
    assert sooner.priority == "HIGHEST"
    assert data_of(jobs.get_job(again.job_id, metadata=True)) == {"title": "t"}


def test_jobs_are_deleted(jobs: vidispine.JobApi, create: Create) -> None:
    first, second, third = (create().job_id for _ in range(3))

    jobs.delete_jobs([first, third])

    assert [job.job_id for job in jobs.get_jobs().job] == [second]
    with pytest.raises(ApiException) as missing:
        jobs.get_job(first)
    assert missing.value.status == 404


def test_a_priority_is_changed(
    sim: RunningSimulator, clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    sim.change_settings(vidispine_running=1)
    first, second, third = (create().job_id for _ in range(3))

    assert jobs.update_job(third, priority="IMMEDIATE") is None
    clock.advance(1)

    shown = {job.job_id: (job.status, job.priority) for job in jobs.get_jobs().job}
    assert shown == {
        first: ("READY", "MEDIUM"),
        second: ("READY", "MEDIUM"),
        third: ("STARTED", "IMMEDIATE"),
    }


def test_problems_tell_which_jobs_wait(
    sim: RunningSimulator, clock: ManualClock, jobs: vidispine.JobApi, create: Create
) -> None:
    problem = {"type": "storage", "requirement": "room", "marker": "EXPORT", "data": {"id": "VX-1"}}
    sim.change_settings(vidispine_problems=[problem])
    waiting, free = create("EXPORT").job_id, create("IMPORT").job_id
    assert jobs.get_all_job_problems().problem is None
    clock.advance(10)

    (told,) = jobs.get_all_job_problems().problem

    assert (told.type, told.job) == ("storage", [waiting])
    assert data_of(told) == {"id": "VX-1"}
    assert jobs.get_job(waiting).waiting.requirement == "room"
    assert jobs.get_job_problems(waiting).problem[0].id == told.id
    assert jobs.get_job_problems(free).problem is None
    sim.change_settings(vidispine_problems=[])
    jobs.get_all_job_problems()
    clock.advance(1)
    assert jobs.get_job(waiting).status == "FINISHED"


def test_job_types_are_listed(sim: RunningSimulator, jobs: vidispine.JobApi) -> None:
    sim.change_settings(vidispine_types=["MY_TYPE"])

    types = jobs.get_job_types()

    assert types.hits == len(types.uri)
    assert {"IMPORT", "TRANSCODE", "MY_TYPE"} <= set(types.uri)


def test_wrong_credentials_are_refused(make_client: Callable[..., vidispine.JobApi]) -> None:
    with pytest.raises(ApiException) as refusal:
        make_client("wrong").get_jobs()

    assert refusal.value.status == 401


def test_a_wrong_word_is_refused(create: Create) -> None:
    for wrong in ({"job_type": "NO_SUCH_TYPE"}, {"priority": "URGENT"}):
        with pytest.raises(ApiException) as refusal:
            create(**wrong)
        assert refusal.value.status == 400
