"""The commands that send rows again, forget runs and keep schedules, on the deployed stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobferry_cli.scheduler import SCHEDULED_TIME
from tests.e2e.conftest import Desk, good_tickets, ticket_csv


@dataclass(frozen=True)
class Answer:
    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        return document


def jobferry(desk: Desk, *words: str) -> Answer:
    """What an operator types, and what comes back."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "jobferry"), *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, "JOBFERRY_STACK": desk.stack.state.stack},
    )
    desk.stack.canaries.shown(done.stdout + done.stderr)
    return Answer(done.returncode, done.stdout, done.stderr)


def created(desk: Desk) -> Counter[str]:
    return Counter(e["external_id"] for e in desk.effects(kind="ticket", action="created"))


def archived(desk: Desk, run_id: str) -> list[str]:
    """What the archive keeps of a run, old versions included."""
    bucket = desk.stack.outputs["ArchiveBucketName"]
    found = desk.stack.client("s3").list_object_versions(Bucket=bucket)
    entries = [*found.get("Versions", []), *found.get("DeleteMarkers", [])]
    return [entry["Key"] for entry in entries if run_id in entry["Key"]]


def test_failed_rows_go_again_and_the_run_is_forgotten(desk: Desk) -> None:
    failing = {"fail_rows": {"marker": "again"}}
    desk.simulator.set_faults({"match": {"path": "create_many"}, "effect": failing})
    rows = good_tickets(30)
    for row in (rows[4], rows[20]):
        row[0] += " again"
    origin = desk.upload(ticket_csv(rows))
    assert desk.wait(origin)["outcomes"]["failed"] == 2
    desk.simulator.set_faults()

    retried = jobferry(desk, "retry", origin, "--wait")
    assert retried.code == 0, retried.stderr
    assert retried.document["origin"] == origin
    assert retried.document["outcomes"]["succeeded"] == retried.document["rows"] == 2
    assert jobferry(desk, "retry", origin).document["run_id"] == retried.document["run_id"]
    assert created(desk) == Counter(row[2] for row in rows)
    # The upload's own event must not have made a second run.
    time.sleep(2)
    assert created(desk) == Counter(row[2] for row in rows)

    assert archived(desk, origin)
    deleted = jobferry(desk, "delete", origin, "--vendor-jobs", "--yes")
    assert deleted.document["deleted"] is True
    assert "keeps its records of jobs" in deleted.stderr
    assert archived(desk, origin) == []
    assert jobferry(desk, "status", origin).code == 1
    assert desk.outcomes(retried.document["run_id"])


def test_a_file_goes_again_without_what_was_done(desk: Desk) -> None:
    desk.simulator.set_faults(
        {"match": {"path": "create_many"}, "effect": {"fail_rows": {"marker": "again"}}}
    )
    rows = good_tickets(12)
    rows[3][0] += " again"
    origin = desk.upload(ticket_csv(rows))
    desk.wait(origin)
    desk.simulator.set_faults()

    rerun = jobferry(desk, "rerun", origin)
    assert rerun.document["left_out"] == 11
    assert "11 that succeeded" in rerun.stderr
    assert desk.wait(rerun.document["run_id"])["outcomes"]["succeeded"] == 1
    whole = jobferry(desk, "rerun", origin, "--repeat-succeeded", "--wait")
    assert whole.code == 0, whole.stderr
    assert (whole.document["origin"], whole.document["rows"]) == (origin, 12)
    assert sum(created(desk).values()) == 12 + 12


def test_a_schedule_is_kept_fires_and_goes(desk: Desk) -> None:
    bucket, key = desk.stack.outputs["InboxBucketName"], f"scheduled/{desk.name}.csv"
    source = f"s3://{bucket}/{key}"
    put = ("schedule", "put", desk.name, "--profile", desk.profile, "--source", source)
    desk.stack.client("s3").put_object(Bucket=bucket, Key=key, Body=ticket_csv(good_tickets(5)))
    assert jobferry(desk, *put, "--rate", "1 day").code == 0
    made = jobferry(desk, *put, "--cron", "0 6 ? * MON-FRI *", "--timezone", "Europe/Oslo")
    assert made.document["expression"] == "cron(0 6 ? * MON-FRI *)"

    listed = [json.loads(line) for line in jobferry(desk, "schedule", "list").stdout.splitlines()]
    assert made.document in listed
    run = jobferry(desk, "schedule", "run-now", desk.name, "--wait")
    assert run.code == 0, run.stderr
    assert run.document["source"]["key"] == key
    assert run.document["outcomes"]["succeeded"] == 5

    # A twin of the schedule that is due in a moment carries the file as it is then.
    version = desk.stack.client("s3").put_object(
        Bucket=bucket, Key=key, Body=ticket_csv(good_tickets(6)[5:])
    )["VersionId"]
    twin = _twin_due_soon(desk)
    wanted = {"bucket": bucket, "key": key, "version_id": version}
    assert desk.wait(_run_of(desk, wanted))["by"]["started"] == f"schedule {desk.name}"
    assert created(desk) == Counter(f"ref-{n}" for n in range(1, 7))

    for name in (desk.name, twin):
        assert jobferry(desk, "schedule", "delete", name).document["deleted"] is True
    assert jobferry(desk, "schedule", "run-now", desk.name).code == 1


def test_a_schedule_of_a_prefix_sends_the_newest_file_once(desk: Desk) -> None:
    bucket, prefix = desk.stack.outputs["InboxBucketName"], f"exports/{desk.name}/"
    source = f"s3://{bucket}/{prefix}"
    put = ("schedule", "put", desk.name, "--profile", desk.profile, "--source", source)
    empty = jobferry(desk, *put, "--cron", "0 6 * * ? *")
    assert "There is no .csv" in empty.document["warnings"][0]
    assert jobferry(desk, *put, "--cron", "0 6 * * ? *", "--strict").code == 1
    s3 = desk.stack.client("s3")
    s3.put_object(Bucket=bucket, Key=f"{prefix}b.csv", Body=ticket_csv(good_tickets(2)))
    time.sleep(1.1)  # S3 keeps the second in which an object was stored
    s3.put_object(Bucket=bucket, Key=f"{prefix}a.csv", Body=ticket_csv(good_tickets(5)[2:]))
    s3.put_object(Bucket=bucket, Key=f"{prefix}readme.txt", Body=b"x")

    off = jobferry(desk, "schedule", "disable", desk.name)
    assert (off.document["enabled"], off.document["next_firing"]) == (False, None)
    on = jobferry(desk, "schedule", "enable", desk.name)
    assert on.document["enabled"] is True
    assert on.document["next_firing"].endswith("T06:00:00.000Z")

    twins = [_twin_due_soon(desk)]
    version = s3.head_object(Bucket=bucket, Key=f"{prefix}a.csv")["VersionId"]
    wanted = {"bucket": bucket, "key": f"{prefix}a.csv", "version_id": version}
    first = desk.wait(_run_of(desk, wanted))
    assert first["outcomes"]["succeeded"] == 3

    # Nothing new has come: the next firing says so, and sends nothing.
    twins.append(_twin_due_soon(desk, "again"))
    nothing = {"bucket": bucket, "key": prefix, "version_id": "null"}
    told = desk.wait(_run_of(desk, nothing))
    assert told["status"] == "failed"
    assert first["run_id"] in told["error"]
    assert created(desk) == Counter(f"ref-{n}" for n in range(3, 6))

    for name in (desk.name, *twins):
        assert jobferry(desk, "schedule", "delete", name).code == 0


def test_the_doctor_finds_a_stack_well(desk: Desk) -> None:
    answer = jobferry(desk, "doctor")
    results = {check["name"]: check["result"] for check in answer.document["checks"]}
    named = ("stack", "version", "identity", "table", "inbox", "archive", "state machine")
    assert {name: results[name] for name in named} == dict.fromkeys(named, "ok")
    assert results[f"connection {desk.name}"] == "ok"
    assert "wrong" not in {results[name] for name in ("queue", "alarms", "concurrency")}


def _twin_due_soon(desk: Desk, suffix: str = "twin") -> str:
    """A schedule with the target of the one that the command has made; its name."""
    scheduler = desk.stack.client("scheduler")
    group = desk.stack.outputs["ScheduleGroupName"]
    found = scheduler.get_schedule(Name=desk.name, GroupName=group)
    moment = datetime.now(UTC) + timedelta(seconds=3)
    twin = f"{desk.name}-{suffix}"
    # The emulator leaves what AWS puts the moment of the firing in place of.
    document = found["Target"]["Input"].replace(SCHEDULED_TIME, f"{moment:%Y-%m-%dT%H:%M:%SZ}")
    scheduler.create_schedule(
        Name=twin,
        GroupName=group,
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow=found["FlexibleTimeWindow"],
        Target={**found["Target"], "Input": document},
    )
    return twin


def _run_of(desk: Desk, source: dict[str, str], seconds: float = 60.0) -> str:
    """The run that has this version, once it has begun."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        for line in jobferry(desk, "runs", "--profile", desk.profile).stdout.splitlines():
            document = json.loads(line)
            if document["source"] == source:
                run_id: str = document["run_id"]
                return run_id
        time.sleep(3)
    pytest.fail("the schedule has started no run")
