"""What a policy is, and how one run of it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from random import seed as seed_all

from benchmarks.virtual.bounds import fewest_requests, least_wall
from benchmarks.virtual.vendor import (
    JITTER,
    SECONDS,
    STORM_EVERY,
    WINDOW,
    Conditions,
    Kind,
    Reason,
    VendorModel,
)
from jobferry.domain import prices
from virtual.bill import Bill
from virtual.schedule import Schedule

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z. Storms come five minutes after it, and again every five minutes; a run
starts within the minute before, at any point of a window."""

Policy = Callable[[VendorModel, int, Schedule], Bill | None]
"""(vendor, jobs, schedule): run all jobs, and know of each that it has ended. Starts at the
schedule's time, and returns at the time when all is known. Tells what it used of AWS, if that was
counted."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One run of one policy.

    seconds       wall time, in virtual seconds
    least_ratio   to the time of a client that knows everything beforehand
    slot_use      part of the slots' time that was used while work was left
    opening       seconds from the upload to the first accepted job
    closing       seconds from the end of the last job to the end
    requests      sent, the refused ones too
    request_ratio to the fewest possible
    throttled     refused with 429 for their number, or in a storm
    too_many_jobs refused because all slots were taken
    dollars       of AWS for each million of rows, storage not included; 0 where nothing is counted
    conflicts     requests of the table that failed because a transaction was in the way
    failures      tasks of the state machine that failed, and were tried again
    """

    seconds: float
    least_ratio: float
    slot_use: float
    opening: float
    closing: float
    requests: int
    request_ratio: float
    throttled: int
    too_many_jobs: int
    most_in_flight: int
    most_in_window: int
    most_in_any_minute: int
    dollars: float = 0.0
    conflicts: int = 0
    failures: int = 0


def measure(policy: Policy, conditions: Conditions, jobs: int, seed: int) -> Figures:
    """Run a policy once.

    Raises:
        RuntimeError: it did not run each job exactly once.
    """
    vendor = VendorModel(conditions, seed)
    started_at = START + Random(f"start {seed}").uniform(STORM_EVERY - WINDOW, STORM_EVERY)
    schedule = Schedule(started_at, seed)
    # What waits between tries in the store is drawn from the process's own generator.
    seed_all(f"waits {seed}")
    bill = policy(vendor, jobs, schedule) or Bill()
    if vendor.accepted != jobs:
        raise RuntimeError(f"{vendor.accepted} jobs were accepted, and {jobs} were to be")
    seconds = schedule.now() - started_at
    fewest = fewest_requests(jobs, conditions.poll_batch)
    least = least_wall(
        vendor.latencies,
        conditions.max_jobs,
        conditions.requests_per_minute,
        started_at,
        storms=conditions.storms,
        first=SECONDS[Kind.SUBMIT] * (1 - JITTER),
        last=SECONDS[Kind.POLL] * (1 - JITTER),
    )
    requests = vendor.requests.total()
    return Figures(
        seconds=seconds,
        least_ratio=seconds / least,
        slot_use=vendor.slot_use(started_at),
        opening=vendor.first_accepted_at - started_at,
        closing=schedule.now() - vendor.last_end,
        requests=requests,
        request_ratio=requests / fewest,
        throttled=vendor.refused[Reason.RATE] + vendor.refused[Reason.STORM],
        too_many_jobs=vendor.refused[Reason.JOBS],
        most_in_flight=vendor.most_in_flight,
        most_in_window=vendor.most_in_window,
        most_in_any_minute=vendor.most_in_any_minute,
        dollars=1_000_000 * sum(prices.cost(bill.used).values()) / (jobs * conditions.rows),
        conflicts=bill.conflicts,
        failures=bill.failures,
    )
