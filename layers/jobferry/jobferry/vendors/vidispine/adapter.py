"""Vidispine: one job per row, created, read and controlled through the JobApi.

Facts from the JobApi reference of the official SDK (PyPI `vidispine` 5.0.4), from
https://apidoc.vidispine.com and from recorded traffic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jobferry.vendors.credentials import PASSWORD, authorizer
from jobferry.vendors.http.addresses import Reach
from jobferry.vendors.operation import Capabilities, Operation
from jobferry.vendors.protocol import Vendor
from jobferry.vendors.vidispine.client import API, LIST_PAGE, RETENTION_SECONDS, VidispineClient
from jobferry.vendors.vidispine.requests import (
    PRIORITIES,
    encode,
)
from jobferry.vendors.vidispine.results import read_results

MAX_JOBS = 200
"""Jobs in flight. Vidispine publishes no limit (it queues what its job pools cannot take); this
one is ours, so that the site's own users are not queued behind a whole file."""

BODY_BYTES = 1024 * 1024
"""Vidispine publishes no limit for a document; this one is ours."""

OPERATIONS = {
    "jobs.create": Operation(
        name="jobs.create",
        summary="Start a job per row; fields without a parameter of their own become metadata.",
        max_records=1,
        max_bytes=BODY_BYTES,
        repeatable=False,
        required=(("type",),),
        fields=(
            "type",
            "priority",
            "jobmetadata.<key>",
            "notification",
            "notificationData",
            "<any other key>",
        ),
        values={"priority": PRIORITIES},
        cannot_undo="What a job did to items and storages stays done. The outcome of each row "
        "names the item: delete there what should not be.",
    )
}


def build_client(
    base_url: str,
    read_secret: Callable[[bool], Mapping[str, str]],
    *,
    reach: Reach,
) -> VidispineClient:
    """A client for the site at `base_url`, with or without `/API` at its end."""
    from jobferry.vendors.http.client import HttpClient, check_base_url

    root = check_base_url(base_url.rstrip("/").removesuffix(API), reach)
    return VidispineClient(HttpClient(root, authorizer(read_secret), reach=reach))


VIDISPINE = Vendor(
    name="vidispine",
    title="Vidispine",
    operations=OPERATIONS,
    capabilities=Capabilities(
        poll_batch=LIST_PAGE,
        max_jobs=MAX_JOBS,
        retention_seconds=RETENTION_SECONDS,
        token_search=True,
        abort=True,
        priority=True,
        delete=True,
        problems=True,
        priority_field="priority",
        priority_words={level.lower(): level for level in PRIORITIES},
    ),
    read_results=read_results,
    client=build_client,
    encode=encode,
    credential_forms=(PASSWORD,),
    base_path=API,
)
