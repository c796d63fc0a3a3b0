"""Open: one run per file version, profile and firing; the rest is told why not."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobferry.binding.profile_document import validate
from jobferry.domain.connection import Connection
from jobferry.domain.run import RunStatus
from jobferry.domain.run_event import opened_event
from jobferry.domain.run_request import RunRequest
from jobferry.operator.delete_run import delete_run
from jobferry.runtime.triggers import read_trigger
from jobferry.steps.open_run import open_run, resume_run, run_id_of
from virtual.machine import ExecutionFailedError
from virtual.vendor import UPSERT, VENDOR
from virtual.world import CONNECTION, INBOX, PLAIN_PROFILE, PROFILE, World, sample_csv

HANDLER = Path(__file__).resolve().parents[3] / "functions" / "open_run" / "app.py"
ONE, TWO = "arn:execution:one", "arn:execution:two"


def test_a_run_is_claimed_with_all_that_it_needs(world: World) -> None:
    request = world.drop(
        sample_csv(3), options={"Jobferry-Priority": "high", "jobferry-origin": "r0"}
    )
    answer = open_run(request, ONE, world.deps)
    run = world.run(run_id_of(request, str(request.version_id)))
    assert answer == {"run_id": run.run_id, "state": "open", "event": opened_event(run)}
    assert run.run_id.startswith("things-")
    assert (run.status, run.execution, run.started_at) == (
        RunStatus.PLANNING,
        ONE,
        world.clock.now(),
    )
    assert (run.profile, run.revision, run.connection) == (PROFILE, 1, CONNECTION)
    assert (run.priority, run.origin) == ("high", "r0")
    assert (run.source.version_id, run.source.size) == (request.version_id, len(sample_csv(3)))
    assert world.store.limits.get(CONNECTION).ceiling == 3


def test_the_vendor_limit_holds_whatever_the_operator_allows(world: World) -> None:
    world.store.config.put_connection(Connection(CONNECTION, VENDOR, "https://x", max_jobs=500))
    open_run(world.drop(sample_csv(1)), ONE, world.deps)
    assert world.store.limits.get(CONNECTION).ceiling == 30


def test_asking_again_changes_nothing(world: World) -> None:
    request = world.drop(sample_csv(3))
    first = open_run(request, ONE, world.deps)
    before = world.table.items()
    world.clock.advance(30)
    assert open_run(request, ONE, world.deps) == first
    assert world.table.items() == before


def test_a_second_event_is_a_duplicate(world: World) -> None:
    request = world.drop(sample_csv(3))
    first = open_run(request, ONE, world.deps)
    duplicate = {"run_id": first["run_id"], "state": "duplicate"}
    assert open_run(request, TWO, world.deps) == duplicate
    assert world.run(first["run_id"]).execution == ONE


def test_a_request_without_a_version_means_the_current_one(world: World) -> None:
    request = world.drop(sample_csv(3))
    first = open_run(replace(request, version_id=None), ONE, world.deps)
    duplicate = {"run_id": first["run_id"], "state": "duplicate"}
    assert open_run(request, TWO, world.deps) == duplicate


def test_what_makes_a_run_another(world: World) -> None:
    request = world.drop(sample_csv(3))
    again = world.drop(sample_csv(3))
    world.put_profile({"name": "other"})
    requests = [
        request,
        again,
        replace(request, profile="other"),
        replace(request, firing="2026-01-01T06:00:00Z"),
        replace(request, firing="2026-01-02T06:00:00Z"),
    ]
    answers = [open_run(r, ONE, world.deps) for r in requests]
    assert {a["state"] for a in answers} == {"open"}
    assert len({a["run_id"] for a in answers}) == len(requests)


def test_a_priority_that_does_not_exist_is_medium(world: World) -> None:
    request = world.drop(sample_csv(1), options={"jobferry-priority": "urgent!"})
    run_id = open_run(request, ONE, world.deps)["run_id"]
    assert world.run(run_id).priority == "medium"


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no such file": ({"key": "inbox/things/other.csv"}, "no file s3://inbox-bucket/inbox/things/o"),
    "no such version": ({"version_id": "v999"}, "no file"),
    "no such profile": ({"profile": "nobody"}, "jobferry profile put"),
    "no such connection": ({"profile": "lost"}, "jobferry connection put elsewhere"),
    "no such operation": ({"profile": "dance"}, "no operation 'things.dance'"),
    "a needed field is not mapped": ({"profile": "nameless"}, "needs the field name"),
}


@pytest.mark.parametrize(("changes", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_a_failed_run_that_says_why(
    world: World, changes: dict[str, Any], reason: str
) -> None:
    world.put_profile({"name": "lost", "connection": "elsewhere"})
    world.put_profile({"name": "dance", "operation": "things.dance"})
    world.put_profile({"name": "nameless", "columns": {"Ref": "ref"}})
    request = replace(world.drop(sample_csv(3)), **changes)
    answer = open_run(request, ONE, world.deps)
    assert answer["state"] == "unusable"
    assert open_run(request, ONE, world.deps) == answer
    run = world.execute(replace(request, firing="again"))
    assert (run.status, run.rows) == (RunStatus.FAILED, 0)
    assert reason in (run.error or "")
    assert run.closed_at is not None
    assert world.account.submissions == []
    assert world.outcomes(run.run_id) == {}


@pytest.mark.parametrize(
    "document",
    [
        {"name": PROFILE},
        {**validate(PLAIN_PROFILE), "no_such_setting": 1},
        {**validate(PLAIN_PROFILE), "columns": {"Name": 7}},
        {**validate(PLAIN_PROFILE), "on_duplicate": "never"},
    ],
)
def test_a_profile_that_was_stored_by_other_means_costs_no_file(
    world: World, document: dict[str, Any]
) -> None:
    world.store.config.put_profile(PROFILE, document)
    run = world.processed(sample_csv(1))
    assert run.status is RunStatus.FAILED
    assert "cannot be read as it is stored" in (run.error or "")


def test_a_run_keeps_the_profile_that_it_was_opened_with(world: World) -> None:
    request = world.drop(sample_csv(1))
    run_id = open_run(request, ONE, world.deps)["run_id"]
    world.put_profile({"operation": UPSERT, "columns": {"Ref": "name"}})
    execution = world.execution()
    execution.run(lambda: resume_run(run_id, ONE, execution.arn, world.deps))
    (submission,) = world.account.submissions
    assert submission.operation == "things.create"
    assert submission.records == ({"name": "thing 1", "ref": "r1"},)


DROPPED = {
    "no profile's folder": ("inbox/a.csv", "no profile's folder"),
    "no name of a profile": ("inbox/a b/x.csv", "is no profile's name"),
    "no such profile": ("inbox/nobody/x.csv", "There is no profile 'nobody'"),
    "a folder called unknown": ("inbox/unknown/x.csv", "There is no profile 'unknown'"),
    "a workbook": ("inbox/things/x.xlsx", "save it as CSV UTF-8"),
    "the longest key": (f"inbox/{'x' * 1_010}/x.csv", "is no profile's name"),
}


@pytest.mark.parametrize(("key", "reason"), DROPPED.values(), ids=DROPPED)
def test_whatever_is_dropped_becomes_a_run_that_says_why(
    world: World, key: str, reason: str
) -> None:
    version = world.objects.upload(INBOX, key, b"Name,Ref\n")
    run = world.execute(uploaded(key, version))
    assert run.status is RunStatus.FAILED
    assert reason in (run.error or "")
    assert run.profile in ("unknown", "nobody", "things")
    assert (run.source.key, run.source.version_id) == (key, version)
    assert run.closed_at is not None
    assert world.metrics[-1]["RunsClosed"] == world.metrics[-1]["RunsUnusable"] == 1
    reports = world.objects.keys("results/")
    assert reports == [f"results/{run.run_id}/report.html"]


def test_a_run_that_was_carried_is_not_counted_among_the_unusable(world: World) -> None:
    world.processed(sample_csv(1))
    assert world.metrics[-1]["RunsUnusable"] == 0


@pytest.mark.parametrize("key", ["inbox/", "inbox/things/", "inbox/no name/"])
def test_a_folder_made_in_the_console_is_passed_over(world: World, key: str) -> None:
    request = uploaded(key, world.objects.upload(INBOX, key, b""))
    assert open_run(request, ONE, world.deps) == {"state": "ignored"}
    assert list(world.store.runs.newest()) == []


def test_a_file_with_the_name_of_a_folder_is_refused(world: World) -> None:
    key = "inbox/things/"
    run = world.execute(uploaded(key, world.objects.upload(INBOX, key, b"Name,Ref\n")))
    assert run.status is RunStatus.FAILED


def test_a_file_that_is_too_large_is_not_even_opened(world: World) -> None:
    world.limit(max_file_bytes=len(sample_csv(3)) - 1)
    run = world.processed(sample_csv(3))
    assert run.status is RunStatus.FAILED
    assert "MaxFileBytes" in (run.error or "")
    world.limit(max_file_bytes=len(sample_csv(3)))
    assert world.processed(sample_csv(3)).status is RunStatus.COMPLETED


def uploaded(key: str, version: str) -> RunRequest:
    """What the event of an upload asks for."""
    detail = {"bucket": {"name": INBOX}, "object": {"key": key, "version-id": version}}
    request = read_trigger({"detail-type": "Object Created", "detail": detail}, INBOX)
    assert isinstance(request, RunRequest)
    return request


INVOCATION = SimpleNamespace(
    function_name="OpenRun",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:OpenRun",
    aws_request_id="0a1b",
)
"""What Lambda tells a function of its invocation."""


class TestHandler:
    @pytest.fixture
    def call(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
        """The handler with the world behind it, called with an execution's input."""
        monkeypatch.setattr("jobferry.runtime.wiring.build_deps", lambda: world.deps)
        spec = importlib.util.spec_from_file_location("open_run_app", HANDLER)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)

        def call(given: object) -> dict[str, Any]:
            event = {"execution": ONE, "started": "2026-01-01T00:00:00Z", "input": given}
            answer: dict[str, Any] = module.handler(event, INVOCATION)
            return answer

        return call

    @pytest.mark.parametrize(
        "given",
        [
            [],
            {"profile": ["x"], "source": "s3:///inbox/things/file.csv"},
            {"resume": "r"},
            {"resume": "nobody-000000000000", "previous": "arn"},
        ],
    )
    def test_what_makes_no_run_is_refused_at_once(
        self, world: World, call: Callable[..., dict[str, Any]], given: object
    ) -> None:
        answer = call(given)
        assert answer["state"] == "refused"
        assert answer["error"]
        execution = world.execution()
        with pytest.raises(ExecutionFailedError, match="InputRefused"):
            execution.run(lambda: answer)
        assert execution.history == ["OpenRun"]

    def test_nothing_is_written_under_a_profile_that_is_no_name(
        self, world: World, call: Callable[..., dict[str, Any]]
    ) -> None:
        world.drop(sample_csv(1))
        given = {"profile": "a/../../results/x", "source": "s3:///inbox/things/file.csv"}
        execution = world.execution()
        execution.run(lambda: call(given))
        run = world.run(execution.run_id)
        assert (run.profile, run.status) == ("unknown", RunStatus.FAILED)
        assert "'a/../../results/x' is no profile's name" in (run.error or "")
        assert not any(".." in key for key in world.objects.keys("results/"))

    def test_a_good_input_opens_a_run(
        self, world: World, call: Callable[..., dict[str, Any]]
    ) -> None:
        world.drop(sample_csv(1))
        answer = call({"profile": "things", "source": "s3:///inbox/things/file.csv"})
        assert answer["state"] == "open"
        assert call({"resume": answer["run_id"], "previous": ONE})["state"] == "open"


class TestResume:
    def test_a_run_that_was_deleted_is_left_alone(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        delete_run(run, world.deps)
        answer = resume_run(run.run_id, run.execution, TWO, world.deps)
        assert answer == {"run_id": run.run_id, "state": "duplicate"}

    def test_a_run_in_planning_is_planned_on(self, world: World) -> None:
        run_id = open_run(world.drop(sample_csv(3)), ONE, world.deps)["run_id"]
        assert resume_run(run_id, ONE, TWO, world.deps)["state"] == "open"
        assert world.run(run_id).execution == TWO
        assert resume_run(run_id, ONE, TWO, world.deps)["state"] == "open"

    def test_only_one_may_take_over(self, world: World) -> None:
        run_id = open_run(world.drop(sample_csv(3)), ONE, world.deps)["run_id"]
        resume_run(run_id, ONE, TWO, world.deps)
        assert resume_run(run_id, ONE, "arn:execution:three", world.deps)["state"] == "duplicate"

    def test_a_run_in_lanes_goes_to_closing_which_starts_them(self, world: World) -> None:
        run = world.planned(sample_csv(3))
        assert resume_run(run.run_id, run.execution, TWO, world.deps)["state"] == "resumed"
        answer = world.close(run.run_id)
        assert (answer["state"], answer["lanes"]) == ("lanes", [0])

    def test_a_closed_run_is_left_alone(self, world: World) -> None:
        run = world.processed(sample_csv(3))
        assert resume_run(run.run_id, run.execution, TWO, world.deps)["state"] == "duplicate"
        assert world.run(run.run_id) == run


def test_the_name_of_a_run_depends_on_nothing_else() -> None:
    request = RunRequest("p", INBOX, "inbox/p/a.csv", None)
    assert run_id_of(request, "v1") == run_id_of(replace(request, version_id="v1"), "v1")
    assert run_id_of(request, "v1") != run_id_of(request, "v2")
