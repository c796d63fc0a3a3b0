"""Modes in which the vendor is late, out of order, malformed or slow."""

from __future__ import annotations

from dataclasses import replace

from tests.chaos.adapter_scenarios import (
    READ,
    SUBMISSION,
    AdapterScenario,
    VendorFault,
    VendorFaultKind,
)
from tests.chaos.adapters import ADAPTERS
from tests.chaos.drawing import draw, draw_with_adapter
from tests.chaos.malformed_answers import WAITS, draw_malformed
from tests.chaos.mode_tools import (
    calmer,
    random_for,
    with_outages,
)
from tests.chaos.outages import (
    FIND,
    POLL,
    SUBMIT,
    VENDOR,
    draw_outage,
)
from tests.chaos.scenario import (
    AbortRun,
    Fault,
    FaultKind,
    File,
    JobBehaviour,
    PollReply,
    RetryRun,
    Reupload,
    Scenario,
    ScriptedPoll,
    VendorBehaviour,
)
from virtual.vendor import Behaviour, Reply

LATES = (20.0, 61.0, 90.0, 300.0, 599.0)
"""Seconds for which a job that was accepted is shown to nobody."""


def late(seed: int) -> Scenario:
    """Jobs become visible late, whether their submissions were answered or not."""
    rng, scenario = random_for("late", seed), draw(seed)
    jobs = tuple(
        rng.choice((JobBehaviour.VISIBLE_LATE, JobBehaviour.NORMAL))
        for _ in range(rng.randint(1, 4))
    )
    acts = (Behaviour.ACCEPT, Behaviour.APPLIED_NO_ANSWER, Behaviour.NEVER_ARRIVED)
    vendor = replace(
        scenario.vendor,
        late=rng.choice(LATES),
        jobs=(JobBehaviour.VISIBLE_LATE, *jobs),
        replies=tuple(Reply(rng.choice(acts)) for _ in range(rng.randint(1, 4))),
        searches=(),
    )
    return replace(
        scenario, vendor=vendor, faults=scenario.faults[:1], production_deadlines=True, hours=26.0
    )


def kept_before(seed: int) -> Scenario:
    """Records are kept before they are changed, and that goes wrong in every way."""
    rng, scenario = random_for("kept before", seed), draw(seed)
    replies = (PollReply.NORMAL, PollReply.THROTTLED, PollReply.PROBLEM, PollReply.REFUSED)
    reads = tuple(
        ScriptedPoll(rng.choice(replies), rng.choice((None, 5.0, 40.0)))
        for _ in range(rng.choice((0, 1, 3, 6)))
    )
    faults = tuple(
        Fault(
            kind,
            rng.randint(1, 6),
            rng.choice((FaultKind.CRASH_BEFORE, FaultKind.CRASH_AFTER, FaultKind.SLOW_ANSWER)),
            rng.choice((5.0, 55.0, 90.0)) if kind == "objects.put" else 25.0,
        )
        for kind in ("vendor.read", "objects.put", "vendor.submit")
        if rng.random() < 0.6
    )
    # What others do to the same records shows in what is kept.
    alone = tuple(a for a in scenario.actions if not isinstance(a, Reupload | RetryRun))
    return replace(
        scenario,
        files=tuple(replace(file, snapshot=True, repeatable=True) for file in scenario.files),
        vendor=replace(scenario.vendor, reads=reads),
        faults=(*scenario.faults, *faults),
        actions=alone,
    )


def late_with_adapter(seed: int) -> Scenario:
    """The same with real adapters: what was lost becomes visible up to ten minutes later."""
    names = list(ADAPTERS)
    rng, scenario = (
        random_for("late at a site", seed),
        draw_with_adapter(names[seed % len(names)], seed),
    )
    adapter_scenario = scenario.adapter_scenario
    assert adapter_scenario is not None
    vendor_faults = [
        t
        for t in adapter_scenario.vendor_faults
        if t.what not in (VendorFaultKind.LATE, VendorFaultKind.FORGOTTEN)
    ][:1]
    for nth in sorted({1, rng.randint(1, 4)}):
        lost = rng.choice(
            (
                VendorFaultKind.ANSWER_LOST,
                VendorFaultKind.GATEWAY_TIMEOUT_DONE,
                VendorFaultKind.CUT_SHORT,
            )
        )
        late = VendorFault(VendorFaultKind.LATE, nth, SUBMISSION, int(rng.choice(LATES)))
        vendor_faults = [VendorFault(lost, nth), late, *(t for t in vendor_faults if t.nth != nth)]
    return replace(
        scenario,
        adapter_scenario=replace(adapter_scenario, vendor_faults=tuple(vendor_faults)),
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )


def vendor_outage(seed: int) -> Scenario:
    """The same at a vendor behind its real adapter."""
    rng, names = random_for("vendor outage", seed), list(ADAPTERS)
    scenario = draw_with_adapter(names[seed % len(names)], seed)
    outage = draw_outage(rng, (SUBMIT, POLL, FIND, VENDOR))
    adapter_scenario = scenario.adapter_scenario
    assert adapter_scenario is not None
    quiet = replace(adapter_scenario, vendor_faults=adapter_scenario.vendor_faults[:1])
    return with_outages(replace(scenario, adapter_scenario=quiet), outage)


def rate_limited(seed: int) -> Scenario:
    """Few requests a minute at a vendor whose jobs cost more than one request to read."""
    rng = random_for("metered", seed)
    vendor = ("zendesk_support", "zendesk_sunshine", "vidispine")[seed % 3]
    lost = (
        (VendorFault(VendorFaultKind.ANSWER_LOST, rng.randint(1, 4)),) if rng.random() < 0.5 else ()
    )
    return Scenario(
        seed=seed,
        files=(File(rows=rng.randint(4, 9)),),
        vendor=VendorBehaviour(latencies=(rng.choice((5.0, 20.0, 45.0)),)),
        max_jobs=rng.choice((3, 4)),
        per_minute=rng.choice((12, 20)),
        adapter_scenario=AdapterScenario(vendor, lost, short_list=rng.random() < 0.7),
        actions=(AbortRun(0, 15.0),) if vendor == "vidispine" and rng.random() < 0.4 else (),
    )


def malformed(seed: int) -> Scenario:
    """Answers about some jobs are what no adapter should let through, and waits are absurd."""
    rng, scenario = random_for("hostile", seed), calmer(random_for("h", seed), seed)
    files = tuple(replace(file, rows=max(4, file.rows)) for file in scenario.files)
    acts = (Behaviour.THROTTLE, Behaviour.THROTTLE, Behaviour.TOO_MANY_JOBS, Behaviour.ACCEPT)
    waits = rng.random() < 0.5
    replies = tuple(Reply(rng.choice(acts), rng.choice(WAITS)) for _ in range(2 if waits else 0))
    polls = (
        (ScriptedPoll(), ScriptedPoll(PollReply.THROTTLED, rng.choice(WAITS)))
        if rng.random() < 0.3
        else ()
    )
    vendor = replace(
        scenario.vendor,
        malformed=draw_malformed(rng),
        replies=tuple(r if r.behaviour is not Behaviour.ACCEPT else Reply() for r in replies),
        polls=polls,
    )
    return replace(
        scenario,
        files=files,
        vendor=vendor,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )


WAITS_IN_HEADERS = ("1e12", 1_800_000_000, 31_536_000, -1, "soon", "inf", "9" * 400)
"""Absurd values of Retry-After."""


def absurd_waits(seed: int) -> Scenario:
    """Absurd waits in the headers of a real adapter's vendor, on submissions and on reads."""
    names = list(ADAPTERS)
    rng, scenario = (
        random_for("hostile at a site", seed),
        draw_with_adapter(names[seed % len(names)], seed),
    )
    assert scenario.adapter_scenario is not None
    throttled = (
        VendorFault(
            rng.choice((VendorFaultKind.THROTTLED, VendorFaultKind.UNAVAILABLE)),
            rng.randint(1, 3 if of == SUBMISSION else 9),
            of,
            rng.choice(WAITS_IN_HEADERS),
        )
        for of in (SUBMISSION, READ, rng.choice((SUBMISSION, READ)))
    )
    adapter_scenario = replace(
        scenario.adapter_scenario,
        vendor_faults=(*throttled, *scenario.adapter_scenario.vendor_faults[:1]),
    )
    return replace(
        scenario,
        adapter_scenario=adapter_scenario,
        faults=scenario.faults[:1],
        production_deadlines=True,
        hours=26.0,
    )
