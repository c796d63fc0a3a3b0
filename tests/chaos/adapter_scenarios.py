"""What goes wrong at the vendor of a real adapter, played by the simulator: as values.

It is written in the simulator's own words (docs/simulators.md): each `VendorFaultKind` is an
effect of a fault that it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from jobferry.domain.types import JsonObject

LATE_SECONDS = 20.0
"""Seconds for which a new job is shown to nobody, where a scenario says no other number."""


class VendorFaultKind(StrEnum):
    """What goes wrong with one request to the vendor, or with the job that it starts."""

    ANSWER_LOST = "it is applied, and the connection breaks"
    REQUEST_LOST = "the connection breaks, and nothing is done"
    CUT_SHORT = "it is applied, and the answer breaks off"
    GARBLED = "it is applied, and the answer is no JSON"
    BAD_GATEWAY_DONE = "it is applied, and answered 502"
    BAD_GATEWAY = "a page that says 502"
    UNAVAILABLE_DONE = "it is applied, and answered 503"
    UNAVAILABLE = "503"
    GATEWAY_TIMEOUT_DONE = "it is applied, and answered 504"
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
    DIES = "the job fails after its first row"
    DIES_AT_ONCE = "the job fails before its first row"
    KILLED = "the job is killed before its first row"
    ABORTED = "the job is aborted before it begins"
    STUCK = "the job never ends"
    LATE = "the job is not visible at first"
    UNKNOWN_BY_ID = "the job is shown by the list alone"
    FORGOTTEN = "the job is forgotten at once"
    STEPS_BACK = "the job is queued once more after it has begun"


_ANSWERS: Mapping[VendorFaultKind, JsonObject] = {
    VendorFaultKind.ANSWER_LOST: {"reset": True, "after": True},
    VendorFaultKind.REQUEST_LOST: {"reset": True},
    VendorFaultKind.CUT_SHORT: {"truncated": True, "after": True},
    VendorFaultKind.GARBLED: {"malformed": True, "after": True},
    VendorFaultKind.BAD_GATEWAY_DONE: {"status": 502, "after": True},
    VendorFaultKind.BAD_GATEWAY: {"html": True, "status": 502},
    VendorFaultKind.UNAVAILABLE_DONE: {"status": 503, "after": True},
    VendorFaultKind.UNAVAILABLE: {"status": 503},
    VendorFaultKind.GATEWAY_TIMEOUT_DONE: {"status": 504, "after": True},
    VendorFaultKind.GATEWAY_TIMEOUT: {"status": 504},
    VendorFaultKind.THROTTLED: {"rate_limited": "json"},
    VendorFaultKind.THROTTLED_IN_WORDS: {"rate_limited": "plain"},
    VendorFaultKind.THROTTLED_AT_THE_EDGE: {"rate_limited": "edge"},
    VendorFaultKind.FULL: {"too_many_jobs": True},
    VendorFaultKind.REFUSED: {
        "status": 422,
        "body": {"error": "RecordInvalid", "description": "No."},
    },
    VendorFaultKind.FORBIDDEN: {
        "status": 403,
        "body": {"error": "Forbidden", "description": "No."},
    },
}
"""What goes wrong with an answer, as the simulator's effects."""

_ENDS: Mapping[VendorFaultKind, JsonObject] = {
    VendorFaultKind.ROW_REFUSED: {"fail_rows": {"indexes": [0]}},
    VendorFaultKind.ROW_IN_CONFLICT: {"fail_rows": {"indexes": [0], "error": "DatabaseConflict"}},
    VendorFaultKind.NO_RESULTS: {"results": "null"},
    VendorFaultKind.SHORT_RESULTS: {"results": "short"},
    VendorFaultKind.SHUFFLED_RESULTS: {"results": "reordered"},
    VendorFaultKind.EMPTY_RESULT: {"results": "empty_row"},
    VendorFaultKind.DIES: {"fail_job": {"after_rows": 1}},
    VendorFaultKind.DIES_AT_ONCE: {"fail_job": True},
    VendorFaultKind.KILLED: {"fail_job": True, "status_word": "killed"},
    VendorFaultKind.ABORTED: {"fail_job": True, "status_word": "aborted"},
    VendorFaultKind.STUCK: {"stuck": True},
    VendorFaultKind.LATE: {"not_yet_visible": LATE_SECONDS},
    VendorFaultKind.UNKNOWN_BY_ID: {"vanish": True},
    VendorFaultKind.FORGOTTEN: {"gone": True},
    VendorFaultKind.STEPS_BACK: {"regress": True},
}
"""What goes wrong with a job."""

AMBIGUOUS = frozenset(
    {
        VendorFaultKind.ANSWER_LOST,
        VendorFaultKind.REQUEST_LOST,
        VendorFaultKind.CUT_SHORT,
        VendorFaultKind.GARBLED,
        VendorFaultKind.BAD_GATEWAY_DONE,
        VendorFaultKind.BAD_GATEWAY,
        VendorFaultKind.UNAVAILABLE_DONE,
        VendorFaultKind.UNAVAILABLE,
        VendorFaultKind.GATEWAY_TIMEOUT_DONE,
        VendorFaultKind.GATEWAY_TIMEOUT,
    }
)
"""After these nobody on our side knows whether the request was applied."""

_WITH_WAIT = frozenset(
    {VendorFaultKind.THROTTLED, VendorFaultKind.UNAVAILABLE, VendorFaultKind.UNAVAILABLE_DONE}
)
"""These may say how long to wait."""

_READ_ANSWERS = (
    VendorFaultKind.REQUEST_LOST,
    VendorFaultKind.CUT_SHORT,
    VendorFaultKind.GARBLED,
    VendorFaultKind.BAD_GATEWAY,
    VendorFaultKind.UNAVAILABLE,
    VendorFaultKind.GATEWAY_TIMEOUT,
    VendorFaultKind.THROTTLED,
    VendorFaultKind.THROTTLED_IN_WORDS,
    VendorFaultKind.THROTTLED_AT_THE_EDGE,
    VendorFaultKind.FORBIDDEN,
)
SUBMISSION, READ = "submission", "read"


@dataclass(frozen=True, slots=True)
class VendorFault:
    """The `nth` submission or read of the scenario, as the vendor counts them, goes wrong.

    wait  its Retry-After, in seconds or in words; None: it has none. Of a job that is late: how
          late
    """

    what: VendorFaultKind = VendorFaultKind.ANSWER_LOST
    nth: int = 1
    of: str = SUBMISSION
    wait: int | str | None = None


@dataclass(frozen=True, slots=True)
class AdapterScenario:
    """A vendor played by the simulator and reached through the real adapter.

    external_ids  records that have none get one from us
    short_list    the list of jobs shows no more than their ids and statuses
    per_minute    requests that the vendor takes in a minute
    """

    vendor: str
    vendor_faults: tuple[VendorFault, ...] = ()
    external_ids: bool = True
    short_list: bool = False
    per_minute: int = 700


def simulator_faults(adapter_scenario: AdapterScenario, submits: str) -> list[JsonObject]:
    """The faults in the simulator's words; those of one request are one fault.

    Where more than one answer would be wrong, or a job in more than one way, the first one counts.

    Args:
        submits: the paths of submissions, as a regular expression.
    """
    matches: Mapping[str, JsonObject] = {
        SUBMISSION: {"method": ["POST", "PUT"], "path": submits},
        READ: {"method": "GET"},
    }
    places = dict.fromkeys(
        (vendor_fault.of, vendor_fault.nth) for vendor_fault in adapter_scenario.vendor_faults
    )
    return [
        {
            "match": {**matches[of], "nth": nth},
            "times": 1,
            "effect": _together(matching_faults(adapter_scenario, of, nth)),
        }
        for of, nth in places
    ]


def matching_faults(adapter_scenario: AdapterScenario, of: str, nth: int) -> list[VendorFault]:
    """What goes wrong with the `nth` request of a kind: at most one answer and one job."""
    here = [
        vendor_fault
        for vendor_fault in adapter_scenario.vendor_faults
        if (vendor_fault.of, vendor_fault.nth) == (of, nth)
    ]
    answers = [vendor_fault for vendor_fault in here if vendor_fault.what in _ANSWERS]
    ends = [vendor_fault for vendor_fault in here if vendor_fault.what in _ENDS]
    return [*answers[:1], *ends[:1]]


def _together(vendor_faults: Sequence[VendorFault]) -> JsonObject:
    effect: JsonObject = {}
    for vendor_fault in vendor_faults:
        effect |= {**_ANSWERS, **_ENDS}[vendor_fault.what]
        if vendor_fault.what is VendorFaultKind.LATE:
            effect["not_yet_visible"] = float(vendor_fault.wait or LATE_SECONDS)
        elif vendor_fault.wait is not None:
            effect["retry_after"] = vendor_fault.wait
    return effect


def vendor_faults(ends: Sequence[VendorFaultKind], *, full: bool) -> list[VendorFault]:
    """Everything that can go wrong at an adapter's vendor, once each.

    Args:
        ends: what can go wrong with a job at this vendor.
        full: it may say that it has too many jobs.
    """
    return [
        *(VendorFault(what) for what in (*_answers(full=full), *ends)),
        *(VendorFault(what, of=READ) for what in _READ_ANSWERS),
    ]


def draw_adapter_scenario(
    rng: Random, vendor: str, ends: Sequence[VendorFaultKind], *, full: bool
) -> AdapterScenario:
    """A vendor where a few things go wrong; the arguments as those of `vendor_faults`."""
    answers = _answers(full=full)
    drawn = [
        *(_vendor_fault(rng, answers, 6, SUBMISSION) for _ in range(_few(rng, 0.6, 4))),
        *(_vendor_fault(rng, ends, 6, SUBMISSION) for _ in range(_few(rng, 0.35, 3))),
        *(_vendor_fault(rng, _READ_ANSWERS, 20, READ) for _ in range(_few(rng, 0.3, 4))),
    ]
    return AdapterScenario(
        vendor=vendor,
        vendor_faults=tuple(drawn),
        external_ids=rng.random() < 0.75,
        short_list=rng.random() < 0.2,
        per_minute=rng.choice((700, 700, 700, 12)),
    )


def _answers(*, full: bool) -> list[VendorFaultKind]:
    """What a submission may be answered with."""
    return [what for what in _ANSWERS if full or what is not VendorFaultKind.FULL]


def _few(rng: Random, likely: float, most: int) -> int:
    return rng.randint(1, most) if rng.random() < likely else 0


def _vendor_fault(
    rng: Random, of_these: Sequence[VendorFaultKind], latest: int, of: str
) -> VendorFault:
    what = rng.choice(of_these)
    wait = rng.choice((None, 5, 90)) if what in _WITH_WAIT else None
    return VendorFault(what, rng.randint(1, latest), of, wait)
