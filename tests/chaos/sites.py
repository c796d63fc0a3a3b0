"""The vendor of a story, where it is a real adapter before the vendor simulator: as values.

What goes wrong there is said in the simulator's own words (docs/simulators.md): each `Wrong` is an
effect of a fault that it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from jobferry.domain.types import JsonObject

LATE_SECONDS = 20.0
"""Seconds for which a new job is shown to nobody, where a story says no other number."""


class Wrong(StrEnum):
    """What goes wrong with one request to the vendor, or with the job that it starts."""

    ANSWER_LOST = "it is carried out, and the connection breaks"
    REQUEST_LOST = "the connection breaks, and nothing is done"
    CUT_SHORT = "it is carried out, and the answer breaks off"
    GARBLED = "it is carried out, and the answer is no JSON"
    BAD_GATEWAY_DONE = "it is carried out, and answered 502"
    BAD_GATEWAY = "a page that says 502"
    UNAVAILABLE_DONE = "it is carried out, and answered 503"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT_DONE = "it is carried out, and answered 504"
    GATEWAY_TIMEOUT = "504"
    THROTTLED = "429"
    THROTTLED_IN_WORDS = "429 in plain text"
    THROTTLED_AT_THE_EDGE = "429 from the edge"
    FULL = "too many jobs"
    REFUSED = "422"
    FORBIDDEN = "403"

    ROW_REFUSED = "the first row of the job is refused"
    ROW_IN_CONFLICT = "the first row of the job meets a conflict"
    NO_RESULTS = "the job ends without results"
    SHORT_RESULTS = "the results of the job lack the last row"
    SHUFFLED_RESULTS = "the results of the job stand in another order"
    EMPTY_RESULT = "one result of the job is empty"
    DIES = "the job dies after its first row"
    DIES_AT_ONCE = "the job dies before its first row"
    KILLED = "the job is killed before its first row"
    ABORTED = "the job is aborted before it begins"
    STUCK = "the job never ends"
    LATE = "the job is not visible at first"
    UNKNOWN_BY_ID = "the job is shown by the list alone"
    FORGOTTEN = "the job is forgotten at once"
    STEPS_BACK = "the job is queued once more after it has begun"


_ANSWERS: Mapping[Wrong, JsonObject] = {
    Wrong.ANSWER_LOST: {"reset": True, "after": True},
    Wrong.REQUEST_LOST: {"reset": True},
    Wrong.CUT_SHORT: {"truncated": True, "after": True},
    Wrong.GARBLED: {"malformed": True, "after": True},
    Wrong.BAD_GATEWAY_DONE: {"status": 502, "after": True},
    Wrong.BAD_GATEWAY: {"html": True, "status": 502},
    Wrong.UNAVAILABLE_DONE: {"status": 503, "after": True},
    Wrong.UNAVAILABLE: {"status": 503},
    Wrong.GATEWAY_TIMEOUT_DONE: {"status": 504, "after": True},
    Wrong.GATEWAY_TIMEOUT: {"status": 504},
    Wrong.THROTTLED: {"rate_limited": "json"},
    Wrong.THROTTLED_IN_WORDS: {"rate_limited": "plain"},
    Wrong.THROTTLED_AT_THE_EDGE: {"rate_limited": "edge"},
    Wrong.FULL: {"too_many_jobs": True},
    Wrong.REFUSED: {"status": 422, "body": {"error": "RecordInvalid", "description": "No."}},
    Wrong.FORBIDDEN: {"status": 403, "body": {"error": "Forbidden", "description": "No."}},
}
"""What goes wrong with an answer, as the simulator's effects."""

_ENDS: Mapping[Wrong, JsonObject] = {
    Wrong.ROW_REFUSED: {"fail_rows": {"indexes": [0]}},
    Wrong.ROW_IN_CONFLICT: {"fail_rows": {"indexes": [0], "error": "DatabaseConflict"}},
    Wrong.NO_RESULTS: {"results": "null"},
    Wrong.SHORT_RESULTS: {"results": "short"},
    Wrong.SHUFFLED_RESULTS: {"results": "reordered"},
    Wrong.EMPTY_RESULT: {"results": "empty_row"},
    Wrong.DIES: {"fail_job": {"after_rows": 1}},
    Wrong.DIES_AT_ONCE: {"fail_job": True},
    Wrong.KILLED: {"fail_job": True, "status_word": "killed"},
    Wrong.ABORTED: {"fail_job": True, "status_word": "aborted"},
    Wrong.STUCK: {"stuck": True},
    Wrong.LATE: {"not_yet_visible": LATE_SECONDS},
    Wrong.UNKNOWN_BY_ID: {"vanish": True},
    Wrong.FORGOTTEN: {"gone": True},
    Wrong.STEPS_BACK: {"regress": True},
}
"""What goes wrong with a job."""

UNHEARD = frozenset(
    {
        Wrong.ANSWER_LOST,
        Wrong.REQUEST_LOST,
        Wrong.CUT_SHORT,
        Wrong.GARBLED,
        Wrong.BAD_GATEWAY_DONE,
        Wrong.BAD_GATEWAY,
        Wrong.UNAVAILABLE_DONE,
        Wrong.UNAVAILABLE,
        Wrong.GATEWAY_TIMEOUT_DONE,
        Wrong.GATEWAY_TIMEOUT,
    }
)
"""After these nobody on our side knows whether the request was carried out."""

_PATIENT = frozenset({Wrong.THROTTLED, Wrong.UNAVAILABLE, Wrong.UNAVAILABLE_DONE})
"""These may say how long to wait."""

_READ_ANSWERS = (
    Wrong.REQUEST_LOST,
    Wrong.CUT_SHORT,
    Wrong.GARBLED,
    Wrong.BAD_GATEWAY,
    Wrong.UNAVAILABLE,
    Wrong.GATEWAY_TIMEOUT,
    Wrong.THROTTLED,
    Wrong.THROTTLED_IN_WORDS,
    Wrong.THROTTLED_AT_THE_EDGE,
    Wrong.FORBIDDEN,
)
SUBMISSION, READ = "submission", "read"


@dataclass(frozen=True, slots=True)
class Trouble:
    """The `nth` submission or read of the story, as the vendor counts them, goes wrong.

    wait  its Retry-After, in seconds or in words; None: it has none. Of a job that is late: how
          late
    """

    what: Wrong = Wrong.ANSWER_LOST
    nth: int = 1
    of: str = SUBMISSION
    wait: int | str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A vendor's site, played by the simulator and reached through the real adapter.

    external_ids  records that have none get one from us
    short_list    the list of jobs shows no more than their ids and statuses
    per_minute    requests that the site takes in a minute
    """

    vendor: str
    troubles: tuple[Trouble, ...] = ()
    external_ids: bool = True
    short_list: bool = False
    per_minute: int = 700


def faults(site: Site, submits: str) -> list[JsonObject]:
    """The troubles as the simulator's faults; those of one request are one fault.

    Where more than one answer would be wrong, or a job in more than one way, the first one counts.

    Args:
        submits: the paths of submissions, as a regular expression.
    """
    matches: Mapping[str, JsonObject] = {
        SUBMISSION: {"method": ["POST", "PUT"], "path": submits},
        READ: {"method": "GET"},
    }
    places = dict.fromkeys((trouble.of, trouble.nth) for trouble in site.troubles)
    return [
        {
            "match": {**matches[of], "nth": nth},
            "times": 1,
            "effect": _together(striking(site, of, nth)),
        }
        for of, nth in places
    ]


def striking(site: Site, of: str, nth: int) -> list[Trouble]:
    """What goes wrong with the `nth` request of a kind: at most one answer and one job."""
    here = [trouble for trouble in site.troubles if (trouble.of, trouble.nth) == (of, nth)]
    answers = [trouble for trouble in here if trouble.what in _ANSWERS]
    ends = [trouble for trouble in here if trouble.what in _ENDS]
    return [*answers[:1], *ends[:1]]


def _together(troubles: Sequence[Trouble]) -> JsonObject:
    effect: JsonObject = {}
    for trouble in troubles:
        effect |= {**_ANSWERS, **_ENDS}[trouble.what]
        if trouble.what is Wrong.LATE:
            effect["not_yet_visible"] = float(trouble.wait or LATE_SECONDS)
        elif trouble.wait is not None:
            effect["retry_after"] = trouble.wait
    return effect


def troubles(ends: Sequence[Wrong], *, full: bool) -> list[Trouble]:
    """Everything that can go wrong at a site, once each.

    Args:
        ends: what can go wrong with a job at this vendor.
        full: it may say that it has too many jobs.
    """
    return [
        *(Trouble(what) for what in (*_answers(full=full), *ends)),
        *(Trouble(what, of=READ) for what in _READ_ANSWERS),
    ]


def draw_site(rng: Random, vendor: str, ends: Sequence[Wrong], *, full: bool) -> Site:
    """A site where a few things go wrong; the arguments as those of `troubles`."""
    answers = _answers(full=full)
    drawn = [
        *(_trouble(rng, answers, 6, SUBMISSION) for _ in range(_few(rng, 0.6, 4))),
        *(_trouble(rng, ends, 6, SUBMISSION) for _ in range(_few(rng, 0.35, 3))),
        *(_trouble(rng, _READ_ANSWERS, 20, READ) for _ in range(_few(rng, 0.3, 4))),
    ]
    return Site(
        vendor=vendor,
        troubles=tuple(drawn),
        external_ids=rng.random() < 0.75,
        short_list=rng.random() < 0.2,
        per_minute=rng.choice((700, 700, 700, 12)),
    )


def _answers(*, full: bool) -> list[Wrong]:
    """What a submission may be answered with."""
    return [what for what in _ANSWERS if full or what is not Wrong.FULL]


def _few(rng: Random, likely: float, most: int) -> int:
    return rng.randint(1, most) if rng.random() < likely else 0


def _trouble(rng: Random, of_these: Sequence[Wrong], latest: int, of: str) -> Trouble:
    what = rng.choice(of_these)
    wait = rng.choice((None, 5, 90)) if what in _PATIENT else None
    return Trouble(what, rng.randint(1, latest), of, wait)
