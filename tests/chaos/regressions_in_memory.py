"""Defects that were found with the vendor in memory."""

from __future__ import annotations

from collections.abc import Sequence

from tests.chaos.account_promises import (
    account_is_clean,
    jobs_are_bounded,
    requests_are_bounded,
    success_is_final,
)
from tests.chaos.outages import PERMANENT, SECRET, SOURCE, Outage, Way
from tests.chaos.regression import Regression
from tests.chaos.run_promises import (
    attempts_are_bounded,
    ends,
    nothing_twice,
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
from virtual.vendor import Behaviour, Reply

IN_MEMORY: Sequence[Regression] = (
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
