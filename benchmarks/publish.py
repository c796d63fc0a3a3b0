"""Put the figures of the last full run into `docs/performance.md`.

    python benchmarks/report.py && python benchmarks/publish.py

Reads `build/bench.json`, writes the lines that people look at to `docs/figures.json`, and their
table between the markers of the page. A test holds page and file equal, so the table cannot be
changed by hand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "layers" / "jobferry"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.report import OUT, SECTIONS
from virtual.charges import AWS

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
FIGURES = DOCS / "figures.json"

BEGIN = "<!-- figures: written by benchmarks/publish.py -->"
END = "<!-- end of figures -->"

NOT_YET = "*No full run has been published yet.*"

Line = Mapping[str, Any]


def figures_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What is published of a run: its lines, and the charged cells beside the peers."""
    cells = document["sections"].get("policies", {}).get("policies", {}).get("cells", ())
    names = ("max_jobs", "requests_per_minute", "latency", "policy", "least_ratio",
             "slot_use", "request_ratio", "opening", "closing", "seeds")  # fmt: skip
    return {
        "machine": document["machine"],
        "lines": [
            {
                "section": section,
                "name": figure.name,
                "value": figure.value,
                "target": figure.target,
                "held": figure.held,
            }
            for section, results in document["sections"].items()
            for figure in SECTIONS[section].figures(results)
        ],
        "cells": [
            {name: cell[name] for name in names} for cell in cells if cell["section"] == "targets"
        ],
    }


def section(figures: Mapping[str, Any]) -> str:
    """The page's part between the markers."""
    if not figures["lines"]:
        return f"{NOT_YET}\n"
    machine = figures["machine"]
    text = [
        f"*{machine['cores']} cores, {machine['processor']}, Python {machine['python']}.*",
        "",
        *_targets(figures["lines"]),
    ]
    if figures["cells"]:
        text += ["", *_cells(figures["cells"])]
    return "\n".join(text) + "\n"


def _targets(lines: Sequence[Line]) -> Iterator[str]:
    words = {None: "", True: "met", False: "**missed**"}
    yield "| section | figure | result | target | |"
    yield "|---|---|---|---|---|"
    for line in lines:
        parts = (line["section"], line["name"], line["value"], line["target"], words[line["held"]])
        yield f"| {' | '.join(parts)} |"


def _cells(cells: Sequence[Line]) -> Iterator[str]:
    """Each account and latency on a line, the policies beside each other."""
    policies = list(dict.fromkeys(cell["policy"] for cell in cells))
    yield "Wall time ÷ least · requests ÷ fewest:"
    yield ""
    yield f"| J | R | L | {' | '.join(policies)} |"
    yield "|" + "---|" * (3 + len(policies))
    places = dict.fromkeys((c["max_jobs"], c["requests_per_minute"], c["latency"]) for c in cells)
    for place in places:
        found = {
            c["policy"]: f"{c['least_ratio']:.2f} · {c['request_ratio']:.2f}"
            for c in cells
            if (c["max_jobs"], c["requests_per_minute"], c["latency"]) == place
        }
        max_jobs, rate, latency = place
        values = " | ".join(found.get(policy, "") for policy in policies)
        yield f"| {max_jobs} | {rate:,} | {latency:g} s | {values} |"


def page_with(page: str, part: str) -> str:
    """The page with another part between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no markers for figures")
    return f"{before}{BEGIN}\n{part}{END}{after}"


def charges_table() -> str:
    """The assumed figures, as the page shows them."""
    waits = ("read", "write", "transaction", "batch", "put", "get", "secret", "invoke",
             "cold_start", "map_start")  # fmt: skip
    return " · ".join(
        f"{name.replace('_', ' ')} {1000 * getattr(AWS, name):g} ms" for name in waits
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Publish the figures of the last full run.")
    parser.add_argument("--bench", type=Path, default=OUT / "bench.json")
    arguments = parser.parse_args()
    figures = figures_of(json.loads(arguments.bench.read_text()))
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    FIGURES.write_text(text + "\n", encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page_with(page, section(figures)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
