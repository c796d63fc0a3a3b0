"""What AWS takes: cold functions, parts of a core, transactions in each other's way, units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.virtual.ours import charged_jobferry, jobferry
from benchmarks.virtual.policy import measure
from benchmarks.virtual.vendor import Conditions
from jobferry.store.operations import Delete, Operation, Put, Update
from virtual.bill import Bill
from virtual.charges import AWS, Charges
from virtual.cloud import Cloud, memory_of
from virtual.effects import Effects
from virtual.schedule import Schedule
from virtual.table import FakeTable

CHARGES = Charges(
    read=1.0, write=2.0, transaction=4.0, invoke=0.5, cold_start=10.0, idle=100.0, cpu_request=0.25
)
HALF_A_CORE = 1769 // 2


class Setting:
    """A table and functions on one clock."""

    def __init__(self, charges: Charges = CHARGES) -> None:
        self.clock = Schedule(0.0, seed=1)
        self.cloud = Cloud(self.clock, charges, lambda _name: HALF_A_CORE)
        self.table = FakeTable(Effects(cloud=self.cloud))

    def invoke(self, *works: Callable[[], Any]) -> list[float]:
        """Invoke a function with each of these, all at once; seconds that each of them took."""

        def timed(work: Callable[[], Any]) -> float:
            began = self.clock.now()
            self.cloud.invoke("Do", work, lambda _memory: None)
            return self.clock.now() - began

        return self.clock.parallel_map(timed, works, len(works))


def test_a_function_starts_cold_when_no_instance_of_it_is_idle() -> None:
    setting = Setting()
    assert setting.invoke(lambda: None) == [10.5]
    assert setting.invoke(lambda: None, lambda: None) == [0.5, 10.5]
    setting.clock.sleep(101.0)
    assert setting.invoke(lambda: None) == [10.5]
    assert setting.cloud.bill.cold == {"Do": 3}
    memory = HALF_A_CORE / 1024
    assert setting.cloud.bill.gb_seconds["Do"] == pytest.approx(30 * memory)


def test_work_takes_longer_with_a_part_of_a_core_and_threads_share_it() -> None:
    setting = Setting()
    setting.invoke(lambda: None)

    def two_threads() -> None:
        def read(_number: int) -> None:
            setting.table.get("p", "s")

        setting.clock.parallel_map(read, [1, 2], 2)

    # A quarter of a second of a core takes half a second each, and the reads wait side by side.
    assert setting.invoke(two_threads) == [pytest.approx(0.5 + 2 * 0.5 + 1.0, rel=0.01)]


def test_nothing_is_charged_for_what_a_benchmark_prepares() -> None:
    setting = Setting()
    setting.table.write(Put({"pk": "p", "sk": "s"}))
    assert setting.table.get("p", "s") == {"pk": "p", "sk": "s"}
    assert setting.clock.now() == 0.0
    assert setting.cloud.bill == Bill()


@pytest.mark.parametrize("other", ["transact", "write"])
def test_who_meets_an_item_in_a_transaction_tries_again_and_pays_for_both(other: str) -> None:
    setting = Setting(Charges(write=0.010, transaction=0.025))
    table = setting.table
    table.write(Put({"pk": "p", "sk": "s", "n": 0}))

    def transact() -> None:
        table.transact([Update("p", "s", add={"n": 1}), Put({"pk": "p", "sk": "other"})])

    def second() -> None:
        if other == "transact":
            table.transact([Update("p", "s", add={"n": 1})])
        else:
            table.write(Update("p", "s", add={"n": 1}))

    times = setting.invoke(transact, second)
    assert table.get("p", "s") == {"pk": "p", "sk": "s", "n": 2}
    assert setting.cloud.bill.conflicts >= 1
    assert min(times) == pytest.approx(0.025)
    assert max(times) > 0.025


def test_transactions_on_other_items_are_not_in_the_way() -> None:
    setting = Setting(Charges(transaction=0.025))
    works = [
        lambda sk=sk: setting.table.transact([Put({"pk": "p", "sk": sk})]) for sk in ("a", "b")
    ]
    assert setting.invoke(*works) == [pytest.approx(0.025)] * 2
    assert setting.cloud.bill.conflicts == 0


KEY = {"pk": "p", "sk": "s"}
BIG = {**KEY, "text": "x" * 1500}


@pytest.mark.parametrize(
    ("before", "operation", "together", "expected"),
    [
        pytest.param(None, Put(KEY), False, 1, id="small"),
        pytest.param(None, Put(BIG), False, 2, id="two kilobytes"),
        pytest.param(None, Put(BIG), True, 4, id="in a transaction"),
        pytest.param(BIG, Update("p", "s", assign={"a": 1}), False, 2, id="update of a big one"),
        pytest.param(BIG, Delete("p", "s"), False, 2, id="deleted"),
        pytest.param(None, Put({**KEY, "person_pk": "x"}), False, 2, id="indexed"),
        pytest.param(
            {**BIG, "time_pk": "x", "time_sk": "1"},
            Update("p", "s", assign={"a": 1}),
            True,
            6,
            id="the index is not in the transaction",
        ),
        pytest.param(
            {**KEY, "time_pk": "x", "time_sk": "1"},
            Update("p", "s", assign={"time_pk": "y"}),
            False,
            3,
            id="moved in the index",
        ),
    ],
)
def test_write_units(
    before: dict[str, Any] | None, operation: Operation, together: bool, expected: int
) -> None:
    setting = Setting(Charges())
    if before is not None:
        setting.table.write(Put(before))
    work = setting.table.transact if together else setting.table.write
    setting.invoke(lambda: work([operation] if together else operation))  # type: ignore[operator]
    assert setting.cloud.bill.write_units == expected


def test_reads_are_counted_by_four_kilobytes() -> None:
    setting = Setting(Charges())
    for number in range(10):
        setting.table.write(Put({"pk": "p", "sk": str(number), "text": "x" * 900}))
    setting.invoke(lambda: (setting.table.get("p", "0"), list(setting.table.query("p"))))
    assert setting.cloud.bill.read_units == 1 + 3


def test_functions_have_the_memory_of_the_template() -> None:
    assert memory_of("PlanRun") == 1769


def test_a_charged_run_takes_longer_and_the_same_seed_gives_the_same_figures() -> None:
    conditions = Conditions(5, 700, latency=5.0, rows=10)
    free, charged, again = (
        measure(policy, conditions, 20, seed=3)
        for policy in (jobferry, charged_jobferry, charged_jobferry)
    )
    assert charged == again
    assert charged.seconds > free.seconds + AWS.map_start + AWS.cold_start
    assert charged.dollars > 0 == free.dollars
