"""When a lost submission counts as never taken: the rule, and the model that it has to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobferry.lane.absence import BETWEEN, CERTAIN_AFTER, SEARCH_TIMEOUT, Search, Step, judge
from jobferry.vendors.answers import Found, FoundState
from tests.unit.lane.absence_model import Item, resent_at, scenarios

RETENTION = 86_400.0
ABSENT = Found(FoundState.ABSENT)
RUNNING = Found(FoundState.PENDING)
UNREADABLE = Found(FoundState.PENDING, readable=False)
SENT = Search(sent_at=0.0, over_at=45.0)


def judged(found: Found, search: Search, now: float) -> tuple[Step, Search]:
    return judge(found, search, now, retention=RETENTION)


class TestModel:
    @staticmethod
    def sixty_seconds(item: Item, began_at: int, saw: bool) -> Item:
        """The rule as it was: nothing to be seen a minute after the intent is a proof."""
        if saw:
            return replace(item, fate="adopted")
        return replace(item, fate="pool") if began_at >= 60 else item

    @staticmethod
    def as_it_is(item: Item, began_at: int, saw: bool) -> Item:
        found = Found(FoundState.FOUND, "job") if saw else ABSENT
        before = Search(0.0, item.over_at, unseen_at=item.unseen_at)
        step, known = judged(found, before, began_at)
        fates = {Step.ADOPT: "adopted", Step.AGAIN: "pool", Step.WAIT: "claimed"}
        unseen_at = None if known.unseen_at is None else int(known.unseen_at)
        return replace(item, fate=fates[step], unseen_at=unseen_at)

    def test_a_minute_from_the_intent_makes_rows_twice(self) -> None:
        doubled = [s for s in scenarios() if s.ever_taken and resent_at(self.sixty_seconds, s)[0]]
        assert {s.shows for s in doubled} >= {60, 75, 90, 180, 599}
        # Also what the vendor shows within that minute, where the request left late.
        assert any(s.shows == 60 and s.leaves == 5 for s in doubled)

    def test_nothing_that_shows_itself_within_ten_minutes_is_made_twice(self) -> None:
        states = 0
        for scenario in scenarios():
            moments, seen = resent_at(self.as_it_is, scenario)
            states += seen
            assert not (scenario.ever_taken and moments), scenario
        assert states > 10_000

    def test_what_was_never_taken_goes_again(self) -> None:
        for scenario in scenarios():
            if not scenario.ever_taken:
                moments, _ = resent_at(self.as_it_is, scenario)
                assert moments
                assert min(moments) >= CERTAIN_AFTER
        assert judged(ABSENT, replace(SENT, unseen_at=100.0), 705.0)[0] is Step.AGAIN


class TestJudge:
    def test_the_first_search_that_sees_nothing_proves_nothing(self) -> None:
        step, known = judged(ABSENT, SENT, 5_000.0)
        assert (step, known.unseen_at) == (Step.WAIT, 5_000.0)
        assert judged(ABSENT, known, 5_000.0 + BETWEEN - 1)[0] is Step.WAIT
        assert judged(ABSENT, known, 5_000.0 + BETWEEN)[0] is Step.AGAIN

    @pytest.mark.parametrize("over_at", [0.0, 45.0, 60.0])
    def test_the_later_search_counts_from_the_end_of_the_request(self, over_at: float) -> None:
        once = replace(SENT, over_at=over_at, unseen_at=over_at)
        assert judged(ABSENT, once, over_at + CERTAIN_AFTER - 1)[0] is Step.WAIT
        assert judged(ABSENT, once, over_at + CERTAIN_AFTER)[0] is Step.AGAIN

    def test_the_first_of_many_is_kept(self) -> None:
        known = SENT
        for now in (45.0, 60.0, 120.0):
            _, known = judged(ABSENT, known, now)
        assert known.unseen_at == 45.0

    def test_patience_begins_when_the_vendor_can_be_read(self) -> None:
        step, known = judged(UNREADABLE, SENT, 80_000.0)
        assert (step, known.readable_at) == (Step.WAIT, None)
        step, known = judged(RUNNING, known, 80_060.0)
        assert (step, known.readable_at) == (Step.WAIT, 80_060.0)
        assert judged(RUNNING, known, 80_060.0 + SEARCH_TIMEOUT)[0] is Step.GIVE_UP

    def test_it_begins_anew_after_an_outage(self) -> None:
        _, known = judged(RUNNING, SENT, 60.0)
        _, known = judged(UNREADABLE, known, 120.0)
        step, known = judged(RUNNING, known, 7_200.0)
        assert (step, known.readable_at) == (Step.WAIT, 7_200.0)

    def test_it_ends_with_what_the_vendor_remembers(self) -> None:
        assert judged(UNREADABLE, SENT, RETENTION - 1)[0] is Step.WAIT
        assert judged(UNREADABLE, SENT, RETENTION)[0] is Step.GIVE_UP

    @pytest.mark.parametrize("found", [Found(FoundState.UNDECIDABLE), Found(FoundState.FOUND)])
    def test_what_nobody_can_tell_is_given_up(self, found: Found) -> None:
        assert judged(found, SENT, 60.0)[0] is Step.GIVE_UP

    def test_a_job_is_adopted_whenever_it_is_found(self) -> None:
        assert judged(Found(FoundState.FOUND, "job"), SENT, 50_000.0)[0] is Step.ADOPT


class TestNextSearch:
    def test_the_first_one_is_made_when_the_request_is_over(self) -> None:
        assert SENT.next_at == 45.0

    @pytest.mark.parametrize(("after", "wait"), [(0, 3), (4, 3), (20, 10), (300, 60), (9_000, 60)])
    def test_later_and_later(self, after: float, wait: float) -> None:
        searched = replace(SENT, searched_at=45.0 + after)
        assert searched.next_at == 45.0 + after + wait

    def test_exactly_when_it_is_decisive(self) -> None:
        searched = replace(SENT, unseen_at=45.0, searched_at=45.0 + CERTAIN_AFTER - 10)
        assert searched.next_at == searched.certain_at == 45.0 + CERTAIN_AFTER

    def test_few_searches_decide(self) -> None:
        known, searches = SENT, 0
        while True:
            searches += 1
            step, known = judged(ABSENT, known, known.next_at)
            if step is not Step.WAIT:
                break
        assert (step, known.searched_at) == (Step.AGAIN, 45.0 + CERTAIN_AFTER)
        assert searches <= 22
