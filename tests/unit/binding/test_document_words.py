"""No sentence of the library that reads documents reaches a person, and slips are recognised."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from jobferry.binding import profile_document
from jobferry.binding.profile_fit import ProfileError
from jobferry.domain.document_words import Problem, did_you_mean, in_words
from jobferry.vendors.declarative import validation
from jobferry.vendors.declarative.validation import DocumentError
from tests.contract.documents.bench import DOCUMENT

THEIRS = (
    "Input should",
    "Value error",
    "Field required",
    "Extra inputs",
    "should match pattern",
    "should have at",
    "Unable to",
    "valid ",
    "instance of",
    "[key]",
    "_Breaker",
    "_Column",
    "literal[",
    "function-",
)
"""Phrases of pydantic's, and its names for the forms of a value."""

PROFILE = {
    "name": "p",
    "connection": "acme",
    "operation": "things.create",
    "columns": {"A": {"field": "a"}, "B": [{"field": "b"}], "C": "c"},
    "constants": {"x": 1},
    "row_key": "A",
    "batch_size": 3,
    "max_attempts": 3,
    "on_error": {"row": "stop"},
    "breaker": {"share": 0.5, "at_least": 3},
    "encoding": "utf-8",
    "delimiter": ";",
    "null_values": ["x"],
    "max_rejected": 0.5,
}
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 10**30, float("nan"), float("inf"), "", "zz", "a b" * 30, [],
    [1], [[1]], {}, {"zz": 1}, {1: 2}, b"x", "\ud800", {"field": 3}, {"field": "x", "type": "zz"},
    [{"field": ""}], {"name": "a b"}, [{"header": {"name": "Host"}}],
)  # fmt: skip


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, and one for a key that is not there, beside each."""
    if isinstance(document, Mapping):
        yield (*path, "no_such_key")
        yield (*path, 7)
    entries: Any = ()
    if isinstance(document, Mapping):
        entries = document.items()
    elif isinstance(document, list):
        entries = enumerate(document)
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(document)
    at = made
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return made


def with_every_setting(model: type[BaseModel], document: dict[str, Any]) -> dict[str, Any]:
    """The document with each setting that it lacks, so that each place is tried."""
    names = (field.alias or name for name, field in model.model_fields.items())
    return {**dict.fromkeys(names), **document}


@pytest.mark.parametrize(
    ("document", "model", "validate", "refusal"),
    [
        (
            with_every_setting(
                profile_document._Profile,
                changed(
                    PROFILE,
                    ("columns", "A"),
                    with_every_setting(profile_document._Column, {"field": "a"}),
                ),
            ),
            profile_document._Profile,
            profile_document.validate,
            ProfileError,
        ),
        (
            yaml.safe_load(DOCUMENT.read_text()),
            validation._Vendor,
            validation.validate,
            DocumentError,
        ),
    ],
    ids=["profile", "vendor"],
)
def test_no_wrong_document_is_answered_in_the_librarys_words(
    document: dict[str, Any],
    model: type[BaseModel],
    validate: Callable[[Any], Any],
    refusal: type[ProfileError | DocumentError],
) -> None:
    tried = set()
    for path in places(document):
        for value in WRONG:
            wrong = changed(document, path, value)
            try:
                model.model_validate(wrong)
                theirs = []
            except ValidationError as error:
                theirs = error.errors()
            try:
                validate(wrong)
            except refusal as refused:
                said = refused.problems
            else:
                said = []
            assert bool(theirs) <= bool(said)
            tried |= {each["type"] for each in theirs}
            for sentence in said:
                assert isinstance(sentence, Problem)
                assert not any(phrase in sentence for phrase in THEIRS), sentence
                assert sentence.endswith((".", "?"))
                assert not sentence.endswith(("..", "?."))
    assert len(tried) >= 10, tried


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda error: error["type"])
def test_every_fault_that_the_library_knows_has_words_of_ours(error: Any) -> None:
    said = in_words(error["type"], error.get("example_context") or {}, 3)
    assert said
    assert error["example_message_python"] not in said
    assert not any(phrase in said for phrase in THEIRS)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"breaker": 3}, "breaker: must be off, or a mapping with share and at_least."),
        ({"breaker": {"at_leest": 3}}, "breaker.at_leest: there is no such setting; did you mean"),
        ({"name": "a b"}, "name: must be up to 48 letters, digits, - and _, beginning with"),
        ({"encoding": "utf-9"}, "encoding: is no text encoding that Python knows"),
        ({"on_error": {"rows": "stop"}}, "on_error: 'rows' must be one of row, "),
        ({"on_error": {"rows": "stop"}}, "did you mean 'row'?"),
        ({"on_error": {"row": "halt"}}, "on_error.row: must be one of retry, fail, stop."),
        ({"max_attempts": False}, "YAML reads yes, no, on and off as true and false."),
        ({"max_attempts": 0}, "max_attempts: must be 1 or more."),
        ({"max_attempts": "x"}, "max_attempts: must be a whole number."),
        ({"batch_size": 1.5}, "batch_size: must be a whole number."),
        ({"Batch-Size": 1}, "did you mean 'batch_size'?"),
        ({"colums": {}}, "colums: there is no such setting; did you mean 'columns'?"),
        ({"columns": {"A": {"feild": "a"}}}, "did you mean 'field'?"),
        ({"columns": {"A": {"field": "a", "type": "integr"}}}, "did you mean 'integer'?"),
        ({"columns": {"A": 2}}, "columns.A: must be the path of a field, or a mapping"),
        ({"columns": {"A": [{"field": 2}]}}, "columns.A.0.field: must be a text; put it in quotes"),
        ({"columns": {1: "a"}}, "columns: '1' must be a text; put it in quotes."),
        ({"delimiter": ";;"}, "delimiter: must be one character."),
        ({"constants": {"x": {1, 2}}, "name": None}, "name: must be a text."),
    ],
)
def test_a_slip_is_named_with_what_was_meant(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ProfileError) as refused:
        profile_document.validate({**PROFILE, **changes})
    assert problem in "\n".join(refused.value.problems)


def test_a_profile_that_holds_itself_is_refused() -> None:
    constants: dict[str, Any] = {}
    constants["x"] = constants
    with pytest.raises(ProfileError, match="holds itself"):
        profile_document.validate({**PROFILE, "constants": constants})


def test_what_is_like_nothing_is_not_guessed() -> None:
    assert did_you_mean("zzzz", ["name", "columns"]) == ""
