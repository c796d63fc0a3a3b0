"""Every rule finds the one thing that is wrong in an otherwise good definition."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tools import check_asl
from tools.check_asl import CHECKS, UnreadableError, main, read_machine

RETRY = [
    {
        "ErrorEquals": ["RunGoneError", "LanesStuckError"],
        "IntervalSeconds": 1,
        "MaxAttempts": 0,
        "BackoffRate": 2.0,
    },
    {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 2,
        "MaxAttempts": 1000,
        "BackoffRate": 1.5,
        "JitterStrategy": "FULL",
    },
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 2,
        "MaxAttempts": 8,
        "BackoffRate": 2.0,
        "JitterStrategy": "FULL",
    },
]

TEMPLATE = """\
Resources:
  RunStateMachine:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: statemachines/run.asl.json
      DefinitionSubstitutions:
        Partition: !Ref AWS::Partition
        OpenRunFunctionArn: !GetAtt OpenRunFunction.Arn
        SubmitJobsFunctionArn: !GetAtt SubmitJobsFunction.Arn
"""


def task(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "QueryLanguage": "JSONata",
        "Resource": "arn:${Partition}:states:::lambda:invoke",
        "Arguments": {
            "FunctionName": f"${{{name}FunctionArn}}",
            "Payload": {"run_id": "{% $states.input.run_id %}"},
        },
        "Output": "{% $states.result.Payload %}",
        "TimeoutSeconds": 90,
        "Retry": copy.deepcopy(RETRY),
        **fields,
    }


def definition() -> dict[str, Any]:
    """A good machine with every kind of state that the project uses."""
    return {
        "Comment": "One run.",
        "TimeoutSeconds": 3600,
        "StartAt": "OpenRun",
        "States": {
            "OpenRun": task("OpenRun", Next="IsRunOpen"),
            "IsRunOpen": {
                "Type": "Choice",
                "QueryLanguage": "JSONata",
                "Comment": "Only one execution per file goes on.",
                "Choices": [{"Condition": "{% $states.input.state = 'open' %}", "Next": "Lanes"}],
                "Default": "RunEnded",
            },
            "Lanes": {
                "Type": "Map",
                "Comment": "One child execution per lane.",
                "ItemsPath": "$.lanes",
                "ItemSelector": {"lane.$": "$$.Map.Item.Value"},
                "ResultPath": None,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "SubmitJobs",
                    "States": {
                        "SubmitJobs": task("SubmitJobs", Next="WaitForJobs"),
                        "WaitForJobs": {
                            "Type": "Wait",
                            "QueryLanguage": "JSONata",
                            "Comment": "A moment, not a duration.",
                            "Timestamp": "{% $states.input.wait_until %}",
                            "Next": "LaneEnded",
                        },
                        "LaneEnded": {"Type": "Succeed"},
                    },
                },
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "RunFailed"}],
                "Next": "RunEnded",
            },
            "RunEnded": {"Type": "Succeed"},
            "RunFailed": {"Type": "Fail", "Error": "LanesFailed"},
        },
    }


def problems(body: dict[str, Any]) -> list[str]:
    machine = read_machine(json.dumps(body))
    return [problem for check in CHECKS for problem in check(machine)]


def at(body: dict[str, Any], path: str) -> Any:
    """The value at a slash-separated path; numbers index lists."""
    value: Any = body
    for key in filter(None, path.split("/")):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


OPEN = "States/OpenRun"
CHOICE = "States/IsRunOpen"
LANES = "States/Lanes"
INNER = "States/Lanes/ItemProcessor/States"


def test_good_definition_has_no_problems() -> None:
    assert problems(definition()) == []


@pytest.mark.parametrize(
    ("path", "key", "value", "expected"),
    [
        ("", "StartAt", "Nowhere", "machine: StartAt names Nowhere, which is not a state here"),
        (OPEN, "Next", "Nowhere", "OpenRun: goes to Nowhere, which is not a state here"),
        (CHOICE, "Default", "Nowhere", "IsRunOpen: goes to Nowhere, which is not a state here"),
        (f"{CHOICE}/Choices/0", "Next", "Nowhere", "IsRunOpen: goes to Nowhere, which is not"),
        (f"{LANES}/Catch/0", "Next", "Nowhere", "Lanes: goes to Nowhere, which is not a state"),
        (f"{LANES}/ItemProcessor", "StartAt", "OpenRun", "Lanes: StartAt names OpenRun, which is"),
        (f"{INNER}/SubmitJobs", "Next", "RunEnded", "Lanes/SubmitJobs: goes to RunEnded, which"),
        (INNER, "OpenRun", {"Type": "Succeed"}, "OpenRun: 2 states have this name"),
        ("States", "Island", {"Type": "Succeed"}, "Island: cannot be reached"),
        (f"{INNER}/WaitForJobs", "Next", "SubmitJobs", "Lanes/SubmitJobs: no way from here leads"),
        (f"{INNER}/LaneEnded", "Type", "Pass", "Lanes/LaneEnded: has neither Next nor End"),
        (OPEN, "QueryLanguage", "XPath", "OpenRun: XPath is not a query language"),
        (
            f"{LANES}/ItemProcessor",
            "QueryLanguage",
            "JSONata",
            "Lanes: an ItemProcessor or a branch cannot have a QueryLanguage",
        ),
        (OPEN, "ResultPath", "$.run", "OpenRun: ResultPath is a JSONPath field in a JSONata state"),
        (OPEN, "Parameters", {}, "OpenRun: Parameters is a JSONPath field in a JSONata state"),
        (f"{CHOICE}/Choices/0", "Variable", "$.a", "IsRunOpen: Variable is a JSONPath field in a"),
        (f"{OPEN}/Arguments", "a.$", "$.a", "OpenRun: a.$ is a JSONPath key in a JSONata state"),
        (LANES, "Output", {}, "Lanes: Output is a JSONata field in a JSONPath state"),
        (
            LANES,
            "Assign",
            {"a": "{% 1 %}"},
            "Lanes: Assign/a is a JSONata expression in a JSONPath",
        ),
        (LANES, "TimeoutSeconds", 9, "Lanes: a Map state cannot have TimeoutSeconds"),
        (CHOICE, "Retry", RETRY, "IsRunOpen: a Choice state cannot have Retry"),
        (OPEN, "Output", "{% $states. %}", "OpenRun: Output is no JSONata: "),
        (OPEN, "Output", "run {% 1 %}", "OpenRun: Output has {% or %} inside a text"),
        (OPEN, "Output", "{% run_id %}", "OpenRun: Output refers to run_id without $states"),
        (OPEN, "Output", "{% $count([run_id]) %}", "OpenRun: Output refers to run_id without"),
        (f"{OPEN}/Retry/0", "ErrorEquals", ["MyError"], "OpenRun: Retry must have ErrorEquals Run"),
        (f"{OPEN}/Retry/1", "ErrorEquals", ["MyError"], "OpenRun: Retry must have ErrorEquals Lam"),
        (f"{OPEN}/Retry/2", "ErrorEquals", ["MyError"], "OpenRun: Retry must have ErrorEquals Sta"),
        (f"{OPEN}/Retry/0", "MaxAttempts", 1, "OpenRun: Retry must not repeat RunGoneError"),
        (f"{OPEN}/Retry/0", "Comment", "again", "OpenRun: Retry should not have Comment"),
        (OPEN, "Retry", RETRY * 2, "OpenRun: Retry has 6 rules instead of 3"),
        (f"{OPEN}/Arguments", "api_key", "x", "OpenRun: api_key looks like a secret in a payload"),
        (
            f"{OPEN}/Arguments",
            "who",
            "{% $states.input.password %}",
            "OpenRun: {% $states.input.password %} looks like a secret in a payload",
        ),
    ],
)
def test_broken_field_is_named(path: str, key: str, value: object, expected: str) -> None:
    body = definition()
    at(body, path)[key] = value

    assert [p for p in problems(body) if p.startswith(expected)], problems(body)


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("", "TimeoutSeconds", "machine: has no TimeoutSeconds"),
        (OPEN, "TimeoutSeconds", "OpenRun: has no TimeoutSeconds"),
        (OPEN, "Retry", "OpenRun: has no Retry"),
        (f"{OPEN}/Retry/0", "MaxAttempts", "OpenRun: Retry lacks MaxAttempts"),
        ("", "Comment", "machine: has no Comment"),
        (CHOICE, "Comment", "IsRunOpen: a Choice state needs a Comment"),
        (LANES, "Comment", "Lanes: a Map state needs a Comment"),
        (f"{INNER}/WaitForJobs", "Comment", "Lanes/WaitForJobs: a Wait state needs a Comment"),
    ],
)
def test_missing_field_is_the_only_problem(path: str, key: str, expected: str) -> None:
    body = definition()
    del at(body, path)[key]

    assert problems(body) == [expected]


def test_retry_that_differs_from_the_others_is_named() -> None:
    body = definition()
    at(body, f"{INNER}/SubmitJobs/Retry/0")["IntervalSeconds"] = 3

    assert problems(body) == ["OpenRun: Retry differs from that of Lanes/SubmitJobs"]


def test_only_opening_a_run_is_tried_for_longer_than_the_others() -> None:
    body = definition()
    body["States"]["OpenRun"]["Retry"][2]["MaxAttempts"] = 99

    assert problems(body) == []


@pytest.mark.parametrize(
    "expression",
    [
        "{% $states.input.rows[status = 'failed'].row %}",
        "{% $map($states.input.rows, function($row) { $row.number }) %}",
        '{% { "run": $states.input.run_id } %}',
        "{% $states.input.a ? $states.input.a : 0 %}",
    ],
)
def test_names_with_a_context_are_no_bare_names(expression: str) -> None:
    body = definition()
    at(body, OPEN)["Output"] = expression

    assert problems(body) == []


def test_jsonpath_state_in_a_jsonata_machine_is_named() -> None:
    body = definition()
    body["QueryLanguage"] = "JSONata"
    at(body, LANES)["QueryLanguage"] = "JSONPath"

    assert problems(body) == [
        "Lanes: cannot be JSONPath in a machine whose QueryLanguage is JSONata"
    ]


def test_states_in_a_map_have_the_language_of_the_machine_not_of_the_map() -> None:
    body = definition()
    del at(body, f"{INNER}/WaitForJobs")["QueryLanguage"]
    at(body, LANES)["QueryLanguage"] = "JSONata"

    assert "Lanes/WaitForJobs: Timestamp is a JSONata expression in a JSONPath state" in problems(
        body
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[]", "not a state machine"),
        ('{"States": {"A": {}, "A": {}}}', "the key A stands twice"),
    ],
)
def test_unreadable_definition_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_machine(text)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tree in which definition, template, functions and steps agree."""
    for verb in ("open_run", "submit_jobs"):
        for path in (f"functions/{verb}/app.py", f"layers/jobferry/jobferry/steps/{verb}.py"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).touch()
    (tmp_path / "statemachines").mkdir()
    (tmp_path / "statemachines/run.asl.json").write_text(json.dumps(definition()))
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def run_main(project: Path) -> int:
    machine, template = project / "statemachines/run.asl.json", project / "template.yaml"
    return main([str(machine), "--template", str(template)])


def test_command_accepts_a_good_project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(project) == 0
    assert capsys.readouterr().out.endswith("run.asl.json: no problems\n")


def test_command_prints_one_line_per_problem(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = definition()
    del body["TimeoutSeconds"], body["Comment"]
    (project / "statemachines/run.asl.json").write_text(json.dumps(body))

    assert run_main(project) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "        OpenRunFunctionArn: !GetAtt OpenRunFunction.Arn\n",
            "",
            "${OpenRunFunctionArn} is",
        ),
        ("SubmitJobsFunctionArn:", "SettleFunctionArn:", "the template substitutes SettleFunction"),
        ("statemachines/run.asl.json", "other.asl.json", "no state machine in the template has"),
    ],
)
def test_template_that_disagrees_is_a_problem(
    project: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, expected: str
) -> None:
    (project / "template.yaml").write_text(TEMPLATE.replace(old, new))

    assert run_main(project) == 1
    assert expected in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", ["functions/submit_jobs/app.py", "layers/jobferry/jobferry/steps/submit_jobs.py"]
)
def test_verb_without_its_file_is_a_problem(
    project: Path, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    (project / path).unlink()

    assert run_main(project) == 1
    assert f"Lanes/SubmitJobs: {path} is missing" in capsys.readouterr().out


def test_state_that_invokes_another_function_is_a_problem(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = definition()
    at(body, f"{INNER}/SubmitJobs/Arguments")["FunctionName"] = "${OpenRunFunctionArn}"
    (project / "statemachines/run.asl.json").write_text(json.dumps(body))

    assert run_main(project) == 1
    assert "invokes ${OpenRunFunctionArn}, not ${SubmitJobs" in capsys.readouterr().out


def test_every_check_is_run() -> None:
    checks = {name for name in vars(check_asl) if name.startswith("check_")}

    assert {check.__name__ for check in CHECKS} == checks - {"check_substitutions", "check_verbs"}
