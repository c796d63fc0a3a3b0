"""Spreadsheets as people have them, drawn at random: for tests of drafted profiles."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random

from jobferry.domain.profile import ColumnType
from jobferry.vendors.operation import Operation
from jobferry_cli.profile_draft.fields import listed_fields
from jobferry_cli.profile_draft.synonyms import SYNONYMS

ODD = ("", " ", "Größe", "a: b", "# x", '"q"', "x\ny", "{a}", "[1]", "ü", "\u200bz", "no", "1", "-")
"""Headers and cells that YAML or a terminal might take for something else."""


def spelt(field: str, random: Random) -> str:
    """A header that names a field, in one of the ways in which people write it."""
    names = [field, *(name.strip() for name in SYNONYMS.get(field, "").split("|") if name.strip())]
    name = random.choice(names)
    if name == field and random.random() < 0.5:
        name = field.replace("_", random.choice((" ", "-", "")))
    return random.choice((str, str.title, str.upper, str.lower))(name)


def cells_of(field: str, operation: Operation, rows: int, random: Random) -> list[str]:
    """Good cells of a field, all in one form."""
    if field in operation.values:
        return [random.choice(operation.values[field]) for _ in range(rows)]
    kind = operation.types.get(field) or operation.usual_types.get(field)
    if field.rpartition(".")[2] in ("id", "external_id"):
        return [str(36_000_000 + n) for n in random.sample(range(9_000), rows)]
    match kind:
        case ColumnType.INTEGER:
            return [str(random.randrange(1, 9_000)) for _ in range(rows)]
        case ColumnType.BOOLEAN:
            yes, no = random.choice((("true", "false"), ("Yes", "No"), ("ja", "nein")))
            return [random.choice((yes, no)) for _ in range(rows)]
        case ColumnType.EMAIL:
            return [f"p{random.randrange(99)}@example.com" for _ in range(rows)]
        case ColumnType.LIST:
            between = random.choice("|;,")
            return [between.join(("a", f"b{random.randrange(9)}")) for _ in range(rows)]
        case ColumnType.DATETIME:
            form = random.choice(("2026-0{}-21T09:30:00Z", "2{}.03.2026", "2026-03-2{}"))
            return [form.format(random.randrange(1, 9)) for _ in range(rows)]
        case ColumnType.JSON:
            return [random.choice(('{"a": 1}', "[]")) for _ in range(rows)]
    return [f"{field} {random.randrange(999)}" for _ in range(rows)]


def spreadsheet(
    operation: Operation, random: Random, rows: int = 12
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a file that has all that the operation needs, and good cells alone."""
    needed = [random.choice(names) for names in operation.required]
    others = [name for name in listed_fields(operation) if name not in needed]
    fields = [*dict.fromkeys([*needed, *random.sample(others, min(len(others), 4))])]
    random.shuffle(fields)
    header: list[str] = []
    columns: list[list[str]] = []
    for field in fields:
        name = spelt(field, random)
        if name.casefold() in (each.casefold() for each in header):
            continue
        header.append(name)
        cells = cells_of(field, operation, rows, random)
        if field not in needed and random.random() < 0.3:
            cells = [cell if random.random() < 0.7 else "" for cell in cells]
        columns.append(cells)
    if random.random() < 0.5:
        header.append("Something else")
        columns.append([random.choice(ODD) for _ in range(rows)])
    # A row of blanks is none.
    return header, [list(row) for row in zip(*columns, strict=True) if any(map(str.strip, row))]


def write(path: Path, header: list[str], rows: list[list[str]], delimiter: str = ",") -> Path:
    """A file with this header and these rows."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows([header, *rows])
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path
