"""From a vendor's canonical document to the values that its adapter works with.

The paths of a document are JMESPath (https://jmespath.org). The library comes with boto3 and is
imported only when a document is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jobferry.domain.profile import ColumnType
from jobferry.vendors.credentials import API_KEY
from jobferry.vendors.declarative.document import (
    CREDENTIALS,
    Document,
    Errors,
    Extractor,
    JobList,
    KeyHeader,
    LookUp,
    Polling,
    ReadBack,
    Results,
    Search,
    Submission,
)
from jobferry.vendors.operation import Operation


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
