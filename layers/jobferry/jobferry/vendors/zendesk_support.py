"""Zendesk Support: bulk requests that answer with a job status.

Facts from https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/:
30 jobs queued or running per account, a status kept for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jobferry.model import JsonObject
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    Capabilities,
    Found,
    LostSubmission,
    Operation,
    PollAnswer,
    Refused,
    SubmitAnswer,
    Throttled,
    Vendor,
)
from jobferry.vendors.credentials import BEARER, CLIENT, EMAIL_TOKEN
from jobferry.vendors.zendesk_answers import JOB_ID, is_json_object, json_object, problem_of
from jobferry.vendors.zendesk_find import find_job
from jobferry.vendors.zendesk_jobs import API, POLL_BATCH, JobReader, job_of
from jobferry.vendors.zendesk_oauth import zendesk_http
from jobferry.vendors.zendesk_operations import OPERATIONS, find_operation
from jobferry.vendors.zendesk_requests import encode, read_back_kind, request_of
from jobferry.vendors.zendesk_results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http import HttpClient


class ZendeskSupportClient:
    """Talks to one Zendesk account."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._jobs = JobReader(http)

    @property
    def requests_made(self) -> int:
        return self._http.requests_made

    def wake(self) -> None:
        self._http.wake()

    def test(self) -> Refused | Throttled | Ambiguous | None:
        answer = self._http.request("GET", f"{API}/users/me")
        problem = problem_of(answer)
        if problem is not None:
            return problem
        if not is_json_object(answer):
            return Ambiguous("the answer to a harmless request cannot be read")
        user = json_object(answer).get("user")
        if not isinstance(user, dict) or user.get("id") is None:
            # Zendesk answers 200 with an anonymous user when it does not know the caller.
            return Refused("vendor_unauthorized", "Zendesk does not know these credentials.")
        return None

    def submit(
        self,
        operation: Operation,
        records: Sequence[JsonObject],
        token: str,  # noqa: ARG002 - Zendesk's bulk requests can carry none
    ) -> SubmitAnswer:
        request = request_of(operation, records)
        if isinstance(request, Refused):
            return request
        answer = self._http.request(
            request.method, API + request.path, params=request.params, body=request.encoded_body
        )
        problem = problem_of(answer)
        if problem is not None:
            return problem
        job_id = job_of(json_object(answer)).get("id")
        if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
            return Accepted(job_id)
        return Ambiguous("the vendor accepted the request but its answer names no job")

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        before = self.requests_made
        answer = self._jobs.poll(job_ids)
        return replace(answer, requests=self.requests_made - before)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        before = self.requests_made
        found = find_job(self._http, self._jobs, read_back_kind(operation), lost, now)
        return replace(found, requests=self.requests_made - before)


def build_client(
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    *,
    allow_loopback_http: bool,
) -> ZendeskSupportClient:
    """A client for the account at `base_url`, whose credentials `read_secret` gives."""
    http = zendesk_http(base_url, read_secret, allow_loopback_http=allow_loopback_http)
    return ZendeskSupportClient(http)


ZENDESK_SUPPORT = Vendor(
    name="zendesk_support",
    title="Zendesk Support",
    operations=OPERATIONS,
    capabilities=Capabilities(
        poll_batch=POLL_BATCH,
        # https://developer.zendesk.com/api-reference/introduction/rate-limits
        max_jobs=30,
        retention_seconds=86_400,
        job_list=True,
        record_lookup=True,
    ),
    read_results=read_results,
    client=build_client,
    encode=encode,
    credential_forms=(EMAIL_TOKEN, BEARER, CLIENT),
    find_operation=find_operation,
)
