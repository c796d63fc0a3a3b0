"""Nothing lost, nothing twice: thousands of stories, and proof that the harness would notice."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial

import pytest
from _pytest.mark import ParameterSet

from tests.chaos.adapters import ADAPTERS
from tests.chaos.campaign import (
    MEMORY,
    ONE_IN,
    carry_all,
    first_break,
    story_of,
    told_short,
)
from tests.chaos.carry import carry_out
from tests.chaos.faulty_builds import (
    FAULTY_BUILDS,
    Build,
    intent_written_after_the_call,
    sent_again_blindly,
)
from tests.chaos.hostile import Odd, Oddity
from tests.chaos.known import DEFECTS, Defect, unknown_breaks
from tests.chaos.modes import MODES, Mode
from tests.chaos.narrate import as_code
from tests.chaos.outages import WAYS, Outage, Way
from tests.chaos.promises import broken, nothing_twice
from tests.chaos.sites import Site, Trouble, Wrong, troubles
from tests.chaos.sizes import IN_EARNEST, Sizes, patches
from tests.chaos.story import (
    Abort,
    Again,
    Elsewhere,
    Erase,
    Event,
    Fate,
    Fault,
    File,
    FindWord,
    Harm,
    JobFate,
    Lag,
    Look,
    PollWord,
    Priority,
    Resolve,
    Retry,
    Reupload,
    Stop,
    Story,
    Vendor,
    draw,
    draw_at,
)
from tests.fakes.vendor import Act, Reply
from tests.thorough import some_in

PARTS = 4
STORIES_IN_A_PART = 60
FRESH_STORIES = 60
STORIES_AT_A_SITE = 12
FRESH_STORIES_AT_A_SITE = 6
STORIES_OF_A_MODE = 8
SLOW_STORIES_OF_A_MODE = 3
"""Of some five hundred: what two cores carry out in a minute."""

FOUND_WITHIN = 800
"""Stories within which a faulty build is found out."""


def check(seeds: range, kind: str = MEMORY) -> None:
    """Carry the stories out; the first that breaks a promise is told in short."""
    drawing = partial(story_of, kind=kind)
    totals = carry_all(seeds, drawing)
    assert totals.stories == len(seeds)
    assert kind in MODES or sum(totals.faults.values()) > len(seeds) // 2
    if not totals.breaks:
        return
    seed, found = totals.breaks[0]
    _, text = told_short(drawing(seed), found[0].promise)
    again = f".venv/bin/python -m tests.chaos --schedules 1 --seed {seed} --kind {kind}"
    pytest.fail(f"{found[0].sentence}\n\n{text}\n\nOnce more: {again}", pytrace=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_story_breaks_a_promise(part: int) -> None:
    check(range(part * STORIES_IN_A_PART, (part + 1) * STORIES_IN_A_PART))


def test_no_fresh_story_breaks_a_promise() -> None:
    first = secrets.randbelow(10**9)
    print(f"stories from seed {first} on")
    check(range(first, first + FRESH_STORIES))


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_no_story_breaks_a_promise_with_a_real_adapter(vendor: str) -> None:
    check(range(STORIES_AT_A_SITE), vendor)


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_no_fresh_story_breaks_a_promise_with_a_real_adapter(vendor: str) -> None:
    first = secrets.randbelow(10**9)
    print(f"stories from seed {first} on")
    check(range(first, first + FRESH_STORIES_AT_A_SITE), vendor)


def _named(mode: Mode) -> ParameterSet:
    return pytest.param(mode, id=mode.name)


@pytest.mark.parametrize("mode", [_named(mode) for mode in MODES.values() if mode.mixed])
def test_no_story_of_a_mode_breaks_a_promise(mode: Mode) -> None:
    stories = SLOW_STORIES_OF_A_MODE if mode.slow else STORIES_OF_A_MODE
    check(range(stories), mode.name)


@pytest.mark.parametrize("mode", [_named(mode) for mode in MODES.values() if not mode.mixed])
def test_a_mode_that_is_left_out_shows_what_is_open(mode: Mode) -> None:
    """Once it shows nothing any more, it has its part in every campaign: `shows` goes."""
    told = carry_out(mode.draw(mode.seed))
    assert unknown_breaks(told, broken(told))


@pytest.mark.parametrize("name", some_in(FAULTY_BUILDS, every=3))
def test_a_faulty_build_is_found_out_and_the_story_is_short(name: str) -> None:
    build, promises = FAULTY_BUILDS[name]
    with build():
        found = first_break(range(FOUND_WITHIN), promises)
        assert found is not None, f"{name} passes for right"
        seed, first = found
        story, text = told_short(draw(seed), first.promise)
    assert first.meaning in text
    assert len(story.faults) + len(story.happenings) + len(story.vendor.replies) <= 5
    assert sum(file.rows for file in story.files) <= 6
    assert not [b for b in broken(carry_out(story)) if b.promise in promises], "with no fault too"


@pytest.mark.parametrize("vendor", some_in(ADAPTERS, every=2))
@pytest.mark.parametrize("build", [intent_written_after_the_call, sent_again_blindly])
def test_a_faulty_build_is_found_out_with_a_real_adapter(build: Build, vendor: str) -> None:
    """With nothing that tells records apart: where there is, the vendor itself refuses a second."""
    promises = {nothing_twice.__name__}

    def drawing(seed: int) -> Story:
        story = draw_at(vendor, seed)
        site = story.site and replace(story.site, external_ids=False)
        return replace(story, files=tuple(replace(f, keyed=False) for f in story.files), site=site)

    with build():
        found = first_break(range(FOUND_WITHIN), promises, drawing)
    assert found is not None, f"{build.__name__} passes for right"
    assert not [b for b in broken(carry_out(drawing(found[0]))) if b.promise in promises]


def _found(defect: Defect) -> ParameterSet:
    marks = () if defect.may_show is None else (pytest.mark.xfail(reason=defect.name, strict=True),)
    return pytest.param(defect, id=defect.name, marks=marks)


@pytest.mark.parametrize("defect", [_found(defect) for defect in DEFECTS])
def test_a_defect_that_was_mended_stays_so(defect: Defect) -> None:
    assert [
        b for b in broken(carry_out(defect.story)) if b.promise == defect.promise.__name__
    ] == []


def test_a_story_goes_the_same_way_every_time() -> None:
    for seed in (3, 17, 29):
        first, second = carry_out(draw(seed)), carry_out(draw(seed))
        assert first.lines == second.lines
        assert first.world.table.items() == second.world.table.items()


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_a_story_with_a_real_adapter_goes_the_same_way_every_time(vendor: str) -> None:
    for seed in (3, 17, 29):
        first, second = carry_out(draw_at(vendor, seed)), carry_out(draw_at(vendor, seed))
        assert first.lines == second.lines
        assert first.world.table.items() == second.world.table.items()
        assert first.world.truth.doings() == second.world.truth.doings()


def test_a_story_as_code_is_the_story() -> None:
    names = (Abort, Again, Event, Fate, Fault, File, FindWord, Harm, JobFate, Lag, Look, PollWord)
    persons = (Elsewhere, Erase, Priority, Resolve, Retry, Reupload)
    others = (
        Odd,
        Oddity,
        Outage,
        Way,
        Site,
        Sizes,
        Trouble,
        Wrong,
        Stop,
        Story,
        Vendor,
        Act,
        Reply,
    )
    known = {each.__name__: each for each in (*names, *persons, *others)}
    for seed in range(50):
        for kind in (MEMORY, "vidispine", *MODES):
            story = story_of(seed, kind)
            assert eval(as_code(story), known) == story


def test_a_calm_story_succeeds() -> None:
    told = carry_out(Story(files=(File(rows=5, batch=2), File(rows=3, bad=(2,)))))
    assert broken(told) == []
    assert sorted(told.world.truth.doings()) == ["a1", "a2", "a3", "a4", "a5", "b1", "b3"]


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_a_calm_story_succeeds_with_a_real_adapter(vendor: str) -> None:
    told = carry_out(Story(files=(File(rows=5), File(rows=3, bad=(2,))), site=Site(vendor)))
    assert broken(told) == []
    assert sorted(told.world.truth.doings()) == ["a1", "a2", "a3", "a4", "a5", "b1", "b3"]


@pytest.mark.parametrize(
    ("vendor", "trouble"),
    [
        pytest.param(vendor, trouble, id=f"{vendor}-{trouble.of}-{trouble.what.name}")
        for vendor, adapter in ADAPTERS.items()
        for trouble in troubles(adapter.ends, full=bool(adapter.max_jobs))
    ],
)
def test_every_kind_of_trouble_strikes_and_is_got_over(vendor: str, trouble: Trouble) -> None:
    told = carry_out(Story(files=(File(rows=3),), site=Site(vendor, (trouble,))))
    assert [what for (_, what), n in told.struck.items() for _ in range(n)] == [trouble.what]
    assert broken(told) == []


def test_one_story_in_ten_has_a_real_adapter_and_every_vendor_its_turn() -> None:
    sites = [story_of(seed).site for seed in range(0, 100, ONE_IN)]
    assert {site.vendor for site in sites if site is not None} == set(ADAPTERS)


def test_a_quarter_of_the_stories_is_shrunk_and_each_size_is_what_the_code_uses() -> None:
    stories = [draw(seed) for seed in range(400)]
    assert 70 < sum(story.sizes != IN_EARNEST for story in stories) < 130
    assert not list(patches(IN_EARNEST))
    for size in range(1, 4):
        for module, name, value in patches(Sizes(*[size] * 13)):
            assert value <= getattr(module, name) or name == "PAGE_ITEMS"


@pytest.mark.parametrize(
    ("what", "way"),
    [
        pytest.param(what, way, id=f"{what}-{way.name}")
        for what, ways in WAYS.items()
        for way in ways
    ],
)
def test_every_outage_strikes_and_is_got_over(what: str, way: Way) -> None:
    """Half a minute, from the moment on when it is needed."""
    at_once = what in ("secret.read", "vendor.submit", "table")
    outage = Outage(what, way, 0.0 if at_once else 5.0, 30.0)
    told = carry_out(Story(files=(File(rows=3),), outages=(outage,), hours=6.0, patient=True))
    if what != "vendor.find":
        assert told.happened[f"{what} fails for long: {way.value}"]
    assert broken(told) == []


@pytest.mark.parametrize("harm", Harm)
def test_every_kind_of_harm_strikes(harm: Harm) -> None:
    kind = "table.put_many" if harm is Harm.PARTIAL else "table.write"
    told = carry_out(Story(faults=(Fault(kind, 1, harm, 3.0),)))
    assert told.struck == {(kind, harm): 1}
    assert broken(told) == []
