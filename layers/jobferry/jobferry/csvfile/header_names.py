"""Names in the header: as people see them, and where each wanted column stands."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from jobferry.csvfile.blanks import INVISIBLE, invisible_in
from jobferry.domain.error_codes import FileRefused, RefusalCode, column_letters

RESULT_COLUMNS = (
    "jobferry_row",
    "jobferry_status",
    "jobferry_vendor_id",
    "jobferry_error_code",
    "jobferry_error",
)
"""Columns that result files add. A file that has one is taken for a result file that was mended."""

_NAMED_COLUMNS = 10


def fold_name(name: str) -> str:
    """A column's name as people see it: without what is invisible, one blank for several, one kind
    of apostrophe, letters and their accents composed."""
    seen = name.translate(_UNSEEN).translate(_APOSTROPHES)
    return unicodedata.normalize("NFC", " ".join(seen.split()))


_UNSEEN = dict.fromkeys(map(ord, INVISIBLE))
_APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u2018\u02bc\u00b4`"), "'")


def places_of(names: Sequence[str], wanted: Iterable[str]) -> Mapping[str, int]:
    """Where each wanted column stands: by its name, or by what people see of it."""
    exact: dict[str, list[int]] = {}
    folded: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        exact.setdefault(name, []).append(index)
        folded.setdefault(fold_name(name), []).append(index)
    wanted = list(dict.fromkeys(wanted))
    places = {name: exact.get(name) or folded.get(fold_name(name), []) for name in wanted}
    missing = [name for name in wanted if not places[name]]
    if missing:
        raise _missing(missing, names, none_found=len(missing) == len(wanted))
    for name in wanted:
        if len(places[name]) > 1:
            letters = " and ".join(map(column_letters, places[name]))
            raise FileRefused(
                RefusalCode.DUPLICATE_COLUMN,
                f'The columns {letters} are both named "{name}", and the profile uses that name. '
                "Rename or delete one of them.",
            )
    return {name: places[name][0] for name in wanted}


def _missing(missing: Sequence[str], names: Sequence[str], *, none_found: bool) -> FileRefused:
    listed = ", ".join(f'"{name}"' for name in missing[:_NAMED_COLUMNS])
    if len(missing) > _NAMED_COLUMNS:
        listed += f" and {len(missing) - _NAMED_COLUMNS} more"
    folded = {fold_name(name).casefold(): index for index, name in enumerate(names)}
    if any(fold_name(name).casefold() in folded for name in missing):
        return FileRefused(
            RefusalCode.MISSING_COLUMN,
            f"The header lacks {listed}, which the profile needs. Capital letters count: write "
            "the names in the header exactly as in the profile.",
        )
    unseen = next((i for i, name in enumerate(names) if invisible_in(name)), None)
    hint = (
        ""
        if unseen is None
        else f" Column {column_letters(unseen)} has an invisible character in its name "
        f"({invisible_in(names[unseen])}): type the name anew."
    )
    if none_found:
        return FileRefused(
            RefusalCode.NO_HEADER,
            f"The first line is not the header that the profile needs: it has none of {listed}. "
            f"Make the line with the column names the first one, with nothing above it.{hint}",
        )
    return FileRefused(
        RefusalCode.MISSING_COLUMN,
        f"The header lacks {listed}, which the profile needs. "
        f"Add what is missing, or take it out of the profile.{hint}",
    )
