"""How the cells of a column are to be read: type and settings, found from a sample of them.

A reading is chosen only if the product's own parser takes every cell of the sample by it, so that a
row of the sample is not rejected for its sake. What two readings fit stays undecided, and is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobferry.csvfile.converters import cell_parser
from jobferry.domain.error_codes import CellError
from jobferry.domain.profile import Column, ColumnType
from jobferry.vendors.operation import Operation
from jobferry_cli.profile_draft.fields import folded
from jobferry_cli.profile_draft.synonyms import LISTS, PLAIN_TEXTS, WORDS

SEPARATORS = ("|", ";", ",")
DATE_FORMATS = (
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%Y%m%d",
)
TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
_BETWEEN = (" ", ", ", "T")

_MOMENTS = (ColumnType.DATE, ColumnType.DATETIME)
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}([.,])[0-9]{3}")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
_FEW_WORDS = 8
_REPEATED = 3
"""How often each of a few words stands in a sample, on average, that looks like a list of words."""
_SHOWN = 3
_RARE = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found of a column's cells.

    Attributes:
        settings: of the column, without its field: `{"type": "integer"}`
        notes: what somebody should check, a sentence each
        usable: False: nothing can be decided; `settings` is then a proposal to complete
        needs_zone: its times name no time zone
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    usable: bool = True
    needs_zone: bool = False


def parses(cells: Iterable[str], **settings: Any) -> bool:
    """Whether a column of these settings takes every one of the cells."""
    return next(_each_refused(cells, **settings), None) is None


def fits(name: str, operation: Operation, cells: Sequence[str]) -> bool:
    """Whether cells can be meant for a field at all: most of them are of its type."""
    kind = operation.types.get(name) or operation.usual_types.get(name)
    if not cells or kind in (None, ColumnType.STRING, ColumnType.LIST):
        return True
    if kind in _MOMENTS:
        return bool(_moments(cells) or _formats(cells, with_time=True)) or _plausible(cells)
    refused = len(_refused(cells, type=kind))
    return 2 * refused <= len(set(cells))


def reading_of(
    name: str, operation: Operation, cells: Sequence[str], zone: str | None = None
) -> Reading:
    """How the cells of a column for this field are read.

    Args:
        name: the field's path.
        cells: those of the sample that are not empty, without blanks at their ends.
        zone: time zone of times that name none; None: not known.
    """
    words = operation.values.get(name)
    if words:
        return _of_words(name, words, cells)
    kind = operation.types.get(name) or operation.usual_types.get(name)
    last = name.rpartition(".")[2].partition("[")[0]
    if kind is None and last in LISTS:
        kind = ColumnType.LIST
    if kind is None and last in PLAIN_TEXTS:
        return Reading()
    if kind is None:
        return _guessed(cells, zone)
    if kind is ColumnType.LIST:
        return _of_list(last, cells)
    if kind is ColumnType.DATETIME:
        found = _of_moments(cells, zone)
        if found.usable and found.settings["type"] == "date":
            note = "holds days without a time, and is sent so"
            return replace(found, notes=(*found.notes, note))
        return found
    return _of_type(kind, cells)


def _of_type(kind: ColumnType, cells: Sequence[str]) -> Reading:
    """Cells of a field whose type is known."""
    if kind is ColumnType.NUMBER:
        return _number(cells) or Reading({"type": kind.value}, (_some_refused(kind, cells),))
    refused = _refused(cells, type=kind)
    notes = (_some_refused(kind, cells),) if refused else ()
    return Reading({"type": kind.value}, notes)


def _some_refused(kind: ColumnType, cells: Sequence[str]) -> str:
    refused = _refused(cells, type=kind)
    return (
        f"the field is of type {kind.value}, and some cells are not, such as {quoted(refused)}: "
        "their rows would be rejected"
    )


def _of_words(name: str, words: Sequence[str], cells: Sequence[str]) -> Reading:
    """A field that takes certain words only."""
    enum = {"enum": list(words)}
    if parses(cells, enum=tuple(words)):
        return Reading(enum)
    meant: dict[str, str] = {}
    unclear: list[str] = []
    by_fold = {folded(word): word for word in words}
    known = {folded(word): meaning for word, meaning in WORDS.get(name, {}).items()}
    for cell in dict.fromkeys(cells):
        if parses([cell], enum=tuple(words)):
            continue
        word = by_fold.get(folded(cell)) or known.get(folded(cell)) or ""
        if word in words:
            meant[cell] = word
        else:
            unclear.append(cell)
    settings = {"values": meant} if meant else {}
    if not unclear:
        return Reading({**enum, **settings})
    note = (
        f"{quoted(unclear)} is none of {', '.join(words)}: say what it means with "
        f"values: {{{_plain(unclear[0])}: …}}"
    )
    if _is_rare(unclear, cells):
        return Reading({**enum, **settings}, (f"{note}; such rows would be rejected",))
    return Reading(settings, (f"{note}, or with enum what your account knows besides",))


def _of_list(last: str, cells: Sequence[str]) -> Reading:
    text = "\n".join(cells)
    if cells and all(cell[:1] == "[" for cell in cells) and parses(cells, type=ColumnType.JSON):
        return Reading({"type": "json"})
    found = [each for each in SEPARATORS if each in text]
    if not found and last in ("tags", "additional_tags", "remove_tags") and " " in text:
        # A tag of Zendesk's holds no blank.
        found = [" "]
    settings: dict[str, Any] = {"type": "list"}
    separator = found[0] if found else ","
    notes: tuple[str, ...] = ()
    if cells and not found:
        notes = ("one item each in the sample: a comma parts several, or what separator says",)
    if len(found) > 1:
        separator = max(found, key=text.count)
        named = " and ".join(map(repr, found))
        notes = (f"{named} stand in the cells: separator says which one parts the items",)
    if separator != ",":
        settings["separator"] = separator
    return Reading(settings, notes)


def _guessed(cells: Sequence[str], zone: str | None) -> Reading:
    """A field of which nothing is known but its cells."""
    if not cells:
        return Reading()
    if all(cell[:1] in "{[" for cell in cells) and parses(cells, type=ColumnType.JSON):
        return Reading({"type": "json"})
    if parses(cells, type=ColumnType.INTEGER):
        if any(map(_LEADING_ZERO.fullmatch, cells)):
            return Reading({}, ("numbers with leading zeros: sent as texts",))
        if set(cells) == {"0", "1"}:
            return Reading({"type": "integer"}, ("may be type: boolean as well",))
        return Reading({"type": "integer"})
    number = _number(cells)
    if number is not None:
        return number
    if parses(cells, type=ColumnType.BOOLEAN):
        return Reading({"type": "boolean"})
    if parses(cells, type=ColumnType.EMAIL):
        return Reading({"type": "email"})
    if _looks_like_time(cells):
        moments = _of_moments(cells, zone)
        return moments if moments.usable else Reading({}, (*moments.notes, "sent as texts for now"))
    return Reading({}, _few_words(cells))


def _few_words(cells: Sequence[str]) -> tuple[str, ...]:
    distinct = list(dict.fromkeys(cells))
    if len(distinct) > _FEW_WORDS or len(cells) < _REPEATED * len(distinct) or len(distinct) < 2:
        return ()
    return (f"if there are no others: enum: [{', '.join(map(_plain, distinct))}]",)


def _number(cells: Sequence[str]) -> Reading | None:
    """Numbers with decimals; None where they are none. A thousand and three decimals look alike."""
    for decimal, settings in ((".", {"type": "number"}), (",", {"type": "number", "decimal": ","})):
        if not parses(cells, type=ColumnType.NUMBER, decimal=decimal):
            continue
        marked = [cell for cell in cells if decimal in cell]
        if marked and all(map(_THOUSANDS.fullmatch, marked)):
            note = (
                f"{quoted(marked)} may be thousands or decimals: sent as texts until you say "
                f'type: number, decimal: "{decimal}"'
            )
            return Reading({}, (note,))
        return Reading(settings)
    return None


def _looks_like_time(cells: Sequence[str]) -> bool:
    return all(sum(map(str.isdigit, cell)) >= 3 for cell in cells) and bool(
        _moments(cells) or _formats(cells, with_time=True)
    )


def _plausible(cells: Sequence[str]) -> bool:
    """Whether most of the cells look like times by themselves, though not all in one form."""
    good = sum(bool(_moments([cell]) or _formats([cell], with_time=True)) for cell in cells[:50])
    return 2 * good >= len(cells[:50])


def _moments(cells: Sequence[str]) -> Reading | None:
    """Cells that are read without a format: the year first, or as in mails."""
    if parses(cells, type=ColumnType.DATETIME):
        return Reading({"type": "datetime"})
    if parses(cells, type=ColumnType.DATE):
        return Reading({"type": "date"})
    if parses(cells, type=ColumnType.DATETIME, timezone="UTC"):
        return Reading({"type": "datetime"}, needs_zone=True)
    return None


def _formats(cells: Sequence[str], *, with_time: bool) -> list[Reading]:
    """Every form of dates, or of dates with times, that all cells have."""
    few = list(dict.fromkeys(cells))
    dates = [each for each in DATE_FORMATS if parses(few, type=ColumnType.DATE, format=each)]
    found = [Reading({"type": "date", "format": each}) for each in dates]
    if found or not with_time:
        return found
    for date in DATE_FORMATS:
        for between in _BETWEEN:
            for time in TIMES:
                form = f"{date}{between}{time}"
                settings = {"type": ColumnType.DATETIME, "format": form, "timezone": "UTC"}
                # One cell first: most forms fit none.
                if parses(few[:1], **settings) and parses(few, **settings):
                    found.append(Reading({"type": "datetime", "format": form}, needs_zone=True))
    return found


def _of_moments(cells: Sequence[str], zone: str | None) -> Reading:
    """Dates or times, however they are written."""
    if not cells:
        return Reading({"type": "datetime"})
    plain = _moments(cells)
    found = [plain] if plain is not None else _formats(cells, with_time=True)
    if not found:
        usual = _most_moments(cells)
        if usual is not None:
            return usual
        note = (
            f"dates and times in no form that is known, such as {quoted(cells)}: say how they are "
            'written, as in format: "%d.%m.%Y %H:%M"'
        )
        return Reading({"type": "datetime"}, (note,), usable=False)
    first = found[0]
    if len(found) > 1:
        forms = " or ".join(f'"{each.settings["format"]}"' for each in found)
        note = f"{quoted(cells)} can be read in two ways: format: {forms}"
        return Reading(first.settings, (note,), usable=False, needs_zone=first.needs_zone)
    if not first.needs_zone:
        return first
    if zone is None:
        note = "its times name no time zone: say one, as in timezone: Europe/Oslo"
        return Reading(first.settings, (note,), usable=False, needs_zone=True)
    settings = {**first.settings, "timezone": zone}
    refused = _refused(cells, **settings)
    notes = (f"the clocks show {quoted(refused)} twice, or never",) if refused else ()
    return Reading(settings, notes)


def _most_moments(cells: Sequence[str]) -> Reading | None:
    """Times of which a few are written otherwise, or are none."""
    settings = {"type": "datetime"}
    refused = _refused(cells, **settings)
    if not _is_rare(refused, cells):
        return None
    note = f"some cells are no times with their zone, such as {quoted(refused)}: their rows would"
    return Reading(settings, (f"{note} be rejected",))


def _is_rare(odd: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether these cells are mistakes, rather than how the column is written."""
    few = set(odd)
    return sum(cell in few for cell in cells) <= _RARE * len(cells)


def quoted(cells: Sequence[str]) -> str:
    """A few cells as they are shown to a person."""
    distinct = list(dict.fromkeys(cells))[:_SHOWN]
    return ", ".join(f'"{_plain(each)}"' for each in distinct)


_LONGEST = 40


def _plain(cell: str) -> str:
    text = cell if len(cell) <= _LONGEST else cell[:_LONGEST] + "…"
    return " ".join(text.split())


def _refused(cells: Iterable[str], **settings: Any) -> list[str]:
    """The cells, each once, that a column of these settings does not take."""
    return list(_each_refused(cells, **settings))


def _each_refused(cells: Iterable[str], **settings: Any) -> Iterator[str]:
    if "type" in settings:
        settings["type"] = ColumnType(settings["type"])
    parse: Callable[[str], object] | None = cell_parser(Column("field", **settings))
    if parse is None:
        return
    for cell in dict.fromkeys(cells):
        try:
            parse(cell)
        except CellError:
            yield cell
