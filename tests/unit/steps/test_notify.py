"""People are told of what is so, once, in words that help."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jobferry.binding.run_warnings import VENDOR_WARNING
from jobferry.deps import Deps
from jobferry.domain.commands import command
from jobferry.domain.outcome import OutcomeStatus, RecordResult
from jobferry.domain.run import Pause, Run, RunStatus, StopReason
from jobferry.domain.run_event import Change
from jobferry.lane.keep_records import SNAPSHOT
from jobferry.lane.moved_account import CONNECTION_CHANGED
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.operator.delete_run import delete_run
from jobferry.operator.job_control import abort_run
from jobferry.operator.notice import SUBJECT_CHARACTERS, Notice, headline, notice, why
from jobferry.operator.pause_resume import TRIAL, continue_run, resume
from jobferry.operator.report_link import Link, run_of
from jobferry.operator.status import run_document
from jobferry.settlement.outcomes import POLICY
from jobferry.settlement.pause_run import BREAKER
from jobferry.steps.notify import STALE_SECONDS, as_published, named_in, notify
from jobferry.steps.open_run import SAME_CONTENT
from jobferry.store.notices import CLAIM_SECONDS
from tests.events import announced
from tests.unit.store.samples import a_run
from virtual.vendor import Behaviour
from virtual.world import World, sample_csv

KEY = "k" * 64
BASE = "https://abc.lambda-url.eu-central-1.on.aws/"
VENDORS_WORDS = "Name: Ann-Marie is taken"


class SnsDown(Exception):
    """The topic cannot be reached."""


@dataclass
class Bus:
    """Delivers events to the step, and keeps what it tells."""

    world: World
    hours: int = 72
    messages: list[Notice] = field(default_factory=list)
    failures: int = 0
    deliveries: int = 0

    @property
    def deps(self) -> Deps:
        deps = self.world.deps
        links = {"report_link_url": BASE, "report_link_hours": self.hours}
        return replace(deps, settings=replace(deps.settings, **links))

    def publish(self, told: Notice) -> None:
        if self.failures:
            self.failures -= 1
            raise SnsDown
        self.messages.append(told)

    def deliver(self, event: Any, owner: str | None = None) -> bool:
        self.deliveries += 1
        owner = owner or f"delivery-{self.deliveries}"
        told: bool = notify(event, owner, self.deps, self.publish, lambda: KEY)["notified"]
        return told

    def send(self, change: Change, run_id: str, owner: str | None = None) -> bool:
        detail = {"run_id": run_id}
        event = {"source": "jobferry", "detail-type": change.detail_type, "detail": detail}
        return self.deliver(event, owner)

    def deliver_all(self) -> list[Notice]:
        """Everything that runs have announced so far; returns what was told of it."""
        before = len(self.messages)
        for event in announced(self.world):
            self.deliver(event)
        return self.messages[before:]


@pytest.fixture
def bus(world: World) -> Bus:
    return Bus(world)


def _start(world: World) -> Callable[[str, str], None]:
    return lambda run_id, previous: world.restarts.append((run_id, previous))


def trial(world: World) -> Run:
    return world.execute(world.drop(sample_csv(9), options={"jobferry-trial": "3"}))


def fail_all(_record: Any) -> RecordResult:
    return RecordResult(OutcomeStatus.FAILED, code="RecordInvalid", text=VENDORS_WORDS)


class TestOnce:
    def test_each_change_of_a_run_is_one_message(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(3)))
        # The run is closed before anybody hears that it began.
        (closed,) = bus.deliver_all()
        assert closed.attributes == {
            "change": "closed",
            "status": "completed",
            "profile": run.profile,
        }
        assert bus.deliver_all() == []

    def test_one_that_begins_is_told_while_it_is_open(self, world: World, bus: Bus) -> None:
        run = world.planned(sample_csv(3))
        assert bus.send(Change.OPENED, run.run_id)
        assert not bus.send(Change.OPENED, run.run_id)
        (opened,) = bus.messages
        assert opened.attributes["change"] == "opened"
        assert opened.subject == "[jobferry] things: started"
        assert BASE not in opened.text

    def test_a_second_pause_is_another_change(self, world: World, bus: Bus) -> None:
        run = trial(world)
        assert bus.send(Change.PAUSED, run.run_id)
        assert not bus.send(Change.PAUSED, run.run_id)
        resume(run, world.deps, _start(world))
        assert not bus.send(Change.PAUSED, run.run_id)
        world.run_restarts()
        assert [m.attributes["status"] for m in bus.deliver_all()] == ["completed"]

    def test_one_that_closes_once_more_is_told_once_more(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        bus.deliver_all()
        world.store.runs._change(run.run_id, assign={"closed_at": (run.closed_at or 0) + 60.0})
        assert bus.send(Change.CLOSED, run.run_id)
        assert not bus.send(Change.CLOSED, run.run_id)

    def test_what_could_not_be_sent_is_sent_when_it_is_tried_again(
        self, world: World, bus: Bus
    ) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        bus.failures = 1
        with pytest.raises(SnsDown):
            bus.send(Change.CLOSED, run.run_id, "first")
        # A repeated event leaves it to the delivery that is tried again.
        assert not bus.send(Change.CLOSED, run.run_id, "second")
        assert bus.send(Change.CLOSED, run.run_id, "first")
        assert not bus.send(Change.CLOSED, run.run_id, "second")
        assert len(bus.messages) == 1

    def test_who_died_after_sending_sends_twice_rather_than_never(
        self, world: World, bus: Bus
    ) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        assert run.closed_at is not None
        change = f"closed#{round(run.closed_at * 1000)}"
        assert world.store.notices.claim(run.run_id, change, "dead", world.clock.now(), 2**40)
        assert not bus.send(Change.CLOSED, run.run_id)
        world.clock.advance(CLAIM_SECONDS + 1)
        assert bus.send(Change.CLOSED, run.run_id)
        assert len(bus.messages) == 1


class TestForged:
    @pytest.mark.parametrize(
        "event",
        [
            {},
            None,
            [],
            "Run closed",
            {"source": "jobferry"},
            {"source": "aws.s3", "detail-type": "Run closed", "detail": {"run_id": "RUN"}},
            {"source": "jobferry", "detail-type": "Run deleted", "detail": {"run_id": "RUN"}},
            {"source": "jobferry", "detail-type": ["Run closed"], "detail": {"run_id": "RUN"}},
            {"source": "jobferry", "detail-type": "Run closed", "detail": "RUN"},
            {"source": "jobferry", "detail-type": "Run closed", "detail": {"run_id": ["RUN"]}},
            {"source": "jobferry", "detail-type": "Run closed", "detail": {"run_id": "RUN#x"}},
            {"source": "jobferry", "detail-type": "Run closed", "detail": {"run_id": ""}},
            {"source": "jobferry", "detail-type": "Run closed", "detail": {}},
        ],
    )
    def test_what_is_no_event_of_ours_is_refused(
        self, world: World, bus: Bus, event: object
    ) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        forged = json.loads(json.dumps(event).replace('"RUN"', f'"{run.run_id}"'))
        assert not bus.deliver(forged)
        assert (named_in(forged), bus.messages) == (None, [])

    def test_a_run_that_is_not_there_is_told_of_to_nobody(self, bus: Bus) -> None:
        for change in Change:
            assert not bus.send(change, "things-000000000000")
        assert bus.messages == []

    def test_what_is_not_so_is_not_told(self, world: World, bus: Bus) -> None:
        run = world.planned(sample_csv(3))
        assert not bus.send(Change.CLOSED, run.run_id)
        assert not bus.send(Change.PAUSED, run.run_id)
        closed = world.execute(world.drop(sample_csv(2), name="b.csv"))
        assert not bus.send(Change.PAUSED, closed.run_id)
        assert not bus.send(Change.OPENED, closed.run_id)
        assert bus.messages == []

    def test_a_run_whose_jobs_are_still_seen_through_is_not_told_as_paused(
        self, world: World, bus: Bus
    ) -> None:
        run = world.planned(sample_csv(3))
        world.store.runs.pause(run.run_id, Pause("trial", "Look.", world.clock.now()))
        assert not bus.send(Change.PAUSED, run.run_id)
        world.store.runs.stop(run.run_id, StopReason("aborted", "No."))
        assert not bus.send(Change.PAUSED, run.run_id)

    def test_nothing_in_an_event_but_the_run_is_believed(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        lies = {"run_id": run.run_id, "status": "failed", "rows": 9, "profile": "x\nSubject: y"}
        event = {"source": "jobferry", "detail-type": "Run closed", "detail": lies}
        assert bus.deliver(event)
        assert bus.messages[0].attributes["status"] == "completed"
        assert bus.messages[0].subject == "[jobferry] things: completed, 2 rows"

    def test_a_run_of_long_ago_is_not_told_any_more(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        world.clock.advance(STALE_SECONDS + 1)
        assert not bus.send(Change.CLOSED, run.run_id)

    def test_a_run_that_was_deleted_is_not_told_any_more(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        delete_run(run, world.deps)
        assert not bus.send(Change.CLOSED, run.run_id)


class TestWords:
    def told(self, bus: Bus) -> Notice:
        return bus.deliver_all()[-1]

    def test_of_a_run_with_failures(self, world: World, bus: Bus) -> None:
        world.account.result_of = fail_all
        run = world.execute(world.drop(sample_csv(2)))
        told = self.told(bus)
        assert told.subject == "[jobferry] things: completed with failures, 0 of 2 rows succeeded"
        assert told.text.startswith("None of 2 rows succeeded: 2 failed.\n")
        document = run_document(run, world.deps)
        for each in document["steps"]:
            assert f"- {each['text']}\n" in told.text
        assert document["next"]
        for each in document["next"]:
            assert f"\n    {each}\n" in told.text
        assert "Failed:    2\n" in told.text
        assert "Started:   2026-01-01 00:00:00 UTC\n" in told.text

    def test_of_a_trial(self, world: World, bus: Bus) -> None:
        run = trial(world)
        told = self.told(bus)
        assert told.attributes == {"change": "paused", "status": "paused", "profile": "things"}
        assert told.subject == "[jobferry] things: paused, waits for your yes or no"
        assert "Why: The trial is over" in told.text
        for verb in ("resume", "abort"):
            assert f"\n    {command(verb, run.run_id)}\n" in told.text

    def test_of_a_file_that_cannot_be_used(self, world: World, bus: Bus) -> None:
        world.execute(world.drop("", name="book.xlsx"))
        told = self.told(bus)
        assert told.subject == "[jobferry] things: failed, nothing was sent"
        assert told.attributes["status"] == "failed"
        assert "Why: " in told.text
        assert "jobferry plan ./book.xlsx --profile things" in told.text

    def test_of_a_run_that_was_aborted(self, world: World, bus: Bus) -> None:
        run = trial(world)
        bus.deliver_all()
        abort_run(run, f"No: {VENDORS_WORDS}", world.deps)
        continue_run(run.run_id, world.deps, _start(world))
        world.run_restarts()
        told = self.told(bus)
        assert told.subject == "[jobferry] things: aborted, 3 of 9 rows succeeded"
        assert "Why: Somebody stopped it. (Code: aborted.)" in told.text
        assert "Ann-Marie" not in told.text + told.chat

    def test_of_an_account_that_refuses(self, world: World, bus: Bus) -> None:
        world.account.will_reply(*[Behaviour.REFUSE_RUN] * 9)
        world.execute(world.drop(sample_csv(4)))
        told = self.told(bus)
        assert told.attributes["status"] == "aborted"
        assert "Why: The account or the connection was refused" in told.text

    def test_of_rows_that_are_unknown(self, world: World, bus: Bus) -> None:
        world.account.latency = lambda _number: 2 * JOB_DEADLINE
        world.schedule_with(max_poll_interval=1_800.0)
        run = world.execute(world.drop(sample_csv(2)))
        told = self.told(bus)
        assert told.subject == "[jobferry] things: unresolved, 2 rows unknown"
        assert command("resolve", run.run_id, "--wait") in told.text

    def test_nothing_that_a_vendor_said_is_told(self, world: World, bus: Bus) -> None:
        world.account.result_of = fail_all
        world.put_profile({"breaker": {"share": 0.5, "at_least": 2}})
        world.execute(world.drop(sample_csv(40)))
        told = bus.deliver_all()
        assert [each.attributes["status"] for each in told] == ["planning", "paused"]
        assert "Too many of its rows failed" in told[1].text
        assert not any("Ann-Marie" in each.text + each.chat for each in told)

    @pytest.mark.parametrize("status", [s for s in RunStatus if s.closed])
    def test_of_every_end_there_are_words(self, status: RunStatus) -> None:
        run = a_run(status=status, closed_at=5.0, error="The file is empty.")
        told = notice(Change.CLOSED, run, "It ended.", [], stack="s", link=None)
        assert told.attributes["status"] == status.value
        assert told.subject.startswith("[s] things: ")
        assert f"The report: {command('report', run.run_id)}" in told.text

    @pytest.mark.parametrize(
        "code",
        [TRIAL, BREAKER, POLICY, SAME_CONTENT, CONNECTION_CHANGED, VENDOR_WARNING, SNAPSHOT],
    )
    def test_of_every_pause_there_are_words(self, code: str) -> None:
        said = why(Change.PAUSED, a_run(pause=Pause(code, "ann@example.com", 1.0)))
        assert said is not None
        assert said.endswith(f" (Code: {code}.)")
        assert "Somebody has to look" not in said

    @pytest.mark.parametrize("stack", ["s" * 128, "größe", "a\nb", ""])
    def test_a_subject_is_as_sns_takes_it(self, stack: str) -> None:
        run = a_run(profile="p" * 48)
        for change in Change:
            subject = notice(change, run, "…", [], stack=stack, link=None).subject
            assert subject.isascii()
            assert subject.isprintable()
            assert 0 < len(subject) <= SUBJECT_CHARACTERS < 100
            assert subject[0] == "["
            assert subject.endswith(f"] {'p' * 48}: {headline(change, run)}")

    def test_a_chat_gets_what_its_integration_understands(self, world: World, bus: Bus) -> None:
        run = trial(world)
        document = json.loads(self.told(bus).chat)
        assert (document["version"], document["source"]) == ("1.0", "custom")
        content, metadata = document["content"], document["metadata"]
        assert content["textType"] == "client-markdown"
        assert content["title"] == metadata["summary"]
        assert metadata["threadId"] == run.run_id
        assert all(isinstance(step, str) for step in content["nextSteps"])
        assert f"`{command('resume', run.run_id)}`" in "".join(content["nextSteps"])

    def test_one_publication_serves_people_and_chats(self) -> None:
        told = Notice("Subject", "For people: ü", '{"version": "1.0"}', {"status": "paused"})
        request = as_published(told, "arn:topic")
        assert request["MessageStructure"] == "json"
        message = json.loads(request["Message"])
        assert message == {"default": "For people: ü", "https": '{"version": "1.0"}'}
        attributes = {"status": {"DataType": "String", "StringValue": "paused"}}
        assert request["MessageAttributes"] == attributes
        assert (request["TopicArn"], request["Subject"]) == ("arn:topic", "Subject")


class TestLink:
    def token(self, told: Notice) -> str:
        (line,) = (line for line in told.text.splitlines() if line.startswith(BASE))
        return line.removeprefix(BASE)

    def test_it_leads_to_the_report_of_the_run(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        (told,) = bus.deliver_all()
        now = world.clock.now()
        assert run_of(self.token(told), KEY, now, 72 * 3_600) == run.run_id
        assert run_of(self.token(told), KEY, now + 72 * 3_600, 72 * 3_600) is None
        assert "until 2026-01-04 00:00" in told.text
        assert self.token(told) in json.loads(told.chat)["content"]["description"]

    def test_a_run_that_waits_for_a_person_has_a_report(self, world: World, bus: Bus) -> None:
        run = trial(world)
        told = bus.deliver_all()[-1]
        assert run_of(self.token(told), KEY, world.clock.now(), 3_600) == run.run_id
        page = world.objects.get(f"results/{run.run_id}/report.html").decode()
        assert "The run is paused" in page

    def test_without_hours_there_is_none(self, world: World, bus: Bus) -> None:
        bus.hours = 0
        run = world.execute(world.drop(sample_csv(2)))
        (told,) = bus.deliver_all()
        assert BASE not in told.text + told.chat
        assert f"The report: {command('report', run.run_id)}" in told.text

    def test_where_there_is_no_report_there_is_none(self, world: World, bus: Bus) -> None:
        run = world.execute(world.drop(sample_csv(2)))
        world.objects.delete_prefix(f"results/{run.run_id}/")
        (told,) = bus.deliver_all()
        assert BASE not in told.text + told.chat

    def test_it_stands_in_no_log_and_no_event(self, world: World, bus: Bus) -> None:
        world.execute(world.drop(sample_csv(2)))
        (told,) = bus.deliver_all()
        seen = json.dumps([line.keys for line in world.log], default=dict)
        seen += json.dumps(world.announced)
        assert self.token(told) not in seen
        assert BASE not in seen

    def test_it_says_who_can_read_it(self) -> None:
        link = Link(f"{BASE}token", 1_800_000_000.0)
        told = notice(Change.CLOSED, a_run(closed_at=5.0), "…", [], stack="s", link=link)
        assert "whoever has this address can read it" in told.text
        assert "until 2027-01-15 08:00:00 UTC" in told.text
