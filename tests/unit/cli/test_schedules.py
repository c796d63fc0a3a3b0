"""`jobferry schedule`: what EventBridge Scheduler is told, and what it starts."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from jobferry.domain.run_request import RunRequest
from jobferry.runtime.triggers import read_trigger
from jobferry_cli.scheduler import SCHEDULED_TIME
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
        "newest": False,
        "nothing_new": "fail",
        "every_time": False,
        "enabled": True,
        "next_firing": answer.document["next_firing"],
        "last_firing": None,
        "last_run": None,
    }
    assert answer.document == document
    assert document["next_firing"][11:] in ("04:00:00.000Z", "05:00:00.000Z")
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
    for command in ("delete", "run-now", "enable", "disable"):
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


FOLDER = f"s3://{INBOX}/scheduled/"
FIRE = ("--cron", "0 6 * * ? *")


def put_folder(shell: Shell, *more: str) -> None:
    words = ("schedule", "put", "nightly", "--profile", "things", "--source", FOLDER, *FIRE)
    answer = shell(*words, *more)
    assert answer.code == 0, answer.stderr


def fire(shell: Shell) -> str:
    """What EventBridge Scheduler does at the next firing: the id of its run, or of the last."""
    next_ = shell("schedule", "list", "--json").document["next_firing"]
    moment = datetime.fromisoformat(next_).timestamp()
    shell.world.clock.advance(moment - shell.world.clock.now() + 1)
    text = shell.scheduler.schedules["nightly"]["Target"]["Input"]
    request = read_trigger(json.loads(text.replace(SCHEDULED_TIME, next_)), INBOX)
    assert isinstance(request, RunRequest)
    return shell.world.execute(request).run_id


def test_a_prefix_is_the_newest_file_below_it(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, "scheduled/a.csv", sample_csv(2).encode())
    shell.world.clock.advance(60)
    shell.world.objects.upload(INBOX, "scheduled/0.csv", sample_csv(3).encode())
    put_folder(shell)
    assert input_of(shell)["newest"] is True
    run_id = fire(shell)

    listed = shell("schedule", "list", "--json").document
    assert shell.world.run(run_id).source.key == "scheduled/0.csv"
    assert listed["last_run"] == run_id
    assert listed["last_firing"][11:] == "06:00:00.000Z"
    assert listed["next_firing"] > listed["last_firing"]
    now = shell("schedule", "run-now", "nightly", "--json")
    assert now.document["run_id"] == run_id
    assert "has not changed" in now.stderr
    assert "scheduled/0.csv" in now.stderr


def test_a_firing_without_a_new_file_is_told(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, "scheduled/a.csv", sample_csv(2).encode())
    put_folder(shell)
    first, second = fire(shell), fire(shell)
    told = shell("status", second, "--json").document
    assert told["status"] == "failed"
    assert first in told["error"]
    assert told["next"][0] == f"aws s3 ls {FOLDER}"
    assert told["by"]["started"] == "schedule nightly"
    assert shell("schedule", "list", "--json").document["last_run"] == second


def test_a_prefix_need_not_end_with_a_slash(shell: Shell) -> None:
    words = (*PUT[:-1], f"s3://{INBOX}/exports/users-", "--newest", *FIRE, "--json")
    answer = shell(*words)
    assert answer.document["newest"] is True
    assert "There is no .csv" in answer.document["warnings"][0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--source", FOLDER), "There is no .csv"),
        (("--source", SOURCE), "There is no file"),
        (("--source", f"s3://{INBOX}/inbox/things/a.csv"), "start a run when they are put there"),
        (("--source", f"s3://{INBOX}/scheduled/a.xlsx"), "is named neither"),
        (("--source", FOLDER, "--cron", "0 0 30 2 ? *"), "It never fires"),
        (("--source", FOLDER, "--cron", "0 0 1 1 ? 2000"), "It never fires"),
    ],
)
def test_doubts_are_told_at_put_and_refused_when_asked(
    shell: Shell, words: tuple[str, ...], told: str
) -> None:
    shell.world.objects.upload(INBOX, "scheduled/a.xlsx", b"x")
    put = ("schedule", "put", "nightly", "--profile", "things", *FIRE, *words)
    strict = shell(*put, "--strict", "--json")
    assert (strict.code, strict.error["code"]) == (1, "strict")
    assert told in strict.error["text"]
    assert not shell.scheduler.schedules

    loose = shell(*put, "--json")
    assert loose.code == 0
    assert any(told in warning for warning in loose.document["warnings"])
    assert told in loose.stderr


@pytest.mark.parametrize(
    ("stored_as", "told"),
    [
        ({"StorageClass": "DEEP_ARCHIVE"}, "is archived (DEEP_ARCHIVE)"),
        ({"SSEKMSKeyId": "arn:aws:kms:us-east-1:1:key/x"}, "is encrypted with arn:aws:kms"),
        ({"StorageClass": "GLACIER", "Restore": 'ongoing-request="false"'}, None),
        ({"StorageClass": "STANDARD_IA"}, None),
    ],
)
def test_a_file_that_the_stack_may_not_read_is_told(
    shell: Shell, stored_as: dict[str, str], told: str | None
) -> None:
    shell.world.objects.upload(INBOX, KEY, sample_csv(2).encode())
    shell.s3.stored_as = stored_as
    document = shell(*PUT, *FIRE, "--json").document
    assert ("warnings" in document) == (told is not None)
    assert told is None or told in document["warnings"][0]


def test_a_file_that_the_caller_may_not_see_is_not_known(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, "scheduled/a.csv", b"x")
    shell.world.objects.denied["scheduled/"] = 1e12
    answer = shell(*PUT[:-1], FOLDER, *FIRE, "--json")
    assert "is not known: you may not see it" in answer.document["warnings"][0]


def test_a_schedule_is_switched_off_and_on_and_stays_as_it_is(shell: Shell) -> None:
    shell.world.objects.upload(INBOX, KEY, sample_csv(2).encode())
    shell(*PUT, *FIRE, "--timezone", "Europe/Oslo", "--every-time")
    before = input_of(shell)
    off = shell("schedule", "disable", "nightly", "--json").document
    assert (off["enabled"], off["next_firing"]) == (False, None)
    assert shell("schedule", "list", "--json").document["enabled"] is False
    people = shell("schedule", "list").stdout.splitlines()[1].split()
    assert people[:3] == ["nightly", "no", "-"]
    on = shell("schedule", "enable", "nightly", "--json").document
    assert on["enabled"] is True
    assert on["next_firing"]
    assert input_of(shell) == before
    kept = shell.scheduler.schedules["nightly"]
    assert kept["ScheduleExpressionTimezone"] == "Europe/Oslo"
    assert kept["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_nothing_new_is_for_prefixes(shell: Shell) -> None:
    assert shell(*PUT, *FIRE, "--nothing-new", "ignore").code == 1
    put_folder(shell, "--nothing-new", "ignore")
    assert input_of(shell)["nothing_new"] == "ignore"
    assert shell("schedule", "list", "--json").document["nothing_new"] == "ignore"


def test_run_now_of_an_empty_prefix(shell: Shell) -> None:
    put_folder(shell)
    answer = shell("schedule", "run-now", "nightly", "--json")
    assert (answer.code, answer.error["next"]) == (1, f"aws s3 ls {FOLDER}")
    assert not shell.states.names


def test_an_expression_that_only_aws_can_read_has_no_known_firing(shell: Shell) -> None:
    answer = shell(*PUT, "--cron", "0 6 L-3 * ? *", "--json")
    assert answer.document["next_firing"] is None
    assert any("is not known" in warning for warning in answer.document["warnings"])
    assert shell("schedule", "list").code == 0
