"""Zendesk Sunshine: batch jobs on the object and relationship records of legacy custom objects.

Facts from https://developer.zendesk.com/rest_api/docs/sunshine/jobs: seven pairs of type and
action, at most 1,000 concurrent jobs per account, jobs kept for a day, results by position.
Zendesk retires this API in favour of custom object jobs in Support (`custom_objects.*`).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import (
    Ambiguous,
    Found,
    JobPhase,
    JobReading,
    PollAnswer,
    Problem,
    RecordsRead,
    Refused,
    SubmitAnswer,
    Throttled,
)
from jobferry.vendors.credentials import BEARER, CLIENT, EMAIL_TOKEN
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Capabilities, Operation, compact_json
from jobferry.vendors.poll_collector import READERS, PollRound
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.record_matching import matched
from jobferry.vendors.zendesk.client import ZendeskClient, client_builder, taken
from jobferry.vendors.zendesk.errors import JOB_ID, json_object
from jobferry.vendors.zendesk_sunshine.jobs import (
    API,
    UNFINISHED,
    Listing,
    SunshineReader,
    listed_reading_of,
    reading_of,
    sunshine_problem,
)
from jobferry.vendors.zendesk_sunshine.lost_jobs import find_job
from jobferry.vendors.zendesk_sunshine.results import read_results

if TYPE_CHECKING:
    from jobferry.vendors.http.client import HttpClient

RECORDS_PER_JOB = 100
"""Zendesk publishes no limit of records; this is ours, that of its other bulk requests."""

BODY_BYTES = 4 * 1024 * 1024
"""Zendesk publishes no limit for a request body; this is ours, well below what a proxy refuses."""

RETENTION_SECONDS = 86_400

FEW = len(UNFINISHED)
"""Up to so many jobs are read by id at once: the list would take as many requests."""

READS_PER_POLL = 200
"""Jobs that one poll reads by id: at 2 s a request some 50 s. The next poll reads on."""


def _operation(name: str, summary: str, **declared: Any) -> Operation:
    return Operation(
        name=name, summary=summary, max_records=RECORDS_PER_JOB, max_bytes=BODY_BYTES, **declared
    )


_CHANGES_STAY = (
    "What the records were before the change is known only of runs with `snapshot: true`."
)
_GONE = "Deleted records do not come back."

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
            external_id_field="external_id",
            undone_by="resources.delete",
        ),
        _operation(
            "resources.update",
            "Change object records; attributes that are not named stay.",
            repeatable=True,
            required=(("id",),),
            match_on=("id",),
            fields=("id", "attributes.<key>"),
            read_by={"id": RECORDS_PER_JOB},
            cannot_undo=_CHANGES_STAY,
        ),
        _operation(
            "resources.delete",
            "Delete object records by id.",
            repeatable=True,
            **_ID_ONLY,
            cannot_undo=_GONE,
        ),
        _operation(
            "resources.external_id_set",
            "Create object records, or change those with the same type and external id.",
            repeatable=True,
            required=(("type",), ("external_id",)),
            fields=("type", "external_id", "attributes.<key>"),
            cannot_undo="Which rows made a record and which changed one that was there is not "
            "kept: deleting them would delete records that are older than the run.",
        ),
        _operation(
            "resources.external_id_delete",
            "Delete object records by type and external id.",
            repeatable=True,
            required=(("type",), ("external_id",)),
            fields=("type", "external_id"),
            cannot_undo=_GONE,
        ),
        _operation(
            "relationships.post",
            "Create relationship records between object records.",
            repeatable=False,
            required=(("relationship_type",), ("source",), ("target",)),
            fields=("relationship_type", "source", "target"),
            undone_by="relationships.delete",
        ),
        _operation(
            "relationships.delete",
            "Delete relationship records by id.",
            repeatable=True,
            **_ID_ONLY,
            cannot_undo=_GONE,
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


class ZendeskSunshineClient(ZendeskClient):
    """Talks to one Zendesk account."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__(http)
        self._reader = SunshineReader(self._account)

    def test(self) -> Refused | Throttled | Ambiguous | None:
        return self._reader.listed(UNFINISHED[0], pages=1).problem

    def submit(
        self,
        operation: Operation,
        records: Sequence[JsonObject],
        token: str,  # noqa: ARG002 - a Sunshine job can carry none
    ) -> SubmitAnswer:
        answer = self._account.request("POST", f"{API}/jobs", body=encode(operation, records))
        problem = sunshine_problem(answer)
        if problem is not None:
            return problem
        job = json_object(answer).get("data")
        job_id = job.get("id") if isinstance(job, dict) else None
        return taken(answer, job_id)

    def read_records(self, operation: Operation, records: Sequence[JsonObject]) -> RecordsRead:
        """Read the object records that are to be changed, in one request."""
        names = tuple(operation.read_by)
        # What is no id cannot be asked for, and no change reaches it.
        ids = [text for record in records if JOB_ID.fullmatch(text := str(record.get("id")))]
        if not ids:
            return RecordsRead([None] * len(records), requests=0)
        listing = self._reader.records_by_id(list(dict.fromkeys(ids)))
        if not listing.complete:
            return RecordsRead(problem=listing.problem or _CUT_OFF)
        return RecordsRead(matched(records, listing.jobs, names))

    def _poll(self, job_ids: Sequence[str]) -> PollAnswer:
        """Read jobs: the unfinished ones from the list, those that ended one by one.

        Only the reader by id has results, so every job costs one such request in its life. The
        list by status shows in two requests which ones are not worth it yet. Where it cannot be
        read all jobs are read by id, and jobs unknown by id are looked for in the whole list.
        """
        gathered = PollRound()
        if len(job_ids) > FEW:
            self._poll_unfinished(set(job_ids), gathered)
        rest = [job_id for job_id in job_ids if job_id not in gathered.readings]
        missing = self._read_by_id(rest[:READS_PER_POLL], gathered)
        if missing and not gathered.over.is_set():
            self._search_for(missing, gathered)
        return gathered.answer()

    def _poll_unfinished(self, wanted: set[str], gathered: PollRound) -> None:
        for status in UNFINISHED:
            listing = self._reader.listed(status)
            # What the list calls ended, if it disregards the filter, is worth a read by id.
            gathered.read(
                reading
                for reading in _listed_readings(listing, wanted)
                if reading_of(reading.raw or {}).phase is JobPhase.ACTIVE
            )
            if listing.problem is not None:
                _note_list(listing.problem, gathered)
                return

    def _read_by_id(self, job_ids: Sequence[str], gathered: PollRound) -> set[str]:
        """Read jobs one by one, side by side; returns those that the vendor does not know."""
        missing: set[str] = set()

        def show(job_id: str) -> JsonObject | Problem | None:
            if gathered.over.is_set():
                return None
            shown = self._reader.show(job_id)
            if not isinstance(shown, dict) and not is_missing(shown):
                # Noted at once, before the other readers send their next requests.
                gathered.note(shown)
            return shown

        with ThreadPoolExecutor(max_workers=READERS) as pool:
            for job_id, shown in zip(job_ids, pool.map(show, job_ids), strict=True):
                if isinstance(shown, dict):
                    gathered.read([replace(reading_of(shown), job_id=job_id)])
                elif is_missing(shown):
                    missing.add(job_id)
        return missing

    def _search_for(self, missing: set[str], gathered: PollRound) -> None:
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

    def _find(self, operation: Operation, lost: LostSubmission, now: float) -> Found:
        """Look for a lost submission among recent jobs, and prove it by reading records back."""
        kind = _KINDS[operation.name.split(".")[0]]
        return find_job(self._reader, operation, kind, lost, now, RETENTION_SECONDS)


_CUT_OFF = Ambiguous("the answer lists only a part of the records")


def _listed_readings(listing: Listing, wanted: set[str]) -> list[JobReading]:
    return [listed_reading_of(job) for job in listing.jobs if job.get("id") in wanted]


def _note_list(problem: Problem, gathered: PollRound) -> None:
    """Note what was wrong with the list; one that is not served leaves the reader by id."""
    if isinstance(problem, Refused) and problem.http_status == 404:
        gathered.transient_errors.append("the vendor serves no list of jobs")
    else:
        gathered.note(problem)


ZENDESK_SUNSHINE = Vendor(
    name="zendesk_sunshine",
    title="Zendesk Sunshine",
    operations=OPERATIONS,
    capabilities=Capabilities(
        # The reader that shows results shows one job; the list spares most of its requests.
        poll_batch=1,
        max_jobs=1_000,
        retention_seconds=RETENTION_SECONDS,
        record_lookup=True,
    ),
    read_results=read_results,
    client=client_builder(ZendeskSunshineClient),
    encode=encode,
    credential_forms=(EMAIL_TOKEN, BEARER, CLIENT),
)
