"""What is drafted from a header and rows, as values."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import yaml

from jobferry.binding.profile_document import validate
from jobferry.vendors.registry import BUILT_IN
from jobferry_cli.profile_draft import Draft, FileSample, draft_profile, profile_yaml
from jobferry_cli.profile_draft.fields import folded, snake
from tests.unit.cli.draft_files import ODD

VENDORS = {
    operation.split(".")[0]: vendor
    for vendor in BUILT_IN.built_in()
    for operation in vendor.operations
}


def drafted(operation: str, header: list[str], *rows: list[str], **said: Any) -> Draft:
    vendor = VENDORS[operation.split(".")[0]]
    found = vendor.operation(operation)
    assert found is not None
    sample = FileSample(tuple(header), tuple(map(tuple, rows)))
    return draft_profile(sample, vendor, found, name="drafted", **said)


def columns(draft: Draft) -> dict[str, Any]:
    document = yaml.safe_load(profile_yaml(draft, "file.csv"))
    assert document == draft.document()
    validate(document)
    found: dict[str, Any] = document["columns"]
    return found


def notes(draft: Draft, about: str) -> str:
    return "\n".join(each["text"] for each in draft.doubts() if each["about"] == about)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("E-Mail", "email"),
        ("E_MAIL ", "e mail"),
        ("Priorität", "Prioritaet"),
        ("Priorität", "PRIORITAT"),
        ("Größe", "groesse"),
        ("Ticket #", "ticket no."),
        ("Ticket-Nr.", "TICKET NUMBER"),
        ("Prénom", "prenom"),
        ("Customer’s ref", "customer's Ref"),
        ("Name\u200b", "name"),
    ],
)
def test_names_are_compared_as_people_read_them(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("header", "key"),
    [("Plan type", "plan_type"), ("planType", "plan_type"), ("Größe (cm)", "groesse_cm")],
)
def test_a_header_becomes_a_key(header: str, key: str) -> None:
    assert snake(header) == key


@pytest.mark.parametrize(
    ("operation", "header", "cell", "field"),
    [
        ("tickets.create", "E-Mail", "ann@example.com", "requester.email"),
        ("tickets.create", "Requester", "ann@example.com", "requester.email"),
        ("tickets.create", "Requester", "360001", "requester_id"),
        ("tickets.create", "Requester", "Ann Example", "requester.name"),
        ("tickets.create", "Description", "It broke", "comment.body"),
        ("tickets.create", "Text", "It broke", "comment.body"),
        ("tickets.create", "comment.body", "It broke", "comment.body"),
        ("tickets.create", "Reference", "K-1", "external_id"),
        ("tickets.create", "Ticket ID", "17", "external_id"),
        ("tickets.create", "Betreff", "Hallo", "subject"),
        ("tickets.create", "Assignee", "ann@example.com", "assignee_email"),
        ("tickets.create", "Assignee", "360001", "assignee_id"),
        ("tickets.create", "Custom field 360001234", "x", "custom_fields[360001234]"),
        ("tickets.create", "custom_fields[360001234]", "x", "custom_fields[360001234]"),
        ("tickets.update", "Ticket ID", "17", "id"),
        ("tickets.update", "Ticket #", "17", "id"),
        ("tickets.update", "TicketId", "17", "id"),
        ("tickets.update", "#", "17", "id"),
        ("tickets.merge", "Original", "17", "target_id"),
        ("users.update", "Id", "17", "id"),
        ("users.update", "Id", "u-17", "external_id"),
        ("users.create", "Organization", "Example Ltd", "organization.name"),
        ("users.create", "Company", "360001", "organization_id"),
        ("users.create", "user_fields.plan", "gold", "user_fields.plan"),
        ("organizations.create", "Company", "Example Ltd", "name"),
        ("group_memberships.create", "Agent", "17", "user_id"),
        ("group_memberships.create", "Team", "17", "group_id"),
        ("custom_objects.car.create", "Colour", "red", "custom_object_fields.colour"),
        ("resources.post", "Price", "1.20", "attributes.price"),
        ("relationships.post", "From", "zen:user:1", "source"),
        ("jobs.create", "Job type", "TRANSCODE", "type"),
    ],
)
def test_a_column_finds_its_field(operation: str, header: str, cell: str, field: str) -> None:
    found = columns(drafted(operation, [header], [cell]))[header]

    assert (found if isinstance(found, str) else found["field"]) == field


@pytest.mark.parametrize(
    ("cells", "settings"),
    [
        (["1", "22", ""], {"type": "integer", "optional": True}),
        (["007", "12"], {}),
        (["1.5", "2"], {"type": "number"}),
        (["3,5", "-4,25"], {"type": "number", "decimal": ","}),
        (["1,234", "5,678"], {}),
        (["yes", "No"], {"type": "boolean"}),
        (["ja", "NEIN"], {"type": "boolean"}),
        (["2026-03-31", "2026-04-01"], {"type": "date"}),
        (["31.03.2026", "01.04.2026"], {"type": "date", "format": "%d.%m.%Y"}),
        (["31/03/2026", "01/04/2026"], {"type": "date", "format": "%d/%m/%Y"}),
        (["03/31/2026", "04/01/2026"], {"type": "date", "format": "%m/%d/%Y"}),
        (["03/04/2026", "04/01/2026"], {}),
        (["2026-03-31T09:30:00Z"], {"type": "datetime"}),
        (["Tue, 31 Mar 2026 09:30:00 +0000"], {"type": "datetime"}),
        (["2026-03-31 09:30"], {"type": "datetime", "timezone": "Europe/Oslo"}),
        (
            ["31.03.2026 09:30", "1.4.2026 10:00"],
            {"type": "datetime", "format": "%d.%m.%Y %H:%M", "timezone": "Europe/Oslo"},
        ),
        (
            ["3/31/2026 9:30 PM"],
            {"type": "datetime", "format": "%m/%d/%Y %I:%M %p", "timezone": "Europe/Oslo"},
        ),
        (["ann@example.com"], {"type": "email"}),
        (['{"a": 1}', "[2]"], {"type": "json"}),
        (["#N/A", "7"], {"type": "integer", "optional": True}),
        (["red", "blue"], {}),
        (["9.0E7", "4"], {"type": "integer"}),
    ],
)
def test_cells_show_how_they_are_read(cells: list[str], settings: dict[str, Any]) -> None:
    header = "custom_object_fields.x"
    draft = drafted(
        "custom_objects.car.create",
        [header],
        *([cell] for cell in cells),
        answers={"timezone": "Europe/Oslo"},
    )
    found = columns(draft)[header]

    assert found == ({"field": header, **settings} if settings else header)


@pytest.mark.parametrize(
    ("cells", "settings"),
    [
        (["a|b", "c"], {"type": "list", "separator": "|"}),
        (["a; b", "c"], {"type": "list", "separator": ";"}),
        (["a, b", "c"], {"type": "list"}),
        (["vip gold", "new"], {"type": "list", "separator": " "}),
        (['["a", "b"]', "[]"], {"type": "json"}),
    ],
)
def test_a_list_shows_its_separator(cells: list[str], settings: dict[str, Any]) -> None:
    found = columns(drafted("tickets.update", ["id", "Labels"], *(["1", c] for c in cells)))

    assert found["Labels"] == {"field": "tags", **settings}


@pytest.mark.parametrize(
    ("field", "cells", "values"),
    [
        ("priority", ["High", "low "], None),
        ("priority", ["Hoch", "normal"], {"Hoch": "high"}),
        (
            "status",
            ["Offen", "gelöst", "On-hold"],
            {"Offen": "open", "gelöst": "solved", "On-hold": "hold"},
        ),
        ("type", ["Frage"], {"Frage": "question"}),
    ],
)
def test_words_of_a_field(field: str, cells: list[str], values: dict[str, str] | None) -> None:
    rows = ([str(number), cell] for number, cell in enumerate(cells))
    found = columns(drafted("tickets.update", ["id", field], *rows))[field]

    assert found.get("values") == values
    assert "enum" in found


def test_a_word_that_could_be_two_is_asked_about_and_rejects_nothing() -> None:
    draft = drafted("tickets.update", ["id", "Priority"], ["1", "Medium"], ["2", "Hoch"])

    assert columns(draft)["Priority"] == {"field": "priority", "values": {"Hoch": "high"}}
    assert '"Medium" is none of low, normal, high, urgent' in notes(draft, "Priority")


def test_a_misspelt_header_is_taken_and_said() -> None:
    draft = drafted("tickets.update", ["id", "Prioirty"], ["1", "high"])

    assert columns(draft)["Prioirty"]["field"] == "priority"
    assert "taken for priority" in notes(draft, "Prioirty")


def test_what_matches_nothing_is_no_column_and_names_what_is_near() -> None:
    draft = drafted("tickets.create", ["Body", "Subj line", "Shoe size"], ["a", "b", "42"])

    assert list(columns(draft)) == ["Body"]
    text = profile_yaml(draft, "file.csv")
    assert "  # Shoe size: " in text
    assert "custom_fields[<id>]" in notes(draft, "Shoe size")


def test_two_columns_for_one_field() -> None:
    draft = drafted("tickets.create", ["Body", "Message"], ["a", "b"])

    assert columns(draft) == {"Body": "comment.body"}
    assert "comment.body has the column Body already" in notes(draft, "Message")


def test_of_two_columns_for_one_field_the_filled_one_is_meant() -> None:
    assert columns(drafted("tickets.create", ["Body", "Message"], ["", "b"])) == {
        "Message": "comment.body"
    }


def test_a_description_is_no_comment_on_tickets_that_are_there() -> None:
    draft = drafted("tickets.update", ["id", "Description"], ["1", "text"])

    assert list(columns(draft)) == ["id"]
    assert "may be mailed" in notes(draft, "Description")


def test_cells_that_do_not_fit_are_said() -> None:
    draft = drafted("tickets.create", ["Body", "Assignee"], ["a", "Bob Agent"])

    assert list(columns(draft)) == ["Body"]
    assert 'assignee_id takes type integer, and its cells are none: "Bob Agent"' in notes(
        draft, "Assignee"
    )


@pytest.mark.parametrize("header", ["First Name", "nachname", "Prénom"])
def test_a_part_of_a_name_is_no_name(header: str) -> None:
    draft = drafted("users.create_or_update", ["Email", header], ["a@b.com", "Ann"])

    assert list(columns(draft)) == ["Email"]
    assert "name is one field" in notes(draft, header)


def test_a_name_that_two_fields_share_is_not_guessed() -> None:
    draft = drafted("tickets.merge", ["id", "target_id", "Note"], ["1", "2", "same"])

    assert list(columns(draft)) == ["id", "target_id"]
    (note,) = [each for each in draft.doubts() if each["about"] == "Note"]
    assert note["alternatives"] == ["target_comment", "source_comment"]


@pytest.mark.parametrize("names", [["Note", "Note"], ["Note", " Note"], ["", ""]])
def test_headers_that_no_profile_can_name(names: list[str]) -> None:
    draft = drafted("tickets.delete", ["id", *names], ["1", "a", "b"])

    assert list(columns(draft)) == ["id"]


@pytest.mark.parametrize(
    ("operation", "header", "rows", "key"),
    [
        ("tickets.create", ["Body", "Ref"], [["a", "1"], ["b", "2"]], "Ref"),
        ("tickets.create", ["Body", "Ref"], [["a", "1"], ["b", "1"]], None),
        ("tickets.create", ["Body", "Ref"], [["a", "1"], ["b", ""]], None),
        ("tickets.create", ["Body", "Ref"], [["a", "x"], ["b", "X"]], None),
        ("tickets.create", ["Body", "Ref"], [["a", "1"], ["b", "NULL"]], None),
        ("tickets.update", ["Ticket", "Status"], [["1", "open"], ["2", "open"]], "Ticket"),
        ("tickets.update", ["Ticket", "Status"], [["1", "open"], ["1", "open"]], None),
        ("users.create_or_update", ["Name", "Mail"], [["a", "a@b.com"]], "Mail"),
        ("group_memberships.create", ["Agent", "Group"], [["1", "7"], ["2", "7"]], None),
    ],
)
def test_the_row_key_is_a_unique_name_of_the_record(
    operation: str, header: list[str], rows: list[list[str]], key: str | None
) -> None:
    draft = drafted(operation, header, *rows)

    assert draft.document().get("row_key") == key
    if key is None and "Ref" in header:
        assert "Ref repeats, or is empty" in notes(draft, "row_key")


def test_times_without_a_zone_wait_for_one() -> None:
    draft = drafted("tickets.create", ["Body", "Due"], ["a", "31.03.2026 09:30"])

    assert list(columns(draft)) == ["Body"]
    assert "timezone: Europe/Oslo" in notes(draft, "Due")
    assert "timezone" in [question.key for question in draft.questions]


def test_dates_that_can_be_read_in_two_ways_are_not_read() -> None:
    draft = drafted("tickets.create", ["Body", "Due"], ["a", "03/04/2026"])

    assert list(columns(draft)) == ["Body"]
    assert '"%d/%m/%Y" or "%m/%d/%Y"' in notes(draft, "Due")
    assert 'format: "%d/%m/%Y"' in profile_yaml(draft, "file.csv")


def test_what_is_needed_and_not_there_is_said_with_its_words() -> None:
    draft = drafted("agents.set_attributes", ["Agent"], ["17"])

    assert draft.missing == (("action",), ("attribute_values",))
    text = profile_yaml(draft, "file.csv")
    assert "#   action: …      # upsert, update, delete" in text
    given = drafted(
        "agents.set_attributes",
        ["Agent"],
        ["17"],
        constants={"attribute_values": ["a"]},
        answers={"constant:action": "upsert"},
    )
    assert given.missing == ()
    assert given.document()["constants"] == {"attribute_values": ["a"], "action": "upsert"}


def test_answers_settle_what_was_open() -> None:
    header, row = ["id", "target_id", "Note"], ["1", "2", "same"]
    asked = drafted("tickets.merge", header, row)
    (question,) = [each for each in asked.questions if each.key == "column:Note"]
    assert question.choices == ("target_comment", "source_comment", "-")

    answered = drafted("tickets.merge", header, row, answers={question.key: "source_comment"})
    assert columns(answered)["Note"] == "source_comment"
    left_out = drafted("tickets.merge", header, row, answers={question.key: "-"})
    assert "Note" not in columns(left_out)
    for each in (answered, left_out):
        assert [q.key for q in each.questions] == ["connection"]


def test_every_question_is_settled_by_its_answer() -> None:
    random = Random(7)
    for _ in range(60):
        operation = random.choice(["tickets.create", "users.create", "jobs.create"])
        header = random.sample(["Body", "Due", "Note", "Name", "Prio", "Mail", "Item"], 4)
        rows = [[random.choice(["x", "1.2.2026 10:00", "5", ""]) for _ in header]]
        answers: dict[str, str] = {}
        for _ in range(12):
            draft = drafted(operation, header, *rows, answers=answers)
            if not draft.questions:
                break
            answers[draft.questions[0].key] = (draft.questions[0].choices or ("UTC",))[-1]
        assert draft.questions == ()


def test_odd_texts_stay_what_they_are() -> None:
    random = Random(20_261)
    operations = ["tickets.create", "custom_objects.car.create", "resources.post", "jobs.create"]
    for _ in range(300):
        pieces = [*ODD, "Body", "Subject", "Name", "\x85", "\ufeff", "\u2028", "\U0001f600", "~"]
        header = ["".join(random.choices(pieces, k=2)) for _ in range(4)]
        rows = [[random.choice(pieces) for _ in header] for _ in range(random.randrange(4))]
        draft = drafted(random.choice(operations), header, *rows)
        assert set(columns(draft)) <= set(header)


def test_a_header_without_rows() -> None:
    found = columns(drafted("tickets.create", ["Subject", "Body", "Tags"]))

    assert found["Body"] == {"field": "comment.body", "optional": True}
