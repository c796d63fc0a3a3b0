"""People are told of runs, on the deployed stack: once for each change, with a link that opens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.conftest import Desk, Stack, good_tickets, ticket_csv
from tests.e2e.test_commands import jobferry
from tests.events import problems

SECONDS = 60.0
QUIET_SECONDS = 4.0
"""After so long without a message there comes none: they take less than one."""


@dataclass
class Mailbox:
    """A queue that is subscribed to the topic of runs."""

    stack: Stack
    name: str
    policy: dict[str, list[str]] = field(default_factory=dict)
    url: str = ""
    kept: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Mailbox:
        sqs, sns = self.stack.client("sqs"), self.stack.client("sns")
        self.url = sqs.create_queue(QueueName=self.name)["QueueUrl"]
        named = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        queue, topic = named["Attributes"]["QueueArn"], self.stack.outputs["RunTopicArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = {"Version": "2012-10-17", "Statement": [allowed]}
        sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})
        sns.subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=queue,
            Attributes={"FilterPolicy": json.dumps(self.policy)} if self.policy else {},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.client("sqs").delete_queue(QueueUrl=self.url)

    def of(self, run_id: str, change: str) -> dict[str, Any]:
        """The message of a change of a run; there must be one."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self._fetch(1)
            if found := self.kept_of(run_id, change):
                (message,) = found
                return message
        pytest.fail(f"nobody was told that {run_id} was {change}")

    def all_of(self, run_id: str, change: str) -> list[dict[str, Any]]:
        """The messages of a change of a run that there are in the end."""
        while self._fetch(int(QUIET_SECONDS)):
            pass
        return self.kept_of(run_id, change)

    def kept_of(self, run_id: str, change: str) -> list[dict[str, Any]]:
        return [
            message
            for message in self.kept
            if run_id in message["Message"]
            and message["MessageAttributes"]["change"]["Value"] == change
        ]

    def _fetch(self, seconds: int) -> bool:
        answer = self.stack.client("sqs").receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=seconds
        )
        for message in answer.get("Messages", []):
            self.kept.append(json.loads(message["Body"]))
            self.stack.client("sqs").delete_message(
                QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"]
            )
        return bool(answer.get("Messages"))


@pytest.fixture
def mailbox(stack: Stack, desk: Desk) -> Iterator[Mailbox]:
    with Mailbox(stack, f"told-{desk.name}") as mailbox:
        yield mailbox


def link_in(stack: Stack, message: dict[str, Any]) -> str:
    base = stack.outputs["ReportLinkUrl"]
    (line,) = (line for line in message["Message"].splitlines() if line.startswith(base))
    return line


def opened(stack: Stack, link: str, **options: Any) -> requests.Response:
    """What whoever has the link gets; the emulator answers at its own address."""
    parts = urlsplit(link)
    address = f"{stack.state.endpoint_url}{parts.path}"
    headers = {"Host": parts.netloc, **options.pop("headers", {})}
    return requests.request(
        options.pop("method", "GET"), address, headers=headers, timeout=30, allow_redirects=False
    )


def send_event(stack: Stack, kind: str, run_id: str) -> None:
    detail = json.dumps({"run_id": run_id, "status": "failed", "rows": 9})
    entry = {"Source": "jobferry", "DetailType": kind, "Detail": detail}
    assert stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0


def test_a_run_with_failures_is_told_once_with_a_link_that_opens(
    desk: Desk, mailbox: Mailbox
) -> None:
    stack = desk.stack
    rows = [*good_tickets(6), ["Subject 7", "Body 7", "ref-7", "whenever"]]
    run_id = desk.upload(ticket_csv(rows))
    assert desk.wait(run_id)["status"] == "completed_with_failures"

    message = mailbox.of(run_id, "closed")
    attributes = {name: each["Value"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {
        "change": "closed",
        "status": "completed_with_failures",
        "profile": desk.profile,
    }
    assert "completed with failures, 6 of 7 rows succeeded" in message["Subject"]
    assert f"jobferry rows {run_id} --status rejected" in message["Message"]

    link = link_in(stack, message)
    shown = opened(stack, link)
    assert shown.status_code == 200
    assert run_id in shown.text
    assert shown.text == stack.deps.objects.get(f"results/{run_id}/report.html").decode()
    assert shown.headers["Cache-Control"] == "no-store"
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]

    forged = [f"{link[:-1]}{'A' if link[-1] != 'A' else 'B'}", link.rpartition("/")[0] + "/x"]
    answers = {(a.status_code, a.text) for a in (opened(stack, each) for each in forged)}
    ((status, page),) = answers
    assert status == 403
    assert "jobferry report RUN --link" in page
    assert run_id not in page
    # Neither the link nor what it is signed with is in a log.
    stack.canaries.secrets.add(link.rpartition("/")[2])


def test_a_change_that_was_told_is_not_told_again(desk: Desk, mailbox: Mailbox) -> None:
    run_id = desk.upload(ticket_csv(good_tickets(3)))
    assert desk.wait(run_id)["status"] == "completed"
    mailbox.of(run_id, "closed")

    for kind in ("Run closed", "Run closed", "Run paused", "Run opened"):
        send_event(desk.stack, kind, run_id)
    send_event(desk.stack, "Run closed", f"{desk.profile}-000000000000")
    # The very same file once more: its execution finds the run.
    source = desk.stack.deps.store.runs.must_get(run_id).source
    desk.stack.client("stepfunctions").start_execution(
        stateMachineArn=desk.stack.outputs["RunStateMachineArn"],
        input=json.dumps(
            {
                "profile": desk.profile,
                "source": f"s3://{source.bucket}/{source.key}",
                "version_id": source.version_id,
            }
        ),
    )
    assert len(mailbox.all_of(run_id, "closed")) == 1
    assert len(mailbox.kept_of(run_id, "opened")) <= 1
    assert mailbox.kept_of(run_id, "paused") == []


def test_a_trial_is_told_with_both_ways_to_go_on(
    desk: Desk, mailbox: Mailbox, tmp_path: Any
) -> None:
    file = tmp_path / "tickets.csv"
    file.write_bytes(ticket_csv(good_tickets(12)))
    tried = jobferry(desk, "run", str(file), "--profile", desk.profile, "--trial", "3", "--wait")
    run_id = tried.document["run_id"]

    message = mailbox.of(run_id, "paused")
    assert message["MessageAttributes"]["status"]["Value"] == "paused"
    for verb in ("resume", "abort"):
        assert f"\n    jobferry {verb} {run_id}\n" in message["Message"]
    shown = opened(desk.stack, link_in(desk.stack, message))
    assert shown.status_code == 200
    assert "paused" in shown.text

    linked = jobferry(desk, "report", run_id, "--link")
    assert linked.code == 0, linked.stderr
    own = requests.get(linked.document["url"], timeout=30)
    assert (own.status_code, own.text) == (200, shown.text)

    assert jobferry(desk, "resume", run_id, "--wait").code == 0
    assert mailbox.of(run_id, "closed")["MessageAttributes"]["status"]["Value"] == "completed"
    # The same link shows the report of the end now.
    after = opened(desk.stack, link_in(desk.stack, message))
    assert (after.status_code, after.text != shown.text) == (200, True)


def test_who_wants_to_hear_of_trouble_hears_of_nothing_else(desk: Desk) -> None:
    trouble = {"status": ["paused", "completed_with_failures", "unresolved", "aborted", "failed"]}
    with Mailbox(desk.stack, f"trouble-{desk.name}", trouble) as mailbox:
        well = desk.upload(ticket_csv(good_tickets(2)), "well.csv")
        assert desk.wait(well)["status"] == "completed"
        ill = desk.upload(b"", "ill.csv")
        assert desk.wait(ill)["status"] == "failed"
        mailbox.of(ill, "closed")
        assert mailbox.all_of(well, "closed") == []


def test_events_are_as_their_schemas_say(desk: Desk, stack: Stack) -> None:
    """As the bus delivers them: to a queue behind a rule."""
    events, sqs = stack.client("events"), stack.client("sqs")
    name = f"events-{desk.name}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events.put_rule(Name=name, EventPattern=json.dumps({"source": ["jobferry"]}))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn["Attributes"]["QueueArn"]}])
    try:
        run_id = desk.upload(ticket_csv(good_tickets(2)))
        desk.wait(run_id)
        seen: dict[str, Any] = {}
        deadline = time.monotonic() + SECONDS
        while {"Run opened", "Run closed"} - seen.keys() and time.monotonic() < deadline:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                event = json.loads(message["Body"])
                if event["detail"]["run_id"] == run_id:
                    seen[event["detail-type"]] = event
    finally:
        events.remove_targets(Rule=name, Ids=["1"])
        events.delete_rule(Name=name)
        sqs.delete_queue(QueueUrl=url)
    assert {"Run opened", "Run closed"} <= seen.keys()
    assert [each for event in seen.values() for each in problems(event)] == []
