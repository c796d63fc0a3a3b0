"""What a record was before a change, as far as the change concerns it. Pure.

Kept is what it takes to put the record back: the fields that the row sends, with the values that
the vendor showed of them before. A field is named by its path, as a profile names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation
from jobferry.vendors.record_matching import naming_field

ID = "id"
"""The field by which records are put back."""


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record before the change that a row asks for.

    Attributes:
        record_id: the vendor's id; None: it had no such record.
        fields: path of a field → its value before.
        lost: fields that the row sends and that nothing puts back.
    """

    record_id: str | int | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def to_json(self) -> JsonObject | None:
        if self.record_id is None:
            return None
        return {ID: self.record_id, "fields": dict(self.fields), "lost": list(self.lost)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any] | None) -> KeptRecord:
        if document is None:
            return cls(None)
        return cls(document[ID], document["fields"], tuple(document["lost"]))


def kept_of(operation: Operation, sent: JsonObject, before: JsonObject | None) -> KeptRecord:
    """What of a record is kept before it is changed.

    Args:
        sent: the record as the row sends it.
        before: as the vendor showed it; None: it has no such record.
    """
    record_id = None if before is None else before.get(ID)
    if before is None or isinstance(record_id, bool) or not isinstance(record_id, str | int):
        return KeptRecord(None)
    fields: dict[str, Any] = {}
    lost: dict[str, None] = {}
    for path, value, found in _before(operation, sent, before):
        if found:
            fields[path] = value
        else:
            lost[path] = None
    return KeptRecord(record_id, fields, tuple(lost))


def _before(
    operation: Operation, sent: JsonObject, before: JsonObject
) -> Iterator[tuple[str, Any, bool]]:
    """(path, value before, whether that is known) of each field that a row changes."""
    names_it = naming_field(sent, operation.read_by)
    for name, value in sent.items():
        target = operation.restores.get(name, name)
        if name == ID or target is None:
            continue
        if name == names_it and before.get(name) == value:
            # Named in another case than it is kept in, it may be kept in that from now on.
            continue
        if not target or target not in before:
            yield name, None, False
        elif _are_entries(value):
            yield from _entries(target, value, before[target])
        elif isinstance(value, dict) and target == name:
            yield from _inside(target, value, before[target])
        else:
            yield target, before[target], True


def _are_entries(value: object) -> bool:
    """Whether a value is a list of `{"id": …, "value": …}`."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and each.keys() == {ID, "value"} for each in value)
    )


def _entries(
    target: str, value: list[JsonObject], before: object
) -> Iterator[tuple[str, Any, bool]]:
    listed = before if isinstance(before, list) else []
    known = {str(each.get(ID)): each.get("value") for each in listed if isinstance(each, dict)}
    for each in value:
        # An entry that is not listed has no value yet.
        yield f"{target}[{each[ID]}]", known.get(str(each[ID])), True


def _inside(target: str, value: JsonObject, before: object) -> Iterator[tuple[str, Any, bool]]:
    known = before if isinstance(before, dict) else {}
    for name in value:
        # The path of a name with a dot would be another one.
        yield f"{target}.{name}", known.get(name), "." not in name and "[" not in name
