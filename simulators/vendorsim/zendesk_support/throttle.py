"""Request limits of the account and of single endpoints, and the headers that tell of them.

The account's limit counts requests in windows of a minute. Header names vary in the wild, so an
answer carries every variant that was seen.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from vendorsim.limits import Allowance, Window
from vendorsim.values import Reply
from vendorsim.zendesk_support import replies

Headers = tuple[tuple[str, str], ...]


class Endpoint(NamedTuple):
    """Requests that have a limit of their own, and that limit per minute as published."""

    method: str
    path: re.Pattern[str]
    published: int


ENDPOINTS = {
    "tickets-update": Endpoint("PUT", re.compile(r"^/api/v2/tickets/"), 100),
    "users-update": Endpoint("PUT", re.compile(r"^/api/v2/users/"), 60),
    "deleted-tickets-destroy": Endpoint(
        "DELETE", re.compile(r"^/api/v2/deleted_tickets/\d+$"), 1_000
    ),
    "deleted-tickets-destroy-many": Endpoint(
        "DELETE", re.compile(r"^/api/v2/deleted_tickets/destroy_many$"), 300
    ),
    "job-submissions": Endpoint("POST", re.compile(r"_many$|/jobs?$"), 0),
    "job-statuses": Endpoint("GET", re.compile(r"^/api/v2/job_statuses"), 0),
}
"""Names for `Settings.endpoint_limits`. The last two have no published figure (0)."""


class Throttle:
    """Counts requests against the limits that are set."""

    def __init__(self) -> None:
        self._account = Window()
        self._endpoints: dict[str, Window] = defaultdict(Window)

    def take(
        self,
        per_minute: int,
        endpoint_limits: Mapping[str, int],
        method: str,
        path: str,
        now: float,
    ) -> Headers:
        """Count a request; the headers its answer carries.

        per_minute 0 = no limit; endpoint_limits: name → requests per minute. Raises
        RequestRefused (429).
        """
        headers: Headers = ()
        if per_minute:
            allowance = self._account.take(per_minute, now)
            headers = _account_headers(allowance)
            _refuse_unless_allowed(allowance, headers)
        for name, limit in endpoint_limits.items():
            endpoint = ENDPOINTS[name]
            if endpoint.method == method and endpoint.path.search(path):
                allowance = self._endpoints[name].take(limit, now)
                headers += ((f"zendesk-ratelimit-{name}", _told(allowance)),)
                _refuse_unless_allowed(allowance, headers)
        return headers


def jobs_header(total: int, running: int) -> tuple[str, str]:
    """How many more jobs the account may start."""
    remaining = max(0, total - running)
    return ("zendesk-ratelimit-inflight-jobs", _told(Allowance(True, total, remaining, 60)))


def _told(allowance: Allowance) -> str:
    return f"total={allowance.limit}; remaining={allowance.remaining}; resets={allowance.resets}"


def _account_headers(allowance: Allowance) -> Headers:
    limit, remaining, resets = allowance.limit, allowance.remaining, allowance.resets
    return (
        ("X-Rate-Limit", str(limit)),
        ("X-Rate-Limit-Remaining", str(remaining)),
        ("ratelimit-limit", str(limit)),
        ("ratelimit-remaining", str(remaining)),
        ("ratelimit-reset", str(resets)),
        ("rate-limit", str(limit)),
        ("rate-limit-remaining", str(remaining)),
        ("rate-limit-reset", str(resets)),
    )


def _refuse_unless_allowed(allowance: Allowance, headers: Headers) -> None:
    if not allowance.allowed:
        refusal: Reply = replies.rate_limited("json", allowance.resets)
        raise replies.RequestRefused(refusal.with_headers(*headers))
