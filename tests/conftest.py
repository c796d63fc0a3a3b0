"""Settings of all tests. Machines are shared and slow at times; no property may fail for that.

A property is tried on the same examples each time, so that the same code gives the same answer
twice. `make thorough` tries more of them, and others each time: it looks for what is not known.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

from tests.thorough import THOROUGH, at_most

settings.register_profile(
    "jobferry",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    max_examples=at_most(100, 30),
    derandomize=not THOROUGH,
)
settings.register_profile(
    # For `make mutants`: the same examples every time, and the first that fails is enough.
    "mutants",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    report_multiple_bugs=False,
)
settings.load_profile(os.environ.get("JOBFERRY_TESTS", "jobferry"))
