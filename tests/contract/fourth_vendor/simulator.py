"""A small vendor: Shelf takes books by the hundred, and shows many jobs in one request.

It sees to its own requests and jobs. The clock, the faults on demand and the note of what really
happened are those of `vendorsim`, which any vendor of this form can join.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vendorsim.effects import JobEntry, RecordEffect, RequestKind
from vendorsim.faults import Effect
from vendorsim.simulator import Simulator
from vendorsim.values import JsonObject, Reply, distorted, json_reply
from vendorsim.world import Exchange, World

KEY = "shelf-key"


def problem(status: int, kind: str, text: str) -> Reply:
    """A refusal in the vendor's own form."""
    return json_reply({"problem": {"kind": kind, "text": text}}, status)


@dataclass
class Import:
    """A job: its books, when it begins and ends, and its lines once it has ended."""

    id: str
    books: list[JsonObject]
    effect: Effect
    request_id: str
    begun: float
    ends: float
    state: str = "waiting"
    lines: list[JsonObject] | None = None
    seen_working: bool = False
    went_back: bool = False


class Shelf:
    """The vendor, for one `World`."""

    prefixes = ("/v1/",)

    def __init__(self, world: World) -> None:
        self._world = world
        self._imports: dict[str, Import] = {}
        self.routes = [
            Route("/v1/imports", self._create, methods=["POST"]),
            Route("/v1/imports", self._show, methods=["GET"]),
        ]

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """Shelf starts empty."""

    def request_kind(self, method: str, path: str) -> RequestKind:
        return "submit" if method == "POST" else "poll"

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        refusal = problem(429, "slow_down", "Too many requests")
        reply = refusal if form == "json" else Reply(429, b"Slow down", "text/plain")
        return (
            reply if retry_after is None else reply.with_headers(("Retry-After", f"{retry_after}"))
        )

    def too_many_jobs(self) -> Reply:
        return problem(429, "imports_full", "Too many imports are under way")

    def not_found(self) -> Reply:
        return problem(404, "unknown_path", "Nothing is served here")

    async def _create(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "unknown_key", "The key is not known").response()
        exchange: Exchange = request.state.exchange
        books, now = (await request.json())["books"], self._world.clock.now()
        takes = math.inf if exchange.effect.stuck else self._world.settings.latency.low
        name = f"imp-{len(self._imports) + 1}"
        job = Import(name, books, exchange.effect, exchange.request_id, now, now + takes)
        self._imports[name] = job
        self._world.ledger.job_accepted(
            JobEntry(name, "shelf", "books.add", len(books), now, None, job.request_id, 1)
        )
        return json_reply({"import": {"id": name, "state": job.state}}, 202).response()

    async def _show(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "unknown_key", "The key is not known").response()
        self.advance()
        asked = request.query_params["ids"].split(",")
        known = [job for name in asked if (job := self._imports.get(name)) and self._kept(job)]
        shown = [{"id": job.id, "state": self._state(job), "lines": job.lines} for job in known]
        return json_reply({"imports": shown}).response()

    def _kept(self, job: Import) -> bool:
        age, effect = self._world.clock.now() - job.begun, job.effect
        kept = self._world.settings.retention_seconds if effect.gone is None else effect.gone
        return effect.not_yet_visible <= age < kept

    def _state(self, job: Import) -> str:
        if job.effect.regress and job.seen_working and not job.went_back:
            job.went_back = True
            return "waiting"
        job.seen_working |= job.state == "working"
        return job.state

    def advance(self) -> None:
        """Carry out every import that ended by now; its books are on the shelf at that moment."""
        now = self._world.clock.now()
        for job in self._imports.values():
            if job.state in ("waiting", "working"):
                job.state = "waiting" if now < (job.begun + job.ends) / 2 else "working"
                if now >= job.ends:
                    self._carry_out(job)

    def _carry_out(self, job: Import) -> None:
        effect, draws = job.effect, self._world.draws(job.id)
        job.state = effect.status_word or ("broken" if effect.fail_job else "done")
        books = [] if job.state == "called_off" else job.books
        if effect.fail_job:
            books = books[: effect.fail_job.after_rows]
        lines = [self._line(job, index, book, draws.random()) for index, book in enumerate(books)]
        job.lines = None if effect.fail_job else distorted(lines, effect.results, draws)

    def _line(self, job: Import, index: int, book: JsonObject, draw: float) -> JsonObject:
        """Put one book on the shelf, or say why not."""
        if job.effect.fail_rows and job.effect.fail_rows.hits(index, book, draw):
            return {"index": index, "why": {"kind": "no_room", "text": "The shelf is full"}}
        name, code = f"{job.id}-book-{index}", book.get("external_id")
        self._world.ledger.record(
            RecordEffect(
                "shelf",
                "book",
                "created",
                name,
                code,
                job.id,
                job.request_id,
                index,
                job.ends,
                book,
            )
        )
        return {"index": index, "book": name}


class ShelfSimulator(Simulator):
    """The simulator with one more vendor."""

    def reset(self, changes: JsonObject) -> None:
        super().reset(changes)
        self.vendors.append(Shelf(self.world))
