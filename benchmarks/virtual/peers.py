"""How others poll, run against the same vendor.

Each is described by what its own documentation or source says, and where that says nothing, by
what suits it best: every peer keeps all J slots in view, knows J, keeps to `Retry-After`, never
gives a job up. Only the vendor's latency is charged to it: its own machinery (transitions, starts,
queues, threads) takes no time at all, while ours is charged what AWS takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

from benchmarks.virtual.policy import Policy
from benchmarks.virtual.timeline import Steps, Timeline
from benchmarks.virtual.vendor import (
    POLL_BATCH,
    Conditions,
    Kind,
    Reading,
    Refusal,
    VendorModel,
)
from virtual.schedule import Schedule

SEARCH_TIMEOUT = 5.0
"""Seconds until a client tries again that got no Retry-After."""


class Client:
    """The vendor as a generator sees it: requests take time, and refused ones are repeated."""

    def __init__(self, vendor: VendorModel, timeline: Timeline) -> None:
        self._vendor = vendor
        self._timeline = timeline

    def submit(self) -> Steps[int]:
        """Send one job, as often as it takes; returns its number."""
        while True:
            yield self._vendor.request_seconds(Kind.SUBMIT)
            answer = self._vendor.submit(self._timeline.now)
            if isinstance(answer, int):
                return answer
            yield _patience(answer)

    def poll(self, jobs: Sequence[int]) -> Steps[list[Reading]]:
        """Look at jobs with one request, as often as it takes."""
        while True:
            yield self._vendor.request_seconds(Kind.POLL)
            answer = self._vendor.poll(self._timeline.now, jobs)
            if not isinstance(answer, Refusal):
                return answer
            yield _patience(answer)


def _patience(refusal: Refusal) -> float:
    return SEARCH_TIMEOUT if refusal.retry_after is None else refusal.retry_after


Waits = Callable[[Random], Iterator[float]]
"""The seconds before each poll of one job, without end."""


def one_poller_per_job(waits: Waits, workers: int | None = None) -> Policy:
    """A policy of pollers that each submit a job, poll it after these waits, and end with it.

    Args:
        workers: pollers at once; as many as there are slots by default.
    """

    def policy(vendor: VendorModel, jobs: int, schedule: Schedule) -> None:
        timeline = Timeline(schedule.now())
        client = Client(vendor, timeline)
        left = iter(range(jobs))

        def worker(number: int) -> Steps[None]:
            random = Random(f"waits {number}")
            for _ in left:
                job = yield from client.submit()
                for seconds in waits(random):
                    yield seconds
                    (reading,) = yield from client.poll([job])
                    if reading.ended:
                        break

        for number in range(workers or vendor.conditions.max_jobs):
            timeline.start(worker(number))
        timeline.run()
        schedule.until(timeline.now)

    return policy


def one_client_in_rounds(interval: float, batch: int) -> Policy:
    """A policy of one client that does one thing after another: fill all slots, wait, poll all
    jobs in flight, `batch` in a request."""

    def policy(vendor: VendorModel, jobs: int, schedule: Schedule) -> None:
        timeline = Timeline(schedule.now())
        client = Client(vendor, timeline)

        def rounds() -> Steps[None]:
            left = jobs
            in_flight: list[int] = []
            while left or in_flight:
                while left and len(in_flight) < vendor.conditions.max_jobs:
                    in_flight.append((yield from client.submit()))
                    left -= 1
                yield interval
                readings: list[Reading] = []
                for first in range(0, len(in_flight), batch):
                    readings += yield from client.poll(in_flight[first : first + batch])
                in_flight = [
                    job for job, seen in zip(in_flight, readings, strict=True) if not seen.ended
                ]

        timeline.start(rounds())
        timeline.run()
        schedule.until(timeline.now)

    return policy


class _Script:
    """One sender for each slot, and beside them a loop that asks about all jobs in flight.

    ended_at  when the last job was seen to have ended; the loop's last wait is not waited for
    """

    def __init__(
        self, client: Client, timeline: Timeline, jobs: int, conditions: Conditions
    ) -> None:
        self._client = client
        self._timeline = timeline
        self._jobs = jobs
        self._batch = conditions.poll_batch
        self._left = iter(range(jobs))
        self._in_flight: set[int] = set()
        self._ended: set[int] = set()
        self.ended_at = timeline.now

    def send(self) -> Steps[None]:
        """The next job, if one is left."""
        for _ in self._left:
            self._in_flight.add((yield from self._client.submit()))
            return

    def watch(self, interval: float) -> Steps[None]:
        """Ask every so often, in as few requests as the vendor allows and those side by side."""
        while len(self._ended) < self._jobs:
            yield interval
            asked = sorted(self._in_flight)
            for first in range(0, len(asked), self._batch):
                self._timeline.start(self._look(asked[first : first + self._batch]))

    def _look(self, asked: Sequence[int]) -> Steps[None]:
        readings = yield from self._client.poll(asked)
        for job, seen in zip(asked, readings, strict=True):
            if seen.ended and job not in self._ended:
                self._ended.add(job)
                self.ended_at = self._timeline.now
                self._in_flight.discard(job)
                self._timeline.start(self.send())


def threads_and_one_poll(interval: float) -> Policy:
    """A policy of a thread for each slot, and a poll of all jobs every so often."""

    def policy(vendor: VendorModel, jobs: int, schedule: Schedule) -> None:
        timeline = Timeline(schedule.now())
        script = _Script(Client(vendor, timeline), timeline, jobs, vendor.conditions)
        for _ in range(min(jobs, vendor.conditions.max_jobs)):
            timeline.start(script.send())
        timeline.start(script.watch(interval))
        timeline.run()
        schedule.until(script.ended_at)

    return policy


def every(seconds: float) -> Waits:
    """The same wait each time."""

    def waits(_random: Random) -> Iterator[float]:
        while True:
            yield seconds

    return waits


def backing_off(first: float, factor: float, most: float) -> Waits:
    """Longer and longer waits with full jitter: each is drawn from 0 to its delay, in whole
    seconds and one at least."""

    def waits(random: Random) -> Iterator[float]:
        delay = first
        while True:
            yield float(max(1, round(random.uniform(0, delay))))
            delay = min(most, delay * factor)

    return waits


THREADS = ("threads, poll 1 s", "threads, poll 2 s")
"""The strongest peers: what a good engineer writes in an afternoon."""

PEERS: Mapping[str, Policy] = {
    THREADS[0]: threads_and_one_poll(1.0),
    THREADS[1]: threads_and_one_poll(2.0),
    "AWS Job Poller 60 s": one_poller_per_job(every(60.0)),
    "AWS Job Poller 5 s": one_poller_per_job(every(5.0)),
    "AWS durable functions": one_poller_per_job(backing_off(5.0, 1.5, 300.0)),
    "Salesforce CLI 5 s": one_client_in_rounds(5.0, batch=1),
    "batched poller 5 s": one_client_in_rounds(5.0, batch=POLL_BATCH),
    "sequential script": one_poller_per_job(every(1.0), workers=1),
}
"""The field.

threads: a script of J threads that each send, and one loop that asks about all jobs in flight with
    the vendor's list of ids. It reads no file, keeps no outcome, and is gone with its process.
AWS Job Poller: the sample project of the Step Functions developer guide. One execution per job:
    submit, Wait, get status, Choice, loop; its example waits 60 s, and 5 s is what people set when
    that is too slow. The sample has no cap on executions and no handling of a full account; J at
    once is given to it, and the retry of throttled calls. Its history would end a job's execution
    after 2,777 polls; here it does not.
AWS durable functions: the default of `wait_for_condition` in AWS's durable execution SDK: 5 s,
    × 1.5, up to 5 min, full jitter. After 60 attempts it raises; here it goes on. J at once.
Salesforce CLI: `sf data import bulk` polls its one job every 5 s, which Data Loader does too,
    and neither asks about many jobs at once. Here one client has J jobs, one request after
    another, and polls each of them every round.
batched poller: what a careful script does with the vendor's list of ids: as above, but all jobs
    in as few requests as can be. No tool was found that ships it.
sequential script: submit, poll every second, then the next: how the vendors' client libraries
    show it, which return the job's status and leave polling to the caller.
"""
