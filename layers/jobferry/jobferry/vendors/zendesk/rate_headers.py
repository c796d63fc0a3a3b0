"""What the headers of a Zendesk answer tell of the account's limits.

Facts from https://developer.zendesk.com/api-reference/introduction/rate-limits and recorded
traffic, in which the same figure goes by several names: `X-Rate-Limit`, `ratelimit-limit` and
`rate-limit` for requests a minute, `zendesk-ratelimit-inflight-jobs: total=30; remaining=29;
resets=60` for jobs. Limits of single endpoints have the same form under the endpoint's name; they
are not the account's and are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from jobferry.vendors.answers import RateReading

LONGEST_RESET = 3_600
"""Seconds; the windows are of a minute, so that a larger number is a moment and no duration."""

_STEMS = ("ratelimit", "rate-limit", "x-rate-limit")
_LIMITS = (*(f"{stem}-limit" for stem in _STEMS), "rate-limit", "x-rate-limit")
_REMAINING = tuple(f"{stem}-remaining" for stem in _STEMS)
_RESETS = tuple(f"{stem}-reset" for stem in _STEMS)
_JOBS = ("zendesk-ratelimit-inflight-jobs", "zendesk-rate-limit-inflight-jobs")

_WHOLE = re.compile(r"\s*([0-9]{1,9})\s*")
_PART = re.compile(r"\b(total|remaining)\s*=\s*([0-9]{1,9})\b", re.I | re.A)


def limits_of(headers: Mapping[str, str]) -> RateReading | None:
    """The reading of an answer's headers, whatever the case of their names.

    What is no whole number is disregarded; None where nothing of use is left.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    resets_in = _first(lower, _RESETS)
    jobs = _parts(lower)
    reading = RateReading(
        requests_limit=_first(lower, _LIMITS),
        requests_remaining=_first(lower, _REMAINING),
        resets_in=None if resets_in is None or resets_in > LONGEST_RESET else float(resets_in),
        jobs_limit=jobs.get("total"),
        jobs_remaining=jobs.get("remaining"),
    )
    return None if reading == RateReading() else reading


def _first(headers: Mapping[str, str], names: Iterable[str]) -> int | None:
    """The first whole number that one of these headers holds."""
    for name in names:
        found = _WHOLE.fullmatch(headers.get(name, ""))
        if found is not None:
            return int(found[1])
    return None


def _parts(headers: Mapping[str, str]) -> dict[str, int]:
    for name in _JOBS:
        parts = {key.lower(): int(value) for key, value in _PART.findall(headers.get(name, ""))}
        if parts:
            return parts
    return {}
