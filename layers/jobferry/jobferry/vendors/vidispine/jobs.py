"""Jobs and problems as Vidispine shows them."""

from __future__ import annotations

import re
from typing import Any

from jobferry.domain.types import JsonObject
from jobferry.vendors.answer_gate import clipped, plain, usable_id, whole_in_text, word
from jobferry.vendors.answers import (
    JobPhase,
    JobProblem,
    JobReading,
)
from jobferry.vendors.vidispine.answers import pairs
from jobferry.vendors.vidispine.results import ENDED

WAITING = "WAITING"
"""The state of a job that waits on a problem."""

_UNNAMED = "something"
_NUMBER = re.compile(r"[0-9]{1,18}$")


def reading_of(job: JsonObject) -> JobReading:
    """A job document as a reading. Words that nobody documented count as active."""
    status = word(job.get("status"))
    ended = status in ENDED
    step = job.get("currentStep")
    at = whole_in_text(step.get("number")) if isinstance(step, dict) else None
    total = whole_in_text(job.get("totalSteps"))
    return JobReading(
        job_id=str(job["jobId"]),
        phase=JobPhase.ENDED if ended else JobPhase.ACTIVE,
        status=status,
        progress=total if ended else (at - 1 if at else None),
        total=total,
        raw=job,
        waiting_for=None if ended else _waiting_for(status, job.get("waiting")),
    )


def _waiting_for(status: str, waiting: Any) -> str | None:
    """`room (storage VX-1)`: what is needed, and of what. A job may wait and not say for what."""
    if not isinstance(waiting, dict):
        return _UNNAMED if status == WAITING else None
    resource = " ".join(
        filter(None, map(plain, (waiting.get("resourceType"), waiting.get("resourceId"))))
    )
    needed = plain(waiting.get("requirement")) or _UNNAMED
    return clipped(f"{needed} ({resource})" if resource else needed)


def is_thin(reading: JobReading) -> bool:
    """Whether an ended job came without the parts that name its product and its reasons."""
    return reading.phase is JobPhase.ENDED and not {"data", "log"} & set(reading.raw or {})


def age_of(job: JsonObject) -> tuple[str, int]:
    """Sorts the oldest first; a site writes all its times in one form."""
    number = _NUMBER.search(plain(job.get("jobId")))
    return plain(job.get("started")), int(number[0]) if number else 0


def job_problem(entry: JsonObject) -> JobProblem:
    jobs = entry.get("job")
    return JobProblem(
        problem_id=usable_id(entry.get("id")) or "",
        kind=word(entry.get("type")),
        details={clipped(k): clipped(v) for k, v in pairs(entry.get("data")).items()},
        jobs=list(filter(None, map(usable_id, jobs if isinstance(jobs, list) else [jobs]))),
    )
