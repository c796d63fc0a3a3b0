"""Rows that csv cannot read: why, and what can be shown of them."""

from __future__ import annotations

import csv

from jobferry.csvfile.dialect import Dialect
from jobferry.domain.error_codes import CUT_MARK, Problem, RejectCode


def unreadable(failure: csv.Error | None, sizes: list[int], limit: int) -> tuple[int, Problem]:
    """How many of the lines are one bad row, and why, when csv could not make a row of them.

    failure  csv's own words; None when the record was merely too long
    sizes    bytes of the lines that csv had taken when it gave up
    """
    words = str(failure)
    if sizes[0] > limit:
        return 1, Problem(
            RejectCode.ROW_TOO_LARGE,
            f"The row is larger than {limit // 1024:,} KB. Shorten its cells.",
        )
    if "new-line character" in words and sum(sizes) <= limit:
        return len(sizes), Problem(
            RejectCode.STRAY_LINE_BREAK,
            "The row contains a line break of another kind than the rest of the file, outside "
            "quotation marks. Remove it, or save the file again as CSV UTF-8.",
        )
    if len(sizes) > 1 or "unexpected end" in words:
        return 1, Problem(
            RejectCode.UNCLOSED_QUOTE,
            'A quotation mark (") opens a cell in this line and is not closed properly. '
            'Close it, or write "" for a quotation mark inside a quoted cell.',
        )
    return 1, Problem(
        RejectCode.TEXT_AFTER_QUOTE,
        'Text follows a closing quotation mark ("). '
        'Write "" for a quotation mark inside a quoted cell.',
    )


def unclosed_over(lines: int) -> Problem:
    below = "line below" if lines == 2 else f"{lines - 1:,} lines below"
    return Problem(
        RejectCode.UNCLOSED_QUOTE,
        'A quotation mark (") opens a cell in this line and is not closed properly. Nothing of the '
        f'{below} is sent, as it may belong to the cell. Close it, or write "" for a quotation '
        "mark inside a quoted cell.",
    )


def legible(text: str, dialect: Dialect) -> list[str]:
    """Whatever cells can be made out in a bad row, to show it to a person."""
    text = text.rstrip("\r\n")
    try:
        return next(csv.reader([text.replace("\r", " ")], delimiter=dialect.delimiter), [])
    except csv.Error:
        return [text]


def cut_cells(cells: list[str], size: int) -> list[str]:
    """What is kept of a row that is too large for a result file, marked so that nobody takes it for
    the row, and that it is not sent again."""
    mark = f"{CUT_MARK} {size:,} bytes, of which this is the beginning:"
    return [f"{mark} {cell}" for cell in cells] or [mark]
