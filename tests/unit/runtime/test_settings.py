"""Settings: the environment of a function, or the name of what is missing in it."""

from __future__ import annotations

import pytest

from jobferry.runtime.settings import Settings, from_env
from jobferry.vendors.http.addresses import Reach, networks_of

ENVIRONMENT = {
    "TABLE_NAME": "table",
    "INBOX_BUCKET_NAME": "inbox",
    "ARCHIVE_BUCKET_NAME": "archive",
    "SECRET_PREFIX": "stack/connections/",
    "ROW_RETENTION_DAYS": "90",
    "ALLOW_LOOPBACK_HTTP": "false",
}


def test_all_of_it() -> None:
    expected = Settings("table", "inbox", "archive", "stack/connections/", 90, Reach())
    assert from_env(ENVIRONMENT) == expected


@pytest.mark.parametrize(("text", "allowed"), [("true", True), ("false", False), ("1", False)])
def test_plain_http_is_allowed_by_one_word_only(text: str, allowed: bool) -> None:
    settings = from_env({**ENVIRONMENT, "ALLOW_LOOPBACK_HTTP": text})
    assert settings.reach.loopback is allowed


def test_networks_of_vendors() -> None:
    settings = from_env({**ENVIRONMENT, "VENDOR_CIDRS": "10.0.0.0/8,fd12::/32"})
    assert settings.reach == Reach(False, networks_of("10.0.0.0/8,fd12::/32"))


def test_some_functions_know_the_state_machine() -> None:
    settings = from_env({**ENVIRONMENT, "RUN_STATE_MACHINE_ARN": "arn:run"})
    assert settings.run_state_machine_arn == "arn:run"


def test_some_functions_know_how_large_a_file_may_be() -> None:
    settings = from_env({**ENVIRONMENT, "MAX_FILE_BYTES": "1000", "MAX_ROWS_PER_FILE": "20"})
    assert (settings.max_file_bytes, settings.max_rows_per_file) == (1_000, 20)
    settings = from_env(ENVIRONMENT)
    assert (settings.max_file_bytes, settings.max_rows_per_file) == (5 * 1024**3, 10_000_000)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        from_env({key: value for key, value in ENVIRONMENT.items() if key != name})
