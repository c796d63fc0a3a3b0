"""A vendor's document as the adapter works with it: plain values, and paths ready for use.

What is read here was checked when it was put (`declarative.validation`), so that a function needs
nothing but the standard library and JMESPath (https://jmespath.org), which comes with boto3.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobferry.domain.profile import ColumnType
from jobferry.vendors.credentials import API_KEY, BEARER, EMAIL_TOKEN, PASSWORD
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

    prefix  what stands before the key, a blank included where one is wanted
    """

    name: str
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """How a record that a job made is read, and compared with what was sent.

    path    `{id}` is the id that the result names
    record  where the record stands in the answer
    same    fields that tell a record from all others, by the same names in both
    """

    path: str
    record: Extractor
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """How one operation is sent.

    body       JSON in which `$records` or `$record` stands for what is sent, and `$token` for the
               token of the submission; `{token}` in the path is the token, too
    record     what becomes of each record on the way; None leaves it as it is
    read_back  how its records are recognised
    """

    method: str
    path: str
    body: Any
    record: Extractor | None
    read_back: ReadBack | None


@dataclass(frozen=True, slots=True)
class JobList:
    """A list of recent jobs, without results: the second reader.

    next  where an answer holds the address of the next page; only its query is used
    ends  status words of jobs that have no results to be read by id
    """

    path: str
    jobs: Extractor
    next: Extractor | None
    ends: frozenset[str]


@dataclass(frozen=True, slots=True)
class Polling:
    """How jobs are read: one a request (`{id}` in the path) or many (`{ids}`).

    id  None: a request shows the one job that it asks for
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

    path     `{ids}` are values of `field`, parted by commas; `{…}` with the name of any other field
             is its value, the same for all records of a request
    records  the list of those that are there
    field    the field that holds the id, by the same name in ours and in theirs
    batch    ids in one request
    created  when a record was made, in the forms of `Search.created`
    """

    path: str
    records: Extractor
    field: str
    batch: int
    created: Extractor | None


@dataclass(frozen=True, slots=True)
class Search:
    """How the job of a submission whose answer was lost is looked for.

    listing   recent jobs; `{token}` in its path is the token
    created   when a job was made: an ISO 8601 time, or seconds of the epoch
    token     where a listed job shows the token of its submission
    complete  the list shows every job of the account, whoever began it, for `kept_seconds`
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

    path          where the results are asked for, if not in the job; `{id}` is the job's id
    url           where the job names that address; only on the connection's own host
    next          where an answer of these holds the address of the next page
    rows          the list of results, in the job or in what `path` or `url` leads to
    succeeded     what holds something of a success alone; an empty result must not have it
    failed        what holds something of a failure alone; it outweighs a success
    index         the row's place in the request, from 0; None: the place in the list
    key           what `match_on` of the operation is compared with
    partial       status words of jobs whose list breaks off where the work did
    nothing_done  status words of jobs that did nothing where they list nothing
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

    retry_after  seconds to wait, where the header `Retry-After` names none
    slots        too many jobs in flight: the same may go later
    retry        nothing was done and the same may go again
    run          no submission of the run can be accepted
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


def read_document(document: Mapping[str, Any]) -> Document:
    """The document's parts.

    Args:
        document: one that `declarative.validation.validate` has accepted.

    Raises:
        LookupError, TypeError, ValueError: it is none of those.
    """
    submit, limits, polling = document["submit"], document["limits"], document["poll"]
    search = document.get("search")
    headers = [each["header"] for each in document["credentials"] if isinstance(each, Mapping)]
    return Document(
        name=document["name"],
        title=document["title"],
        base_path=document.get("base_path", "").rstrip("/"),
        credentials=tuple(
            CREDENTIALS[each] if isinstance(each, str) else API_KEY
            for each in document["credentials"]
        ),
        key_header=KeyHeader(**headers[0]) if headers else None,
        test_path=document["test"]["path"],
        test_shows=extractor(document["test"]["shows"]),
        operations={
            name: _operation(name, said, limits) for name, said in document["operations"].items()
        },
        submissions={
            name: _submission({**submit, **said}, search)
            for name, said in document["operations"].items()
        },
        job_id=extractor(submit["job_id"]),
        polling=_polling(polling),
        results=_results(document["results"]),
        errors=_errors(document.get("errors", {})),
        search=None if search is None else _search(search, polling.get("list"), limits),
        max_jobs=limits["max_jobs"],
        refuses_excess=limits.get("refuses_excess", False),
        retention_seconds=limits["retention_seconds"],
    )


def _operation(name: str, said: Mapping[str, Any], limits: Mapping[str, Any]) -> Operation:
    required = said.get("required", ())
    return Operation(
        name=name,
        summary=said["summary"],
        max_records=said.get("max_records", limits["max_records"]),
        max_bytes=said.get("max_bytes", limits["max_bytes"]),
        repeatable=said["repeatable"],
        adds=frozenset(said.get("adds", ())),
        required=tuple((each,) if isinstance(each, str) else tuple(each) for each in required),
        match_on=tuple(said.get("match_on", ())),
        types={field: ColumnType(kind) for field, kind in said.get("types", {}).items()},
        fields=tuple(said.get("fields", ())),
        external_id_field=said.get("external_id_field", ""),
        undone_by=said.get("undone_by", ""),
        undone_by_field=said.get("undone_by_field", "id"),
        cannot_undo=said.get("cannot_undo", ""),
    )


def _submission(said: Mapping[str, Any], search: Mapping[str, Any] | None) -> Submission:
    """An operation's own way of being sent; what it does not say is the same for all."""
    read_back = said.get("read_back") or (search or {}).get("read_back")
    return Submission(
        method=said.get("method", "POST"),
        path=said["path"],
        body=said["body"],
        record=maybe(said, "record"),
        read_back=None
        if read_back is None
        else ReadBack(
            read_back["path"],
            extractor(read_back.get("record", "@")),
            tuple(read_back["same"]),
        ),
    )


def _polling(said: Mapping[str, Any]) -> Polling:
    return Polling(
        path=said["path"],
        batch=said.get("batch", 1),
        jobs=extractor(said.get("jobs", "@")),
        id=maybe(said, "id"),
        status=extractor(said["status"]),
        ended=frozenset(said["ended"]),
        progress=maybe(said, "progress"),
        total=maybe(said, "total"),
        listing=_job_list(said["list"]) if said.get("list") else None,
    )


def _job_list(said: Mapping[str, Any]) -> JobList:
    return JobList(
        path=said["path"],
        jobs=extractor(said["jobs"]),
        next=maybe(said, "next"),
        ends=frozenset(said.get("ends", ())),
    )


def _search(
    said: Mapping[str, Any], listed: Mapping[str, Any] | None, limits: Mapping[str, Any]
) -> Search:
    """The search; its list is the one of polls where it names no other."""
    look_up = said.get("look_up")
    return Search(
        listing=_job_list({**(listed or {}), **said}),
        created=maybe(said, "created"),
        token=maybe(said, "token"),
        complete=said.get("complete", False),
        kept_seconds=said.get("kept_seconds", limits["retention_seconds"]),
        look_up=None
        if look_up is None
        else LookUp(
            path=look_up["path"],
            records=extractor(look_up["records"]),
            field=look_up["field"],
            batch=look_up.get("batch", 1),
            created=maybe(look_up, "created"),
        ),
    )


def _results(said: Mapping[str, Any]) -> Results:
    return Results(
        path=said.get("path", ""),
        url=maybe(said, "url"),
        next=maybe(said, "next"),
        rows=extractor(said["rows"]),
        succeeded=extractor(said["succeeded"]),
        failed=extractor(said["failed"]),
        id=maybe(said, "id"),
        code=maybe(said, "code"),
        text=maybe(said, "text"),
        index=maybe(said, "index"),
        key=maybe(said, "key"),
        partial=frozenset(said.get("partial", ())),
        nothing_done=frozenset(said.get("nothing_done", ())),
    )


def _errors(said: Mapping[str, Any]) -> Errors:
    def pattern(key: str) -> re.Pattern[str] | None:
        return re.compile(said[key], re.IGNORECASE) if said.get(key) else None

    return Errors(
        code=maybe(said, "code"),
        message=maybe(said, "message"),
        retry_after=maybe(said, "retry_after"),
        slots=pattern("slots"),
        retry=pattern("retry"),
        run=pattern("run"),
    )


def leaves(value: Any) -> Sequence[Any]:
    """Every value of a JSON document that holds no others."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]


def maybe(said: Mapping[str, Any], key: str) -> Extractor | None:
    """The path that stands under a key; None where none does."""
    return extractor(said[key]) if said.get(key) else None


def extractor(text: str) -> Extractor:
    """A JMESPath expression ready for use. What it cannot be applied to holds nothing.

    Raises:
        ValueError: it is none.
    """
    import jmespath  # type: ignore[import-untyped]
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

    expression = jmespath.compile(text)

    def extract(value: Any) -> Any:
        try:
            return expression.search(value)
        except JMESPathError:
            return None

    return extract
