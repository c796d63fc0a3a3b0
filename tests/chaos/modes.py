"""Kinds of stories, by name: each is drawn from a seed, and can be carried out by itself.

Every mode has its part in every campaign, but for one that shows what is still open: `shows` says
what, and `seed` with which story. When that is mended, both go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.chaos.adapters import ADAPTERS
from tests.chaos.hostile import WAITS, draw_odds
from tests.chaos.outages import (
    FIND,
    POLL,
    SOURCE,
    SUBMIT,
    TABLE,
    VENDOR,
    Outage,
    Way,
    draw_outage,
    draw_single,
)
from tests.chaos.sites import READ, SUBMISSION, Site, Trouble, Wrong
from tests.chaos.sizes import IN_EARNEST
from tests.chaos.story import (
    Abort,
    Again,
    Elsewhere,
    Erase,
    Fate,
    Fault,
    File,
    Happening,
    Harm,
    JobFate,
    Look,
    PollWord,
    Priority,
    Resolve,
    Retry,
    Reupload,
    Story,
    Vendor,
    draw,
    draw_at,
)
from tests.fakes.vendor import Act, Reply

LATES = (20.0, 61.0, 90.0, 300.0, 599.0)
"""Seconds for which a job that was accepted is shown to nobody."""

BURSTS = (2, 3, 10)
"""Equal faults in a row."""

RUNS = (5, 12, 40)
"""Runs on one connection."""

FOR_EVER = 1_000_000
"""Faults in a row: more than a story has effects."""

DAY = 86_400.0

_DEATHS_OF_A_LAPTOP = (Harm.CRASH_BEFORE, Harm.CRASH_AFTER, Harm.UNHEARD)

PRIORITIES = ("lowest", "lowest", "low", "medium", "high", "immediate")


@dataclass(frozen=True, slots=True)
class Mode:
    """A kind of stories.

    draw   the story of a seed
    shows  what it shows that is still open; empty: nothing
    seed   of a story that shows it
    slow   its stories take seconds each: few of them are enough
    """

    name: str
    draw: Callable[[int], Story]
    shows: str = ""
    seed: int = 0
    slow: bool = False

    @property
    def mixed(self) -> bool:
        """Whether it has a part in every campaign."""
        return not self.shows


def _random(name: str, seed: int) -> Random:
    return Random(f"{name} {seed}")


def _bursts(seed: int) -> Story:
    """Every fault comes several times in a row, but not in the first effects of a run."""
    rng, story = _random("bursts", seed), draw(seed)
    faults = tuple(replace(f, nth=f.nth + 2, times=rng.choice(BURSTS)) for f in story.faults)
    return replace(story, faults=faults)


def _late(seed: int) -> Story:
    """Jobs show themselves late, whether their submissions were answered or not."""
    rng, story = _random("late", seed), draw(seed)
    jobs = tuple(rng.choice((JobFate.LATE, JobFate.PLAIN)) for _ in range(rng.randint(1, 4)))
    acts = (Act.ACCEPT, Act.DONE_UNHEARD, Act.LOST)
    vendor = replace(
        story.vendor,
        late=rng.choice(LATES),
        jobs=(JobFate.LATE, *jobs),
        replies=tuple(Reply(rng.choice(acts)) for _ in range(rng.randint(1, 4))),
        finds=(),
    )
    return replace(story, vendor=vendor, faults=story.faults[:1], patient=True, hours=26.0)


def _late_at_a_site(seed: int) -> Story:
    """The same with real adapters: what was lost shows itself up to ten minutes later."""
    names = list(ADAPTERS)
    rng, story = _random("late at a site", seed), draw_at(names[seed % len(names)], seed)
    site = story.site
    assert site is not None
    troubles = [t for t in site.troubles if t.what not in (Wrong.LATE, Wrong.FORGOTTEN)][:1]
    for nth in sorted({1, rng.randint(1, 4)}):
        lost = rng.choice((Wrong.ANSWER_LOST, Wrong.GATEWAY_TIMEOUT_DONE, Wrong.CUT_SHORT))
        late = Trouble(Wrong.LATE, nth, SUBMISSION, int(rng.choice(LATES)))
        troubles = [Trouble(lost, nth), late, *(t for t in troubles if t.nth != nth)]
    return replace(
        story,
        site=replace(site, troubles=tuple(troubles)),
        faults=story.faults[:1],
        patient=True,
        hours=26.0,
    )


def _with_outages(story: Story, *outages: Outage) -> Story:
    return replace(
        story,
        outages=outages,
        faults=story.faults[:1],
        patient=True,
        hours=26.0,
        sizes=IN_EARNEST,
    )


def _outage(seed: int) -> Story:
    """A collaborator fails for minutes or hours, and comes back."""
    rng = _random("outage", seed)
    story, outage = _calmer(rng, seed), draw_outage(rng)
    if outage.what == SOURCE:
        # While a run is opened that is another story: `opening`.
        return _when_opened(story, outage)
    return _with_outages(story, outage)


def _when_opened(story: Story, outage: Outage) -> Story:
    """The story with an outage that begins when all runs have been opened."""
    files = tuple(replace(file, arrives=0.0) for file in story.files)
    return _with_outages(replace(story, files=files, faults=()), replace(outage, at=25.0))


def _vendor_outage(seed: int) -> Story:
    """The same at a vendor behind its real adapter."""
    rng, names = _random("vendor outage", seed), list(ADAPTERS)
    story = draw_at(names[seed % len(names)], seed)
    outage = draw_outage(rng, (SUBMIT, POLL, FIND, VENDOR))
    site = story.site
    assert site is not None
    quiet = replace(site, troubles=site.troubles[:1])
    return _with_outages(replace(story, site=quiet), outage)


def _for_ever(seed: int) -> Story:
    """A collaborator is gone for good."""
    rng = _random("for ever", seed)
    story, outage = _calmer(rng, seed), draw_outage(rng, for_ever=True)
    if outage.what == SOURCE and outage.way in (Way.UNREACHABLE, Way.THROTTLED):
        # A bucket that cannot even be asked for the file does not stay so: opening is repeated for
        # days, as long as the file counts as new. A right that is missing may stay missing.
        story = _when_opened(story, outage)
    else:
        story = _with_outages(story, outage)
    # Each run bears it for its own time, one after the other where they wait for the same slot.
    return replace(story, hours=story.hours * len(story.files))


def _single(seed: int) -> Story:
    """One 403 or one redirect, once: a run is not stopped for that."""
    rng = _random("single", seed)
    calm = File(rows=rng.randint(2, 9), batch=rng.choice((1, 2)))
    return Story(
        seed=seed,
        files=(calm,),
        vendor=Vendor(latencies=(rng.choice((5.0, 20.0)),)),
        outages=(draw_single(rng),),
    )


def _calmer(rng: Random, seed: int) -> Story:
    """A story with few troubles of its own."""
    story = draw(seed)
    return replace(
        story,
        files=tuple(replace(file, trial=0, breaker=0) for file in story.files),
        vendor=replace(story.vendor, replies=story.vendor.replies[:1], finds=(), polls=()),
        happenings=story.happenings[:1] if rng.random() < 0.3 else (),
    )


def _expiry(seed: int) -> Story:
    """A run rests for longer than its rows are kept."""
    rng = _random("expiry", seed)
    trial = rng.choice((1, 2))
    return Story(
        seed=seed,
        files=(File(rows=rng.randint(3, 8), batch=rng.choice((1, 2)), trial=trial),),
        max_jobs=rng.choice((1, 3)),
        retention=2,
        yes_after=rng.choice((1.0, 2.5, 4.0)) * DAY,
        hours=5 * 24.0,
    )


def _resolving(seed: int) -> Story:
    """Rows are unknown, and the operator asks again, maybe in vain, maybe from a dying laptop.

    Closing has time: a resolve that has none gets nowhere.
    """
    rng, story = _random("resolving", seed), _calmer(_random("r", seed), seed)
    files = (replace(story.files[0], rows=max(2, story.files[0].rows), repeatable=False, bad=()),)
    kinds = (JobFate.ENDLESS, JobFate.PLAIN, JobFate.ENDLESS)
    vendor = replace(
        story.vendor,
        jobs=tuple(rng.choice(kinds) for _ in range(3)),
        replies=(),
    )
    happenings: tuple[Happening, ...] = (Resolve(0, times=rng.choice((1, 1, 2))),)
    # The second closing carries the wish out; it may die at any of its effects, and again.
    by_hand = rng.random() < 0.3
    place = ("resolve/", rng.randint(1, 3)) if by_hand else ("CloseRun/", rng.randint(8, 40))
    dying = Fault(*place, rng.choice(_DEATHS_OF_A_LAPTOP))
    late = [dying] if rng.random() < 0.8 else []
    return replace(
        story,
        files=files,
        vendor=vendor,
        happenings=happenings,
        faults=tuple(late),
        short_time=False,
    )


def _repeating(seed: int) -> Story:
    """Failed rows go again; priorities change; a run is deleted while others are late."""
    rng, story = _random("repeating", seed), draw(seed)
    fates = tuple(rng.choice((Fate.DONE, Fate.REFUSED)) for _ in range(3))
    drawn: list[Happening] = [Priority(0, rng.choice((0.0, 5.0, 30.0)), rng.choice(PRIORITIES))]
    if rng.random() < 0.6:
        drawn.append(Retry(0, operators=rng.choice((1, 2))))
    if rng.random() < 0.5:
        drawn.append(Erase(0))
    others = tuple(h for h in story.happenings if isinstance(h, Again | Abort))
    task = rng.choice(("retry", "delete", "priority"))
    dying = Fault(f"{task}/", rng.randint(1, 8), rng.choice(_DEATHS_OF_A_LAPTOP))
    return replace(
        story,
        faults=(*story.faults[:2], dying),
        vendor=replace(story.vendor, fates=fates),
        happenings=(*others[:2], *drawn),
    )


def _same_bytes(seed: int) -> Story:
    """The same bytes are dropped twice."""
    rng = _random("same bytes", seed)
    story = _calmer(rng, seed)
    return replace(story, happenings=(Reupload(0, rng.choice((0.0, 5.0, 60.0, 300.0))),))


def _elsewhere(seed: int) -> Story:
    """The connection is pointed at another account under a run, and back."""
    rng = _random("elsewhere", seed)
    story = _calmer(rng, seed)
    moved = Elsewhere(rng.choice((1.0, 10.0, 30.0)), rng.choice((70.0, 400.0)))
    files = tuple(replace(file, arrives=0.0) for file in story.files)
    return replace(story, files=files, happenings=(moved,))


def _crowd(seed: int) -> Story:
    """Many runs on one connection, with few slots and mixed priorities."""
    rng = _random("crowd", seed)
    files = tuple(
        File(
            rows=rng.randint(1, 4),
            batch=rng.choice((1, 2)),
            priority=rng.choice(PRIORITIES),
            arrives=rng.choice((0.0, 0.0, 5.0, 40.0)),
        )
        for _ in range(rng.choice(RUNS))
    )
    return Story(
        seed=seed,
        files=files,
        vendor=Vendor(latencies=(rng.choice((10.0, 20.0)),)),
        max_jobs=rng.choice((1, 2, 3)),
    )


def _metered(seed: int) -> Story:
    """Few requests a minute at a vendor whose jobs cost more than one request to read."""
    rng = _random("metered", seed)
    vendor = ("zendesk_support", "zendesk_sunshine", "vidispine")[seed % 3]
    lost = (Trouble(Wrong.ANSWER_LOST, rng.randint(1, 4)),) if rng.random() < 0.5 else ()
    return Story(
        seed=seed,
        files=(File(rows=rng.randint(4, 9)),),
        vendor=Vendor(latencies=(rng.choice((5.0, 20.0, 45.0)),)),
        max_jobs=rng.choice((3, 4)),
        per_minute=rng.choice((12, 20)),
        site=Site(vendor, lost, short_list=rng.random() < 0.7),
        happenings=(Abort(0, 15.0),) if vendor == "vidispine" and rng.random() < 0.4 else (),
    )


def _timed_out(seed: int) -> Story:
    """An execution takes longer than an execution may."""
    rng = _random("timed out", seed)
    story = _calmer(rng, seed)
    return replace(story, machine_seconds=rng.choice((20.0, 45.0, 200.0)))


def _hostile(seed: int) -> Story:
    """Answers about some jobs are what no adapter should let through, and waits are absurd."""
    rng, story = _random("hostile", seed), _calmer(_random("h", seed), seed)
    files = tuple(replace(file, rows=max(4, file.rows)) for file in story.files)
    acts = (Act.THROTTLE, Act.THROTTLE, Act.FULL, Act.ACCEPT)
    waits = rng.random() < 0.5
    replies = tuple(Reply(rng.choice(acts), rng.choice(WAITS)) for _ in range(2 if waits else 0))
    polls = (Look(), Look(PollWord.THROTTLED, rng.choice(WAITS))) if rng.random() < 0.3 else ()
    vendor = replace(
        story.vendor,
        odd=draw_odds(rng),
        replies=tuple(r if r.act is not Act.ACCEPT else Reply() for r in replies),
        polls=polls,
    )
    return replace(
        story, files=files, vendor=vendor, faults=story.faults[:1], patient=True, hours=26.0
    )


WAITS_IN_HEADERS = ("1e12", 1_800_000_000, 31_536_000, -1, "soon", "inf", "9" * 400)
"""Absurd values of Retry-After."""


def _hostile_at_a_site(seed: int) -> Story:
    """Absurd waits in the headers of a real adapter's vendor, on submissions and on reads."""
    names = list(ADAPTERS)
    rng, story = _random("hostile at a site", seed), draw_at(names[seed % len(names)], seed)
    assert story.site is not None
    throttled = (
        Trouble(
            rng.choice((Wrong.THROTTLED, Wrong.UNAVAILABLE)),
            rng.randint(1, 3 if of == SUBMISSION else 9),
            of,
            rng.choice(WAITS_IN_HEADERS),
        )
        for of in (SUBMISSION, READ, rng.choice((SUBMISSION, READ)))
    )
    site = replace(story.site, troubles=(*throttled, *story.site.troubles[:1]))
    return replace(story, site=site, faults=story.faults[:1], patient=True, hours=26.0)


LANES = ("SubmitJobs", "PollJobs", "SettleJob")
"""The tasks of a lane."""


def _by_force(seed: int) -> Story:
    """From some moment on no task of a lane gets anywhere, and the operator ends the run by force:
    maybe from a dying laptop, and then once more.
    """
    rng, story = _random("by force", seed), _calmer(_random("f", seed), seed)
    file = replace(story.files[0], rows=rng.randint(2, 9), bad=(), arrives=0.0)
    harms = (Harm.CRASH_BEFORE, Harm.CRASH_AFTER, Harm.BUSY)
    failing = [
        Fault(f"{t}/", rng.choice((1, 8, 20, 60)), rng.choice(harms), times=FOR_EVER) for t in LANES
    ]
    if rng.random() < 0.5:
        failing.append(Fault("Abort/", rng.randint(1, 3), rng.choice(_DEATHS_OF_A_LAPTOP)))
    at = rng.choice((1.0, 20.0, 75.0, 400.0, 4_000.0))
    return replace(
        story,
        files=(file,),
        faults=(*failing, *story.faults[:1]),
        happenings=(Abort(0, at, force=True), Abort(0, at + 900.0, force=True)),
        patient=True,
    )


def _opening(seed: int) -> Story:
    """OpenRun fails for minutes or hours before there is a run."""
    rng = _random("opening", seed)
    outage = replace(draw_outage(rng, (TABLE, SOURCE)), at=0.0)
    if outage.way is Way.MISSING:
        outage = replace(outage, way=Way.DENIED)
    return Story(seed=seed, files=(File(rows=3),), outages=(outage,), hours=26.0)


MODES: Mapping[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("bursts", _bursts),
        Mode("by_force", _by_force),
        Mode("crowd", _crowd, slow=True),
        Mode("elsewhere", _elsewhere),
        Mode("expiry", _expiry, slow=True),
        Mode(
            "for_ever",
            _for_ever,
            slow=True,
        ),
        Mode("hostile", _hostile),
        Mode("hostile_at_a_site", _hostile_at_a_site),
        Mode("late", _late),
        Mode("late_at_a_site", _late_at_a_site),
        Mode("metered", _metered),
        Mode("opening", _opening),
        Mode("outage", _outage, slow=True),
        Mode("repeating", _repeating),
        Mode("resolving", _resolving),
        Mode("same_bytes", _same_bytes),
        Mode("single", _single),
        Mode("timed_out", _timed_out),
        Mode("vendor_outage", _vendor_outage, slow=True),
    )
}
"""By name."""

MIXED_MODES: Sequence[Mode] = [mode for mode in MODES.values() if mode.mixed]
"""Those that have a part in every campaign."""
