"""What people and scripts rely on, where proving it takes more than a deployment in memory.

Each line names the test that proves it, and here it is held that there is such a test.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROVED_BY = {
    "make_demo": "tests/e2e/test_guide.py::test_the_demo_sends_mends_and_sends_again",
    "make_demo_adds_up": "tests/unit/tools/test_demo.py::test_whether_all_rows_are_there",
    "local_up_tells_what_keeps_it": "tests/unit/cli/test_failures.py::"
    "test_a_port_that_is_taken_is_exit_code_2",
    "stack_from_JOBFERRY_STACK_or_local": "tests/unit/cli/test_stack.py::test_who_names_the_stack",
    "connection_put_http_to_loopback_on_a_local_stack": "tests/unit/cli/test_connections.py::"
    "test_http_to_loopback_is_for_local_stacks",
    "connection_put_other_credentials_are_refused": "tests/unit/cli/test_connections.py::"
    "test_credentials_of_the_wrong_form_are_refused",
    "profile_new_asks_on_a_terminal": "tests/unit/cli/test_profile_new.py::"
    "test_on_a_terminal_it_asks",
    "plan_is_what_the_run_does": "tests/unit/cli/test_plan.py::test_the_plan_is_what_the_run_does",
    "retry_failed_rows_only": "tests/unit/cli/test_repeating.py::"
    "test_retry_sends_the_failed_rows_and_no_others",
    "rerun_the_whole_run": "tests/unit/cli/test_repeating.py::"
    "test_rerun_of_a_repeatable_operation_is_the_whole_file_each_time",
    "abort_no_cleanup": "tests/unit/lane/test_operator_requests.py::"
    "test_without_cleanup_jobs_are_seen_through",
    "schedule_fires": "tests/e2e/test_commands.py::test_a_schedule_is_kept_fires_and_goes",
    "upload_starts_a_run": "tests/e2e/test_triggers.py::"
    "test_upload_carries_good_rows_once_and_bad_rows_never",
    "inbox_everything_gets_an_answer": "tests/e2e/test_triggers.py::"
    "test_everything_dropped_below_the_inbox_gets_an_answer",
    "refused_for_good_401_after_one_refresh": "tests/contract/conformance/test_conformance.py::"
    "test_a_secret_that_stays_wrong_stops_the_run",
    "refused_for_good_403": "tests/e2e/test_hostile.py::"
    "test_an_account_that_refuses_us_stops_the_run_after_a_few_tries",
    "refused_for_good_a_quota": "tests/contract/zendesk_sunshine/test_runs.py::"
    "test_a_full_account_stops_the_run",
    "warnings_of_the_plan": "tests/unit/binding/test_run_warnings.py",
    "waiting": "tests/unit/operator/test_waiting.py::test_what_is_waited_for",
    "by": "tests/unit/cli/test_who_did_it.py",
    "profile_row_key_resolves_ambiguous_sends": "tests/contract/zendesk_support/test_find.py::"
    "test_found_by_external_ids",
    "profile_order_file": "tests/unit/steps/test_in_order.py::"
    "test_a_lost_submission_and_a_row_that_goes_again_leave_the_last_row_on_top",
    "profile_on_error": "tests/unit/settlement/test_retried_rows.py::test_a_policy_of_failing",
    "profile_breaker": "tests/unit/settlement/test_circuit_breaker.py::"
    "test_by_default_half_of_at_least_200_rows",
    "profile_types": "tests/unit/csvfile/test_guide.py::test_what_a_cell_becomes",
    "operation_jobs_create_document_fields": "tests/unit/vendors/vidispine/test_requests.py::"
    "test_other_fields_make_the_document",
    "vendorsim_serve": "tests/unit/vendorsim/test_command.py::"
    "test_serve_says_when_it_listens_and_stops_when_told",
    "sim_effects_name_their_request": "tests/unit/vendorsim/test_effects_ledger.py::"
    "test_every_effect_names_its_job_request_and_row",
}
"""Line → the test, or the file of tests, that proves it."""


@cache
def names_of(path: str) -> frozenset[str]:
    """The names of the tests in a file, those of classes included."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in names if name.startswith("test"))


@pytest.mark.parametrize("line", PROVED_BY)
def test_it_is_proved(line: str) -> None:
    path, _, name = PROVED_BY[line].partition("::")
    assert names_of(path)
    assert not name or name in names_of(path)
