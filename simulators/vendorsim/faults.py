"""Faults on demand: which request is hit, and what is done to it or to the job it starts.

The first fault that fires for a request wins; a fault counts every request that its `match`
fits, whether or not an earlier one won. Method, path and position are all that a match sees, so
the same requests in the same order are hit in the same way.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from vendorsim.values import JsonObject, seeded


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, int | str) else value


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Match(_Model):
    """Which requests: all conditions that are given must hold.

    method       one or several
    path         regular expression, searched in the path without `.json`
    nth          positions among the requests that fit method and path, from 1
    every        every n-th of them
    probability  each of them, drawn by the seed
    """

    method: Annotated[list[str], BeforeValidator(_as_list)] = Field(default_factory=list)
    path: str = ""
    nth: Annotated[list[int], BeforeValidator(_as_list)] = Field(default_factory=list)
    every: int | None = Field(default=None, ge=1)
    probability: float | None = Field(default=None, ge=0, le=1)

    @field_validator("path")
    @classmethod
    def _path_compiles(cls, path: str) -> str:
        try:
            re.compile(path)
        except re.error as error:
            message = f"path is not a regular expression: {error}"
            raise ValueError(message) from error
        return path

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is one of those counted."""
        right_method = not self.method or method in (each.upper() for each in self.method)
        return right_method and re.search(self.path, path) is not None


Poison = Literal["half_emoji", "long_code", "nested"]

_LONG = 600_000
_DEEP = 500


class FailRows(_Model):
    """Rows of the job that the vendor refuses.

    marker       text in the row's external_id, subject, name or email
    probability  each row, drawn by the seed
    indexes      positions in the request, from 0
    poison       what a client may stumble over: details that end in one half of a surrogate pair, a
                 code of 600,000 characters, details of 500 arrays in each other
    """

    marker: str | None = None
    probability: float = Field(default=0.0, ge=0, le=1)
    indexes: list[int] = Field(default_factory=list)
    error: str | None = None
    details: str = "Simulated failure"
    poison: Poison | None = None

    @property
    def told_error(self) -> str | None:
        """The code as the answer holds it; None for what the vendor usually says."""
        return "E" * _LONG if self.poison == "long_code" else self.error

    @property
    def told_details(self) -> Any:
        """The words as the answer holds them: text, but for nested ones."""
        if self.poison == "half_emoji":
            return self.details + "\ud83d"
        if self.poison != "nested":
            return self.details
        nested: list[Any] = [self.details]
        for _ in range(_DEEP - 1):
            nested = [nested]
        return nested

    def hits(self, index: int, record: JsonObject, draw: float) -> bool:
        """`draw` is a number from [0, 1) that belongs to this row."""
        if index in self.indexes or draw < self.probability:
            return True
        if not self.marker:
            return False
        named = ("external_id", "subject", "name", "email")
        return any(self.marker in str(record.get(key) or "") for key in named)


class FailJob(_Model):
    """The job dies: `failed`, no results, and only its first `after_rows` rows were done."""

    after_rows: int = Field(default=0, ge=0)


def _fail_job(value: Any) -> Any:
    return {} if value is True else value


def _seconds(value: Any) -> Any:
    return 0.0 if value is True else value


ResultQuirk = Literal["null", "short", "reordered", "no_index", "empty_row"]


class Effect(_Model):
    """What happens. Answer and job parts can be combined (`reset` after, and a job that sticks).

    The answer to the request; `after` = once the work is done, otherwise instead of it:
    status, body, headers, content_type   this answer (body: text, or JSON); headers alone join the
                   true answer
    html           an HTML error page, 502 unless `status` says otherwise
    rate_limited   429 as JSON, as plain text or from the edge; `retry_after` seconds or unsaid
    too_many_jobs  the vendor's refusal of one more job
    reset          the connection is closed without an answer
    hang           seconds before the answer, whatever it is
    truncated      the true answer breaks off and the connection closes (always after)
    malformed      the true answer loses its tail but is well-formed HTTP (always after)
    accepted_after seconds after which the request is done, long after its answer: a 504
                   unless another one is named

    The job that the request starts:
    results          null, short (last row missing), reordered, no_index, empty_row; or several
    status_word      the word at its end instead of completed or failed
    stuck            it never ends
    fail_rows        see FailRows
    fail_job         true or see FailJob
    regress          once, after `working` was seen, it reads `queued`
    not_yet_visible  seconds from submission in which no reader knows it
    vanish           true or seconds from submission: by id it is unknown, the list still shows it
    list_only        only the list ever shows it
    gone             true or seconds from submission: no reader knows it
    """

    status: int | None = Field(default=None, ge=200, le=599)
    body: str | JsonObject | list[Any] | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    content_type: str | None = None
    html: bool = False
    rate_limited: Literal["json", "plain", "edge"] | None = None
    retry_after: int | str | None = None
    too_many_jobs: bool = False
    reset: bool = False
    hang: float = Field(default=0.0, ge=0)
    truncated: bool = False
    malformed: bool = False
    after: bool = False
    accepted_after: float | None = Field(default=None, gt=0)

    results: Annotated[list[ResultQuirk], BeforeValidator(_as_list)] = Field(default_factory=list)
    status_word: str | None = None
    stuck: bool = False
    fail_rows: FailRows | None = None
    fail_job: Annotated[FailJob | None, BeforeValidator(_fail_job)] = None
    regress: bool = False
    not_yet_visible: float = Field(default=0.0, ge=0)
    vanish: Annotated[float | None, BeforeValidator(_seconds)] = None
    list_only: bool = False
    gone: Annotated[float | None, BeforeValidator(_seconds)] = None

    @model_validator(mode="after")
    def _does_something(self) -> Effect:
        if self.after and self.accepted_after is not None:
            message = "effect: `after` and `accepted_after` would carry the request out twice"
            raise ValueError(message)
        if not self.model_fields_set - {"after"}:
            message = "effect: names nothing that happens"
            raise ValueError(message)
        return self


NO_EFFECT = Effect(stuck=False)
"""What befalls a request that no fault hits."""


class Fault(_Model):
    """One entry of `POST /_sim/faults`: a match, how often at most, and the effect."""

    match: Match = Match()
    times: int | None = Field(default=None, ge=1)
    effect: Effect


class _Armed:
    """A fault with its counters."""

    def __init__(self, fault: Fault, draws: random.Random) -> None:
        self.fault = fault
        self.seen = 0
        self.hits = 0
        self._draws = draws

    @property
    def remaining(self) -> int | None:
        """How often it can still fire; None = without end."""
        return None if self.fault.times is None else self.fault.times - self.hits

    def wants(self) -> bool:
        """Count a fitting request and say whether it is one to hit."""
        self.seen += 1
        match = self.fault.match
        drawn = match.probability is None or self._draws.random() < match.probability
        placed = not match.nth or self.seen in match.nth
        paced = match.every is None or self.seen % match.every == 0
        return drawn and placed and paced and self.remaining != 0


class FaultBook:
    """The faults that are set, in order."""

    def __init__(self, seed: int, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []
        self.add(faults)

    def add(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            draws = seeded(self._seed, f"fault:{len(self._armed)}")
            self._armed.append(_Armed(fault, draws))

    def replace(self, faults: Iterable[Fault]) -> None:
        self._armed = []
        self.add(faults)

    def pick(self, method: str, path: str) -> Effect:
        """The effect that hits this request, NO_EFFECT if none does; counts it as used."""
        fitting = [armed for armed in self._armed if armed.fault.match.fits(method, path)]
        firing = [armed for armed in fitting if armed.wants()]
        if not firing:
            return NO_EFFECT
        firing[0].hits += 1
        return firing[0].fault.effect

    def remaining(self) -> list[JsonObject]:
        """The faults that can still fire, each with `seen`, `hits` and `remaining`."""
        return [
            armed.fault.model_dump(exclude_defaults=True)
            | {"seen": armed.seen, "hits": armed.hits, "remaining": armed.remaining}
            for armed in self._armed
            if armed.remaining != 0
        ]
