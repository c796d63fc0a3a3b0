"""External ids that Jobferry gives to records which have none, so that they can be looked up.

Where the answer to a submission is lost, records are recognised by their external ids. A record
that neither a column nor a constant gives one gets `jobferry:<run>:<row>`: the same whenever the
row is sent, and no other row's anywhere. Vendors take 255 characters (Zendesk's references of
tickets, users and organizations); ours are at most LONGEST.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jobferry.domain.profile import Profile
from jobferry.domain.types import JsonObject
from jobferry.vendors.operation import Operation, compact_json

if TYPE_CHECKING:
    from jobferry.csvfile.row_mapping import RowMapping

LONGEST = len("jobferry::") + 48 + len("-") + 12 + 10
"""Characters, all of them ASCII: the longest name of a profile, the digest in a run's name, and
the digits of a row's number."""


def external_id(run_id: str, row: int) -> str:
    """The external id of a row's record."""
    return f"jobferry:{run_id}:{row}"


def added_field(profile: Profile, operation: Operation, mapping: RowMapping) -> str:
    """The field that records get an external id in; empty when they get none.

    What makes a record where none is meant needs one for rows that name none, whatever the profile
    says: they would be made twice.
    """
    field = operation.external_id_field
    if operation.identified_by:
        return field
    wanted = field and profile.add_external_id and not mapping.sets(field)
    return field if wanted else ""


def add_external_ids(
    numbered: Iterable[tuple[int, JsonObject]],
    field: str,
    run_id: str,
    *,
    identified_by: Sequence[str] = (),
) -> list[JsonObject]:
    """Records as they are sent.

    Args:
        numbered: row numbers and records.
        field: what `added_field` says.
        identified_by: only for records that fill none of these.
    """
    if not field:
        return [record for _, record in numbered]
    return [
        record
        if any(record.get(name) not in (None, "") for name in identified_by)
        else {**record, field: external_id(run_id, row)}
        for row, record in numbered
    ]


def most_added_bytes(field: str) -> int:
    """Bytes that an external id adds to a record's JSON at the most."""
    if not field:
        return 0
    return len(compact_json({field: "x" * LONGEST})) - len("{}") + len(",")
