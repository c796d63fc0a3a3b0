"""What is said of a vendor's document: each problem by its place, all of them at once."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain.types import JsonObject
from jobferry.vendors.declarative.adapter import vendor_from
from jobferry.vendors.declarative.validation import MOST_BYTES, DocumentError, validate
from tests.contract.documents.bench import DOCUMENT

SHELF: JsonObject = yaml.safe_load(DOCUMENT.read_text())
SUNSHINE: JsonObject = yaml.safe_load(
    (Path(__file__).parents[2] / "contract" / "declared_sunshine" / "sunshine.yaml").read_text()
)


def changed(path: str, value: Any, of: JsonObject = SHELF) -> JsonObject:
    """A document with one value changed; None takes it away."""
    document = deepcopy(of)
    *parents, last = path.split("/")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
    if value is None:
        place.pop(last, None)
    else:
        place[last] = value
    return document


def problems(document: Any) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        validate(document)
    return caught.value.problems


@pytest.mark.parametrize("document", [SHELF, SUNSHINE], ids=["shelf", "sunshine"])
def test_a_canonical_document_says_the_same(document: JsonObject) -> None:
    canonical = validate(document)

    assert validate(canonical) == canonical
    assert vendor_from(canonical).operations == vendor_from(document).operations


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("name", None, "name: is missing."),
        ("name", "my shelf", "name: must be up to 48 letters, digits, - and _, beginning with"),
        ("title", 7, "title: must be a text; put it in quotes."),
        ("base_path", "v1", "base_path: must begin with /."),
        ("credentials", ["password_file"], "credentials: may be email_token, bearer, password or"),
        ("credentials", [], "credentials: must not be empty."),
        ("credentials", [{"header": {"name": "Host"}}], "header that can hold a key"),
        (
            "credentials",
            [{"header": {"name": "X-A"}}, {"header": {"name": "X-B"}}],
            "credentials: may name one header.",
        ),
        ("test", None, "test: is missing."),
        ("test", "x", "test: must be a mapping."),
        ("test/path", "/a b", "test.path: must be a path as it is sent, without blanks and #."),
        ("submit/job_id", "import.", "submit.job_id: is no JMESPath expression: 'import.'."),
        ("submit/metod", "PUT", "submit: unknown key 'metod', did you mean 'method'?"),
        ("opertions", {}, "the document: unknown key 'opertions', did you mean 'operations'?"),
        ("shelves", {}, "the document: unknown key 'shelves'."),
        ("poll/list", {"path": "/i", "job": "x"}, "poll.list: unknown key 'job', did you mean"),
        ("operations/books.add/bdy", {}, "operations.books.add: unknown key 'bdy', did you mean"),
        ("operations", {}, "operations: must not be empty."),
        ("operations/books.add/repeatable", None, "operations.books.add.repeatable: is missing."),
        ("operations/books.add/repeatable", 1, "operations.books.add.repeatable: must be true or"),
        ("operations/books.add/body", None, "operations.books.add.body: is missing, here and in"),
        ("operations/books.add/body", {}, "operations.books.add.body: must hold '$records' or"),
        (
            "operations/books.add/body",
            {"book": "$record"},
            "operations.books.add.max_records: must be 1, as the body holds '$record'.",
        ),
        ("operations/books.add/types", {"pages": "page"}, "operations.books.add.types.pages: must"),
        ("operations/books.add/undone_by", "x", "operations.books.add.undone_by: there is no"),
        ("submit/method", "GET", "submit.method: must be one of POST, PUT, PATCH, DELETE."),
        ("operations/books.add/required", [1], "operations.books.add.required.0: must be a"),
        ("poll/path", "/imports", "poll.path: must hold {id}, for one job a request, or {ids}"),
        ("poll/path", "/imports/{id}", "poll.batch: must be left out where a request reads one"),
        ("poll/id", None, "poll.id: is missing: many jobs are distinguished by their ids."),
        ("poll/ended", "done", "poll.ended: must be a list."),
        ("results/failed", None, "results.failed: is missing."),
        ("results/path", "/x", "results.path: must hold {id}."),
        ("results/next", "next", "results.next: is for results that stand apart from the job"),
        ("errors/slots", "(", "errors.slots: is no regular expression"),
        ("limits/max_jobs", 0, "limits.max_jobs: must be 1 or more."),
        ("limits/max_jobs", True, "limits.max_jobs: must be a whole number."),
        ("limits/max_jobs", "20", "limits.max_jobs: must be a whole number."),
        ("search", {"complete": True}, "search.path: is missing, and there is no poll.list"),
        (
            "search",
            {"path": "/i?ref={token}", "jobs": "imports"},
            "search.token: is missing: it proves that the vendor has searched by the token.",
        ),
        (
            "search",
            {"path": "/i", "jobs": "imports", "token": "ref"},
            "operations.books.add.body: must hold '$token', or its path {token}, for",
        ),
        (
            "search",
            {"path": "/i", "jobs": "imports", "read_back": {"path": "/b", "same": ["isbn"]}},
            "search.read_back.path: must hold {id}.",
        ),
        (
            "operations/books.add/read_back",
            {"path": "/b/{id}", "same": ["isbn"]},
            "search: is missing: read_back is for a search.",
        ),
    ],
)
def test_a_problem_is_named_with_its_place(path: str, value: Any, problem: str) -> None:
    assert problem in "\n".join(problems(changed(path, value)))


def test_results_stand_in_one_place() -> None:
    document = changed("results/url", "links.lines", changed("results/path", "/imports/{id}/lines"))

    assert problems(document) == [
        "results.url: must be left out where results.path says where the results are."
    ]


def test_all_problems_are_named_at_once() -> None:
    document = changed("opertions", {}, changed("poll/batch", 0, changed("title", None)))

    assert len(problems(document)) == 3
    named = {line.split(":")[0] for line in problems({})}
    assert {"name", "title", "credentials", "test", "submit", "operations", "poll"} <= named
    assert all(line.endswith((".", "?")) for line in problems({}))
    assert len(problems({})) == len(set(problems({})))


@pytest.mark.parametrize("value", [None, [], "shelf", 7])
def test_what_is_no_mapping_is_no_vendor(value: Any) -> None:
    assert problems(value) == ["A vendor is a mapping with name, title, operations and more."]


def test_a_document_must_fit_the_table() -> None:
    document = changed("title", "x" * MOST_BYTES)

    assert problems(document) == ["the document: has more than 100,000 bytes."]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def paths(value: Any, start: str = "") -> list[str]:
    """Every place of a document."""
    below = value if isinstance(value, dict) else {}
    return [path for key in below for path in (start + key, *paths(below[key], f"{start}{key}/"))]


@pytest.mark.parametrize("of", [SHELF, SUNSHINE], ids=["shelf", "sunshine"])
@given(data=st.data(), value=_JSON)
def test_whatever_stands_in_a_document_it_is_a_vendor_or_a_problem(
    of: JsonObject, data: st.DataObject, value: Any
) -> None:
    path = data.draw(st.sampled_from(paths(of)))
    with suppress(DocumentError):
        assert vendor_from(validate(changed(path, value, of))).operations


@given(
    st.sampled_from(["required", "types", "match_on", "fields", "record", "method", "path"]), _JSON
)
def test_so_with_what_an_operation_may_say(key: str, value: Any) -> None:
    with suppress(DocumentError):
        assert vendor_from(validate(changed(f"operations/books.add/{key}", value))).operations
