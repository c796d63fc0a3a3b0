"""What arrives from outside is hostile, missing or gone; every other row gets its outcome.

The runs go side by side, each on an account of its own: three of them wait for a minute.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from jobferry.domain.chunk import ChunkState
from jobferry.domain.connection import Connection
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.run import Run
from jobferry.operator.status import run_document
from tests.e2e.conftest import Desk, Stack, csv_of, good_tickets, open_desk, ticket_csv

SECONDS = 240.0
"""What all runs together may take on a busy machine."""

POISONS = ("half_emoji", "long_code", "nested")
POISONED_ROW = 3
"""The position in its job of the row whose result is hostile."""

ABSURD = ["[" * 100_000 + "]" * 100_000, '{"job_statuses": [NaN, 1e999, "\\ud83d"]}']
"""Answers of the vendor to a reading of jobs that nothing can be made of."""

OUTAGE = 4
"""Submissions in a row that are answered 502: more than the profile allows attempts."""

ATTEMPTS = 2

SUCCEEDED, SKIPPED = OutcomeStatus.SUCCEEDED, OutcomeStatus.SKIPPED


@dataclass
class Carried:
    """A run, and what was seen of it until its end.

    waiting  what `status` said that the run waits for
    """

    desk: Desk
    run_id: str
    waiting: list[dict[str, Any]] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[Outcome]:
        return self.desk.outcomes(self.run_id)

    @property
    def slots(self) -> int:
        """Slots of the connection that are taken."""
        return self.desk.stack.deps.store.limits.get(self.desk.name).in_flight

    def is_open(self) -> bool:
        """Read the status once; whether the run goes on."""
        run = self.desk.stack.deps.store.runs.get(self.run_id)
        if run is None:
            return True
        self.status = run_document(run, self.desk.stack.deps)
        self.waiting += self.status["waiting"]
        return run.closed_at is None


@dataclass
class Runs:
    poisoned: Carried
    outage: Carried
    gone: Carried
    refused: Carried


@pytest.fixture(scope="module")
def runs(stack: Stack) -> Iterator[Runs]:
    """All runs, brought to their ends."""
    with ExitStack() as desks:

        def desk(name: str) -> Desk:
            return desks.enter_context(open_desk(stack, f"{name}-{secrets.token_hex(3)}"))

        runs = Runs(
            _poisoned(desk("poison")),
            _outage(desk("outage")),
            _gone(desk("gone")),
            _refused(desk("refused")),
        )
        _delete_source_with_jobs_under_way(runs.gone)
        give_up = time.monotonic() + SECONDS
        started = (runs.poisoned, runs.outage, runs.gone, runs.refused)
        while still := [each for each in started if each.is_open()]:
            assert time.monotonic() < give_up, [each.status for each in still]
            time.sleep(0.5)
        yield runs


def _poisoned(desk: Desk) -> Carried:
    """40 rows in four jobs, of which three have a hostile result among good ones."""
    desk.put_profile(batch_size=10)
    hostile = [
        {
            "match": {"path": "create_many", "nth": [job]},
            "effect": {"fail_rows": {"indexes": [POISONED_ROW], "poison": poison}},
        }
        for job, poison in enumerate(POISONS, start=1)
    ]
    absurd = [
        {
            "match": {"path": "job_statuses", "nth": [reading]},
            "effect": {"body": body, "content_type": "application/json"},
        }
        for reading, body in enumerate(ABSURD, start=1)
    ]
    desk.simulator.set_faults(*hostile, *absurd)
    return Carried(desk, desk.upload(ticket_csv(good_tickets(40))))


def _outage(desk: Desk) -> Carried:
    """60 users in three jobs; the first submissions of all are answered 502."""
    desk.put_profile(
        operation="users.create_or_update",
        columns={"Id": "external_id", "Name": "name"},
        row_key="Id",
        batch_size=20,
        max_attempts=ATTEMPTS,
        ramp="off",  # three jobs at once tell an outage before an attempt is the last
    )
    desk.simulator.set_faults(
        {
            "match": {"path": "create_or_update_many"},
            "effect": {"html": True, "status": 502},
            "times": OUTAGE,
        }
    )
    rows = [[f"u-{n}", f"User {n}"] for n in range(1, 61)]
    return Carried(desk, desk.upload(csv_of(["Id", "Name"], rows)))


def _gone(desk: Desk) -> Carried:
    """400 rows, five jobs at a time."""
    account = Connection(desk.name, "zendesk_support", desk.simulator.url, max_jobs=5)
    desk.stack.deps.store.config.put_connection(account)
    # A breaker wants to judge early, so that results are settled while jobs are in flight.
    desk.put_profile(batch_size=10, breaker={"share": 0.9, "at_least": 20})
    desk.simulator.change_settings(latency="3")
    return Carried(desk, desk.upload(ticket_csv(good_tickets(400))))


def _refused(desk: Desk) -> Carried:
    """100 rows, with credentials that the vendor does not know."""
    desk.put_profile(batch_size=10)
    wrong = {"email": "agent@example.com", "token": "no-such-token"}
    desk.stack.client("secretsmanager").put_secret_value(
        SecretId=desk.stack.outputs["SecretPrefix"] + desk.name, SecretString=json.dumps(wrong)
    )
    return Carried(desk, desk.upload(ticket_csv(good_tickets(100))))


def _delete_source_with_jobs_under_way(processed: Carried) -> None:
    """Delete the file's version once some rows are settled and others are at the vendor."""
    store = processed.desk.stack.deps.store

    def is_so(run: Run) -> bool:
        states = {chunk.state for chunk in store.chunks.all(run.run_id)}
        return run.jobs_settled > 0 and ChunkState.SUBMITTED in states

    source = processed.desk.wait_until(processed.run_id, is_so).source
    processed.desk.stack.client("s3").delete_object(
        Bucket=source.bucket, Key=source.key, VersionId=source.version_id
    )


def test_a_hostile_result_costs_its_own_row_and_no_other(runs: Runs) -> None:
    run = runs.poisoned
    faults = run.desk.simulator.request("GET", "/_sim/faults").json()["faults"]
    assert [fault["hits"] for fault in faults] == [1] * (len(POISONS) + len(ABSURD))
    assert run.status["status"] == "completed_with_failures"
    created = Counter(e["external_id"] for e in run.desk.effects(action="created"))
    done = {o.row for o in run.outcomes if o.status is SUCCEEDED}
    assert created == Counter(f"ref-{row}" for row in done)
    failed = [o for o in run.outcomes if o.status is OutcomeStatus.FAILED]
    assert len(run.outcomes) == len(done) + len(failed) == 40
    # Jobs are sent side by side, so which of them was hit first is the simulator's.
    assert len(failed) == len(POISONS)
    assert {(o.row - 1) % 10 for o in failed} == {POISONED_ROW}
    assert all(o.error_code and len(o.error_code) <= 255 for o in failed)
    assert run.slots == 0
    # What came of it can be read.
    assert len(run.desk.result_file(run.run_id, "succeeded.csv")) == 37
    assert len(run.desk.result_file(run.run_id, "failed.csv")) == 3


def test_an_outage_of_submissions_is_waited_for_and_costs_no_row(runs: Runs) -> None:
    run = runs.outage

    assert run.status["status"] == "completed"
    assert run.status["outcomes"]["succeeded"] == run.status["rows"] == 60
    assert max(o.attempts for o in run.outcomes) <= ATTEMPTS < OUTAGE
    created = Counter(e["external_id"] for e in run.desk.effects(action="created"))
    assert created == Counter(f"u-{n}" for n in range(1, 61))
    # As many as were answered 502, and one for each job.
    assert run.desk.simulator.effects(limit=0)["requests"]["submit"] == OUTAGE + 3
    assert "vendor_unavailable" in {entry["for"] for entry in run.waiting}
    assert run.status["waiting"] == []
    assert run.slots == 0


def test_an_account_that_refuses_us_stops_the_run_after_a_few_tries(runs: Runs) -> None:
    run = runs.refused

    assert run.status["status"] == "aborted"
    assert "credentials" in run.status["error"]
    assert run.status["outcomes"]["failed"] == 10
    assert run.status["outcomes"]["skipped"] == 90
    assert run.desk.effects() == []
    # Several over a minute, each with credentials that were read afresh.
    assert 6 <= run.desk.simulator.effects(limit=0)["requests"]["submit"] <= 12


def test_a_file_that_is_deleted_under_way_ends_the_run_with_what_is_done(runs: Runs) -> None:
    run = runs.gone

    assert run.status["status"] == "aborted"
    assert "version was deleted" in run.status["error"]
    assert {entry["for"] for entry in run.waiting} == {"source_missing"}
    done = {f"ref-{o.row}": o.vendor_id for o in run.outcomes if o.status is SUCCEEDED}
    skipped = [o for o in run.outcomes if o.status is SKIPPED]
    assert done
    assert skipped
    assert len(done) + len(skipped) == 400
    assert {o.error_code for o in skipped} == {"source_missing"}
    created = [(e["external_id"], str(e["id"])) for e in run.desk.effects(action="created")]
    assert sorted(created) == sorted(done.items())
    assert run.slots == 0
