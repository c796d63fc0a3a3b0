"""A vendor from a document alone: no code of its own, the same protocol as the others.

For job APIs that take a list of records in one request, show a job with a status word, and list
one result per record. What a document cannot describe (control of jobs, an exchange of credentials)
needs a package. `docs/add-a-vendor.md` goes through a document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobferry.domain.outcome import RecordResult
from jobferry.domain.types import JsonObject
from jobferry.vendors.credentials import authorization
from jobferry.vendors.declarative.client import DeclaredClient, body_of
from jobferry.vendors.declarative.document import Document, KeyHeader
from jobferry.vendors.declarative.loading import read_document
from jobferry.vendors.declarative.results import results_of
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.operation import Capabilities, Operation
from jobferry.vendors.protocol import Vendor


def vendor_from(document: Mapping[str, Any]) -> Vendor:
    """The vendor that a document describes.

    Args:
        document: one that `declarative.validation.validate` has accepted.

    Raises:
        LookupError, TypeError, ValueError: it is none of those.
    """
    read = read_document(document)

    def read_results(
        operation: Operation,
        raw: JsonObject,
        count: int,
        records: Callable[[], Sequence[JsonObject]],
    ) -> list[RecordResult]:
        return results_of(read, operation, raw, count, records)

    return Vendor(
        name=read.name,
        title=read.title,
        operations=read.operations,
        capabilities=Capabilities(
            poll_batch=read.polling.batch,
            max_jobs=read.max_jobs,
            refuses_excess=read.refuses_excess,
            retention_seconds=read.retention_seconds,
            token_search=read.search is not None and read.search.token is not None,
            record_lookup=read.search is not None and read.search.look_up is not None,
        ),
        read_results=read_results,
        client=lambda base_url, read_secret, *, reach: _client(read, base_url, read_secret, reach),
        encode=lambda operation, records: body_of(read, operation, records),
        credential_forms=read.credentials,
        base_path=read.base_path,
    )


def _client(
    document: Document,
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    reach: Reach,
) -> DeclaredClient:
    from jobferry.vendors.http.client import HttpClient, check_base_url

    def authorize(refresh: bool) -> Mapping[str, str]:
        return headers_of(read_secret(refresh), document.key_header)

    site = base_url.rstrip("/").removesuffix(document.base_path)
    root = check_base_url(site, reach)
    return DeclaredClient(HttpClient(root, authorize, reach=reach), document)


def headers_of(credentials: Mapping[str, str], key_header: KeyHeader | None) -> dict[str, str]:
    """The headers that carry the credentials."""
    if key_header is not None and "api_key" in credentials:
        return {key_header.name: key_header.prefix + credentials["api_key"]}
    return {"Authorization": authorization(credentials)}
