"""Nothing lost, nothing twice: thousands of scenarios, and proof that the harness would notice."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from functools import partial

import pytest
from _pytest.mark import ParameterSet

from tests.chaos.adapter_scenarios import (
    AdapterScenario,
    VendorFault,
    VendorFaultKind,
    vendor_faults,
)
from tests.chaos.adapters import ADAPTERS
from tests.chaos.campaign import (
    MEMORY,
    ONE_IN,
    first_break,
    run_all,
    scenario_of,
    shortest_failure,
)
from tests.chaos.drawing import draw, draw_with_adapter
from tests.chaos.malformed_answers import Malformation, MalformedAnswer
from tests.chaos.modes import MODES, Mode
from tests.chaos.outages import WAYS, Outage, Way
from tests.chaos.promises import broken
from tests.chaos.regression import Regression
from tests.chaos.regressions import REGRESSIONS, unexplained
from tests.chaos.report import as_code
from tests.chaos.run_promises import nothing_twice
from tests.chaos.runner import run_scenario
from tests.chaos.scenario import (
    AbortRun,
    ChangePriority,
    DeleteRun,
    DuplicateEvent,
    DuplicateTask,
    Fault,
    FaultKind,
    File,
    IndexLag,
    JobBehaviour,
    PollReply,
    RecordBehaviour,
    ResolveRun,
    RetryRun,
    Reupload,
    Scenario,
    ScriptedPoll,
    SearchReply,
    StopExecution,
    SwitchAccount,
    VendorBehaviour,
)
from tests.chaos.seeded_defects import (
    SEEDED_DEFECTS,
    SeededDefect,
    intent_written_after_the_call,
    sent_again_blindly,
)
from tests.chaos.sizes import PRODUCTION, Sizes, patches
from tests.thorough import THOROUGH, some_in
from virtual.vendor import Behaviour, Reply

PARTS = 4
SCENARIOS_IN_A_PART = 60
OTHER_SCENARIOS = 60
SCENARIOS_WITH_AN_ADAPTER = 12
OTHER_SCENARIOS_WITH_AN_ADAPTER = 6
SCENARIOS_OF_A_MODE = 8
SLOW_SCENARIOS_OF_A_MODE = 3
"""Of some five hundred: what two cores run in a minute."""

FOUND_WITHIN = 800
"""Scenarios within which a seeded defect is found out."""


def check(seeds: range, kind: str = MEMORY) -> None:
    """Run the scenarios; the first that breaks a promise is reported in short form."""
    drawing = partial(scenario_of, kind=kind)
    totals = run_all(seeds, drawing)
    assert totals.scenarios == len(seeds)
    assert kind in MODES or sum(totals.faults.values()) > len(seeds) // 2
    if not totals.breaks:
        return
    seed, found = totals.breaks[0]
    _, text = shortest_failure(drawing(seed), found[0].promise)
    again = f".venv/bin/python -m tests.chaos --scenarios 1 --seed {seed} --kind {kind}"
    pytest.fail(f"{found[0].sentence}\n\n{text}\n\nOnce more: {again}", pytrace=False)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_scenario_breaks_a_promise(part: int) -> None:
    check(range(part * SCENARIOS_IN_A_PART, (part + 1) * SCENARIOS_IN_A_PART))


def other_seed() -> int:
    """The first of scenarios beside the first ones: with THOROUGH those that nobody has seen."""
    return secrets.randbelow(10**9) if THOROUGH else 20_000_000


def test_no_other_scenario_breaks_a_promise() -> None:
    first = other_seed()
    print(f"scenarios from seed {first} on")
    check(range(first, first + OTHER_SCENARIOS))


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_no_scenario_breaks_a_promise_with_a_real_adapter(vendor: str) -> None:
    check(range(SCENARIOS_WITH_AN_ADAPTER), vendor)


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_no_other_scenario_breaks_a_promise_with_a_real_adapter(vendor: str) -> None:
    first = other_seed()
    print(f"scenarios from seed {first} on")
    check(range(first, first + OTHER_SCENARIOS_WITH_AN_ADAPTER), vendor)


def _named(mode: Mode) -> ParameterSet:
    return pytest.param(mode, id=mode.name)


@pytest.mark.parametrize("mode", [_named(mode) for mode in MODES.values() if mode.mixed])
def test_no_scenario_of_a_mode_breaks_a_promise(mode: Mode) -> None:
    scenarios = SLOW_SCENARIOS_OF_A_MODE if mode.slow else SCENARIOS_OF_A_MODE
    check(range(scenarios), mode.name)


@pytest.mark.parametrize("mode", [_named(mode) for mode in MODES.values() if not mode.mixed])
def test_a_mode_that_is_left_out_shows_what_is_open(mode: Mode) -> None:
    """Once it shows nothing any more, it has its part in every campaign: `shows` goes."""
    history = run_scenario(mode.draw(mode.seed))
    assert unexplained(history, broken(history))


@pytest.mark.parametrize("name", some_in(SEEDED_DEFECTS, every=3))
def test_a_seeded_defect_is_found_and_its_scenario_is_short(name: str) -> None:
    seeded_defect, promises = SEEDED_DEFECTS[name]
    with seeded_defect():
        found = first_break(range(FOUND_WITHIN), promises)
        assert found is not None, f"{name} is not found"
        seed, first = found
        scenario, text = shortest_failure(draw(seed), first.promise)
    assert first.meaning in text
    assert len(scenario.faults) + len(scenario.actions) + len(scenario.vendor.replies) <= 5
    assert sum(file.rows for file in scenario.files) <= 6
    assert not [b for b in broken(run_scenario(scenario)) if b.promise in promises], (
        "with no fault too"
    )


@pytest.mark.parametrize("vendor", some_in(ADAPTERS, every=2))
@pytest.mark.parametrize("seeded_defect", [intent_written_after_the_call, sent_again_blindly])
def test_a_seeded_defect_is_found_with_a_real_adapter(
    seeded_defect: SeededDefect, vendor: str
) -> None:
    """With nothing that tells records apart: where there is, the vendor itself refuses a second."""
    promises = {nothing_twice.__name__}

    def drawing(seed: int) -> Scenario:
        scenario = draw_with_adapter(vendor, seed)
        adapter_scenario = scenario.adapter_scenario and replace(
            scenario.adapter_scenario, external_ids=False
        )
        return replace(
            scenario,
            files=tuple(replace(f, keyed=False) for f in scenario.files),
            adapter_scenario=adapter_scenario,
        )

    with seeded_defect():
        found = first_break(range(FOUND_WITHIN), promises, drawing)
    assert found is not None, f"{seeded_defect.__name__} is not found"
    assert not [b for b in broken(run_scenario(drawing(found[0]))) if b.promise in promises]


def _case(regression: Regression) -> ParameterSet:
    marks = (
        ()
        if regression.may_show is None
        else (pytest.mark.xfail(reason=regression.name, strict=True),)
    )
    return pytest.param(regression, id=regression.name, marks=marks)


@pytest.mark.parametrize("regression", [_case(regression) for regression in REGRESSIONS])
def test_a_mended_defect_does_not_come_back(regression: Regression) -> None:
    assert [
        b
        for b in broken(run_scenario(regression.scenario))
        if b.promise == regression.promise.__name__
    ] == []


def test_a_scenario_goes_the_same_way_every_time() -> None:
    for seed in (3, 17, 29):
        first, second = run_scenario(draw(seed)), run_scenario(draw(seed))
        assert first.lines == second.lines
        assert first.world.table.items() == second.world.table.items()


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_a_scenario_with_a_real_adapter_goes_the_same_way_every_time(vendor: str) -> None:
    for seed in (3, 17, 29):
        first, second = (
            run_scenario(draw_with_adapter(vendor, seed)),
            run_scenario(draw_with_adapter(vendor, seed)),
        )
        assert first.lines == second.lines
        assert first.world.table.items() == second.world.table.items()
        assert first.world.truth.applied() == second.world.truth.applied()


def test_a_scenario_as_code_is_the_scenario() -> None:
    names = (
        AbortRun,
        DuplicateTask,
        DuplicateEvent,
        RecordBehaviour,
        Fault,
        File,
        SearchReply,
        FaultKind,
        JobBehaviour,
        IndexLag,
        ScriptedPoll,
        PollReply,
    )
    operator_actions = (SwitchAccount, DeleteRun, ChangePriority, ResolveRun, RetryRun, Reupload)
    others = (
        MalformedAnswer,
        Malformation,
        Outage,
        Way,
        AdapterScenario,
        Sizes,
        VendorFault,
        VendorFaultKind,
        StopExecution,
        Scenario,
        VendorBehaviour,
        Behaviour,
        Reply,
    )
    classes = {each.__name__: each for each in (*names, *operator_actions, *others)}
    for seed in range(50):
        for kind in (MEMORY, "vidispine", *MODES):
            scenario = scenario_of(seed, kind)
            assert eval(as_code(scenario), classes) == scenario


def test_a_calm_scenario_succeeds() -> None:
    history = run_scenario(Scenario(files=(File(rows=5, batch=2), File(rows=3, bad=(2,)))))
    assert broken(history) == []
    assert sorted(history.world.truth.applied()) == ["a1", "a2", "a3", "a4", "a5", "b1", "b3"]


@pytest.mark.parametrize("vendor", ADAPTERS)
def test_a_calm_scenario_succeeds_with_a_real_adapter(vendor: str) -> None:
    history = run_scenario(
        Scenario(
            files=(File(rows=5), File(rows=3, bad=(2,))), adapter_scenario=AdapterScenario(vendor)
        )
    )
    assert broken(history) == []
    assert sorted(history.world.truth.applied()) == ["a1", "a2", "a3", "a4", "a5", "b1", "b3"]


@pytest.mark.parametrize(
    ("vendor", "vendor_fault"),
    [
        pytest.param(
            vendor, vendor_fault, id=f"{vendor}-{vendor_fault.of}-{vendor_fault.what.name}"
        )
        for vendor, adapter in ADAPTERS.items()
        for vendor_fault in vendor_faults(adapter.ends, full=bool(adapter.max_jobs))
    ],
)
def test_every_kind_of_vendor_fault_is_injected_and_survived(
    vendor: str, vendor_fault: VendorFault
) -> None:
    history = run_scenario(
        Scenario(files=(File(rows=3),), adapter_scenario=AdapterScenario(vendor, (vendor_fault,)))
    )
    assert [what for (_, what), n in history.injected.items() for _ in range(n)] == [
        vendor_fault.what
    ]
    assert broken(history) == []


def test_one_scenario_in_ten_has_a_real_adapter_and_every_vendor_its_turn() -> None:
    sites = [scenario_of(seed).adapter_scenario for seed in range(0, 100, ONE_IN)]
    assert {
        adapter_scenario.vendor for adapter_scenario in sites if adapter_scenario is not None
    } == set(ADAPTERS)


def test_a_quarter_of_the_scenarios_has_small_sizes_and_each_size_is_what_the_code_uses() -> None:
    scenarios = [draw(seed) for seed in range(400)]
    assert 70 < sum(scenario.sizes != PRODUCTION for scenario in scenarios) < 130
    assert not list(patches(PRODUCTION))
    for size in range(1, 4):
        for module, name, value in patches(Sizes(*[size] * 13)):
            assert value <= getattr(module, name) or name == "PAGE_ITEMS"


def test_a_small_size_reaches_every_module_that_has_the_constant() -> None:
    """A module that imports a constant by name has a value of its own."""
    reached = {(module.__name__, name) for module, name, _ in patches(Sizes(*[1] * 13))}
    copies = {
        (module, name)
        for module, loaded in list(sys.modules.items())
        for name in {name for _, name in reached}
        if module.startswith("jobferry.") and hasattr(loaded, name)
    }
    # The fake table has what the real one imports; Vidispine's list has pages of its own.
    assert copies - reached == {
        ("jobferry.store.table", "BATCH_GET_ITEMS"),
        ("jobferry.store.table", "BATCH_WRITE_ITEMS"),
        ("jobferry.store.table", "TRANSACTION_ITEMS"),
        ("jobferry.vendors.vidispine.adapter", "LIST_PAGE"),
        ("jobferry.vendors.vidispine.client", "LIST_PAGE"),
    }


@pytest.mark.parametrize(
    ("what", "way"),
    [
        pytest.param(what, way, id=f"{what}-{way.name}")
        for what, ways in WAYS.items()
        for way in ways
    ],
)
def test_every_outage_happens_and_is_survived(what: str, way: Way) -> None:
    """Half a minute, from the moment on when it is needed."""
    at_once = what in ("secret.read", "vendor.submit", "table")
    outage = Outage(what, way, 0.0 if at_once else 5.0, 30.0)
    history = run_scenario(
        Scenario(files=(File(rows=3),), outages=(outage,), hours=6.0, production_deadlines=True)
    )
    if what != "vendor.find":
        assert history.events[f"{what} fails for long: {way.value}"]
    assert broken(history) == []


@pytest.mark.parametrize("fault_kind", FaultKind)
def test_every_kind_of_fault_is_injected(fault_kind: FaultKind) -> None:
    kind = "table.put_many" if fault_kind is FaultKind.PARTIAL_BATCH else "table.write"
    # Rows that are not sent are written in batches.
    files = (File(rows=3, bad=(2, 3)),)
    history = run_scenario(Scenario(files=files, faults=(Fault(kind, 1, fault_kind, 3.0),)))
    assert history.injected == {(kind, fault_kind): 1}
    assert broken(history) == []
