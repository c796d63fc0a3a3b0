"""The results of the policies as one picture: time and requests over latency, and growth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

Cell = Mapping[str, Any]

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def draw(results: Mapping[str, Any], path: Path) -> None:
    """Write the picture; its format follows from the ending of the name."""
    cells: Sequence[Cell] = results["cells"]
    usual = results["usual"]
    limits = ("max_jobs", "requests_per_minute")
    grid = [
        c
        for c in cells
        if c["section"] == "grid" and all(c[name] == usual[name] for name in limits)
    ]
    growth = [c for c in cells if c["section"] == "growth"]
    policies = list(dict.fromkeys(c["policy"] for c in cells))
    account = f"J = {usual['max_jobs']}, R = {usual['requests_per_minute']} a minute"
    columns = (
        (grid, "latency", "job latency L, s", f"{results['jobs']} jobs, {account}"),
        (growth, "jobs", "jobs K", f"L = {usual['latency']:.0f} s, {account}"),
    )
    rows = (
        ("least_ratio", "wall time ÷ least possible"),
        ("request_ratio", "requests ÷ fewest possible"),
    )
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), sharex="col", layout="constrained")
    for column, (chosen, x, x_label, title) in enumerate(columns):
        for row, (y, y_label) in enumerate(rows):
            axis = axes[row][column]
            _lines(axis, chosen, policies, x, y)
            axis.set_ylabel(y_label)
        axes[0][column].set_title(title)
        axes[1][column].set_xlabel(x_label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _lines(axis: Axes, cells: Iterable[Cell], policies: Sequence[str], x: str, y: str) -> None:
    cells = list(cells)
    for number, policy in enumerate(policies):
        points = sorted((c[x], c[y]) for c in cells if c["policy"] == policy)
        axis.plot(
            [point[0] for point in points],
            [point[1] for point in points],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=4,
            label=policy,
        )
    axis.axhline(1.0, color="0.6", linewidth=0.8, linestyle="--")
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.grid(visible=True, which="major", color="0.92")
    axis.yaxis.set_major_formatter(lambda value, _position: f"{value:g}")
    axis.xaxis.set_major_formatter(lambda value, _position: f"{value:,g}")
