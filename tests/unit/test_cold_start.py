"""What a cold function of the hot path leaves unimported. How long it takes is not tested here:
`benchmarks/import_time.py` measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.documents.bench import SHELF_DOCUMENT

ROOT = Path(__file__).resolve().parents[2]

HOT = ("submit_jobs", "poll_jobs", "settle_job")

HEAVY = {
    "pydantic",
    "requests",
    "yaml",
    "sqlite3",
    "boto3.s3.transfer",
    "aws_lambda_powertools.utilities.parameters",
    "jobferry.csvfile.reader",
    "jobferry.csvfile.mapping",
    "jobferry.csvfile.planner",
    "jobferry.binding.profile_document",
    "jobferry.reporting.html",
    "jobferry.reporting.result_files",
    "jobferry.vendors.http.client",
}

VENDORS = {
    f"jobferry.vendors.{name}.adapter"
    for name in ("zendesk_support", "zendesk_sunshine", "vidispine", "declarative")
}

ENVIRONMENT = {
    "TABLE_NAME": "table",
    "INBOX_BUCKET_NAME": "inbox",
    "ARCHIVE_BUCKET_NAME": "archive",
    "SECRET_PREFIX": "stack/connections/",
    "ROW_RETENTION_DAYS": "90",
    "ALLOW_LOOPBACK_HTTP": "false",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
}


def modules_after(function: str, *statements: str) -> set[str]:
    """Names in `sys.modules` of a fresh interpreter that imported a function's handler."""
    code = "\n".join(["import app", *statements, "import sys", "print(*sys.modules, sep='\\n')"])
    path = os.pathsep.join([str(ROOT / "functions" / function), str(ROOT / "layers" / "jobferry")])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("function", HOT)
def test_a_function_of_the_hot_path_is_ready_without(function: str) -> None:
    loaded = modules_after(function)

    assert f"jobferry.steps.{function}" in loaded
    assert loaded & (HEAVY | VENDORS) == set()


def test_a_run_is_opened_without_what_validates_profiles_or_reads_rows() -> None:
    loaded = modules_after("open_run")

    assert "jobferry.steps.open_run" in loaded
    rows = {"jobferry.csvfile.reader", "jobferry.csvfile.planner"}
    heavy = HEAVY - {"jobferry.csvfile", "jobferry.reporting.html"}
    assert loaded & (heavy | rows | VENDORS) == set()


def test_one_vendor_does_not_bring_the_others() -> None:
    loaded = modules_after(
        "settle_job",
        "from jobferry.vendors.registry import BUILT_IN",
        "BUILT_IN.named('zendesk_support')",
    )

    assert loaded & VENDORS == {"jobferry.vendors.zendesk_support.adapter"}
    assert loaded & HEAVY == set()


def test_a_vendor_that_is_a_document_brings_nothing_that_checks_documents() -> None:
    loaded = modules_after(
        "settle_job",
        "import json",
        "from jobferry.vendors.declarative.adapter import vendor_from",
        f"vendor_from(json.loads({json.dumps(json.dumps(SHELF_DOCUMENT))}))",
    )

    assert loaded & VENDORS == {"jobferry.vendors.declarative.adapter"}
    assert loaded & HEAVY == set()
    assert "jobferry.vendors.declarative.validation" not in loaded
