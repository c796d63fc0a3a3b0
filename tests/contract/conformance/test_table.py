"""What docs/vendors.md says of the vendors is what they declare and what is played."""

from __future__ import annotations

from tests.contract.conformance.benches import BENCHES
from tests.contract.conformance.scenarios import SCENARIOS
from tools.conformance_table import PAGE, with_tables


def test_the_committed_tables_are_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert with_tables(page) == page, "run: python tools/conformance_table.py"


def test_names_of_scenarios_are_known_and_stand_once_in_a_group() -> None:
    names = {group: [case.name for case in cases] for group, cases in SCENARIOS.items()}

    assert all(len(set(each)) == len(each) for each in names.values())
    known = {name for each in names.values() for name in each}
    for bench in BENCHES:
        assert set(bench.lacks) <= known, bench.title
        assert set(bench.differences) <= {*names["Jobs"], *names["Lost submissions"]}, bench.title


def test_nothing_is_both_different_and_not_played() -> None:
    for bench in BENCHES:
        assert not set(bench.lacks) & set(bench.differences), bench.title
