"""What is promised in figures, and what the benchmarks found: one line for each.

Each function reads the results of one section (`report.py`) and tells its lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.virtual.peers import THREADS
from benchmarks.virtual.policies import OURS

Cell = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line.

    held  None where there is no target
    """

    name: str
    value: str
    target: str = ""
    held: bool | None = None


Figures = Callable[[Any], Iterator[Figure]]

WALL = {2.0: 1.20, 5.0: 1.10}
WALL_OF_LONG_JOBS = 1.05
"""Wall time to the least, from jobs of 15 s on."""
SLOTS = 0.97
REQUESTS = 1.30
REQUESTS_WHERE_THEY_BIND = 1.05
LONG = 15.0
FULL = 5
"""So many times the slots must a run have in jobs before its beginning and its end do not count."""


def policy_figures(results: Any) -> Iterator[Figure]:
    """The lines of the virtual benchmark that have targets."""
    cells = results["policies"]["cells"]
    lines = [cell for cell in cells if cell["section"] == "targets"]
    for max_jobs in dict.fromkeys(cell["max_jobs"] for cell in lines):
        yield from _account([cell for cell in lines if cell["max_jobs"] == max_jobs])
    scarce = [c for c in cells if c["section"] == "rate" and c["policy"] == OURS]
    for cell in scarce:
        what = f"J {cell['max_jobs']}, R {cell['requests_per_minute']}, L {cell['latency']:g} s"
        most = REQUESTS_WHERE_THEY_BIND
        yield _at_most(f"{what}: requests ÷ fewest, rate binds", cell["request_ratio"], most)


def _account(cells: Sequence[Cell]) -> Iterator[Figure]:
    """All latencies of one account: the values of one line, in their order."""
    ours = [cell for cell in cells if cell["policy"] == OURS]
    peers = [cell for cell in cells if cell["policy"] in THREADS]
    if not ours:
        return
    words = " · ".join(f"{cell['latency']:g}" for cell in ours)
    what = f"J {ours[0]['max_jobs']}, L {words} s"
    walls = [WALL.get(cell["latency"], WALL_OF_LONG_JOBS) for cell in ours]
    yield _row(f"{what}: wall ÷ least", [cell["least_ratio"] for cell in ours], walls)
    pairs = [
        (cell, min(beside, key=lambda peer: peer["seconds"]))
        for cell in ours
        if (beside := [peer for peer in peers if peer["latency"] == cell["latency"]])
    ]
    if pairs:
        slower = [cell["seconds"] / peer["seconds"] for cell, peer in pairs]
        yield _row(f"{what}: wall ÷ the faster script's", slower, [1.0] * len(slower))
        more = [cell["requests"] / peer["requests"] for cell, peer in pairs]
        yield _row(f"{what}: requests ÷ the same script's", more, [1.0] * len(more))
    binding = [c for c in ours if c["jobs_bind"] and c["jobs"] >= FULL * c["max_jobs"]]
    if binding:
        latencies = " · ".join(f"{cell['latency']:g}" for cell in binding)
        name = f"J {ours[0]['max_jobs']}, L {latencies} s: requests ÷ fewest, slots bind"
        ratios = [cell["request_ratio"] for cell in binding]
        yield _row(name, ratios, [REQUESTS] * len(ratios))
    full = [cell for cell in binding if cell["latency"] >= LONG]
    if full:
        latencies = " · ".join(f"{cell['latency']:g}" for cell in full)
        use = [cell["slot_use"] for cell in full]
        value = " · ".join(f"{each:.1%}" for each in use)
        name = f"J {ours[0]['max_jobs']}, L {latencies} s: slots used"
        yield Figure(name, value, f"≥ {SLOTS:.0%}", min(use) >= SLOTS)


def sharing_figures(results: Any) -> Iterator[Figure]:
    """When an urgent file starts beside others, and what ten runs lose."""
    targets = results["targets"]
    for latency in dict.fromkeys(cell["latency"] for cell in results["cells"]):
        cells = [cell for cell in results["cells"] if cell["latency"] == latency]
        runs = " · ".join(str(cell["runs"]) for cell in cells)
        what = f"L {latency:g} s, beside {runs} runs: urgent file's first job, in L"
        starts = [cell["urgent_starts"] for cell in cells]
        yield _row(what, starts, [targets["urgent_starts"]] * len(starts))
        for cell in cells:
            if "loss" in cell:
                held, most = cell["loss"] <= targets["loss"], f"≤ {targets['loss']:.0%}"
                name = f"L {latency:g} s: {cell['runs']} runs lose against one"
                yield Figure(name, f"{cell['loss']:+.1%}", most, held)


def cost_figures(results: Any) -> Iterator[Figure]:
    """Dollars for a million rows, and for a month in which nothing runs."""
    for run in results["results"]:
        what = f"{run['rows_a_job']} rows a job, L {run['latency']:g} s: a million rows"
        cost, target = run["together"], run["target"]
        if target is None:
            yield Figure(what, f"${cost:.2f}")
        else:
            yield Figure(what, f"${cost:.2f}", f"≤ ${target:.2f}", cost <= target)
    fixed = sum(results["fixed_month"].values())
    yield Figure("a month in which nothing runs", f"${fixed:.2f}")


def small_figures(results: Any) -> Iterator[Figure]:
    """Seconds of ten rows, beyond the job."""
    for cell in results["cells"]:
        name = f"{results['rows']} rows, {cell['start']}, job of {cell['latency']:g} s: s beyond it"
        yield _at_most(name, cell["beyond"], cell["target"])


def planning_figures(results: Any) -> Iterator[Figure]:
    """Rows per CPU second and peak memory, against the targets."""
    targets = results["targets"]
    for run in results["results"]:
        what = f"{run['rows']:,} rows, {run['case']}"
        speed, least = run["rows_per_cpu_second"], targets["rows_per_cpu_second"]
        value = f"{speed:,} (CPU {run['times_csv_reader']:.1f} × csv.reader)"
        if run["held"] is None:
            yield Figure(f"{what}: rows per CPU second", value)
            continue
        yield Figure(f"{what}: rows per CPU second", value, f"≥ {least:,}", speed >= least)
        peak, most = run["peak_rss_mb"], targets["peak_rss_mb"]
        yield Figure(f"{what}: peak MB", f"{peak:.0f}", f"≤ {most}", peak <= most)


def settling_figures(results: Any) -> Iterator[Figure]:
    """Rows per CPU second of settling, and of closing with the real client of the table."""
    least = results["closing_target"]
    for run in results["results"]:
        of_emulator = run["table"] == "emulator"
        what = f"{run['rows']:,} rows, table in {'the emulator' if of_emulator else 'memory'}"
        settled, closed = run["rows_per_cpu_second"], run["closed_rows_per_cpu_second"]
        yield Figure(f"settling {what}: rows per CPU second", f"{settled:,}")
        name = f"closing {what}: rows per CPU second"
        if of_emulator:
            yield Figure(name, f"{closed:,}", f"≥ {least:,}", closed >= least)
        else:
            yield Figure(name, f"{closed:,}")


def import_figures(results: Any) -> Iterator[Figure]:
    """Cold starts of the functions that a lane waits for."""
    for name, found in results["functions"].items():
        held = found["held"]
        target = "" if held is None else f"≤ {results['target_ratio']}"
        value = f"{found['cpu_ratio']:.2f} ({found['ratio']:.2f})"
        yield Figure(f"{name}: CPU (time) ÷ boto3 and a client alone", value, target, held)


def limits_figures(results: Any) -> Iterator[Figure]:
    """Whether a run of millions of rows exceeds any limit."""
    bounds = results["bounds"]
    exceeded = [bound["name"] for bound in bounds if bound["most"] > bound["limit"]]
    kept = not exceeded and not results["problems"]
    value = ", ".join([*exceeded, *results["problems"]]) or f"{len(bounds)} limits kept"
    yield Figure(f"{results['rows']:,} rows, {results['jobs']:,} jobs", value, "all kept", kept)


def stack_figures(results: Any) -> Iterator[Figure]:
    """The deployed stack's own figures, and each peer's in units of them."""
    for run in results["results"]:
        if run["tool"] == "jobferry":
            what = f"{run['rows']:,} rows: rows/s (requests, transitions)"
            requests = run["submit_requests"] + run["poll_requests"]
            yield Figure(what, f"{run['rows_per_second']:.0f} ({requests}, {run['transitions']})")
    for ratio in results["ratios"]:
        what = f"{ratio['rows']:,} rows: {ratio['tool']}, ÷ Jobferry's"
        names = ("seconds", "submit_requests", "poll_requests", "transitions")
        words = ("time", "submits", "polls", "transitions")
        value = ", ".join(f"{w} {ratio[n]}" for w, n in zip(words, names, strict=True))
        yield Figure(what, value)


def _at_most(name: str, value: float, most: float) -> Figure:
    return _row(name, [value], [most])


def _row(name: str, values: Sequence[float], most: Sequence[float]) -> Figure:
    """Several values of one kind, each with a target of its own."""
    # Held against what is shown: a hundredth is as exact as these figures are.
    held = all(round(value, 2) <= limit for value, limit in zip(values, most, strict=True))
    targets = [f"{limit:.2f}" for limit in most]
    shown = targets[0] if len(set(targets)) == 1 else " · ".join(targets)
    return Figure(name, " · ".join(f"{value:.2f}" for value in values), f"≤ {shown}", held)
