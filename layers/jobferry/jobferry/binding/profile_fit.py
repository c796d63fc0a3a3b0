"""Whether a profile fits its vendor. Imports no validation library: OpenRun asks for every file."""

from __future__ import annotations

from jobferry.domain.profile import Profile
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor


class ProfileError(ValueError):
    """A profile that cannot be used. `problems` are sentences, each naming its place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def check_against(profile: Profile, vendor: Vendor) -> Operation:
    """The vendor's operation of a profile, if the profile can work with it.

    Raises:
        ProfileError: unknown operation, or a field that the vendor needs is not mapped.
    """
    operation = vendor.operation(profile.operation, profile.fills())
    if operation is None:
        names = ", ".join(vendor.operations)
        raise ProfileError(
            [f"{vendor.title} has no operation {profile.operation!r}. It has: {names}."]
        )
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
