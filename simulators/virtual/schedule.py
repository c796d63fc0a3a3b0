"""Virtual time for ordinary blocking code that runs side by side.

Actors are greenlets, so exactly one runs: it runs until it waits, and then hands over to the actor
that is due next. So code that sleeps and code that maps over workers runs unchanged, no real time
passes, and what happens depends on the seed alone.

    schedule = Schedule(0.0, seed=7)
    schedule.run(lambda: schedule.gather(lambda s: schedule.sleep(s), [3, 1, 2], workers=2))
    assert schedule.now() == 3

An actor must not wait while it holds a real lock that others need. All actors are in one thread:
for a `Lock` they would wait for ever, and an `RLock` would keep nobody out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, Generic, TypeVar, cast

from greenlet import getcurrent, greenlet

T = TypeVar("T")
R = TypeVar("R")


class DeadlockError(Exception):
    """Every actor that is left waits for another one."""


class NoTimePassesError(Exception):
    """Actors take turn after turn at one moment: a loop that would be a busy one in real time."""


class _Stopped(BaseException):
    """Raised in an actor where it waits, when the run has failed. No handler of errors sees it."""


class Actor(Generic[T]):
    """Work in flight on a schedule; made by `Schedule.spawn`."""

    def __init__(self, schedule: Schedule, work: Callable[[], T], name: str) -> None:
        self.name = name
        self.ended = False
        self._schedule = schedule
        self._work = work
        self._context = copy_context()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._error_raised = False
        self._joining: list[Actor[Any]] = []
        self.greenlet = greenlet(self._live, parent=schedule._hub)

    def join(self) -> T:
        """Wait for the end of the work.

        Returns:
            What the work returned.

        Raises:
            BaseException: what the work raised.
        """
        self._schedule._await(self)
        if self._error is not None:
            self._error_raised = True
            raise self._error
        return cast("T", self._result)

    def _live(self) -> None:
        if self._schedule._failure is None:
            try:
                self._result = self._context.run(self._work)
            except BaseException as error:  # noqa: BLE001 - handed to whoever joins
                self._error = error
        self._schedule._end(self)


class Schedule:
    """A clock that passes only while every actor waits.

    Args:
        start: epoch seconds.
        seed: who goes first among actors that are due at one moment; without it, the one that has
            waited longest.
        most_turns: at one moment, before they are taken for a loop that never ends.

    Outside of `run` nobody else is there, and waiting just moves the clock.
    """

    def __init__(self, start: float, seed: int | None = None, *, most_turns: int = 50_000) -> None:
        self._now = start
        self._choice = None if seed is None else Random(seed)
        self._turns = 0
        self._most_turns = most_turns
        self._current: Actor[Any] | None = None
        self._due: deque[Actor[Any]] = deque()
        self._later: list[tuple[float, int, Actor[Any]]] = []
        self._order = count()
        self._blocked: dict[Actor[Any], Actor[Any]] = {}
        self._actors: list[Actor[Any]] = []
        self._failure: BaseException | None = None
        self._hub = getcurrent()

    def now(self) -> float:
        """Epoch seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Wait; others run meanwhile. No time at all still lets others run that are due."""
        self.until(self._now + seconds)

    advance = sleep
    """The name that a clock has for it."""

    def pass_time(self, seconds: float) -> None:
        """Time that passes under whoever runs: nobody else gets a turn because of it."""
        if seconds > 0:
            self._now += seconds
            self._turns = 0

    def until(self, moment: float) -> None:
        """Wait for a moment; one in the past is now."""
        if self._current is None:
            self._now = max(self._now, moment)
            return
        me = self._me()
        if moment > self._now:
            heappush(self._later, (moment, next(self._order), me))
        else:
            self._due.append(me)
        self._hand_over()

    def give_way(self) -> None:
        """Let others run that are due, without any time passing."""
        self.until(self._now)

    def spawn(self, work: Callable[[], T], name: str = "") -> Actor[T]:
        """Start an actor. It runs when the one who starts it waits.

        Raises:
            RuntimeError: outside of `run`.
        """
        self._me()
        actor = Actor(self, work, name or f"actor {len(self._actors)}")
        self._actors.append(actor)
        self._due.append(actor)
        return actor

    def parallel_map(self, work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
        """Work on all items, at most `workers` of them at once, each an actor of its own.

        Outside of `run` this is a run of its own.

        Returns:
            The results in the order of the items.

        Raises:
            Exception: of the first item that failed, after all of them have ended.
        """
        if self._current is None:
            return self.run(lambda: self.parallel_map(work, items, workers))
        waiting = iter(items)
        actors: list[Actor[R]] = []

        def start_next() -> None:
            for item in waiting:
                actors.append(self.spawn(partial(work_on, item), f"item {len(actors)}"))
                return

        def work_on(item: T) -> R:
            try:
                return work(item)
            finally:
                start_next()

        for _ in range(max(1, workers)):
            start_next()
        results: list[R] = []
        errors: list[Exception] = []
        # The list grows meanwhile: when all before an item have ended, the item has been started.
        for actor in actors:
            try:
                results.append(actor.join())
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        if errors:
            raise errors[0]
        return results

    def run(self, work: Callable[[], T]) -> T:
        """Run `work` as the first actor until it and all others ended.

        Returns:
            What `work` returned.

        Raises:
            DeadlockError: with the names of the actors that wait for each other.
            NoTimePassesError: with the name of the actor whose turn was one too many.
            BaseException: what `work` raised; the other actors are stopped where they wait. What is
                no `Exception` (Ctrl-C, a test's time-out) stops them in whomever it is raised.
            Exception: what another actor raised that nobody joined, after all have ended.
            RuntimeError: inside of `run`.
        """
        if self._current is not None:
            raise RuntimeError("The schedule is running already.")
        self._hub = getcurrent()
        self._failure = None
        main = Actor(self, work, "main")
        self._actors = [main]
        self._current = main
        try:
            while self._current is not None:
                self._current.greenlet.switch()
                self._current = self._next()
        finally:
            self._current = None
            self._forget()
        actors, self._actors = self._actors, []
        if self._failure is not None:
            raise self._failure
        for actor in actors:
            if actor._error is not None and not actor._error_raised:
                raise actor._error
        return cast("T", main._result)

    def _me(self) -> Actor[Any]:
        """The actor that calls; nobody else may."""
        if self._current is None:
            raise RuntimeError("Nobody runs on the schedule; this is for the inside of `run`.")
        if self._current.greenlet is not getcurrent():
            raise RuntimeError(
                "A thread that is no actor would wait in virtual time; use `parallel_map`."
            )
        if self._failure is not None:
            raise _Stopped
        return self._current

    def _await(self, actor: Actor[Any]) -> None:
        if actor.ended:
            return
        me = self._me()
        actor._joining.append(me)
        self._blocked[me] = actor
        self._hand_over()

    def _hand_over(self) -> None:
        """Let the actor run that is due next; returns when it is my turn again."""
        self._hub.switch()
        if self._failure is not None:
            raise _Stopped

    def _next(self) -> Actor[Any] | None:
        """Take the actor that is due next, at the moment when it is due; None: all have ended."""
        if not self._due and not self._later and self._blocked:
            pairs = (f"{me.name} waits for {other.name}" for me, other in self._blocked.items())
            self._fail(DeadlockError("; ".join(pairs)))
        if not self._due and self._later and self._later[0][0] > self._now:
            self._now = self._later[0][0]
            self._turns = 0
        while self._later and self._later[0][0] <= self._now:
            self._due.append(heappop(self._later)[2])
        if not self._due:
            return None
        if self._choice is not None:
            self._due.rotate(self._choice.randrange(len(self._due)))
        following = self._due.popleft()
        self._turns += 1
        if self._turns > self._most_turns and self._failure is None:
            text = f"{following.name} had the last of {self._most_turns} turns at {self._now}"
            self._fail(NoTimePassesError(text))
        return following

    def _end(self, actor: Actor[Any]) -> None:
        """Whoever waits for the actor is due. With the first one, or by Ctrl-C, the run fails."""
        actor.ended = True
        for joining in actor._joining:
            if self._blocked.pop(joining, None) is not None:
                self._due.append(joining)
        if actor._error is None or self._failure is not None:
            return
        if actor is self._actors[0] or not isinstance(actor._error, Exception):
            self._fail(actor._error)

    def _fail(self, failure: BaseException) -> None:
        """Make everybody due, to be stopped where they wait."""
        self._failure = failure
        everybody = [*self._due, *self._blocked, *(actor for _, _, actor in self._later)]
        self._forget()
        self._due += everybody

    def _forget(self) -> None:
        self._due.clear()
        self._blocked.clear()
        self._later.clear()
