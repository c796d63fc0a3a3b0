"""What a run tells those who look after it: warnings, and what keeps it from going on."""

from __future__ import annotations

import json

from jobferry.domain.run import Run
from jobferry.domain.trouble import Trouble, after_failure
from jobferry.store import keys
from jobferry.store.run_access import OPEN, RunAccess

MOST_WARNINGS = 20
"""Warnings that a run keeps; more tell nothing new."""

WARNING_CHARACTERS = 300

_TRIES = 5
"""Lanes that warn at the same moment meet; each try lets one of them pass."""


class RunNotes(RunAccess):
    """Warnings, troubles and bisections in the run's item."""

    def warn(self, run_id: str, text: str) -> None:
        """Keep a warning for a person: each once, and not more than `MOST_WARNINGS`."""
        text = text[:WARNING_CHARACTERS]
        for _ in range(_TRIES):
            item = self._table.get(keys.run(run_id), keys.META)
            if item is None:
                return
            before = item.get("warnings")
            known = json.loads(before or "[]")
            if text in known or len(known) >= MOST_WARNINGS:
                return
            was = "attribute_not_exists(warnings)" if before is None else "warnings = :before"
            if self._change(
                run_id,
                assign={"warnings": json.dumps([*known, text])},
                condition=f"attribute_exists(pk) AND {was}",
                values={} if before is None else {":before": before},
            ):
                return

    def note_trouble(self, run: Run, where: str, code: str, text: str, now: float) -> Trouble:
        """Something keeps the run from going on; returns what is known of it now.

        Lanes that note the same at once lose a count: there will be others.
        """
        trouble = after_failure(run.troubles.get(where), code, text, now)
        self._change(
            run.run_id,
            assign={
                keys.TROUBLE + where: {
                    "code": trouble.code,
                    "text": trouble.text,
                    "since": trouble.since,
                    "last": trouble.last,
                    "times": trouble.times,
                }
            },
            condition=OPEN,
        )
        return trouble

    def end_trouble(self, run: Run, where: str) -> None:
        """What kept the run from going on at this place does so no more."""
        self._change(run.run_id, remove=(keys.TROUBLE + where,), condition="attribute_exists(pk)")

    def count_bisection(self, run_id: str) -> None:
        """One more job was refused as a whole and bisected."""
        self._change(run_id, add={"halved": 1}, condition=OPEN)
