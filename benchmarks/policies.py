"""Policies of submitting and polling, side by side in virtual time on the same vendor.

    python benchmarks/policies.py [--quick] [--seeds N] [--only POLICY …] [--sections SECTION …]
                                  [--max-jobs J …] [--latency L …] [--json FILE] [--plot FILE]

Jobferry is charged what AWS takes (`virtual/charges.py`), from the upload to the closed run, with
cold functions, planning and closing. The others are charged the vendor's latency alone.

    targets  the lines that targets are set for: 1,000 jobs of 100 rows, beside the strongest peers
    rate     the same where requests a minute are what is scarce
    rows     the same with jobs of 1 and 25 rows
    vendors  what the built-in vendors say of themselves
    grid     the field, on the usual account
    storms   the same account in storms of 429
    growth   over the number of jobs

Every figure is the median over the seeds. No request leaves the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.virtual.bounds import jobs_bind
from benchmarks.virtual.peers import THREADS
from benchmarks.virtual.policies import OURS, POLICIES
from benchmarks.virtual.policy import Figures, measure
from benchmarks.virtual.vendor import USUAL, Conditions
from virtual.charges import AWS

LATENCIES = (2.0, 5.0, 15.0, 60.0, 300.0)
TARGET_ACCOUNTS = ((5, 200), (30, 700), (200, 2500), (1000, 60_000))
"""(J, R): five jobs never need more than 200 requests, a thousand need a vendor without a rate."""
TARGET_JOBS = 1_000
TARGET_ROWS = 100
"""Of each job."""
TARGET_SEEDS = 2
STRONGEST = (OURS, *THREADS)

SCARCE = ((30, 200, 2.0), (30, 200, 5.0), (200, 700, 2.0), (200, 700, 5.0))
"""(J, R, L) where requests bind."""

SMALL_JOBS = (1, 25)
SMALL_LATENCIES = (5.0, 15.0, 60.0)

VENDORS: Mapping[str, Conditions] = {
    "Zendesk Support": replace(USUAL, rows=100),
    # One job a poll, and nobody says what is too many.
    "Sunshine-like": Conditions(200, 2_500, 15.0, poll_batch=1, refuses_excess=False, rows=100),
    "Vidispine-like": Conditions(200, 60_000, 15.0, poll_batch=200, refuses_excess=False, rows=1),
}
"""The built-in vendors by what they say of themselves (`Capabilities`, rows of a job)."""
VENDOR_LATENCIES = (5.0, 15.0, 60.0)

JOBS = 300
SEEDS = 5
"""Of the field, which is no target."""

GROWTH_JOBS = (10, 100, 1_000, 10_000, 100_000)
MANY_JOBS = 10_000
"""One seed will do from here on: figures of so many jobs hardly differ."""

QUICK_MOST_JOBS = 1_000
QUICK_LATENCIES = (2.0, 5.0, 15.0, 60.0)

SECTIONS = ("targets", "rate", "rows", "vendors", "grid", "storms", "growth")


@dataclass(frozen=True, slots=True)
class Task:
    """One cell of one section: a policy under conditions, over seeds.

    label  what the section calls the cell besides its conditions
    """

    section: str
    policy: str
    conditions: Conditions
    jobs: int
    seeds: int
    label: str = ""

    @property
    def cost(self) -> float:
        """How long it takes to simulate, in some unit."""
        rows = 1.0 + self.conditions.rows / 50 if self.policy == OURS else 1.0
        return POLICIES[self.policy].cost * self.jobs * self.seeds * rows


def tasks(policies: Iterable[str], seeds: int | None, *, quick: bool) -> list[Task]:
    """Everything to be measured."""
    chosen = list(policies)
    found = [*_lines(seeds, quick=quick), *_field(chosen, seeds, quick=quick)]
    return [task for task in found if task.policy in chosen]


def _lines(seeds: int | None, *, quick: bool) -> Iterator[Task]:
    """The lines that targets are set for, and those beside them: ours and the strongest peers."""
    many = seeds or (1 if quick else TARGET_SEEDS)
    latencies = QUICK_LATENCIES if quick else LATENCIES
    cells = [
        ("targets", Conditions(most, rate, latency, rows=TARGET_ROWS), "")
        for most, rate in TARGET_ACCOUNTS
        for latency in latencies
    ]
    cells += [
        ("rate", Conditions(most, rate, latency, rows=TARGET_ROWS), "")
        for most, rate, latency in (SCARCE[1::2] if quick else SCARCE)
    ]
    cells += [
        ("rows", replace(USUAL, latency=latency, rows=rows), "")
        for rows in SMALL_JOBS
        for latency in (SMALL_LATENCIES[:2] if quick else SMALL_LATENCIES)
    ]
    cells += [
        ("vendors", replace(conditions, latency=latency), vendor)
        for vendor, conditions in VENDORS.items()
        for latency in (VENDOR_LATENCIES[1:2] if quick else VENDOR_LATENCIES)
    ]
    for section, conditions, label in cells:
        for policy in STRONGEST:
            yield Task(section, policy, conditions, TARGET_JOBS, many, label)


def _field(policies: Sequence[str], seeds: int | None, *, quick: bool) -> Iterator[Task]:
    """The others beside us, on the usual account."""
    many = seeds or (1 if quick else SEEDS)
    most_jobs = QUICK_MOST_JOBS if quick else max(GROWTH_JOBS)
    for policy in policies:
        for latency in QUICK_LATENCIES if quick else LATENCIES:
            calm = replace(USUAL, latency=latency)
            yield Task("grid", policy, calm, JOBS, many)
            yield Task("storms", policy, replace(calm, storms=True), JOBS, many)
        for jobs in GROWTH_JOBS:
            if jobs <= min(most_jobs, POLICIES[policy].most_jobs):
                yield Task("growth", policy, USUAL, jobs, 1 if jobs >= MANY_JOBS else many)


def carry_out(task: Task) -> dict[str, Any]:
    """Medians of a cell, with what it is of."""
    policy = POLICIES[task.policy].policy
    runs = []
    for seed in range(task.seeds):
        try:
            runs.append(measure(policy, task.conditions, task.jobs, seed))
        except Exception as error:
            error.add_note(f"{task.policy}, {task.jobs} jobs, seed {seed}, {task.conditions}")
            raise
    figures = {f.name: median(getattr(run, f.name) for run in runs) for f in fields(Figures)}
    conditions = task.conditions
    return {
        "section": task.section,
        "label": task.label,
        "policy": task.policy,
        "jobs": task.jobs,
        "rows": conditions.rows,
        "max_jobs": conditions.max_jobs,
        "requests_per_minute": conditions.requests_per_minute,
        "latency": conditions.latency,
        "storms": conditions.storms,
        "seeds": task.seeds,
        "jobs_bind": jobs_bind(
            task.jobs, conditions.latency, conditions.max_jobs, conditions.requests_per_minute
        ),
        **{name: round(value, 4) for name, value in figures.items()},
    }


def measure_all(planned: Sequence[Task], processes: int) -> dict[str, Any]:
    """The section of the report: conditions and one entry for each cell."""
    # The dearest first, so that no process is left alone with one at the end.
    by_cost = sorted(planned, key=lambda task: task.cost, reverse=True)
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        cells = list(pool.map(carry_out, by_cost))
    order = {name: number for number, name in enumerate(POLICIES)}
    cells.sort(
        key=lambda c: (
            *(SECTIONS.index(c["section"]), c["label"], c["max_jobs"], c["requests_per_minute"]),
            *(c["rows"], c["latency"], c["jobs"], order[c["policy"]]),
        )
    )
    return {
        "jobs": JOBS,
        "usual": asdict(USUAL),
        "charges": asdict(AWS),
        "seconds": round(time.perf_counter() - started, 1),
        "cells": cells,
    }


def of(cells: Iterable[Mapping[str, Any]], section: str) -> list[Mapping[str, Any]]:
    return [c for c in cells if c["section"] == section]


def tables(results: Mapping[str, Any]) -> Iterator[Table]:
    """The results as people read them."""
    cells = results["cells"]
    for section, title in (
        ("targets", f"{TARGET_JOBS:,} jobs of {TARGET_ROWS} rows"),
        ("rate", "Where requests a minute bind"),
        ("rows", "Small jobs"),
        ("vendors", "The vendors' own capabilities"),
    ):
        if found := of(cells, section):
            yield lines(title, found)
    usual = f"J = {USUAL.max_jobs}, R = {USUAL.requests_per_minute}"
    for section, title, key, letter in (
        ("grid", usual, "latency", "L"),
        ("storms", "The same in storms of 429", "latency", "L"),
        ("growth", "Growth, L = 15 s", "jobs", "K"),
    ):
        if found := of(cells, section):
            yield by_column(title, found, key, letter)


_COLUMNS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "J": lambda c: str(c["max_jobs"]),
    "R": lambda c: f"{c['requests_per_minute']:,}",
    "L": lambda c: f"{c['latency']:g} s",
    "rows": lambda c: str(c["rows"]),
    "policy": lambda c: c["policy"],
    "binds": lambda c: "slots" if c["jobs_bind"] else "rate",
    "seconds": lambda c: f"{c['seconds']:.1f}",
    "÷ least": lambda c: f"{c['least_ratio']:.3f}",
    "slots": lambda c: f"{c['slot_use']:.1%}",
    "requests": lambda c: f"{c['request_ratio']:.2f}",
    "opening": lambda c: f"{c['opening']:.1f}",
    "closing": lambda c: f"{c['closing']:.1f}",
    "conflicts": lambda c: f"{c['conflicts']:g}" if c["policy"] == OURS else "",
    "$ a million": lambda c: f"{c['dollars']:.2f}" if c["policy"] == OURS else "",
}


def lines(title: str, cells: Sequence[Mapping[str, Any]]) -> Table:
    """One line for each cell and policy."""
    labelled = any(c["label"] for c in cells)
    table = Table(title=title, title_justify="left")
    for name in (*(["vendor"] if labelled else []), *_COLUMNS):
        table.add_column(name, justify="left" if name in ("policy", "vendor") else "right")
    for number, cell in enumerate(cells):
        following = cells[number + 1]["policy"] if number + 1 < len(cells) else OURS
        values = [read(cell) for read in _COLUMNS.values()]
        table.add_row(
            *([cell["label"]] if labelled else []), *values, end_section=following == OURS
        )
    return table


def by_column(title: str, cells: Sequence[Mapping[str, Any]], key: str, letter: str) -> Table:
    """One column for each L or K: wall time to the least possible, and requests to the fewest."""
    table = Table(title=f"{title}: wall ÷ least · requests ÷ fewest", title_justify="left")
    table.add_column("policy")
    values = sorted({c[key] for c in cells})
    for value in values:
        table.add_column(f"{letter} = {value:,.0f}", justify="right")
    for policy in dict.fromkeys(c["policy"] for c in cells):
        found = {c[key]: c for c in cells if c["policy"] == policy}
        texts = (
            f"{found[v]['least_ratio']:.2f} · {found[v]['request_ratio']:.2f}" if v in found else ""
            for v in values
        )
        table.add_row(policy, *texts)
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description="Policies of polling in virtual time.")
    parser.add_argument("--quick", action="store_true", help="one seed, fewer cells")
    parser.add_argument("--seeds", type=int, help="per cell")
    parser.add_argument("--only", nargs="+", choices=POLICIES, help="these policies")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, help="these sections")
    parser.add_argument("--max-jobs", nargs="+", type=int, help="cells with so many slots")
    parser.add_argument("--latency", nargs="+", type=float, help="cells with jobs of so long")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--plot", type=Path, help="draw them here (.svg, .png)")
    arguments = parser.parse_args()
    planned = [
        task
        for task in tasks(arguments.only or POLICIES, arguments.seeds, quick=arguments.quick)
        if task.section in (arguments.sections or SECTIONS)
        and task.conditions.max_jobs in (arguments.max_jobs or [task.conditions.max_jobs])
        and task.conditions.latency in (arguments.latency or [task.conditions.latency])
    ]
    results = measure_all(planned, arguments.processes)
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 150)
    for table in tables(results):
        console.print(table)
    console.print(f"{results['seconds']:.0f} s")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"policies": results}, indent=1) + "\n")
    if arguments.plot:
        from benchmarks.virtual.plot import draw

        draw(results, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
