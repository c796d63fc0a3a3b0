"""A vendor's document as its adapter works with it: plain values, and paths ready for use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobferry.vendors.credentials import BEARER, EMAIL_TOKEN, PASSWORD
from jobferry.vendors.operation import Operation

Extractor = Callable[[Any], Any]
"""Finds a value in an answer; None where there is nothing."""

RECORDS, RECORD, TOKEN = "$records", "$record", "$token"
"""In a body: the records of the job as a list; its only record; the token of the submission."""

CREDENTIALS = {"email_token": EMAIL_TOKEN, "bearer": BEARER, "password": PASSWORD}
"""What `credentials` may name → the keys of the credentials' file."""


@dataclass(frozen=True, slots=True)
class KeyHeader:
    """A header that holds a key (`{"api_key": …}` in the credentials).

    Attributes:
        prefix: what stands before the key, a blank included where one is wanted
    """

    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How a record that a job made is read, and compared with what was sent.

    Attributes:
        path: `{id}` is the id that the result names
        record: where the record stands in the answer
        same: fields that tell a record from all others, by the same names in both
    """

    path: str
    record: Extractor
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """How one operation is sent.

    Attributes:
        body: JSON in which `$records` or `$record` stands for what is sent, and `$token` for the
            token of the submission; `{token}` in the path is the token, too
        record: what becomes of each record on the way; None leaves it as it is
        read_back: how its records are recognised
    """

    method: str
    path: str
    body: Any
    record: Extractor | None
    read_back: ReadBack | None


@dataclass(frozen=True, slots=True)
class JobList:
    """A list of recent jobs, without results: the second reader.

    Attributes:
        next: where an answer holds the address of the next page; only its query is used
        ends: status words of jobs that have no results to be read by id
    """

    path: str
    jobs: Extractor
    next: Extractor | None
    ends: frozenset[str]


@dataclass(frozen=True, slots=True)
class Polling:
    """How jobs are read: one a request (`{id}` in the path) or many (`{ids}`).

    Attributes:
        id: None: a request shows the one job that it asks for
    """

    path: str
    batch: int
    jobs: Extractor
    id: Extractor | None
    status: Extractor
    ended: frozenset[str]
    progress: Extractor | None
    total: Extractor | None
    listing: JobList | None


@dataclass(frozen=True, slots=True)
class LookUp:
    """How records are looked for by an id of ours, whichever job made them.

    Attributes:
        path: `{ids}` are values of `field`, parted by commas; `{…}` with the name of any other
            field is its value, the same for all records of a request
        records: the list of those that are there
        field: the field that holds the id, by the same name in ours and in theirs
        batch: ids in one request
        created: when a record was made, in the forms of `Search.created`
    """

    path: str
    records: Extractor
    field: str
    batch: int
    created: Extractor | None


@dataclass(frozen=True, slots=True)
class Search:
    """How the job of a submission whose answer was lost is looked for.

    Attributes:
        listing: recent jobs; `{token}` in its path is the token
        created: when a job was made: an ISO 8601 time, or seconds of the epoch
        token: where a listed job shows the token of its submission
        complete: the list shows every job of the account, whoever began it, for `kept_seconds`
    """

    listing: JobList
    created: Extractor | None
    token: Extractor | None
    complete: bool
    kept_seconds: float
    look_up: LookUp | None


@dataclass(frozen=True, slots=True)
class Results:
    """How an ended job is read; every path but `rows` starts at one row's result.

    Attributes:
        path: where the results are asked for, if not in the job; `{id}` is the job's id
        url: where the job names that address; only on the connection's own host
        next: where an answer of these holds the address of the next page
        rows: the list of results, in the job or in what `path` or `url` leads to
        succeeded: what holds something of a success alone; an empty result must not have it
        failed: what holds something of a failure alone; it outweighs a success
        index: the row's place in the request, from 0; None: the place in the list
        key: what `match_on` of the operation is compared with
        partial: status words of jobs whose list breaks off where the work did
        nothing_done: status words of jobs that did nothing where they list nothing
    """

    path: str
    url: Extractor | None
    next: Extractor | None
    rows: Extractor
    succeeded: Extractor
    failed: Extractor
    id: Extractor | None
    code: Extractor | None
    text: Extractor | None
    index: Extractor | None
    key: Extractor | None
    partial: frozenset[str]
    nothing_done: frozenset[str]

    @property
    def are_apart(self) -> bool:
        """Whether they are no part of the job."""
        return bool(self.path) or self.url is not None


@dataclass(frozen=True, slots=True)
class Errors:
    """What the body of a refusal says. Patterns are searched in its code and message.

    Attributes:
        retry_after: seconds to wait, where the header `Retry-After` names none
        slots: too many jobs in flight: the same may go later
        retry: nothing was done and the same may go again
        run: no submission of the run can be accepted
    """

    code: Extractor | None
    message: Extractor | None
    retry_after: Extractor | None
    slots: re.Pattern[str] | None
    retry: re.Pattern[str] | None
    run: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Document:
    """A vendor's document, ready for use."""

    name: str
    title: str
    base_path: str
    credentials: tuple[frozenset[str], ...]
    key_header: KeyHeader | None
    test_path: str
    test_shows: Extractor
    operations: Mapping[str, Operation]
    submissions: Mapping[str, Submission]
    job_id: Extractor
    polling: Polling
    results: Results
    errors: Errors
    search: Search | None
    max_jobs: int
    refuses_excess: bool
    retention_seconds: int
