"""Whether a profile fits its vendor. Imports no validation library: OpenRun asks for every file."""

from __future__ import annotations

from jobferry.domain.document_words import did_you_mean
from jobferry.domain.profile import Profile
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor


class ProfileError(ValueError):
    """A profile that cannot be used. `problems` are sentences, each naming its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def _no_snapshot(profile: Profile, vendor: Vendor) -> str:
    able = [each.name for each in vendor.operations.values() if each.readable_in_batches]
    those = f" It can for: {', '.join(able)}." if able else ""
    return (
        f"snapshot: {vendor.title} does not show in batches what {profile.operation} would "
        f"change, so that nothing can be kept of it. Take the line out.{those}"
    )


def check_against(profile: Profile, vendor: Vendor) -> Operation:
    """The vendor's operation of a profile, if the profile can work with it.

    Raises:
        ProfileError: unknown operation, a field that the vendor needs is not mapped, or a snapshot
            of what cannot be read.
    """
    operation = vendor.operation(profile.operation, profile.fills())
    if operation is None:
        names = ", ".join(vendor.operations)
        hint = did_you_mean(profile.operation, vendor.operations) or "."
        raise ProfileError(
            [f"{vendor.title} has no operation {profile.operation!r}{hint} It has: {names}."]
        )
    if profile.snapshot and not operation.readable_in_batches:
        raise ProfileError([_no_snapshot(profile, vendor)])
    if profile.columns is None:
        return operation
    mapped = {column.field for _, column in profile.entries()} | set(profile.constants)
    problems = [
        f"{profile.operation} needs the field {' or '.join(alternatives)}; map a column to it."
        for alternatives in operation.required
        if not any(name in mapped for name in alternatives)
    ]
    if problems:
        raise ProfileError(problems)
    return operation
