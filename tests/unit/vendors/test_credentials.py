"""Credentials documents: their forms, their headers, and errors that show no value."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.vendors.credentials import (
    BEARER,
    CLIENT,
    EMAIL_TOKEN,
    PASSWORD,
    CredentialsError,
    authorization,
    authorizer,
    parse_credentials,
)

ALL = (EMAIL_TOKEN, BEARER, CLIENT, PASSWORD)


@given(
    st.sampled_from(ALL),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
)
def test_each_form_is_read_as_it_is(form: frozenset[str], value: str) -> None:
    document = dict.fromkeys(form, value)

    assert parse_credentials(json.dumps(document), ALL) == document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hush",
        '{"bearer": "hush"',
        '["hush"]',
        '"hush"',
        "null",
        "{}",
        '{"token": "hush"}',
        '{"bearer": "hush", "email": "hush"}',
        '{"username": "hush", "password": "hush"}',
        '{"bearer": ""}',
        '{"bearer": null}',
        '{"bearer": 1234567}',
        '{"email": "a@example.org", "token": ["hush"]}',
    ],
)
def test_other_documents_are_refused_without_a_value(text: str) -> None:
    with pytest.raises(CredentialsError) as refusal:
        parse_credentials(text, (EMAIL_TOKEN, BEARER))

    shown = str(refusal.value) + repr(refusal.value)
    assert "hush" not in shown
    assert "1234567" not in shown
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_a_refusal_names_the_forms_that_will_do() -> None:
    with pytest.raises(CredentialsError, match=r'\{"email", "token"\} or \{"bearer"\}'):
        parse_credentials("{}", (EMAIL_TOKEN, BEARER))


@pytest.mark.parametrize(
    ("credentials", "scheme", "pair"),
    [
        ({"bearer": "t"}, "Bearer", None),
        ({"email": "a@example.org", "token": "t"}, "Basic", "a@example.org/token:t"),
        ({"username": "ü", "password": "p:q"}, "Basic", "ü:p:q"),
    ],
)
def test_the_header_of_each_form(
    credentials: Mapping[str, str], scheme: str, pair: str | None
) -> None:
    given_scheme, _, value = authorization(credentials).partition(" ")

    assert given_scheme == scheme
    assert value == "t" if pair is None else base64.b64decode(value).decode() == pair


def test_the_secret_is_read_for_every_request_and_afresh_when_told() -> None:
    asked: list[bool] = []

    def read(refresh: bool) -> Mapping[str, str]:
        asked.append(refresh)
        return {"bearer": "old" if not refresh else "new"}

    authorize = authorizer(read)

    assert [authorize(False), authorize(True)] == ["Bearer old", "Bearer new"]
    assert asked == [False, True]
