"""What the clients of Zendesk's APIs share: one account, its requests, what it tells of limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Accepted,
    Ambiguous,
    Found,
    PollAnswer,
    RateReading,
    Refused,
    SubmitAnswer,
    Throttled,
    throttle_of,
)
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import BuildClient, Meter
from jobferry.vendors.zendesk.errors import JOB_ID, problem_of
from jobferry.vendors.zendesk.oauth import zendesk_http
from jobferry.vendors.zendesk.rate_headers import limits_of

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer


class Account:
    """HTTP to one account.

    Attributes:
        limits: what the last answer advertised
        throttled: how the vendor has asked us to wait, if it has, since this was last set to None
    """

    def __init__(self, http: HttpClient) -> None:
        self.http = http
        self.limits: RateReading | None = None
        self.throttled: Throttled | None = None

    @property
    def requests_made(self) -> int:
        return self.http.requests_made

    def drop_idle_connections(self) -> None:
        self.http.drop_idle_connections()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        """Send one request, as `HttpClient.request`."""
        answer = self.http.request(method, path, params=params, body=body)
        self.limits = _limits(answer)
        self.throttled = throttle_of(problem_of(answer)) or self.throttled
        return answer


class ZendeskClient(ABC):
    """A `VendorClient` for one API of an account; what differs between the APIs is abstract."""

    def __init__(self, http: HttpClient) -> None:
        self._account = Account(http)

    @property
    def meter(self) -> Meter | None:
        return self._account.http.meter

    @meter.setter
    def meter(self, meter: Meter | None) -> None:
        self._account.http.meter = meter

    @property
    def requests_made(self) -> int:
        return self._account.requests_made

    def drop_idle_connections(self) -> None:
        self._account.drop_idle_connections()

    @abstractmethod
    def test(self) -> Refused | Throttled | Ambiguous | None: ...

    @abstractmethod
    def submit(
        self, operation: Operation, records: Sequence[JsonObject], token: str
    ) -> SubmitAnswer: ...

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        before = self.requests_made
        self._account.throttled = None
        answer = self._poll(job_ids)
        made = self.requests_made - before
        return replace(
            answer,
            throttled=answer.throttled or self._account.throttled,
            requests=made,
            limits=self._account.limits if made else None,
        )

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        before = self.requests_made
        self._account.throttled = None
        found = self._find(operation, lost, now)
        made = self.requests_made - before
        return replace(found, requests=made, throttled=self._account.throttled)

    @abstractmethod
    def _poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read jobs; requests are counted and limits are added by the caller."""

    @abstractmethod
    def _find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for a lost submission; requests are counted by the caller."""


def taken(answer: Answer | NoAnswer, job_id: object) -> Accepted | Ambiguous:
    """What a success means that names this as its job."""
    if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
        return Accepted(job_id, _limits(answer), answer.warnings)
    return Ambiguous("the vendor accepted the request but its answer names no job")


def _limits(answer: Answer | NoAnswer) -> RateReading | None:
    from jobferry.vendors.http.client import Answer

    return limits_of(answer.headers) if isinstance(answer, Answer) else None


def client_builder(make: Callable[[HttpClient], ZendeskClient]) -> BuildClient:
    """How the registry builds a client: `make`, given HTTP to the account at `base_url`."""

    def build(
        base_url: str,
        read_secret: Callable[[bool], Mapping[str, str]],
        *,
        reach: Reach,
    ) -> ZendeskClient:
        return make(zendesk_http(base_url, read_secret, reach=reach))

    return build
