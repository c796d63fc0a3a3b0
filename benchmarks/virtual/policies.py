"""All policies by name: ours and the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.virtual.ours import charged_jobferry
from benchmarks.virtual.peers import PEERS
from benchmarks.virtual.policy import Policy

OURS = "Jobferry"


@dataclass(frozen=True, slots=True)
class Entry:
    """A policy and what it costs to simulate.

    cost       real milliseconds for one job, about
    most_jobs  more are not simulated
    """

    policy: Policy
    cost: float
    most_jobs: int


POLICIES: Mapping[str, Entry] = {
    OURS: Entry(charged_jobferry, cost=10.0, most_jobs=10_000),
    **{name: Entry(policy, cost=0.1, most_jobs=100_000) for name, policy in PEERS.items()},
    # A poll a second of each job in its turn: by far the most requests.
    "sequential script": Entry(PEERS["sequential script"], cost=1.0, most_jobs=10_000),
}
