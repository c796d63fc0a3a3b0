"""The normal distribution of our own against Python's."""

from __future__ import annotations

import math
from statistics import NormalDist

from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.latency import density, normal


@given(st.floats(-30, 30))
def test_it_is_pythons(x: float) -> None:
    assert math.isclose(normal(x), NormalDist().cdf(x), rel_tol=1e-9, abs_tol=1e-15)
    assert math.isclose(density(x), NormalDist().pdf(x), rel_tol=1e-9, abs_tol=1e-300)
