"""What keeps a run from going on, and for how long that is borne before the run is stopped. Pure.

One refusal or one missing answer may be an accident of a proxy or of a deployment. So a trouble
stops a run only when it was met several times, over a time that depends on its kind, without a
success between. Until then nothing is decided, and the status of the run says what it waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

SUBMIT, POLL, SOURCE = "submit", "poll", "source"
"""Where a trouble is met. A success at the same place ends it, and one elsewhere does not."""

VENDOR_UNREACHABLE = "vendor_unreachable"
VENDOR_UNAVAILABLE = "vendor_unavailable"
VENDOR_THROTTLES = "vendor_throttles"
CREDENTIALS_UNUSABLE = "credentials_unusable"
ADDRESS_NOT_ALLOWED = "address_not_allowed"
SOURCE_MISSING = "source_missing"
SOURCE_UNREADABLE = "source_unreadable"
SOURCE_UNAVAILABLE = "source_unavailable"

HOUR = 3_600.0


class Tolerance(NamedTuple):
    """How often a trouble must be met, over how many seconds at the least, to stop a run."""

    times: int
    seconds: float


REFUSED = Tolerance(3, 60.0)
"""The account or the operation is refused: a person must act, so waiting helps nobody."""

REFUSED_READING = Tolerance(5, 600.0)
"""The same for reading jobs that are in flight."""

TOLERANCES: Mapping[str, Tolerance] = {
    SOURCE_MISSING: Tolerance(3, 60.0),
    SOURCE_UNREADABLE: Tolerance(1, HOUR),
    SOURCE_UNAVAILABLE: Tolerance(1, 20 * HOUR),
    CREDENTIALS_UNUSABLE: Tolerance(1, HOUR),
    ADDRESS_NOT_ALLOWED: Tolerance(1, HOUR),
    # For longer vendors do not keep results, so that nothing could be told any more.
    VENDOR_UNREACHABLE: Tolerance(1, 22 * HOUR),
    VENDOR_UNAVAILABLE: Tolerance(1, 22 * HOUR),
    VENDOR_THROTTLES: Tolerance(1, 22 * HOUR),
}
"""By code; every other code is a refusal."""

READING: Mapping[str, Tolerance] = {
    CREDENTIALS_UNUSABLE: Tolerance(1, 22 * HOUR),
    ADDRESS_NOT_ALLOWED: Tolerance(1, 22 * HOUR),
}
"""The same for reading jobs that are in flight, where it is borne for longer: the vendor has their
results, and whoever mends the connection in the morning still gets them."""

TEXTS: Mapping[str, str] = {
    SOURCE_MISSING: "The file of the run is gone: its version was deleted.",
    SOURCE_UNREADABLE: "The file of the run may not be read: a right, or a key, is missing.",
    SOURCE_UNAVAILABLE: "The file of the run cannot be read: S3 does not answer.",
    CREDENTIALS_UNUSABLE: "The credentials of the connection cannot be read, or were given for "
    "another address than the connection's.",
    ADDRESS_NOT_ALLOWED: "The base URL leads to an address that is not allowed: a private one must "
    "lie in the parameter VendorCidrs.",
    VENDOR_UNREACHABLE: "The vendor cannot be reached; check the base URL of the connection.",
    VENDOR_UNAVAILABLE: "The vendor answers with errors only.",
    VENDOR_THROTTLES: "The vendor answers that there are too many requests or jobs.",
}

_FIRST_WAIT = 20.0
_LONGEST_WAIT = 300.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a run met when it wanted to go on.

    Attributes:
        since, last: epoch seconds of the first time and of the latest
        times: how often it was met
    """

    code: str
    text: str
    since: float
    last: float
    times: int = 1

    @property
    def tolerance(self) -> Tolerance:
        return TOLERANCES.get(self.code, REFUSED)

    @property
    def is_refusal(self) -> bool:
        """Whether the vendor refuses the account or the operation."""
        return self.code not in TOLERANCES

    @property
    def stops(self) -> bool:
        """Whether it was met often enough, for long enough, to stop the run."""
        times, seconds = self.tolerance
        return self.times >= times and self.last - self.since >= seconds

    @property
    def ends_asking(self) -> bool:
        """Whether the vendor is not asked any more about what is in flight.

        What a person must mend is borne for longer than the run goes on sending.
        """
        times, seconds = (
            REFUSED_READING if self.is_refusal else READING.get(self.code, self.tolerance)
        )
        return self.times >= times and self.last - self.since >= seconds

    @property
    def next_try(self) -> float:
        """When to try once more (epoch seconds): later and later."""
        grown = _FIRST_WAIT * 2.0 ** min(10, self.times // 3)
        return self.last + min(_LONGEST_WAIT, grown)

    def is_the_same(self, code: str, now: float) -> bool:
        """Whether what was met now is what was met just before: senders side by side meet it
        together, and a rate limit is met again and again."""
        apart = 60.0 if code == VENDOR_THROTTLES else 1.0
        return code == self.code and now - self.last < apart

    def met_again(self, code: str, text: str, now: float) -> Trouble:
        """What keeps the run from going on after this was met.

        Nothing went well since the first time, whatever was met then; only what is alike is counted
        together.
        """
        after = Trouble(code, text, self.since, max(now, self.last))
        alike = after.is_refusal == self.is_refusal
        return replace(after, times=self.times + 1) if alike else after


def after_failure(known: Trouble | None, code: str, text: str, now: float) -> Trouble:
    """The trouble at a place, after it was met now."""
    return Trouble(code, text, now, now) if known is None else known.met_again(code, text, now)
