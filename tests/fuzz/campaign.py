"""One fuzzed case: an adapter, a call, and answers that are mutated as its seed says."""

from __future__ import annotations

import copy
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from jobferry.vendors.answer_gate import json_document
from jobferry.vendors.http.client import Answer, HttpClient, NoAnswer
from jobferry.vendors.lost_submission import JobIds, LostSubmission
from jobferry.vendors.protocol import VendorClient
from jobferry.vendors.zendesk.oauth import TOKEN_PATH, ZendeskAuthorizer
from tests.fuzz import checks
from tests.fuzz.mutations import Reply, encoded, mutate
from tests.fuzz.worlds import ADAPTERS, SENT_AT, TOKEN, Adapter, Case, split

CALLS = ("submit", "poll", "find", "test", "results")
TOKEN_CALL = "token"
CONTROL = ("problems", "abort", "set_priority", "delete")
MOST_MUTATIONS = 3


class FuzzedHttp(HttpClient):
    """Gives out a world's answers, mutated.

    muted  mutations that are left out, as (request, which one)
    made   those that were not
    """

    def __init__(self, case: Case, seed: str, muted: frozenset[tuple[str, int]]) -> None:
        self.meter = None
        self.requests_made = 0
        self.answers: list[tuple[str, Answer | NoAnswer]] = []
        self.made: list[tuple[str, int]] = []
        self._case = case
        self._seed = seed
        self._muted = muted
        self._asked: Counter[str] = Counter()
        self._lock = Lock()

    def drop_idle_connections(self) -> None:
        """There is no connection."""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer | NoAnswer:
        bare, query = split(path)
        query |= params or {}
        with self._lock:
            self.requests_made += 1
            name = f"{method} {bare} {sorted(query.items())}"
            self._asked[name] += 1
            key = f"{name} {self._asked[name]}"
            reply = Reply(copy.deepcopy(self._document(method, bare, query)))
            self.made += mutated(reply, self._seed, key, self._muted)
            answer = reply.answer()
            self.answers.append((key, answer))
            return answer

    def _document(self, method: str, path: str, query: dict[str, str]) -> Any:
        if path == TOKEN_PATH:
            return {"access_token": "abc", "token_type": "bearer", "expires_in": 1800}
        return self._case.serve(method, path, query)


def mutated(
    reply: Reply, seed: str, key: str, muted: frozenset[tuple[str, int]]
) -> list[tuple[str, int]]:
    """Mutate a reply as its seed says; returns which mutations were made."""
    count = random.Random(f"{seed}|{key}").choice((0, 0, 1, 1, 1, 2, MOST_MUTATIONS))
    made = [(key, n) for n in range(count) if (key, n) not in muted]
    for each in made:
        mutate(reply, random.Random(f"{seed}|{each}"))
    return made


@dataclass
class Outcome:
    """What a case came to."""

    what: str
    failure: str | None = None
    made: list[tuple[str, int]] = field(default_factory=list)
    answers: list[tuple[str, Any]] = field(default_factory=list)


def play(seed: str, muted: frozenset[tuple[str, int]] = frozenset()) -> Outcome:
    """Play one case. A failure is an exception, or a check that does not hold."""
    draw = random.Random(seed)
    name = draw.choice(list(ADAPTERS))
    adapter = ADAPTERS[name]
    case = adapter.case(draw)
    calls = CALLS + (CONTROL if name == "vidispine" else ())
    calls += (TOKEN_CALL,) if name.startswith("zendesk") else ()
    call = draw.choice(calls)
    http = FuzzedHttp(case, seed, muted)
    outcome = Outcome(f"{name} {call} {case.operation.name}", made=http.made, answers=http.answers)
    try:
        if call == "results":
            _play_results(case, adapter, seed, muted, outcome)
        else:
            _play(call, case, adapter, http, draw)
    except checks.Broken as broken:
        outcome.failure = str(broken)
    except Exception as error:  # noqa: BLE001 - whatever it is, no answer may raise it
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome.failure = f"{type(error).__name__} at {where.filename}:{where.lineno}: {error}"[
            :500
        ]
    return outcome


def _play_results(
    case: Case,
    adapter: Adapter,
    seed: str,
    muted: frozenset[tuple[str, int]],
    outcome: Outcome,
) -> None:
    reply = Reply(copy.deepcopy(case.raw))
    outcome.made += mutated(reply, seed, "raw", muted)
    body = encoded(reply.document)
    outcome.answers.append(("raw", Answer(200, {}, body)))
    raw = json_document(body)
    checks.results(case, adapter, raw if isinstance(raw, dict) else {})


def _play(call: str, case: Case, adapter: Adapter, http: FuzzedHttp, draw: random.Random) -> None:
    client: VendorClient = adapter.client(http)

    def answers() -> list[Answer | NoAnswer]:
        return [answer for _, answer in http.answers]

    if call == TOKEN_CALL:
        authorize = ZendeskAuthorizer(
            lambda _: {"client_id": "a", "client_secret": "b"},
            lambda body: http.request("POST", TOKEN_PATH, body=body),
        )
        checks.authorized(authorize(False), answers())
    elif call == "submit":
        checks.submitted(client.submit(case.operation, case.records, TOKEN), answers())
    elif call == "poll":
        job_ids = case.job_ids[: draw.randint(1, len(case.job_ids))]
        checks.polled(client.poll(job_ids), case, adapter, answers())
    elif call == "find":
        known = frozenset(case.job_ids[1:] if draw.random() < 0.3 else ())
        ended = frozenset(case.job_ids[:1] if draw.random() < 0.2 else ())
        lost = LostSubmission(
            TOKEN, SENT_AT, case.records, JobIds(known, ended), lost_at=SENT_AT + 5
        )
        now = SENT_AT + draw.choice((1.0, 61.0, 700.0, 4_000.0, 90_000.0))
        checks.found(client.find(case.operation, lost, now), answers())
    elif call == "test":
        seen = client.test()
        checks.problem(seen, answers(), may_refuse=True)
        checks.must(seen is not None or checks.all_succeeded(answers()), "welcome without a word")
    else:
        _play_control(call, client, case, answers)


def _play_control(call: str, client: Any, case: Case, answers: Any) -> None:
    job_id = case.job_ids[0]
    if call == "problems":
        checks.problems(client.problems(), answers())
    else:
        given = {"abort": [job_id], "set_priority": [job_id, "high"], "delete": [case.job_ids]}
        checks.problem(getattr(client, call)(*given[call]), answers())


def smallest(seed: str) -> Outcome:
    """The failure of a case with every mutation taken away that it does not need."""
    muted: frozenset[tuple[str, int]] = frozenset()
    outcome = play(seed)
    for mutation in list(outcome.made):
        without = play(seed, muted | {mutation})
        if without.failure is not None:
            muted, outcome = muted | {mutation}, without
    return outcome


@dataclass
class Totals:
    cases: int = 0
    answers: int = 0
    mutations: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def plus(self, other: Totals) -> None:
        self.cases += other.cases
        self.answers += other.answers
        self.mutations += other.mutations
        self.calls += other.calls
        self.failures += other.failures


def carry_out(seeds: Iterable[str]) -> Totals:
    """Play cases; those that fail are named by their seeds."""
    totals = Totals()
    for seed in seeds:
        outcome = play(seed)
        totals.cases += 1
        totals.answers += len(outcome.answers)
        totals.mutations += len(outcome.made)
        totals.calls[" ".join(outcome.what.split()[:2])] += 1
        if outcome.failure is not None:
            totals.failures.append(seed)
    return totals


def told(seed: str) -> str:
    """A failed case in words, as small as it could be made."""
    outcome = smallest(seed)
    lines = [f"case {seed}: {outcome.what}", f"  {outcome.failure}"]
    needed = {key for key, _ in outcome.made}
    for key, answer in outcome.answers:
        if key in needed:
            lines.append(f"  {key}\n    {answer!r}"[:1_500])
    return "\n".join(lines)


def report(totals: Totals, began: float) -> str:
    lines = [
        f"{totals.cases:,} cases, {totals.answers:,} answers, {totals.mutations:,} mutations,"
        f" {len(totals.failures):,} failures, {time.monotonic() - began:.0f} s"
    ]
    lines += [f"  {what:<34}{count:>9,}" for what, count in sorted(totals.calls.items())]
    return "\n".join(lines)
