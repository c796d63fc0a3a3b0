"""Summary: errors grouped."""

from __future__ import annotations

import json

from jobferry.domain.outcome import Outcome, OutcomeStatus
from jobferry.reporting.error_summary import GROUPS, SAMPLES, ErrorTally

FAILED = OutcomeStatus.FAILED
HEADER = ("a", "b")


def failed(row: int, text: str) -> Outcome:
    return Outcome(row, FAILED, error_code="E", error=text)


class TestErrorTally:
    def test_errors_are_grouped_the_largest_first(self) -> None:
        tally = ErrorTally()
        for row in range(1, 8):
            tally.add(failed(row, "common" if row != 3 else "rare"), HEADER, [str(row), "x"])
        tally.add(Outcome(8, OutcomeStatus.SUCCEEDED), HEADER, ["8", "x"])
        common, rare = tally.groups()
        assert (common.text, common.count, common.code) == ("common", 6, "E")
        assert (rare.text, rare.count) == ("rare", 1)
        assert [sample.row for sample in common.samples] == [1, 2, 4]
        assert [(cell.header, cell.text) for cell in common.samples[0].cells] == [
            ("a", "1"),
            ("b", "x"),
        ]

    def test_texts_of_one_form_are_one_kind_with_a_real_example(self) -> None:
        tally = ErrorTally()
        for row in range(1, 2_001):
            text = f"Email: p{row}@example.com is not properly formatted"
            tally.add(failed(row, text), HEADER, ["", ""])
        tally.add(failed(2_001, "Email: is taken"), HEADER, ["", ""])
        many, one = tally.groups("r-1", "acme")
        assert (many.count, many.alike, one.count, one.alike) == (2_000, False, 1, True)
        assert many.text == "Email: p1@example.com is not properly formatted"
        assert "jobferry retry r-1" in many.advice

    def test_too_many_kinds_become_one_group(self) -> None:
        tally = ErrorTally()
        for row in range(GROUPS + 50):
            tally.add(failed(row, "kind " + "ab"[row % 2] * (row // 2 + 1)), HEADER, ["", ""])
        groups = tally.groups()
        assert (groups[0].code, groups[0].count) == ("other", 50)
        assert sum(group.count for group in groups) == GROUPS + 50

    def test_it_goes_on_where_it_was_saved(self) -> None:
        at_once, in_steps = ErrorTally(), ErrorTally()
        for row in range(10):
            outcome = failed(row, f"kind {'abc'[row % 3]} of {row}")
            at_once.add(outcome, HEADER, ["x" * 200, "y"])
            in_steps.add(outcome, HEADER, ["x" * 200, "y"])
            in_steps = ErrorTally.from_json(json.loads(json.dumps(in_steps.to_json())))
        assert in_steps.groups() == at_once.groups()
        assert all(len(group.samples) == SAMPLES for group in at_once.groups())
