"""What buttons do: in the table, as the commands do it; and what they say before and after."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobferry.domain.connection import Connection
from jobferry.domain.outcome import OutcomeStatus
from jobferry.domain.run import Run, RunGoneError, RunStatus
from jobferry.lane.poller import JOB_DEADLINE
from jobferry.lane.state import LaneState
from jobferry.vendors.answers import JobPhase, JobReading, PollAnswer
from tests.unit.cli.shell import ANN, client_error
from tests.unit.cli.test_runs import fail_all
from tests.unit.dashboard.conftest import Page
from virtual.world import sample_csv


def failed(page: Page, rows: int = 5) -> Run:
    """A run whose rows failed all; they would not any more."""
    usual, page.world.account.result_of = page.world.account.result_of, fail_all
    run = page.world.processed(sample_csv(rows))
    page.world.account.result_of = usual
    return run


def trial(page: Page, rows: int = 6) -> Run:
    request = page.world.drop(sample_csv(rows), options={"jobferry-trial": "2"})
    return page.world.execute(request)


class TestAbort:
    def test_says_in_numbers_what_will_happen(self, page: Page) -> None:
        run = page.world.planned(sample_csv(9))
        page.world.submit(LaneState(run.run_id, 0))
        shown = page.get("runs", run.run_id, "abort")
        assert "Jobs in flight: 3 will be seen through; Fake cannot end jobs." in shown.text
        assert "Rows without an outcome: 9." in shown.text
        assert page.world.run(run.run_id).stop is None

    def test_stops_the_run_with_its_reason_and_by_whom(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        shown = page.done("runs", run.run_id, "abort", reason=" wrong file ")
        after = page.world.run(run.run_id)
        assert after.stop is not None
        assert after.stop.reason == "wrong file"
        assert after.by["aborted"] == ANN
        assert "Nothing more of this run is sent." in shown.text
        assert "wrong file" in shown.text

    def test_without_a_reason_it_is_the_commands(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        page.done("runs", run.run_id, "abort", reason=" ")
        stop = page.world.run(run.run_id).stop
        assert stop is not None
        assert stop.reason == "Stopped by an operator."

    def test_of_a_paused_run_has_it_end(self, page: Page) -> None:
        run = trial(page)
        page.done("runs", run.run_id, "abort")
        page.shell.states.go_on()
        assert page.world.run(run.run_id).status is RunStatus.ABORTED

    def test_of_one_that_has_ended_meanwhile_is_a_sentence(self, page: Page) -> None:
        run = page.world.processed(sample_csv(4))
        shown = page.refused("runs", run.run_id, "abort")
        assert "there is nothing left to stop" in shown.text

    def test_is_said_once(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        page.done("runs", run.run_id, "abort")
        assert "Nothing more of this run is sent." not in page.get("runs", run.run_id).text


class TestResume:
    def test_says_in_numbers_what_will_happen(self, page: Page) -> None:
        run = trial(page)
        shown = page.get("runs", run.run_id, "resume")
        assert "4 rows can still be sent as things.create, at https://acme.example." in shown.text

    def test_lets_the_run_go_on(self, page: Page) -> None:
        run = trial(page)
        shown = page.done("runs", run.run_id, "resume")
        assert "The run goes on." in shown.text
        page.shell.states.go_on()
        after = page.world.run(run.run_id)
        assert after.status is RunStatus.COMPLETED
        assert after.by["resumed"] == ANN

    def test_of_one_that_has_ended_is_a_sentence(self, page: Page) -> None:
        run = page.world.processed(sample_csv(4))
        assert "it cannot go on" in page.refused("runs", run.run_id, "resume").text

    def test_of_one_that_is_not_paused_changes_nothing(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        assert "was not paused" in page.done("runs", run.run_id, "resume").text


class TestRetry:
    def test_says_in_numbers_what_will_happen(self, page: Page) -> None:
        run = failed(page)
        shown = page.get("runs", run.run_id, "retry")
        words = "5 failed rows will be sent again as things.create, at https://acme.example"
        assert words in shown.text
        assert "Send 5 rows again" in shown.text

    def test_starts_a_run_of_the_failed_rows(self, page: Page) -> None:
        run = failed(page)
        answer = page.post("runs", run.run_id, "retry")
        page.shell.states.go_on()
        again = page.world.run(answer.headers["location"].rpartition("/")[2])
        assert again.origin == run.run_id
        assert again.outcomes[OutcomeStatus.SUCCEEDED] == 5
        assert again.by["started"] == ANN

    def test_twice_it_happens_once(self, page: Page) -> None:
        run = failed(page)
        places = {page.post("runs", run.run_id, "retry").headers["location"] for _ in range(2)}
        page.shell.states.go_on()
        assert len(places) == 1
        assert set(page.world.account.times_applied.values()) == {2}

    def test_without_failed_rows_is_a_sentence(self, page: Page) -> None:
        run = page.world.processed(sample_csv(4))
        assert "has no failed rows" in page.refused("runs", run.run_id, "retry").text

    def test_of_an_open_run_is_a_sentence(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        assert "is not over (running)" in page.refused("runs", run.run_id, "retry").text
        run = trial(page)
        shown = page.refused("runs", run.run_id, "rerun").text
        assert "is paused; only then can it be sent again" in shown
        assert f"jobferry resume {run.run_id}" in shown


def test_a_rerun_leaves_out_what_was_done(page: Page) -> None:
    run = page.world.processed(sample_csv(3) + ",missing\n")
    shown = page.get("runs", run.run_id, "rerun")
    assert "3 rows that succeeded or may have are left out" in shown.text
    assert "Send 1 row" in shown.text
    answer = page.post("runs", run.run_id, "rerun")
    page.shell.states.go_on()
    again = page.world.run(answer.headers["location"].rpartition("/")[2])
    assert again.rows == 1
    assert set(page.world.account.times_applied.values()) == {1}


def test_a_resolve_asks_about_unknown_rows(page: Page) -> None:
    page.world.account.latency = lambda _number: 2 * JOB_DEADLINE
    page.world.schedule_with(max_poll_interval=1_800.0)
    run = page.world.processed(sample_csv(2))
    assert run.outcomes[OutcomeStatus.UNKNOWN] == 2
    assert "what became of 2 unknown rows" in page.get("runs", run.run_id, "resolve").text
    page.world.clock.sleep(2 * JOB_DEADLINE)
    page.done("runs", run.run_id, "resolve")
    page.shell.states.go_on()
    assert page.world.run(run.run_id).outcomes[OutcomeStatus.SUCCEEDED] == 2
    assert "no unknown rows" in page.refused("runs", run.run_id, "resolve").text


class TestPriority:
    def test_is_changed(self, page: Page) -> None:
        run = page.world.planned(sample_csv(4))
        assert "medium" in page.get("runs", run.run_id, "priority").text
        shown = page.done("runs", run.run_id, "priority", level="high")
        assert page.world.run(run.run_id).priority == "high"
        assert "priority high" in shown.text

    @pytest.mark.parametrize("level", ["", "urgent", "<b>"])
    def test_of_another_name_is_a_sentence(self, page: Page, level: str) -> None:
        run = page.world.planned(sample_csv(4))
        page.refused("runs", run.run_id, "priority", level=level)
        assert page.world.run(run.run_id).priority == "medium"


class TestConnection:
    def test_a_test_sends_one_request(self, page: Page) -> None:
        shown = page.done("connections", "acme", "test")
        assert "The connection acme works." in shown.text

    def test_a_wait_is_shown_and_ended(self, page: Page) -> None:
        page.world.store.limits.block("acme", page.world.clock.now() + 600)
        shown = page.get("connections", "acme")
        assert "The vendor has asked for no request before" in shown.text
        tested = page.done("connections", "acme", "test")
        assert "does not work" in tested.text
        ended = page.done("connections", "acme", "unblock")
        assert "waits for nothing" in ended.text
        assert page.world.store.limits.get("acme").retry_after_until == 0

    def test_one_that_is_not_there_is_a_sentence(self, page: Page) -> None:
        for verb in ("test", "unblock"):
            assert "There is no connection" in page.refused("connections", "nope", verb).text

    def test_no_page_asks_the_vendor_by_itself(self, page: Page) -> None:
        run = page.world.planned(sample_csv(9))
        page.world.submit(LaneState(run.run_id, 0))
        polls, sent = len(page.world.account.polls), len(page.world.account.submissions)
        for parts in (("runs",), ("runs", run.run_id), ("connections",), ("connections", "acme")):
            page.get(*parts)
        assert (len(page.world.account.polls), len(page.world.account.submissions)) == (polls, sent)


class TestWithoutRights:
    """Whoever may not do something is told which right is missing, and nothing happens."""

    def refuse(self, monkeypatch: pytest.MonkeyPatch, page: Page, verb: str) -> None:
        message = "User: ann is not authorized to perform: dynamodb:UpdateItem on resource: x"

        def refused(*_: Any, **__: Any) -> None:
            raise client_error("AccessDeniedException", message, "UpdateItem")

        monkeypatch.setattr(page.world.store.runs.__class__, verb, refused)

    @pytest.mark.parametrize(
        ("action", "verb"), [("abort", "abort"), ("priority", "prioritise"), ("resume", "resume")]
    )
    def test_a_sentence(
        self, page: Page, monkeypatch: pytest.MonkeyPatch, action: str, verb: str
    ) -> None:
        run = trial(page)
        self.refuse(monkeypatch, page, verb)
        shown = page.refused("runs", run.run_id, action, level="high")
        assert "the right dynamodb:UpdateItem is missing" in shown.text
        assert "Traceback" not in shown.html
        after = page.world.run(run.run_id)
        assert after.stop is None
        assert after.paused

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("ExpiredToken", "AWS does not accept your credentials"),
            ("ExpiredTokenException", "AWS does not accept your credentials"),
            ("AccessDeniedException", "AWS does not allow this to you"),
            ("ThrottlingException", "AWS refused a request"),
        ],
    )
    def test_a_page_that_was_forgotten_says_so(
        self, page: Page, monkeypatch: pytest.MonkeyPatch, code: str, words: str
    ) -> None:
        run = page.world.planned(sample_csv(4))

        def refused(*_: Any, **__: Any) -> None:
            raise client_error(code)

        monkeypatch.setattr(page.world.store.runs.__class__, "get", refused)
        monkeypatch.setattr(page.world.store.runs.__class__, "newest", refused)
        for parts, query in ((("runs",), {}), (("runs", run.run_id), {"part": "run"})):
            shown = page.get(*parts, expect=503, **query)
            assert words in shown.text
            assert "aws sts get-caller-identity" in shown.text
            assert "Traceback" not in shown.html

    def test_new_credentials_are_taken_without_a_restart(self, page: Page) -> None:
        run = page.world.processed(sample_csv(3))
        fresh = page.desk.connect()

        class Expired:
            def __getattr__(self, _name: str) -> Any:
                raise client_error("ExpiredToken")

        page.desk.stack = replace(fresh, deps=Expired())  # type: ignore[arg-type]
        assert run.run_id in page.get("runs").text
        page.desk.stack = replace(fresh, deps=Expired())  # type: ignore[arg-type]
        assert "does not accept your credentials" in page.refused("runs", run.run_id, "abort").text
        assert "there is nothing left to stop" in page.refused("runs", run.run_id, "abort").text

    def test_what_nobody_expects_is_said_where_it_runs(
        self, page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise ValueError("the cell of a row")

        monkeypatch.setattr(page.world.store.runs.__class__, "newest", broken)
        shown = page.get("runs", expect=503)
        assert "Something went wrong in the page itself" in shown.text
        assert "the cell of a row" not in shown.html
        assert "ValueError" in capsys.readouterr().err


def test_a_run_of_a_vendor_that_is_gone_can_be_seen_and_stopped(page: Page) -> None:
    run = page.world.planned(sample_csv(3))
    page.world.store.config.put_connection(Connection("acme", "gone", "https://acme.example"))
    page.get("runs", run.run_id)
    page.get("runs", run.run_id, "abort")
    page.done("runs", run.run_id, "abort")
    assert page.world.run(run.run_id).stop is not None


def test_a_run_that_is_deleted_meanwhile_is_a_sentence(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = page.world.planned(sample_csv(3))

    def gone(*_: Any) -> Run:
        raise RunGoneError(run.run_id)

    monkeypatch.setattr(page.world.store.runs.__class__, "must_get", gone)
    assert "has been deleted" in page.get("runs", run.run_id, expect=409).text


def test_a_run_of_a_connection_that_is_gone_can_still_be_seen(page: Page) -> None:
    run = page.world.processed(sample_csv(3))
    page.world.store.config.delete_connection("acme")
    page.get("runs", run.run_id)
    assert "which is not there" in page.get("runs", run.run_id, "rerun", expect=409).text
    page.world.store.config.put_connection(Connection("acme", "fake", "https://acme.example"))


def deploy(page: Page, **capabilities: bool) -> None:
    """The vendor can do more from now on."""
    can = replace(page.world.vendor.capabilities, **capabilities)
    page.world.vendor = replace(page.world.vendor, capabilities=can)
    page.world.deps = page.world.fresh_deps()
    page.desk.stack = page.shell._connect(None)


@pytest.mark.parametrize(
    ("waits", "words"),
    [
        ("A tape must be mounted.", "Job job-1: A tape must be mounted."),
        (None, "No job of this run waits for anybody."),
    ],
)
def test_a_vendor_that_tells_is_asked_what_jobs_wait_for(
    page: Page, waits: str | None, words: str
) -> None:
    deploy(page, problems=True)
    run = page.world.planned(sample_csv(2))
    page.world.submit(LaneState(run.run_id, 0))
    (job_id,) = page.world.account.jobs
    reading = JobReading(job_id, JobPhase.ACTIVE, "WAITING", waiting_for=waits)
    page.world.account.will_answer_polls(PollAnswer({job_id: reading}))
    assert page.get("runs", run.run_id).link("What jobs wait for").endswith("/problems")
    assert "asks what the jobs" in page.get("runs", run.run_id, "problems").text
    assert len(page.world.account.polls) == 0
    assert words.replace("job-1", job_id) in page.done("runs", run.run_id, "problems").text


def test_a_vendor_that_can_is_asked_to_end_jobs(page: Page) -> None:
    deploy(page, abort=True, priority=True)
    run = page.world.planned(sample_csv(9))
    page.world.submit(LaneState(run.run_id, 0))
    assert "Fake is asked to end 3" in page.get("runs", run.run_id, "abort").text
    assert "gets it for 3 jobs in flight" in page.get("runs", run.run_id, "priority").text
