"""What the template promises, asserted on its translation to CloudFormation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from jobferry.domain.inbox import INBOX
from jobferry.domain.run import RunStatus
from jobferry.domain.run_event import SOURCE, Change
from jobferry.runtime.settings import MAX_FILE_BYTES, MAX_ROWS_PER_FILE
from jobferry.store.objects import PART_BYTES
from tests.template.conftest import (
    ALARM,
    BUCKET,
    FUNCTION,
    LOG_GROUP,
    MACHINE,
    ROLE,
    ROOT,
    RULE,
    SCHEDULE,
    TABLE,
    Template,
    as_list,
    spelled,
    statements,
)
from tools.check_asl import LAMBDA_INVOKE, find_problems

ACTIONS_ON_EVERYTHING = {
    # Traces, and network interfaces of functions in a VPC.
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
    # Log delivery by Step Functions: IAM knows no resources for these.
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    # Nor for a list of schedules.
    "scheduler:ListSchedules",
}

RESOURCE_PATTERNS = (
    # Objects of this stack's own buckets.
    "${InboxBucket.Arn}/",
    "${ArchiveBucket.Arn}/",
    # Secrets of this stack's connections: the operator adds them after the deployment.
    ":secret:${Prefix}",
    # Schedules of this stack's own group, and the stack itself, whose id is not known before.
    ":schedule/${ScheduleGroup}/",
    ":stack/${AWS::StackName}/",
    # Executions of this stack's own machine, and the children of its Distributed Map.
    ":execution:${RunStateMachine.Name}:",
    ":execution:${RunStateMachine.Name}/",
)

ONE_FILE_OF_EACH_RUN = {"${ArchiveBucket.Arn}/results/*/report.html"}

# What SAM itself attaches for the traces of the state machine.
MANAGED_POLICIES = {"AWSXrayWriteOnlyAccess"}


# Parameters


@pytest.mark.parametrize(
    "name",
    ["Runtime", "Architecture", "LogRetention", "RowRetentionDays", "AlarmEmail"],
)
def test_parameter_exists_and_explains_itself(template: Template, name: str) -> None:
    assert template.parameters[name]["Description"]


@pytest.mark.parametrize(
    ("name", "default"), [("Runtime", "python3.13"), ("Architecture", "arm64")]
)
def test_parameter_has_its_default(template: Template, name: str, default: str) -> None:
    assert template.parameters[name]["Default"] == default


def test_every_parameter_can_be_left_out(template: Template) -> None:
    assert [name for name, item in template.parameters.items() if "Default" not in item] == []


# Functions


@pytest.mark.parametrize("key", ["Timeout", "MemorySize", "Runtime", "Architectures", "Role"])
def test_every_function_has(template: Template, key: str) -> None:
    functions = template.properties(FUNCTION)

    assert [name for name, function in functions.items() if key not in function] == []


def test_runtime_and_architecture_are_the_parameters(template: Template) -> None:
    for name, function in template.properties(FUNCTION).items():
        assert function["Runtime"] == {"Ref": "Runtime"}, name
        assert function["Architectures"] == [{"Ref": "Architecture"}], name


def test_every_function_and_machine_has_a_role_of_its_own(template: Template) -> None:
    functions = template.properties(FUNCTION)
    # A function of another size is the same program.
    large = {name for name in functions if name.replace("Large", "") in functions.keys() - {name}}
    assert large == {"PollJobsLargeFunction"}
    users = [item["Role"] for name, item in functions.items() if name not in large]
    users += [item["RoleArn"] for item in template.properties(MACHINE).values()]
    roles = [role["Fn::GetAtt"][0] if isinstance(role, dict) else role for role in users]

    assert set(roles) <= set(template.of_type(ROLE))
    assert len(set(roles)) == len(roles)


def test_every_function_logs_json_into_a_group_with_retention(template: Template) -> None:
    groups = template.properties(LOG_GROUP)
    for name, function in template.properties(FUNCTION).items():
        logging = function["LoggingConfig"]
        assert logging["LogFormat"] == "JSON", name
        assert groups[logging["LogGroup"]["Ref"]]["RetentionInDays"] == {"Ref": "LogRetention"}


def test_every_log_group_has_retention(template: Template) -> None:
    groups = template.properties(LOG_GROUP)

    assert [name for name, group in groups.items() if "RetentionInDays" not in group] == []


def test_every_function_is_traced(template: Template) -> None:
    functions = template.properties(FUNCTION)

    assert {function["TracingConfig"]["Mode"] for function in functions.values()} == {"Active"}


def test_every_function_has_its_folder(source: dict[str, Any]) -> None:
    folders = {
        item["Properties"]["CodeUri"]
        for item in source["Resources"].values()
        if item["Type"] == "AWS::Serverless::Function"
    }

    assert {folder for folder in folders if not (ROOT / folder / "app.py").is_file()} == set()
    written = {f"functions/{path.parent.name}" for path in ROOT.glob("functions/*/app.py")}
    assert written == folders


def test_bounds_of_files_are_known_where_they_are_kept(template: Template) -> None:
    functions = template.properties(FUNCTION)
    bounds = {"MAX_FILE_BYTES": "MaxFileBytes", "MAX_ROWS_PER_FILE": "MaxRowsPerFile"}
    known = {
        name: {word for word in bounds if word in function["Environment"]["Variables"]}
        for name, function in functions.items()
    }

    assert known["OpenRunFunction"] == {"MAX_FILE_BYTES"}
    assert known["PlanRunFunction"] == set(bounds)
    for word, parameter in bounds.items():
        variables = functions["PlanRunFunction"]["Environment"]["Variables"]
        assert variables[word] == {"Ref": parameter}
        assert variables["TABLE_NAME"] == {"Ref": "JobTable"}
    assert template.parameters["MaxFileBytes"]["Default"] == MAX_FILE_BYTES
    assert template.parameters["MaxRowsPerFile"]["Default"] == MAX_ROWS_PER_FILE


def test_the_largest_file_that_can_be_allowed_can_be_uploaded_in_parts(template: Template) -> None:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    assert template.parameters["MaxFileBytes"]["MaxValue"] <= 10_000 * PART_BYTES


# Permissions


def test_whoever_reads_sources_reads_what_was_unpacked_of_them(template: Template) -> None:
    readers: dict[str, set[str]] = {}
    for name, statement in statements(template):
        if "s3:GetObjectVersion" in as_list(statement["Action"]):
            found = {spelled(resource) for resource in as_list(statement["Resource"])}
            readers.setdefault(name.removesuffix("FunctionRole"), set()).update(found)

    both = {"${InboxBucket.Arn}/*", "${ArchiveBucket.Arn}/unpacked/*"}
    assert readers == {
        "OpenRun": {"${InboxBucket.Arn}/*"},
        **dict.fromkeys(("PlanRun", "SubmitJobs", "PollJobs", "SettleJob", "CloseRun"), both),
        # Whoever may send rows of a run again.
        **dict.fromkeys(("OperatorPolicy", "AdministratorPolicy"), both),
    }


def test_no_action_is_a_pattern(template: Template) -> None:
    patterns = {
        (name, action)
        for name, statement in statements(template)
        for action in as_list(statement["Action"])
        if "*" in action
    }

    assert patterns == set()


def test_only_actions_without_resources_are_allowed_on_everything(template: Template) -> None:
    too_much = {
        (name, action)
        for name, statement in statements(template)
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
        if action not in ACTIONS_ON_EVERYTHING
    }

    assert too_much == set()


def test_resources_are_named_or_lie_below_something_of_this_stack(template: Template) -> None:
    texts = {
        (name, spelled(resource))
        for name, statement in statements(template)
        for resource in as_list(statement["Resource"])
        if resource != "*"
    }
    loose = {
        (name, text)
        for name, text in texts
        if "*" in text
        and text not in ONE_FILE_OF_EACH_RUN
        and not (
            text.index("*") == len(text) - 1
            and any(pattern in text for pattern in RESOURCE_PATTERNS)
        )
    }

    assert loose == set()


def test_roles_have_no_managed_policies_but_for_logs_and_traces(template: Template) -> None:
    attached = {
        spelled(arn).rstrip('"}').rpartition("/")[2]
        for role in template.properties(ROLE).values()
        for arn in role.get("ManagedPolicyArns", [])
    }

    assert attached <= MANAGED_POLICIES


LINK_KEY = {"Fn::GetAtt": ["ReportLinkSecret", "Id"]}


def readers_of_secrets(template: Template, *, link_key: bool) -> set[str]:
    return {
        name.removesuffix("FunctionRole")
        for name, statement in statements(template)
        if "secretsmanager:GetSecretValue" in as_list(statement["Action"])
        and (statement["Resource"] == LINK_KEY) is link_key
    }


def test_only_functions_that_talk_to_vendors_and_administrators_read_secrets(
    template: Template,
) -> None:
    readers = readers_of_secrets(template, link_key=False)

    # CloseRun asks the vendor once more where an operator wants unknown rows resolved.
    assert readers == {"SubmitJobs", "PollJobs", "CloseRun", "AdministratorPolicy"}


def test_who_may_make_links_to_reports(template: Template) -> None:
    people = {"OperatorPolicy", "AdministratorPolicy"}
    assert readers_of_secrets(template, link_key=True) == {"Notify", "ShowReport"} | people


# Buckets


def test_every_bucket_blocks_public_access(template: Template) -> None:
    for name, bucket in template.properties(BUCKET).items():
        blocked = bucket["PublicAccessBlockConfiguration"]
        assert len(blocked) == 4, name
        assert all(blocked.values()), name


def test_every_bucket_is_encrypted_and_versioned(template: Template) -> None:
    for name, bucket in template.properties(BUCKET).items():
        assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"], name
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}, name


def test_every_bucket_refuses_what_does_not_come_by_tls(template: Template) -> None:
    protected = set()
    for policy in template.properties("AWS::S3::BucketPolicy").values():
        bucket = policy["Bucket"]["Ref"]
        for statement in policy["PolicyDocument"]["Statement"]:
            insecure = {"Bool": {"aws:SecureTransport": "false"}}
            if statement["Effect"] == "Deny" and statement["Condition"] == insecure:
                assert statement["Principal"] == "*"
                assert as_list(statement["Action"]) == ["s3:*"]
                assert statement["Resource"] == [
                    {"Fn::GetAtt": [bucket, "Arn"]},
                    {"Fn::Sub": f"${{{bucket}.Arn}}/*"},
                ]
                protected.add(bucket)

    assert protected == set(template.of_type(BUCKET))


def test_the_inbox_tells_eventbridge(template: Template) -> None:
    notified = [
        bucket["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
        for bucket in template.properties(BUCKET).values()
        if "NotificationConfiguration" in bucket
    ]

    assert notified == [True]


@pytest.mark.parametrize("kind", [BUCKET, TABLE])
def test_what_holds_data_outlives_the_stack(template: Template, kind: str) -> None:
    for name, resource in template.of_type(kind).items():
        assert resource["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert resource["UpdateReplacePolicy"] == "Retain", name


# Table


def test_the_table_is_on_demand_encrypted_and_recoverable(template: Template) -> None:
    (table,) = template.properties(TABLE).values()

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    for encrypted in table["SSESpecification"]["Fn::If"][1:]:
        assert encrypted["SSEEnabled"] is True
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


def test_the_table_forgets(template: Template) -> None:
    (table,) = template.properties(TABLE).values()

    assert table["TimeToLiveSpecification"]["Enabled"] is True
    assert table["TimeToLiveSpecification"]["AttributeName"]


# Triggers


def test_the_upload_rule_starts_the_machine(template: Template) -> None:
    (machine,) = template.of_type(MACHINE)
    rule = template.properties(RULE)["RunStateMachineUpload"]

    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": machine}]
    assert rule["EventPattern"]["detail-type"] == ["Object Created"]


def test_the_upload_rule_sees_whatever_is_dropped_below_the_inbox(template: Template) -> None:
    rule = template.properties(RULE)["RunStateMachineUpload"]

    detail = rule["EventPattern"]["detail"]
    assert detail["object"] == {"key": [{"prefix": INBOX}]}
    assert detail["bucket"] == {"name": [{"Ref": "InboxBucket"}]}


def triggers(template: Template) -> dict[str, Any]:
    """Every way in which something starts by itself, with its target."""
    rules = template.properties(RULE).items()
    found = {
        f"{name}: {target['Id']}": target for name, rule in rules for target in rule["Targets"]
    }
    schedules = template.properties(SCHEDULE).items()
    return found | {name: schedule["Target"] for name, schedule in schedules}


def test_every_trigger_repeats_and_then_parks_its_event(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    for name, target in triggers(template).items():
        assert target["DeadLetterConfig"]["Arn"]["Fn::GetAtt"][0] in queues, name
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] > 0, name


def test_the_rule_of_notices_sees_every_event_of_runs(template: Template) -> None:
    rule = template.properties(RULE)["NotifyFunctionChange"]

    kinds = [change.detail_type for change in Change]
    assert rule["EventPattern"] == {"source": [SOURCE], "detail-type": kinds}
    assert [target["Arn"] for target in rule["Targets"]] == [
        {"Fn::GetAtt": ["NotifyFunction", "Arn"]}
    ]


def test_eventbridge_may_write_to_the_queue_of_each_rule(template: Template) -> None:
    rules = template.of_type(RULE)
    allowed = [
        statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        for policy in template.properties("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
    ]

    assert len(rules) == len(allowed) == 2
    assert all({"Fn::GetAtt": [rule, "Arn"]} in allowed for rule in rules)


# State machine


def test_the_machine_logs_without_execution_data(template: Template) -> None:
    (machine,) = template.properties(MACHINE).values()
    logging = machine["LoggingConfiguration"]

    assert logging["Level"] in ("ALL", "ERROR")
    assert logging["IncludeExecutionData"] is False
    assert logging["Destinations"]


def test_the_machine_is_standard_and_traced(template: Template) -> None:
    (machine,) = template.properties(MACHINE).values()

    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    assert machine["TracingConfiguration"]["Enabled"] is True


def test_the_definition_passes_its_static_check() -> None:
    assert find_problems(ROOT / "statemachines/run.asl.json", ROOT / "template.yaml") == []


def test_tasks_wait_longer_than_their_functions_run(
    template: Template, source: dict[str, Any]
) -> None:
    """A task that gives up first would repeat a step that is still at work."""
    functions = template.properties(FUNCTION)
    substitutions = next(
        item["Properties"]["DefinitionSubstitutions"]
        for item in source["Resources"].values()
        if item["Type"] == "AWS::Serverless::StateMachine"
    )
    tasks = list(lambda_tasks(json.loads((ROOT / "statemachines/run.asl.json").read_text())))

    assert tasks
    for task in tasks:
        named = re.findall(r"\$\{(\w+)\}", task["Arguments"]["FunctionName"])
        assert named
        for name in (substitutions[each]["Fn::GetAtt"][0] for each in named):
            assert task["TimeoutSeconds"] > functions[name]["Timeout"], name


def lambda_tasks(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if value.get("Resource") == LAMBDA_INVOKE:
            yield value
        for child in value.values():
            yield from lambda_tasks(child)


# Alarms


@pytest.mark.parametrize(
    "metric",
    [
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ApproximateNumberOfMessagesVisible",
        "RowsUnknown",
        "RunsUnusable",
        "ResultsAtRisk",
    ],
)
def test_alarm_exists(template: Template, metric: str) -> None:
    assert metric in {alarm.get("MetricName") for alarm in template.properties(ALARM).values()}


def test_every_alarm_tells_someone_and_says_what_to_read(template: Template) -> None:
    topic = "AlarmTopic"
    for name, alarm in template.properties(ALARM).items():
        assert alarm["AlarmActions"] == [{"Ref": topic}], name
        assert "docs/runbook.md" in alarm["AlarmDescription"], name
        # Silence is what one of them is for.
        missing = "breaching" if name == "NoRunsAlarm" else "notBreaching"
        assert alarm["TreatMissingData"] == missing, name


@pytest.mark.parametrize(
    ("name", "parameter"), [("AlarmSubscription", "AlarmEmail"), ("RunSubscription", "RunEmail")]
)
def test_a_subscription_is_made_only_with_an_address(
    template: Template, name: str, parameter: str
) -> None:
    subscription = template.of_type("AWS::SNS::Subscription")[name]

    condition = template.body["Conditions"][subscription["Condition"]]
    assert condition == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
    assert subscription["Properties"]["Endpoint"] == {"Ref": parameter}


# Notices


def test_what_mails_are_sent_of(template: Template) -> None:
    subscription = template.properties("AWS::SNS::Subscription")["RunSubscription"]
    condition, everything, (trouble, only_trouble, ended) = unfolded(subscription["FilterPolicy"])

    assert (condition, everything) == ("TellsOfAll", {"Ref": "AWS::NoValue"})
    assert trouble == "TellsOfTrouble"
    closed = {status.value for status in RunStatus if status.closed}
    assert set(only_trouble["status"]) == (closed - {"completed"}) | {"paused"}
    assert ended == {"change": ["paused", "closed"]}


def unfolded(policy: dict[str, Any]) -> tuple[str, Any, tuple[str, Any, Any]]:
    condition, everything, other = policy["Fn::If"]
    return condition, everything, tuple(other["Fn::If"])


def test_messages_are_encrypted(template: Template) -> None:
    topic = template.properties("AWS::SNS::Topic")["RunTopic"]
    key = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, "alias/aws/sns"]}
    assert topic["KmsMasterKeyId"] == key


def test_nothing_is_public_without_links(template: Template) -> None:
    urls = template.of_type("AWS::Lambda::Url")
    (url,) = urls.values()
    assert url["Properties"]["AuthType"] == "NONE"
    public = {
        name
        for name, item in template.of_type("AWS::Lambda::Permission").items()
        if item["Properties"]["Principal"] == "*"
    }
    made_for_links = [*urls, *public, "ShowReportFunction", "ShowReportFunctionRole"]
    for name in (*made_for_links, "ReportLinkSecret"):
        assert template.body["Resources"][name]["Condition"] == "HasReportLinks", name
    assert public
    (hours, outside) = template.body["Conditions"]["HasReportLinks"]["Fn::And"]
    assert hours == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ReportLinkHours"}, 0]}]}
    assert outside == {"Fn::Not": [{"Condition": "InGovCloud"}]}
