"""The document that describes a vendor: its parts, and what is wrong with one, in sentences.

Where something stands in an answer is said in JMESPath (https://jmespath.org). The library
comes with boto3 and is imported only when a document is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from jobferry.domain.profile import ColumnType
from jobferry.vendors.credentials import BEARER, EMAIL_TOKEN, PASSWORD
from jobferry.vendors.operation import Operation

Look = Callable[[Any], Any]
"""Finds a value in an answer; None where there is nothing."""

RECORDS, RECORD = "$records", "$record"
"""In a body: the records of the job as a list; its only record."""

_METHODS = ("POST", "PUT", "PATCH", "DELETE")

CREDENTIALS = {"email_token": EMAIL_TOKEN, "bearer": BEARER, "password": PASSWORD}


class DocumentError(ValueError):
    """The document describes no vendor. The text names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class Submission:
    """How one operation is sent.

    body    JSON in which `$records` or `$record` stands for what is sent
    record  what becomes of each record on the way; None leaves it as it is
    """

    method: str
    path: str
    body: Any
    record: Look | None


@dataclass(frozen=True, slots=True)
class JobList:
    """A list of recent jobs, without results: the second reader.

    next  where an answer holds the address of the next page; only its query is used
    ends  status words of jobs that have no results to be read by id
    """

    path: str
    jobs: Look
    next: Look | None
    ends: frozenset[str]


@dataclass(frozen=True, slots=True)
class Polling:
    """How jobs are read: one a request (`{id}` in the path) or many (`{ids}`)."""

    path: str
    batch: int
    jobs: Look
    id: Look
    status: Look
    ended: frozenset[str]
    progress: Look | None
    total: Look | None
    listing: JobList | None


@dataclass(frozen=True, slots=True)
class Results:
    """How an ended job is read; every path but `rows` starts at one row's result.

    succeeded     what holds something of a success alone; an empty result must not have it
    failed        what holds something of a failure alone; it outweighs a success
    index         the row's place in the request, from 0; None: the place in the list
    key           what `match_on` of the operation is compared with
    partial       status words of jobs whose list breaks off where the work did
    nothing_done  status words of jobs that did nothing where they list nothing
    """

    rows: Look
    succeeded: Look
    failed: Look
    id: Look | None
    code: Look | None
    text: Look | None
    index: Look | None
    key: Look | None
    partial: frozenset[str]
    nothing_done: frozenset[str]


@dataclass(frozen=True, slots=True)
class Errors:
    """What the body of a refusal says. Patterns are searched in its code and message.

    slots  too many jobs in flight: the same may go later
    retry  nothing was done and the same may go again
    run    no submission of the run can be accepted
    """

    code: Look | None
    message: Look | None
    slots: re.Pattern[str] | None
    retry: re.Pattern[str] | None
    run: re.Pattern[str] | None


@dataclass(frozen=True, slots=True)
class Document:
    """A vendor's document, read and found usable."""

    name: str
    title: str
    base_path: str
    credentials: tuple[frozenset[str], ...]
    test_path: str
    test_shows: Look
    operations: Mapping[str, Operation]
    submissions: Mapping[str, Submission]
    job_id: Look
    polling: Polling
    results: Results
    errors: Errors
    max_jobs: int
    retention_seconds: int


_NEEDED = object()


class _Section:
    """One mapping of the document. Faults are gathered, so that all are told at once."""

    def __init__(self, value: Any, where: str, faults: list[str]) -> None:
        self._where = where
        self._faults = faults
        self._known: set[str] = set()
        self._values: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        if not isinstance(value, Mapping):
            self.fault("", "must be a mapping")

    def fault(self, key: str, what: str) -> None:
        place = ".".join(part for part in (self._where, key) if part) or "the document"
        self._faults.append(f"{place} {what}" + ("" if what.endswith("?") else "."))

    def take(self, key: str, kind: type, words: str, default: Any = _NEEDED) -> Any:
        """The value of a key; a fault, and an empty value, where it is not of the kind."""
        self._known.add(key)
        value = self._values.get(key)
        if value is None:
            if default is _NEEDED:
                self.fault(key, f"is missing: it must be {words}")
                return kind()
            return default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fault(key, f"must be {words}")
            return kind()
        return value

    def text(self, key: str, default: Any = _NEEDED) -> str:
        return str(self.take(key, str, "a text", default))

    def whole(self, key: str, default: Any = _NEEDED) -> int:
        number: int = self.take(key, int, "a whole number above 0", default)
        if isinstance(number, int) and number < 1 and key in self._values:
            self.fault(key, "must be a whole number above 0")
        return number

    def path(self, key: str, default: Any = _NEEDED) -> str:
        path = self.text(key, default)
        if path and not path.startswith("/"):
            self.fault(key, "must begin with /")
        return path

    def texts(self, key: str, default: Any = _NEEDED) -> tuple[str, ...]:
        listed = self.take(key, list, "a list of texts", default)
        if not _are_texts(list(listed)):
            self.fault(key, "must be a list of texts")
        return tuple(str(each) for each in listed)

    def pattern(self, key: str) -> re.Pattern[str] | None:
        text = self.text(key, "")
        try:
            return re.compile(text, re.IGNORECASE) if text else None
        except re.error as error:
            self.fault(key, f"is no regular expression: {error}")
            return None

    def look(self, key: str) -> Look:
        """A JMESPath expression that must be there."""
        return _compiled(self, key, self.text(key))

    def maybe(self, key: str) -> Look | None:
        text = self.text(key, "")
        return _compiled(self, key, text) if text else None

    def section(self, key: str, *, needed: bool = True) -> _Section:
        self._known.add(key)
        value = self._values.get(key)
        if value is None and needed:
            self.fault(key, "is missing: it must be a mapping")
        return _Section({} if value is None else value, self._below(key), self._faults)

    def sections(self, key: str) -> dict[str, _Section]:
        entries = self.take(key, dict, "a mapping that is not empty")
        if not entries and isinstance(self._values.get(key), dict):
            self.fault(key, "must be a mapping that is not empty")
        below = self._below(key)
        return {
            str(name): _Section(entry, f"{below}.{name}", self._faults)
            for name, entry in entries.items()
        }

    def has(self, key: str) -> bool:
        return self._values.get(key) is not None

    def end(self) -> None:
        """Every key must have been asked for by now."""
        for key in sorted(set(map(str, self._values)) - self._known):
            near = get_close_matches(key, self._known, n=1)
            self.fault(
                key, f"is no known key; is {near[0]!r} meant?" if near else "is no known key"
            )

    def _below(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def read_document(document: Mapping[str, Any]) -> Document:
    """The document's parts.

    Raises:
        DocumentError: with every fault that was found.
    """
    faults: list[str] = []
    whole = _Section(document, "", faults)
    test, submit, limits = whole.section("test"), whole.section("submit"), whole.section("limits")
    max_records, max_bytes = limits.whole("max_records"), limits.whole("max_bytes")
    operations: dict[str, Operation] = {}
    submissions: dict[str, Submission] = {}
    for name, section in whole.sections("operations").items():
        submissions[name] = _submission(section, submit)
        operations[name] = _operation(name, section, max_records, max_bytes)
        if RECORD in list(_leaves(submissions[name].body)) and operations[name].max_records != 1:
            section.fault("max_records", f"must be 1, as the body holds {RECORD!r}")
        section.end()
    read = Document(
        name=whole.text("name"),
        title=whole.text("title"),
        base_path=whole.path("base_path", "").rstrip("/"),
        credentials=_credentials(whole),
        test_path=test.path("path"),
        test_shows=test.look("shows"),
        operations=operations,
        submissions=submissions,
        job_id=submit.look("job_id"),
        polling=_polling(whole.section("poll")),
        results=_results(whole.section("results")),
        errors=_errors(whole.section("errors", needed=False)),
        max_jobs=limits.whole("max_jobs"),
        retention_seconds=limits.whole("retention_seconds"),
    )
    for section in (test, submit, limits, whole):
        section.end()
    if faults:
        raise DocumentError("\n".join(dict.fromkeys(faults)))
    return read


def _credentials(whole: _Section) -> tuple[frozenset[str], ...]:
    names = whole.texts("credentials")
    if any(name not in CREDENTIALS for name in names):
        whole.fault("credentials", f"may be: {', '.join(CREDENTIALS)}")
    return tuple(CREDENTIALS[name] for name in names if name in CREDENTIALS)


def _operation(name: str, section: _Section, max_records: int, max_bytes: int) -> Operation:
    types = section.take("types", dict, "a mapping of fields to types", {})
    known = [kind.value for kind in ColumnType]
    if any(kind not in known for kind in types.values()):
        section.fault("types", f"may be: {', '.join(known)}")
        types = {}
    return Operation(
        name=name,
        summary=section.text("summary"),
        max_records=section.whole("max_records", max_records),
        max_bytes=section.whole("max_bytes", max_bytes),
        repeatable=section.take("repeatable", bool, "true or false"),
        adds=frozenset(section.texts("adds", [])),
        required=_required(section),
        match_on=section.texts("match_on", []),
        types={field: ColumnType(kind) for field, kind in types.items()},
        fields=section.texts("fields", []),
        external_id_field=section.text("external_id_field", ""),
        undone_by=section.text("undone_by", ""),
        undone_by_field=section.text("undone_by_field", "id"),
        cannot_undo=section.text("cannot_undo", ""),
    )


def _required(section: _Section) -> tuple[tuple[str, ...], ...]:
    """Fields that must be there; an entry that is a list holds alternatives."""
    listed = section.take("required", list, "a list of fields", [])
    choices = [[each] if isinstance(each, str) else each for each in listed]
    if any(not _are_texts(choice) for choice in choices):
        section.fault("required", "must be a list of fields, or of lists of alternatives")
        return ()
    return tuple(tuple(choice) for choice in choices)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _submission(section: _Section, shared: _Section) -> Submission:
    """An operation's own way of being sent; what it does not say is the same for all."""
    said = {key: section if section.has(key) else shared for key in ("method", "path", "body")}
    for key in ("method", "path"):
        section.text(key, "")
        shared.text(key, "")
    for each in (section, shared):
        each.take("body", dict, "a mapping", {})
    body = said["body"].take("body", dict, "a mapping")
    if sum(leaf in (RECORD, RECORDS) for leaf in _leaves(body)) != 1:
        said["body"].fault("body", f"must hold {RECORDS!r} or {RECORD!r}, once")
    method = said["method"].text("method", "POST").upper()
    if method not in _METHODS:
        said["method"].fault("method", f"may be: {', '.join(_METHODS)}")
    return Submission(
        method=method,
        path=said["path"].path("path"),
        body=body,
        record=section.maybe("record"),
    )


def _polling(section: _Section) -> Polling:
    path, listing = section.path("path"), None
    if ("{id}" in path) == ("{ids}" in path):
        section.fault("path", "must hold {id}, for one job a request, or {ids}, for many")
    batch = section.whole("batch", 1)
    if "{id}" in path and batch != 1:
        section.fault("batch", "must be left out where a request reads one job")
    if section.has("list"):
        second = section.section("list")
        listing = JobList(
            path=second.path("path"),
            jobs=second.look("jobs"),
            next=second.maybe("next"),
            ends=frozenset(second.texts("ends", [])),
        )
        second.end()
    section.section("list", needed=False)
    polling = Polling(
        path=path,
        batch=batch,
        jobs=section.look("jobs"),
        id=section.look("id"),
        status=section.look("status"),
        ended=frozenset(section.texts("ended")),
        progress=section.maybe("progress"),
        total=section.maybe("total"),
        listing=listing,
    )
    section.end()
    return polling


def _results(section: _Section) -> Results:
    results = Results(
        rows=section.look("rows"),
        succeeded=section.look("succeeded"),
        failed=section.look("failed"),
        id=section.maybe("id"),
        code=section.maybe("code"),
        text=section.maybe("text"),
        index=section.maybe("index"),
        key=section.maybe("key"),
        partial=frozenset(section.texts("partial", [])),
        nothing_done=frozenset(section.texts("nothing_done", [])),
    )
    section.end()
    return results


def _errors(section: _Section) -> Errors:
    errors = Errors(
        code=section.maybe("code"),
        message=section.maybe("message"),
        slots=section.pattern("slots"),
        retry=section.pattern("retry"),
        run=section.pattern("run"),
    )
    section.end()
    return errors


def _leaves(value: Any) -> Sequence[Any]:
    """Every value of a JSON document that holds no others."""
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each)]
    return [value]


def _nothing(_value: Any) -> None:
    return None


def _compiled(section: _Section, key: str, text: str) -> Look:
    """An expression ready for use. What it cannot be applied to holds nothing."""
    import jmespath  # type: ignore[import-untyped]
    from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

    if not text:
        return _nothing
    try:
        expression = jmespath.compile(text)
    except JMESPathError:
        section.fault(key, f"is no JMESPath expression: {text!r}")
        return _nothing

    def look(value: Any) -> Any:
        try:
            return expression.search(value)
        except JMESPathError:
            return None

    return look
