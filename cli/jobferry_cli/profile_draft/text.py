"""A draft as YAML that a person can go on with: what is unclear stands as a comment, `# ?`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from jobferry.domain.commands import command
from jobferry.domain.profile import Profile
from jobferry_cli.profile_draft.columns import ColumnDraft
from jobferry_cli.profile_draft.draft import (
    CONNECTION,
    ENCODING_TEXT,
    Draft,
    missing_text,
)

_BARE = re.compile(r"[A-Za-z_\u00c0-\u024f][\w.\u00c0-\u024f-]*(?: [\w.\u00c0-\u024f-]+)*")
_ATTEMPTS = Profile.__dataclass_fields__["max_attempts"].default


def profile_yaml(draft: Draft, file: str) -> str:
    """The whole document.

    Args:
        file: name of the file that it was drafted from.
    """
    rows = f"{draft.rows:,} row{'' if draft.rows == 1 else 's'}"
    lines = [
        f"# Drafted from {_comment(file)}: its header and {rows}. Check what stands behind `# ?`.",
        f"# All settings: docs/profiles.md. Fields: {command('operations', draft.vendor)}",
        f"name: {_scalar(draft.name)}",
        _connection(draft),
        f"operation: {_scalar(draft.operation)}",
        *_columns(draft.columns),
        *_constants(draft),
        *_row_key(draft),
        *_of_the_file(draft),
        f"# batch_size: {draft.most_records}      # rows of one job; this is the vendor's most",
        f"# max_attempts: {_ATTEMPTS}     # for rows that the vendor says may be tried again",
    ]
    return "\n".join(lines) + "\n"


def _connection(draft: Draft) -> str:
    if draft.connection is not None:
        return f"connection: {_scalar(draft.connection)}"
    return f"connection: {CONNECTION}      # ? the name of yours: jobferry connection list"


def _columns(columns: Iterable[ColumnDraft]) -> list[str]:
    columns = list(columns)
    if not any(each.entry is not None for each in columns):
        return ["columns: {}", *(line for each in columns for line in _column(each))]
    return ["columns:", *(line for each in columns for line in _column(each))]


def _column(column: ColumnDraft) -> list[str]:
    notes = [f"  # ? {_comment(column.header)}: {_comment(note)}" for note in column.notes]
    if column.entry is not None:
        return [f"  {_scalar(column.header)}: {_entry(column.entry)}", *notes]
    proposal = "…" if column.proposal is None else _comment(_entry(column.proposal))
    return [f"  # {_comment(_scalar(column.header))}: {proposal}", *notes]


def _entry(entry: Mapping[str, Any]) -> str:
    if entry.keys() == {"field"}:
        return _scalar(entry["field"])
    return _flow(entry)


def _constants(draft: Draft) -> list[str]:
    lines = []
    if draft.constants:
        lines.append("constants:")
        lines += [f"  {_scalar(path)}: {_flow(value)}" for path, value in draft.constants.items()]
    if not draft.missing:
        return lines
    lines += [f"# ? {missing_text(names, draft.operation)}" for names in draft.missing]
    if not draft.constants:
        lines.append("# constants:")
    for names in draft.missing:
        words = draft.values.get(names[0], ())
        lines.append(f"#   {names[0]}: …" + (f"      # {', '.join(words)}" if words else ""))
    return lines


def _row_key(draft: Draft) -> list[str]:
    key = draft.row_key
    if key.header is not None:
        return [f"row_key: {_scalar(key.header)}"]
    if not key.alternatives:
        return []
    near = _comment(_scalar(key.alternatives[0]))
    return [f"# row_key: {near}", f"# ? {_comment(key.note or '')}"]


def _of_the_file(draft: Draft) -> list[str]:
    lines = []
    if draft.empty_words:
        lines.append(f"null_values: {_flow(list(draft.empty_words))}")
        lines.append("# ? null_values: these cells count as empty")
    if draft.encoding is not None:
        lines.append(f"encoding: {_scalar(draft.encoding)}")
        lines.append(f"# ? encoding: {ENCODING_TEXT}")
    if draft.unreadable:
        lines.append(
            f"# ? {draft.unreadable:,} of the first rows cannot be read: jobferry plan says why"
        )
    return lines


def _scalar(text: str) -> str:
    """A text as YAML, on one line."""
    if _BARE.fullmatch(text) and _reads_back(text):
        return text
    # What cannot be seen is escaped, so that whoever prints the line need not change it.
    shown = text.isprintable()
    dumped = yaml.safe_dump(text, default_style='"', width=float("inf"), allow_unicode=shown)
    return str(dumped).rstrip("\n")


def _reads_back(text: str) -> bool:
    try:
        return bool(yaml.safe_load(f"{{{text}: {text}}}") == {text: text})
    except yaml.YAMLError:
        return False


def _flow(value: Any) -> str:
    """A value in the form that stands on one line: `{field: tags, type: list, separator: "|"}`."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return _scalar(value)
    return yaml.safe_dump(value, default_flow_style=True).split("\n", 1)[0]


def _comment(text: str) -> str:
    """Foreign text in a comment: nothing in it may end the line, or the document."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
