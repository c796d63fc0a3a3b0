"""Where a cell goes in a record: `subject`, `comment.body`, `custom_fields[360001]`."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from jobferry.domain.types import JsonObject

_ENTRY = re.compile(r"(.+)\[([0-9]{1,18})\]", re.DOTALL)
_NAME = re.compile(r"[^\W\d][^\s@,;=\"']*")


class PathConflict(ValueError):
    """Two paths want the same place, or one wants to go through another's value."""


class FieldPath(NamedTuple):
    """A parsed path.

    Attributes:
        keys: names from the record down
        entry: id of the entry `{"id": …, "value": …}` in the list at `keys`; None for the value
            itself
    """

    keys: tuple[str, ...]
    entry: int | None


def parse_path(text: str) -> FieldPath:
    """Dots nest; a number in brackets at the end names an entry of a list by its id."""
    match = _ENTRY.fullmatch(text)
    name, entry = (match[1], int(match[2])) if match else (text, None)
    return FieldPath(tuple(name.split(".")), entry)


def looks_like_path(text: str) -> bool:
    """Whether a column name can be a vendor's field: distinguishes a header from a row of data."""
    return _NAME.fullmatch(text) is not None and all(parse_path(text).keys)


def put(record: JsonObject, path: FieldPath, value: object, *, replace: bool = False) -> None:
    """Set the value at `path`, making the objects and lists on the way.

    Raises PathConflict when something else is in the way; `replace` lets the value itself win
    over one that is there already.
    """
    target: Any = record
    for key in path.keys[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise PathConflict(path)
    last = path.keys[-1]
    if path.entry is None:
        if last in target and not replace:
            raise PathConflict(path)
        target[last] = value
        return
    entries = target.setdefault(last, [])
    if not isinstance(entries, list):
        raise PathConflict(path)
    for entry in entries:
        if isinstance(entry, dict) and entry.get("id") == path.entry:
            if not replace:
                raise PathConflict(path)
            entry["value"] = value
            return
    entries.append({"id": path.entry, "value": value})
