"""What breaks in the middle of a run, and what the run makes of it."""

from __future__ import annotations

import threading
import time
from collections import Counter

import psutil
import pytest

from jobferry.domain.chunk import Pool
from jobferry.domain.connection import Connection
from tests.e2e.conftest import Desk, good_tickets, ticket_csv

FUNCTIONS = (
    "OpenRunFunction",
    "PlanRunFunction",
    "SubmitJobsFunction",
    "PollJobsFunction",
    "CloseRunFunction",
)
"""SettleJob is at work only where a poll could not settle; chaos scenarios kill it in memory."""


TRIES = 5


class Assassin(threading.Thread):
    """Kills the process of each function once, as soon as it works on something."""

    def __init__(self, desk: Desk, functions: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._desk = desk
        self._names = {f: desk.stack.function(f)["FunctionName"] for f in functions}
        self._over = threading.Event()
        self.killed: list[str] = []

    def run(self) -> None:
        emulator = self._desk.stack.emulator()
        busy: dict[int, float] = {}
        while not self._over.wait(0.01) and len(self.killed) < len(self._names):
            for child in emulator.children(recursive=True):
                try:
                    # A worker that uses the processor is at work, not waiting for an event.
                    spent = sum(child.cpu_times()[:2])
                    works = spent > busy.get(child.pid, spent)
                    busy[child.pid] = spent
                    said = " ".join([*child.cmdline(), child.cwd()])
                    for function, name in self._names.items():
                        if works and name in said and function not in self.killed:
                            child.kill()
                            self.killed.append(function)
                except psutil.Error:
                    continue

    def stop(self) -> None:
        self._over.set()
        self.join(timeout=10)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_killed_once(desk: Desk, function: str) -> None:
    desk.put_profile(batch_size=2)  # so many jobs that the run has a lane
    assassin = Assassin(desk, (function,))
    assassin.start()
    rows = good_tickets(60 * TRIES)
    sent = 0
    try:
        # A function that is done before anybody looks gets away; then another file is carried.
        while not assassin.killed and sent < len(rows):
            status = desk.wait(desk.upload(ticket_csv(rows[sent : sent + 60])))
            assert status["status"] == "completed"
            assert status["outcomes"]["succeeded"] == 60
            sent += 60
    finally:
        assassin.stop()

    assert assassin.killed == [function]
    created = Counter(e["external_id"] for e in desk.effects(action="created"))
    assert created == Counter(row[2] for row in rows[:sent])
    assert desk.stack.deps.store.limits.get(desk.name).in_flight == 0


def test_submission_whose_answer_is_lost_is_adopted(desk: Desk) -> None:
    """The vendor takes the job, the answer never comes, and nothing is created twice."""
    desk.put_profile(batch_size=20)
    desk.simulator.set_faults(
        {
            "match": {"path": "create_many", "nth": [2]},
            "effect": {"reset": True, "after": True},
        }
    )
    status = desk.wait(desk.upload(ticket_csv(good_tickets(60))))

    assert status["status"] == "completed"
    assert status["requests"]["submit"] == 3
    created = Counter(e["external_id"] for e in desk.effects(action="created"))
    assert created == Counter(f"ref-{n}" for n in range(1, 61))


@pytest.mark.parametrize("killed", [False, True], ids=["sweep", "sweep-killed-once"])
def test_a_run_whose_execution_is_stopped_is_brought_to_its_end_by_the_sweep(
    desk: Desk, killed: bool
) -> None:
    # Few jobs at a time, so that rows are left when the execution is stopped.
    account = Connection(desk.name, "zendesk_support", desk.simulator.url, max_jobs=5)
    desk.stack.deps.store.config.put_connection(account)
    desk.put_profile(batch_size=10, breaker={"share": 0.9, "at_least": 20})
    desk.simulator.change_settings(latency="3")
    run_id = desk.upload(ticket_csv(good_tickets(400)))
    run = desk.wait_until(run_id, lambda run: run.jobs_settled > 0)
    desk.stack.client("stepfunctions").stop_execution(executionArn=run.execution)
    # The sweep leaves a run alone whose execution may just be starting.
    desk.stack.age(run_id, seconds=120)
    if killed:
        assassin = Assassin(desk, ("SweepFunction",))
        assassin.start()
        for _ in range(20 * TRIES):
            if not assassin.killed:
                desk.stack.invoke("SweepFunction", {})
        assassin.stop()
        assert assassin.killed == ["SweepFunction"]
    # The scheduler comes again, whatever became of the time before.
    desk.stack.invoke("SweepFunction", {})
    status = desk.wait(run_id)

    # Somebody stopped it, so nothing more is sent, and what was sent is seen through.
    assert status["status"] == "aborted"
    assert "stopped" in status["error"]
    outcomes = status["outcomes"]
    assert outcomes["succeeded"] + outcomes["skipped"] == 400
    created = Counter(e["external_id"] for e in desk.effects(action="created"))
    assert set(created.values()) == {1}
    assert created.total() == outcomes["succeeded"]
    store = desk.stack.deps.store
    assert store.runs.must_get(run_id).execution != run.execution

    # A claim that comes too late leaves nothing.
    first = store.runs.planned_chunks(run_id, 1, 1)
    late = store.chunks.claim(run, 0, first, Pool(1, 2, frozenset()), time.time(), max_jobs=30)
    assert late is None
    assert run_id not in store.chunks.runs_in_flight(desk.name)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04xl/workbook", "CSV"),
        (b"Subject,Body,Ref\r\na,b,c\r\n", "Priority"),
        ("Subject,Body,Ref,Priority\r\nGr\u00f6\u00dfe,b,c,low\r\n".encode("cp1252"), "UTF-8"),
    ],
    ids=["empty", "workbook", "missing-column", "wrong-encoding"],
)
def test_unusable_file_fails_with_one_sentence_and_sends_nothing(
    desk: Desk, body: bytes, says: str
) -> None:
    status = desk.wait(desk.upload(body))

    assert status["status"] == "failed"
    assert says in status["error"]
    assert status["rows"] == sum(status["outcomes"].values()) == 0
    assert desk.simulator.effects(limit=0)["requests"]["submit"] == 0


def test_profile_that_is_not_there_fails_with_the_command_to_type(desk: Desk) -> None:
    desk.profile = "nobody-made-this"
    status = desk.wait(desk.upload(ticket_csv(good_tickets(1))))

    assert status["status"] == "failed"
    assert "jobferry profile put" in status["error"]
