"""Defects that the harness has found, each with a short scenario that shows it.

Those that are mended stay here so that they do not come back. One that is still open says which
broken promises come of it, so that a campaign can go on searching for others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.chaos.account_promises import (
    account_is_clean,
    jobs_are_bounded,
    requests_are_bounded,
    retry_after_is_kept,
    success_is_final,
)
from tests.chaos.adapter_scenarios import READ, AdapterScenario, VendorFault, VendorFaultKind
from tests.chaos.history import History
from tests.chaos.outages import PERMANENT, SECRET, SOURCE, VENDOR, Outage, Way
from tests.chaos.promises import Broken
from tests.chaos.run_promises import (
    attempts_are_bounded,
    ends,
    nothing_twice,
    outcomes_are_true,
    unknown_is_unknowable,
)
from tests.chaos.scenario import (
    AbortRun,
    DuplicateTask,
    Fault,
    FaultKind,
    File,
    PollReply,
    RecordBehaviour,
    Scenario,
    ScriptedPoll,
    SearchReply,
    StopExecution,
    VendorBehaviour,
)
from tests.chaos.sizes import Sizes
from tests.fakes.vendor import Behaviour, Reply


@dataclass(frozen=True)
class Regression:
    """What is wrong, a scenario that shows it, and the promise that it breaks.

    may_show  whether a broken promise may have come of it; None: it is mended
    """

    name: str
    scenario: Scenario
    promise: Callable[..., object]
    may_show: Callable[[History, Broken], bool] | None = None

    def explains(self, history: History, broken: Broken) -> bool:
        if self.may_show is None or broken.promise != self.promise.__name__:
            return False
        return self.may_show(history, broken)


def _at(vendor: str, *vendor_faults: VendorFault) -> Scenario:
    """One row, and what goes wrong at the real adapter's vendor."""
    return Scenario(adapter_scenario=AdapterScenario(vendor, vendor_faults))


REGRESSIONS: Sequence[Regression] = (
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
        "a search that needs the run's file, which cannot be read, keeps silent for a day",
        Scenario(
            files=(File(batch=3),),
            vendor=VendorBehaviour(replies=(Reply(Behaviour.NEVER_ARRIVED),)),
            outages=(Outage(SOURCE, Way.UNREACHABLE, at=25.0, seconds=PERMANENT),),
            hours=26.0,
            production_deadlines=True,
        ),
        ends,
    ),
    Regression(
        "writing off that has no time gets nowhere",
        Scenario(
            files=(File(rows=2, repeatable=True),),
            vendor=VendorBehaviour(replies=(Reply(Behaviour.APPLIED_NO_ANSWER),)),
            tight_deadlines=True,
            outages=(Outage(SECRET, Way.MISSING, seconds=PERMANENT),),
            hours=26.0,
            production_deadlines=True,
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
        "a run without a share keeps the only slot for a chunk that it may not send",
        Scenario(
            seed=9037,
            files=(
                File(rows=7, bad=(4,), batch=2, priority="highest", arrives=5.0),
                File(repeatable=True, max_attempts=1),
            ),
            vendor=VendorBehaviour(max_jobs=1, latencies=(120.0, 0.5, 120.0)),
            max_jobs=3,
            lane_window=2,
            faults=(Fault("table.write", 9, FaultKind.SLOW_ANSWER, 40.0),),
        ),
        ends,
    ),
    Regression(
        "a row that Settle has called succeeded is unknown when its count fails under force",
        Scenario(
            files=(File(rows=2),),
            vendor=VendorBehaviour(latencies=(0.5,)),
            max_jobs=1,
            faults=(
                Fault("PollJobs/", 13),
                Fault("table.transact", 5, FaultKind.THROTTLED),
            ),
            actions=(AbortRun(at=1.0, force=True),),
        ),
        success_is_final,
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
        "a search for a lost submission is not paid for",
        Scenario(
            files=(File(rows=7),),
            vendor=VendorBehaviour(replies=(Reply(Behaviour.NEVER_ARRIVED),) * 9, latencies=(1.0,)),
            max_jobs=4,
            per_minute=6,
        ),
        requests_are_bounded,
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
        "a lost submission that is repeated does not count as an attempt, though it was done",
        Scenario(
            files=(File(repeatable=True, max_attempts=1),),
            vendor=VendorBehaviour(
                latencies=(),
                replies=(Reply(Behaviour.APPLIED_NO_ANSWER, 1),),
                searches=(SearchReply.UNDECIDABLE,),
            ),
        ),
        attempts_are_bounded,
    ),
    Regression(
        "a lost submission that may be repeated gives its slot back while its job may run",
        Scenario(
            files=(File(repeatable=True),),
            vendor=VendorBehaviour(replies=(Reply(Behaviour.APPLIED_NO_ANSWER),)),
            max_jobs=1,
        ),
        jobs_are_bounded,
    ),
    Regression(
        "halving a lost chunk does not count the attempt, though it may have been applied",
        Scenario(
            files=(File(rows=2, repeatable=True, batch=2),),
            vendor=VendorBehaviour(replies=(Reply(Behaviour.APPLIED_NO_ANSWER),) * 3),
        ),
        attempts_are_bounded,
    ),
    Regression(
        "a lost chunk is halved and sent again although its attempts are used up",
        Scenario(
            files=(File(rows=2, batch=2, max_attempts=2),),
            vendor=VendorBehaviour(
                replies=(Reply(Behaviour.NEVER_ARRIVED), Reply(Behaviour.NEVER_ARRIVED))
            ),
        ),
        attempts_are_bounded,
    ),
    Regression(
        "an old invocation of Poll says what a closed run needs",
        Scenario(
            files=(File(rows=3),),
            vendor=VendorBehaviour(
                replies=(Reply(Behaviour.APPLIED_NO_ANSWER, 1), Reply(Behaviour.THROTTLE)),
                polls=(ScriptedPoll(), ScriptedPoll(PollReply.REFUSED)),
            ),
            max_jobs=2,
            actions=(DuplicateTask("PollJobs", 2),),
        ),
        account_is_clean,
    ),
    Regression(
        "a late PlanRun says what a closed run needs",
        Scenario(actions=(DuplicateTask("PlanRun", after=30.0),)),
        account_is_clean,
    ),
    Regression(
        "a job is given up for its age on a poll that learned nothing of it",
        Scenario(
            vendor=VendorBehaviour(
                polls=(ScriptedPoll(PollReply.REFUSED), ScriptedPoll(PollReply.THROTTLED))
            ),
            actions=(StopExecution(3), StopExecution(5)),
        ),
        unknown_is_unknowable,
    ),
    Regression(
        "two invocations of one Poll count on the slot of the same ended job",
        Scenario(
            seed=719589, files=(File(rows=3),), max_jobs=1, actions=(DuplicateTask("PollJobs"),)
        ),
        jobs_are_bounded,
    ),
    Regression(
        "two invocations of one Poll keep their evidence under the same name",
        Scenario(
            files=(File(rows=2),),
            vendor=VendorBehaviour(max_jobs=2, replies=(Reply(Behaviour.NEVER_ARRIVED, 1),)),
            actions=(DuplicateTask("PollJobs"),),
        ),
        unknown_is_unknowable,
    ),
    Regression(
        "a slow write between intent and call outlasts the time for which others wait",
        Scenario(
            faults=(Fault("table.write", 8, FaultKind.SLOW_ANSWER, 90.0),),
            actions=(DuplicateTask("SubmitJobs", 1, 60.0),),
        ),
        nothing_twice,
    ),
    Regression(
        "a secret that is read slowly between intent and call outlasts it, too",
        Scenario(
            faults=(Fault("secret.read", 1, FaultKind.SLOW_ANSWER, 90.0),),
            actions=(DuplicateTask("SubmitJobs", 1, 60.0),),
        ),
        nothing_twice,
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
        "a planner that is behind takes chunks back that another has noted as planned",
        Scenario(
            seed=22,
            files=(File(rows=3),),
            lane_window=1,
            tight_deadlines=True,
            actions=(DuplicateTask("PlanRun", 1, 0.0),),
        ),
        ends,
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
    Regression(
        "an invocation beside Close says once more that the run needs nothing",
        Scenario(
            seed=486154,
            files=(File(), File()),
            vendor=VendorBehaviour(latencies=(45.0,)),
            max_jobs=1,
            faults=(
                Fault(fault_kind=FaultKind.SLOW_REQUEST, seconds=17.0),
                Fault("table.transact"),
            ),
            actions=(DuplicateTask("PollJobs", 3),),
        ),
        account_is_clean,
    ),
    Regression(
        "doubt about one row spreads to others that go again with it",
        Scenario(
            files=(File(rows=3, repeatable=True, batch=2, breaker=1),),
            vendor=VendorBehaviour(
                request_seconds=0.3,
                latencies=(3.0,),
                polls=(ScriptedPoll(), ScriptedPoll(), ScriptedPoll(PollReply.REFUSED)),
                records=(RecordBehaviour.UNREPORTED, RecordBehaviour.CONFLICT),
            ),
        ),
        unknown_is_unknowable,
    ),
    Regression(
        "a claim that is late takes a chunk that was claimed and given back since, and whose "
        "pointer went with it",
        Scenario(
            files=(File(rows=2, repeats=(2,), keyed=True),),
            vendor=VendorBehaviour(
                latencies=(),
                replies=(Reply(Behaviour.THROTTLE), Reply(Behaviour.THROTTLE)),
                polls=(ScriptedPoll(PollReply.THROTTLED, 29),),
            ),
            faults=(Fault("table.put_many", 3, FaultKind.SLOW_ANSWER, 90.0),),
            actions=(DuplicateTask(after=16),),
        ),
        ends,
    ),
)


def unexplained(history: History, found: Sequence[Broken]) -> list[Broken]:
    """Of what a scenario breaks, what none of the open defects explains."""
    return [
        broken
        for broken in found
        if not any(regression.explains(history, broken) for regression in REGRESSIONS)
    ]
