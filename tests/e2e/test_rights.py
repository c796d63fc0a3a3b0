"""A right that is lost and given back, as when a policy is changed: the run waits, and goes on."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack

import pytest

from tests.e2e.conftest import Desk, good_tickets, ticket_csv
from tests.thorough import THOROUGH

LOST_SECONDS = 60.0 if THOROUGH else 12.0
ROWS = 60

EVIDENCE = ("SettleJobFunctionRole", "s3:GetObject", "ArchiveBucketName", "/evidence/*")
SOURCE = ("SubmitJobsFunctionRole", "s3:GetObjectVersion", "InboxBucketName", "/*")
TABLE = ("PollJobsFunctionRole", "dynamodb:*", "TableName", "")
# A run of few jobs is polled and settled by the function that submits them.
SMALL = ("SubmitJobsFunctionRole", "dynamodb:*", "TableName", "")
SECRET = ("SubmitJobsFunctionRole", "secretsmanager:GetSecretValue", "", "")


EACH = {"evidence": EVIDENCE, "source": SOURCE, "table": TABLE, "secret": SECRET}
CASES = (
    {name: [right] for name, right in EACH.items()}
    if THOROUGH
    else {"all": [*EACH.values(), SMALL]}
)


def denial(desk: Desk, action: str, output: str, suffix: str) -> str:
    outputs = desk.stack.outputs
    resource = f"arn:aws:s3:::{outputs[output]}{suffix}" if action.startswith("s3:") else "*"
    statement = {"Effect": "Deny", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize("rights", CASES.values(), ids=CASES)
def test_nothing_is_unknown_after_rights_were_lost_for_a_while(
    desk: Desk, rights: list[tuple[str, str, str, str]]
) -> None:
    desk.put_profile(batch_size=10)
    # So long that the rights are gone before any job has ended, however busy the machine is.
    desk.simulator.change_settings(latency="10")
    iam = desk.stack.client("iam")
    run_id = desk.upload(ticket_csv(good_tickets(ROWS)))
    desk.wait_until(run_id, lambda run: run.plan.done)
    with ExitStack() as given_back:
        for role, action, output, suffix in rights:
            policy = {
                "RoleName": desk.stack.physical(role),
                "PolicyName": f"lost-{action.partition(':')[0]}",
            }
            document = denial(desk, action, output, suffix)
            iam.put_role_policy(**policy, PolicyDocument=document)
            given_back.callback(iam.delete_role_policy, **policy)
        time.sleep(LOST_SECONDS)
        # Whoever settles has no right to the table, so the run cannot be closed.
        if SMALL in rights:
            assert desk.stack.deps.store.runs.must_get(run_id).closed_at is None
    status = desk.wait(run_id, 300.0)

    assert status["status"] == "completed"
    assert status["outcomes"]["succeeded"] == status["rows"] == ROWS
    assert len(desk.effects(action="created")) == ROWS
