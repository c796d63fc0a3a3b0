"""The real template, deployed by the real `sam deploy` on the emulator, IAM enforced.

One stack for all tests; each test has a vendor simulator, a connection and a profile of its own,
so that tests do not meet each other's limits or records.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest

import vendorsim
from jobferry.binding.profile_document import validate
from jobferry.deps import Deps
from jobferry.domain.chunk import ChunkState
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import Outcome
from jobferry.domain.run import Run
from jobferry.domain.run_request import RunRequest
from jobferry.operator.status import run_document
from jobferry.runtime.settings import Settings
from jobferry.runtime.wiring import build_deps
from jobferry.steps.open_run import run_id_of
from jobferry.vendors.connections import max_jobs
from jobferry.vendors.http.addresses import LOOPBACK
from jobferry_cli.local import deployment, processes
from jobferry_cli.local.commands import EMULATOR, start_local, stop_local
from jobferry_cli.local.state import HOME_VARIABLE, LocalState, state_folder
from tests.e2e.canaries import Canaries

CREDENTIALS = {"email": "agent@example.com", "token": "sim-token"}
TICKET_COLUMNS = {
    "Subject": "subject",
    "Body": "comment.body",
    "Ref": "external_id",
    "Priority": {"field": "priority", "enum": ["low", "normal", "high", "urgent"]},
}
SECONDS = 150.0
LAST_WORDS_SECONDS = 8.0
"""What functions are given that have lost their table: long enough to hear the vendor's answer."""


@dataclass
class Stack:
    """The deployed stack as tests see it."""

    state: LocalState
    session: boto3.Session
    outputs: dict[str, str]
    deps: Deps
    canaries: Canaries = field(init=False)

    def __post_init__(self) -> None:
        self.canaries = Canaries(self)

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.state.endpoint_url)

    def physical(self, logical_id: str) -> str:
        """The name of a resource of the stack."""
        resource = self.client("cloudformation").describe_stack_resource(
            StackName=self.state.stack, LogicalResourceId=logical_id
        )
        return str(resource["StackResourceDetail"]["PhysicalResourceId"])

    def function(self, logical_id: str) -> dict[str, Any]:
        """Configuration of a deployed function."""
        configuration: dict[str, Any] = self.client("lambda").get_function_configuration(
            FunctionName=self.physical(logical_id)
        )
        return configuration

    def emulator(self) -> psutil.Process:
        """The emulator's process; the functions run in its children."""
        process = processes.find(self.state.processes[EMULATOR])
        assert process is not None
        return process

    def restart(self, *, functions_first: bool) -> None:
        """End the emulator in whatever it is doing, and start it again with what it has stored.

        Table, buckets, secrets, roles, rules and the stack itself come back, as they do on AWS,
        where they never go; executions that were running have failed, and every function is cold.

        functions_first: the functions are killed at once; otherwise they outlive the table, and
            what they do last cannot be noted.
        """
        emulator = self.emulator()
        command, environment = emulator.cmdline(), emulator.environ()
        if functions_first:
            _kill_children(emulator)
        # It writes down what it stores when it is told to end, and only then.
        emulator.terminate()
        with suppress(psutil.TimeoutExpired):
            emulator.wait(timeout=LAST_WORDS_SECONDS)
        while emulator.is_running():
            # It waits for functions that wait for it.
            _kill_children(emulator)
            with suppress(psutil.TimeoutExpired):
                emulator.wait(timeout=0.5)
        log = state_folder() / "emulator-restarted.log"
        self.state.processes[EMULATOR] = processes.start(command, log, environment)
        self.state.save(state_folder())
        processes.wait_for(self.state.endpoint_url, self.state.processes[EMULATOR], log)

    def invoke(self, logical_id: str, event: dict[str, Any]) -> dict[str, Any]:
        """Call a function and wait for its answer."""
        answer = self.client("lambda").invoke(
            FunctionName=self.function(logical_id)["FunctionName"], Payload=json.dumps(event)
        )
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        return document

    def age(self, run_id: str, seconds: float) -> None:
        """Make a run look as if it had been started earlier."""
        self.client("dynamodb").update_item(
            TableName=self.outputs["TableName"],
            Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "META"}},
            UpdateExpression="SET started_at = started_at - :s",
            ExpressionAttributeValues={":s": {"N": str(seconds)}},
        )

    def age_lost(self, run_id: str, seconds: float = 700.0) -> None:
        """Make submissions that nobody has noted look as if they had been sent earlier.

        What never reached the vendor goes again eleven minutes later; that it waits for so long is
        shown in virtual time (`tests/contract/test_late_jobs.py`).
        """
        for chunk in self.deps.store.chunks.all(run_id):
            sent_at = chunk.sending_at
            young = sent_at is not None and time.time() - sent_at < seconds / 2
            if chunk.state is not ChunkState.CLAIMED or not young or chunk.unseen_at is None:
                continue
            with suppress(self.client("dynamodb").exceptions.ConditionalCheckFailedException):
                self.client("dynamodb").update_item(
                    TableName=self.outputs["TableName"],
                    Key={
                        "pk": {"S": f"RUN#{run_id}"},
                        "sk": {"S": f"CHUNK#{chunk.number:010d}"},
                    },
                    UpdateExpression="SET sending_at = sending_at - :s, unseen_at = unseen_at - :s "
                    "REMOVE lost_at",
                    ConditionExpression="#state = :claimed AND attribute_exists(unseen_at)",
                    ExpressionAttributeNames={"#state": "state"},
                    ExpressionAttributeValues={
                        ":s": {"N": str(seconds)},
                        ":claimed": {"S": ChunkState.CLAIMED.value},
                    },
                )


def _kill_children(parent: psutil.Process) -> None:
    children: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        children = parent.children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()


@dataclass
class Desk:
    """One vendor account with one profile, and what a person does with them."""

    stack: Stack
    simulator: vendorsim.RunningSimulator
    name: str
    profile: str
    sent: dict[str, str] = field(default_factory=dict)

    def upload(self, body: bytes, name: str = "rows.csv") -> str:
        """Drop a file into the inbox; returns the id of the run that this must start."""
        self.stack.canaries.dropped(body)
        bucket, key = self.stack.outputs["InboxBucketName"], f"inbox/{self.profile}/{name}"
        answer = self.stack.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return run_id_of(RunRequest(self.profile, bucket, key), answer["VersionId"])

    def wait(self, run_id: str, seconds: float = SECONDS) -> dict[str, Any]:
        """Follow a run to its end; returns the status document."""
        return run_document(
            self.wait_until(run_id, lambda run: run.closed_at is not None, seconds), self.stack.deps
        )

    def wait_until(self, run_id: str, is_so: Any, seconds: float = SECONDS) -> Run:
        """Follow a run until a condition on it holds."""
        deadline = time.monotonic() + seconds
        run = None
        for number in count():
            run = self.stack.deps.store.runs.get(run_id)
            if run is not None and is_so(run):
                self.stack.canaries.ended(run_id)
                return run
            if time.monotonic() >= deadline:
                break
            if number % 50 == 49:
                self.stack.age_lost(run_id)
            time.sleep(0.1)
        pytest.fail(f"the run did not get there in {seconds} s: {run}")

    def outcomes(self, run_id: str) -> list[Outcome]:
        run = self.stack.deps.store.runs.must_get(run_id)
        return list(self.stack.deps.store.rows.between(run_id, 1, run.plan.row))

    def effects(self, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.simulator.effects(**query)["effects"]
        return found

    def result_file(self, run_id: str, name: str) -> list[dict[str, str]]:
        text = self.stack.deps.objects.get(f"results/{run_id}/{name}").decode("utf-8-sig")
        return list(csv.DictReader(io.StringIO(text)))

    def put_profile(self, **changes: Any) -> None:
        document = {
            "name": self.profile,
            "connection": self.name,
            "operation": "tickets.create",
            "columns": TICKET_COLUMNS,
            "row_key": "Ref",
            **changes,
        }
        self.stack.deps.store.config.put_profile(self.profile, validate(document))


def csv_of(header: Iterable[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([list(header), *rows])
    return text.getvalue().encode()


def ticket_csv(rows: Sequence[Sequence[str]]) -> bytes:
    return csv_of(TICKET_COLUMNS, rows)


def good_tickets(count: int) -> list[list[str]]:
    return [[f"Subject {n}", f"Body {n}", f"ref-{n}", "normal"] for n in range(1, count + 1)]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Stack]:
    """A stack of its own for each process that runs tests; what is deployed is built once."""
    home = tmp_path_factory.mktemp("stack")
    own = tmp_path_factory.getbasetemp()
    _take_build(own if worker_id == "master" else own.parent, home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(HOME_VARIABLE, str(home))
        # What the emulator stores outlives its process, for the tests that restart it.
        environment.setenv("PERSIST_STATE", "1")
        environment.setenv("S3_PERSIST", "1")
        state = start_local(port=0, simulator_port=None, simulator_latency="1", wait_scale=1.0)
        try:
            for name, value in state.environment().items():
                environment.setenv(name, value)
            yield connected(state)
        finally:
            stop_local(state_folder())


def _take_build(shared: Path, home: Path) -> None:
    """Copy the build in `shared`, made by whoever comes first, to where the next one looks."""
    built = shared / "built"
    with (shared / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            deployment.build(deployment.project_root(), built)
    shutil.copytree(built, home, dirs_exist_ok=True)


def connected(state: LocalState) -> Stack:
    """A stack that is deployed on the emulator."""
    session = boto3.Session(
        aws_access_key_id=state.access_key_id,
        aws_secret_access_key=state.secret_access_key,
        region_name=state.region,
    )
    stacks = session.client("cloudformation").describe_stacks(StackName=state.stack)
    outputs = {o["OutputKey"]: o["OutputValue"] for o in stacks["Stacks"][0]["Outputs"]}
    settings = Settings(
        table_name=outputs["TableName"],
        inbox_bucket=outputs["InboxBucketName"],
        archive_bucket=outputs["ArchiveBucketName"],
        secret_prefix=outputs["SecretPrefix"],
        retention_days=int(outputs["RowRetentionDays"]),
        reach=LOOPBACK,
        run_state_machine_arn=outputs["RunStateMachineArn"],
    )
    return Stack(state, session, outputs, build_deps(settings, session))


@contextmanager
def open_desk(
    stack: Stack,
    name: str,
    vendor: str = "zendesk_support",
    credentials: Mapping[str, str] = CREDENTIALS,
    records: Mapping[str, list[dict[str, Any]]] | None = None,
) -> Iterator[Desk]:
    """A simulated account with a connection to it, both ended by the end of the context.

    records  what the account holds already, by kind, as a simulator's scenario names them
    """
    scenario = vendorsim.Scenario(records=dict(records or {}))
    with vendorsim.start(scenario=scenario, latency="0.6", requests_per_minute=0) as simulator:
        connection = Connection(name, vendor, simulator.url)
        stack.deps.store.config.put_connection(connection)
        stack.deps.store.limits.ensure(
            name, max_jobs(connection, stack.deps.vendors.named(connection.vendor))
        )
        stack.canaries.given(credentials)
        stack.client("secretsmanager").create_secret(
            Name=stack.outputs["SecretPrefix"] + name, SecretString=json.dumps(credentials)
        )
        yield Desk(stack, simulator, name, name)


@pytest.fixture
def desk(stack: Stack, request: pytest.FixtureRequest) -> Iterator[Desk]:
    words = "".join(c if c.isalnum() else "-" for c in request.node.originalname)
    name = f"{words[:32].strip('-')}-{secrets.token_hex(3)}"
    marker = request.node.get_closest_marker("vendor")
    vendor = marker.args[0] if marker else "zendesk_support"
    credentials = marker.kwargs.get("credentials", CREDENTIALS) if marker else CREDENTIALS
    with open_desk(stack, name, vendor, credentials) as desk:
        desk.put_profile()
        yield desk


@pytest.fixture(autouse=True)
def _nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test on the stack: no cell, secret or vendor's word is where it must not be."""
    yield
    if "stack" in request.fixturenames:
        assert request.getfixturevalue("stack").canaries.found() == []


@pytest.fixture
def project() -> Path:
    return Path(__file__).parent.parent.parent
