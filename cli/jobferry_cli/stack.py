"""Which stack is meant, and the way in: its CloudFormation outputs, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import ClientError

from jobferry.domain.commands import Command, command, other_command
from jobferry.runtime.settings import MAX_FILE_BYTES, MAX_ROWS_PER_FILE, Settings
from jobferry.vendors.http.addresses import Reach, networks_of
from jobferry_cli.errors import CommandError, ExitCode
from jobferry_cli.local.state import STACK as LOCAL_STACK
from jobferry_cli.local.state import LocalState, load_state, state_folder
from jobferry_cli.report_links import ReportLinks, report_links
from jobferry_cli.resources import Caller, Executions, Inbox, Secrets
from jobferry_cli.scheduler import Schedules

if TYPE_CHECKING:
    from jobferry.deps import Deps

DEFAULT_STACK = "jobferry"
STACK_VARIABLE = "JOBFERRY_STACK"
ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"
REGION_VARIABLE = "AWS_REGION"
"""What every AWS tool but Python's SDK reads; that one knows AWS_DEFAULT_REGION only."""

_SOON = BotoConfig(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
"""For what a command can do without: a network from which STS is not reached costs seconds."""


@dataclass(frozen=True, slots=True)
class StackChoice:
    """The stack that is meant. Without `local`, AWS settings are those of every AWS tool.

    Attributes:
        region: None: what the AWS SDK finds
    """

    name: str
    local: LocalState | None = None
    region: str | None = None


@dataclass(frozen=True)
class Stack:
    """A deployed stack, ready to work with.

    Attributes:
        name: of the CloudFormation stack
        outputs: of it
        client: makes a client of one of AWS's services
    """

    settings: Settings
    deps: Deps
    inbox: Inbox
    secrets: Secrets
    executions: Executions
    schedules: Schedules
    caller: Caller
    name: str
    outputs: Mapping[str, str]
    client: Callable[[str], Any]
    report_links: ReportLinks | None = None
    """None: the stack gives no addresses of reports."""


def choose_stack(
    option: str | None,
    environ: Mapping[str, str],
    local: Callable[[], LocalState | None] = lambda: load_state(state_folder()),
) -> StackChoice:
    """The stack that is meant: `--stack`, the environment, the local one, or the default.

    The local stack is meant when nobody has named another stack, or an endpoint.

    Raises:
        CommandError: the state of the local stack cannot be read.
    """
    named = option or environ.get(STACK_VARIABLE)
    on_aws = StackChoice(named or DEFAULT_STACK, region=environ.get(REGION_VARIABLE) or None)
    if named not in (None, "", LOCAL_STACK) or environ.get(ENDPOINT_VARIABLE):
        return on_aws
    try:
        state = local()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(
            f"The state of the local stack cannot be read ({type(error).__name__}: {error}).",
            next_command=command("local", "up"),
        ) from None
    return on_aws if state is None else StackChoice(state.stack, state)


class _LocalSession(boto3.Session):
    """A session whose clients talk to the emulator. boto3 has no endpoint of a whole session."""

    def __init__(self, state: LocalState) -> None:
        super().__init__(
            aws_access_key_id=state.access_key_id,
            aws_secret_access_key=state.secret_access_key,
            region_name=state.region,
        )
        self._endpoint_url = state.endpoint_url

    def client(self, *args: Any, **kwargs: Any) -> Any:
        return super().client(*args, **{"endpoint_url": self._endpoint_url, **kwargs})


def session_for(choice: StackChoice) -> boto3.Session:
    """A session whose clients reach the stack."""
    if choice.local is None:
        return boto3.Session(region_name=choice.region)
    return _LocalSession(choice.local)


def open_stack(choice: StackChoice) -> Stack:
    """Look the stack's outputs up and build what the commands work with.

    Raises:
        CommandError: there is no such stack, or it is not deployed whole.
    """
    from jobferry.deps import Deps
    from jobferry.runtime.wiring import build_deps

    session = session_for(choice)
    secrets = session.client("secretsmanager")
    outputs = _outputs(choice, session)
    settings = settings_of(choice, outputs)
    built = build_deps(settings, session)
    return Stack(
        settings=settings,
        # Without the functions' log, which goes to stdout and would stand between the data.
        deps=Deps(settings, built.store, built.objects, built.connections),
        inbox=Inbox(session.client("s3"), settings.inbox_bucket),
        secrets=Secrets(secrets, settings.secret_prefix, outputs.get("KmsKeyArn")),
        executions=Executions(
            session.client("stepfunctions"), settings.run_state_machine_arn or ""
        ),
        schedules=Schedules(
            client=session.client("scheduler"),
            group=outputs.get("ScheduleGroupName", ""),
            target=settings.run_state_machine_arn or "",
            role=outputs.get("ScheduleRoleArn", ""),
            queue=outputs.get("TriggerDlqArn", ""),
        ),
        caller=Caller(lambda: session.client("sts", config=_SOON)),
        report_links=report_links(secrets, outputs),
        name=choice.name,
        outputs=outputs,
        client=partial(_client, session),
    )


def _client(session: Any, service: str) -> Any:
    return session.client(service, config=_SOON)


def _outputs(choice: StackChoice, session: boto3.Session) -> dict[str, str]:
    try:
        answer = session.client("cloudformation").describe_stacks(StackName=choice.name)
    except ClientError as error:
        # CloudFormation says "does not exist" with the code of any malformed request.
        if "does not exist" not in error.response["Error"].get("Message", ""):
            raise
        raise CommandError(
            f"There is no stack {choice.name!r} in {session.region_name} for these AWS settings. "
            f"Deploy it, or name another with --stack or {STACK_VARIABLE}.",
            next_command=_deploy(choice),
            code=ExitCode.SERVICE,
        ) from None
    return {
        output["OutputKey"]: output["OutputValue"]
        for stack in answer["Stacks"]
        for output in stack.get("Outputs", [])
    }


def settings_of(choice: StackChoice, outputs: Mapping[str, str]) -> Settings:
    """The stack's settings from its outputs (template.yaml, Outputs).

    Raises:
        CommandError: an output is missing: another kind of stack, or one not deployed whole.
    """
    try:
        return Settings(
            table_name=outputs["TableName"],
            inbox_bucket=outputs["InboxBucketName"],
            archive_bucket=outputs["ArchiveBucketName"],
            secret_prefix=outputs["SecretPrefix"],
            retention_days=int(outputs["RowRetentionDays"]),
            reach=Reach(
                outputs["AllowLoopbackHttp"] == "true",
                # Stacks of before there were bounds have no such outputs.
                networks_of(outputs.get("VendorCidrs", "")),
            ),
            run_state_machine_arn=outputs["RunStateMachineArn"],
            max_file_bytes=int(outputs.get("MaxFileBytes", MAX_FILE_BYTES)),
            max_rows_per_file=int(outputs.get("MaxRowsPerFile", MAX_ROWS_PER_FILE)),
        )
    except KeyError as missing:
        raise CommandError(
            f"The stack {choice.name!r} has no output {missing}: it is not Jobferry, or it is not "
            "deployed whole.",
            next_command=_deploy(choice),
            code=ExitCode.SERVICE,
        ) from None


def _deploy(choice: StackChoice) -> Command:
    if choice.local:
        return command("local", "up")
    return other_command("sam", "deploy", "--stack-name", choice.name)
