"""What `plan --out` writes: the page, and the rows that would not be sent, to be mended."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from jobferry.csvfile.dialect import Dialect
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.csvfile.reader import read_rows
from jobferry.domain.commands import command, other_command
from jobferry.domain.outcome import Outcome, RejectedRow
from jobferry.reporting.result_files import BOM, ResultLines
from jobferry.runtime.settings import Settings
from jobferry_cli.errors import CommandError
from jobferry_cli.plan_page import plan_page
from jobferry_cli.source_file import plain

PAGE_NAME, CSV_NAME = "plan.html", "plan-rejected.csv"


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the page and the rows go; None: they are not written."""

    page: Path | None
    rows: Path | None

    @property
    def paths(self) -> list[Path]:
        return [path for path in (self.page, self.rows) if path is not None]


def targets_of(out: str, file: Path, profile: str) -> Targets:
    """What `--out` names: a page, a CSV, or a folder for both.

    Raises:
        CommandError: it names something else, or a file that must not be overwritten.
    """
    path = Path(out)
    suffix = path.suffix.lower()
    if path.is_dir() or out.endswith(("/", "\\")) or not suffix:
        found = Targets(path / PAGE_NAME, path / CSV_NAME)
    elif suffix in (".html", ".htm"):
        found = Targets(path, None)
    elif suffix == ".csv":
        found = Targets(None, path)
    else:
        raise CommandError(
            f"--out {out} is neither a .html, a .csv, nor a folder.",
            next_command=command("plan", file, "--profile", profile, "--out", f"{path.stem}/"),
        )
    _keep_others(found, file, profile)
    return found


def _keep_others(targets: Targets, file: Path, profile: str) -> None:
    """Refuse to overwrite what no plan has written: the file itself, for one."""
    rows = targets.rows
    if rows is None or not rows.exists() or _is_ours(rows):
        return
    raise CommandError(
        f"{rows} is there already, and no plan has written it.",
        next_command=command("plan", file, "--profile", profile, "--out", rows.with_name(CSV_NAME)),
        error_code="file_exists",
    )


def _is_ours(rows: Path) -> bool:
    with rows.open("rb") as stream:
        first = stream.readline()
    return RESULT_COLUMNS[-1].encode() in first


def write_files(
    targets: Targets,
    document: Mapping[str, Any],
    file: Path,
    dialect: Dialect,
    bad_rows: Sequence[RejectedRow],
    settings: Settings,
) -> None:
    """Write page and rows.

    Args:
        document: of `plan_document.planned_document`.
        dialect: of the file.

    Raises:
        CommandError: they cannot be written.
    """
    try:
        for path in targets.paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        if targets.rows is not None:
            with plain(file, settings.max_file_bytes) as source:
                write_rows(targets.rows, source, dialect, bad_rows)
        if targets.page is not None:
            csv_name = None if targets.rows is None else targets.rows.name
            targets.page.write_text(plan_page(document, csv_name), encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"{error.filename or targets.paths[0]} cannot be written: {error.strerror}.",
            next_command=other_command("ls", "-ld", targets.paths[0].parent),
        ) from None


def write_rows(path: Path, source: Path, dialect: Dialect, bad_rows: Sequence[RejectedRow]) -> None:
    """Write the rows that would not be sent, with the columns of result files."""
    lines = ResultLines(dialect)
    by_row = {bad.row: bad for bad in bad_rows}
    last = max(by_row, default=0)
    with tempfile.TemporaryFile() as written:
        marked = _Marked(written)
        writer = csv.writer(marked, delimiter=dialect.delimiter, lineterminator="\r\n")
        writer.writerow(lines.header)
        with source.open("rb") as stream:
            stream.seek(dialect.data_offset)
            for row in read_rows(stream, dialect, offset=dialect.data_offset, row=0):
                if row.number > last:
                    break
                bad = by_row.get(row.number)
                if bad is not None:
                    outcome = Outcome(bad.row, bad.status, error_code=bad.code, error=bad.reason)
                    writer.writerow(lines.line(row.cells, outcome))
        written.seek(0)
        with path.open("wb") as out:
            # As in result files: Excel takes a file for text of its own code page otherwise.
            out.write(BOM if marked.beyond_ascii else b"")
            shutil.copyfileobj(written, out)


class _Marked:
    """Takes what `csv.writer` writes, and notes whether any of it is beyond ASCII."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.beyond_ascii = False

    def write(self, text: str) -> int:
        self.beyond_ascii = self.beyond_ascii or not text.isascii()
        return self._out.write(text.encode())
