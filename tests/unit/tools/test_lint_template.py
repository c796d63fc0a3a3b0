"""The gates on the template: what they find is refused unless it is excepted, with its reason."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import lint_template
from tools.lint_template import (
    Finding,
    GateError,
    exceptions_of,
    findings_of,
    judge,
    main,
    owner_of,
    parse,
    translate,
    translations,
    without_exceptions,
)

QUEUE = Finding("Letters", "CKV_AWS_27", "Ensure all data stored in the SQS queue is encrypted")
REASON = "SQS encrypts it with its own key."

TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Letters:
    Type: AWS::SQS::Queue
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Metadata:
      checkov: {skip: [{id: CKV_AWS_27, comment: SQS encrypts it with its own key.}]}
    Properties: {SqsManagedSseEnabled: true}
  SortFunction:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/sort, Handler: app.handler, Runtime: python3.13}
"""


def test_a_finding_is_a_problem() -> None:
    assert judge([QUEUE], {}, ["Letters"]) == [
        "Letters CKV_AWS_27 Ensure all data stored in the SQS queue is encrypted"
    ]


def test_a_finding_with_an_exception_is_none() -> None:
    assert judge([QUEUE], {("Letters", "CKV_AWS_27"): REASON}, ["Letters"]) == []


def test_an_exception_is_for_its_own_resource_and_check() -> None:
    exceptions = {("Parcels", "CKV_AWS_27"): REASON, ("Letters", "CKV_AWS_28"): REASON}

    problems = judge([QUEUE], exceptions, ["Letters", "Parcels"])

    assert len(problems) == 3
    assert "Letters CKV_AWS_28 is excepted, and checkov does not complain of it." in problems


def test_an_exception_holds_for_what_sam_makes_of_the_resource() -> None:
    role = Finding("SortFunctionRole", "CKV_AWS_111", "Ensure IAM policies are narrow")

    assert judge([role], {("SortFunction", "CKV_AWS_111"): REASON}, ["Sort", "SortFunction"]) == []


def test_the_longest_name_is_the_owner() -> None:
    assert owner_of("SortFunctionRole", ["Sort", "SortFunction"]) == "SortFunction"
    assert owner_of("Other", ["Sort"]) == "Other"


@pytest.mark.parametrize("reason", ["", "noise"])
def test_an_exception_needs_a_reason(reason: str) -> None:
    problems = judge([QUEUE], {("Letters", "CKV_AWS_27"): reason}, ["Letters"])

    assert problems == ["Letters CKV_AWS_27 is excepted without a reason."]


def test_exceptions_stand_beside_their_resource() -> None:
    source = parse(TEMPLATE)

    assert exceptions_of(source) == {("Letters", "CKV_AWS_27"): REASON}
    assert exceptions_of(without_exceptions(source)) == {}
    assert exceptions_of(source), "the source itself is left as it is"


def test_each_partition_has_its_own_translation() -> None:
    source = parse(TEMPLATE)

    assert "arn:aws:iam" in json.dumps(translate(source, "eu-central-1"))
    assert "arn:aws-us-gov:iam" in json.dumps(translate(source, "us-gov-west-1"))
    assert "arn:aws-cn:iam" in json.dumps(translate(source, "cn-north-1"))


def test_what_is_the_same_everywhere_is_linted_once() -> None:
    source = parse(TEMPLATE)
    assert [len(regions) for regions in translations(source).values()] == [2, 1, 1]

    del source["Resources"]["SortFunction"]

    assert list(translations(source).values()) == [
        ["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]
    ]


@pytest.mark.parametrize("region", [None, "sa-east-1"])
def test_the_environment_is_left_as_it_was(
    region: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)

    translate(parse(TEMPLATE), "cn-north-1")

    assert os.environ.get("AWS_DEFAULT_REGION") == region


def report(**changes: Any) -> dict[str, Any]:
    """What checkov prints, in little."""
    failed = {"resource": "AWS::SQS::Queue.Letters", "check_id": QUEUE.check}
    failed["check_name"] = QUEUE.text
    summary = {"passed": 3, "failed": 1, "parsing_errors": 0, **changes}
    return {"results": {"failed_checks": [failed]}, "summary": summary}


def test_checkovs_report_is_read() -> None:
    assert findings_of(report()) == [QUEUE]


@pytest.mark.parametrize("changes", [{"parsing_errors": 1}, {"passed": 0}])
def test_a_template_that_checkov_did_not_read_is_refused(changes: dict[str, int]) -> None:
    with pytest.raises(GateError, match="did not read"):
        findings_of(report(**changes))


def stand_in(folder: Path, says: str) -> Path:
    """A command in checkov's place; it refuses a template that still has its exceptions."""
    path = folder / "checkov"
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "template = pathlib.Path(sys.argv[sys.argv.index('--file') + 1]).read_text()\n"
        "assert 'checkov' not in template and 'AWS::Lambda::Function' in template\n"
        "assert '--skip-download' in sys.argv\n"
        f"print({says!r})\n"
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def one_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_template, "REGIONS", {"cn-north-1": ["cn-north-1"]})


@pytest.fixture
def no_cfn_lint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint_template, "problems_of_cfn_lint", lambda *_: [])


@pytest.mark.usefixtures("one_region")
def test_both_gates_in_one(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    checkov = stand_in(tmp_path, json.dumps(report()))

    assert main(["--template", str(template), "--checkov", str(checkov)]) == 0


@pytest.mark.usefixtures("no_cfn_lint")
def test_what_checkov_finds_stops_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace("CKV_AWS_27", "CKV_AWS_28"))
    checkov = stand_in(tmp_path, json.dumps(report()))

    assert main(["--template", str(template), "--checkov", str(checkov)]) == 1

    assert "Letters CKV_AWS_27" in capsys.readouterr().err


@pytest.mark.usefixtures("no_cfn_lint")
def test_a_checkov_that_does_not_run_stops_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE)
    checkov = stand_in(tmp_path, "no answer")

    assert main(["--template", str(template), "--checkov", str(checkov)]) == 1

    assert "checkov said nothing useful" in capsys.readouterr().err


@pytest.mark.usefixtures("one_region")
def test_what_cfn_lint_finds_stops_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace("SqsManagedSseEnabled: true", "Colour: red"))

    assert main(["--template", str(template)]) == 1

    said = capsys.readouterr().err
    assert "template.yaml:" in said
    assert "Colour" in said
    assert "translated for cn-north-1" in said
