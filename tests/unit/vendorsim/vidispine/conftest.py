"""Requests to the simulated Vidispine, as its users make them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import requests

from vendorsim import RunningSimulator

BASIC = "Basic " + base64.b64encode(b"admin:admin").decode()


class Site:
    """The simulated site, asked with good credentials."""

    def __init__(self, sim: RunningSimulator) -> None:
        self.sim = sim

    def ask(self, method: str, path: str, json: object = None, **headers: str) -> requests.Response:
        """One request; JSON is wanted unless the headers say otherwise."""
        known = {"Authorization": BASIC, "Accept": "application/json"}
        return self.sim.request(method, f"/API{path}", json=json, headers=known | headers)

    def get(self, path: str) -> Any:
        """The document of a good answer."""
        answer = self.ask("GET", path)
        assert answer.ok, answer.text
        return answer.json()

    def create(self, job_type: str = "IMPORT", more: str = "", **headers: str) -> str:
        """The id of a new job."""
        answer = self.ask("POST", f"/job?type={job_type}{more}", **headers)
        assert answer.ok, answer.text
        return str(answer.json()["jobId"])

    def states(self, query: str = "") -> dict[str, str]:
        """The states of the listed jobs, in their order."""
        listed = self.get(f"/job{query}").get("job", [])
        return {job["jobId"]: job["status"] for job in listed}


@pytest.fixture
def site(sim: RunningSimulator) -> Site:
    return Site(sim)
