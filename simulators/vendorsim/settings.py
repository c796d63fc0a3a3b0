"""Everything about the simulator that can be set, and the scenario file it may start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from vendorsim.faults import Fault
from vendorsim.values import JsonObject
from vendorsim.vidispine.settings import VidispineSettings
from vendorsim.zendesk_sunshine.settings import SunshineSettings
from vendorsim.zendesk_support.throttle import ENDPOINTS
from vendorsim.zendesk_support.tickets import Merged


class Latency(NamedTuple):
    """How long a job takes from acceptance to its end, in seconds: a range, drawn by the seed."""

    low: float
    high: float


def parse_latency(value: Any) -> Any:
    """`2`, `"2"`, `"1-3"` or `[1, 3]` as a (low, high) pair; anything else is left to fail."""
    if isinstance(value, int | float):
        return (value, value)
    if isinstance(value, str):
        low, _, high = value.partition("-")
        return (low, high or low)
    return value


class Settings(SunshineSettings, VidispineSettings):
    """What the simulated accounts are like; two vendors keep theirs in classes of their own.

    seed                  decides every id and every choice
    latency               seconds per job; the first half queued, the second working
    retention_seconds     how long after its creation an ended job can be read
    requests_per_minute   of the Zendesk account; 0 = no limit
    max_jobs              jobs queued or running at once in the Zendesk account; 0 = no limit
    too_many_jobs_status  HTTP status of a TooManyJobs answer; no source states the real one
    job_items             what an item of a job list holds; the documentation shows the short form
    endpoint_limits       further limits per minute, by a name of `zendesk_support.throttle`
    max_url_bytes         longer request targets are answered 414
    token_seconds         life of an access token from `/oauth/tokens`
    agent_jobs_path       under which end of `/routing/agents/instance_values/…` jobs are taken
    merge_results         the ticket that a result of a merge names; no source states the real one
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    latency: Annotated[Latency, BeforeValidator(parse_latency)] = Latency(2.0, 2.0)
    retention_seconds: float = Field(default=86_400.0, gt=0)
    requests_per_minute: int = Field(default=700, ge=0)
    max_jobs: int = Field(default=30, ge=0)
    too_many_jobs_status: Literal[429, 400, 422] = 429
    job_items: Literal["full", "id_and_status"] = "full"
    endpoint_limits: dict[str, int] = Field(default_factory=dict)
    max_url_bytes: int = Field(default=8_000, gt=0)
    token_seconds: float = Field(default=1_800.0, gt=0)
    agent_jobs_path: Literal["both", "job", "jobs"] = "both"
    merge_results: Merged = "sources"

    @model_validator(mode="after")
    def _makes_sense(self) -> Settings:
        if not 0 <= self.latency.low <= self.latency.high:
            message = "latency: seconds, or a range such as 1-3"
            raise ValueError(message)
        unknown = set(self.endpoint_limits) - set(ENDPOINTS)
        if unknown:
            message = f"endpoint_limits: {', '.join(unknown)} is none of {', '.join(ENDPOINTS)}"
            raise ValueError(message)
        return self

    def changed(self, changes: JsonObject) -> Settings:
        """These settings with `changes` laid over; raises pydantic.ValidationError."""
        return Settings.model_validate(self.model_dump() | changes)


class Scenario(BaseModel):
    """What a simulator starts with: settings, faults, and records that are there already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: Settings = Settings()
    faults: list[Fault] = Field(default_factory=list)
    records: dict[str, list[JsonObject]] = Field(default_factory=dict)
    """Kind in the plural (`tickets`, `users`, `organizations`, `groups`, `custom_objects`) →
    records."""


def load_scenario(path: Path) -> Scenario:
    """Read a scenario from a YAML or JSON file.

    Raises OSError, yaml.YAMLError or pydantic.ValidationError (a ValueError).
    """
    return Scenario.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
