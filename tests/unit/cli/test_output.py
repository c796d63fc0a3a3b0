"""JSON that every script and terminal can take, and text that steers none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry_cli.output import printable, put_json
from tests.unit.cli.shell import Shell


@given(text=st.text())
def test_printable_text_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)

    assert shown.replace("\u200c", "").replace("\u200d", "").isprintable()
    assert printable(shown) == shown
    assert shown == text or not text.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "␛]0;owned␇"),
        ("\x1b]52;c;Y3VybA==\x1b\\", "␛]52;c;Y3VybA==␛\\"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\r\nNext:  rm", "a␍␊Next:  rm"),
        ("abc\u202egnp.exe\u2066", "abc⟨U+202E⟩gnp.exe⟨U+2066⟩"),
        ("a\u2028b\x85c\x7f", "a⟨U+2028⟩b⟨U+0085⟩c⟨U+007F⟩"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("\ud83d", "⟨U+D83D⟩"),
        ("a\tb\xa0c\u3000d", "a b c d"),
        ("Grüße 日本 👩\u200d🚀", "Grüße 日本 👩\u200d🚀"),
    ],
)
def test_what_steers_a_terminal_or_is_not_seen_is_made_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_json_is_one_ascii_line_and_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    document = {"error": "Größe\n\x9b31m \U0001f600", "rows": [1, None]}
    put_json(document)

    line = capsys.readouterr().out
    assert line.isascii()
    assert line.count("\n") == 1
    assert json.loads(line) == document


def test_operations_need_no_stack(shell: Shell) -> None:
    answer = shell("operations", "zendesk_support", "--json")

    names = [document["operation"] for document in answer.documents]
    assert "tickets.create" in names
    assert all(
        set(document) >= {"fields", "required", "max_records", "max_bytes", "max_jobs"}
        for document in answer.documents
    )
    assert shell.stack_names == []
    assert "tickets.create" in shell("operations").stdout


def test_operations_say_which_id_is_added_and_how_to_undo(shell: Shell) -> None:
    documents = shell("operations", "zendesk_support", "--json").documents
    by_name = {document["operation"]: document for document in documents}

    created, updated = by_name["tickets.create"], by_name["tickets.update"]
    assert (created["external_id_field"], created["undone_by"]) == ("external_id", "tickets.delete")
    assert updated["external_id_field"] is updated["undone_by"] is None
    assert "before the change" in updated["cannot_undo"]
    people = shell("operations", "zendesk_support").stdout
    assert "jobferry:<run>:<row>" in people
    assert "undo    by tickets.delete" in people


def test_an_unknown_vendor_names_the_known_ones(shell: Shell) -> None:
    answer = shell("operations", "nobody")

    assert answer.code == 1
    assert "zendesk_support" in answer.stderr
