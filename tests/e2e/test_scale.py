"""Three thousand rows with every slot in use, and a vendor that throttles all along."""

from __future__ import annotations

from collections import Counter

from tests.e2e.conftest import Desk, good_tickets, ticket_csv


def test_3000_rows_fill_the_slots_and_never_exceed_them(desk: Desk) -> None:
    # One record a job would be needed to see 30 in flight in a small file; 50 rows a job give 60.
    desk.put_profile(batch_size=50)
    desk.simulator.change_settings(latency="4-6")
    status = desk.wait(run_id := desk.upload(ticket_csv(good_tickets(3_000))))

    assert status["status"] == "completed"
    assert status["outcomes"]["succeeded"] == 3_000
    assert status["jobs"] == {"planned": 60, "submitted": 60, "finished": 60}
    created = Counter(e["external_id"] for e in desk.effects(action="created"))
    assert created == Counter(f"ref-{n}" for n in range(1, 3_001))
    report = desk.simulator.effects(limit=0)
    assert report["max_in_flight"] == 30
    # Slots are refilled when their jobs should have ended; being early costs a request, no more.
    assert 60 <= status["requests"]["submit"] < 90
    # Batched polling: far fewer polls than jobs.
    assert status["requests"]["poll"] < 40
    assert desk.stack.deps.store.limits.get(desk.name).in_flight == 0
    outcomes = desk.outcomes(run_id)
    assert [outcome.row for outcome in outcomes] == list(range(1, 3_001))
    tickets = {e["external_id"]: str(e["id"]) for e in desk.effects(action="created")}
    assert all(o.vendor_id == tickets[f"ref-{o.row}"] for o in outcomes)


def test_throttles_all_along_cost_no_row(desk: Desk) -> None:
    desk.put_profile(batch_size=30)
    throttled = {"rate_limited": "json", "retry_after": 1}
    desk.simulator.set_faults(
        {"match": {"path": "create_many", "every": 3}, "effect": {"too_many_jobs": True}},
        {"match": {"path": "create_many", "every": 4}, "effect": throttled},
        {
            "match": {"path": "job_statuses", "every": 2},
            "effect": {"rate_limited": "plain", "retry_after": 1},
        },
    )
    status = desk.wait(run_id := desk.upload(ticket_csv(good_tickets(300))))

    assert status["status"] == "completed"
    assert status["outcomes"]["succeeded"] == 300
    created = Counter(e["external_id"] for e in desk.effects(action="created"))
    assert created == Counter(f"ref-{n}" for n in range(1, 301))
    assert {outcome.attempts for outcome in desk.outcomes(run_id)} == {1}
    assert desk.simulator.effects(limit=0)["requests"]["throttled"] > 5
