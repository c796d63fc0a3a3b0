"""Zendesk Support as the simulator serves it: every path, and what all requests go through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from vendorsim.effects import RequestKind
from vendorsim.values import JsonObject, Reply
from vendorsim.world import World
from vendorsim.zendesk_support import (
    memberships,
    organizations,
    reads,
    replies,
    submissions,
    tickets,
    users,
)
from vendorsim.zendesk_support.account import Account, Call
from vendorsim.zendesk_support.auth import Gate
from vendorsim.zendesk_support.records import Store, Table
from vendorsim.zendesk_support.single_ticket import create_ticket
from vendorsim.zendesk_support.submissions import Endpoint

_API = "/api/v2"
_TOKENS = "/oauth/tokens"


def _tickets(store: Store) -> Table:
    return store.tickets


def _users(store: Store) -> Table:
    return store.users


def _organizations(store: Store) -> Table:
    return store.organizations


_TABLES: dict[str, Callable[[Store], Table]] = {
    "tickets": _tickets,
    "users": _users,
    "organizations": _organizations,
    "groups": lambda store: store.groups,
}
"""What a scenario may bring along."""

_SERVED: list[tuple[str, str, Endpoint]] = [
    ("GET", "/users/me", reads.show_myself),
    ("GET", "/account/settings", reads.show_settings),
    ("GET", "/job_statuses", reads.list_jobs),
    ("GET", "/job_statuses/show_many", reads.show_many_jobs),
    ("GET", "/job_statuses/{id}", reads.show_job),
    ("GET", "/tickets", reads.listing(_tickets, "tickets", tickets.present)),
    ("GET", "/tickets/show_many", reads.show_many(_tickets, "tickets", tickets.present)),
    ("GET", "/tickets/{id:int}", reads.show(_tickets, "ticket", tickets.present)),
    ("GET", "/tickets/{id:int}/comments", reads.ticket_comments),
    ("GET", "/users", reads.listing(_users, "users", users.present)),
    ("GET", "/users/search", reads.listing(_users, "users", users.present)),
    ("GET", "/users/show_many", reads.show_many(_users, "users", users.present)),
    ("GET", "/users/{id:int}", reads.show(_users, "user", users.present)),
    (
        "GET",
        "/organizations",
        reads.listing(_organizations, "organizations", organizations.present),
    ),
    (
        "GET",
        "/organizations/search",
        reads.listing(_organizations, "organizations", organizations.present),
    ),
    (
        "GET",
        "/organizations/show_many",
        reads.show_many(_organizations, "organizations", organizations.present),
    ),
    (
        "GET",
        "/organizations/{id:int}",
        reads.show(_organizations, "organization", organizations.present),
    ),
    ("POST", "/tickets", create_ticket),
    ("POST", "/tickets/create_many", submissions.create_many(tickets.CREATE, "tickets")),
    (
        "PUT",
        "/tickets/update_many",
        submissions.update_many(tickets.UPDATE, "ticket", "tickets", external=False),
    ),
    ("DELETE", "/tickets/destroy_many", submissions.for_each_id(tickets.DELETE)),
    ("PUT", "/tickets/mark_many_as_spam", submissions.for_each_id(tickets.MARK_AS_SPAM)),
    ("POST", "/tickets/{id:int}/merge", submissions.merge_tickets),
    ("DELETE", "/deleted_tickets/{id:int}", submissions.delete_ticket_permanently),
    (
        "DELETE",
        "/deleted_tickets/destroy_many",
        submissions.for_each_id(tickets.DELETE_PERMANENTLY),
    ),
    ("POST", "/imports/tickets/create_many", submissions.create_many(tickets.IMPORT, "tickets")),
    ("POST", "/users/create_many", submissions.create_many(users.CREATE, "users")),
    (
        "POST",
        "/users/create_or_update_many",
        submissions.create_many(users.CREATE_OR_UPDATE, "users"),
    ),
    ("PUT", "/users/update_many", submissions.update_many(users.UPDATE, "user", "users")),
    ("DELETE", "/users/destroy_many", submissions.for_each_id(users.DELETE, external=True)),
    (
        "POST",
        "/organizations/create_many",
        submissions.create_many(organizations.CREATE, "organizations"),
    ),
    (
        "PUT",
        "/organizations/update_many",
        submissions.update_many(organizations.UPDATE, "organization", "organizations"),
    ),
    (
        "DELETE",
        "/organizations/destroy_many",
        submissions.for_each_id(organizations.DELETE, external=True),
    ),
    (
        "POST",
        "/organization_memberships/create_many",
        submissions.create_many(memberships.CREATE_IN_ORGANIZATION, "organization_memberships"),
    ),
    (
        "DELETE",
        "/organization_memberships/destroy_many",
        submissions.for_each_id(memberships.DELETE_FROM_ORGANIZATION),
    ),
    (
        "POST",
        "/group_memberships/create_many",
        submissions.create_many(memberships.CREATE_IN_GROUP, "group_memberships"),
    ),
    (
        "DELETE",
        "/group_memberships/destroy_many",
        submissions.for_each_id(memberships.DELETE_FROM_GROUP),
    ),
    ("POST", "/routing/agents/instance_values/job", submissions.set_agent_attributes),
    ("POST", "/routing/agents/instance_values/jobs", submissions.set_agent_attributes),
    ("GET", "/custom_objects/{key}/records", reads.custom_object_records),
    ("POST", "/custom_objects/{key}/jobs", submissions.custom_object_job),
]


class ZendeskSupport:
    """The vendor, for one `World`."""

    prefixes = (_API, _TOKENS)

    def __init__(self, world: World) -> None:
        self._account = Account(world)
        self.routes: list[BaseRoute] = [
            Route(_API + path, _served(self._account, endpoint), methods=[method])
            for method, path, endpoint in _SERVED
        ]
        self.routes.append(Route(_TOKENS, self._grant_token, methods=["POST"]))

    @property
    def gate(self) -> Gate:
        """Who may ask: the same callers in every API of the account."""
        return self._account.gate

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """Add records that are there already; each may bring its own `id`. Those of
        `custom_objects` name their `custom_object_key`."""
        now = self._account.world.clock.now()
        for each in records.get("custom_objects", []):
            table = self._account.store.custom_object(each["custom_object_key"])
            kept = {name: value for name, value in each.items() if name != "custom_object_key"}
            table.insert(table.reserve(1)[0], kept, now)
        for plural, fields in records.items():
            if plural in _TABLES:
                table = _TABLES[plural](self._account.store)
                for each in fields:
                    record_id = each.get("id") or table.reserve(1)[0]
                    kept = {name: value for name, value in each.items() if name != "id"}
                    made = each.get("created_at")
                    at = datetime.fromisoformat(str(made)).timestamp() if made else now
                    table.insert(record_id, kept, at)
                    if plural == "tickets":
                        tickets.add_comments(self._account.store, record_id, each, at)

    def advance(self) -> None:
        self._account.jobs.advance()

    def request_kind(self, method: str, path: str) -> RequestKind:
        if path.startswith(_TOKENS):
            return "other"
        if method != "GET":
            return "submit"
        return "poll" if path.startswith(f"{_API}/job_statuses") else "other"

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        return replies.rate_limited(form, retry_after)

    def too_many_jobs(self) -> Reply:
        status = self._account.world.settings.too_many_jobs_status
        worker, running = tickets.UPDATE.worker, self._account.jobs.running_ids
        return replies.too_many_jobs(status, worker, running)

    def not_found(self) -> Reply:
        return replies.no_such_endpoint()

    async def _grant_token(self, request: HttpRequest) -> Response:
        body = await request.body()
        call = Call(self._account, request, body, request.state.exchange)
        is_form = "urlencoded" in request.headers.get("content-type", "")
        try:
            form = dict(parse_qsl(body.decode())) if is_form else call.document()
            return self._account.gate.grant(form).response()
        except replies.RequestRefused as refused:
            return refused.reply.response()


def _served(account: Account, endpoint: Endpoint) -> Callable[[HttpRequest], Awaitable[Response]]:
    async def serve(request: HttpRequest) -> Response:
        call = Call(account, request, await request.body(), request.state.exchange)
        return _answer(call, endpoint).response()

    return serve


def _answer(call: Call, endpoint: Endpoint) -> Reply:
    """What every request meets: the URL's length, the credentials, the limits, the endpoint."""
    account, settings = call.account, call.account.world.settings
    account.jobs.advance()
    if len(call.http.scope["raw_path"]) + len(call.http.scope["query_string"]) > (
        settings.max_url_bytes
    ):
        return replies.uri_too_long()
    if not account.gate.admits(call.http.headers.get("authorization", "")):
        return replies.unauthenticated()
    headers: tuple[tuple[str, str], ...] = ()
    try:
        headers = account.throttle.take(
            settings.requests_per_minute,
            settings.endpoint_limits,
            call.http.method,
            call.path,
            account.world.clock.now(),
        )
        return endpoint(call).with_headers(*headers)
    except replies.RequestRefused as refused:
        return refused.reply.with_headers(*headers)
