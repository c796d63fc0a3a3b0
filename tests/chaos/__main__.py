"""`python -m tests.chaos --scenarios 10000 [--seed S] [--processes 2] [--kind K]`

One scenario in ten is run with a real adapter, the vendors in turn, and one in a mode (see
`modes.py`). With the name of a vendor or of a mode all of them are such, with `memory` none.
Exit code 1 when a promise is broken: the scenario is shrunk and reported, with the command that
repeats it.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from functools import partial

from tests.chaos.campaign import (
    KINDS,
    MIXED,
    Totals,
    run_in_processes,
    scenario_of,
    shortest_failure,
    summary,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--scenarios", type=int, default=1_000, metavar="N")
    # As the option was called before.
    parser.add_argument("--schedules", type=int, dest="scenarios", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help="of the first scenario; the others follow")
    parser.add_argument("--processes", type=int, default=1, metavar="P")
    parser.add_argument("--kind", choices=KINDS, default=MIXED)
    given = parser.parse_args()
    drawing = partial(scenario_of, kind=given.kind)
    first = secrets.randbelow(10**9) if given.seed is None else given.seed
    seeds = range(first, first + given.scenarios)
    began = time.monotonic()
    totals = Totals()
    for part in run_in_processes(seeds, given.processes, drawing):
        totals.plus(part)
        if sys.stderr.isatty():
            print(f"\r{totals.scenarios:,} of {len(seeds):,} scenarios", end="", file=sys.stderr)
        if totals.breaks:
            break
    if sys.stderr.isatty():
        print(file=sys.stderr)
    print(summary(totals, seeds, began))
    if not totals.breaks:
        return 0
    seed, found = totals.breaks[0]
    _, text = shortest_failure(drawing(seed), found[0].promise)
    print(f"\nScenario {seed} breaks a promise. As short as it could be made:\n\n{text}")
    again = f".venv/bin/python -m tests.chaos --scenarios 1 --seed {seed} --kind {given.kind}"
    print(f"\nOnce more: {again}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
