"""What counts as a vendor's request for waiting where a read got no answer."""

from __future__ import annotations

import pytest

from jobferry.vendors.answers import Ambiguous, Refused, Throttled, ThrottleReason, throttle_of

RATE = ThrottleReason.RATE


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (None, None),
        (Refused("forbidden", "No."), None),
        (Ambiguous("HTTP 502"), None),
        (Ambiguous("HTTP 503", 0.0), Throttled(RATE, 0.0)),
        (Ambiguous("HTTP 503", 30.0), Throttled(RATE, 30.0)),
        (Throttled(RATE), Throttled(RATE)),
        (Throttled(ThrottleReason.SLOTS, 5.0), Throttled(ThrottleReason.SLOTS, 5.0)),
    ],
)
def test_patience(
    problem: Refused | Throttled | Ambiguous | None, expected: Throttled | None
) -> None:
    assert throttle_of(problem) == expected
