"""Profiles: what people write, made canonical, or every problem said at once."""

from __future__ import annotations

from typing import Any

import pytest

from jobferry.binding.profile_document import validate
from jobferry.binding.profile_fit import ProfileError, check_against
from jobferry.domain.profile import Breaker, Column, ColumnType, Empty, OnDuplicate, Profile
from virtual.clock import Clock
from virtual.vendor import Account, fake_vendor

SMALLEST = {"name": "p", "connection": "acme", "operation": "things.create"}
FULL = {
    **SMALLEST,
    "columns": {
        "Name": "name",
        "Level": {"field": "custom.level", "type": "integer", "enum": [1, 2], "optional": True},
        "Tags": {"field": "tags", "type": "list", "separator": "|"},
        "Due": [
            {
                "field": "due",
                "type": "datetime",
                "format": "%d.%m.%Y",
                "timezone": "Europe/Oslo",
                "empty": "clear",
                "trim": True,
            },
            {"field": "note", "values": {1: "high"}},
        ],
        "Sum": {"field": "sum", "type": "number", "decimal": ","},
    },
    "constants": {"brand_id": 360000123},
    "row_key": "Name",
    "batch_size": 50,
    "max_attempts": 5,
    "breaker": {"share": 0.25},
    "encoding": "cp1252",
    "delimiter": ";",
    "trim": True,
    "null_values": ["NULL", 0],
    "on_duplicate": "last",
    "order": "file",
    "max_rejected": 0.5,
    "ramp": "off",
    "row_items": "all",
}


def profile(**changes: Any) -> Profile:
    return Profile.from_document(validate({**SMALLEST, **changes}), 1)


def test_what_is_left_out_has_a_default() -> None:
    assert profile() == Profile(name="p", connection="acme", operation="things.create", revision=1)


def test_all_of_it() -> None:
    assert Profile.from_document(validate(FULL), 7) == Profile(
        name="p",
        connection="acme",
        operation="things.create",
        columns={
            "Name": Column("name"),
            "Level": Column("custom.level", ColumnType.INTEGER, True, ("1", "2")),
            "Tags": Column("tags", ColumnType.LIST, separator="|"),
            "Due": (
                Column(
                    "due",
                    ColumnType.DATETIME,
                    format="%d.%m.%Y",
                    timezone="Europe/Oslo",
                    empty=Empty.CLEAR,
                    trim=True,
                ),
                Column("note", values={"1": "high"}),
            ),
            "Sum": Column("sum", ColumnType.NUMBER, decimal=","),
        },
        constants={"brand_id": 360000123},
        row_key="Name",
        batch_size=50,
        max_attempts=5,
        breaker=Breaker(share=0.25, at_least=200),
        encoding="cp1252",
        delimiter=";",
        trim=True,
        null_values=("NULL", "0"),
        on_duplicate=OnDuplicate.LAST,
        order="file",
        max_rejected=0.5,
        ramp=False,
        row_items="all",
        revision=7,
    )


def test_a_canonical_document_stays_as_it_is() -> None:
    once = validate(FULL)
    assert validate(once) == once


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "with space"}, "name"),
        ({"name": "../up"}, "name"),
        ({"name": "x" * 49}, "name"),
        ({"connection": ""}, "connection"),
        ({"operation": None}, "operation"),
        ({"colums": {}}, "colums: there is no such setting"),
        ({"columns": {"A": {"type": "string"}}}, "columns.A.field: is missing"),
        ({"columns": {"A": {"field": "a", "type": "money"}}}, "columns.A.type"),
        ({"columns": {"A": ""}}, "columns.A.field"),
        ({"columns": {"A": "a"}, "row_key": "B"}, "row_key 'B' is not one of the columns"),
        ({"batch_size": 0}, "batch_size"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"breaker": "on"}, "breaker"),
        ({"breaker": True}, "breaker"),
        ({"breaker": {"share": 1}}, "breaker.share"),
        ({"breaker": {"share": -0.1}}, "breaker.share"),
        ({"breaker": {"at_least": 0}}, "breaker.at_least"),
        ({"breaker": {"atleast": 9}}, "breaker.atleast: there is no such setting"),
        ({"encoding": "latin-99"}, "encoding"),
        ({"encoding": "base64"}, "encoding"),
        ({"columns": {"A": []}}, "columns.A"),
        ({"columns": {"A": ["a", {"field": ""}]}}, "columns.A.1.field"),
        ({"columns": {"A": {"field": "a", "format": "%d.%m.%Y"}}}, "date and datetime"),
        ({"columns": {"A": {"field": "a", "timezone": "Europe/Oslo"}}}, "datetime"),
        (
            {"columns": {"A": {"field": "a", "type": "datetime", "timezone": "Mars"}}},
            "columns.A.timezone",
        ),
        ({"columns": {"A": {"field": "a", "decimal": ","}}}, "number"),
        ({"columns": {"A": {"field": "a", "empty": "null"}}}, "columns.A.empty"),
        ({"on_duplicate": "newest"}, "on_duplicate"),
        ({"order": "column"}, "order"),
        ({"max_rejected": 0}, "max_rejected"),
        ({"max_rejected": 1.5}, "max_rejected"),
        ({"ramp": "slow"}, "ramp"),
        ({"row_items": "none"}, "row_items"),
        ({"delimiter": ";;"}, "delimiter"),
    ],
)
def test_a_problem_names_its_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ProfileError) as caught:
        validate({**SMALLEST, **changes})
    (problem,) = caught.value.problems
    assert place in problem


@pytest.mark.parametrize("off", ["off", False, None])
def test_the_breaker_can_be_switched_off(off: object) -> None:
    assert profile(breaker=off).breaker is None
    assert validate(validate({**SMALLEST, "breaker": off}))["breaker"] is None


def test_a_profile_from_before_there_were_breakers_has_the_usual_one() -> None:
    document = validate(SMALLEST)
    del document["breaker"]
    assert Profile.from_document(document, 1).breaker == Breaker()


def test_every_problem_is_said() -> None:
    with pytest.raises(ProfileError) as caught:
        validate({"connection": "-", "batch_size": -1})
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize("document", [None, "text", [SMALLEST], 7])
def test_what_is_no_mapping_is_no_profile(document: Any) -> None:
    with pytest.raises(ProfileError, match="mapping"):
        validate(document)


class TestAgainstTheVendor:
    VENDOR = fake_vendor(Account(Clock()))

    @pytest.mark.parametrize(
        "changes",
        [{}, {"columns": {"N": "name"}}, {"columns": {"R": "ref"}, "constants": {"name": "n"}}],
    )
    def test_a_profile_that_works(self, changes: dict[str, Any]) -> None:
        assert check_against(profile(**changes), self.VENDOR).name == "things.create"

    def test_a_field_that_is_needed(self) -> None:
        with pytest.raises(ProfileError, match="needs the field name"):
            check_against(profile(columns={"R": "ref"}), self.VENDOR)

    def test_an_operation_that_is_not_there(self) -> None:
        with pytest.raises(ProfileError, match=r"Fake has no operation .*things\.upsert"):
            check_against(profile(operation="things.dance"), self.VENDOR)


@pytest.mark.parametrize(
    ("changes", "header", "fields"),
    [
        ({"columns": {"A": "subject", "B": "comment.body"}}, ["x"], {"subject", "comment"}),
        ({"columns": None}, ["id", "custom_fields[36]"], {"id", "custom_fields"}),
        ({"columns": None, "constants": {"comment.public": False}}, [], {"comment"}),
    ],
)
def test_a_profile_knows_which_fields_it_fills(
    changes: dict[str, Any], header: list[str], fields: set[str]
) -> None:
    assert profile(**changes).fills(header) == fields
