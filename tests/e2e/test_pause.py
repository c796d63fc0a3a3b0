"""Stop before damage, on the deployed stack: a trial, a breaker, and both ways to go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jobferry.domain.connection import Connection
from tests.e2e.conftest import Desk, good_tickets, ticket_csv
from tests.e2e.test_commands import Answer, created, jobferry

ROWS = 400
"""More than one slot carries, four rows at a time, before the first results are settled."""


def _carried(desk: Desk, folder: Path, rows: Sequence[Sequence[str]], *options: str) -> Answer:
    """What `jobferry run --wait` says of a file with these tickets."""
    file = folder / "tickets.csv"
    file.write_bytes(ticket_csv(rows))
    return jobferry(desk, "run", str(file), "--profile", desk.profile, "--wait", *options)


def test_a_trial_waits_for_a_yes(desk: Desk, tmp_path: Path) -> None:
    rows = good_tickets(130)
    tried = _carried(desk, tmp_path, rows, "--trial", "7")

    assert tried.code == 0, tried.stderr
    document = tried.document
    run_id = document["run_id"]
    assert (document["status"], document["paused"]["code"]) == ("paused", "trial")
    assert document["paused"]["reason"] == (
        "The trial of 7 rows is over: 7 succeeded. 123 more rows can be sent."
    )
    assert created(desk) == Counter(f"ref-{n}" for n in range(1, 8))

    desk.stack.age(run_id, 600)
    swept = desk.stack.invoke("SweepFunction", {})
    assert swept["restarted"] == 0

    resumed = jobferry(desk, "resume", run_id, "--wait")
    assert resumed.code == 0, resumed.stderr
    assert (resumed.document["status"], resumed.document["paused"]) == ("completed", None)
    assert resumed.document["outcomes"]["succeeded"] == 130
    assert created(desk) == Counter(row[2] for row in rows)


def test_a_file_whose_rows_all_fail_is_stopped(desk: Desk, tmp_path: Path) -> None:
    store = desk.stack.deps.store
    account = Connection(desk.name, "zendesk_support", desk.simulator.url, max_jobs=1)
    store.config.put_connection(account)
    desk.put_profile(batch_size=4, breaker={"share": 0.5, "at_least": 20})
    desk.simulator.set_faults(
        {"match": {"path": "create_many"}, "effect": {"fail_rows": {"marker": "Subject"}}}
    )
    stopped = _carried(desk, tmp_path, good_tickets(ROWS))

    assert stopped.code == 3, stopped.stderr
    document = stopped.document
    run_id = document["run_id"]
    assert (document["status"], document["paused"]["code"]) == ("paused", "breaker")
    assert " rows failed with TicketCreateFailed: " in document["paused"]["reason"]
    failed = document["outcomes"]["failed"]
    assert 20 <= failed < ROWS
    assert store.limits.get(desk.name).in_flight == 0
    assert stopped.stderr.splitlines()[-2:] == [
        f"Next:  jobferry resume {run_id}",
        f"Next:  jobferry abort {run_id}",
    ]

    assert jobferry(desk, "abort", run_id).code == 0
    closed = desk.wait(run_id)
    assert closed["status"] == "aborted"
    assert closed["outcomes"] == {
        "succeeded": 0,
        "failed": failed,
        "rejected": 0,
        "skipped": ROWS - failed,
        "unknown": 0,
    }
    assert created(desk) == Counter()
