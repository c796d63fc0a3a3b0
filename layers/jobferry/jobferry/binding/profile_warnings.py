"""What a profile asks for that the vendor is not known to take: no reason to refuse it, but to say.

A vendor drops a field that it does not know, and calls the row a success. So a misspelt field
changes nothing in every row of a run, and nobody hears of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from jobferry.csvfile.fieldpath import parse_path
from jobferry.csvfile.header_names import RESULT_COLUMNS
from jobferry.domain.connection import Connection
from jobferry.domain.profile import Profile
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor

MOST_FIELDS = 8
"""Fields that are warned of one by one."""

_NEAR, _VERY_NEAR = 0.6, 0.75
"""How alike names are (difflib's ratio): of a field that is not listed, the one that is named; and
inside an object, where vendors document less, what is taken for a slip."""

_ANY = "<"
"""What begins a part of a listed field that stands for any name: `user_fields.<key>`."""


def warnings_of(
    profile: Profile,
    connection: Connection,
    vendor: Vendor,
    operation: Operation,
    header: Sequence[str] = (),
) -> list[str]:
    """Sentences for people, the gravest first.

    Args:
        header: of the file, whose names are fields where the profile names no columns.
    """
    found = [*profile_warnings(profile, vendor, operation, header)]
    if (limit := too_many_jobs(connection, vendor)) is not None:
        found.append(limit)
    return found


def profile_warnings(
    profile: Profile, vendor: Vendor, operation: Operation, header: Sequence[str] = ()
) -> list[str]:
    """The same, but for what the connection asks for."""
    listed = _listed(vendor, operation)
    unlisted = list(_unlisted(_filled(profile, header), listed)) if operation.fields else []
    found = [
        f"{where}{profile.operation} is not known to have the field {path}; {vendor.title} may "
        f"ignore it.{_meant(path, listed)}"
        for where, path in unlisted[:MOST_FIELDS]
    ]
    rest = unlisted[MOST_FIELDS:]
    if rest:
        found.append(f"Nor is it known to have: {', '.join(path for _, path in rest)}.")
    if profile.batch_size is not None and profile.batch_size > operation.max_records:
        found.append(
            f"batch_size is {profile.batch_size}, but a job of {profile.operation} carries at most "
            f"{operation.max_records} records: that is what counts."
        )
    return found


def too_many_jobs(connection: Connection, vendor: Vendor) -> str | None:
    """That a connection asks for more jobs in flight than the vendor has slots, if it does."""
    most = vendor.capabilities.max_jobs
    if connection.max_jobs is None or connection.max_jobs <= most:
        return None
    return (
        f"The connection {connection.name} allows {connection.max_jobs} jobs in flight, but "
        f"{vendor.title} takes at most {most}: that is what counts."
    )


def _filled(profile: Profile, header: Sequence[str]) -> Iterable[tuple[str, str]]:
    """(where it is said, field's path) of everything that the profile fills."""
    if profile.columns is None:
        for name in header:
            if name and name not in RESULT_COLUMNS:
                yield "", name
    for name, column in profile.entries():
        yield f"Column {name}: ", column.field
    for path in profile.constants:
        yield "Constants: ", path


def _listed(vendor: Vendor, operation: Operation) -> tuple[str, ...]:
    """Every field that the operation names anywhere."""
    capabilities = vendor.capabilities
    named = (
        *operation.fields,
        *(each for alternatives in operation.required for each in alternatives),
        *operation.match_on,
        *operation.adds,
        *operation.types,
        operation.external_id_field,
        capabilities.priority_field,
    )
    return tuple(dict.fromkeys(filter(None, named)))


def _unlisted(
    filled: Iterable[tuple[str, str]], listed: Sequence[str]
) -> Iterable[tuple[str, str]]:
    seen = set()
    for where, path in filled:
        if path not in seen and not _is_known(path, listed):
            seen.add(path)
            yield where, path


def _is_known(path: str, listed: Sequence[str]) -> bool:
    top, *inner = parse_path(path).keys
    siblings = [each.keys for each in map(parse_path, listed) if _is(each.keys[0], top)]
    if not inner or not siblings:
        return bool(siblings)
    beside = {keys[1] for keys in siblings if len(keys) > 1}
    if inner[0] in beside or any(name.startswith(_ANY) for name in beside):
        return True
    # What is inside an object is seldom listed whole: only a slip is told.
    return not get_close_matches(inner[0], beside, 1, _VERY_NEAR)


def _is(listed: str, name: str) -> bool:
    return listed.startswith(_ANY) or listed.partition("[")[0] == name


def _meant(path: str, listed: Sequence[str]) -> str:
    near = get_close_matches(path, listed, 1, _NEAR)
    return f" Did you mean {near[0]}?" if near else ""
