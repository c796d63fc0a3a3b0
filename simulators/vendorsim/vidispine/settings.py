"""What can be set about the simulated Vidispine site; part of the simulator's settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """A condition that jobs wait for until somebody takes it out of the settings.

    type         the kind of problem, as the problem list shows it
    requirement  what a waiting job says it needs
    marker       text in the job's type or metadata; empty = every job waits
    data         further keys of the problem
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    requirement: str = "Simulated problem"
    marker: str = ""
    data: dict[str, str] = Field(default_factory=dict)


class VidispineSettings(BaseModel):
    """The settings of this vendor.

    running            jobs that the site works on at once, by priority; 0 = all of them
    abort_word         how the site spells that a job is being aborted; both are seen
    abort_seconds      from the abort of a job to its end
    types              job types besides the known ones
    problems           what jobs wait for now; taking one out lets them go on
    matrix_parameters  understand the parameters of 4.x, `/job;state=READY;user=false`
    single_objects     show a list of one as the one thing, as JSON made from XML may
    filters_metadata   apply `jobmetadata` in the job list; a site that does not lists all jobs
    """

    vidispine_running: int = Field(default=0, ge=0)
    vidispine_abort_word: Literal["ABORT_PENDING", "ABORTED_PENDING"] = "ABORT_PENDING"
    vidispine_abort_seconds: float = Field(default=1.0, ge=0)
    vidispine_types: list[str] = Field(default_factory=list)
    vidispine_problems: list[Problem] = Field(default_factory=list)
    vidispine_matrix_parameters: bool = False
    vidispine_single_objects: bool = False
    vidispine_filters_metadata: bool = True
