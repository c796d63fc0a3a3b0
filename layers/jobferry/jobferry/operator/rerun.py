"""Repeat: rows of a closed run once more, from the very file that it carried.

A row that was carried out is never sent again by itself: a retry takes the rows that failed, and
a re-run of an operation that would do things twice leaves out what was done or may have been. The
rows are copied byte for byte below the original header, so they read as they did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from jobferry.csvfile.dialect import SAMPLE_BYTES, Dialect, detect
from jobferry.csvfile.lines import LINE_LIMIT, ByteStream
from jobferry.csvfile.reader import ROW_LIMIT, read_rows
from jobferry.deps import Deps
from jobferry.domain.error_codes import RejectCode
from jobferry.domain.inbox import copy_names, delimiter_of, plain_suffix, suffix_of
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.domain.profile import Profile
from jobferry.domain.run import Run
from jobferry.operator.job_control import RunOpenError

WINDOW_BYTES = 2 * ROW_LIMIT + 4 * LINE_LIMIT
"""Bytes behind the reader that are kept: any row that can be sent is among them, as the reader
never holds more than a row and a line, whose characters take four bytes at the most."""


class LeftOut(StrEnum):
    """Why a row does not go again."""

    NOT_ASKED = "not_asked"
    SUCCEEDED = "succeeded"
    UNKNOWN = "unknown"
    """It may have been carried out."""
    REPEATS = "repeats"
    """It has the key of another row of the file, which is the one that counts."""
    UNREADABLE = "unreadable"
    """It is no row that could be sent: a quotation mark is left open, a cell is missing."""


class OutcomesMissingError(Exception):
    """Outcomes of the run are gone, as those of a run whose time is up."""


class ReadsOtherwiseError(Exception):
    """The rows alone would be taken for a file that is written in another way."""


RowFilter = Callable[[Outcome], LeftOut | None]
"""Why a row stays behind; None when it goes again."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What of a run goes again.

    name   of the new file, the same for the same rows of the same run
    row_filter  None: the whole file, as it is
    """

    name: str
    row_filter: RowFilter | None


@dataclass(frozen=True, slots=True)
class Copied:
    """How many rows were copied, and how many stay behind, by reason."""

    rows: int
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)


def retry_of(run: Run, wanted: Iterable[OutcomeStatus]) -> Repeat:
    """The rows of a run that ended so."""
    chosen = [status for status in OutcomeStatus if status in set(wanted)]
    return Repeat(
        f"{copy_names('retry', run.run_id)}{'-'.join(chosen)}{plain_suffix(run.source.key)}",
        lambda outcome: None if outcome.status in chosen else LeftOut.NOT_ASKED,
    )


def rerun_of(run: Run, *, repeatable: bool) -> Repeat:
    """The whole run; of one that must not be repeated, what was surely not carried out.

    Args:
        repeatable: sending a row twice does no harm, or was asked for.
    """
    done = (OutcomeStatus.SUCCEEDED, OutcomeStatus.UNKNOWN)
    names = copy_names("rerun", run.run_id)
    if repeatable or not any(run.outcomes.get(status) for status in done):
        # The source itself goes again, packed as it is.
        return Repeat(f"{names}all{suffix_of(run.source.key) or '.csv'}", None)
    return Repeat(f"{names}rest{plain_suffix(run.source.key)}", _undone)


_REPEATS = frozenset({RejectCode.DUPLICATE_ROW_KEY, RejectCode.CONFLICTING_ROW_KEY})


def _undone(outcome: Outcome) -> LeftOut | None:
    match outcome.status:
        case OutcomeStatus.SUCCEEDED:
            return LeftOut.SUCCEEDED
        case OutcomeStatus.UNKNOWN:
            return LeftOut.UNKNOWN
        case OutcomeStatus.SKIPPED | OutcomeStatus.REJECTED if outcome.error_code in _REPEATS:
            # The row that it repeats may be left out, and then this one would take its place.
            return LeftOut.REPEATS
        case _:
            return None


def copy_rows(run: Run, row_filter: RowFilter, file: BinaryIO, deps: Deps) -> Copied:
    """Write the header and the chosen rows of a run's source into `file`, as they stand there.

    Raises:
        RunOpenError: the run is not closed.
        OutcomesMissingError: the table does not know all rows any more.
    """
    if run.closed_at is None:
        raise RunOpenError(run.run_id)
    dialect = Dialect.from_json(dict(run.plan.dialect or {}))
    start = dialect.data_offset
    file.write(deps.objects.read_range(run.file, 0, start))
    if run.file.size <= start:
        return Copied(0)
    rows = 0
    left_out: Counter[LeftOut] = Counter()
    outcomes = deps.store.rows.between(run.run_id, 1, run.plan.row)
    with deps.objects.stream(run.file, start) as stream:
        window = _Window(stream, start)
        for row in read_rows(window, dialect, offset=start, row=0):
            outcome = next(outcomes, None)
            if outcome is None or outcome.row != row.number:
                raise OutcomesMissingError(run.run_id)
            why = row_filter(outcome)
            if why is None and row.problem is not None:
                why = LeftOut.UNREADABLE
            if why is None:
                file.write(window.bytes_of(row.offset, row.length))
                rows += 1
            else:
                left_out[why] += 1
            window.forget(row.offset + row.length)
    return Copied(rows, left_out)


def check_copy(run: Run, profile: Profile, file: BinaryIO) -> Dialect:
    """How the copied rows are read: as the run read them, also with the profile as it is now.

    Raises:
        FileRefused: the profile wants another file.
        ReadsOtherwiseError: so few rows look like something else.
    """
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    found = detect(
        sample,
        whole=len(sample) < SAMPLE_BYTES,
        encoding=profile.encoding,
        delimiter=profile.delimiter or delimiter_of(run.source.key),
    )
    file.seek(0)
    if not found.reads_like(Dialect.from_json(dict(run.plan.dialect or {}))):
        raise ReadsOtherwiseError(run.run_id)
    return found


class _Window:
    """A stream that keeps the bytes last read of it, so that rows can be copied as they stand.

    Args:
        offset: where in the file the stream begins.
    """

    def __init__(self, stream: ByteStream, offset: int) -> None:
        self._stream = stream
        self._kept = bytearray()
        self._start = offset

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._kept += data
        self.forget(self._start + len(self._kept) - WINDOW_BYTES)
        return data

    def bytes_of(self, offset: int, length: int) -> bytes:
        first = offset - self._start
        return bytes(self._kept[first : first + length])

    def forget(self, offset: int) -> None:
        """Drop what lies before `offset`."""
        if offset > self._start:
            del self._kept[: offset - self._start]
            self._start = offset
