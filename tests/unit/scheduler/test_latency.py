"""Latency: learned from looks, which only ever tell between which two moments a job ended."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobferry.domain.latency import Latency, by_size
from jobferry.scheduler.latency import best_size, learned

AGES = st.floats(0, 5_000, allow_subnormal=False)
LATENCIES = st.builds(
    Latency, mu=st.floats(-2, 7), spread=st.floats(0.02, 1.0), jobs=st.integers(1, 10_000)
)
OBSERVED = st.lists(st.tuples(AGES, AGES).map(lambda ages: (min(ages), max(ages))), max_size=30)


def steady(seconds: float, jobs: int = 50) -> Latency:
    return Latency(math.log(seconds), 0.1, jobs)


def seen_by_looks(age: float, every: float, first: float) -> tuple[float, float]:
    """What looks at ages `first`, `first + every` … tell of a job that ends at `age`."""
    polls = max(0, math.ceil((age - first) / every))
    return (max(0.0, first + (polls - 1) * every) if polls else 0.0, first + polls * every)


def from_looks(ages: list[float], every: float, random: Random) -> Latency:
    """What is learned from jobs of these ages."""
    latency = None
    for age in ages:
        latency = learned(latency, [seen_by_looks(age, every, random.uniform(0, every))])
    assert latency is not None
    return latency


class TestLearned:
    @settings(max_examples=40, deadline=None)
    @given(
        median=st.floats(2, 300),
        spread=st.floats(0.02, 0.35),
        coarse=st.floats(0.01, 0.5),
        seed=st.integers(0, 2**32),
    )
    def test_looks_that_are_far_apart_teach_the_true_median(
        self, median: float, spread: float, coarse: float, seed: int
    ) -> None:
        """Looks are up to half a latency apart; the jobs' own scatter blurs what the last tell."""
        random = Random(seed)
        ages = [median * math.exp(random.gauss(0, spread)) for _ in range(400)]
        latency = from_looks(ages, coarse * median, random)
        scatter = 4 * spread * math.sqrt(0.05 / 2)
        assert latency.median == pytest.approx(median, rel=0.1 + scatter)

    @pytest.mark.parametrize("late", [1.0, 5.0, 20.0])
    def test_looking_late_does_not_teach_that_jobs_are_slow(self, late: float) -> None:
        """The watcher that polls when the jobs should have ended, and always a while after it."""
        latency = learned(None, [(18.0, 22.0)] * 20)
        assert latency is not None
        before = latency.median
        for _ in range(500):
            latency = learned(latency, [(latency.median * 0.9, latency.median + late)])
            assert latency is not None
        assert latency.median == pytest.approx(before, rel=0.1)

    def test_an_interval_that_holds_every_likely_end_teaches_nothing(self) -> None:
        known = Latency(math.log(20), 0.3, 500)
        after = learned(known, [(0.0, 500.0)] * 200)
        assert after is not None
        assert after.median == pytest.approx(20, rel=0.01)
        assert after.spread == pytest.approx(0.3, rel=0.02)

    @pytest.mark.parametrize("spread", [0.1, 0.3, 0.6])
    def test_rare_looks_teach_the_spread_all_the_same(self, spread: float) -> None:
        """Looks as far apart as jobs take: an end lies on one side or the other."""
        random = Random(1)
        ages = [20 * math.exp(random.gauss(0, spread)) for _ in range(600)]
        latency = from_looks(ages, 20, random)
        assert spread / 2 < latency.spread < 2 * spread

    def test_a_few_stragglers_move_nothing(self) -> None:
        latency = learned(None, [(19.5, 20.5)] * 100)
        assert latency is not None
        after = learned(latency, [(99.0, 101.0), (19.5, 20.5), (19.5, 20.5), (99.0, 101.0)])
        assert after is not None
        assert after.median == pytest.approx(20.0, rel=0.05)

    def test_one_job_in_twenty_that_takes_five_times_as_long_is_no_rule(self) -> None:
        latency = None
        for _ in range(20):
            latency = learned(latency, [(19.5, 20.5)] * 19 + [(99.0, 101.0)])
        assert latency is not None
        assert latency.median == pytest.approx(20.0, rel=0.1)

    @pytest.mark.parametrize("slower", [0.2, 0.5, 3.0, 10.0])
    def test_a_change_that_stays_is_learned(self, slower: float) -> None:
        latency = learned(None, [(9.5, 10.5)] * 200)
        now = 10 * slower
        for _ in range(100):
            latency = learned(latency, [(0.95 * now, 1.05 * now)])
        assert latency is not None
        assert latency.median == pytest.approx(now, rel=0.1)

    @given(st.none() | LATENCIES, OBSERVED)
    def test_whatever_is_seen_leaves_something_usable(
        self, latency: Latency | None, observed: list[tuple[float, float]]
    ) -> None:
        after = learned(latency, observed)
        if after is None:
            assert (latency, observed) == (None, [])
            return
        assert 0 < after.median < math.inf
        assert 0.02 <= after.spread < 20
        assert after.jobs >= 1

    @given(st.none() | LATENCIES, OBSERVED, st.integers(0, 30))
    def test_lessons_can_be_taken_in_parts(
        self, latency: Latency | None, observed: list[tuple[float, float]], at: int
    ) -> None:
        parts = learned(learned(latency, observed[:at]), observed[at:])
        assert parts == learned(latency, observed)


class TestEnded:
    @given(LATENCIES, AGES, AGES, AGES)
    def test_it_is_a_probability_that_grows_with_age(
        self, latency: Latency, seen: float, age: float, later: float
    ) -> None:
        age, later = sorted((age, later))
        now, then = latency.ended_since(age, seen), latency.ended_since(later, seen)
        assert 0 <= now <= 1
        assert 0 <= then <= 1
        assert now <= then + 1e-12

    @given(LATENCIES, AGES)
    def test_at_the_moment_of_the_look_it_had_not_ended(self, latency: Latency, age: float) -> None:
        assert latency.ended_since(age, age) == 0
        assert latency.ended_since(0.0, age) == 0

    @given(LATENCIES, AGES)
    def test_every_job_ends(self, latency: Latency, seen: float) -> None:
        assert latency.ended_since(1e9, seen) == pytest.approx(1.0)

    @given(LATENCIES)
    def test_half_have_ended_by_the_median(self, latency: Latency) -> None:
        assert latency.ended_by(latency.median) == pytest.approx(0.5)
        assert latency.mean >= latency.median


@given(LATENCIES)
def test_what_is_kept_comes_back(latency: Latency) -> None:
    kept = Latency.from_list(latency.to_list())
    assert kept is not None
    assert kept.median == pytest.approx(latency.median, rel=0.001)
    assert kept.jobs == latency.jobs
    assert Latency.from_list([]) is None


class TestSize:
    SLOW = steady(60)

    @given(st.integers(1, 100_000))
    def test_sizes_that_differ_by_half_share_a_class(self, rows: int) -> None:
        size = int(by_size(rows))
        assert size / 2 < rows <= size

    def test_nothing_is_concluded_from_a_few_jobs(self) -> None:
        assert best_size(100, {}, {}, 30, None) == 100
        few = {"128": steady(60, jobs=4), "16": steady(0.1, jobs=4)}
        assert best_size(100, few, {}, 30, None) == 100
        assert best_size(100, {**few, "128": self.SLOW}, {}, 30, None) == 100

    def test_smaller_jobs_win_when_the_vendor_is_slow_with_large_ones(self) -> None:
        sizes = {"128": self.SLOW, "32": steady(5)}
        assert best_size(100, sizes, {}, 30, None) == 32
        # Thirty jobs of five seconds would be six submissions a second.
        assert best_size(100, sizes, {}, 30, 60) == 100

    def test_a_size_is_not_given_up_for_a_little(self) -> None:
        sizes = {"128": steady(50), "64": steady(64 / 2 * 0.95)}
        assert best_size(100, sizes, {}, 30, None) == 100

    def test_a_size_whose_answers_are_lost_is_halved(self) -> None:
        lost = {"128": 3, "64": 3}
        assert best_size(100, {}, {"128": 2}, 30, None) == 100
        assert best_size(100, {}, lost, 30, None) == 25
        assert best_size(100, {"128": steady(20, jobs=100)}, lost, 30, None) == 100
        assert best_size(1, {}, {"1": 99}, 30, None) == 1

    @given(
        sizes=st.dictionaries(st.integers(0, 14).map(lambda n: str(1 << n)), LATENCIES),
        lost=st.dictionaries(st.integers(0, 14).map(lambda n: str(1 << n)), st.integers(0, 9)),
        most=st.integers(1, 5_000),
        slots=st.integers(1, 100),
        per_minute=st.none() | st.integers(1, 2_000),
    )
    def test_never_more_than_allowed_and_never_a_guess(
        self,
        sizes: dict[str, Latency],
        lost: dict[str, int],
        most: int,
        slots: int,
        per_minute: int | None,
    ) -> None:
        best = best_size(most, sizes, lost, slots, per_minute)
        assert 1 <= best <= most
        if not lost:
            assert best == most or str(best) in sizes
