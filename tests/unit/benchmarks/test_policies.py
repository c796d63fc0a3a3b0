from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.policies import measure_all, tables, tasks
from benchmarks.virtual.peers import PEERS
from benchmarks.virtual.plot import draw
from benchmarks.virtual.policies import POLICIES

NAMES = ["batched poller 5 s", "AWS Job Poller 60 s"]


def test_every_policy_meets_the_same_conditions() -> None:
    planned = tasks(PEERS, None, quick=False)
    conditions = {
        name: [t.conditions for t in planned if (t.section, t.policy) == ("grid", name)]
        for name in PEERS
    }
    assert all(found == conditions[NAMES[0]] for found in conditions.values())
    assert len(conditions[NAMES[0]]) == 5


def test_the_lines_with_targets_have_the_strongest_peers_beside_them() -> None:
    planned = [t for t in tasks(POLICIES, 2, quick=False) if t.section == "targets"]
    accounts = {(t.conditions.max_jobs, t.conditions.latency) for t in planned}
    assert {most for most, _ in accounts} == {5, 30, 200, 1000}
    assert {latency for _, latency in accounts} == {2.0, 5.0, 15.0, 60.0, 300.0}
    assert len(planned) == 3 * len(accounts)
    assert {(t.jobs, t.conditions.rows) for t in planned} == {(1_000, 100)}


def test_no_policy_is_simulated_beyond_what_it_can_be() -> None:
    assert all(t.jobs <= POLICIES[t.policy].most_jobs for t in tasks(POLICIES, 1, quick=False))


@pytest.mark.parametrize("job_end", ["svg", "png"])
def test_results_as_tables_and_as_a_picture(tmp_path: Path, job_end: str) -> None:
    results = measure_all(tasks(NAMES, 1, quick=True), processes=1)
    assert {cell["section"] for cell in results["cells"]} == {"grid", "storms", "growth"}
    assert all(cell["least_ratio"] >= 1 for cell in results["cells"])
    console = Console(width=200)
    with console.capture() as captured:
        for table in tables(results):
            console.print(table)
    assert all(captured.get().count(name) == 3 for name in NAMES)
    picture = tmp_path / f"policies.{job_end}"
    draw(results, picture)
    assert picture.stat().st_size > 10_000
