"""Every benchmark in one go: results in `build/bench.json`, the figures that count as a table.

    python benchmarks/report.py [--only SECTION …] [--quick] [--out DIR]

Each section is a script of its own that can be run alone. A section that is not run now keeps the
results that it had; one that fails is reported, and the others go on. The answer is 1 when a
section failed or a target was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.targets import (
    Figures,
    cost_figures,
    import_figures,
    limits_figures,
    planning_figures,
    policy_figures,
    settling_figures,
    sharing_figures,
    small_figures,
    stack_figures,
)

FOLDER = Path(__file__).resolve().parent
OUT = FOLDER.parent / "build"


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


SECTIONS: Mapping[str, Section] = {
    "policies": Section("policies.py", policy_figures, ("--quick",), plot="policies.svg"),
    "sharing": Section("side_by_side.py", sharing_figures, ("--quick",)),
    "cost": Section("cost.py", cost_figures, ("--jobs", "100", "--latency", "5", "60")),
    "small_files": Section("small_files.py", small_figures, ("--seeds", "2")),
    "limits": Section("ten_million.py", limits_figures, ("--rows", "100000")),
    "stack": Section("stack_speed.py", stack_figures, ("--rows", "1000", "--waits", "5")),
    "planning": Section("plan_speed.py", planning_figures, ("100000",)),
    "settling": Section("settle_speed.py", settling_figures, ("--rows", "5000")),
    "import_time": Section("import_time.py", import_figures, ("--repeats", "3")),
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
    for column in ("section", "figure", "result", "target", ""):
        shown.add_column(column, justify="right" if column == "result" else "left")
    words = {None: "", True: "met", False: "[red]missed[/]"}
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


def missed_figures(document: Mapping[str, Any]) -> list[str]:
    """The lines whose target was missed, by name."""
    return [
        figure.name
        for name, results in document["sections"].items()
        for figure in SECTIONS[name].figures(results)
        if figure.held is False
    ]


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
    missed = missed_figures(document)
    console.print(f"{len(missed)} targets missed.")
    return 1 if failed or missed else 0


if __name__ == "__main__":
    sys.exit(main())
