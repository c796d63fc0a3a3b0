"""What can be set of the simulated Sunshine account, as fields of the simulator's settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class SunshineSettings(BaseModel):
    """What the Sunshine side of the simulated Zendesk account is like.

    sunshine_requests_per_minute   a budget of its own, apart from Support's; 0 = no limit
    sunshine_max_jobs              jobs queued or processing at once; 0 = no limit
    sunshine_too_many_jobs_status  HTTP status over it; no source states the real one
    sunshine_max_rows              records in one job; no source states the real one
    sunshine_max_records           records of either kind before the account is full; 0 = full
    """

    sunshine_requests_per_minute: int = Field(default=700, ge=0)
    sunshine_max_jobs: int = Field(default=1_000, ge=0)
    sunshine_too_many_jobs_status: Literal[429, 400, 403, 422] = 429
    sunshine_max_rows: int = Field(default=100, gt=0)
    sunshine_max_records: int = Field(default=1_000_000, ge=0)
