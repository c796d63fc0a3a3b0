"""Mutation testing: would a test notice, if this line were wrong?

Each mutation of the modules in scope (`tools/mutations.py`) is judged by the tests that run its
line, the fastest first; one that no test notices has survived. A survivor is killed by a new test,
or explained in `tests/mutants/explained.toml`.

All tests are collected once. For each mutation the process forks, and the child puts the changed
code into the function and runs the tests, so that a mutation costs a fraction of a second. That is
why this is no tool from a package: those start Python once for each mutation, and take a condition
expression of DynamoDB for any other text.

    python tools/mutants.py                       all of them; results in build/mutants.json
    python tools/mutants.py --only store/chunks  those of a module or function
    python tools/mutants.py --telling             a handful, of which every one must be killed
"""

from __future__ import annotations

import argparse
import ast
import gc
import json
import math
import os
import resource
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.mutations import Mutation, mutations_of  # noqa: E402 - the line above makes it found

PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"
EXPLAINED = ROOT / "tests" / "mutants" / "explained.toml"
TELLING = ROOT / "tests" / "mutants" / "telling.toml"

SCOPE = (
    "store/chunk_items.py",
    "store/chunk_moves.py",
    "store/chunk_reads.py",
    "store/chunk_settling.py",
    "store/chunk_writes.py",
    "store/claims.py",
    "store/connection_limits.py",
    "store/content_marks.py",
    "store/demands.py",
    "store/lane_counters.py",
    "store/learned.py",
    "store/plan_pages.py",
    "store/pointers.py",
    "store/pool.py",
    "store/outcome_blocks.py",
    "store/request_log.py",
    "store/row_items.py",
    "store/rows.py",
    "store/run_items.py",
    "store/run_lifecycle.py",
    "store/run_notes.py",
    "store/run_requests.py",
    "store/runs.py",
    "store/table.py",
    "store/transitions.py",
    "domain/row_verdict.py",
    "lane/loop.py",
    "lane/offer.py",
    "lane/recovery.py",
    "lane/submission.py",
    "lane/submitter.py",
    "scheduler/completion.py",
    "scheduler/policy.py",
    "settlement/abandon_run.py",
    "settlement/outcomes.py",
    "settlement/retry_chunks.py",
    "settlement/retry_policy.py",
    "steps/close_run.py",
    "steps/open_run.py",
    "steps/settle_job.py",
    "steps/sweep.py",
)
"""What holds the promises: the store, the protocol of submitting, settling, closing, the sweep."""

TESTS = (
    "tests/unit/binding",
    "tests/unit/domain",
    "tests/unit/lane",
    "tests/unit/operator",
    "tests/unit/scheduler",
    "tests/unit/settlement",
    "tests/unit/steps",
    "tests/unit/store",
)

WHOLE_RUNS = (
    "tests/unit/store/test_machine.py",
    "tests/unit/binding/test_external_ids.py",
    "tests/unit/operator/test_rerun.py",
    "tests/unit/operator/test_resolve_run.py",
    "tests/unit/steps/test_whole_runs.py",
)
"""Tests that take seconds each, and judge no mutation."""

TOO_SLOW = 1.0
"""Seconds. A test that takes longer judges no mutation: there are faster ones for what it shows."""

ENOUGH = 8.0
"""Seconds of tests for one mutation, as they took before it."""

SEARCH_TIMEOUT = 3.0
"""Seconds of processor time on top of twice that, after which a mutation counts as noticed: it
loops. A child that waits and takes no time is ended after ten times as long."""

KILLED, SURVIVED, LOOPED, UNREACHED = "killed", "survived", "looped", "unreached"
BROKEN = "broken"
"""The judging itself failed."""
_VERDICTS = {
    0: SURVIVED,
    1: KILLED,
    -signal.SIGKILL: LOOPED,
    -signal.SIGXCPU: LOOPED,
}


@dataclass
class Judged:
    """What became of a mutation.

    by  the test that noticed it
    """

    module: str
    place: str
    line: int
    change: str
    verdict: str
    by: str = ""
    seconds: float = 0.0
    explained: str = ""

    @property
    def name(self) -> tuple[str, str, str]:
        return self.module, self.place, self.change

    @property
    def noticed(self) -> bool:
        return self.verdict in {KILLED, LOOPED}


@dataclass
class Reached:
    """What the tests reach, measured once.

    seconds  test → how long it takes
    tests    (module, line) → the tests that run it
    """

    seconds: dict[str, float] = field(default_factory=dict)
    tests: dict[tuple[str, int], set[str]] = field(default_factory=lambda: defaultdict(set))

    def judges(self, module: str, lines: Iterable[int]) -> list[str]:
        """The tests for a change of these lines, the fastest first, and no more than it takes."""
        found = set().union(*(self.tests.get((module, line), set()) for line in lines))
        chosen: list[str] = []
        left = ENOUGH
        for test in sorted(found, key=lambda test: (self.seconds[test], test)):
            left -= self.seconds[test]
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen


Job = tuple[str, ast.Module, Mutation]


class Judge:
    """A plugin of pytest that judges mutations, where pytest would run the tests."""

    def __init__(self, jobs: Sequence[Job], processes: int, tests: dict[str, list[str]]) -> None:
        self._jobs = jobs
        self._processes = processes
        self._given = tests
        self._failed = ""
        self.judged: list[Judged] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        reached = Reached() if self._given else self._measured(list(items.values()))
        running: dict[int, tuple[Judged, float, float]] = {}
        for number, (module, tree, mutation) in enumerate(self._jobs):
            judged = Judged(module, mutation.place, mutation.lines.start, mutation.change, SURVIVED)
            self.judged.append(judged)
            chosen = self._given.get(" ".join(judged.name)) or reached.judges(
                module, mutation.lines
            )
            file = str(PACKAGE / module)
            found = functions.get((file, mutation.place), [])
            if not chosen or not found:
                judged.verdict = UNREACHED
                continue
            while len(running) >= self._processes:
                self._wait(running)
            code = mutation.code(tree, file)
            tests = [items[name] for name in chosen]
            most = SEARCH_TIMEOUT + 2 * sum(reached.seconds.get(name, 1.0) for name in chosen)
            pid = self._spawn(lambda: self._judge(found, code, tests), most)  # noqa: B023
            running[pid] = (judged, time.monotonic(), 10 * most)
            if number % 100 == 0:
                print(f"{number} of {len(self._jobs)}", file=sys.stderr, flush=True)
                if not self._given:
                    _keep(self.judged[: -self._processes])
        while running:
            self._wait(running)
        return True

    def _judge(
        self, functions: Sequence[FunctionType], code: CodeType, tests: Sequence[pytest.Item]
    ) -> str:
        """In the child: the test that notices the change, or nothing."""
        _forgive_unused_placeholders()
        for function in functions:
            function.__code__ = code
        for test, after in zip(tests, [*tests[1:], None], strict=True):
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=after)
            if self._failed:
                return self._failed
        return ""

    def _measured(self, items: Sequence[pytest.Item]) -> Reached:
        """Run all tests once, each in its own context of coverage; or what that has shown before,
        if neither the modules nor the tests have changed."""
        kept = [ROOT / "build" / f"mutants-reached-{n}.json" for n in range(self._processes)]
        if not all(path.exists() and _is_fresh(path) for path in kept):
            pids = [
                self._spawn(lambda: self._measure(items[n :: len(kept)], path))  # noqa: B023
                for n, path in enumerate(kept)
            ]
            for pid in pids:
                os.waitpid(pid, 0)
                _answer(pid).unlink(missing_ok=True)
        reached = Reached()
        for path in kept:
            saved = json.loads(path.read_text())
            reached.seconds |= saved["seconds"]
            slow = {name for name, seconds in saved["seconds"].items() if seconds > TOO_SLOW}
            for module, line, tests in saved["tests"]:
                reached.tests[module, line] |= set(tests) - slow - set(saved["failed"])
        return reached

    def _measure(self, items: Sequence[pytest.Item], kept: Path) -> str:
        measure = coverage.Coverage(
            data_file=None, include=[str(PACKAGE / module) for module in SCOPE]
        )
        seconds: dict[str, float] = {}
        failed: list[str] = []
        measure.start()
        for item, after in zip(items, [*items[1:], None], strict=True):
            measure.switch_context(item.nodeid)
            began, self._failed = time.monotonic(), ""
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            seconds[item.nodeid] = time.monotonic() - began
            if self._failed:
                failed.append(item.nodeid)
        measure.stop()
        data = measure.get_data()
        tests = [
            (module, line, [name for name in names if name])
            for module in SCOPE
            for line, names in data.contexts_by_lineno(str(PACKAGE / module)).items()
        ]
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"seconds": seconds, "tests": tests, "failed": failed}))
        return ""

    def _spawn(self, work: Callable[[], str], most: float | None = None) -> int:
        """Fork; the child works, leaves what it found in a file, and is gone.

        most: seconds of processor time that it may take.
        """
        pid = os.fork()
        if pid:
            return pid
        if most is not None:
            seconds = math.ceil(most)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        status = 2
        try:
            noticed_by = work()
            _answer(os.getpid()).write_text(noticed_by)
            status = 1 if noticed_by else 0
        finally:
            os._exit(status)

    def _wait(self, running: dict[int, tuple[Judged, float, float]]) -> None:
        """Until one has ended, or has taken too long."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in running:
                judged, began, _ = running.pop(pid)
                judged.seconds = round(time.monotonic() - began, 2)
                code = os.waitstatus_to_exitcode(status)
                judged.verdict = _VERDICTS.get(code, BROKEN)
                answer = _answer(pid)
                if answer.exists():
                    judged.by = answer.read_text()
                    answer.unlink()
                return
            for pid, (judged, began, time_limit) in running.items():
                if time.monotonic() - began > time_limit:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    judged.verdict, judged.seconds = LOOPED, round(time_limit, 2)
                    del running[pid]
                    return
            time.sleep(0.005)


def _keep(judged: Sequence[Judged]) -> None:
    results = ROOT / "build" / "mutants.json"
    results.write_text(json.dumps([asdict(one) for one in judged], indent=1))


def _is_fresh(path: Path) -> bool:
    changed = path.stat().st_mtime
    places = (PACKAGE, ROOT / "tests" / "unit", ROOT / "tests" / "fakes")
    return all(file.stat().st_mtime < changed for place in places for file in place.rglob("*.py"))


def _answer(pid: int) -> Path:
    return ROOT / "build" / f"mutant-{pid}.txt"


def _functions() -> dict[tuple[str, str], list[FunctionType]]:
    """(file, qualified name) → the functions that there are of it."""
    found: dict[tuple[str, str], list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            code = thing.__code__
            found[code.co_filename, code.co_qualname].append(thing)
    return found


def _forgive_unused_placeholders() -> None:
    """A condition with one part less must not fail for a value that it uses no more."""
    from virtual import table
    from virtual.conditions import _read

    def lenient(expression: str, item: Any, names: Any, values: Any) -> bool:
        condition = _read(expression)
        return condition.verdict(item, names, values)

    table.__dict__["holds"] = lenient


def jobs(only: str, sample: int) -> list[Job]:
    """The mutations in scope; of these every `sample`-th, in an order that mixes them."""
    found: list[Job] = []
    for module in SCOPE:
        tree = ast.parse((PACKAGE / module).read_text())
        found += [(module, tree, mutation) for mutation in mutations_of(tree)]
    chosen = [job for job in found if only in f"{job[0]}:{job[2].place}"]
    Random(1).shuffle(chosen)
    return chosen[::sample]


def explanations() -> dict[tuple[str, str, str], str]:
    """(module, place, change) → why no test notices it."""
    entries = tomllib.loads(EXPLAINED.read_text()).get("survivor", [])
    return {(e["module"], e["place"], e["change"]): e["reason"] for e in entries}


def telling() -> tuple[list[Job], dict[str, list[str]]]:
    """The mutations that are judged each time, and for each the test that must notice it."""
    entries = tomllib.loads(TELLING.read_text())["mutation"]
    wanted = {(e["module"], e["place"], e["change"]): e["test"] for e in entries}
    found: list[Job] = []
    tests: dict[str, list[str]] = {}
    for job in jobs("", 1):
        name = (job[0], job[2].place, job[2].change)
        if name in wanted:
            found.append(job)
            tests[" ".join(name)] = [wanted.pop(name)]
    if wanted:
        raise SystemExit(f"There is no such mutation any more: {sorted(wanted)}")
    return found, tests


def table_of(judged: Sequence[Judged]) -> str:
    """Lines of a table, one a module."""
    lines = [f"{'module':28}{'all':>6}{'killed':>8}{'explained':>11}{'left':>6}"]
    for module in (*sorted({one.module for one in judged}), ""):
        of = [one for one in judged if module in {one.module, ""}]
        kinds = Counter(
            "killed" if one.noticed else "explained" if one.explained else "left" for one in of
        )
        lines.append(
            f"{module or 'all':28}{len(of):>6}{kinds['killed']:>8}{kinds['explained']:>11}"
            f"{kinds['left']:>6}"
        )
    counted = [one for one in judged if not one.explained or one.noticed]
    share = sum(one.noticed for one in counted) / max(1, len(counted))
    return "\n".join([*lines, f"killed of those not explained: {share:.1%}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="part of MODULE:FUNCTION")
    parser.add_argument("--sample", type=int, default=1, help="every N-th mutation")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--telling", action="store_true", help="the handful of telling.toml")
    parser.add_argument("--list", action="store_true", help="only say what would be judged")
    options = parser.parse_args()
    chosen, tests = telling() if options.telling else (jobs(options.only, options.sample), {})
    if options.list:
        for module, _, mutation in chosen:
            print(f"{module} {mutation.place}:{mutation.lines.start} {mutation.change}")
        return 0
    os.environ["JOBFERRY_TESTS"] = "mutants"
    (ROOT / "build").mkdir(exist_ok=True)
    judge = Judge(chosen, options.processes, tests)
    wanted = sorted({test for names in tests.values() for test in names}) or list(TESTS)
    wanted += [f"--ignore={path}" for path in WHOLE_RUNS]
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-cov", "-s", "--no-header"]
    pytest.main([*plain, *wanted], plugins=[judge])
    why = explanations()
    for one in judge.judged:
        one.explained = "" if one.noticed else why.get(one.name, "")
    left = [one for one in judge.judged if not one.noticed and not one.explained]
    for one in sorted(left, key=lambda one: (one.module, one.line)):
        print(f"{one.verdict}: {one.module}:{one.line} {one.place}: {one.change}")
    print(table_of(judge.judged))
    if not options.telling:
        _keep(judge.judged)
    return 1 if options.telling and left else 0


if __name__ == "__main__":
    sys.exit(main())
