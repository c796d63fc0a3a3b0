"""Zendesk Support: bulk requests that answer with a job status.

Facts from https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/:
30 jobs queued or running per account, a status kept for a day.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import usable_id
from jobferry.vendors.answers import (
    Ambiguous,
    Found,
    PollAnswer,
    RecordsRead,
    Refused,
    SubmitAnswer,
    Throttled,
)
from jobferry.vendors.credentials import BEARER, CLIENT, EMAIL_TOKEN
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Capabilities, Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.zendesk.client import ZendeskClient, client_builder, taken
from jobferry.vendors.zendesk.errors import is_json_object, json_object, problem_of
from jobferry.vendors.zendesk_support.job_statuses import API, POLL_BATCH, JobReader, job_of
from jobferry.vendors.zendesk_support.lost_jobs import find_job
from jobferry.vendors.zendesk_support.lost_updates import find_merge, find_update
from jobferry.vendors.zendesk_support.operations import MERGE, OPERATIONS, find_operation
from jobferry.vendors.zendesk_support.record_reads import read_records
from jobferry.vendors.zendesk_support.requests import (
    Request,
    encode,
    read_back_kind,
    record_rules,
    request_of,
)
from jobferry.vendors.zendesk_support.results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer


class ZendeskSupportClient(ZendeskClient):
    """Talks to one Zendesk account."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__(http)
        self._jobs = JobReader(self._account)
        self._served_at: dict[str, str] = {}

    def test(self) -> Refused | Throttled | Ambiguous | None:
        answer = self._account.request("GET", f"{API}/users/me")
        problem = problem_of(answer)
        if problem is not None:
            return problem
        if not is_json_object(answer):
            return Ambiguous("the answer to a harmless request cannot be read")
        user = json_object(answer).get("user")
        identity = user.get("id") if isinstance(user, dict) else None
        if identity is None:
            # Zendesk answers 200 with an anonymous user when it does not know the caller.
            return Refused("vendor_unauthorized", "Zendesk does not know these credentials.")
        if usable_id(identity) is None:
            return Ambiguous("the answer to a harmless request cannot be read")
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
        answer = self._send(request)
        problem = problem_of(answer)
        if problem is not None:
            return problem
        return taken(answer, job_of(json_object(answer)).get("id"))

    def _send(self, request: Request) -> Answer | NoAnswer:
        """Send a submission to where it is served: where one path is unknown, to the other.

        A 404 proves that nothing was done. What the other path refuses with a 404, too, was
        not refused for the path, and the first answer stands.
        """
        first = self._served_at.get(request.path, request.path)
        answer = self._send_to(first, request)
        if request.other_path is None or not _is_unknown(answer):
            return answer
        second = request.other_path if first == request.path else request.path
        answer_there = self._send_to(second, request)
        if _is_unknown(answer_there):
            return answer
        self._served_at[request.path] = second
        return answer_there

    def _send_to(self, path: str, request: Request) -> Answer | NoAnswer:
        return self._account.request(
            request.method, API + path, params=request.params, body=request.encoded_body
        )

    def read_records(self, operation: Operation, records: Sequence[JsonObject]) -> RecordsRead:
        return read_records(self._account, operation, records)

    def _poll(self, job_ids: Sequence[str]) -> PollAnswer:
        return self._jobs.poll(job_ids)

    def _find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        if operation.name == MERGE:
            return find_merge(self._account, self._jobs, lost, now)
        if operation.adds:
            return find_update(self._account, self._jobs, lost, now)
        return find_job(self._account, self._jobs, operation, read_back_kind(operation), lost, now)


def _is_unknown(answer: Answer | NoAnswer) -> bool:
    problem = problem_of(answer)
    return isinstance(problem, Refused) and problem.http_status == 404


ZENDESK_SUPPORT = Vendor(
    name="zendesk_support",
    title="Zendesk Support",
    operations=OPERATIONS,
    capabilities=Capabilities(
        poll_batch=POLL_BATCH,
        # https://developer.zendesk.com/api-reference/introduction/rate-limits
        max_jobs=30,
        refuses_excess=True,
        retention_seconds=86_400,
        record_lookup=True,
    ),
    read_results=read_results,
    client=client_builder(ZendeskSupportClient),
    encode=encode,
    record_rules=record_rules,
    credential_forms=(EMAIL_TOKEN, BEARER, CLIENT),
    find_operation=find_operation,
)
