"""How far a run is, on stderr: a bar and figures on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TransferSpeedColumn,
)

from jobferry.operator.progress import (
    WINDOW_SECONDS,
    Document,
    Pace,
    forecast_seconds,
    jobs_in_flight,
    pace,
    settled,
    shown_status,
)
from jobferry.reporting.formatting import counted, duration, number, share
from jobferry_cli.output import Part, live_block, note, progress_bar

Show = Callable[[Document], None]

LINE_SECONDS = 5.0
"""Of the run, at the least, between two plain lines that say the same status."""

MOST_BAR = 40
LEAST_BAR = 10
"""Columns of a bar. A narrower one shows nothing."""

_BETWEEN = " · "
_OUTCOMES = {
    "succeeded": ("ok", "green"),
    "failed": ("failed", "red"),
    "rejected": ("rejected", "yellow"),
    "skipped": ("skipped", ""),
    "unknown": ("unknown", "magenta"),
}
_ALWAYS = frozenset({"succeeded", "failed"})
"""Counts that are shown even if they are 0: nobody should have to guess that nothing failed."""


def outcome_parts(document: Document) -> list[Part]:
    """The counts of a run by outcome: `98 ok`, `2 failed` …"""
    return [
        (f"{number(count)} {word}", style if count else "")
        for name, (word, style) in _OUTCOMES.items()
        if (count := document["outcomes"][name]) or name in _ALWAYS
    ]


def pace_parts(document: Document, found: Pace) -> list[str]:
    """Time gone, speed, time left, and what was forecast."""
    parts = [duration(round(document["seconds"]))]
    if found.rows_per_minute is not None:
        parts.append(f"{number(round(found.rows_per_minute))} rows/min")
    if found.seconds_left is not None:
        parts.append(f"about {duration(round(found.seconds_left))} left")
    expected = forecast_seconds(document)
    if expected is not None:
        parts.append(f"forecast {duration(round(expected))}")
    return parts


def progress_line(document: Document, seen: Sequence[Document] = ()) -> str:
    """A run's progress in words.

    Args:
        seen: earlier documents of the run, which tell how fast it is now.
    """
    if document["status"] == "planning":
        return _planning(document)
    rows, done = document["rows"], settled(document)
    counts = ", ".join(text for text, _ in outcome_parts(document))
    parts = [
        f"{share(done, rows)}, {number(done)} of {counted(rows, 'row')}: {counts}",
        f"{counted(jobs_in_flight(document), 'job')} in flight",
        ", ".join(pace_parts(document, pace([*seen, document]))),
    ]
    return f"{shown_status(document)}: {'; '.join(parts)}"


def _planning(document: Document) -> str:
    found = counted(document["rows"], "row")
    return f"planning: {found} so far, {duration(document['seconds'])}"


def progress_lines(
    document: Document, seen: Sequence[Document], width: int, ascii_only: bool = False
) -> list[list[Part]]:
    """The same for a terminal of so many columns: a bar, and figures below or beside it."""
    if document["status"] == "planning":
        return _packed([(part, "") for part in _planning(document).split(", ")], width)
    rows, done = document["rows"], settled(document)
    word = shown_status(document)
    of = f"{number(done)} of {counted(rows, 'row')}"
    ends = len(word) + len(share(done, rows)) + 2
    figures: list[Part] = [
        *outcome_parts(document),
        (f"{counted(jobs_in_flight(document), 'job')} in flight", ""),
        *((part, "") for part in pace_parts(document, pace([*seen, document]))),
    ]
    beside = len(_BETWEEN) + len(of) if width >= ends + LEAST_BAR + len(of) + 4 else 0
    if not beside:
        figures.insert(0, (of, ""))
    rest = _packed(figures, width)
    room = width - ends - beside - 1
    # On a wide terminal everything fits into one line.
    one = room - len(_BETWEEN) - sum(len(text) for text, _ in rest[0])
    single = len(rest) == 1 and one >= LEAST_BAR
    first = [
        (f"{word} ", "bold"),
        *_bar(done / rows if rows else 1.0, one if single else room, ascii_only),
        (f" {share(done, rows)}", ""),
        *([(_BETWEEN + of, "")] if beside else []),
    ]
    return [[*first, (_BETWEEN, ""), *rest[0]]] if single else [first, *rest]


def _bar(part: float, room: int, ascii_only: bool) -> list[Part]:
    """A bar of which a part is full; only what is whole is shown as full."""
    width = max(LEAST_BAR, min(MOST_BAR, room))
    full = min(width, int(part * width))
    done, open_ = ("#", "-") if ascii_only else ("━", "╌")
    return [(done * full, "cyan"), (open_ * (width - full), "dim")]


def _packed(parts: Sequence[Part], width: int) -> list[list[Part]]:
    """As few lines as the parts fit into, each part whole."""
    lines: list[list[Part]] = []
    used = 0
    for text, style in parts:
        if lines and used + len(_BETWEEN) + len(text) <= width:
            lines[-1] += [(_BETWEEN, "dim"), (text, style)]
            used += len(_BETWEEN) + len(text)
        else:
            lines.append([(text, style)])
            used = len(text)
    return lines


@contextmanager
def shown_progress() -> Iterator[Show]:
    """What to call with each new status document."""
    with live_block() as put:
        if put is None:
            yield _plain_lines()
            return
        put(lambda _width, _ascii: [[("waiting for the run to begin", "")]])
        seen = _Seen()

        def show(document: Document) -> None:
            before = seen.before(document)
            put(lambda width, ascii_only: progress_lines(document, before, width, ascii_only))

        yield show


class _Seen:
    """Documents of the last minute of a run."""

    def __init__(self) -> None:
        self._documents: deque[Document] = deque()

    def before(self, document: Document) -> tuple[Document, ...]:
        """Those of before, of which the new one is the next."""
        before = self._documents
        while before and before[0]["seconds"] < document["seconds"] - WINDOW_SECONDS:
            before.popleft()
        found = tuple(before)
        before.append(document)
        return found


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
    seen = _Seen()

    def show(document: Document) -> None:
        nonlocal last
        before = seen.before(document)
        now = (
            shown_status(document),
            (settled(document), jobs_in_flight(document)),
            float(document["seconds"]),
        )
        status_changed = last is None or now[0] != last[0]
        if status_changed or (last and now[1] != last[1] and now[2] - last[2] >= LINE_SECONDS):
            note(progress_line(document, before))
            last = now

    return show
