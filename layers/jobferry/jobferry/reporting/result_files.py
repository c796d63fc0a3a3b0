"""Result files: one CSV per outcome, every original column kept, safe to open in a spreadsheet.

Written as streams of parts, so that a run of any size closes in flat memory, and resumable, so
that it may take longer than a function may run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.formula_injection import defuse, undefuse
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.reporting.formatting import visible
from jobferry.store.objects import PART_BYTES, Objects

CONTENT_TYPE = "text/csv; charset=utf-8"
BOM = b"\xef\xbb\xbf"


def result_key(run_id: str, name: str) -> str:
    """Archive key of a result file."""
    return f"results/{run_id}/{name}"


def part_bytes(parts: int) -> int:
    """Size of the next part of a file that has so many already.

    S3 takes 10,000 parts. The later ones are larger, so that these are half a terabyte.
    """
    return PART_BYTES << min(3, parts // 1_000)


def partial_key(run_id: str, name: str) -> str:
    """Archive key of something that is kept only until the run is closed (days, by lifecycle)."""
    return f"partial/{run_id}/{name}"


@dataclass
class _File:
    """One result file being written: parts already in the archive, and a buffer."""

    rows: int = 0
    upload_id: str | None = None
    tags: list[str] = field(default_factory=list)
    buffer: io.BytesIO = field(default_factory=io.BytesIO)

    def write(self, text: str) -> None:
        """What `csv.writer` calls."""
        self.buffer.write(text.encode())


class ResultLines:
    """The lines of result files, which look like the source: the same columns in the same order.

    The columns that Jobferry adds replace those of an earlier run.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._kept = [i for i, name in enumerate(dialect.header) if name not in RESULT_COLUMNS]
        self._resent = len(self._kept) < len(dialect.header)
        names = [dialect.header[i] for i in self._kept]
        self.header = [*self._safe(names), *RESULT_COLUMNS]

    def line(self, cells: Sequence[str], outcome: Outcome) -> list[str]:
        """The cells of one row with its outcome."""
        own = (
            str(outcome.row),
            outcome.status.value,
            outcome.vendor_id or "",
            # A vendor's words: `cat` of the file must not run what is in them.
            visible(outcome.error_code or ""),
            visible(outcome.error or ""),
        )
        kept = [cells[i] if i < len(cells) else "" for i in self._kept]
        return [*self._safe(kept), *map(defuse, own)]

    def _safe(self, cells: Sequence[str]) -> Sequence[str]:
        """Cells that no spreadsheet runs.

        In a file of ours they are defused already; but anybody may write a header like ours.
        """
        if self._resent:
            cells = [undefuse(cell) for cell in cells]
        return [defuse(cell) for cell in cells]


class ResultFiles:
    """Writes `succeeded.csv`, `failed.csv`, `rejected.csv`, `skipped.csv` and `unknown.csv`.

    They have the source's delimiter, and the lines of `ResultLines`.

    Args:
        marked: begin with a byte order mark whatever they hold. Those that hold more than ASCII do
            so in any case: Excel takes them for text of its own code page otherwise.
        state: what `pause` returned, to go on; None to begin.
    """

    def __init__(
        self,
        run_id: str,
        dialect: Dialect,
        objects: Objects,
        *,
        marked: bool,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._run_id = run_id
        self._objects = objects
        self._marked = marked
        self._lines = ResultLines(dialect)
        self._files = {
            status: _File() if state is None else self._restored(state[status.value])
            for status in OutcomeStatus
        }
        self._writers = {
            status: csv.writer(file, delimiter=dialect.delimiter, lineterminator="\r\n")
            for status, file in self._files.items()
        }
        if state is None:
            for writer in self._writers.values():
                writer.writerow(self._lines.header)

    @property
    def counts(self) -> dict[OutcomeStatus, int]:
        """Rows written so far, by outcome."""
        return {status: file.rows for status, file in self._files.items()}

    def add(self, cells: Sequence[str], outcome: Outcome) -> None:
        """Write one row with its outcome."""
        file = self._files[outcome.status]
        file.rows += 1
        self._writers[outcome.status].writerow(self._lines.line(cells, outcome))
        if file.buffer.tell() >= part_bytes(len(file.tags)):
            self._put_part(outcome.status, file)

    def pause(self, row: int) -> dict[str, Any]:
        """Put what is written up to `row` into the archive; returns the state to go on from.

        Under keys of their own, so that an earlier state stays good until this one is noted.
        """
        state: dict[str, Any] = {}
        for status, file in self._files.items():
            key = partial_key(self._run_id, f"{row:010d}.{status.value}")
            self._objects.put(key, file.buffer.getvalue(), CONTENT_TYPE)
            state[status.value] = {
                "rows": file.rows,
                "upload_id": file.upload_id,
                "tags": file.tags,
                "buffer": key,
            }
        return state

    def finish(self) -> list[str]:
        """Complete all files; returns their names."""
        names = []
        for status, file in self._files.items():
            name = f"{status.value}.csv"
            key = result_key(self._run_id, name)
            if file.upload_id is None:
                self._objects.put(key, self._beginning(file), CONTENT_TYPE)
            else:
                if file.buffer.tell():
                    self._put_part(status, file)
                self._objects.end_upload(key, file.upload_id, file.tags)
            names.append(name)
        return names

    def _restored(self, saved: Mapping[str, Any]) -> _File:
        file = _File(saved["rows"], saved["upload_id"], list(saved["tags"]))
        file.buffer.write(self._objects.get(saved["buffer"]))
        return file

    def _beginning(self, file: _File, *, unknown: bool = False) -> bytes:
        """What a file begins with, the byte order mark included where there is one."""
        body = file.buffer.getvalue()
        marked = self._marked or unknown or not body.isascii()
        return BOM + body if marked and not body.startswith(BOM) else body

    def _put_part(self, status: OutcomeStatus, file: _File) -> None:
        key = result_key(self._run_id, f"{status.value}.csv")
        body = file.buffer.getvalue()
        if file.upload_id is None:
            # Whether a large file will hold more than ASCII is not known yet.
            body = self._beginning(file, unknown=True)
            file.upload_id = self._objects.begin_upload(key, CONTENT_TYPE)
        number = len(file.tags) + 1
        file.tags.append(self._objects.put_part(key, file.upload_id, number, body))
        file.buffer = io.BytesIO()
