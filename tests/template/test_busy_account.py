"""Many files at once in an account with little room: no file without a run, no run without an end.

The state machine as it is deployed is done in virtual time, beside as many others as there
are files. An account runs only so many functions at once, and refuses all others as throttled: new
accounts get 10 (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from tests.template.conftest import ROOT
from tools.check_asl import THROTTLED
from virtual.machine import ExecutionFailedError, Machine
from virtual.schedule import Schedule

DEFINITION = json.loads((ROOT / "statemachines" / "run.asl.json").read_text())

SECONDS = {
    "OpenRun": 0.5,
    "PlanRun": 8.0,
    "SubmitJobs": 2.0,
    # It stays with its jobs for two minutes, which is what fills a small account.
    "PollJobs": 120.0,
    "SettleJob": 1.0,
    "CloseRun": 6.0,
}
ITERATIONS = 5
SWEEP_SECONDS = 300.0


@dataclass
class Account:
    """Functions of an account that run at once, and what became of files and runs.

    limit       functions at once
    busy_until  until then others need all of it
    """

    schedule: Schedule
    limit: int
    busy_until: float = 0.0
    in_use: int = 0
    throttled: Counter[str] = field(default_factory=Counter)
    opened: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    parked: list[Any] = field(default_factory=list)
    given_up: int = 0
    iterations: Counter[int] = field(default_factory=Counter)
    chance: Random = field(default_factory=lambda: Random(7))

    def invoke(self, name: str) -> None:
        """A function runs for its time.

        Raises:
            ExecutionFailedError: the account has no room for it.
        """
        if self.in_use >= self.limit or self.schedule.now() < self.busy_until:
            self.throttled[name] += 1
            raise ExecutionFailedError("Rate Exceeded.", THROTTLED[0])
        self.in_use += 1
        self.schedule.sleep(SECONDS[name] * self.chance.uniform(0.8, 1.2))
        self.in_use -= 1


@dataclass
class File:
    """One execution of the state machine, for one file."""

    account: Account
    number: int

    def now(self) -> float:
        return self.account.schedule.now()

    def until(self, moment: float) -> None:
        self.account.schedule.until(moment)

    def parallel_map(
        self, work: Callable[[Any], Any], items: Sequence[Any], workers: int
    ) -> list[Any]:
        return self.account.schedule.parallel_map(work, items, workers)

    def jitter(self, longest: float) -> float:
        return self.account.chance.uniform(0.0, longest)

    def entering(self, name: str, payload: Any) -> None:
        """Nothing to note."""

    def failed(self, name: str) -> None:
        """Nothing to note."""

    def child_failed(self, name: str) -> None:
        """CloseRun starts another lane."""

    def task(self, name: str, payload: Any) -> Any:
        account, number = self.account, self.number
        if name == "putEvents":
            return {}
        if name == "sendMessage":
            account.parked.append(payload)
            return {}
        account.invoke(name)
        match name:
            case "OpenRun":
                account.opened.add(number)
                return {"state": "open", "run_id": str(number), "event": {}}
            case "PlanRun":
                return {"state": "planned", "run_id": str(number), "lanes": [0]}
            case "SubmitJobs":
                return {**payload, "wait_until": self.moment()}
            case "PollJobs":
                account.iterations[number] += 1
                done = account.iterations[number] >= ITERATIONS
                return {**payload, "state": "done" if done else "working", "settle": [[1]]}
            case "CloseRun":
                if account.iterations[number] < ITERATIONS:
                    again = {"state": "lanes", "lanes": [0], "wait_until": self.moment()}
                    return {"run_id": str(number), **again}
                account.closed.add(number)
                event = {"status": "completed", "rows": 1}
                return {"run_id": str(number), "state": "closed", "event": event}
        return {}

    def moment(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).isoformat().replace("+00:00", "Z")

    def carry(self) -> None:
        self.account.running.add(self.number)
        try:
            Machine(DEFINITION).execute({"file": self.number}, self, f"arn:{self.number}")
        except ExecutionFailedError:
            self.account.given_up += 1
        finally:
            self.account.running.discard(self.number)


def processed(limit: int, files: int, busy_seconds: float = 0.0, others: int = 0) -> Account:
    """All files dropped at once, carried to their ends; the sweep runs beside."""
    schedule = Schedule(0.0, seed=3)
    account = Account(schedule, limit - others, busy_seconds)
    numbers = range(files)

    def sweep() -> None:
        while len(account.closed) < files and schedule.now() < 7 * 86_400:
            schedule.sleep(SWEEP_SECONDS)
            for number in account.opened - account.closed - account.running:
                schedule.spawn(File(account, number).carry, f"again {number}")

    def all_of_it() -> None:
        actors = [schedule.spawn(File(account, n).carry, str(n)) for n in numbers]
        actors.append(schedule.spawn(sweep, "sweep"))
        for actor in actors:
            actor.join()

    schedule.run(all_of_it)
    return account


@pytest.mark.parametrize(
    ("limit", "files"),
    [(10, 1), (10, 12), (10, 40), (10, 100), (50, 100), (1_000, 100)],
)
def test_every_file_has_its_run_and_every_run_its_end(limit: int, files: int) -> None:
    account = processed(limit, files)

    assert account.opened == account.closed == set(range(files))
    assert (account.parked, account.given_up) == ([], 0)
    assert bool(account.throttled) == (files > limit)


@pytest.mark.parametrize("hours", [0.5, 8.0])
def test_an_account_without_room_for_hours_delays_and_loses_nothing(hours: float) -> None:
    account = processed(10, 20, busy_seconds=hours * 3600)

    assert account.opened == account.closed == set(range(20))
    assert (account.parked, account.given_up) == ([], 0)
    assert account.throttled["OpenRun"] > 0


def test_an_account_without_room_for_days_keeps_what_it_could_not_open() -> None:
    account = processed(10, 3, busy_seconds=6 * 86_400)

    assert account.opened == set()
    assert sorted(json.loads(each["MessageBody"])["file"] for each in account.parked) == [0, 1, 2]
    assert account.given_up == 3


def test_the_account_is_used_while_files_wait() -> None:
    """Waiting for longer and longer must not leave an account idle that has work."""
    account = processed(10, 40)
    least = 40 * (ITERATIONS * (SECONDS["PollJobs"] + SECONDS["SubmitJobs"]) + 15.5) / 10

    assert account.schedule.now() < 2.5 * least
