"""How large a file may be, in bytes and in rows, and what is said of one that is larger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jobferry.domain.error_codes import FileRefused, RefusalCode
from jobferry.domain.outcome import RejectedRow

if TYPE_CHECKING:
    from jobferry.csvfile.plan_items import PlanItem

_UNITS = (("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


def bytes_in_words(size: int) -> str:
    """A size as people say it: `5 GiB`, `1.5 MiB`, `700 bytes`."""
    for unit, one in _UNITS:
        if size >= one:
            return f"{size / one:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{size:,} bytes"


def file_too_large(size: int, most: int) -> FileRefused:
    """The refusal of a file that has more bytes than may be."""
    return FileRefused(
        RefusalCode.FILE_TOO_LARGE,
        f"The file has {bytes_in_words(size)}, and files of up to {bytes_in_words(most)} are "
        f"carried. {_split('MaxFileBytes')}",
    )


def unpacked_too_large(most: int) -> FileRefused:
    """The refusal of a packed file that has more bytes than may be when it is unpacked."""
    return FileRefused(
        RefusalCode.FILE_TOO_LARGE,
        f"Unpacked, the file has more than the {bytes_in_words(most)} that are carried. "
        f"{_split('MaxFileBytes')}",
    )


def bounded(items: Iterator[PlanItem], most: int) -> Iterator[PlanItem]:
    """What planning yields, as long as the file has no more rows than may be.

    Raises:
        FileRefused: it has more.
    """
    for item in items:
        if (item.row if isinstance(item, RejectedRow) else item.end_row) > most:
            raise FileRefused(
                RefusalCode.TOO_MANY_ROWS,
                f"The file has more than the {most:,} rows that are carried. "
                f"{_split('MaxRowsPerFile')}",
            )
        yield item


def _split(parameter: str) -> str:
    return f"Split it, or deploy the stack with a larger {parameter}."
