"""What `jobferry doctor` asks of a stack: it changes nothing; what it may not ask is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from jobferry.operator.status import run_document
from jobferry.operator.vendor_requests import VendorUnavailableError, vendor_session
from jobferry.steps.sweep import INDEX_LAG
from jobferry_cli.errors import explain, is_refusal, missing_right
from jobferry_cli.health import Known, Snapshot, Unknown
from jobferry_cli.stack import Stack
from jobferry_cli.vendor_calls import vendor_reached

T = TypeVar("T")

RUNS_LOOKED_AT = 50
"""The oldest open runs: those that wait or are paused are among them."""

_WORK = {
    "see runs": ("dynamodb:Query", "table"),
    "start and stop runs": ("states:StartExecution", "machine"),
    "put connections": ("secretsmanager:PutSecretValue", "secrets"),
}
"""What people do, by a right that only those have who may."""

PACKAGE = "jobferry"


def gather(stack: Stack, *, vendors: bool) -> Snapshot:
    """All that the checks judge.

    Args:
        vendors: ask each connection's vendor: one request of its limit.
    """
    name = stack.caller.name
    return Snapshot(
        version=own_version(),
        stack=stack.name,
        now=stack.deps.now(),
        outputs=stack.outputs,
        identity=Unknown("STS does not answer.") if name is None else name,
        rights=_asked(lambda: _rights(stack, name)),
        reached=_reached(stack),
        connections=_connections(stack) if vendors else None,
        subscriptions=_asked(lambda: _subscriptions(stack, "AlarmTopicArn")),
        listeners=_asked(lambda: _subscriptions(stack, "RunTopicArn")),
        ringing=_asked(lambda: _ringing(stack)),
        swept_at=_asked(lambda: _swept_at(stack)),
        **_open_runs(stack),
        undelivered=_asked(lambda: _undelivered(stack)),
        concurrency=_asked(lambda: _concurrency(stack)),
        executions=_asked(lambda: _executions(stack)),
    )


def own_version() -> str:
    """The version of this command."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "0"


class _NotKnownError(Exception):
    """Why something cannot be found out."""


def _asked(ask: Callable[[], T]) -> Known[T]:
    """The answer of AWS, or why there is none."""
    try:
        return ask()
    except _NotKnownError as error:
        return Unknown(str(error))
    except ClientError as error:
        return Unknown(_in_short(error))
    except (BotoCoreError, KeyError, ValueError, TypeError) as error:
        return Unknown(f"AWS does not say ({type(error).__name__}).")


def _in_short(error: ClientError) -> str:
    right = missing_right(error)
    if right is not None:
        return f"you have not the right {right}."
    if is_refusal(error):
        return f"you may not call {error.operation_name}."
    return f"{error.operation_name} answers {error.response['Error'].get('Code', 'an error')}."


def _output(stack: Stack, name: str) -> str:
    found = stack.outputs.get(name)
    if not found:
        raise _NotKnownError(f"the stack has no output {name}.")
    return found


def _rights(stack: Stack, name: str | None) -> Mapping[str, bool]:
    if name is None:
        raise _NotKnownError("STS does not say who you are.")
    if name.endswith(":root"):
        # The account's own user has no policies that could be simulated, and may do everything.
        return dict.fromkeys(_WORK, True)
    resources = {
        "machine": stack.settings.run_state_machine_arn or "*",
        "table": _arn(stack, "dynamodb", f"table/{stack.settings.table_name}"),
        "secrets": _arn(stack, "secretsmanager", f"secret:{stack.settings.secret_prefix}x"),
    }
    return {
        work: _allowed(stack, _principal(name), action, resources[resource])
        for work, (action, resource) in _WORK.items()
    }


def _allowed(stack: Stack, principal: str, action: str, resource: str) -> bool:
    answer = stack.client("iam").simulate_principal_policy(
        PolicySourceArn=principal, ActionNames=[action], ResourceArns=[resource]
    )
    decisions = [each["EvalDecision"] for each in answer["EvaluationResults"]]
    return bool(decisions) and all(each == "allowed" for each in decisions)


def _principal(name: str) -> str:
    """The role behind a session; IAM knows nothing of sessions."""
    if ":assumed-role/" not in name:
        return name
    start, _, rest = name.partition(":assumed-role/")
    return f"{start.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _arn(stack: Stack, service: str, what: str) -> str:
    """The ARN of a resource of the stack, whose machine names partition, region and account."""
    parts = (stack.settings.run_state_machine_arn or "arn:aws:states:::x").split(":")
    return ":".join([parts[0], parts[1], service, parts[3], parts[4], what])


def _reached(stack: Stack) -> dict[str, Known[str | None]]:
    store, settings = stack.deps.store, stack.settings
    probes: dict[str, Callable[[], object]] = {
        "table": lambda: list(islice(store.runs.newest(limit=1), 1)),
        "inbox": lambda: stack.client("s3").head_bucket(Bucket=settings.inbox_bucket),
        "archive": lambda: stack.client("s3").head_bucket(Bucket=settings.archive_bucket),
        "state machine": lambda: stack.client("stepfunctions").describe_state_machine(
            stateMachineArn=settings.run_state_machine_arn
        ),
    }
    return {name: _answers(probe) for name, probe in probes.items()}


def _answers(probe: Callable[[], object]) -> Known[str | None]:
    """None: it does; a text: what is wrong; unknown: the caller may not ask."""
    try:
        probe()
    except ClientError as error:
        return Unknown(_in_short(error)) if is_refusal(error) else _in_short(error)
    except BotoCoreError as error:
        return explain(error).message
    return None


def _connections(stack: Stack) -> dict[str, Known[tuple[str, bool] | None]]:
    try:
        names = list(stack.deps.store.config.connection_names())
    except (BotoCoreError, ClientError):
        return {}
    return {name: _tested(stack, name) for name in names}


def _tested(stack: Stack, name: str) -> Known[tuple[str, bool] | None]:
    """None where the vendor accepts us; else what is wrong, and whether it passes by itself."""
    try:
        with vendor_reached(), vendor_session(name, stack.deps) as asked:
            answer = asked.linked.client.test()
            if answer is None:
                return None
            no = asked.no(answer)
            return str(no), no.until is not None
    except VendorUnavailableError as error:
        if _refused_within(error):
            return Unknown("you have not the right secretsmanager:GetSecretValue.")
        return str(error), error.until is not None
    except ClientError as error:
        return Unknown(_in_short(error))
    except LookupError as error:
        return str(error.args[0]), False


def _refused_within(error: BaseException | None) -> bool:
    """Whether AWS has refused the caller something on the way."""
    while error is not None:
        if isinstance(error, ClientError) and is_refusal(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _subscriptions(stack: Stack, topic: str) -> tuple[int, int]:
    answer = stack.client("sns").list_subscriptions_by_topic(TopicArn=_output(stack, topic))
    arns = [each["SubscriptionArn"] for each in answer["Subscriptions"]]
    confirmed = sum(arn.startswith("arn:") for arn in arns)
    return confirmed, len(arns) - confirmed


def _ringing(stack: Stack) -> list[str]:
    answer = stack.client("cloudwatch").describe_alarms(
        AlarmNamePrefix=stack.name, StateValue="ALARM"
    )
    return sorted(each["AlarmName"] for each in answer["MetricAlarms"])


def _swept_at(stack: Stack) -> float:
    filed_from = stack.deps.store.sweep.get().filed_from
    return filed_from + INDEX_LAG if filed_from else 0.0


def _open_runs(stack: Stack) -> dict[str, Any]:
    """Runs that are paused, and those that wait for something to be mended."""
    paused: dict[str, str] = {}
    waiting: dict[str, str] = {}

    def look() -> None:
        for _, listed in islice(stack.deps.store.runs.oldest_open(), RUNS_LOOKED_AT):
            run = stack.deps.store.runs.get(listed.run_id)
            if run is None or run.closed_at is not None:
                continue
            document = run_document(run, stack.deps)
            if document["paused"]:
                paused[run.run_id] = document["paused"]["reason"]
            elif document["waiting"]:
                waiting[run.run_id] = document["waiting"][0]["text"]

    found = _asked(look)
    if isinstance(found, Unknown):
        return {"paused": found, "waiting": found}
    return {"paused": paused, "waiting": waiting}


def _undelivered(stack: Stack) -> int:
    answer = stack.client("sqs").get_queue_attributes(
        QueueUrl=_output(stack, "TriggerDlqUrl"), AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def _concurrency(stack: Stack) -> tuple[int, int]:
    limit = stack.client("lambda").get_account_settings()["AccountLimit"]
    return int(limit["ConcurrentExecutions"]), int(limit["UnreservedConcurrentExecutions"])


def _executions(stack: Stack) -> int:
    pages = stack.client("service-quotas").get_paginator("list_service_quotas")
    for page in pages.paginate(ServiceCode="states"):
        for quota in page["Quotas"]:
            if "open executions" in quota["QuotaName"].lower():
                return int(quota["Value"])
    raise _NotKnownError("it is not among the quotas that AWS lists.")
