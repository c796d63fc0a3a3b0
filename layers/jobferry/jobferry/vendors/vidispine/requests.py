"""From a record to the request that creates its job.

`POST /job?type=…&priority=…&jobmetadata=key%3Dvalue&notification=…&notificationData=…` with a
SimpleMetadataDocument (JobApi reference of the SDK `vidispine` 5.0.4). The document wins over a
query key of the same name since 5.0 and is not there before, so what must arrive travels in the
query.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Refused
from jobferry.vendors.operation import Operation, compact_json

TOKEN_KEY = "jobferry"  # noqa: S105  a key's name
"""Job metadata key that holds the token of the submission; found again exactly."""

OURS_KEY = "jobferry-job"
OURS = "true"
"""Job metadata that every job of ours carries, so that a list shows no others."""

PRIORITIES = ("LOWEST", "LOW", "MEDIUM", "HIGH", "HIGHEST", "IMMEDIATE")

_QUERY_FIELDS = ("type", "priority", "notification", "notificationData")
_METADATA = "jobmetadata"


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    """A query string: UTF-8, blanks as %20, names may repeat."""
    return urlencode(list(pairs), quote_via=quote)


def encode(operation: Operation, records: Sequence[JsonObject]) -> bytes:  # noqa: ARG001
    """The SimpleMetadataDocument: every field that has no parameter of its own."""
    fields = [
        {"key": key, "value": value}
        for record in records
        for key, value in _texts(_document_fields(record))
    ]
    return compact_json({"field": fields})


def creation_query(record: JsonObject, token: str) -> str | Refused:
    """The query that creates the record's job, or why it cannot be sent.

    A priority may be written in small letters.
    """
    metadata = record.get(_METADATA, {})
    if not isinstance(metadata, Mapping):
        return Refused("bad_jobmetadata", "jobmetadata needs a key: map to jobmetadata.<key>.")
    own = list(_texts(metadata))
    keys = {key for key, _ in own} | {key for key, _ in _texts(_document_fields(record))}
    if keys & {TOKEN_KEY, OURS_KEY}:
        return Refused(
            "reserved_field", f"The names {TOKEN_KEY} and {OURS_KEY} are Jobferry's own."
        )
    if any("=" in key for key, _ in own):
        return Refused("bad_jobmetadata", "A key of jobmetadata cannot contain an equals sign.")
    named = {name: text for name in _QUERY_FIELDS if (text := _text(record.get(name))) is not None}
    if "priority" in named:
        named["priority"] = named["priority"].upper()
    processed = [*own, (TOKEN_KEY, token), (OURS_KEY, OURS)]
    return query_of([*named.items(), *((_METADATA, f"{key}={value}") for key, value in processed)])


def _document_fields(record: JsonObject) -> JsonObject:
    return {k: v for k, v in record.items() if k not in _QUERY_FIELDS and k != _METADATA}


def _texts(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Fields as keys and texts; nested objects give dotted keys."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{prefix}{name}.")
        elif (text := _text(value)) is not None:
            yield prefix + name, text


def _text(value: Any) -> str | None:
    """A value as Vidispine's metadata holds it; None leaves the field out."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(text for each in value if (text := _text(each)) is not None)
    return json.dumps(value, ensure_ascii=False)
