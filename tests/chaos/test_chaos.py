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
from tests.chaos.known import DEFECTS, Defect
from tests.chaos.narrate import as_code
from tests.chaos.promises import broken, nothing_twice
from tests.chaos.sites import Site, Trouble, Wrong, troubles
from tests.chaos.story import (
    Abort,
    Again,
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
    Stop,
    Story,
    Vendor,
    draw,
    draw_at,
)
from tests.fakes.vendor import Act, Reply

PARTS = 4
STORIES_IN_A_PART = 450
FRESH_STORIES = 200
STORIES_AT_A_SITE = 50
FRESH_STORIES_AT_A_SITE = 15

FOUND_WITHIN = 400
"""Stories within which a faulty build is found out."""


def check(seeds: range, vendor: str = MEMORY) -> None:
    """Carry the stories out; the first that breaks a promise is told in short."""
    drawing = partial(story_of, vendor=vendor)
    totals = carry_all(seeds, drawing)
    assert totals.stories == len(seeds)
    assert sum(totals.faults.values()) > len(seeds) // 2
    if not totals.breaks:
        return
    seed, found = totals.breaks[0]
    _, text = told_short(drawing(seed), found[0].promise)
    again = f".venv/bin/python -m tests.chaos --schedules 1 --seed {seed} --vendor {vendor}"
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


@pytest.mark.parametrize("name", FAULTY_BUILDS)
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


@pytest.mark.parametrize("vendor", ADAPTERS)
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
    sites = (Site, Trouble, Wrong)
    known = {each.__name__: each for each in (*names, Stop, Story, Vendor, Act, Reply, *sites)}
    for seed in range(50):
        assert eval(as_code(draw(seed)), known) == draw(seed)
        story = story_of(seed, "vidispine")
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
    sites = [story.site.vendor for seed in range(100) if (story := story_of(seed)).site is not None]
    assert len(sites) == 100 // ONE_IN
    assert set(sites) == set(ADAPTERS)


@pytest.mark.parametrize("harm", Harm)
def test_every_kind_of_harm_strikes(harm: Harm) -> None:
    kind = "table.put_many" if harm is Harm.PARTIAL else "table.write"
    told = carry_out(Story(faults=(Fault(kind, 1, harm, 3.0),)))
    assert told.struck == {(kind, harm): 1}
    assert broken(told) == []
