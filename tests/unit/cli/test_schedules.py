"""`jobferry schedule`: what EventBridge Scheduler is told, and what it starts."""

from __future__ import annotations

import json

import pytest

from tests.unit.cli.shell import Shell
from virtual.world import INBOX, sample_csv

KEY = "scheduled/things.csv"
SOURCE = f"s3://{INBOX}/{KEY}"
PUT = ("schedule", "put", "nightly", "--profile", "things", "--source", SOURCE)


def input_of(shell: Shell, name: str = "nightly") -> dict[str, str]:
    document: dict[str, str] = json.loads(shell.scheduler.schedules[name]["Target"]["Input"])
    return document


def test_put_makes_a_schedule_that_starts_runs(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, KEY, sample_csv(2).encode())
    words = (*PUT, "--cron", "0 6 ? * MON-FRI *", "--timezone", "Europe/Oslo", "--json")
    answer = shell(*words)

    assert answer.code == 0
    assert answer.stderr == ""
    document = {
        "name": "nightly",
        "expression": "cron(0 6 ? * MON-FRI *)",
        "timezone": "Europe/Oslo",
        "profile": "things",
        "source": SOURCE,
        "every_time": False,
        "enabled": True,
    }
    assert answer.document == document
    assert shell("schedule", "list", "--json").documents == [document]
    asked = {"profile": "things", "source": SOURCE, "schedule": "nightly"}
    assert input_of(shell) == asked
    made = shell.scheduler.schedules["nightly"]
    assert made["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert (made["Target"]["RoleArn"], made["Target"]["DeadLetterConfig"]) == (
        "role",
        {"Arn": "queue"},
    )


def test_put_again_changes_it(shell: Shell) -> None:
    shell(*PUT, "--rate", "1 day")
    shell(*PUT, "--rate", "rate(15 minutes)", "--every-time")

    assert shell.scheduler.schedules["nightly"]["ScheduleExpression"] == "rate(15 minutes)"
    assert input_of(shell)["scheduled_at"] == "<aws.scheduler.scheduled-time>"
    assert shell("schedule", "list", "--json").document["every_time"] is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "either --cron or --rate"),
        (("--cron", "0 6 ? * * *", "--rate", "1 day"), "either --cron or --rate"),
        (("--cron", "0 6 * * *"), "six fields"),
        (("--rate", "daily"), "1 day"),
        (("--rate", "0 days"), "1 day"),
        (("--rate", "1 day", "--timezone", "Oslo"), "no time zone"),
        (("--rate", "1 day", "--source", "s3://elsewhere/a.csv"), f"s3://{INBOX}/"),
        (("--rate", "1 day", "--source", "a.csv"), "s3://bucket/key"),
        (("--rate", "1 day", "--profile", "nobody"), "There is no profile"),
    ],
)
def test_what_cannot_be_a_schedule_is_refused(
    shell: Shell, words: tuple[str, ...], told: str
) -> None:
    answer = shell(*PUT, *words)

    assert answer.code == 1
    assert told in answer.stderr
    assert not shell.scheduler.schedules


def test_what_the_scheduler_refuses_is_a_usage_error(shell: Shell) -> None:
    shell.scheduler.refuses = "Invalid Schedule Expression."
    answer = shell(*PUT, "--cron", "0 99 ? * * *")

    assert answer.code == 1
    assert "Invalid Schedule Expression." in answer.stderr


def test_a_file_that_is_not_there_yet_is_said(shell: Shell) -> None:
    answer = shell(*PUT, "--rate", "1 day")

    assert answer.code == 0
    assert f"There is no file {SOURCE} yet" in answer.stderr


def test_run_now_starts_what_the_schedule_would_start(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, KEY, sample_csv(2).encode())
    shell(*PUT, "--rate", "1 day")
    first = shell("schedule", "run-now", "nightly", "--wait", "--json")
    second = shell("schedule", "run-now", "nightly", "--json")

    assert first.document["outcomes"]["succeeded"] == 2
    assert second.document == {"run_id": first.document["run_id"], "name": "nightly"}
    assert "has not changed since" in second.stderr
    shell.world.objects.upload(INBOX, KEY, sample_csv(3).encode())
    third = shell("schedule", "run-now", "nightly", "--wait", "--json")
    assert third.document["rows"] == 3


def test_run_now_of_every_time_is_a_run_of_its_own(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, KEY, sample_csv(2).encode())
    shell(*PUT, "--rate", "1 day", "--every-time")
    ids = set()
    for _ in range(2):
        ids.add(shell("schedule", "run-now", "nightly", "--wait", "--json").document["run_id"])
        shell.world.clock.advance(1)

    assert len(ids) == 2


def test_run_now_without_a_file_says_how_to_put_one(shell: Shell) -> None:
    shell(*PUT, "--rate", "1 day")
    answer = shell("schedule", "run-now", "nightly")

    assert answer.code == 1
    assert answer.stderr.splitlines()[-1] == f"Next:  aws s3 cp FILE.csv {SOURCE}"
    assert not shell.states.names


def test_delete_and_what_is_not_there(shell: Shell) -> None:
    shell(*PUT, "--rate", "1 day")

    assert shell("schedule", "delete", "nightly", "--json").document == {
        "name": "nightly",
        "deleted": True,
    }
    assert "Make one: " in shell("schedule", "list").stdout
    for command in ("delete", "run-now"):
        answer = shell("schedule", command, "nightly")
        assert answer.code == 1
        assert answer.stderr.splitlines()[-1] == "Next:  jobferry schedule list"


def test_a_list_for_people(shell: Shell) -> None:
    shell(*PUT, "--rate", "1 day")
    assert "rate(1 day)" in shell("schedule", "list").stdout


def test_a_stack_of_an_older_template_is_said(shell: Shell) -> None:
    shell.group = ""
    answer = shell("schedule", "list")

    assert answer.code == 2
    assert answer.stderr.splitlines()[-1] == "Next:  sam deploy"
