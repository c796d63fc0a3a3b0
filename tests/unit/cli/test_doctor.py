"""`jobferry doctor`: what it judges from what was gathered, and what it gathers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore import exceptions as aws

from jobferry.domain.commands import command
from jobferry.vendors.answers import Refused, Throttled, ThrottleReason
from jobferry_cli.errors import CommandError
from jobferry_cli.gathering import own_version
from jobferry_cli.health import EXPECTED_OUTPUTS, RESULTS, Check, Snapshot, Unknown, checks
from tests.unit.cli.shell import Shell, client_error
from virtual.vendor import FakeClient
from virtual.world import sample_csv

ROOT = Path(__file__).parents[3]
NOW = 1_000_000.0
OUTPUTS = {**dict.fromkeys(EXPECTED_OUTPUTS, "x"), "Version": "1.2.0", "SweepMinutes": "5"}
WELL = Snapshot(
    version="1.2.0",
    stack="jobferry",
    now=NOW,
    outputs=OUTPUTS,
    identity="arn:aws:iam::1:user/ann",
    rights={"see runs": True, "start and stop runs": True},
    reached={"table": None, "inbox": None},
    connections={"acme": None},
    subscriptions=(1, 0),
    listeners=(1, 0),
    ringing=[],
    swept_at=NOW - 200,
    paused={},
    waiting={},
    undelivered=0,
    concurrency=(1_000, 900),
    executions=1_000_000,
)


def found(seen: Snapshot, name: str) -> Check:
    (check,) = [check for check in checks(seen) if check.name == name]
    return check


def test_where_all_is_well_every_line_is_ok() -> None:
    for check in checks(WELL):
        assert (check.result, check.next) == ("ok", None), check


@pytest.mark.parametrize(
    ("changes", "name", "result", "text", "next_"),
    [
        ({"outputs": {}}, "stack", "warning", "has no output", "make deploy STACK=jobferry"),
        ({"version": "1.10.0"}, "version", "warning", "older", "make deploy STACK=jobferry"),
        ({"version": "1.1.9"}, "version", "warning", "newer", "git checkout v1.2.0"),
        ({"outputs": {}}, "version", "warning", "does not say", None),
        ({"rights": {"see runs": False}}, "rights", "warning", "may do nothing", None),
        ({"rights": {"see": True, "put": False}}, "rights", "ok", "may see, and not put", None),
        ({"reached": {"table": "gone."}}, "table", "wrong", "gone.", "aws cloudformation"),
        ({"swept_at": 0.0}, "sweep", "warning", "not run yet", "aws logs tail"),
        ({"swept_at": NOW - 901}, "sweep", "wrong", "15 min 1 s ago", "aws logs tail"),
        ({"undelivered": 2}, "queue", "wrong", "2 events", "aws sqs receive-message"),
        ({"subscriptions": (0, 0)}, "alarms", "warning", "nobody has subscribed", "make deploy"),
        ({"subscriptions": (0, 1)}, "alarms", "warning", "not confirmed", None),
        ({"listeners": (0, 0)}, "runs", "warning", "nobody has subscribed", "make deploy"),
        ({"listeners": (0, 1)}, "runs", "warning", "not confirmed", None),
        (
            {"listeners": (0, 0), "outputs": {**OUTPUTS, "AllowLoopbackHttp": "true"}},
            "runs",
            "ok",
            "local stack",
            None,
        ),
        ({"ringing": list("abcdefg")}, "ringing", "wrong", "7 alarms", "aws cloudwatch"),
        ({"connections": {}}, "connections", "warning", "no connection", "jobferry connection put"),
        ({"connections": None}, "connections", "warning", "--no-vendors", None),
        (
            {"connections": {"acme": ("401.", False)}},
            "connection acme",
            "wrong",
            "acme: 401.",
            "jobferry connection test acme",
        ),
        (
            {"connections": {"acme": ("Wait.", True)}},
            "connection acme",
            "warning",
            "Wait.",
            "jobferry connection show acme",
        ),
        (
            {"paused": {"r-1": "trial", "r-2": "x"}},
            "paused",
            "warning",
            "r-1 is paused (1 more): trial",
            "jobferry status r-1",
        ),
        ({"waiting": {"r-1": "slots"}}, "waiting", "warning", "slots", "jobferry status r-1"),
        ({"concurrency": (10, 10)}, "concurrency", "warning", "10 functions", "aws service-quotas"),
    ],
)
def test_what_is_not_well_says_what_to_do(
    changes: dict[str, Any], name: str, result: str, text: str, next_: str | None
) -> None:
    check = found(replace(WELL, **changes), name)
    assert check.result == result
    assert text in check.text
    assert (check.next is None) == (next_ is None)
    assert check.next is None or check.next.startswith(str(next_))


def test_what_cannot_be_found_out_is_not_known_and_never_a_fault() -> None:
    unknown = Unknown("you have not the right x.")
    fields = (
        *(
            "identity",
            "rights",
            "subscriptions",
            "listeners",
            "ringing",
            "swept_at",
            "paused",
            "waiting",
        ),
        *("undelivered", "concurrency", "executions"),
    )
    seen = replace(WELL, **dict.fromkeys(fields, unknown), reached={"table": unknown})
    unsure = [check for check in checks(seen) if not check.known]
    assert len(unsure) == len(fields) + 1
    assert {check.result for check in unsure} == {"warning"}
    assert "wrong" not in {check.result for check in checks(seen)}


def well(shell: Shell) -> None:
    """Everything answers, and well."""
    shell.outputs = {**OUTPUTS, "Version": own_version()}
    allowed = {"EvaluationResults": [{"EvalDecision": "allowed"}]}
    shell.aws = {
        "iam": {"simulate_principal_policy": allowed},
        "s3": {"head_bucket": {}},
        "stepfunctions": {"describe_state_machine": {"status": "ACTIVE"}},
        "sns": {"list_subscriptions_by_topic": {"Subscriptions": [{"SubscriptionArn": "arn:x"}]}},
        "cloudwatch": {"describe_alarms": {"MetricAlarms": []}},
        "sqs": {"get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}},
        "lambda": {
            "get_account_settings": {
                "AccountLimit": {
                    "ConcurrentExecutions": 1_000,
                    "UnreservedConcurrentExecutions": 900,
                }
            }
        },
    }
    shell.world.sweep()


def results(shell: Shell, *words: str) -> dict[str, str]:
    document = shell("doctor", *words, "--json").document
    for check in document["checks"]:
        assert check.keys() == {"name", "result", "text", "next", "known"}
        assert check["result"] in RESULTS
    return {
        check["name"]: check["result"] if check["known"] else "not known"
        for check in document["checks"]
    }


def test_a_stack_that_is_well(shell: Shell) -> None:
    well(shell)
    answer = shell("doctor", "--json")
    assert answer.code == 0
    assert answer.document["ok"] is True
    assert answer.document.keys() == {"checks", "ok"}
    found = results(shell)
    assert found.pop("executions") == "not known"
    assert set(found.values()) == {"ok"}
    assert found["connection acme"] == "ok"
    people = shell("doctor").stdout.splitlines()
    assert people[0].startswith("ok         The stack jobferry")


def test_who_may_look_at_nothing_learns_that(shell: Shell) -> None:
    shell.world.sweep()
    found = results(shell, "--no-vendors")
    assert (
        found["rights"] == found["inbox"] == found["queue"] == found["concurrency"] == "not known"
    )
    assert "wrong" not in found.values()
    assert shell("doctor", "--no-vendors").code == 0


def test_the_accounts_own_user_may_do_everything(shell: Shell) -> None:
    well(shell)
    shell.aws["iam"] = {"simulate_principal_policy": {"EvaluationResults": []}}
    shell.arn = "arn:aws:iam::123456789012:root"
    (rights,) = [
        check for check in shell("doctor", "--json").document["checks"] if check["name"] == "rights"
    ]
    assert (rights["result"], "and not" in rights["text"]) == ("ok", False)


def test_a_vendor_that_refuses_is_wrong_and_exit_code_2(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    well(shell)
    said = Refused("vendor_unauthorized", "The key is wrong.")
    monkeypatch.setattr(FakeClient, "test", lambda _: said)
    answer = shell("doctor", "--json")
    assert answer.code == 2
    assert answer.document["ok"] is False
    assert answer.error["code"] == "not_well"
    assert answer.error["next"] == "jobferry connection test acme"
    assert shell("doctor", "--no-vendors", "--json").code == 0


def test_a_vendor_that_wants_us_to_wait_is_no_fault(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    well(shell)
    monkeypatch.setattr(FakeClient, "test", lambda _: Throttled(ThrottleReason.RATE, 90.0))
    assert results(shell)["connection acme"] == "warning"
    assert results(shell)["connection acme"] == "warning", "it is not asked while it waits"


def test_each_connection_costs_one_request(shell: Shell) -> None:
    well(shell)
    shell("doctor", "--no-vendors")
    asked = [shell("connection", "show", "acme", "--json").document["requests_last_minute"]]
    shell("doctor")
    asked.append(shell("connection", "show", "acme", "--json").document["requests_last_minute"])
    assert asked == [0, 1]


def test_runs_that_are_paused_or_wait_are_told(shell: Shell, tmp_path: Path) -> None:
    well(shell)
    file = tmp_path / "f.csv"
    file.write_text(sample_csv(6))
    words = ("run", file, "--profile", "things", "--trial", 2, "--wait", "--json")
    run_id = shell(*words).document["run_id"]
    checked = shell("doctor", "--json").document["checks"]
    (paused,) = [check for check in checked if check["name"] == "paused"]
    assert paused["result"] == "warning"
    assert paused["next"] == f"jobferry status {run_id}"


@pytest.mark.parametrize(
    "error",
    [
        CommandError("There is no stack here.", next_command=command("local", "up")),
        aws.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566"),
        client_error("ExpiredToken"),
    ],
)
def test_a_stack_that_is_not_there_is_a_check_too(shell: Shell, error: Exception) -> None:
    def fail(_name: object) -> None:
        raise error

    shell._connect = fail  # type: ignore[method-assign,assignment]
    answer = shell("doctor", "--json")
    assert answer.code == 2
    assert [check["name"] for check in answer.document["checks"]] == ["stack"]
    assert answer.document["ok"] is False


def test_the_template_says_the_version_of_the_package() -> None:
    template = yaml.load((ROOT / "template.yaml").read_text(), Loader=yaml.BaseLoader)
    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{template["Outputs"]["Version"]["Value"]}"' in project
    missing = set(EXPECTED_OUTPUTS) - template["Outputs"].keys()
    assert not missing
