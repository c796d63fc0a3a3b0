"""`python -m tests.fuzz [--cases N] [--seed S] [--processes P]`

Plays N cases of bad answers over every adapter and call. The same seed plays the same cases.
Exit code 1 when one fails: it is told with the smallest input, and how to play it again.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz.campaign import Totals, carry_out, report, told

_TOLD = 5
_PART = 2_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, help="of all cases; without it, another each time")
    parser.add_argument("--processes", type=int, default=1, metavar="P")
    parser.add_argument("--only", metavar="CASE", help="one case, as a failure names it")
    given = parser.parse_args()
    if given.only:
        print(told(given.only))
        return 0
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    seeds = [f"{seed}:{number}" for number in range(given.cases)]
    parts = [seeds[start : start + _PART] for start in range(0, len(seeds), _PART)]
    began = time.monotonic()
    totals = Totals()
    with ProcessPoolExecutor(given.processes) as pool:
        for part in pool.map(carry_out, parts):
            totals.plus(part)
            if sys.stderr.isatty():
                print(f"\r{totals.cases:,} of {len(seeds):,}", end="", file=sys.stderr)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(f"seed {seed}: {report(totals, began)}")
    for failed in totals.failures[:_TOLD]:
        print(f"\n{told(failed)}\n  once more: .venv/bin/python -m tests.fuzz --only {failed}")
    return 1 if totals.failures else 0


if __name__ == "__main__":
    sys.exit(main())
