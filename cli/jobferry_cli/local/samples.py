"""What a fresh local stack is given: a connection to the simulator and the sample profiles."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import yaml

from jobferry.connections import max_jobs
from jobferry.ledger.config import Connection
from jobferry.profiles import validate
from jobferry.vendors import VENDORS
from jobferry_cli.local.state import LocalState
from jobferry_cli.stack import find_stack

CONNECTION = "acme"
VENDOR = "zendesk_support"

# Made-up credentials that the simulator takes.
_CREDENTIALS = {"email": "agent@example.com", "token": "sim-token"}


def seed(state: LocalState, root: Path) -> None:
    """Put the sample connection and every profile of `profiles/`."""
    session = boto3.Session(
        aws_access_key_id=state.access_key_id,
        aws_secret_access_key=state.secret_access_key,
        region_name=state.region,
    )
    stack = find_stack(session, state.stack, state.endpoint_url)
    connection = Connection(CONNECTION, VENDOR, str(state.simulator_url))
    stack.put_credentials(CONNECTION, json.dumps(_CREDENTIALS))
    stack.deps.ledger.config.put_connection(connection)
    stack.deps.ledger.limits.ensure(CONNECTION, max_jobs(connection, VENDORS[VENDOR]))
    for path in sorted((root / "profiles").glob("*.yaml")):
        profile = validate(yaml.safe_load(path.read_text()))
        stack.deps.ledger.config.put_profile(profile["name"], profile)
