"""One run per trigger: an upload, a schedule, the command; and one run per file version."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jobferry.domain.run_request import RunRequest
from jobferry.steps.open_run import run_id_of
from jobferry.store.objects import PART_BYTES
from tests.e2e.conftest import Desk, good_tickets, ticket_csv


def test_upload_carries_good_rows_once_and_bad_rows_never(desk: Desk) -> None:
    rows = good_tickets(250)
    rows[9][3] = "asap"
    rows[19][1] = ""
    rows[29][2] = rows[28][2]
    status = desk.wait(run_id := desk.upload(ticket_csv(rows)))

    assert status["status"] == "completed_with_failures"
    assert status["rows"] == 250
    assert status["outcomes"] == {
        "succeeded": 247,
        "failed": 0,
        "rejected": 2,
        "skipped": 1,
        "unknown": 0,
    }
    assert status["jobs"] == {"planned": 3, "submitted": 3, "finished": 3}
    created = Counter(e["external_id"] for e in desk.effects(kind="ticket", action="created"))
    good = {row[2] for i, row in enumerate(rows) if i not in (9, 19, 29)}
    assert created == Counter(good)
    assert [row["jobferry_row"] for row in desk.result_file(run_id, "rejected.csv")] == ["10", "20"]
    assert [row["jobferry_row"] for row in desk.result_file(run_id, "skipped.csv")] == ["30"]


def test_schedule_starts_a_run_of_the_named_source(desk: Desk) -> None:
    outputs = desk.stack.outputs
    bucket, key = outputs["InboxBucketName"], f"scheduled/{desk.name}.csv"
    version = desk.stack.client("s3").put_object(
        Bucket=bucket, Key=key, Body=ticket_csv(good_tickets(12))
    )["VersionId"]
    scheduler = desk.stack.client("scheduler")
    moment = datetime.now(UTC) + timedelta(seconds=3)
    scheduler.create_schedule(
        Name=desk.name,
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": outputs["RunStateMachineArn"],
            "RoleArn": outputs["ScheduleRoleArn"],
            "DeadLetterConfig": {"Arn": outputs["TriggerDlqArn"]},
            "Input": json.dumps({"profile": desk.profile, "source": f"s3://{bucket}/{key}"}),
        },
    )
    status = desk.wait(run_id_of(RunRequest(desk.profile, bucket, key), version))

    assert status["status"] == "completed"
    assert status["outcomes"]["succeeded"] == 12
    assert len(desk.effects(action="created")) == 12


def test_command_uploads_starts_and_waits(desk: Desk, tmp_path: Path) -> None:
    rows = good_tickets(15)
    rows[4][3] = "asap"
    file = tmp_path / "tickets.csv"
    file.write_bytes(ticket_csv(rows))
    command = [str(Path(sys.executable).parent / "jobferry"), "run", str(file)]
    done = subprocess.run(
        [*command, "--profile", desk.profile, "--wait", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, "JOBFERRY_STACK": desk.stack.state.stack},
    )

    assert done.returncode == 3, done.stderr
    status = json.loads(done.stdout)
    assert status["outcomes"]["succeeded"] == 14
    assert status["outcomes"]["rejected"] == 1
    # The upload's own event must not have made a second run of the same version.
    time.sleep(2)
    assert len(desk.effects(action="created")) == 14


def test_event_delivered_five_times_makes_one_run(desk: Desk) -> None:
    outputs = desk.stack.outputs
    bucket, key = outputs["InboxBucketName"], f"inbox/{desk.profile}/again.csv"
    run_id = desk.upload(ticket_csv(good_tickets(20)), "again.csv")
    version = desk.stack.client("s3").head_object(Bucket=bucket, Key=key)["VersionId"]
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "version-id": version}},
    }
    states = desk.stack.client("stepfunctions")
    started = [
        states.start_execution(
            stateMachineArn=outputs["RunStateMachineArn"], input=json.dumps(event)
        )["executionArn"]
        for _ in range(4)
    ]
    assert desk.wait(run_id)["outcomes"]["succeeded"] == 20
    for arn in started:
        while (answer := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
            time.sleep(0.2)
        assert answer["status"] == "SUCCEEDED"
    assert Counter(e["external_id"] for e in desk.effects(action="created")) == Counter(
        f"ref-{n}" for n in range(1, 21)
    )


def test_everything_dropped_below_the_inbox_gets_an_answer(desk: Desk) -> None:
    csv, tsv = ticket_csv(good_tickets(40)), ticket_csv(good_tickets(3)).replace(b",", b"\t")
    # More than one part, so that an upload is in flight when the end turns out to be missing.
    long = csv + b"Subject,Body,ref,normal\n" * (PART_BYTES // 20)
    processed = {
        "EXPORT.CSV": (csv, 40),
        "packed.csv.gz": (gzip.compress(ticket_csv(good_tickets(30))), 30),
        "table.tsv": (tsv, 3),
    }
    refused = {
        f"inbox/{desk.profile}/data.txt": (csv, desk.profile, "rename it to FILE.csv"),
        f"inbox/{desk.profile}/cut.csv.gz": (
            gzip.compress(long)[:-9],
            desk.profile,
            "its end is missing",
        ),
        f"inbox/{desk.name}.csv": (csv, "unknown", "no profile's folder"),
    }
    bucket = desk.stack.outputs["InboxBucketName"]
    desk.stack.client("s3").put_object(Bucket=bucket, Key=f"inbox/{desk.profile}/new/", Body=b"")
    runs = {name: desk.upload(body, name) for name, (body, _) in processed.items()}
    answers = {}
    for key, (body, profile, _) in refused.items():
        put = desk.stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        answers[key] = run_id_of(RunRequest(profile, bucket, key), put["VersionId"])

    for name, (_, rows) in processed.items():
        status = desk.wait(runs[name])
        assert (status["status"], status["outcomes"]["succeeded"]) == ("completed", rows), name
        assert status["source"]["key"] == f"inbox/{desk.profile}/{name}"
    for key, (_, profile, reason) in refused.items():
        status = desk.wait(answers[key])
        assert (status["status"], status["profile"]) == ("failed", profile), key
        assert reason in status["error"]
    assert len(desk.effects(action="created")) == sum(rows for _, rows in processed.values())
    keys = {run.source.key for _, run in desk.stack.deps.store.runs.newest(limit=50)}
    assert f"inbox/{desk.profile}/new/" not in keys
    archive = desk.stack.outputs["ArchiveBucketName"]
    assert "Uploads" not in desk.stack.client("s3").list_multipart_uploads(Bucket=archive)


def test_an_input_of_which_no_run_can_be_made_fails_at_once(desk: Desk) -> None:
    states = desk.stack.client("stepfunctions")
    arn = states.start_execution(
        stateMachineArn=desk.stack.outputs["RunStateMachineArn"], input='{"resume": "r"}'
    )["executionArn"]
    deadline = time.monotonic() + 30
    while (answer := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.2)

    assert (answer["status"], answer["error"]) == ("FAILED", "InputRefused")
    assert '"previous"' in answer["cause"]
