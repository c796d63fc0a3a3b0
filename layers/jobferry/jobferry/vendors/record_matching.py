"""Which of the records that a vendor has shown is which of those that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jobferry.domain.types import JsonObject


def naming_field(record: JsonObject, names: Iterable[str]) -> str | None:
    """The first of these fields that names the record."""
    return next((name for name in names if record.get(name) not in (None, "")), None)


def matched(
    asked: Sequence[JsonObject],
    shown: Iterable[JsonObject],
    names: Sequence[str],
    folded: frozenset[str] = frozenset(),
) -> list[JsonObject | None]:
    """For each record that was asked for, the one that was shown of it; None where there is none.

    Args:
        names: fields that name a record; of a record that fills several the first one counts.
        folded: those that are compared without regard to case.
    """
    known: dict[tuple[str, str], JsonObject] = {}
    for record in shown:
        for name in names:
            if record.get(name) not in (None, ""):
                known.setdefault(_key(record, name, folded), record)
    found: list[JsonObject | None] = []
    for record in asked:
        named_by = naming_field(record, names)
        found.append(None if named_by is None else known.get(_key(record, named_by, folded)))
    return found


def _key(record: Mapping[str, object], name: str, folded: frozenset[str]) -> tuple[str, str]:
    text = str(record.get(name))
    return name, text.casefold() if name in folded else text
