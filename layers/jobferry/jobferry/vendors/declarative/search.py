"""Looking for a lost job as a document says: by the token that it shows, or by its records."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import plain
from jobferry.vendors.answers import Found, JobReading, Problem, Refused
from jobferry.vendors.declarative.answers import job_id_in, status_of
from jobferry.vendors.declarative.document import Document, JobList, LookUp, ReadBack, Search
from jobferry.vendors.declarative.results import items_in, verdict_of
from jobferry.vendors.http.refusals import is_missing
from jobferry.vendors.job_search import (
    CLOCK_SKEW_SECONDS,
    Made,
    Match,
    RecordLookup,
    RecordReader,
    SearchResult,
    decide,
    examined,
    match_of_results,
    may_be_of_that_time,
    moment,
    undecidable,
)
from jobferry.vendors.lost_submission import LostSubmission
from jobferry.vendors.operation import Operation

Listed = tuple[list[JsonObject], bool, bool]
"""Jobs of a list, whether none is missing, whether it could be read."""


class JobSearch:
    """One search. The requests are those of the client.

    Args:
        listed: a list → what it shows.
        show: job id → its reading; None where it is not known; or what went wrong.
        get: path → the answer's document, or what went wrong.
    """

    def __init__(
        self,
        document: Document,
        lost: LostSubmission,
        *,
        listed: Callable[[JobList], Listed],
        show: Callable[[str], JobReading | Problem | None],
        get: Callable[[str], tuple[Any, Problem | None]],
    ) -> None:
        self._document = document
        self._lost = lost
        self._listed = listed
        self._show = show
        self._get = get

    def find(self, operation: Operation, now: float) -> Found:
        """What became of the submission; `requests` is left to the caller."""
        search = self._document.search
        if search is None:
            return undecidable("this vendor's jobs cannot be searched")
        read_back = self._document.submissions[operation.name].read_back
        path = search.listing.path.replace("{token}", quote(self._lost.token, safe=""))
        jobs, complete, readable = self._listed(replace(search.listing, path=path))
        result = SearchResult(unreadable=True)
        if readable:
            result = examined(
                self._candidates(search, jobs),
                lambda job: (self._examine(search, read_back, job), self._id_of(job) or ""),
                complete=complete and search.complete,
            )

        def look_up(_absent: bool) -> RecordLookup:
            return self._made(operation, search.look_up)

        return decide(result, now - self._lost.sent_at, search.kept_seconds, look_up)

    def _id_of(self, job: JsonObject) -> str | None:
        path = self._document.polling.id
        return job_id_in(path(job)) if path else None

    def _candidates(self, search: Search, jobs: Sequence[JsonObject]) -> list[JsonObject]:
        """Jobs of that time that are no other chunk's."""
        of_that_time = [job for job in jobs if self._is_of_that_time(search, job)]
        known = self._lost.jobs.known(map(self._id_of, of_that_time))
        return [job for job in of_that_time if self._id_of(job) not in known]

    def _is_of_that_time(self, search: Search, job: JsonObject) -> bool:
        created = moment(search.created(job)) if search.created else None
        return may_be_of_that_time(created, self._lost)

    def _examine(self, search: Search, read_back: ReadBack | None, job: JsonObject) -> Match:
        """Whether a job of the list is the lost one."""
        job_id = self._id_of(job)
        if job_id is None:
            return Match.DOUBTFUL
        status = status_of(self._document.polling, job)
        if search.token is not None:
            shown = plain(search.token(job))
            if shown == self._lost.token:
                return Match.OURS
            if shown:
                return Match.NOT_OURS
        if status in self._document.results.nothing_done:
            # Whether it was ours or not, the rows may be sent.
            return Match.NOT_OURS
        if status not in self._document.polling.ended:
            return Match.RUNNING
        return Match.DOUBTFUL if read_back is None else self._by_records(job_id, read_back)

    def _by_records(self, job_id: str, read_back: ReadBack) -> Match:
        """Whether an ended job made our records."""
        reading = self._show(job_id)
        if reading is None:
            return Match.DOUBTFUL
        if not isinstance(reading, JobReading):
            return Match.UNREADABLE
        results = self._document.results
        items = items_in(results, reading.raw or {})
        return match_of_results(
            [verdict_of(item, results) for item in items],
            self._lost.records,
            RecordReader(lambda identity: self._record(read_back, identity), _key_of(read_back)),
            broke_off=reading.status in results.partial,
        )

    def _record(self, read_back: ReadBack, identity: str) -> JsonObject | Match | None:
        path = read_back.path.replace("{id}", quote(identity, safe=""))
        answer, problem = self._get(path)
        if is_missing(problem):
            return None
        record = None if problem is not None else read_back.record(answer)
        return record if isinstance(record, dict) else Match.UNREADABLE

    def _made(self, operation: Operation, look_up: LookUp | None) -> RecordLookup:
        """Whether a record with one of our ids was made since they were sent."""
        if look_up is None or look_up.field not in operation.fields:
            return RecordLookup(Made.NO_LOOK_UP)
        by_path = _ids_by_path(look_up, self._lost.records)
        for path, ids in by_path.items():
            for start in range(0, len(ids), look_up.batch):
                made = self._made_of(look_up, path, ids[start : start + look_up.batch])
                if made is not Made.NONE:
                    return RecordLookup(made)
        return RecordLookup(Made.NONE, sum(map(len, by_path.values())) == len(self._lost.records))

    def _made_of(self, look_up: LookUp, path: str, ids: Sequence[str]) -> Made:
        """The same of some ids, in one request."""
        asked = ",".join(quote(each, safe="") for each in ids)
        document, problem = self._get(path.replace("{ids}", asked))
        if isinstance(problem, Refused):
            # An account without this look-up leaves the list of jobs as the proof.
            return Made.NO_LOOK_UP
        found = None if problem is not None else look_up.records(document)
        if not isinstance(found, list):
            return Made.UNREADABLE
        if any(plain(_fields(record).get(look_up.field)) not in ids for record in found):
            # It has not been asked for what we wanted to know.
            return Made.NO_LOOK_UP
        earliest = self._lost.sent_at - CLOCK_SKEW_SECONDS
        for record in found:
            created = moment(look_up.created(record)) if look_up.created else None
            if created is None or created >= earliest:
                return Made.SOME
        return Made.NONE


def _fields(record: object) -> JsonObject:
    return record if isinstance(record, dict) else {}


def _ids_by_path(look_up: LookUp, records: Sequence[JsonObject]) -> dict[str, list[str]]:
    """Path of a look-up, but for its ids → ids that can be asked for there."""
    by_path: dict[str, list[str]] = {}
    for record in records:
        identity = plain(record.get(look_up.field))
        if identity and "," not in identity:
            path = _filled(look_up.path, record)
            by_path.setdefault(path, []).append(identity)
    return by_path


def _filled(path: str, record: JsonObject) -> str:
    return _PLACEHOLDER.sub(lambda found: quote(plain(record.get(found[1])), safe=""), path)


_PLACEHOLDER = re.compile(r"\{(?!ids\})([^{}]+)\}")
"""The name of a field in the path of a look-up."""


def _key_of(read_back: ReadBack) -> Callable[[JsonObject], tuple[str, ...] | None]:
    """What tells a record from all others; None for one that lacks a part of it."""

    def key(record: JsonObject) -> tuple[str, ...] | None:
        values = tuple(plain(record.get(name)) for name in read_back.same)
        return values if all(values) else None

    return key
