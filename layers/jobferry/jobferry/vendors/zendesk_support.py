"""Zendesk Support: bulk requests that answer with a job status.

Facts from https://developer.zendesk.com/api-reference/ticketing/ticket-management/job_statuses/
and the pages of tickets and users: 100 records a request, 30 jobs queued or running per
account, a status kept for a day.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobferry.model import JsonObject
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    Capabilities,
    Found,
    FoundState,
    JobPhase,
    JobReading,
    LostSubmission,
    Operation,
    PollAnswer,
    RefusalScope,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
    Vendor,
    compact_json,
)
from jobferry.vendors.credentials import BEARER, EMAIL_TOKEN, authorizer
from jobferry.vendors.zendesk_results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http import Answer, HttpClient, NoAnswer

API = "/api/v2"
RECORDS_PER_JOB = 100
BODY_BYTES = 4 * 1024 * 1024
"""Zendesk publishes no limit for a request body; this is ours, well below what a proxy refuses."""

POLL_BATCH = 100
"""Ids in one `show_many`: the cap of Zendesk's other show_many calls."""

LIST_PAGES = 20
"""Pages of 100 job statuses that are searched, newest first."""

# queued and working are active; every other documented word is an end (killed: older accounts).
_ENDED = frozenset({"completed", "failed", "killed"})

_JOB_ID = re.compile(r"[A-Za-z0-9-]{1,80}")

# Nothing was done and the same request may go again: the transaction was rolled back.
_CONFLICTS = frozenset({"DatabaseConflict", "DatabaseDeadlock", "UpdateConflict"})

_VISIBLE_AFTER_SECONDS = 60.0
"""A request that timed out may still be worked on; only after this is "not listed" a proof."""


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
            fields=("id", *_TICKET_FIELDS),
        ),
        _operation(
            "tickets.delete",
            "Delete tickets (they stay recoverable for 30 days).",
            repeatable=True,
            required=(("id",),),
            match_on=("id",),
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

    @property
    def requests_made(self) -> int:
        return self._http.requests_made

    def wake(self) -> None:
        self._http.wake()

    def test(self) -> Refused | Throttled | Ambiguous | None:
        answer = self._get("/users/me")
        problem = _problem(answer)
        if problem is not None:
            return problem
        user = _json_object(answer).get("user")
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
        answer = self._http.request(
            endpoint.method,
            API + endpoint.path,
            params={"ids": _ids(records)} if by_query else None,
            body=None if by_query else encode(operation, records),
        )
        problem = _problem(answer)
        if problem is not None:
            return problem
        job_id = _job_of(_json_object(answer)).get("id")
        if isinstance(job_id, str) and _JOB_ID.fullmatch(job_id):
            return Accepted(job_id)
        return Ambiguous("the vendor accepted the request but its answer names no job")

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        before = self.requests_made
        readings: dict[str, JobReading] = {}
        throttled: Throttled | None = None
        refused: Refused | None = None
        problems: list[str] = []
        for start in range(0, len(job_ids), POLL_BATCH):
            batch = job_ids[start : start + POLL_BATCH]
            answer = self._get("/job_statuses/show_many", ids=",".join(batch))
            problem = _problem(answer)
            if problem is None:
                readings |= _readings(_json_object(answer).get("job_statuses"), batch)
            elif isinstance(problem, Throttled):
                throttled = problem
                break
            elif isinstance(problem, Ambiguous):
                problems.append(problem.reason)
            elif problem.http_status != 404:
                # A 404 only says that this reader knows none of them; the list is asked below.
                refused = problem
                break
        missing = [job_id for job_id in job_ids if job_id not in readings]
        if missing and throttled is None and refused is None:
            found, complete, throttled = self._search_list(set(missing))
            readings |= found
            if complete and not problems:
                # Neither reader knows them: not visible yet, or forgotten. Age tells which.
                readings |= {
                    job_id: JobReading(job_id, JobPhase.GONE, "gone")
                    for job_id in missing
                    if job_id not in found
                }
        return PollAnswer(
            readings=readings,
            throttled=throttled,
            refused=refused,
            requests=self.requests_made - before,
            problem="; ".join(problems) or None,
        )

    def _search_list(
        self, wanted: set[str]
    ) -> tuple[dict[str, JobReading], bool, Throttled | None]:
        """The second reader: the list still shows jobs that reading by id has lost.

        Returns readings, whether the whole list was seen, and a throttle if one was met.
        """
        readings: dict[str, JobReading] = {}
        for page, more in self._job_pages():
            if not isinstance(page, list):
                return readings, False, page
            for reading in _readings(page, wanted).values():
                readings[reading.job_id] = self._with_results(reading)
            if len(readings) == len(wanted) or not more:
                return readings, True, None
        return readings, False, None

    def _with_results(self, reading: JobReading) -> JobReading:
        """The list may show id and status only; then the results need a look by id."""
        if reading.phase is not JobPhase.ENDED or "results" in (reading.raw or {}):
            return reading
        shown = self._show(reading.job_id)
        return shown or JobReading(reading.job_id, JobPhase.ACTIVE, reading.status)

    def _job_pages(self) -> Iterable[tuple[list[Any] | Throttled | None, bool]]:
        """(jobs of a page, or why it could not be read; whether more follow)."""
        params = {"page[size]": "100"}
        for _ in range(LIST_PAGES):
            answer = self._get("/job_statuses", **params)
            problem = _problem(answer)
            document = _json_object(answer) if problem is None else {}
            jobs = document.get("job_statuses")
            if not isinstance(jobs, list):
                yield (problem if isinstance(problem, Throttled) else None), False
                return
            meta = document.get("meta")
            cursor = meta.get("after_cursor") if isinstance(meta, dict) else None
            more = isinstance(meta, dict) and bool(meta.get("has_more")) and bool(cursor)
            yield jobs, more
            if not more:
                return
            params["page[after]"] = str(cursor)

    def _show(self, job_id: str) -> JobReading | None:
        if not _JOB_ID.fullmatch(job_id):
            return None
        answer = self._get(f"/job_statuses/{job_id}")
        if _problem(answer) is not None:
            return None
        return _readings([_job_of(_json_object(answer))], [job_id]).get(job_id)

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for a lost submission among recent jobs, and prove it by reading records back.

        A job that is not ours to account for, has our size and created records that carry our
        external ids (or our subjects, where there are none) is the one. Jobs that have not
        ended cannot be compared yet.
        """
        before = self.requests_made

        def found(state: FoundState, job_id: str | None = None, reason: str = "") -> Found:
            return Found(state, job_id, reason, self.requests_made - before)

        candidates: list[JsonObject] = []
        seen_all = False
        for page, more in self._job_pages():
            if not isinstance(page, list):
                return found(FoundState.PENDING, reason="the list of jobs could not be read")
            for item in page:
                if isinstance(item, dict) and item.get("id") not in lost.known_jobs:
                    candidates.append(item)
            seen_all = not more
        doubtful = 0
        waiting = 0
        for item in candidates:
            reading = self._show(str(item.get("id")))
            if reading is None or reading.total not in (None, len(lost.records)):
                continue
            if reading.phase is not JobPhase.ENDED:
                waiting += 1
                continue
            ours = self._carries(operation, reading.raw or {}, lost.records)
            if ours:
                return found(FoundState.FOUND, reading.job_id)
            doubtful += ours is None
        if waiting:
            return found(FoundState.PENDING, reason="a job of this size is still running")
        if doubtful:
            return found(
                FoundState.UNDECIDABLE,
                reason="a job of this size ran at that time and its records cannot be told apart",
            )
        if not seen_all:
            return found(FoundState.UNDECIDABLE, reason="the list of recent jobs is too long")
        if now - lost.sent_at < _VISIBLE_AFTER_SECONDS:
            return found(FoundState.PENDING, reason="a job may take a moment to become visible")
        return found(FoundState.ABSENT)

    def _carries(
        self, operation: Operation, raw: JsonObject, records: Sequence[JsonObject]
    ) -> bool | None:
        """Whether a job's records are ours: yes, no, or not to be told."""
        results = raw.get("results")
        if not isinstance(results, list):
            return None
        ids = {
            str(item["id"]): item.get("index", position)
            for position, item in enumerate(results)
            if isinstance(item, dict) and item.get("id") is not None
        }
        if not ids:
            return None
        kind = _ENDPOINTS[operation.name].read_back
        answer = self._get(f"/{kind}/show_many", ids=",".join(ids))
        stored = _json_object(answer).get(kind) if _problem(answer) is None else None
        if not isinstance(stored, list) or not stored:
            return None
        compared = 0
        for record in stored:
            position = ids.get(str(record.get("id"))) if isinstance(record, dict) else None
            if not isinstance(position, int) or position >= len(records):
                continue
            for name in ("external_id", "subject", "email"):
                ours = records[position].get(name)
                if ours in (None, ""):
                    continue
                if str(record.get(name)).casefold() != str(ours).casefold():
                    return False
                compared += 1
                break
        return True if compared else None

    def _get(self, path: str, **params: str) -> Answer | NoAnswer:
        return self._http.request("GET", API + path, params=params or None)


def _readings(jobs: Any, wanted: Iterable[str]) -> dict[str, JobReading]:
    """Readings of those jobs of a list that were asked for."""
    ids = set(wanted)
    readings: dict[str, JobReading] = {}
    for job in jobs if isinstance(jobs, list) else []:
        if not isinstance(job, dict) or job.get("id") not in ids:
            continue
        status = str(job.get("status", ""))
        readings[job["id"]] = JobReading(
            job_id=job["id"],
            phase=JobPhase.ENDED if status in _ENDED else JobPhase.ACTIVE,
            status=status,
            progress=_whole(job.get("progress")),
            total=_whole(job.get("total")),
            raw=job,
        )
    return readings


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _job_of(document: JsonObject) -> JsonObject:
    """Newer answers wrap the job status, older ones are the bare object."""
    inner = document.get("job_status", document)
    return inner if isinstance(inner, dict) else {}


def _json_object(answer: Answer | NoAnswer) -> JsonObject:
    from jobferry.vendors.http import Answer

    document = answer.json() if isinstance(answer, Answer) else None
    return document if isinstance(document, dict) else {}


def _problem(answer: Answer | NoAnswer) -> Refused | Throttled | Ambiguous | None:
    """What is wrong with an answer; None for a success (2xx)."""
    from jobferry.vendors.http import NoAnswer

    if isinstance(answer, NoAnswer):
        if not answer.sent:
            return Throttled(ThrottleReason.RATE)
        return Ambiguous(answer.reason)
    if 200 <= answer.status < 300:
        return None
    document = _json_object(answer)
    code, message = _error_of(document)
    if code == "TooManyJobs":
        # Zendesk documents the body, not the status code: 429 by experience.
        return Throttled(ThrottleReason.SLOTS, answer.retry_after)
    if answer.status == 429 or code in _CONFLICTS:
        return Throttled(ThrottleReason.RATE, answer.retry_after)
    if answer.status >= 500 or answer.status == 408:
        return Ambiguous(f"the vendor answered with HTTP {answer.status}")
    named = {
        401: ("vendor_unauthorized", "Zendesk does not accept the credentials (HTTP 401)."),
        403: ("vendor_forbidden", "Zendesk does not allow this to the account (HTTP 403)."),
    }
    if answer.status in named:
        fixed_code, text = named[answer.status]
        return Refused(fixed_code, _joined(text, message), RefusalScope.RUN, answer.status)
    if 300 <= answer.status < 400:
        return Refused(
            "vendor_redirects",
            "Zendesk sends us to another address; check the base URL of the connection.",
            RefusalScope.RUN,
            answer.status,
        )
    return Refused(
        code or f"http_{answer.status}",
        message or f"Zendesk refused the request with HTTP {answer.status}.",
        RefusalScope.CHUNK,
        answer.status,
    )


def _error_of(document: JsonObject) -> tuple[str, str]:
    """(code, message) of an error body, whose `error` may be a word or an object."""
    error = document.get("error")
    if isinstance(error, dict):
        return str(error.get("title", "")), str(error.get("message", ""))
    message = document.get("description") or document.get("message") or ""
    details = document.get("details")
    if isinstance(details, Mapping):
        parts = [
            f"{name}: {entry.get('description')}"
            for name, entries in details.items()
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and entry.get("description")
        ]
        message = _joined(str(message), "; ".join(parts))
    return (error if isinstance(error, str) else ""), str(message)


def _joined(*texts: str) -> str:
    return " ".join(text for text in texts if text)


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
