"""The two readers of Sunshine jobs: one by id, with results, and a list of many, without.

Facts from https://developer.zendesk.com/rest_api/docs/sunshine/jobs; the paging (`per_page` up to
1,000, `links.next`) is that of the other lists of the API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import usable_id, word
from jobferry.vendors.answers import (
    Ambiguous,
    JobPhase,
    JobReading,
    Problem,
    RefusalScope,
    Refused,
    Throttled,
    ThrottleReason,
)
from jobferry.vendors.http.refusals import refused
from jobferry.vendors.zendesk.errors import JOB_ID, error_of, json_object, problem_of
from jobferry.vendors.zendesk_sunshine.results import ABORTED, FAILED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobferry.vendors.http.client import Answer, NoAnswer
    from jobferry.vendors.zendesk.client import Account

API = "/api/sunshine"
PER_PAGE = 1000

LIST_PAGES = 20
"""Pages of the list that one search reads at the most."""

UNFINISHED = ("queued", "processing")
"""In this order, which is the order of a job's life: a job that moves on between two requests
is seen by the second one."""

_ENDED = frozenset({"completed", FAILED, ABORTED})

# Zendesk documents 1,000 concurrent jobs and not the answer to one more.
_TOO_MANY_JOBS = re.compile(r"(too many|maximum number of|limit of|exceed).*\bjobs\b", re.I)

# A full account has the code of a rate limit, and no waiting helps: "You have exceeded the
# maximum number of resources for this account".
_QUOTA = re.compile(r"maximum number of\b(?!.*\b(requests|calls|minute|second)\b)", re.I)


@dataclass(frozen=True, slots=True)
class Listing:
    """What the list of jobs said.

    Attributes:
        jobs: the jobs of the pages that were read, without results
        complete: no page is missing
        problem: why the next page could not be read
    """

    jobs: list[JsonObject] = field(default_factory=list)
    complete: bool = False
    problem: Problem | None = None


def sunshine_problem(answer: Answer | NoAnswer) -> Problem | None:
    """What is wrong with an answer; None for a success (2xx)."""
    problem = problem_of(answer)
    if problem is None or isinstance(problem, Ambiguous):
        return problem
    _, message = error_of(json_object(answer))
    if _TOO_MANY_JOBS.search(message):
        if isinstance(problem, Throttled):
            return replace(problem, reason=ThrottleReason.SLOTS)
        return Throttled(ThrottleReason.SLOTS)
    if isinstance(problem, Throttled) and _QUOTA.search(message):
        return refused(
            "vendor_quota_exceeded", message, status=429, who="Zendesk", scope=RefusalScope.RUN
        )
    return problem


class SunshineReader:
    """Asks for jobs and records; every answer is data or the problem with it."""

    def __init__(self, account: Account) -> None:
        self._account = account

    def show(self, job_id: str) -> JsonObject | Problem:
        """One job with its results."""
        if not JOB_ID.fullmatch(job_id):
            return Refused("job_id_unusable", "This is no id of a Sunshine job.", http_status=404)
        return self._object(f"/jobs/{job_id}")

    def record(self, kind: str, record_id: str) -> JsonObject | Problem:
        """One record of a kind (`objects` or `relationships`)."""
        if not JOB_ID.fullmatch(record_id):
            return Refused("record_id_unusable", "This is no id of a record.", http_status=404)
        return self._object(f"/{kind}/records/{record_id}")

    def records_by_external_id(self, type_key: str, external_ids: list[str]) -> Listing:
        """The object records of a type that carry one of these external ids."""
        return self._pages(
            "/objects/records", {"type": type_key, "external_ids": ",".join(external_ids)}
        )

    def records_by_id(self, record_ids: list[str]) -> Listing:
        """The object records with these ids, as far as they are there."""
        return self._pages("/objects/records", {"ids": ",".join(record_ids)})

    def listed(self, status: str | None = None, *, pages: int | None = None) -> Listing:
        """The jobs of the last day, or those with a status; so many pages at the most."""
        return self._pages("/jobs", {"status": status} if status else {}, pages)

    def _pages(self, path: str, query: Mapping[str, str], pages: int | None = None) -> Listing:
        listing = Listing()
        params = {**query, "per_page": str(PER_PAGE)}
        for _ in range(pages or LIST_PAGES):
            answer = self._get(path, params)
            problem = sunshine_problem(answer)
            document = json_object(answer) if problem is None else {}
            items = document.get("data")
            if problem is not None or not isinstance(items, list):
                return replace(listing, problem=problem or _UNREADABLE)
            listing.jobs.extend(_listed(item) for item in items if isinstance(item, dict))
            following = _next_query(document)
            if not following:
                return replace(listing, complete=True)
            params |= following
        return listing

    def _object(self, path: str) -> JsonObject | Problem:
        answer = self._get(path)
        problem = sunshine_problem(answer)
        if problem is not None:
            return problem
        data = json_object(answer).get("data")
        return data if isinstance(data, dict) else _UNREADABLE

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Answer | NoAnswer:
        return self._account.request("GET", API + path, params=params)


_UNREADABLE = Ambiguous("the vendor's answer cannot be read")


def reading_of(job: JsonObject) -> JobReading:
    """A job as the reader by id shows it."""
    status = word(job.get("job_status"))
    return JobReading(
        job_id=usable_id(job.get("id")) or "",
        phase=JobPhase.ENDED if status in _ENDED else JobPhase.ACTIVE,
        status=status,
        raw=job,
    )


def listed_reading_of(job: JsonObject) -> JobReading:
    """A job as the list shows it: one that did something has not ended until its results are read.

    An aborted job did nothing, which is all there is to know of it.
    """
    reading = reading_of(job)
    if reading.status == ABORTED:
        return reading
    return replace(reading, phase=JobPhase.ACTIVE)


def _listed(item: JsonObject) -> JsonObject:
    """A job or a record of a list; one whose id is no text stays, and cannot be asked for."""
    return item if isinstance(item.get("id"), str) else {**item, "id": None}


def _next_query(document: JsonObject) -> dict[str, str]:
    """The query of the next page, empty on the last one. The address before it is not used."""
    links = document.get("links")
    following = links.get("next") if isinstance(links, dict) else None
    if not isinstance(following, str):
        return {}
    return dict(parse_qsl(following.partition("?")[2].partition("#")[0]))
