"""What a fresh local stack is given: a connection to the simulator and the sample profiles."""

from __future__ import annotations

from pathlib import Path

import yaml

from jobferry.connections import max_jobs
from jobferry.ledger.config import Connection
from jobferry.profiles import validate
from jobferry.vendors import VENDORS
from jobferry_cli.local.state import LocalState
from jobferry_cli.stack import StackChoice, open_stack

CONNECTION = "acme"
VENDOR = "zendesk_support"

# Made-up credentials that the simulator takes.
_CREDENTIALS = {"email": "agent@example.com", "token": "sim-token"}


def seed(state: LocalState, root: Path) -> None:
    """Put the sample connection and every profile of `profiles/`."""
    stack = open_stack(StackChoice(state.stack, state))
    ledger = stack.deps.ledger
    connection = Connection(CONNECTION, VENDOR, str(state.simulator_url))
    stack.secrets.put(CONNECTION, _CREDENTIALS)
    ledger.config.put_connection(connection)
    ledger.limits.ensure(CONNECTION, max_jobs(connection, VENDORS[VENDOR]))
    for path in sorted((root / "profiles").glob("*.yaml")):
        profile = validate(yaml.safe_load(path.read_text()))
        ledger.config.put_profile(profile["name"], profile)
