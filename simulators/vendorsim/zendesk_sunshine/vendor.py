"""Zendesk Sunshine as the simulator serves it: every path, and what all requests go through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from vendorsim.effects import RequestKind
from vendorsim.values import JsonObject, Reply
from vendorsim.world import Exchange, World
from vendorsim.zendesk_sunshine import replies
from vendorsim.zendesk_sunshine.jobs import ABORTED, JobBook, new_id
from vendorsim.zendesk_sunshine.records import Store
from vendorsim.zendesk_sunshine.rows import OPERATIONS, Operation, record_of
from vendorsim.zendesk_support import replies as support
from vendorsim.zendesk_support.auth import Gate
from vendorsim.zendesk_support.throttle import Throttle

_API = "/api/sunshine"
_STATUSES = ("queued", "processing", "completed", "failed", ABORTED)
_MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class _Call:
    """One request, its body read."""

    http: HttpRequest
    body: bytes
    exchange: Exchange

    @property
    def query(self) -> dict[str, str]:
        return dict(self.http.query_params)

    @property
    def id(self) -> str:
        return str(self.http.path_params["id"])


_Endpoint = Callable[[_Call], Reply]


class ZendeskSunshine:
    """The vendor, for one `World`. `gate` is that of the whole Zendesk account."""

    prefixes = (_API,)

    def __init__(self, world: World, gate: Gate) -> None:
        self._world = world
        self._gate = gate
        self._throttle = Throttle()
        draws = world.draws("sunshine records")
        self._store = Store(lambda: new_id(draws))
        self._jobs = JobBook(world, self._store)
        served: list[tuple[str, str, _Endpoint]] = [
            ("POST", "/jobs", self._create_job),
            ("GET", "/jobs", self._list_jobs),
            ("GET", "/jobs/{id}", self._show_job),
            ("GET", "/objects/records", self._list_records),
            ("GET", "/objects/records/{id}", self._show_record),
            ("GET", "/relationships/records", self._list_relationships),
            ("GET", "/relationships/records/{id}", self._show_relationship),
            ("GET", "/limits", self._show_limits),
        ]
        self.routes: list[BaseRoute] = [
            Route(_API + path, self._served(endpoint), methods=[method])
            for method, path, endpoint in served
        ]

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """Add `resources` and `relationships` that are there already."""
        now = self._world.clock.now()
        for each in records.get("resources", []):
            self._store.add_resource(
                each["type"],
                each.get("external_id"),
                each.get("attributes", {}),
                now,
                each.get("id"),
            )
        for each in records.get("relationships", []):
            self._store.add_relationship(
                each["relationship_type"], each["source"], each["target"], now, each.get("id")
            )

    def advance(self) -> None:
        self._jobs.advance()

    def request_kind(self, method: str, path: str) -> RequestKind:
        if method != "GET":
            return "submit"
        return "poll" if path.startswith(f"{_API}/jobs") else "other"

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        return support.rate_limited(form, retry_after)

    def too_many_jobs(self) -> Reply:
        return replies.too_many_jobs(self._world.settings.sunshine_too_many_jobs_status)

    def not_found(self) -> Reply:
        return replies.not_found("Path")

    def _served(self, endpoint: _Endpoint) -> Callable[[HttpRequest], Awaitable[Response]]:
        async def serve(request: HttpRequest) -> Response:
            call = _Call(request, await request.body(), request.state.exchange)
            return self._answer(call, endpoint).response()

        return serve

    def _answer(self, call: _Call, endpoint: _Endpoint) -> Reply:
        """What every request meets: the URL's length, the credentials, the limit, the endpoint."""
        self._jobs.advance()
        settings, scope = self._world.settings, call.http.scope
        if len(scope["raw_path"]) + len(scope["query_string"]) > settings.max_url_bytes:
            return support.uri_too_long()
        if not self._gate.admits(call.http.headers.get("authorization", "")):
            return support.unauthenticated()
        try:
            headers = self._throttle.take(
                settings.sunshine_requests_per_minute,
                {},
                call.http.method,
                call.http.url.path,
                self._world.clock.now(),
            )
            return endpoint(call).with_headers(*headers)
        except support.RequestRefused as refused:
            return refused.reply

    def _create_job(self, call: _Call) -> Reply:
        settings = self._world.settings
        operation, items = _job_request(call.body, settings.sunshine_max_rows)
        if settings.sunshine_max_jobs and self._jobs.running >= settings.sunshine_max_jobs:
            call.exchange.throttled = True
            return self.too_many_jobs()
        held = getattr(self._store, operation.type)
        if operation.adds and len(held) >= settings.sunshine_max_records:
            return replies.quota_exceeded(operation.type)
        records = [record_of(operation, item) for item in items]
        job = self._jobs.submit(operation, records, call.exchange)
        return replies.data_reply(job.described(self._world.clock.now()), 201)

    def _list_jobs(self, call: _Call) -> Reply:
        status = call.query.get("status")
        if status not in (None, *_STATUSES):
            raise replies.refused(400, f"status must be one of {', '.join(_STATUSES)}")
        return _page(self._jobs.listed(status), call)

    def _show_job(self, call: _Call) -> Reply:
        shown = self._jobs.get(call.id)
        return replies.not_found("Job") if shown is None else replies.data_reply(shown)

    def _list_records(self, call: _Call) -> Reply:
        """Object records by `ids`, by `type`, or by `type` and `external_ids`."""
        query, store = call.query, self._store
        if "ids" in query:
            found = [store.resources.get(each) for each in _texts(query["ids"])]
        elif "type" not in query:
            raise replies.refused(400, "type or ids is required")
        elif "external_ids" in query:
            found = [store.find(query["type"], each) for each in _texts(query["external_ids"])]
        else:
            found = list(store.of_type(query["type"]))
        return _page([record.shown() for record in found if record], call)

    def _show_record(self, call: _Call) -> Reply:
        record = self._store.resources.get(call.id)
        return replies.data_reply(record.shown()) if record else replies.not_found("Resource")

    def _list_relationships(self, call: _Call) -> Reply:
        type_key = call.query.get("type")
        if type_key is None:
            raise replies.refused(400, "type is required")
        found = self._store.relationships.values()
        return _page([r.shown() for r in found if r.relationship_type == type_key], call)

    def _show_relationship(self, call: _Call) -> Reply:
        record = self._store.relationships.get(call.id)
        return replies.data_reply(record.shown()) if record else replies.not_found("Relationship")

    def _show_limits(self, _call: _Call) -> Reply:
        limit = self._world.settings.sunshine_max_records
        return replies.data_reply(
            [
                {"key": kind, "count": len(getattr(self._store, kind)), "limit": limit}
                for kind in ("resources", "relationships")
            ]
        )


def _job_request(body: bytes, max_rows: int) -> tuple[Operation, list[Any]]:
    """The operation and the items that a submission asks for. Raises RequestRefused."""
    try:
        document = json.loads(body.decode())
    except ValueError as error:
        raise replies.refused(400, "The body is not valid JSON") from error
    asked = document if isinstance(document, dict) else {}
    operation = OPERATIONS.get((str(asked.get("type")), str(asked.get("action"))))
    if operation is None:
        raise replies.refused(
            400, f"type {asked.get('type')} does not support action {asked.get('action')}"
        )
    items = asked.get("data")
    if not isinstance(items, list) or not items:
        raise replies.refused(400, "data must be an array that is not empty")
    wanted, name = (str, "a string") if operation.ids else (dict, "an object")
    if not all(isinstance(item, wanted) for item in items):
        raise replies.refused(400, f"each item of data must be {name}")
    if len(items) > max_rows:
        raise replies.refused(400, f"data must not hold more than {max_rows} items")
    return operation, items


def _texts(listed: str) -> Iterable[str]:
    return (text.strip() for text in listed.split(",") if text.strip())


def _page(items: Sequence[JsonObject], call: _Call) -> Reply:
    """One page of a list with its links; the cursor is the place of its first item (assumed)."""
    query = call.query
    size = min(_MAX_PAGE, _number(query.get("per_page"), _MAX_PAGE))
    start = _number(query.get("cursor"), 0)

    def link(cursor: int) -> str:
        return f"{call.http.url.path}?{urlencode({**query, 'cursor': cursor})}"

    links = {
        "next": link(start + size) if start + size < len(items) else None,
        "previous": link(max(0, start - size)) if start else None,
    }
    return replies.data_reply(list(items[start : start + size]), links=links)


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal():
        raise replies.refused(400, "per_page and cursor must be numbers")
    return int(text)
