"""Error codes: each has a class, each is in the guide, and none is given without being there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobferry.domain import row_verdict
from jobferry.domain.error_codes import ErrorClass, error_class, is_not_found, listed_codes

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"
GUIDE = (ROOT / "docs" / "errors.md").read_text()

_ROW_OF_THE_GUIDE = re.compile(r"^\| `([A-Za-z_0-9]+)` \| `([a-z]+)` \| .+ \| .+ \|$", re.MULTILINE)
_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)+")

_CARRIERS = frozenset(
    {
        "Refused",
        "RecordResult",
        "StopReason",
        "Verdict",
        "failed",
        "refused",
        "row_verdict.when_lost",
    }
)
"""What is made with a code among its arguments."""


def _codes_in(tree: ast.AST) -> Iterator[str]:
    """Words that a module gives as a code.

    They stand in the making of an answer or a result, or in a tuple beside the sentence that
    explains them.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _CARRIERS:
            parts = [*node.args, *(word.value for word in node.keywords if word.arg == "code")]
        elif isinstance(node, ast.Tuple) and any(map(_explains, node.elts)):
            parts = node.elts
        else:
            continue
        words = (part.value for part in parts if isinstance(part, ast.Constant))
        yield from (word for word in words if isinstance(word, str) and _CODE.fullmatch(word))


def _explains(node: ast.expr) -> bool:
    """Whether part of a tuple is a sentence, or the status that a code goes with."""
    if isinstance(node, ast.JoinedStr):
        return any(map(_explains, node.values))
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and " " in node.value
    return ast.unparse(node).startswith("OutcomeStatus.")


CODES_IN_THE_SOURCE = sorted(
    {
        code
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "reporting"
        for code in _codes_in(ast.parse(path.read_text()))
    }
    | {
        code
        for name, code in vars(row_verdict).items()
        if name.isupper() and type(code) is str and _CODE.fullmatch(code)
    }
)


def test_codes_are_found_in_the_source() -> None:
    assert {"submission_lost", "vendor_forbidden", "job_never_ended", "evidence_missing"} <= set(
        CODES_IN_THE_SOURCE
    )


@pytest.mark.parametrize("code", CODES_IN_THE_SOURCE)
def test_every_code_that_is_given_has_a_class(code: str) -> None:
    assert code in listed_codes()


def test_the_guide_has_every_code_once_with_its_class() -> None:
    rows = _ROW_OF_THE_GUIDE.findall(GUIDE)

    assert len(rows) == len(dict(rows))
    assert dict(rows) == {code: kind.value for code, kind in listed_codes().items()}


@pytest.mark.parametrize("kind", ErrorClass)
def test_the_guide_says_what_every_class_means(kind: ErrorClass) -> None:
    assert re.search(rf"^\| `{kind}` \| [A-Z].+\. \| .+\. \|$", GUIDE, re.MULTILINE)


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("RecordInvalid", "Email is taken", ErrorClass.ROW),
        ("TicketUpdateFailed", "Status: closed prevents ticket update", ErrorClass.ROW),
        ("TicketUpdateFailed", "Safe Update prevented the update due to …", ErrorClass.CONFLICT),
        ("SafeUpdateFailed", None, ErrorClass.CONFLICT),
        ("DatabaseDeadlock", None, ErrorClass.CONFLICT),
        ("TooManyRequests", "Too many requests", ErrorClass.THROTTLE),
        ("TooManyRequests", "exceeded the maximum number of resources", ErrorClass.ACCOUNT),
        ("RateLimited", None, ErrorClass.THROTTLE),
        ("conflicting_columns", None, ErrorClass.FILE),
        ("FAILED_TOTAL", "no such storage", ErrorClass.ROW),
        ("ABORTED", None, ErrorClass.STOPPED),
        ("http_400", None, ErrorClass.ROW),
        ("http_403", None, ErrorClass.ACCOUNT),
        ("http_408", None, ErrorClass.VENDOR),
        ("http_409", None, ErrorClass.CONFLICT),
        ("http_413", None, ErrorClass.FILE),
        ("http_429", None, ErrorClass.THROTTLE),
        ("http_503", None, ErrorClass.VENDOR),
        (None, None, ErrorClass.ROW),
    ],
)
def test_an_error_has_the_class_that_says_what_helps(
    code: str | None, text: str | None, kind: ErrorClass
) -> None:
    assert error_class(code, text) is kind


@given(code=st.none() | st.text(), text=st.none() | st.text())
def test_any_error_has_a_class(code: str | None, text: str | None) -> None:
    assert error_class(code, text) in ErrorClass


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("RecordNotFound", None),
        ("notFound", "There is no such thing: Job VX-1"),
        ("NotFound", ""),
        ("ticket_not_found", None),
        ("http_404", None),
        ("TicketDeleteFailed", "Ticket 7 was not found"),
        ("vendor_error", "Resource with id 7 not found"),
        ("failed", "Couldn't find Ticket with id=7"),
        ("failed", "The record does not exist"),
        ("failed", "The record doesn't exist"),
        ("failed", "It has already been deleted"),
    ],
)
def test_what_says_that_there_is_no_such_record(code: str | None, text: str | None) -> None:
    assert is_not_found(code, text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (None, None),
        ("RecordInvalid", "Description: cannot be blank"),
        ("vendor_not_found", "There is no Zendesk at this address"),
        ("vendor_forbidden", "The page was not found"),
        ("failed", "Knot foundation"),
        ("http_403", None),
    ],
)
def test_what_says_something_else(code: str | None, text: str | None) -> None:
    assert not is_not_found(code, text)


@given(code=st.none() | st.text(), text=st.none() | st.text())
def test_any_error_is_found_or_not(code: str | None, text: str | None) -> None:
    assert is_not_found(code, text) in (True, False)
