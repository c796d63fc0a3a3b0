"""Columns of a file and fields of an operation brought together, the surest pairs first."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobferry.csvfile.fieldpath import PathConflict, parse_path, put
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry_cli.profile_draft.fields import SURE, Candidate, candidates, keyed, open_places
from jobferry_cli.profile_draft.readings import fits
from jobferry_cli.profile_draft.sample import FileSample
from jobferry_cli.profile_draft.synonyms import CONTENT

_TYPED = 0.01
"""What a fitting type adds to a score: less than any two kinds of names differ by."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a column was taken for.

    Attributes:
        notes: why somebody should check it
    """

    field: str
    notes: tuple[str, ...] = ()


def match_columns(
    header: Sequence[str],
    operation: Operation,
    cells: Mapping[int, Sequence[str]],
    fixed: Mapping[str, Any],
    chosen: Mapping[str, str],
    left_out: Collection[str],
) -> dict[int, Match]:
    """Columns and fields brought together, the surest pairs first; each of them once."""
    taken = _Taken(fixed)
    found: dict[int, Match] = {}
    for place, name in enumerate(header):
        if name in chosen and taken.take(chosen[name]):
            found[place] = Match(chosen[name])
    pairs = [
        (candidate, place)
        for place, name in enumerate(header)
        if place not in found and name not in left_out
        for candidate in _likely(name, operation, cells[place])
    ]
    # Of two columns for one field the one that holds more is meant.
    pairs.sort(key=lambda pair: (-pair[0].score, -len(cells[pair[1]]), pair[1]))
    for candidate, place in pairs:
        if place in found or is_risky(header[place], candidate.field, operation):
            continue
        if taken.take(candidate.field):
            found[place] = Match(candidate.field, _why_unsure(candidate))
    _name_one_way(operation, found, cells)
    for place, name in enumerate(header):
        own = _content(name, operation)
        if place not in found and own is not None and name not in left_out and taken.take(own):
            found[place] = Match(own, _if_other_key(name, own))
    return found


def _likely(header: str, operation: Operation, cells: Sequence[str]) -> list[Candidate]:
    """The fields that a column can be meant for; none where two are as likely."""
    fitting = [
        # A type that the cells have makes a field likelier than one that takes any text.
        replace(
            each, score=each.score + _TYPED * (_is_typed(each.field, operation) and bool(cells))
        )
        for each in candidates(header, operation)
        if each.score >= SURE and fits(each.field, operation, cells)
    ]
    fitting.sort(key=lambda each: -each.score)
    equal = [each for each in fitting if each.score == fitting[0].score]
    return [] if len(equal) > 1 else fitting


def _is_typed(name: str, operation: Operation) -> bool:
    return name in operation.types or name in operation.usual_types


def _content(header: str, operation: Operation) -> str | None:
    """The field of a column in a record whose fields only the account knows."""
    places = [place for place in open_places(operation) if place in CONTENT]
    return next(iter(keyed(header, places)), None)


def _if_other_key(header: str, path: str) -> tuple[str, ...]:
    key = path.rpartition(".")[2]
    return () if key == header else (f"taken for the key {key}: check how your account writes it",)


class _Taken:
    """The places of a record that are filled."""

    def __init__(self, fixed: Mapping[str, Any]) -> None:
        self._record: JsonObject = {}
        for path in fixed:
            put(self._record, parse_path(path), "", replace=True)

    def take(self, path: str) -> bool:
        """Fill a place; False where it is taken, or something in it."""
        try:
            put(self._record, parse_path(path), "")
        except PathConflict:
            return False
        return True


def is_risky(header: str, name: str, operation: Operation) -> bool:
    """Whether a column would do more than its name says: a description of tickets that are there
    already would be sent as a comment, and mailed."""
    return (
        name in ("comment.body", "comment.html_body")
        and operation.name == "tickets.update"
        and not re.search(r"comment|reply|kommentar|antwort", header, re.IGNORECASE)
    )


def _why_unsure(candidate: Candidate) -> tuple[str, ...]:
    return (f"taken for {candidate.field}: check it",) if candidate.misspelt else ()


def _name_one_way(
    operation: Operation, found: dict[int, Match], cells: Mapping[int, Sequence[str]]
) -> None:
    """A deletion names its record by an id or by an external id, not by both."""
    names = {match.field: place for place, match in found.items()}
    if operation.deletes and {"id", "external_id"} <= names.keys():
        fuller = max(("id", "external_id"), key=lambda each: (len(cells[names[each]]), each))
        del found[names["external_id" if fuller == "id" else "id"]]


def adopt_only_one(
    sample: FileSample,
    operation: Operation,
    cells: Mapping[int, Sequence[str]],
    fixed: Mapping[str, Any],
    matched: dict[int, Match],
    left_out: Collection[str],
) -> None:
    """An id that is needed and that no header names, and a column that can hold it: likely the
    same."""
    filled = {match.field for match in matched.values()} | set(fixed)
    needed = [names for names in operation.required if not any(each in filled for each in names)]
    for names in needed:
        name = names[0]
        if name not in _IDS:
            continue
        able = [
            place
            for place in range(len(sample.header))
            if _may_be_adopted(place, matched) and sample.header[place] not in left_out
            if fits(name, operation, cells[place])
            and len(set(cells[place])) == len(sample.rows) > 0
        ]
        # Files mostly begin with what names their rows.
        if len(able) == 1 or (able and able[0] == 0):
            note = f"taken for {name}, which is needed: check it"
            matched[able[0]] = Match(name, (note,))


_IDS = ("id", "external_id")


def _may_be_adopted(place: int, matched: Mapping[int, Match]) -> bool:
    return place not in matched or matched[place].field.startswith(CONTENT)


def is_needed(
    name: str, operation: Operation, matched: Iterable[Match], fixed: Mapping[str, Any]
) -> bool:
    """Whether each record must have this very field."""
    filled = {match.field for match in matched} | set(fixed)
    return any(filled & set(names) == {name} for names in operation.required)


def as_likely(header: str, operation: Operation) -> list[str]:
    """The fields that a header names, whatever its cells are."""
    return [each.field for each in candidates(header, operation) if each.score >= SURE]
