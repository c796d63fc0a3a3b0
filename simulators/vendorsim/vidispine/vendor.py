"""Vidispine as the simulator serves it: the JobApi, and what all of its requests go through."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from vendorsim.effects import RequestKind
from vendorsim.values import HTML, TEXT, JsonObject, Reply, json_reply
from vendorsim.vidispine import calls
from vendorsim.vidispine.calls import Call, Endpoint
from vendorsim.vidispine.documents import Form, chosen_form, reply, with_single_objects
from vendorsim.vidispine.errors import RequestRefused, not_acceptable, not_authorized
from vendorsim.vidispine.jobs import JobBook
from vendorsim.vidispine.parameters import Parameters, matrix_pairs
from vendorsim.world import World

USER = "admin"
PASSWORD = "admin"  # noqa: S105  the simulator's published credential

_API = "/API"
_COOKIE = ("Set-Cookie", "rememberMe=deleteMe; Path=/; Max-Age=0")
"""Every recorded answer tells the client to forget a cookie that it never had."""

_SERVED: list[tuple[str, str, Endpoint, bool]] = [
    ("GET", "/job/problem", calls.list_problems, False),
    ("GET", "/job/{id}/problem", calls.list_problems_of_job, False),
    ("POST", "/job/{id}/re-run", calls.run_again, False),
    ("GET", "/job/{id}", calls.show_job, True),
    ("PUT", "/job/{id}", calls.change_priority, False),
    ("DELETE", "/job/{id}", calls.abort_job, False),
    ("GET", "/job", calls.list_jobs, True),
    ("POST", "/job", calls.create_job, False),
    ("DELETE", "/job", calls.delete_jobs, False),
    ("GET", "/jobtype", calls.list_types, True),
    ("GET", "/job{matrix:path}", calls.list_jobs, True),
]
"""Method, path, what answers, and whether plain text is on offer."""


class Vidispine:
    """The vendor, for one `World`."""

    prefixes = (_API,)

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = JobBook(world)
        self.routes: list[BaseRoute] = [
            Route(_API + path, self._served(endpoint, text=text), methods=[method])
            for method, path, endpoint, text in _SERVED
        ]

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """Add jobs that are there already, under `jobs`."""
        for record in records.get("jobs", []):
            self._jobs.load(record)

    def advance(self) -> None:
        self._jobs.advance()

    def request_kind(self, method: str, path: str) -> RequestKind:
        if method == "POST":
            return "submit"
        reads_jobs = path.startswith(f"{_API}/job") and not path.startswith(f"{_API}/jobtype")
        return "poll" if method == "GET" and reads_jobs and "problem" not in path else "other"

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        """The vendor has no limits; a proxy in front of it may."""
        headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
        if form == "json":
            return json_reply({"message": "Too many requests"}, 429, headers)
        kind = TEXT if form == "plain" else HTML
        return Reply(429, b"Too many requests", kind, headers)

    def too_many_jobs(self) -> Reply:
        """The vendor queues whatever comes; a proxy in front of it may refuse."""
        return self.rate_limited("json", None)

    def not_found(self) -> Reply:
        return Reply(404, b"<html><body><h1>Not Found</h1></body></html>", HTML)

    def _served(
        self, endpoint: Endpoint, *, text: bool
    ) -> Callable[[HttpRequest], Awaitable[Response]]:
        async def serve(request: HttpRequest) -> Response:
            answer = self._answer(request, await request.body(), endpoint, text=text)
            return answer.with_headers(_COOKIE).response()

        return serve

    def _answer(
        self, request: HttpRequest, body: bytes, endpoint: Endpoint, *, text: bool
    ) -> Reply:
        """What every request meets: the form of answer, the credentials, the call itself."""
        self._jobs.advance()
        length = len(request.scope["raw_path"]) + len(request.scope["query_string"])
        if length > self._world.settings.max_url_bytes:
            return Reply(414, b"<html><body><h1>URI Too Long</h1></body></html>", HTML)
        matrix = str(request.path_params.get("matrix", ""))
        if matrix and not (
            self._world.settings.vidispine_matrix_parameters and matrix.startswith(";")
        ):
            return self.not_found()
        form = chosen_form(request.headers.get("accept", ""), text=text)
        try:
            if form is None:
                raise not_acceptable()
            _admit(request.headers.get("authorization", ""))
            document = endpoint(
                Call(
                    world=self._world,
                    jobs=self._jobs,
                    user=request.headers.get("runas", USER),
                    parameters=Parameters(
                        [*matrix_pairs(matrix), *request.query_params.multi_items()]
                    ),
                    job_id=str(request.path_params.get("id", "")),
                    body=body,
                    content_type=request.headers.get("content-type", ""),
                    exchange=request.state.exchange,
                )
            )
        except RequestRefused as refused:
            answer = reply(refused.document, form or Form.JSON, refused.status)
            if refused.status == 401:
                return answer.with_headers(("WWW-Authenticate", 'Basic realm="vidispine"'))
            return answer
        if document is None:
            return Reply(200, b"", "")
        if form is Form.JSON and self._world.settings.vidispine_single_objects:
            document = document._replace(value=with_single_objects(document.value))
        return reply(document, form)


def _admit(authorization: str) -> None:
    """Let in the published credentials only. Raises RequestRefused."""
    scheme, _, given = authorization.partition(" ")
    try:
        good = base64.b64decode(given, validate=True).decode() == f"{USER}:{PASSWORD}"
    except (binascii.Error, UnicodeDecodeError):
        good = False
    if scheme.lower() != "basic" or not good:
        raise not_authorized()
