"""What a fresh local stack is given: connections to the simulators and the sample profiles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from jobferry.binding.profile_document import validate
from jobferry.domain.connection import Connection
from jobferry.vendors.connections import max_jobs
from jobferry_cli.local.state import LocalState
from jobferry_cli.stack import StackChoice, open_stack


class Sample(NamedTuple):
    """A made-up account at a simulator, whose credentials the simulator takes."""

    connection: str
    vendor: str
    credentials: Mapping[str, str]


_AGENT = {"email": "agent@example.com", "token": "sim-token"}
SAMPLES = (
    Sample("acme", "zendesk_support", _AGENT),
    Sample("acme-sunshine", "zendesk_sunshine", _AGENT),
    Sample("acme-media", "vidispine", {"username": "admin", "password": "admin"}),
)


def seed(state: LocalState, root: Path) -> None:
    """Put a connection per vendor, and every profile of `examples/`."""
    stack = open_stack(StackChoice(state.stack, state))
    store = stack.deps.store
    for sample in SAMPLES:
        base_url = str(state.simulator_url)
        connection = Connection(sample.connection, sample.vendor, base_url)
        stack.secrets.put(sample.connection, sample.credentials, base_url)
        store.config.put_connection(connection)
        vendor = stack.deps.vendors.named(sample.vendor)
        store.limits.ensure(sample.connection, max_jobs(connection, vendor))
        for path in sorted((root / "examples" / sample.vendor).glob("*.yaml")):
            profile = validate(yaml.safe_load(path.read_text()))
            store.config.put_profile(profile["name"], profile)
