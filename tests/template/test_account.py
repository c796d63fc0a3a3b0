"""What the template must hold in any account: other stacks, boundaries, partitions, quotas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jobferry.domain.inbox import INBOX
from jobferry.store import keys
from tests.template.conftest import (
    ALARM,
    BUCKET,
    FUNCTION,
    LOG_GROUP,
    MACHINE,
    ROLE,
    ROOT,
    Template,
    as_list,
    branches,
    spelled,
    statements,
)
from tools.check_asl import NEVER_RETRIED, RETRIED, SHORTER, THROTTLED

DEFINITION = (ROOT / "statemachines" / "run.asl.json").read_text()
STACK = "${AWS::StackName}"

FUNCTIONS_THAT_STORE = ("OpenRun", "PlanRun", "SubmitJobs", "PollJobs", "SettleJob", "CloseRun")


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, keys left out."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else as_list(value):
        if inner is not value:
            yield from texts(inner)


class TestOtherStacks:
    """Two stacks in one account and region must not share anything but the account."""

    NAMES = ("LogGroupName", "DashboardName", "Name", "RoleName", "TableName", "BucketName")

    def test_every_name_is_the_stacks_own(self, template: Template) -> None:
        for name, resource in template.resources.items():
            for key in self.NAMES:
                given = resource.get("Properties", {}).get(key)
                if given is not None:
                    assert STACK in spelled(given), f"{name}.{key}"

    def test_secrets_are_the_stacks_own(self, template: Template) -> None:
        prefix = {
            "Fn::If": [
                "HasSecretPrefix",
                {"Ref": "SecretPrefix"},
                {"Fn::Sub": f"jobferry/{STACK}/connections/"},
            ]
        }
        for function in template.properties(FUNCTION).values():
            assert function["Environment"]["Variables"]["SECRET_PREFIX"] == prefix
        assert template.body["Outputs"]["SecretPrefix"]["Value"] == prefix
        granted = [
            resource
            for _, statement in statements(template)
            if "secretsmanager:GetSecretValue" in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]
        assert granted
        link_key = {"Fn::GetAtt": ["ReportLinkSecret", "Id"]}
        granted = [resource for resource in granted if resource != link_key]
        for resource in granted:
            text, filled = resource["Fn::Sub"]
            assert text.endswith(":secret:${Prefix}*")
            assert filled == {"Prefix": prefix}

    def test_metrics_are_the_stacks_own(self, template: Template) -> None:
        alarms = template.properties(ALARM).items()
        own = {name: alarm for name, alarm in alarms if alarm.get("Namespace") == "Jobferry"}
        assert len(own) > 5
        for name, alarm in own.items():
            dimensions = {d["Name"]: d["Value"] for d in alarm["Dimensions"]}
            assert dimensions == {"service": "jobferry", "stack": {"Ref": "AWS::StackName"}}, name
        for function in template.properties(FUNCTION).values():
            assert function["Environment"]["Variables"]["STACK_NAME"] == {"Ref": "AWS::StackName"}

    def test_logs_go_into_the_stacks_own_group_and_no_other(self, template: Template) -> None:
        groups = set(template.of_type(LOG_GROUP))
        writers = [
            (name, resource)
            for name, statement in statements(template)
            if "logs:PutLogEvents" in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        ]
        assert len(writers) == len(roles_of_functions(template))
        assert all(resource["Fn::GetAtt"][0] in groups for _, resource in writers)


def roles_of_functions(template: Template) -> set[str]:
    """PollJobs in its two sizes is one program with one role."""
    return {item["Role"]["Fn::GetAtt"][0] for item in template.properties(FUNCTION).values()}


class TestBoundaryAndPartition:
    def test_every_role_is_bounded(self, template: Template) -> None:
        bounded = {
            "Fn::If": [
                "HasPermissionsBoundary",
                {"Ref": "PermissionsBoundaryArn"},
                {"Ref": "AWS::NoValue"},
            ]
        }
        roles = template.properties(ROLE)
        assert len(roles) >= 10
        assert [n for n, role in roles.items() if role.get("PermissionsBoundary") != bounded] == []

    def test_no_arn_names_a_partition(self, template: Template) -> None:
        # Managed policies that SAM attaches have the partition that it is translated for.
        body = {**template.body, "Resources": dict(template.body["Resources"])}
        named = [text for text in texts(body) if text.startswith("arn:aws:")]
        assert [text for text in named if not text.startswith("arn:aws:iam::aws:policy/")] == []
        assert "arn:aws:" not in DEFINITION
        (machine,) = template.properties(MACHINE).values()
        assert machine["DefinitionSubstitutions"]["Partition"] == {"Ref": "AWS::Partition"}

    def test_the_layer_says_what_it_was_built_for(self, template: Template) -> None:
        (layer,) = template.properties("AWS::Lambda::LayerVersion").values()
        assert layer["CompatibleRuntimes"] == [{"Ref": "Runtime"}]
        assert layer["CompatibleArchitectures"] == [{"Ref": "Architecture"}]

    def test_loopback_is_for_an_emulator(self, source: dict[str, Any]) -> None:
        rule = source["Rules"]["LoopbackHttpIsLocal"]
        assert rule["RuleCondition"] == {"Fn::Equals": [{"Ref": "AllowLoopbackHttp"}, "true"]}
        (assertion,) = rule["Assertions"]
        # No account of AWS has this number.
        accounts = assertion["Assert"]["Fn::Contains"][0]
        assert accounts == ["000000000000"]


class TestBusyAccount:
    def retriers(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}

        def walk(value: Any, name: str = "") -> None:
            if isinstance(value, dict):
                if "Retry" in value:
                    found[name] = value["Retry"]
                for key, inner in value.items():
                    walk(inner, key)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner, name)

        walk(json.loads(DEFINITION))
        return found

    def test_throttles_outlast_failures_by_far(self) -> None:
        retriers = self.retriers()
        assert set(retriers) >= set(FUNCTIONS_THAT_STORE)
        for name, rules in retriers.items():
            assert [tuple(rule["ErrorEquals"]) for rule in rules] == list(RETRIED), name
            never, throttled, all_others = rules
            assert never["ErrorEquals"] == list(NEVER_RETRIED)
            assert never["MaxAttempts"] == 0
            assert throttled["ErrorEquals"] == list(THROTTLED)
            if name in SHORTER:  # The run waits, and goes on without.
                assert throttled["MaxAttempts"] == all_others["MaxAttempts"] == 4
                continue
            # Full jitter waits half of it on average.
            hours = throttled["MaxAttempts"] * throttled["MaxDelaySeconds"] / 2 / 3600
            assert hours >= 8, name
            assert throttled["MaxDelaySeconds"] <= 60, name
            # Three events an attempt; a history holds 25,000, and a lane renews at 20,000.
            assert throttled["MaxAttempts"] * 3 <= (9_000 if name == "OpenRun" else 5_000)
            assert all_others["MaxAttempts"] >= 8

    def test_an_input_that_opens_no_run_is_kept(self, template: Template) -> None:
        states = json.loads(DEFINITION)["States"]
        (catcher,) = states["OpenRun"]["Catch"]
        assert catcher["ErrorEquals"] == ["States.ALL"]
        keep = states[catcher["Next"]]
        assert keep["Resource"].endswith(":sqs:sendMessage")
        assert "Execution.Input" in keep["Arguments"]["MessageBody"]
        assert states[keep["Next"]]["Type"] == "Fail"
        allowed = [
            statement["Resource"]
            for name, statement in statements(template)
            if name == "RunStateMachineRole" and statement["Action"] == "sqs:SendMessage"
        ]
        assert allowed == [{"Fn::GetAtt": ["TriggerDlq", "Arn"]}]

    def test_a_map_may_watch_stop_and_redrive_its_lanes(self, template: Template) -> None:
        machine = ":execution:${RunStateMachine.Name}"
        allowed = {
            action: sorted(
                spelled(resource).partition(":execution:")[2]
                for _, statement in statements(template)
                if action in as_list(statement["Action"])
                for resource in as_list(statement["Resource"])
            )
            for action in ("states:StopExecution", "states:RedriveExecution")
        }
        name = machine.removeprefix(":execution:")
        assert allowed == {
            "states:StopExecution": [f"{name}/Lane:*", f"{name}:*"],
            "states:RedriveExecution": [f"{name}/Lane:*"],
        }


class TestGrants:
    def test_whoever_reads_objects_can_tell_missing_from_forbidden(
        self, template: Template
    ) -> None:
        """Without s3:ListBucket AWS answers 403 for what is not there."""
        reads: set[tuple[str, str]] = set()
        lists: set[tuple[str, str]] = set()
        for name, statement in statements(template):
            actions = set(as_list(statement["Action"]))
            for resource in as_list(statement["Resource"]):
                if actions & {"s3:GetObject", "s3:GetObjectVersion"}:
                    bucket = spelled(resource).partition("}")[0].removeprefix("${")
                    reads.add((name, bucket.removesuffix(".Arn")))
                if "s3:ListBucket" in actions:
                    lists.add((name, resource["Fn::GetAtt"][0]))
        assert len(reads) > 5
        assert reads <= lists

    def test_buckets_are_those_of_this_account(self, template: Template) -> None:
        """A bucket that is deleted may be made again by somebody else."""
        own = {"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}}
        foreign = {
            (name, action)
            for name, statement in statements(template)
            for action in as_list(statement["Action"])
            if action.startswith("s3:") and statement.get("Condition") != own
        }
        assert foreign == set()

    def test_no_function_may_change_what_people_configure(self, template: Template) -> None:
        denied = {
            name: statement
            for name, statement in statements(template, "Deny")
            if "dynamodb:PutItem" in as_list(statement["Action"])
        }
        writing = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
        writers = {
            name
            for name, statement in statements(template)
            if writing & set(as_list(statement["Action"])) and name.endswith("FunctionRole")
        }
        # What shows reports does not know the table.
        assert writers | {"ShowReportFunctionRole"} == roles_of_functions(template)
        for name in writers:
            statement = denied[name]
            assert writing | {"dynamodb:BatchWriteItem"} == set(statement["Action"])
            condition = statement["Condition"]["ForAnyValue:StringLike"]
            assert condition == {"dynamodb:LeadingKeys": [f"{keys.CONFIG}#*"]}
        for key in (keys.connection_config("a"), keys.profile_config("a"), keys.PROFILES):
            assert key.startswith(f"{keys.CONFIG}#")

    def test_the_machine_speaks_for_nobody_else(self, template: Template) -> None:
        (condition,) = (
            statement["Condition"]
            for _, statement in statements(template)
            if statement["Action"] == "events:PutEvents"
        )
        assert condition == {"StringEqualsIfExists": {"events:source": "jobferry"}}

    def test_only_this_stacks_schedules_start_runs(self, template: Template) -> None:
        (trust,) = template.properties(ROLE)["ScheduleRole"]["AssumeRolePolicyDocument"][
            "Statement"
        ]
        assert trust["Condition"]["StringEquals"] == {
            "aws:SourceAccount": {"Ref": "AWS::AccountId"},
            "aws:SourceArn": {"Fn::GetAtt": ["ScheduleGroup", "Arn"]},
        }


class TestLifecycle:
    def test_files_that_schedules_name_stay(self, template: Template) -> None:
        rules = template.properties(BUCKET)["InboxBucket"]["LifecycleConfiguration"]["Rules"]
        expiring = [rule for rule in rules if "ExpirationInDays" in rule]
        assert [rule.get("Prefix") for rule in expiring] == [INBOX]

    @pytest.mark.parametrize("bucket", ["InboxBucket", "ArchiveBucket"])
    def test_delete_markers_and_parts_do_not_pile_up(self, template: Template, bucket: str) -> None:
        rules = template.properties(BUCKET)[bucket]["LifecycleConfiguration"]["Rules"]
        assert any(rule.get("ExpiredObjectDeleteMarker") for rule in rules)
        assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
        # S3 takes no rule that has both.
        for rule in rules:
            assert not (rule.get("ExpiredObjectDeleteMarker") and "ExpirationInDays" in rule)

    def test_what_could_not_be_made_is_not_kept(self, template: Template) -> None:
        kept = [r for r in template.resources.values() if r.get("DeletionPolicy") == "Retain"]
        assert kept == []


class TestOptions:
    """Each of them can be left out, and then changes nothing."""

    OPTIONS = (
        "HasKmsKey",
        "HasVpc",
        "HasAccessLogs",
        "HasPlanConcurrency",
        "HasCloseConcurrency",
        "HasNoRunHours",
        "HasAlarmEmail",
        "HasVendorCidrs",
        "HasSecretPrefix",
    )

    @pytest.mark.parametrize("option", OPTIONS)
    def test_it_is_used(self, template: Template, option: str) -> None:
        assert option in template.body["Conditions"]
        without = {key: value for key, value in template.body.items() if key != "Conditions"}
        assert f'"{option}"' in json.dumps(without, default=str)

    def test_functions_in_a_vpc_may_join_it(self, template: Template) -> None:
        for function in template.properties(FUNCTION).values():
            assert function["VpcConfig"]["Fn::If"][0] == "HasVpc"
        joining = [
            n for n, s in statements(template) if "ec2:CreateNetworkInterface" in s["Action"]
        ]
        assert len(joining) == len(roles_of_functions(template))

    def test_a_key_encrypts_all_that_holds_rows(self, template: Template) -> None:
        key = {"Ref": "KmsKeyArn"}
        for bucket in template.properties(BUCKET).values():
            (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            with_key, without = branches(rule["ServerSideEncryptionByDefault"])
            assert (with_key["SSEAlgorithm"], with_key["KMSMasterKeyID"]) == ("aws:kms", key)
            assert without == {"SSEAlgorithm": "AES256"}
        (table,) = template.properties("AWS::DynamoDB::Table").values()
        with_key, _ = branches(table["SSESpecification"])
        assert with_key["KMSMasterKeyId"] == key

    @pytest.mark.parametrize(
        ("function", "parameter"),
        [("PlanRunFunction", "PlanConcurrency"), ("CloseRunFunction", "CloseConcurrency")],
    )
    def test_large_functions_can_be_capped(
        self, template: Template, function: str, parameter: str
    ) -> None:
        given = template.properties(FUNCTION)[function]["ReservedConcurrentExecutions"]
        assert list(branches(given)) == [{"Ref": parameter}]


class TestAlarms:
    def test_lanes_that_die_are_seen(self, template: Template) -> None:
        """Children of a Distributed Map count under the map's name:
        https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html."""
        label = json.loads(DEFINITION)["States"]["ProcessLanes"]["Label"]
        (machine,) = template.of_type(MACHINE)
        seen = {
            alarm["MetricName"]
            for alarm in template.properties(ALARM).values()
            if alarm.get("Namespace") == "AWS/States"
            and alarm["Dimensions"][0]["Value"] == {"Fn::Sub": f"${{{machine}}}/{label}"}
        }
        assert seen == {"ExecutionsFailed", "ExecutionsAborted"}

    def test_throttles_of_every_function_count(self, template: Template) -> None:
        alarm = template.properties(ALARM)["FunctionsThrottledAlarm"]
        counted = {
            metric["MetricStat"]["Metric"]["Dimensions"][0]["Value"]["Ref"]
            for metric in alarm["Metrics"]
            if "MetricStat" in metric
        }
        # Whoever has an address may ask for a report too often: no run waits for that.
        assert counted | {"ShowReportFunction"} == set(template.of_type(FUNCTION))
        expression = next(m["Expression"] for m in alarm["Metrics"] if "Expression" in m)
        ids = {metric["Id"] for metric in alarm["Metrics"] if "MetricStat" in metric}
        assert set(expression.split(" + ")) == ids

    def test_the_dashboard_names_what_is_there(self, template: Template) -> None:
        (dashboard,) = template.properties("AWS::CloudWatch::Dashboard").values()
        body = json.loads(dashboard["DashboardBody"]["Fn::Sub"])
        assert len(body["widgets"]) >= 10
        named = {
            text.removeprefix("${").partition("}")[0].partition(".")[0]
            for text in texts(body)
            if text.startswith("${") and "AWS::" not in text
        }
        assert named
        assert named <= set(template.resources)

    def test_lines_of_the_platform_are_kept(self, template: Template) -> None:
        for function in template.properties(FUNCTION).values():
            logging = function["LoggingConfig"]
            assert (logging["SystemLogLevel"], logging["ApplicationLogLevel"]) == ("INFO", "INFO")
