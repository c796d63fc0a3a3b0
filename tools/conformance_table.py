"""Play the adapter scenarios with every vendor and write what came of it into docs/vendors.md.

    python tools/conformance_table.py

Exits with 1, and leaves the page as it is, when a scenario failed or was not played.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "vendors.md"
KIT = ROOT / "tests" / "contract" / "conformance" / "test_conformance.py"

sys.path.insert(0, str(ROOT))

from jobferry.vendors.protocol import Vendor  # noqa: E402
from jobferry.vendors.registry import BUILT_IN  # noqa: E402
from tests.contract.conformance.benches import BENCHES  # noqa: E402
from tests.contract.conformance.scenarios import SCENARIOS  # noqa: E402

Played = tuple[str, str, str]
"""(vendor, group, name) of a scenario."""


class Recorder:
    """A pytest plugin that notes which vendor passed which scenario."""

    def __init__(self) -> None:
        self.passed: dict[Played, bool] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        mark = item.get_closest_marker("scenario")
        if mark is not None:
            played = (mark.kwargs["vendor"], mark.kwargs["group"], mark.kwargs["name"])
            self.passed[played] = self.passed.get(played, True) and report.passed
        return report


def due() -> list[Played]:
    """Every scenario with every vendor that can play it."""
    return [
        (bench.title, group, case.name)
        for group, cases in SCENARIOS.items()
        for case in cases
        for bench in BENCHES
        if case.why_not(bench) is None
    ]


def scenario_tables() -> str:
    """One table for each group of scenarios, and the reasons for what is not played."""
    notes: dict[str, int] = {}
    parts: list[str] = []
    for group, cases in SCENARIOS.items():
        rows = [
            [
                case.name,
                *(
                    f"– ({notes.setdefault(why, len(notes) + 1)})"
                    if (why := case.why_not(bench)) is not None
                    else "✓"
                    for bench in BENCHES
                ),
            ]
            for case in cases
        ]
        parts.append(_table([group, *(bench.title for bench in BENCHES)], rows))
    parts.append("\n".join(f"({number}) {why}" + "  " for why, number in notes.items()))
    return "\n\n".join(parts)


def capability_table(vendors: Sequence[Vendor] | None = None) -> str:
    """What each vendor can do, from its declared data."""
    listed = BUILT_IN.built_in() if vendors is None else vendors
    rows: list[list[str]] = [
        ["jobs in flight", *(f"{vendor.capabilities.max_jobs:,}" for vendor in listed)],
        ["jobs per status request", *(str(vendor.capabilities.poll_batch) for vendor in listed)],
        ["results kept, hours", *(_hours(vendor) for vendor in listed)],
    ]
    words = {
        "token_search": "a lost job is found by its token",
        "record_lookup": "records are looked up by external id",
        "abort": "abort",
        "priority": "priority",
        "delete": "delete",
        "problems": "problems",
    }
    rows += [
        [text, *("yes" if getattr(vendor.capabilities, name) else "no" for vendor in listed)]
        for name, text in words.items()
    ]
    able = [
        any(operation.readable_in_batches for operation in vendor.operations.values())
        for vendor in listed
    ]
    rows.append(
        ["a change's records are read before (`snapshot`)", *("yes" if a else "no" for a in able)]
    )
    return _table(["", *(vendor.title for vendor in listed)], rows)


def with_tables(page: str) -> str:
    """The page with both tables as they must be now."""
    for name, text in (("capabilities", capability_table()), ("scenarios", scenario_tables())):
        between = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        page, found = between.subn(partial(_filled, text), page)
        if found != 1:
            raise ValueError(f"{PAGE.name} has no place for {name}")
    return page


def _filled(text: str, place: re.Match[str]) -> str:
    return place[1] + text + place[2]


def _hours(vendor: Vendor) -> str:
    return f"{vendor.capabilities.retention_seconds / 3600:g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---", *(":---:" for _ in heads[1:])], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Play all, say what failed, write the page."""
    recorder = Recorder()
    pytest.main(["-q", "--no-header", "--tb=short", str(KIT)], plugins=[recorder])
    wrong = [played for played in due() if not recorder.passed.get(played, False)]
    for vendor, group, name in wrong:
        print(f"{vendor} does not pass: {group}, {name}", file=sys.stderr)
    if wrong:
        return 1
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{len(recorder.passed)} scenarios passed; {PAGE.relative_to(ROOT)} is up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
