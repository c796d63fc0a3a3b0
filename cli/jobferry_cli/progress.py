"""How far a run is, on stderr: a bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TransferSpeedColumn,
)

from jobferry.reporting.formatting import counted, duration, number
from jobferry_cli.output import note, printable, progress_bar

Document = Mapping[str, Any]
Show = Callable[[Document], None]

LINE_SECONDS = 5.0
"""Of the run, at the least, between two plain lines that say the same status."""


def settled(document: Document) -> int:
    """Rows that have their outcome."""
    return sum(document["outcomes"].values())


def jobs_in_flight(document: Document) -> int:
    jobs = document["jobs"]
    return max(0, int(jobs["submitted"]) - int(jobs["finished"]))


def seconds_left(document: Document) -> float | None:
    """How long the run still takes at the speed it has had; None while that is not known."""
    outcomes = document["outcomes"]
    # Rejected and skipped rows settle at once and say nothing about the vendor's speed.
    processed = outcomes["succeeded"] + outcomes["failed"] + outcomes["unknown"]
    left: int = document["rows"] - settled(document)
    if document["status"] != "running" or document.get("paused") or not processed or left <= 0:
        return None
    return left * float(document["seconds"]) / int(processed)


def progress_line(document: Document) -> str:
    """A run's progress in words: rows settled, jobs in flight, time gone and left."""
    if document["status"] == "planning":
        found = counted(document["rows"], "row")
        return f"planning: {found} so far, {duration(document['seconds'])}"
    parts = [
        f"{number(settled(document))} of {counted(document['rows'], 'row')} settled",
        f"{counted(jobs_in_flight(document), 'job')} in flight",
        duration(document["seconds"]),
    ]
    left = seconds_left(document)
    if left is not None:
        parts.append(f"about {duration(round(left))} left")
    return f"{_word(document)}: {', '.join(parts)}"


def _word(document: Document) -> str:
    return "paused" if document.get("paused") else str(document["status"])


@contextmanager
def shown_progress() -> Iterator[Show]:
    """What to call with each new status document."""
    bar = progress_bar(BarColumn(), TextColumn("{task.description}", markup=False))
    if bar is None:
        yield _plain_lines()
        return
    with bar:
        task = bar.add_task("waiting for the run to begin", total=None)

        def show(document: Document) -> None:
            # Rows are not all known while planning goes on: a bar would fill and fall back.
            planned = document["status"] != "planning"
            bar.update(
                task,
                description=printable(progress_line(document)),
                completed=settled(document),
                total=max(1, document["rows"]) if planned else None,
            )

        yield show


@contextmanager
def shown_upload(total: int) -> Iterator[Callable[[int], None]]:
    """What to call with the size of each part that has arrived, of `total` bytes in all."""
    columns = (TextColumn("uploading"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = progress_bar(*columns, transient=True)
    if bar is None:
        yield lambda _: None
        return
    with bar:
        task = bar.add_task("", total=total)
        yield lambda size: bar.advance(task, size)


def _plain_lines() -> Show:
    last: tuple[str, tuple[int, int], float] | None = None

    def show(document: Document) -> None:
        nonlocal last
        now = (
            _word(document),
            (settled(document), jobs_in_flight(document)),
            float(document["seconds"]),
        )
        status_changed = last is None or now[0] != last[0]
        if status_changed or (last and now[1] != last[1] and now[2] - last[2] >= LINE_SECONDS):
            note(progress_line(document))
            last = now

    return show
