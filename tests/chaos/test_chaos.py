"""Nothing lost, nothing twice: thousands of stories, and proof that the harness would notice."""

from __future__ import annotations

import secrets

import pytest
from _pytest.mark import ParameterSet

from tests.chaos.campaign import carry_all, first_break, told_short
from tests.chaos.carry import carry_out
from tests.chaos.faulty_builds import FAULTY_BUILDS
from tests.chaos.known import DEFECTS, Defect
from tests.chaos.narrate import as_code
from tests.chaos.promises import broken
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
)
from tests.fakes.vendor import Act, Reply

PARTS = 4
STORIES_IN_A_PART = 450
FRESH_STORIES = 200

FOUND_WITHIN = 400
"""Stories within which a faulty build is found out."""


def check(seeds: range) -> None:
    """Carry the stories out; the first that breaks a promise is told in short."""
    totals = carry_all(seeds)
    assert totals.stories == len(seeds)
    assert sum(totals.faults.values()) > len(seeds) // 2
    if not totals.breaks:
        return
    seed, found = totals.breaks[0]
    _, text = told_short(draw(seed), found[0].promise)
    again = f".venv/bin/python -m tests.chaos --schedules 1 --seed {seed}"
    pytest.fail(f"{found[0].sentence}\n\n{text}\n\nOnce more: {again}", pytrace=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_story_breaks_a_promise(part: int) -> None:
    check(range(part * STORIES_IN_A_PART, (part + 1) * STORIES_IN_A_PART))


def test_no_fresh_story_breaks_a_promise() -> None:
    first = secrets.randbelow(10**9)
    print(f"stories from seed {first} on")
    check(range(first, first + FRESH_STORIES))


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


def test_a_story_as_code_is_the_story() -> None:
    names = (Abort, Again, Event, Fate, Fault, File, FindWord, Harm, JobFate, Lag, Look, PollWord)
    known = {each.__name__: each for each in (*names, Stop, Story, Vendor, Act, Reply)}
    for seed in range(50):
        assert eval(as_code(draw(seed)), known) == draw(seed)


def test_a_calm_story_succeeds() -> None:
    told = carry_out(Story(files=(File(rows=5, batch=2), File(rows=3, bad=(2,)))))
    assert broken(told) == []
    assert sorted(told.world.account.doings()) == ["a1", "a2", "a3", "a4", "a5", "b1", "b3"]


@pytest.mark.parametrize("harm", Harm)
def test_every_kind_of_harm_strikes(harm: Harm) -> None:
    kind = "table.put_many" if harm is Harm.PARTIAL else "table.write"
    told = carry_out(Story(faults=(Fault(kind, 1, harm, 3.0),)))
    assert told.struck == {(kind, harm): 1}
    assert broken(told) == []
