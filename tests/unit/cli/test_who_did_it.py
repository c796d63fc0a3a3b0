"""Who did it: kept by the commands that change something, and shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import EndpointConnectionError

from jobferry.lane.poller import JOB_DEADLINE
from jobferry.steps.open_run import open_run
from tests.unit.cli.shell import ANN, Shell, client_error
from tests.unit.cli.test_runs import fail_all
from virtual.world import PLAIN_PROFILE, sample_csv

BOB = "arn:aws:iam::123456789012:user/bob"
NOBODY = {"started": None, "aborted": None, "resumed": None, "priority": None, "resolved": None}

Csv = Callable[..., Path]


def by(shell: Shell, run_id: str) -> dict[str, Any]:
    document: dict[str, Any] = shell("status", run_id, "--json").document["by"]
    return document


def test_a_run_is_by_whoever_typed_it_also_where_its_upload_comes_first(
    shell: Shell, csv_file: Csv
) -> None:
    run_id = shell("run", csv_file(), "--profile", "things", "--json").document["run_id"]
    (request,) = shell.states.waiting
    assert request.by == ANN
    # Without what the command said: the event of the upload, which knows the object alone.
    shell.states.waiting = []
    first = next(key for key in shell.world.objects.keys("inbox/", "inbox-bucket"))
    upload = type(request)(request.profile, request.bucket, first, request.version_id)
    open_run(upload, "arn:execution:7", shell.world.deps)

    assert by(shell, run_id) == {**NOBODY, "started": ANN}
    assert f"Started   by {ANN}" in shell("status", run_id).stdout
    (listed,) = shell("runs", "--json").documents
    assert listed["by"]["started"] == ANN


def test_an_upload_of_a_stranger_is_by_nobody_known(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(1))
    assert by(shell, run.run_id) == NOBODY
    assert " by " not in shell("status", run.run_id).stdout


def test_who_aborts_first_is_kept(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell("abort", run.run_id)
    shell.arn = BOB
    shell("abort", run.run_id)
    assert by(shell, run.run_id)["aborted"] == ANN
    assert f"Aborted   by {ANN}" in shell("status", run.run_id).stdout


def test_who_aborts_by_force_is_kept(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell("abort", run.run_id, "--force")
    assert by(shell, run.run_id)["aborted"] == ANN


def test_who_gives_it_another_priority_last_is_kept(shell: Shell) -> None:
    run = shell.world.planned(sample_csv(3))
    shell("priority", run.run_id, "high")
    assert by(shell, run.run_id)["priority"] == ANN
    shell.arn = BOB
    shell("priority", run.run_id, "low")
    assert by(shell, run.run_id)["priority"] == BOB
    shell.sts_fails = client_error("AccessDenied")
    shell("priority", run.run_id, "high")
    assert by(shell, run.run_id)["priority"] is None, "it was not bob"


def test_who_resumes_a_trial_is_kept(shell: Shell, csv_file: Csv) -> None:
    words = ("run", csv_file(6), "--profile", "things", "--trial", 2, "--wait", "--json")
    run_id = shell(*words).document["run_id"]
    assert shell.world.run(run_id).paused
    shell.arn = BOB
    shell("resume", run_id)
    assert by(shell, run_id) == {**NOBODY, "started": ANN, "resumed": BOB}


def test_who_retries_has_started_the_new_run(shell: Shell) -> None:
    shell.world.account.result_of = fail_all
    origin = shell.world.processed(sample_csv(3)).run_id
    again = shell("retry", origin, "--wait", "--json").document
    assert (again["origin"], again["by"]["started"]) == (origin, ANN)
    shell.arn = BOB
    whole = shell("rerun", origin, "--again", "--repeat-succeeded", "--wait", "--json").document
    assert (whole["origin"], whole["by"]["started"]) == (origin, BOB)


def test_who_resolves_is_kept(shell: Shell) -> None:
    shell.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    shell.world.schedule_with(max_poll_interval=1_800.0)
    run = shell.world.processed(sample_csv(3))
    shell("resolve", run.run_id, "--wait")
    assert by(shell, run.run_id)["resolved"] == ANN


def test_who_has_deleted_a_run_is_told_to_those_who_look_for_it(shell: Shell) -> None:
    run = shell.world.processed(sample_csv(1))
    shell("delete", run.run_id, "--yes")
    answer = shell("status", run.run_id)
    assert f"Run {run.run_id} has been deleted by {ANN}." in answer.stderr


def test_a_connection_tells_who_has_put_it(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text('{"bearer": "x"}')
    words = ("connection", "put", "new", "--vendor", "fake", "--base-url", "https://x.example")
    shell(*words, "--credentials", file)
    assert shell("connection", "show", "new", "--json").document["by"] == ANN
    assert f"Put       by {ANN}" in shell("connection", "show", "new").stdout
    # One of before this was kept.
    assert shell("connection", "show", "acme", "--json").document["by"] is None


def test_a_revision_of_a_profile_tells_who_has_put_it(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump({**PLAIN_PROFILE, "max_attempts": 2}))
    revision = shell("profile", "put", file, "--json").document["revision"]
    shell.arn = BOB
    shell("profile", "put", file)
    assert shell("profile", "show", "things", "--json").document["by"] == ANN
    first = shell("profile", "show", "things").stdout.splitlines()[0]
    assert first == f"# revision {revision}, put by {ANN}"


def test_a_schedule_is_named_by_the_runs_that_it_starts(shell: Shell) -> None:
    shell.world.objects.upload("inbox-bucket", "scheduled/a.csv", sample_csv(2).encode())
    source = ("--profile", "things", "--source", "s3://inbox-bucket/scheduled/a.csv")
    shell("schedule", "put", "nightly", "--rate", "1 day", *source)
    fired = shell.scheduler.schedules["nightly"]["Target"]["Input"]
    shell.states.start_execution(
        stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:Run",
        input=fired,
        name="fired",
    )
    shell.states.go_on()
    ((_, run),) = shell.world.store.runs.newest()
    assert by(shell, run.run_id)["started"] == "schedule nightly"


def test_a_schedule_that_is_run_now_is_by_whoever_says_so(shell: Shell) -> None:
    shell.world.objects.upload("inbox-bucket", "scheduled/a.csv", sample_csv(2).encode())
    source = ("--profile", "things", "--source", "s3://inbox-bucket/scheduled/a.csv")
    shell("schedule", "put", "nightly", "--rate", "1 day", *source)
    document = shell("schedule", "run-now", "nightly", "--wait", "--json").document
    assert document["by"]["started"] == ANN


@pytest.mark.parametrize(
    "failure", [client_error("AccessDenied"), EndpointConnectionError(endpoint_url="x")]
)
def test_a_command_works_where_sts_does_not(
    shell: Shell, csv_file: Csv, failure: Exception
) -> None:
    shell.sts_fails = failure
    answer = shell("run", csv_file(), "--profile", "things", "--wait", "--json")
    assert answer.code == 0
    assert answer.document["by"] == NOBODY


@pytest.mark.parametrize("words", [("status",), ("rows",), ("watch",)])
def test_commands_that_only_look_ask_nobody_who_they_are(
    shell: Shell, words: tuple[str, ...]
) -> None:
    run = shell.world.processed(sample_csv(1))
    shell(*words, run.run_id)
    shell("runs")
    shell("connection", "show", "acme")
    shell("profile", "show", "things")
    assert shell.asked_who == 0


def test_it_is_asked_once_however_much_is_changed(shell: Shell) -> None:
    first, second = (shell.world.processed(sample_csv(n)).run_id for n in (1, 2))
    shell("delete", first, second, "--yes")
    assert shell.asked_who == 1


def test_a_caller_whose_arn_s3_does_not_take_uploads_all_the_same(
    shell: Shell, csv_file: Csv
) -> None:
    shell.arn = "arn:aws:iam::123456789012:user/åse"
    run_id = shell("run", csv_file(), "--profile", "things", "--json").document["run_id"]
    request = shell.states.waiting[0]
    head = shell.world.objects.head(request.bucket, request.key, request.version_id)
    assert "jobferry-by" not in head.options
    shell.states.go_on()
    assert by(shell, run_id)["started"] == shell.arn
