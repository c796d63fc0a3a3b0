"""Defects that were found with real adapters."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.account_promises import (
    requests_are_bounded,
    retry_after_is_kept,
)
from tests.chaos.adapter_scenarios import READ, AdapterScenario, VendorFault, VendorFaultKind
from tests.chaos.outages import VENDOR, Outage, Way
from tests.chaos.regression import Regression
from tests.chaos.run_promises import (
    attempts_are_bounded,
    ends,
    outcomes_are_true,
    unknown_is_unknowable,
)
from tests.chaos.scenario import (
    AbortRun,
    Fault,
    FaultKind,
    File,
    Scenario,
    VendorBehaviour,
)
from tests.chaos.sizes import Sizes


def _at(vendor: str, *vendor_faults: VendorFault) -> Scenario:
    """One row, and what goes wrong at the real adapter's vendor."""
    return Scenario(adapter_scenario=AdapterScenario(vendor, vendor_faults))


WITH_ADAPTERS: Sequence[Regression] = (
    Regression(
        "searches and polls that need more requests than a minute has begin anew for ever",
        Scenario(
            seed=29250,
            files=(
                File(rows=5, priority="low", arrives=5.0, breaker=1),
                File(rows=3, bad=(3,), breaker=1),
            ),
            vendor=VendorBehaviour(max_jobs=3, request_seconds=0.3, latencies=(120.0,)),
            senders=2,
            lane_window=2,
            sizes=Sizes(1, 2, 3, 1, 3, 3, 1, 3, 1, 3, 1, 2, 2),
            per_minute=6,
            conflicts=0.3,
            faults=(
                Fault("table.transact", 9, FaultKind.SLOW_ANSWER, 27.0),
                Fault("objects.put", 4, FaultKind.ANSWER_LOST),
                Fault("objects.put", 4, FaultKind.SLOW_ANSWER, 90.0),
            ),
            adapter_scenario=AdapterScenario(
                "zendesk_sunshine",
                (
                    VendorFault(VendorFaultKind.BAD_GATEWAY_DONE),
                    VendorFault(nth=6),
                    VendorFault(VendorFaultKind.FULL, 3),
                    VendorFault(VendorFaultKind.FORGOTTEN, 4),
                    VendorFault(VendorFaultKind.DIES_AT_ONCE),
                ),
            ),
        ),
        ends,
    ),
    Regression(
        "ticket updates that were lost in an outage of an hour and a half are unknown",
        Scenario(
            files=(File(rows=3),),
            outages=(Outage(VENDOR, Way.BAD_GATEWAY, seconds=5_370.0),),
            hours=26.0,
            production_deadlines=True,
            adapter_scenario=AdapterScenario("zendesk_comments"),
        ),
        unknown_is_unknowable,
    ),
    Regression(
        "what the operator's machine asks of the vendor does not keep its Retry-After",
        Scenario(
            files=(File(rows=4),),
            vendor=VendorBehaviour(latencies=(120.0,)),
            adapter_scenario=AdapterScenario(
                "vidispine", (VendorFault(VendorFaultKind.THROTTLED, 1, READ, 60),)
            ),
            actions=(AbortRun(0, 15.0),),
        ),
        retry_after_is_kept,
    ),
    Regression(
        "jobs that are read one by one cost more requests than are paid for",
        Scenario(
            files=(File(rows=9),),
            max_jobs=4,
            per_minute=6,
            adapter_scenario=AdapterScenario("zendesk_support", short_list=True),
        ),
        requests_are_bounded,
    ),
    Regression(
        "a request more than is allowed in a minute leaves when a submission is lost",
        Scenario(
            seed=1,
            files=(File(rows=4),),
            vendor=VendorBehaviour(latencies=()),
            max_jobs=3,
            per_minute=12,
            adapter_scenario=AdapterScenario("zendesk_sunshine", (VendorFault(nth=4),)),
        ),
        requests_are_bounded,
    ),
    Regression(
        "a search that needs more requests than a minute has is begun anew for ever",
        Scenario(
            files=(File(rows=8),),
            per_minute=6,
            adapter_scenario=AdapterScenario("zendesk_support", (VendorFault(),), short_list=True),
        ),
        ends,
    ),
    Regression(
        "a search that was asked to wait passes it on to nobody",
        _at(
            "zendesk_support",
            VendorFault(VendorFaultKind.ANSWER_LOST),
            VendorFault(VendorFaultKind.THROTTLED, of=READ, wait=90),
        ),
        retry_after_is_kept,
    ),
    Regression(
        "a 503 of Vidispine loses its Retry-After",
        _at("vidispine", VendorFault(VendorFaultKind.UNAVAILABLE, of=READ, wait=90)),
        retry_after_is_kept,
    ),
    Regression(
        "Zendesk's second reader is asked although the first was asked to wait",
        _at(
            "zendesk_support",
            VendorFault(VendorFaultKind.UNAVAILABLE, of=READ, wait=90),
            VendorFault(VendorFaultKind.THROTTLED, 2, READ),
        ),
        retry_after_is_kept,
    ),
    Regression(
        "a Zendesk job that is polled for its results hides that it was asked to wait",
        Scenario(
            adapter_scenario=AdapterScenario(
                "zendesk_support",
                (VendorFault(VendorFaultKind.UNAVAILABLE, 7, READ, 90),),
                short_list=True,
            ),
        ),
        retry_after_is_kept,
    ),
    Regression(
        "a row that may have been applied is called failed when it is refused the second time",
        Scenario(
            files=(File(repeatable=True),),
            adapter_scenario=AdapterScenario(
                "zendesk_sunshine",
                (
                    VendorFault(VendorFaultKind.ANSWER_LOST),
                    VendorFault(VendorFaultKind.ROW_REFUSED, 2),
                ),
            ),
        ),
        outcomes_are_true,
    ),
    Regression(
        "two runs wait for each other's slots, each with a chunk in hand",
        Scenario(
            seed=746973,
            files=(File(rows=4, arrives=5.0), File(arrives=5.0)),
            vendor=VendorBehaviour(max_jobs=1, latencies=()),
            adapter_scenario=AdapterScenario(
                "zendesk_support",
                (VendorFault(VendorFaultKind.THROTTLED_IN_WORDS, 3, READ),),
                external_ids=False,
                short_list=True,
            ),
        ),
        ends,
    ),
    Regression(
        "a search cannot tell whose job it has found when two runs lose a submission at once",
        Scenario(
            files=(
                File(rows=5, batch=2, arrives=9.0),
                File(rows=2, repeatable=True, batch=2),
            ),
            vendor=VendorBehaviour(latencies=()),
            faults=(Fault("vendor.submit", 4, FaultKind.CRASH_AFTER), Fault("secret.read")),
            adapter_scenario=AdapterScenario(
                "zendesk_support", (VendorFault(VendorFaultKind.REQUEST_LOST),)
            ),
        ),
        unknown_is_unknowable,
    ),
    Regression(
        "a claim takes a chunk as it was read while another lane had it, and counts an attempt",
        Scenario(
            files=(File(rows=3, batch=2), File(rows=6, max_attempts=1, arrives=1)),
            vendor=VendorBehaviour(max_jobs=1, latencies=(120.0, 10.0)),
            max_jobs=3,
            lane_window=1,
            faults=(Fault("vendor.poll", 5, FaultKind.SLOW_ANSWER, 30.0),),
            adapter_scenario=AdapterScenario("zendesk_sunshine"),
        ),
        attempts_are_bounded,
    ),
)
