"""What a draft says of one column, and of one that no field was found for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobferry.vendors.operation import Operation
from jobferry_cli.profile_draft.fields import folded, keyed, nearest, open_places
from jobferry_cli.profile_draft.matching import as_likely, is_risky
from jobferry_cli.profile_draft.readings import fits, quoted
from jobferry_cli.profile_draft.synonyms import NAME_PARTS


@dataclass(frozen=True, slots=True)
class ColumnDraft:
    """One column of the file.

    Attributes:
        entry: what the profile says of it; None: it is not sent
        proposal: what could be said of it; stands as a comment
        notes: what somebody should check, a sentence each
        alternatives: fields that it may be meant for
        needs_zone: it could be sent if somebody said a time zone
        asks: a person may know which of the alternatives it is
    """

    header: str
    entry: Mapping[str, Any] | None = None
    proposal: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    needs_zone: bool = False
    asks: bool = False


def unmatched(
    header: str, operation: Operation, cells: Sequence[str], taken_by: Mapping[str, str]
) -> ColumnDraft:
    """A column that is not sent as it stands, with what it may have been meant for.

    Args:
        cells: of the sample, without empty ones.
        taken_by: fields that have a column, with its header.
    """
    likely = as_likely(header, operation)
    misfits = [each for each in likely if not fits(each, operation, cells)]
    near = dict.fromkeys([*likely, *nearest(header, operation)])
    found = [each for each in near if each not in taken_by and each not in misfits]
    rivals = [each for each in near if each in taken_by]
    places = open_places(operation)
    own = [each for each in keyed(header, places) if each not in taken_by]
    custom = [f"{place}<id>]" for place in places if place.endswith("[")]
    notes = []
    if found:
        notes.append(f"matches no field for sure; did you mean {' or '.join(found)}?")
    if misfits:
        notes.append(f"{_no_kind(misfits, operation)}, and its cells are none: {quoted(cells)}")
    notes += [f"{each} has the column {taken_by[each]} already" for each in rivals[:1]]
    if "comment.body" in found and is_risky(header, "comment.body", operation):
        notes.append("comment.body adds a comment to each ticket, which may be mailed")
    if folded(header) in _PARTS_OF_A_NAME and "name" in operation.fields:
        notes.append("name is one field: join first and last name in one column of the file")
    if own or custom:
        named = " or ".join([*own, *(f"{each} with the field's id" for each in custom)])
        notes.append(f"if it is a field of your account: {named}")
    proposals = [*found, *own]
    return ColumnDraft(
        header,
        None,
        {"field": proposals[0]} if proposals else None,
        tuple(notes) or (f"is no field of {operation.name}, and is not sent",),
        (*proposals, *custom),
        asks=bool(found),
    )


_PARTS_OF_A_NAME = frozenset(folded(each) for each in NAME_PARTS.split("|"))


def _no_kind(misfits: Sequence[str], operation: Operation) -> str:
    """What the fields take that a header names."""
    kinds = {
        name: str(operation.types.get(name) or operation.usual_types.get(name)) for name in misfits
    }
    return " and ".join(f"{name} takes type {kind}" for name, kind in kinds.items())
