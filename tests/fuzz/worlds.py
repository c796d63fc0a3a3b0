"""What each vendor would answer if nothing were wrong: the documents that are mutated.

Taken from the recorded forms of docs/vendors.md; a world is a function of a request.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from jobferry.domain.types import JsonObject
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.client import DeclaredClient
from jobferry.vendors.declarative.loading import read_document
from jobferry.vendors.http.client import HttpClient
from jobferry.vendors.operation import Operation
from jobferry.vendors.protocol import Vendor, VendorClient
from jobferry.vendors.vidispine.adapter import VIDISPINE
from jobferry.vendors.vidispine.client import VidispineClient
from jobferry.vendors.zendesk_sunshine.adapter import ZENDESK_SUNSHINE, ZendeskSunshineClient
from jobferry.vendors.zendesk_support.adapter import ZENDESK_SUPPORT, ZendeskSupportClient
from tests.fuzz.mutations import CANARY

SENT_AT = 1_772_366_400.0
"""When the submission that is looked for left: 2026-03-01T12:00:00Z."""

TOKEN = "run.1.1"
_CREATED = "2026-03-01T12:00:05Z"

Serve = Callable[[str, str, dict[str, str]], Any]
"""(method, path, query) → the document that a healthy vendor would answer."""


@dataclass(frozen=True)
class Case:
    """An operation with its records, and the vendor's world in which they were sent."""

    operation: Operation
    records: Sequence[JsonObject]
    serve: Serve
    raw: JsonObject
    """The job as an ended one, results included."""
    job_ids: tuple[str, ...]


@dataclass(frozen=True)
class Adapter:
    vendor: Vendor
    client: Callable[[HttpClient], VendorClient]
    case: Callable[[random.Random], Case]


# Zendesk Support

_SUPPORT_RECORDS: dict[str, list[JsonObject]] = {
    "tickets.create": [{"subject": f"s{n}", "external_id": f"e{n}"} for n in range(3)],
    "tickets.import": [{"subject": "s", "created_at": _CREATED, "comments": []}],
    "tickets.update": [{"id": 11 + n, "comment": {"body": f"b{n}"}} for n in range(2)],
    "tickets.delete": [{"id": 11}, {"id": 12}],
    "tickets.delete_permanently": [{"id": 11}, {"id": 12}],
    "tickets.merge": [{"id": 11, "target_id": 12}],
    "users.create": [{"name": "n", "email": f"u{n}@x.y "} for n in range(3)],
    "users.create_or_update": [{"external_id": f"e{n}", "email": f"u{n}@x.y"} for n in range(2)],
    "users.delete": [{"external_id": "e0"}, {"external_id": "e1"}],
    "organizations.create": [{"name": f"o{n}"} for n in range(3)],
    "agents.set_attributes": [{"id": 11, "action": "upsert", "attribute_values": ["a"]}],
    "custom_objects.thing.create": [{"name": "n", "external_id": "e0"}],
    "custom_objects.thing.delete_by_external_id": [{"external_id": "e0"}, {"external_id": "e1"}],
}


def _support_results(name: str, records: Sequence[JsonObject], draw: random.Random) -> Any:
    if name == "tickets.delete_permanently":
        return {"success": draw.random() < 0.7}
    items: list[JsonObject] = []
    for n, record in enumerate(records):
        item: JsonObject = {"index": n, "id": record.get("id", 11 + n), "account_id": 5}
        if "users" in name or draw.random() < 0.4:
            del item["index"]
            item["status"] = draw.choice(("Created", "Updated"))
            item |= {key: record[key] for key in ("email", "external_id") if key in record}
        if draw.random() < 0.3:
            item |= {"error": "RecordInvalid", "details": f"Name: {CANARY}"}
            item.pop("id", None)
        elif draw.random() < 0.3:
            item |= {"success": True, "action": "update", "status": "Updated"}
        items.append(item)
    return items


def _support(draw: random.Random) -> Case:
    name = draw.choice(list(_SUPPORT_RECORDS))
    records = _SUPPORT_RECORDS[name]
    operation = ZENDESK_SUPPORT.operation(name, ("comment",))
    assert operation is not None
    raw = {
        "id": "V3-1",
        "job_type": "Merge" if "merge" in name else "Bulk Create Ticket",
        "url": "https://x/api/v2/job_statuses/V3-1.json",
        "total": len(records),
        "progress": len(records),
        "status": draw.choice(("completed", "completed", "failed", "killed")),
        "message": f"Completed at {CANARY}",
        "results": _support_results(name, records, draw),
    }
    other = {"id": "V3-2", "status": "working", "progress": 1, "total": 3, "message": CANARY}

    def serve(method: str, path: str, query: dict[str, str]) -> Any:
        if method != "GET":
            return {"job_status": {**raw, "status": "queued", "results": None}}
        if path.endswith("/job_statuses/show_many"):
            return {"job_statuses": [raw, other]}
        if path.endswith("/job_statuses"):
            meta = {"has_more": False, "after_cursor": "c"}
            return {"job_statuses": [other, raw], "meta": meta}
        if "/job_statuses/" in path:
            return {"job_status": raw}
        if path.endswith("/users/me"):
            return {"user": {"id": 9, "name": CANARY}}
        if path.endswith("/comments"):
            made = [{"id": 1, "body": "b0", "created_at": _CREATED}]
            return {"comments": made, "meta": {"has_more": False}}
        kind = "custom_object_records" if path.endswith("/records") else path.split("/")[3]
        stored = [
            {"id": 11 + n, **record, "created_at": _CREATED, "status": "open"}
            for n, record in enumerate(records)
        ]
        return {kind: stored}

    return Case(operation, records, serve, raw, ("V3-1", "V3-2", "V3-3"))


# Zendesk Sunshine, as a module and as a document

_SUNSHINE_RECORDS: dict[str, list[JsonObject]] = {
    "resources.post": [
        {"type": "t", "external_id": f"e{n}", "attributes": {"a": n}} for n in range(3)
    ],
    "resources.update": [{"id": f"i{n}", "attributes": {"a": n}} for n in range(2)],
    "resources.delete": [{"id": "i0"}, {"id": "i1"}],
    "resources.external_id_set": [{"type": "t", "external_id": "e0", "attributes": {"a": 1}}],
    "relationships.post": [{"relationship_type": "r", "source": "a", "target": "b"}],
}


def _sunshine_of(vendor: Vendor) -> Callable[[random.Random], Case]:
    def case(draw: random.Random) -> Case:
        name = draw.choice(list(_SUNSHINE_RECORDS))
        records = _SUNSHINE_RECORDS[name]
        results: list[JsonObject] = []
        for n, record in enumerate(records):
            if draw.random() < 0.3:
                errors = [{"code": "Invalid", "title": "t", "detail": CANARY}]
                results.append({"success": False, "errors": errors})
            else:
                stored = {"id": record.get("id", f"i{n}"), "created_at": _CREATED, **record}
                results.append({"success": True, "data": stored})
        raw = {
            "id": "j-1",
            "job_status": draw.choice(("completed", "completed", "failed", "aborted")),
            "created_at": _CREATED,
            "updated_at": _CREATED,
            "results": results,
        }
        other = {"id": "j-2", "job_status": "processing", "created_at": _CREATED}

        def serve(method: str, path: str, query: dict[str, str]) -> Any:
            if method != "GET":
                return {"data": {"id": "j-1", "job_status": "queued", "created_at": _CREATED}}
            if path.endswith("/jobs"):
                listed = [{k: v for k, v in raw.items() if k != "results"}, other]
                return {"data": listed, "links": {"next": None}, "meta": {}}
            if "/jobs/" in path:
                return {"data": raw}
            stored = {"id": "i0", **records[0], "created_at": _CREATED, "updated_at": _CREATED}
            return {"data": [] if query.get("external_ids") else stored, "links": {"next": None}}

        return Case(vendor.operations[name], records, serve, raw, ("j-1", "j-2", "j-3"))

    return case


# Vidispine


def _vidispine(draw: random.Random) -> Case:
    status = draw.choice(("FINISHED", "FINISHED_WARNING", "FAILED_TOTAL", "ABORTED", "STARTED"))
    raw: JsonObject = {
        "jobId": "VX-1",
        "status": status,
        "type": "PLACEHOLDER_IMPORT",
        "started": "2026-03-01T12:00:05.000+0000",
        "totalSteps": 3,
        "currentStep": {"number": 2, "description": CANARY},
        "data": [
            {"key": "item", "value": "VX-77"},
            {"key": "jobferry", "value": TOKEN},
            {"key": "errorMessage", "value": CANARY},
        ],
        "log": {"task": [{"id": 1, "errorMessage": CANARY, "subTask": [{"errorMessage": "x"}]}]},
    }
    waiting: JsonObject = {
        "jobId": "VX-2",
        "status": "WAITING",
        "waiting": {"requirement": "room", "resourceType": "storage", "resourceId": "VX-1"},
    }

    def serve(method: str, path: str, query: dict[str, str]) -> Any:
        if path.endswith("/jobtype"):
            return {"uri": ["PLACEHOLDER_IMPORT"]}
        if path.endswith("/problem"):
            entry = {"id": 3, "type": "room", "job": ["VX-2"]}
            return {"problem": [{**entry, "data": [{"key": "k", "value": CANARY}]}]}
        if method == "GET" and path.endswith("/job"):
            return {"hits": 2, "job": [raw, waiting]}
        return raw

    records = [{"type": "PLACEHOLDER_IMPORT", "title": "t"}]
    job_ids = ("VX-1", "VX-2", "VX-3")
    return Case(VIDISPINE.operations["jobs.create"], records, serve, raw, job_ids)


_DOCUMENT = yaml.safe_load(
    (Path(__file__).parents[1] / "contract" / "declared_sunshine" / "sunshine.yaml").read_text()
)
_DECLARED = vendor_from(_DOCUMENT)
_READ = read_document(_DOCUMENT)

ADAPTERS = {
    "zendesk_support": Adapter(ZENDESK_SUPPORT, ZendeskSupportClient, _support),
    "zendesk_sunshine": Adapter(
        ZENDESK_SUNSHINE, ZendeskSunshineClient, _sunshine_of(ZENDESK_SUNSHINE)
    ),
    "vidispine": Adapter(VIDISPINE, VidispineClient, _vidispine),
    "declared_sunshine": Adapter(
        _DECLARED,
        lambda http: DeclaredClient(http, _READ),
        _sunshine_of(_DECLARED),
    ),
}


def split(path: str) -> tuple[str, dict[str, str]]:
    """A path and the query that stands in it."""
    parts = urlsplit(path)
    return parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}
