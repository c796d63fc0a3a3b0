"""A submission whose answer is lost, and the search for its job."""

from __future__ import annotations

from collections.abc import Iterable

from jobferry.domain.types import JsonObject
from jobferry.vendors.answers import Ambiguous, Found
from jobferry.vendors.lost_submission import JobIds, LostSubmission
from jobferry.vendors.operation import Operation
from tests.contract.conformance.bench import Bench

LONG_AFTER = 120.0
"""Seconds after which a job has ended."""

LOST = {"reset": True, "after": True}
NEVER_TAKEN = {"reset": True}


class Search:
    """One submission whose answer is lost, and the search for it."""

    def __init__(
        self, bench: Bench, operation: Operation | None = None, token: str = "run.1.1"
    ) -> None:
        self.bench = bench
        self.token = token
        self.operation = operation or bench.create
        self.records: list[JsonObject] = []
        self.sent_at = 0.0

    def submit(self, records: list[JsonObject], **effect: object) -> str | None:
        """Lose the answer of a submission; the id of the job that the vendor took, if it did."""
        before = len(self.bench.jobs())
        self.records, self.sent_at = records, self.bench.now()
        self.bench.befall({}, 1, **(effect or LOST))
        answer = self.bench.client.submit(self.operation, records, self.token)
        assert isinstance(answer, Ambiguous)
        taken = self.bench.jobs()[before:]
        return taken[0]["job_id"] if taken else None

    def find(
        self, known: Iterable[str] = (), *, ended: Iterable[str] = (), after: float = LONG_AFTER
    ) -> Found:
        """What the adapter says, asked `after` seconds; `ended` are known jobs, too."""
        self.bench.pass_time(after)
        lost = LostSubmission(
            self.token,
            self.sent_at,
            self.records,
            JobIds(frozenset(known), frozenset(ended)),
            lost_at=self.sent_at,
        )
        return self.bench.client.find(self.operation, lost, self.bench.now())
