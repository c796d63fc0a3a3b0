"""Every benchmark in one go: results in `build/bench.json`, the figures that count as a table.

    python benchmarks/report.py [--only SECTION …] [--quick] [--out DIR]

Each section is a script of its own that can be run alone. A section that is not run now keeps the
results that it had; one that fails is reported, and the others go on. The answer is 1 when a
section failed, 0 otherwise: whether a target is held is a figure, not a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).resolve().parent
OUT = FOLDER.parent / "build"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    held  None where there is no target
    """

    name: str
    value: str
    target: str = ""
    held: bool | None = None


Figures = Callable[[Any], Iterator[Figure]]


@dataclass(frozen=True, slots=True)
class Section:
    """A benchmark: the script, what it is run with, and what of its results people look at first.

    quick  arguments besides, for a run of a minute
    plot   the name of the picture that it draws, if it does
    """

    script: str
    figures: Figures
    quick: Sequence[str] = ()
    plot: str | None = None


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
    """Rows per CPU second over each table."""
    for run in results["results"]:
        what = f"{run['rows']:,} rows, table in the {run['table']}"
        if run["table"] == "memory":
            what = f"{run['rows']:,} rows, table in memory"
        yield Figure(f"{what}: rows per CPU second", f"{run['rows_per_cpu_second']:,}")


def stack_figures(results: Any) -> Iterator[Figure]:
    """Our own figures, and each peer's in units of them."""
    for run in results["results"]:
        if run["tool"] == "jobferry":
            what = f"{run['rows']:,} rows: rows/s (requests, transitions)"
            requests = run["submit_requests"] + run["poll_requests"]
            value = f"{run['rows_per_second']:.0f} ({requests}, {run['transitions']})"
            yield Figure(what, value)
    for ratio in results["ratios"]:
        what = f"{ratio['rows']:,} rows: {ratio['tool']}, ÷ Jobferry's"
        names = ("seconds", "submit_requests", "poll_requests", "transitions")
        words = ("time", "submits", "polls", "transitions")
        value = ", ".join(f"{w} {ratio[n]}" for w, n in zip(words, names, strict=True))
        yield Figure(what, value)


def import_figures(results: Any) -> Iterator[Figure]:
    """Cold starts, against the target where there is one."""
    most = results["target_ratio"]
    for name, found in results["functions"].items():
        target = "" if found["held"] is None else f"≤ {most}"
        # A busy machine moves the one by tenths and the other hardly.
        value = f"{found['ratio']:.2f} (CPU {found['cpu_ratio']:.2f})"
        yield Figure(f"{name}: ÷ boto3 alone", value, target, found["held"])


OURS = "Jobferry"


def policy_figures(results: Any) -> Iterator[Figure]:
    """Medians over the grid of the virtual benchmark: ours against the targets, then all."""
    grid = [cell for cell in results["policies"]["cells"] if cell["section"] == "grid"]
    ours = [cell for cell in grid if cell["policy"] == OURS]
    jobs_bind = [cell for cell in ours if cell["jobs_bind"]]
    requests_bind = [cell for cell in ours if not cell["jobs_bind"]]
    wall = _middle(jobs_bind, "wall_ratio")
    yield Figure("jobs bind: wall ÷ bound", f"{wall:.2f}", "≤ 1.05", wall <= 1.05)
    slots = _middle(jobs_bind, "slot_use")
    yield Figure("jobs bind: slots used", f"{slots:.1%}", "≥ 97 %", slots >= 0.97)
    requests = _middle(requests_bind, "request_ratio")
    yield Figure("requests bind: requests ÷ bound", f"{requests:.2f}", "≤ 1.05", requests <= 1.05)
    for policy in dict.fromkeys(cell["policy"] for cell in grid):
        mine = [cell for cell in grid if cell["policy"] == policy]
        words = {"wall": "wall_ratio", "slots": "slot_use", "requests": "request_ratio"}
        value = ", ".join(f"{word} {_middle(mine, key):.2f}" for word, key in words.items())
        yield Figure(f"{policy}, all cells: ÷ bound", value)


def _middle(cells: Sequence[Mapping[str, Any]], key: str) -> float:
    return median(cell[key] for cell in cells)


def sharing_figures(results: Any) -> Iterator[Figure]:
    """What two runs lose together, and when an urgent one starts."""
    for cell in results:
        what = f"J {cell['max_jobs']}, R {cell['requests_per_minute']}, L {cell['latency']:g} s"
        loss = cell["loss"]
        yield Figure(f"{what}: two runs lose", f"{loss:+.1%}", "≤ 2 %", loss <= 0.02)
        starts = f"{cell['urgent_starts']:.2f} L"
        yield Figure(f"{what}: an urgent file starts after", starts)


def cost_figures(results: Any) -> Iterator[Figure]:
    """Dollars for a million rows."""
    target = results["target"]
    for run in results["results"]:
        what = f"J {results['max_jobs']}, L {run['latency']:g} s: a million rows"
        cost = run["together"]
        yield Figure(what, f"${cost:.2f}", f"≤ ${target:.2f}", cost <= target)


def limits_figures(results: Any) -> Iterator[Figure]:
    """Whether a run of millions of rows exceeds any limit."""
    bounds = results["bounds"]
    exceeded = [bound["name"] for bound in bounds if bound["most"] > bound["limit"]]
    kept = not exceeded and not results["problems"]
    value = ", ".join([*exceeded, *results["problems"]]) or f"{len(bounds)} limits kept"
    yield Figure(f"{results['rows']:,} rows", value, "all kept", kept)


SECTIONS: Mapping[str, Section] = {
    "policies": Section("policies.py", policy_figures, ("--quick",), plot="policies.svg"),
    "sharing": Section("side_by_side.py", sharing_figures, ("--seeds", "3", "--jobs", "200")),
    "cost": Section("cost.py", cost_figures, ("--rows", "20000")),
    "limits": Section("ten_million.py", limits_figures, ("--rows", "200000")),
    "stack": Section("stack_speed.py", stack_figures, ("--rows", "1000", "--waits", "5")),
    "planning": Section("plan_speed.py", planning_figures, ("100000",)),
    "settling": Section("settle_speed.py", settling_figures, ("--rows", "5000")),
    "import_time": Section("import_time.py", import_figures, ("--repeats", "5")),
}


def run_section(name: str, out: Path, *, quick: bool) -> bool:
    """Run a section's script, its results in `<out>/bench/<name>.json`; false when it failed."""
    section = SECTIONS[name]
    folder = out / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(FOLDER / section.script), "--json", str(folder / f"{name}.json")]
    if section.plot:
        command += ["--plot", str(folder / section.plot)]
    # Options before `--json`, so that a list of numbers among them does not go on beyond them.
    command[2:2] = section.quick if quick else ()
    return subprocess.run(command, check=False).returncode == 0


def join(out: Path) -> dict[str, Any]:
    """All sections that have results, as one document."""
    paths = {name: out / "bench" / f"{name}.json" for name in SECTIONS}
    return {
        "machine": {
            "python": platform.python_version(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
        },
        "sections": {
            name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()
        },
    }


def table(document: Mapping[str, Any]) -> Table:
    """The figures that count, of every section."""
    shown = Table(title="Benchmarks", title_justify="left")
    for column in ("section", "figure", "value", "target", "held"):
        shown.add_column(column, justify="right" if column == "value" else "left")
    words = {None: "", True: "yes", False: "no"}
    for name, results in document["sections"].items():
        figures = list(SECTIONS[name].figures(results))
        for number, figure in enumerate(figures):
            shown.add_row(
                "" if number else name,
                figure.name,
                figure.value,
                figure.target,
                words[figure.held],
                end_section=number == len(figures) - 1,
            )
    return shown


def main() -> int:
    parser = argparse.ArgumentParser(description="All benchmarks, and their results together.")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, help="run these; none: just join")
    parser.add_argument("--quick", action="store_true", help="small sizes, few repetitions")
    parser.add_argument("--out", type=Path, default=OUT, help="where bench.json goes")
    arguments = parser.parse_args()
    chosen = list(SECTIONS) if arguments.only is None else arguments.only
    out, quick = arguments.out, arguments.quick
    failed = [name for name in chosen if not run_section(name, out, quick=quick)]
    document = join(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table(document))
    for name in failed:
        console.print(f"The section {name} failed; what it printed says why.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
