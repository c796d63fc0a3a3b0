"""The cloud goes away in the middle of a run, and comes back with what it had stored."""

from __future__ import annotations

from collections import Counter

from jobferry.domain.connection import Connection
from tests.e2e.conftest import Desk, good_tickets, ticket_csv

ROWS = 300
PER_JOB = 10


def test_a_run_is_carried_on_when_its_execution_and_every_function_are_gone(desk: Desk) -> None:
    """Twice, with some rows settled, jobs in flight, and a job made whose id nobody has noted.

    First all functions are killed at one moment; then the table goes from under them, and they
    fail in what they are doing. The vendor works on. What was made and not noted is found in the
    vendor's list of jobs, once its submission may be taken for lost, and is not sent again.
    """
    store = desk.stack.deps.store
    account = Connection(desk.name, "zendesk_support", desk.simulator.url, max_jobs=5)
    store.config.put_connection(account)
    # A breaker wants to judge early, so that results are settled while jobs are in flight.
    desk.put_profile(batch_size=PER_JOB, breaker={"share": 0.9, "at_least": 20})
    desk.simulator.change_settings(latency="3")
    run_id = desk.upload(ticket_csv(good_tickets(ROWS)))
    first = desk.wait_until(run_id, lambda run: run.jobs_settled > 0)
    # The sweep leaves a run alone whose execution may just be starting.
    desk.stack.age(run_id, seconds=120)
    unnoted: set[str] = set()
    for functions_first in (True, False):
        late = {"match": {"path": "create_many"}, "effect": {"hang": 3, "after": True}}
        desk.simulator.set_faults({**late, "times": 1})
        desk.wait_until(run_id, lambda _: _struck(desk))
        desk.stack.restart(functions_first=functions_first)
        made = _jobs_made(desk)
        noted = {chunk.job_id for chunk in store.chunks.all(run_id)}
        assert not made - noted <= unnoted
        unnoted |= made - noted
        assert len(made) * PER_JOB < ROWS
        assert desk.stack.invoke("SweepFunction", {})["restarted"] == 1
    status = desk.wait(run_id)

    assert status["status"] == "completed"
    assert status["rows"] == status["outcomes"]["succeeded"] == ROWS
    assert store.runs.must_get(run_id).execution != first.execution
    assert len(_jobs_made(desk)) == ROWS // PER_JOB
    created = desk.effects(action="created")
    assert Counter(e["external_id"] for e in created) == Counter(
        f"ref-{n}" for n in range(1, ROWS + 1)
    )
    tickets = {e["external_id"]: str(e["id"]) for e in created}
    assert [(o.row, o.vendor_id) for o in desk.outcomes(run_id)] == [
        (n, tickets[f"ref-{n}"]) for n in range(1, ROWS + 1)
    ]
    assert len(desk.result_file(run_id, "succeeded.csv")) == ROWS
    assert store.limits.get(desk.name).in_flight == 0

    # Rules, roles and functions are there as before: the next file starts by itself.
    after = desk.wait(desk.upload(ticket_csv([["Subject", "Body", "ref-0", "low"]]), "after.csv"))
    assert (after["status"], after["outcomes"]["succeeded"]) == ("completed", 1)


def _jobs_made(desk: Desk) -> set[str]:
    return {job["job_id"] for job in desk.simulator.effects(limit=0)["jobs"]}


def _struck(desk: Desk) -> bool:
    """Whether the fault that was set has befallen a request, and can befall no other."""
    left: list[object] = desk.simulator.request("GET", "/_sim/faults").json()["faults"]
    return not left
