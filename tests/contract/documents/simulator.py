"""A vendor that behaves as its document says: it takes jobs, shows them, and lists their results.

It sees to its own requests and jobs. The clock, the faults on demand and the note of what really
happened are those of `vendorsim`. Its answers hold what the document's paths look for and nothing
else, so that it proves the document usable, and not that the vendor answers so: `jobferry vendor
check` asks the vendor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from jobferry.vendors.credentials import API_KEY, authorization
from jobferry.vendors.declarative.document import RECORD, RECORDS, TOKEN, Document
from jobferry.vendors.declarative.loading import read_document
from tests.contract.documents.inverse import that_satisfies, with_value
from tests.contract.documents.matching import Template, matches, refusal_body, words_for
from vendorsim.effects import JobEntry, RecordEffect, RequestKind
from vendorsim.faults import Effect
from vendorsim.simulator import Simulator
from vendorsim.values import JsonObject, Reply, iso_time, json_reply
from vendorsim.world import Exchange, World

GOOD = {
    "email_token": {"email": "agent@example.com", "token": "sim-token"},
    "bearer": {"bearer": "sim-token"},
    "password": {"username": "admin", "password": "sim-password"},
}
API_KEYS = {"api_key": "sim-key"}
"""Credentials that are accepted."""

PAGE = 20
"""Results on a page, where they have pages."""


def credentials_of(document: Mapping[str, Any]) -> dict[str, str]:
    """Accepted credentials of the first form that a document names."""
    form = document["credentials"][0]
    return GOOD[form] if isinstance(form, str) else API_KEYS


@dataclass
class Job:
    """A job: its records, when it begins and ends, and its results once it has ended."""

    id: str
    operation: str
    records: list[Any]
    token: str
    effect: Effect
    request_id: str
    begun: float
    ends: float
    state: str = ""
    lines: list[JsonObject] | None = None
    seen_working: bool = False
    went_back: bool = False
    made: dict[str, JsonObject] = field(default_factory=dict)


class Words:
    """Status words of a document: those of active jobs are not named there and made up."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        results, ended = said["results"], said["poll"]["ended"]
        nothing, partial = results.get("nothing_done", []), results.get("partial", [])
        good = [word for word in ended if word not in (*nothing, *partial)]
        self.queued, self.working = (
            next(word for word in words if word not in ended)
            for words in (("queued", "waiting", "Q"), ("processing", "running", "R"))
        )
        self.done = good[0]
        self.broken = (*partial, *good[1:], self.done)[0]
        self.called_off: str | None = nothing[0] if nothing else None
        self.partial = frozenset(partial)


class DocumentVendor:
    """The vendor, for one `World`."""

    def __init__(self, world: World, said: Mapping[str, Any]) -> None:
        self._world = world
        self._said = said
        self._document: Document = read_document(said)
        self._words = Words(said)
        self._jobs: dict[str, Job] = {}
        self._records: dict[str, JsonObject] = {}
        self.prefixes = (self._document.base_path + "/",)
        methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self.routes = [Route("/{path:path}", self._answer, methods=methods)]

    def load(self, records: dict[str, list[JsonObject]]) -> None:
        """It starts empty."""

    def request_kind(self, method: str, path: str) -> RequestKind:
        if method != "GET":
            return "submit"
        own = path.removeprefix(self._document.base_path)
        return (
            "poll"
            if Template(self._said["poll"]["path"].partition("?")[0]).match(own, "")
            else "other"
        )

    # Refusals

    def refusal(self, status: int, code: str, text: str) -> Reply:
        """A refusal in the vendor's own form."""
        return json_reply(refusal_body(self._said, code, text), status)

    def rate_limited(self, form: str, retry_after: int | str | None) -> Reply:
        plain = Reply(429, b"Slow down", "text/plain")
        reply = self.refusal(429, "slow_down", "Slow down") if form == "json" else plain
        return (
            reply if retry_after is None else reply.with_headers(("Retry-After", str(retry_after)))
        )

    def too_many_jobs(self) -> Reply:
        return self.refusal(429, *words_for(self._said, "slots"))

    def not_found(self) -> Reply:
        return self.refusal(404, "not_found", "Nothing is served here")

    # Requests

    async def _answer(self, request: Request) -> Response:
        if not self._is_authorized(request):
            return self.refusal(401, "unauthorized", "The key is not known").response()
        path = request.url.path.removeprefix(self._document.base_path)
        if request.method != "GET":
            return self._submitted(request, path, await request.body()).response()
        self.advance()
        return self._shown(path, request.url.query).response()

    def _is_authorized(self, request: Request) -> bool:
        header = self._document.key_header
        given = request.headers.get("authorization", "")
        if header is not None and API_KEY in self._document.credentials:
            key = header.prefix + API_KEYS["api_key"]
            if request.headers.get(header.name) == key:
                return True
        return any(given == authorization(each) for each in GOOD.values())

    def _submitted(self, request: Request, path: str, body: bytes) -> Reply:
        sent = json.loads(body)
        for name, submission in self._document.submissions.items():
            values = Template(submission.path).match(path, request.url.query)
            found: dict[str, Any] = {}
            fits = submission.method == request.method and matches(submission.body, sent, found)
            if values is not None and fits:
                return self._accepted(request, name, {**values, **found})
        return self.not_found()

    def _accepted(self, request: Request, operation: str, found: Mapping[str, Any]) -> Reply:
        exchange: Exchange = request.state.exchange
        now = exchange.at or self._world.clock.now()
        takes = math.inf if exchange.effect.stuck else self._world.settings.latency.low
        records = found[RECORDS] if RECORDS in found else [found[RECORD]]
        name = f"job-{len(self._jobs) + 1}"
        token = found.get(TOKEN) or found.get("token", "")
        job = Job(
            name,
            operation,
            records,
            token,
            exchange.effect,
            exchange.request_id,
            now,
            now + takes,
            self._words.queued,
        )
        self._jobs[name] = job
        in_flight = sum(each.lines is None for each in self._jobs.values())
        self._world.ledger.job_accepted(
            JobEntry(
                name,
                self._document.name,
                operation,
                len(records),
                now,
                None if exchange.effect.stuck else job.ends,
                exchange.request_id,
                in_flight,
            )
        )
        return json_reply(with_value(self._said["submit"]["job_id"], name), 202)

    def _shown(self, path: str, query: str) -> Reply:
        """What a read of any kind shows."""
        said = self._said
        search, listing = said.get("search", {}), said["poll"].get("list")
        searched = search.get("path") or (listing or {}).get("path")
        readers = [
            (said["results"].get("path"), self._results_at),
            (_RESULTS if said["results"].get("url") else None, self._results_at),
            (said["poll"]["path"], self._polled),
            *[(each["path"], self._record_at) for each in self._read_backs()],
            (searched, lambda values: self._listed({**(listing or {}), **search}, values)),
            (listing and listing["path"], lambda values: self._listed(listing, values)),
        ]
        for text, read in readers:
            values = Template(text).match(path, query) if text else None
            if values is not None:
                return read({**dict(parse_qsl(query)), **values})
        if Template(said["test"]["path"]).match(path, query) is not None:
            return json_reply(with_value(said["test"]["shows"], "welcome"))
        return self.not_found()

    def _read_backs(self) -> list[Mapping[str, Any]]:
        said = [self._said.get("search", {}), *self._said["operations"].values()]
        return [each["read_back"] for each in said if each.get("read_back")]

    def _polled(self, values: Mapping[str, str]) -> Reply:
        asked = values.get("ids", values.get("id", "")).split(",")
        jobs = [job for name in asked if (job := self._jobs.get(name)) and self._by_id(job)]
        if "{id}" in self._said["poll"]["path"]:
            if not jobs:
                return self.refusal(404, "not_found", "There is no such job")
            return json_reply(with_value(self._said["poll"].get("jobs", "@"), self._full(jobs[0])))
        return json_reply(with_value(self._said["poll"]["jobs"], [self._full(job) for job in jobs]))

    def _listed(self, listing: Mapping[str, Any], values: Mapping[str, str]) -> Reply:
        jobs = [
            job
            for job in self._jobs.values()
            if self._is_kept(job) and values.get("token", job.token) == job.token
        ]
        shown = [self._brief(job) for job in reversed(jobs)]
        return json_reply(with_value(listing["jobs"], shown))

    def _results_at(self, values: Mapping[str, str]) -> Reply:
        """The results of a job, where they stand apart from it."""
        job = self._jobs.get(values["id"])
        if job is None or not self._is_kept(job) or job.lines is None:
            return self.refusal(404, "not_found", "There are no such results")
        said, first = self._said["results"], int(values.get("after", "0"))
        if not said.get("next"):
            return json_reply(with_value(said["rows"], job.lines))
        page = with_value(said["rows"], job.lines[first : first + PAGE])
        if first + PAGE < len(job.lines):
            page = with_value(said["next"], f"?after={first + PAGE}", page)
        return json_reply(page)

    def _record_at(self, values: Mapping[str, str]) -> Reply:
        record = self._records.get(values["id"])
        if record is None:
            return self.refusal(404, "not_found", "There is no such record")
        # Every way to read a record back looks in a place of its own.
        shown: Any = {}
        for each in self._read_backs():
            shown = with_value(each.get("record", "@"), record, shown)
        return json_reply(shown)

    # Jobs as they are shown

    def _is_kept(self, job: Job) -> bool:
        age, effect = self._world.clock.now() - job.begun, job.effect
        kept = self._document.retention_seconds if effect.gone is None else effect.gone
        return effect.not_yet_visible <= age < kept

    def _by_id(self, job: Job) -> bool:
        age, effect = self._world.clock.now() - job.begun, job.effect
        vanished = effect.vanish is not None and age >= effect.vanish
        return self._is_kept(job) and not effect.list_only and not vanished

    def _brief(self, job: Job) -> JsonObject:
        """A job as the list shows it: without results."""
        poll, search = self._said["poll"], self._said.get("search", {})
        shown: JsonObject = {}
        if poll.get("id"):
            shown = with_value(poll["id"], job.id, shown)
        if search.get("created"):
            shown = with_value(search["created"], iso_time(job.begun), shown)
        if search.get("token") and job.token:
            shown = with_value(search["token"], job.token, shown)
        for key, value in (("progress", len(job.lines or ())), ("total", len(job.records))):
            if poll.get(key):
                shown = with_value(poll[key], value, shown)
        made: JsonObject = with_value(poll["status"], self._state(job), shown)
        return made

    def _full(self, job: Job) -> JsonObject:
        """A job as it is shown by id."""
        shown, results = self._brief(job), self._said["results"]
        if results.get("url"):
            address = self._document.base_path + _RESULTS.replace("{id}", job.id)
            shown = with_value(results["url"], address, shown)
        elif not results.get("path") and job.lines is not None:
            shown = with_value(results["rows"], job.lines, shown)
        return shown

    def _state(self, job: Job) -> str:
        if job.effect.regress and job.seen_working and not job.went_back:
            job.went_back = True
            return self._words.queued
        job.seen_working |= job.state == self._words.working
        return job.state

    # What jobs do

    def advance(self) -> None:
        """Carry out every job that ended by now; its records are there at that moment."""
        now = self._world.clock.now()
        for job in self._jobs.values():
            if job.state in (self._words.queued, self._words.working):
                half = (job.begun + job.ends) / 2
                job.state = self._words.queued if now < half else self._words.working
                if now >= job.ends:
                    self._carry_out(job)

    def _carry_out(self, job: Job) -> None:
        effect, draws, words = job.effect, self._world.draws(job.id), self._words
        job.state = effect.status_word or (words.broken if effect.fail_job else words.done)
        records = [] if job.state == words.called_off else job.records
        if effect.fail_job:
            records = records[: effect.fail_job.after_rows]
        lines = [self._line(job, at, each, draws.random()) for at, each in enumerate(records)]
        shows = not effect.fail_job or job.state in words.partial
        job.lines = self._distorted(lines, effect.results, draws) if shows else None

    def _distorted(
        self, lines: list[JsonObject], quirks: Sequence[str], draws: Any
    ) -> list[JsonObject] | None:
        """The results of a job as its faults leave them."""
        for quirk in quirks:
            if quirk == "null":
                return None
            if quirk == "short":
                lines = lines[:-1]
            elif quirk == "reordered":
                draws.shuffle(lines)
            elif quirk == "no_index" and (index := self._said["results"].get("index")):
                lines = [with_value(index, None, line) for line in lines]
            elif quirk == "empty_row" and lines:
                lines[draws.randrange(len(lines))] = {}
        return lines

    def _line(self, job: Job, index: int, record: Any, draw: float) -> JsonObject:
        """Make one record, or say why not."""
        said = self._said["results"]
        line: JsonObject = {}
        if said.get("index"):
            line = with_value(said["index"], index, line)
        fields = record if isinstance(record, dict) else {"id": record}
        if job.effect.fail_rows and job.effect.fail_rows.hits(index, fields, draw):
            error = job.effect.fail_rows.told_error or "no_room"
            if said.get("code"):
                line = with_value(said["code"], error, line)
            if said.get("text"):
                line = with_value(said["text"], job.effect.fail_rows.told_details, line)
            failed: JsonObject = that_satisfies(said["failed"], line, error)
            return failed
        deletes, name = "delete" in job.operation, f"{job.id}-record-{index}"
        name = str(fields["id"]) if deletes and "id" in fields else name
        self._records[name] = {**fields, "id": name}
        self._world.ledger.record(
            RecordEffect(
                self._document.name,
                "record",
                "deleted" if deletes else "created",
                name,
                fields.get("external_id"),
                job.id,
                job.request_id,
                index,
                job.ends,
                fields,
            )
        )
        if said.get("id"):
            line = with_value(said["id"], name, line)
        done: JsonObject = that_satisfies(said["succeeded"], line)
        return done


_RESULTS = "/_results/{id}"
"""Where results are, if only the job says where."""


class DocumentSimulator(Simulator):
    """The simulator with the vendor of one document and no other."""

    said: ClassVar[Mapping[str, Any]]

    def reset(self, changes: JsonObject) -> None:
        super().reset(changes)
        self.vendors = [DocumentVendor(self.world, self.said)]


def simulator_of(said: Mapping[str, Any]) -> type[DocumentSimulator]:
    """A simulator of the vendor that a document describes."""
    return type(f"Simulated_{said['name']}", (DocumentSimulator,), {"said": said})
