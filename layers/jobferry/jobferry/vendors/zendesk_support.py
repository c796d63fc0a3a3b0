"""Zendesk Support: bulk requests that answer with a job status.

Facts from https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/
and the pages of tickets and users: 100 records a request, 30 jobs queued or running per
account, a status kept for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobferry.model import ColumnType, JsonObject
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
    compact_json,
)
from jobferry.vendors.credentials import BEARER, EMAIL_TOKEN, authorizer
from jobferry.vendors.zendesk_answers import JOB_ID, is_json_object, json_object, problem_of
from jobferry.vendors.zendesk_find import find_job
from jobferry.vendors.zendesk_jobs import API, POLL_BATCH, JobReader, job_of
from jobferry.vendors.zendesk_results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http import HttpClient

RECORDS_PER_JOB = 100
BODY_BYTES = 4 * 1024 * 1024
"""Zendesk publishes no limit for a request body; this is ours, well below what a proxy refuses."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """How an operation is sent: body `{body_key: [records]}`, or ids in the query."""

    method: str
    path: str
    body_key: str | None
    read_back: str


_ENDPOINTS: dict[str, _Endpoint] = {
    "tickets.create": _Endpoint("POST", "/tickets/create_many", "tickets", "tickets"),
    "tickets.update": _Endpoint("PUT", "/tickets/update_many", "tickets", "tickets"),
    "tickets.delete": _Endpoint("DELETE", "/tickets/destroy_many", None, "tickets"),
    "users.create_or_update": _Endpoint("POST", "/users/create_or_update_many", "users", "users"),
}

_TICKET_FIELDS = (
    "subject",
    "comment.body",
    "comment.public",
    "requester_id",
    "requester.email",
    "requester.name",
    "assignee_id",
    "group_id",
    "organization_id",
    "external_id",
    "priority",
    "status",
    "type",
    "tags",
    "due_at",
    "brand_id",
    "ticket_form_id",
    "custom_fields[<id>]",
)
_USER_FIELDS = (
    "name",
    "email",
    "external_id",
    "phone",
    "role",
    "organization_id",
    "verified",
    "skip_verify_email",
    "tags",
    "notes",
    "details",
    "time_zone",
    "locale",
    "user_fields.<key>",
)


# The ids of a deletion travel in the query, parted by commas: a cell must hold just one.
_ID_TYPE = {"id": ColumnType.INTEGER}


def _operation(name: str, summary: str, **declared: Any) -> Operation:
    return Operation(
        name=name, summary=summary, max_records=RECORDS_PER_JOB, max_bytes=BODY_BYTES, **declared
    )


OPERATIONS = {
    operation.name: operation
    for operation in (
        _operation(
            "tickets.create",
            "Create tickets.",
            repeatable=False,
            required=(("comment.body", "comment.html_body", "description"),),
            fields=_TICKET_FIELDS,
        ),
        _operation(
            "tickets.update",
            "Change tickets, each row its own change.",
            repeatable=True,
            required=(("id",),),
            match_on=("id",),
            types=_ID_TYPE,
            fields=("id", *_TICKET_FIELDS),
        ),
        _operation(
            "tickets.delete",
            "Delete tickets (they stay recoverable for 30 days).",
            repeatable=True,
            required=(("id",),),
            match_on=("id",),
            types=_ID_TYPE,
            fields=("id",),
        ),
        _operation(
            "users.create_or_update",
            "Create users, or change those with the same external id or e-mail address.",
            repeatable=True,
            required=(("name", "id", "external_id", "email"),),
            match_on=("external_id", "email"),
            folded=frozenset({"external_id", "email"}),
            # A user that Zendesk could not take comes back as little more than a number
            # (cloudbees-oss/zendesk-java-client, issue 325).
            says_status=True,
            fields=_USER_FIELDS,
        ),
    )
}


def encode(operation: Operation, records: Sequence[JsonObject]) -> bytes:
    """The request body; ids that travel in the query weigh as if they were one."""
    endpoint = _ENDPOINTS[operation.name]
    if endpoint.body_key is None:
        return _ids(records).encode()
    return compact_json({endpoint.body_key: records})


def _ids(records: Iterable[JsonObject]) -> str:
    return ",".join(str(record["id"]) for record in records)


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
        endpoint = _ENDPOINTS[operation.name]
        by_query = endpoint.body_key is None
        if by_query and not all(isinstance(record["id"], int) for record in records):
            # A text could hold a comma, and would then name two records.
            return Refused("invalid_id", "An id must be a whole number.")
        answer = self._http.request(
            endpoint.method,
            API + endpoint.path,
            params={"ids": _ids(records)} if by_query else None,
            body=None if by_query else encode(operation, records),
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
        found = find_job(self._http, self._jobs, _ENDPOINTS[operation.name].read_back, lost, now)
        return replace(found, requests=self.requests_made - before)


def build_client(
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    *,
    allow_loopback_http: bool,
) -> ZendeskSupportClient:
    """A client for the account at `base_url`, whose credentials `read_secret` gives."""
    from jobferry.vendors.http import HttpClient, check_base_url

    root = check_base_url(base_url, allow_loopback_http=allow_loopback_http)
    return ZendeskSupportClient(HttpClient(root, authorizer(read_secret)))


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
    credential_forms=(EMAIL_TOKEN, BEARER),
)
