"""What may happen to runs, as values: a story is drawn from a seed, carried out, and shrunk.

Everything that is left to chance stands in the story, so that the same story always goes the same
way. Its fields have calm defaults: `Story()` is one file of one row, and nothing goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TypeVar

from tests.chaos.adapters import ADAPTERS
from tests.chaos.hostile import Odd
from tests.chaos.outages import Outage
from tests.chaos.sites import Site, Wrong, draw_site
from tests.chaos.sizes import IN_EARNEST, Sizes, draw_sizes
from tests.fakes.table import BATCH_TRIES
from tests.fakes.vendor import Act, Reply

T = TypeVar("T")


class Harm(StrEnum):
    """What goes wrong with one effect."""

    CRASH_BEFORE = "the function dies just before it"
    CRASH_AFTER = "the function dies just after it"
    UNHEARD = "it is carried out, and the answer is lost"
    ECHO = "it is carried out, the answer is lost, and the SDK sends it again"
    BUSY = "it is refused as throttled"
    PARTIAL = "a part of the batch is written, and the rest comes back unprocessed"
    SLOW_REQUEST = "it takes long to arrive"
    SLOW_ANSWER = "its answer takes long"


@dataclass(frozen=True, slots=True)
class Fault:
    """Effects that go wrong: the `nth` of a kind, counted over the whole story from 1, and as many
    after it as make `times` in a row.

    kind  of the effect; `resolve/` stands for every effect of what the operator calls `resolve`
    """

    kind: str = "table.write"
    nth: int = 1
    harm: Harm = Harm.CRASH_BEFORE
    seconds: float = 0.0
    times: int = 1

    def strikes(self, kind: str, number: int) -> bool:
        return kind == self.kind and self.nth <= number < self.nth + max(1, self.times)


@dataclass(frozen=True, slots=True)
class Again:
    """The `nth` invocation of a task is delivered once more: at once, or some seconds later."""

    task: str = "SubmitJobs"
    nth: int = 1
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Event:
    """The event of a file is delivered once more."""

    file: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """The execution that reaches the `nth` task of the story is stopped there.

    OpenRun is not counted: what is stopped before it never became a run.
    """

    nth: int = 1


@dataclass(frozen=True, slots=True)
class Abort:
    """The operator stops the run of a file: as it is, or by force with what is known of it."""

    file: int = 0
    at: float = 0.0
    force: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    """For some seconds the table's indexes show nothing new."""

    at: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Priority:
    """The operator gives the run of a file another priority."""

    file: int = 0
    at: float = 0.0
    level: str = "immediate"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The connection is pointed at another account of the vendor, and back after some seconds."""

    at: float = 0.0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Reupload:
    """The bytes of a file are uploaded once more, under another name."""

    file: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Resolve:
    """When the run of a file is closed, the operator asks the vendor about its unknown rows."""

    file: int = 0
    times: int = 1


@dataclass(frozen=True, slots=True)
class Retry:
    """When the run of a file is closed, operators send its failed rows again, so many at once."""

    file: int = 0
    operators: int = 1


@dataclass(frozen=True, slots=True)
class Erase:
    """When the run of a file is closed, the operator deletes it."""

    file: int = 0


Happening = (
    Again | Event | Stop | Abort | Lag | Priority | Elsewhere | Reupload | Resolve | Retry | Erase
)

AFTERWARDS = Resolve | Retry | Erase
"""These come when the run of their file is closed, in their order."""


@dataclass(frozen=True, slots=True)
class File:
    """A file and its profile.

    bad      rows without what the operation needs
    repeats  rows with the key of row 1
    keyed    the profile names a row key
    trial    rows to be sent before somebody says yes; 0 for all at once
    breaker  rows that may fail alike before somebody must say yes; 0 for any number
    ramp     the first jobs are judged before all slots are filled, where there is a breaker
    in_order one job at a time
    """

    rows: int = 1
    bad: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()
    repeatable: bool = False
    keyed: bool = False
    batch: int = 1
    max_attempts: int = 3
    priority: str = "medium"
    arrives: float = 0.0
    trial: int = 0
    breaker: int = 0
    ramp: bool = False
    in_order: bool = False


class Fate(StrEnum):
    """What the vendor does with a record."""

    DONE = "carried out"
    REFUSED = "refused in the results"
    CONFLICT = "met by a conflict the first time, then carried out"
    DONE_UNSAID = "carried out, and the results do not say so"
    LEFT_UNSAID = "left alone, and the results do not say so"


class JobFate(StrEnum):
    """What becomes of a job."""

    PLAIN = "ends"
    KILLED = "is killed half way"
    SHORT = "has results for its first half only"
    SHUFFLED = "tells its results in another order"
    FORGOTTEN = "is forgotten by the vendor"
    LATE = "is not visible at first"
    ENDLESS = "never ends"


class PollWord(StrEnum):
    TRUTH = "the truth"
    THROTTLED = "too many requests"
    REFUSED = "no"
    PROBLEM = "a gateway error"


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at jobs is answered with."""

    word: PollWord = PollWord.TRUTH
    retry_after: float | None = None


class FindWord(StrEnum):
    TRUTH = "the truth"
    PENDING = "not yet"
    UNDECIDABLE = "cannot be told"


@dataclass(frozen=True, slots=True)
class Vendor:
    """How the vendor behaves.

    max_jobs    jobs that it takes at once
    full_wait   the Retry-After of "too many jobs"
    late        seconds for which a late job is not visible
    excess      it says of itself that one job too many is refused with no harm done
    latencies   seconds from acceptance to end, by job, over and over; as are `fates` by row
    replies     to the first submissions; then as the limits are. So with `polls` and `finds`
    odd         jobs about which it answers what no adapter should let through
    """

    max_jobs: int = 30
    full_wait: float | None = None
    late: float = 60.0
    excess: bool = False
    request_seconds: float = 0.0
    latencies: tuple[float, ...] = (20.0,)
    replies: tuple[Reply, ...] = ()
    polls: tuple[Look, ...] = ()
    finds: tuple[FindWord, ...] = ()
    fates: tuple[Fate, ...] = ()
    jobs: tuple[JobFate, ...] = ()
    odd: tuple[Odd, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """Files that arrive, a vendor, what goes wrong, and who goes first (`seed`).

    max_jobs     that the operator allows on the connection
    senders      requests of one function under way at once
    lane_window  jobs that one lane keeps in flight
    short_time   planning and closing are out of time after every step, and go on from there
    sizes        how much is done at once
    per_minute   requests that the operator allows in a minute; 0: any number
    conflicts    the part of transactions that meet another one, and are tried again
    outages      what fails for long
    hours        for which the story goes on, if need be
    retention    days for which everything is kept; 0: a month, and nothing expires
    yes_after    seconds for which the operator leaves a paused run alone
    patient      deadlines of jobs and searches are those of earnest
    machine_seconds  what an execution may take; 0: as it is deployed
    site         a real adapter's; of `vendor` only limits and latencies hold then. None: the
                 vendor in memory
    """

    seed: int = 0
    files: tuple[File, ...] = (File(),)
    vendor: Vendor = Vendor()
    max_jobs: int = 4
    senders: int = 1
    lane_window: int = 100
    short_time: bool = False
    sizes: Sizes = IN_EARNEST
    per_minute: int = 0
    conflicts: float = 0.0
    outages: tuple[Outage, ...] = ()
    hours: float = 12.0
    retention: int = 0
    yes_after: float = 0.0
    patient: bool = False
    machine_seconds: float = 0.0
    faults: tuple[Fault, ...] = ()
    happenings: tuple[Happening, ...] = ()
    site: Site | None = None


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def letter(file: int) -> str:
    """Files, their profiles and their runs are called a, b, c …"""
    return LETTERS[file]


def row_names(story: Story) -> Iterator[str]:
    """Every row has a name: `b7` is row 7 of the second file."""
    for index, file in enumerate(story.files):
        yield from (f"{letter(index)}{row}" for row in range(1, file.rows + 1))


def file_of(name: str) -> int:
    """The file of a row's name."""
    return LETTERS.index(name[0])


TABLE = ("table.write", "table.transact", "table.put_many", "table.delete_many")
OBJECTS = ("objects.put",)
VENDOR = ("vendor.submit", "vendor.poll", "vendor.find")
CONTROL = ("vendor.control",)
SECRET = ("secret.read",)

_DEATHS = (Harm.CRASH_BEFORE, Harm.CRASH_AFTER)
_LATE = (Harm.SLOW_REQUEST, Harm.SLOW_ANSWER)
HARMS: Mapping[str, tuple[Harm, ...]] = {
    "table.write": (*_DEATHS, *_LATE, Harm.UNHEARD, Harm.ECHO, Harm.BUSY),
    "table.transact": (*_DEATHS, *_LATE, Harm.UNHEARD, Harm.BUSY),
    "table.put_many": (*_DEATHS, *_LATE, Harm.UNHEARD, Harm.BUSY, Harm.PARTIAL),
    "table.delete_many": (*_DEATHS, *_LATE, Harm.UNHEARD, Harm.BUSY, Harm.PARTIAL),
    "objects.put": (*_DEATHS, *_LATE, Harm.UNHEARD, Harm.BUSY),
    "vendor.submit": (*_DEATHS, *_LATE),
    "vendor.poll": (*_DEATHS, *_LATE),
    "vendor.find": (*_DEATHS, *_LATE),
    "vendor.control": (*_DEATHS, *_LATE),
    "secret.read": (*_DEATHS, Harm.SLOW_ANSWER, Harm.BUSY),
}
"""What can go wrong with each kind of effect. A transaction carries a token that makes the SDK's
own repetition harmless, so it has no echo; what a vendor answers is the vendor's part."""

_USUAL: Mapping[str, int] = {
    "table.write": 24,
    "table.transact": 14,
    "table.put_many": 10,
    "table.delete_many": 4,
    "objects.put": 10,
    "vendor.submit": 6,
    "vendor.poll": 8,
    "vendor.find": 2,
    "vendor.control": 2,
    "secret.read": 2,
}
"""How many effects of a kind a story has, about: faults are spread over these."""

_TASKS: Mapping[str, int] = {
    "OpenRun": 2,
    "PlanRun": 2,
    "SubmitJobs": 6,
    "PollJobs": 6,
    "SettleJob": 5,
    "CloseRun": 2,
}

LATEST = 400.0
"""Seconds after which nothing of a story begins any more."""

SLOWEST = 90.0
"""Seconds that an effect takes at the most."""

CROWDED = 0.2
"""The part of the stories in which many invocations stand beside each other."""

SHRUNK = 0.25
"""The part of the stories in which batches, pages and blocks hold one to three."""

METERED = 0.15
"""The part of the stories in which the operator allows few requests a minute."""

CONTENDED = 0.2
"""The part of the stories in which transactions meet others."""

_REQUEST = 30.0
"""A request to the vendor takes no longer: its client gives up."""


def draw(seed: int) -> Story:
    """The story of a seed."""
    rng = Random(seed)
    files = tuple(_file(rng) for _ in range(1 if rng.random() < 0.7 else 2))
    story = Story(
        seed=rng.randrange(1_000_000),
        files=files,
        vendor=_vendor(rng),
        max_jobs=rng.choice((1, 2, 3, 4)),
        senders=rng.choice((1, 1, 2, 3)),
        lane_window=rng.choice((1, 2, 100, 100)),
        short_time=rng.random() < 0.15,
        faults=_some(rng, 0.85, 5, _fault),
        happenings=_some(rng, 0.5, 3, lambda r: _happening(r, len(files))),
    )
    story = _crowded(rng, story) if rng.random() < CROWDED else story
    # Drawn apart, so that a seed's files and faults stay what they are.
    more = Random(f"more {seed}")
    return replace(
        story,
        sizes=draw_sizes(more) if more.random() < SHRUNK else IN_EARNEST,
        per_minute=more.choice((6, 12, 30, 100)) if more.random() < METERED else 0,
        conflicts=more.choice((0.05, 0.3)) if more.random() < CONTENDED else 0.0,
    )


def _crowded(rng: Random, story: Story) -> Story:
    """The story with many invocations beside each other, some of them far behind: races."""
    late = _some(rng, 1.0, 6, lambda r: _late(r, r.choice(TABLE)))
    twins = _some(rng, 1.0, 5, lambda r: _twin(r, (0.0, 0.0, 0.5, 1.0, 10.0, 25.0)))
    return replace(
        story,
        lane_window=rng.choice((1, 1, 2, story.lane_window)),
        faults=(*story.faults, *late),
        happenings=(*story.happenings, *twins),
    )


def draw_at(vendor: str, seed: int) -> Story:
    """The story of a seed, with the real adapter of this vendor.

    Files, faults and happenings are those of the seed with the vendor in memory, and some more at
    the vendor's; what goes wrong at the vendor's site is drawn for it.
    """
    adapter, story, rng = ADAPTERS[vendor], draw(seed), Random(f"{vendor} {seed}")
    files = tuple(
        replace(
            file,
            batch=min(file.batch, adapter.max_records),
            repeatable=file.repeatable and adapter.upsert is not None,
        )
        for file in story.files
    )
    site = draw_site(rng, vendor, adapter.ends, full=bool(adapter.max_jobs))
    stuck = any(trouble.what is Wrong.STUCK for trouble in site.troubles)
    account = Vendor(
        # A job that never ends would leave no room for others, for ever.
        max_jobs=Vendor().max_jobs if stuck else story.vendor.max_jobs,
        request_seconds=story.vendor.request_seconds,
        latencies=story.vendor.latencies,
    )
    faults = _some(rng, 0.5, 1, lambda r: _fault_of(r, r.choice(VENDOR)))
    aborts: tuple[Happening, ...] = ()
    if adapter.vendor.capabilities.abort and rng.random() < 0.2:
        aborts = (Abort(0, rng.choice((1.0, 10.0, 30.0))),)
        faults += _some(rng, 0.5, 1, lambda r: _fault_of(r, *CONTROL))
    return replace(
        story,
        files=files,
        vendor=account,
        faults=(*story.faults, *faults),
        happenings=(*story.happenings, *aborts),
        site=site,
    )


def _some(rng: Random, likely: float, most: int, one: Callable[[Random], T]) -> tuple[T, ...]:
    """None, or a few."""
    if rng.random() >= likely:
        return ()
    return tuple(one(rng) for _ in range(rng.randint(1, most)))


def _file(rng: Random) -> File:
    rows = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9))
    keyed = rng.random() < 0.3
    numbers = range(1, rows + 1)
    file = File(
        rows=rows,
        bad=tuple(n for n in numbers if rng.random() < 0.08),
        repeats=tuple(n for n in numbers if keyed and n > 1 and rng.random() < 0.2),
        repeatable=rng.random() < 0.3,
        keyed=keyed,
        batch=rng.choice((1, 2, 2, 3)),
        max_attempts=rng.choice((1, 2, 3, 3)),
        priority=rng.choice(("medium", "medium", "low", "highest")),
        arrives=rng.choice((0.0, 0.0, 5.0, 40.0)),
        trial=rng.choice((*(0,) * 8, 1, 3)),
        breaker=rng.choice((*(0,) * 8, 1, 2)),
    )
    # Not drawn, so that a seed tells the same story as before they came.
    return replace(file, ramp=file.breaker > 0, in_order=file.repeatable and file.batch == 3)


def _vendor(rng: Random) -> Vendor:
    max_jobs = rng.choice((30, 30, 30, 1, 2, 3))
    return Vendor(
        max_jobs=max_jobs,
        full_wait=rng.choice((None, None, 7.0, 45.0)),
        excess=rng.random() < 0.25,
        request_seconds=rng.choice((0.0, 0.0, 0.3, 1.0)),
        latencies=tuple(
            rng.choice((0.5, 3.0, 10.0, 20.0, 20.0, 45.0, 120.0)) for _ in range(rng.randint(1, 3))
        ),
        replies=_some(rng, 0.6, 6, _reply),
        polls=_some(rng, 0.25, 6, _look),
        finds=_some(rng, 0.2, 3, lambda r: r.choice(tuple(FindWord))),
        fates=_some(rng, 0.3, 5, lambda r: r.choice((Fate.DONE, Fate.DONE, *Fate))),
        jobs=_some(rng, 0.3, 4, lambda r: r.choice((JobFate.PLAIN, *JobFate))),
    )


def _reply(rng: Random) -> Reply:
    act = rng.choice(
        (
            *(Act.ACCEPT,) * 3,
            *(Act.DONE_UNHEARD, Act.LOST) * 2,
            *(Act.THROTTLE, Act.FULL, Act.THROTTLE),
            rng.choice((Act.REFUSE, Act.REFUSE, Act.REFUSE_RUN)),
        )
    )
    waits = act in (Act.THROTTLE, Act.FULL, Act.DONE_UNHEARD, Act.LOST)
    return Reply(act, rng.choice((None, None, 5.0, 90.0)) if waits else None)


def _look(rng: Random) -> Look:
    word = rng.choice((PollWord.TRUTH, *PollWord))
    waits = word is PollWord.THROTTLED
    return Look(word, rng.choice((None, 5.0, 90.0)) if waits else None)


def _fault(rng: Random) -> Fault:
    kinds = (*TABLE, *OBJECTS, *VENDOR, *SECRET)
    return _fault_of(rng, rng.choice((*kinds, "table.transact", "table.write", "vendor.submit")))


def _fault_of(rng: Random, kind: str) -> Fault:
    harm = rng.choice(HARMS[kind])
    longest = _REQUEST if kind in (*VENDOR, *CONTROL) else SLOWEST
    seconds = round(longest * rng.choice((0.05, 0.3, 1.0)), 1) if harm in _LATE else 0.0
    nth = rng.randint(1, _USUAL[kind])
    # Every third part of a batch that comes back does so until its writer gives up.
    times = BATCH_TRIES if harm is Harm.PARTIAL and nth % 3 == 0 else 1
    return Fault(kind, nth, harm, seconds, times)


def _happening(rng: Random, files: int) -> Happening:
    at = rng.choice((0.0, 1.0, 10.0, 30.0, 75.0, 200.0))
    match rng.randrange(8):
        case 0 | 1 | 2 | 3:
            return _twin(rng, (0.0, 0.0, 1.0, 25.0, 100.0, LATEST))
        case 4:
            return Event(rng.randrange(files), at)
        case 5:
            return Stop(rng.randint(1, 12))
        case 6:
            return Abort(rng.randrange(files), at)
    return Lag(at, rng.choice((10.0, LATEST)))


def _late(rng: Random, kind: str) -> Fault:
    """An effect whose invocation falls behind others."""
    harm = rng.choice((Harm.SLOW_REQUEST, Harm.SLOW_ANSWER))
    return Fault(kind, rng.randint(1, _USUAL[kind]), harm, rng.choice((1.0, 5.0, 17.0, 45.0)))


def _twin(rng: Random, after: Sequence[float]) -> Again:
    task = rng.choice(tuple(_TASKS))
    return Again(task, rng.randint(1, _TASKS[task]), rng.choice(after))
