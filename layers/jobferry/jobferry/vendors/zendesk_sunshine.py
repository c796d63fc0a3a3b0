"""Zendesk Sunshine: batch jobs on the object and relationship records of legacy custom objects.

Facts from https://developer.zendesk.com/rest_api/docs/sunshine/jobs: seven pairs of type and
action, at most 1,000 concurrent jobs per account, jobs kept for a day, results by position.
Zendesk retires this API in favour of custom object jobs in Support (`custom_objects.*`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any

from jobferry.model import JsonObject
from jobferry.vendors.base import (
    Accepted,
    Ambiguous,
    Capabilities,
    Found,
    JobPhase,
    JobReading,
    LostSubmission,
    Operation,
    PollAnswer,
    Refused,
    SubmitAnswer,
    Throttled,
    ThrottleReason,
    Vendor,
    compact_json,
)
from jobferry.vendors.credentials import BEARER, CLIENT, EMAIL_TOKEN
from jobferry.vendors.zendesk_answers import JOB_ID, Problem, json_object
from jobferry.vendors.zendesk_oauth import zendesk_http
from jobferry.vendors.zendesk_sunshine_find import find_job
from jobferry.vendors.zendesk_sunshine_jobs import (
    API,
    UNFINISHED,
    Listing,
    SunshineReader,
    is_missing,
    listed_reading_of,
    reading_of,
    sunshine_problem,
)
from jobferry.vendors.zendesk_sunshine_results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http import HttpClient

RECORDS_PER_JOB = 100
"""Zendesk publishes no limit of records; this is ours, that of its other bulk requests."""

BODY_BYTES = 4 * 1024 * 1024
"""Zendesk publishes no limit for a request body; this is ours, well below what a proxy refuses."""

RETENTION_SECONDS = 86_400

FEW = len(UNFINISHED)
"""Up to so many jobs are read by id at once: the list would take as many requests."""

READERS = 8
"""Requests under way at once."""

READS_PER_POLL = 200
"""Jobs that one poll reads by id: at 2 s a request some 50 s. The next poll reads on."""

MAX_HICCUPS = 3
"""Requests of a poll that may go wrong before it ends: the vendor is in trouble."""


def _operation(name: str, summary: str, **declared: Any) -> Operation:
    return Operation(
        name=name, summary=summary, max_records=RECORDS_PER_JOB, max_bytes=BODY_BYTES, **declared
    )


_ID_ONLY: dict[str, Any] = {"required": (("id",),), "match_on": ("id",), "fields": ("id",)}

OPERATIONS = {
    operation.name: operation
    for operation in (
        _operation(
            "resources.post",
            "Create object records.",
            repeatable=False,
            required=(("type",),),
            fields=("type", "external_id", "attributes.<key>"),
        ),
        _operation(
            "resources.update",
            "Change object records; attributes that are not named stay.",
            repeatable=True,
            required=(("id",),),
            match_on=("id",),
            fields=("id", "attributes.<key>"),
        ),
        _operation("resources.delete", "Delete object records by id.", repeatable=True, **_ID_ONLY),
        _operation(
            "resources.external_id_set",
            "Create object records, or change those with the same type and external id.",
            repeatable=True,
            required=(("type",), ("external_id",)),
            fields=("type", "external_id", "attributes.<key>"),
        ),
        _operation(
            "resources.external_id_delete",
            "Delete object records by type and external id.",
            repeatable=True,
            required=(("type",), ("external_id",)),
            fields=("type", "external_id"),
        ),
        _operation(
            "relationships.post",
            "Create relationship records between object records.",
            repeatable=False,
            required=(("relationship_type",), ("source",), ("target",)),
            fields=("relationship_type", "source", "target"),
        ),
        _operation(
            "relationships.delete",
            "Delete relationship records by id.",
            repeatable=True,
            **_ID_ONLY,
        ),
    )
}

_KINDS = {"resources": "objects", "relationships": "relationships"}
"""Type of a job → where its records are read."""


def encode(operation: Operation, records: Sequence[JsonObject]) -> bytes:
    """The request body; the items of a deletion by id are the ids themselves."""
    job_type, action = operation.name.split(".")
    items: list[Any] = list(records)
    if action == "delete":
        items = [str(record["id"]) for record in records]
    return compact_json({"type": job_type, "action": action, "data": items})


@dataclass
class _Round:
    """What one poll gathers. `over` is set when the vendor wants no more requests."""

    readings: dict[str, JobReading] = field(default_factory=dict)
    throttled: Throttled | None = None
    refused: Refused | None = None
    hiccups: list[str] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def note(self, problem: Problem) -> None:
        """Sort a problem in; a hiccup ends the round only when it is one of several."""
        if isinstance(problem, Throttled):
            self.throttled = problem
        elif isinstance(problem, Refused):
            self.refused = problem
        else:
            self.hiccups.append(problem.reason)
            if problem.retry_after is not None:
                # A read may simply be repeated, when the vendor says when.
                self.throttled = Throttled(ThrottleReason.RATE, problem.retry_after)
            elif len(self.hiccups) < MAX_HICCUPS:
                return
        self.over.set()

    def read(self, readings: Iterable[JobReading]) -> None:
        self.readings |= {reading.job_id: reading for reading in readings}


class ZendeskSunshineClient:
    """Talks to one Zendesk account."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._reader = SunshineReader(http)

    @property
    def requests_made(self) -> int:
        return self._http.requests_made

    def wake(self) -> None:
        self._http.wake()

    def test(self) -> Refused | Throttled | Ambiguous | None:
        return self._reader.listed(UNFINISHED[0], pages=1).problem

    def submit(
        self,
        operation: Operation,
        records: Sequence[JsonObject],
        token: str,  # noqa: ARG002 - a Sunshine job can carry none
    ) -> SubmitAnswer:
        answer = self._http.request("POST", f"{API}/jobs", body=encode(operation, records))
        problem = sunshine_problem(answer)
        if problem is not None:
            return problem
        job = json_object(answer).get("data")
        job_id = job.get("id") if isinstance(job, dict) else None
        if isinstance(job_id, str) and JOB_ID.fullmatch(job_id):
            return Accepted(job_id)
        return Ambiguous("the vendor accepted the request but its answer names no job")

    def poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read jobs: the unfinished ones from the list, those that ended one by one.

        Only the reader by id has results, so every job costs one such request in its life. The
        list by status shows in two requests which ones are not worth it yet. Where it cannot be
        read all jobs are read by id, and jobs unknown by id are looked for in the whole list.
        """
        before = self.requests_made
        gathered = _Round()
        if len(job_ids) > FEW:
            self._look_at_unfinished(set(job_ids), gathered)
        rest = [job_id for job_id in job_ids if job_id not in gathered.readings]
        missing = self._read_by_id(rest[:READS_PER_POLL], gathered)
        if missing and not gathered.over.is_set():
            self._look_for(missing, gathered)
        return PollAnswer(
            readings=gathered.readings,
            throttled=gathered.throttled,
            refused=gathered.refused,
            requests=self.requests_made - before,
            problem="; ".join(dict.fromkeys(gathered.hiccups)) or None,
        )

    def _look_at_unfinished(self, wanted: set[str], gathered: _Round) -> None:
        for status in UNFINISHED:
            listing = self._reader.listed(status)
            # What the list calls ended, if it disregards the filter, is worth a look by id.
            gathered.read(
                reading
                for reading in _listed_readings(listing, wanted)
                if reading_of(reading.raw or {}).phase is JobPhase.ACTIVE
            )
            if listing.problem is not None:
                _note_list(listing.problem, gathered)
                return

    def _read_by_id(self, job_ids: Sequence[str], gathered: _Round) -> set[str]:
        """Read jobs one by one, side by side; returns those that the vendor does not know."""
        missing: set[str] = set()

        def look(job_id: str) -> JsonObject | Problem | None:
            if gathered.over.is_set():
                return None
            shown = self._reader.show(job_id)
            if not isinstance(shown, dict) and not is_missing(shown):
                # Noted at once, before the other readers send their next requests.
                gathered.note(shown)
            return shown

        with ThreadPoolExecutor(max_workers=READERS) as pool:
            for job_id, shown in zip(job_ids, pool.map(look, job_ids), strict=True):
                if isinstance(shown, dict):
                    gathered.read([replace(reading_of(shown), job_id=job_id)])
                elif is_missing(shown):
                    missing.add(job_id)
        return missing

    def _look_for(self, missing: set[str], gathered: _Round) -> None:
        """The second reader, the list, for jobs that reading by id does not know."""
        listing = self._reader.listed()
        gathered.read(_listed_readings(listing, missing))
        if listing.problem is not None:
            _note_list(listing.problem, gathered)
        elif listing.complete:
            # Neither reader knows them: not visible yet, or forgotten. Age tells which.
            gathered.read(
                JobReading(job_id, JobPhase.GONE, "gone")
                for job_id in missing
                if job_id not in gathered.readings
            )

    def find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for a lost submission among recent jobs, and prove it by reading records back."""
        before = self.requests_made
        kind = _KINDS[operation.name.split(".")[0]]
        found = find_job(self._reader, operation, kind, lost, now, RETENTION_SECONDS)
        return replace(found, requests=self.requests_made - before)


def _listed_readings(listing: Listing, wanted: set[str]) -> list[JobReading]:
    return [listed_reading_of(job) for job in listing.jobs if job.get("id") in wanted]


def _note_list(problem: Problem, gathered: _Round) -> None:
    """Note what was wrong with the list; one that is not served leaves the reader by id."""
    if is_missing(problem):
        gathered.hiccups.append("the vendor serves no list of jobs")
    else:
        gathered.note(problem)


def build_client(
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    *,
    allow_loopback_http: bool,
) -> ZendeskSunshineClient:
    """A client for the account at `base_url`, whose credentials `read_secret` gives."""
    http = zendesk_http(base_url, read_secret, allow_loopback_http=allow_loopback_http)
    return ZendeskSunshineClient(http)


ZENDESK_SUNSHINE = Vendor(
    name="zendesk_sunshine",
    title="Zendesk Sunshine",
    operations=OPERATIONS,
    capabilities=Capabilities(
        # The reader that shows results shows one job; the list spares most of its requests.
        poll_batch=1,
        max_jobs=1_000,
        retention_seconds=RETENTION_SECONDS,
        job_list=True,
        record_lookup=True,
    ),
    read_results=read_results,
    client=build_client,
    encode=encode,
    credential_forms=(EMAIL_TOKEN, BEARER, CLIENT),
)
