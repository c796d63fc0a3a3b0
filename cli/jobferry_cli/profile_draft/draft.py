"""A profile from a file's sample and an operation: what is sure, and what somebody must decide."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from jobferry.csvfile.header_names import fold_name
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor
from jobferry_cli.profile_draft.columns import ColumnDraft, unmatched
from jobferry_cli.profile_draft.keys import RowKey, row_key_of
from jobferry_cli.profile_draft.matching import (
    Match,
    adopt_only_one,
    is_needed,
    match_columns,
)
from jobferry_cli.profile_draft.readings import Reading, reading_of
from jobferry_cli.profile_draft.sample import FileSample

CONNECTION = "my-connection"
"""Stands for the name of a connection that nobody has said."""

NULLS = ("NULL", "#N/A", "\\N")
"""Cells that programs write for nothing."""

NO_FIELD = "-"
"""An answer that leaves a column out."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 48


@dataclass(frozen=True, slots=True)
class Question:
    """What only a person can say.

    Attributes:
        key: what an answer is given by: `connection`, `timezone`, `column:<header>`,
            `constant:<field>`
        choices: the answers there are; empty: any text
        default: what stands in the draft without an answer
    """

    key: str
    text: str
    choices: tuple[str, ...] = ()
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A profile as far as a file shows it.

    Attributes:
        rows: of the sample
        missing: fields that the operation needs and nothing fills, alternatives together
        empty_words: cells that count as empty
    """

    name: str
    vendor: str
    operation: str
    connection: str | None
    rows: int
    columns: tuple[ColumnDraft, ...]
    constants: Mapping[str, Any]
    missing: tuple[tuple[str, ...], ...]
    row_key: RowKey
    most_records: int
    encoding: str | None = None
    empty_words: tuple[str, ...] = ()
    unreadable: int = 0
    questions: tuple[Question, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The profile as it would be written without comments."""
        document: dict[str, Any] = {
            "name": self.name,
            "connection": self.connection or CONNECTION,
            "operation": self.operation,
            "columns": {
                each.header: _short(each.entry) for each in self.columns if each.entry is not None
            },
        }
        if self.constants:
            document["constants"] = dict(self.constants)
        if self.row_key.header is not None:
            document["row_key"] = self.row_key.header
        if self.empty_words:
            document["null_values"] = list(self.empty_words)
        if self.encoding is not None:
            document["encoding"] = self.encoding
        return document

    def doubts(self) -> list[dict[str, Any]]:
        """What somebody should look at: `about` (a column, or a key of the profile), `text`,
        `alternatives`."""
        found = []
        if self.connection is None:
            found.append(_doubt("connection", "the name of your connection stands here"))
        for each in self.columns:
            texts = each.notes or (("matches no field",) if each.entry is None else ())
            found += [_doubt(each.header, text, each.alternatives) for text in texts]
        for names in self.missing:
            found.append(_doubt("constants", missing_text(names, self.operation), names))
        if self.row_key.note:
            found.append(_doubt("row_key", self.row_key.note, self.row_key.alternatives))
        if self.encoding is not None:
            found.append(_doubt("encoding", ENCODING_TEXT))
        if self.empty_words:
            found.append(_doubt("null_values", "these cells count as empty"))
        return found


ENCODING_TEXT = "the file is no UTF-8, and another encoding cannot be told for sure"


def missing_text(names: Sequence[str], operation: str) -> str:
    """That nothing fills a field which is needed."""
    return f"{operation} needs {' or '.join(names)}: map a column to it, or give it a constant"


def _doubt(about: str, text: str, alternatives: Sequence[str] = ()) -> dict[str, Any]:
    return {"about": about, "text": text, "alternatives": list(alternatives)}


def _short(entry: Mapping[str, Any]) -> Any:
    """A column as people write it: its field alone where nothing else is said."""
    return entry["field"] if entry.keys() == {"field"} else dict(entry)


def draft_profile(
    sample: FileSample,
    vendor: Vendor,
    operation: Operation,
    *,
    name: str,
    connection: str | None = None,
    constants: Mapping[str, Any] | None = None,
    answers: Mapping[str, str] | None = None,
) -> Draft:
    """Draft a profile.

    Args:
        sample: the file's header and first rows.
        operation: of the vendor; `custom_objects.<key>.…` with its key.
        name: what the profile should be called; made a name if it is none.
        constants: field → value, the same in every record.
        answers: to `Draft.questions` of an earlier call.
    """
    answers = dict(answers or {})
    fixed = {**(constants or {}), **_answered(answers, "constant:")}
    empty_words = _empty_words(sample)
    columns = _columns(sample, operation, fixed, answers, empty_words)
    filled = {each.entry["field"] for each in columns if each.entry is not None} | set(fixed)
    missing = tuple(
        names for names in operation.required if not any(each in filled for each in names)
    )
    draft = Draft(
        name=profile_name(name),
        vendor=vendor.name,
        operation=operation.name,
        connection=connection or answers.get("connection"),
        rows=len(sample.rows),
        columns=tuple(columns),
        constants=fixed,
        missing=missing,
        row_key=row_key_of(
            operation,
            [
                (each.header, each.entry["field"], _cells(sample, place, ()))
                for place, each in enumerate(columns)
                if each.entry is not None
            ],
            empty_words,
        ),
        most_records=operation.max_records,
        encoding=sample.encoding,
        empty_words=empty_words,
        unreadable=sample.unreadable,
        values=operation.values,
    )
    return replace(draft, questions=tuple(_questions(draft, operation, answers)))


def profile_name(text: str) -> str:
    """A text as the name of a profile."""
    name = _NOT_IN_A_NAME.sub("-", text).strip("-_")[:_LONGEST_NAME].strip("-_")
    return name or "profile"


def _answered(answers: Mapping[str, str], kind: str) -> dict[str, str]:
    return {
        key.removeprefix(kind): text
        for key, text in answers.items()
        if key.startswith(kind) and text not in ("", NO_FIELD)
    }


def _empty_words(sample: FileSample) -> tuple[str, ...]:
    cells = {cell for row in sample.rows for cell in row}
    return tuple(word for word in NULLS if word in cells)


def _cells(sample: FileSample, place: int, empty_words: Sequence[str]) -> list[str]:
    return ["" if cell in empty_words else cell for cell in sample.column(place)]


def _columns(
    sample: FileSample,
    operation: Operation,
    fixed: Mapping[str, Any],
    answers: Mapping[str, str],
    empty_words: Sequence[str],
) -> list[ColumnDraft]:
    """Every column of the file, in its order."""
    cells = {
        place: [each for each in _cells(sample, place, empty_words) if each]
        for place in range(len(sample.header))
    }
    chosen = _answered(answers, "column:")
    dropped = {
        key.removeprefix("column:") for key, text in answers.items() if text in ("", NO_FIELD)
    }
    unusable = _unusable_names(sample.header)
    out = unusable.keys() | dropped
    matched = match_columns(sample.header, operation, cells, fixed, chosen, out)
    adopt_only_one(sample, operation, cells, fixed, matched, out)
    zone = answers.get("timezone")
    taken_by = {match.field: sample.header[place] for place, match in matched.items()}
    found = []
    for place, header in enumerate(sample.header):
        if header in unusable:
            found.append(ColumnDraft(header, notes=(unusable[header],)))
            continue
        match = matched.get(place)
        if match is None or header in dropped:
            found.append(unmatched(header, operation, cells[place], taken_by))
            continue
        empty = len(sample.rows) - len(cells[place])
        reading = reading_of(match.field, operation, cells[place], zone)
        if empty and is_needed(match.field, operation, matched.values(), fixed):
            note = f"is needed, and empty in {empty:,} of the rows: they would be rejected"
            match, empty = replace(match, notes=(*match.notes, note)), 0
        found.append(_mapped(header, match, reading, optional=bool(empty) or not sample.rows))
    return found


def _unusable_names(header: Sequence[str]) -> dict[str, str]:
    """Headers that no profile can name, and why."""
    shown = [fold_name(each) for each in header]
    found = {
        each: "stands in the header twice: rename one of them"
        for each, seen in zip(header, shown, strict=True)
        if shown.count(seen) > 1
    }
    return found | {each: "has no name" for each in header if not fold_name(each)}


def _mapped(header: str, match: Match, reading: Reading, *, optional: bool) -> ColumnDraft:
    entry: dict[str, Any] = {"field": match.field, **reading.settings}
    if optional:
        entry["optional"] = True
    notes = (*match.notes, *reading.notes)
    if reading.usable:
        return ColumnDraft(header, entry, None, notes)
    return ColumnDraft(header, None, entry, notes, (match.field,), reading.needs_zone)


def _questions(
    draft: Draft, operation: Operation, answers: Mapping[str, str]
) -> Iterable[Question]:
    if draft.connection is None and "connection" not in answers:
        text = "Name of the connection (`jobferry connection list`)"
        yield Question("connection", text, default=CONNECTION)
    for each in draft.columns:
        key = f"column:{each.header}"
        if each.entry is not None or each.proposal is None:
            continue
        if each.needs_zone:
            if "timezone" not in answers:
                yield Question("timezone", f"{each.header}: its times name no zone. Which is it?")
            continue
        choices = tuple(name for name in each.alternatives if "<" not in name)
        if each.asks and key not in answers:
            text = f"{each.header} matches no field for sure. Which one is it?"
            yield Question(key, text, (*choices, NO_FIELD), NO_FIELD)
    for names in draft.missing:
        key = f"constant:{names[0]}"
        if key not in answers:
            text = f"Every record needs {' or '.join(names)}. {names[0]} of all rows"
            yield Question(key, text, operation.values.get(names[0], ()))
