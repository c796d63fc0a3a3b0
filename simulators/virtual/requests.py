"""What DynamoDB would say of a request before it looks at any item.

`check_request` holds the wire form of a request against botocore's model of the service (names and
types of parameters) and its expressions against the rules of the language: no reserved word stands
by itself, every placeholder is defined and used, no two parts of an update name the same path.

`TableRequests` does so for the calls of a `Table`: the real one makes the requests, once for each
shape of a call.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import botocore.session
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from jobferry.store.operations import Delete, Operation, Put, Update
from jobferry.store.table import Table

EXPRESSION_BYTES = 4096
PLACEHOLDER_BYTES = 255

EXPRESSIONS = (
    "UpdateExpression",
    "ConditionExpression",
    "KeyConditionExpression",
    "FilterExpression",
    "ProjectionExpression",
)
_CLAUSES = ("SET", "ADD", "DELETE", "REMOVE")
_KEYWORDS = frozenset({*_CLAUSES, "AND", "OR", "NOT", "IN", "BETWEEN"})
_SIGNS = frozenset({"=", "<", ">", "<=", ">=", "<>", "(", ")", ",", ".", "+", "-", "[", "]"})
_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),.+\-\[\]]|[#:]?[A-Za-z0-9_]+)")
_PLACEHOLDER = re.compile(r"[#:][A-Za-z0-9_]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@cache
def reserved_words() -> frozenset[str]:
    """DynamoDB's reserved words in capitals, as moto lists them.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
    """
    spec = find_spec("moto")
    assert spec is not None
    assert spec.origin is not None
    listed = Path(spec.origin).parent / "dynamodb/parsing/reserved_keywords.txt"
    return frozenset(listed.read_text(encoding="utf-8").upper().split())


def problems(request: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the expressions of one request."""
    names: Mapping[str, str] = request.get("ExpressionAttributeNames", {})
    values: Mapping[str, Any] = request.get("ExpressionAttributeValues", {})
    expressions = [request[kind] for kind in EXPRESSIONS if kind in request]
    used: set[str] = set()
    for expression in expressions:
        found = list(_tokens(expression))
        if not found:
            yield "an expression is empty"
        if len(expression.encode()) > EXPRESSION_BYTES:
            yield f"an expression of more than {EXPRESSION_BYTES} bytes"
        yield from _words(found)
        used |= {token for token in found if token[0] in "#:"}
    defined = {*names, *values}
    for placeholder in sorted(defined):
        if not _PLACEHOLDER.fullmatch(placeholder) or len(placeholder) > PLACEHOLDER_BYTES:
            yield f"{placeholder} is no placeholder"
    for placeholder in sorted(used - defined):
        yield f"{placeholder} is not defined"
    for placeholder in sorted(defined - used):
        yield f"{placeholder} is not used"
    yield from _overlaps(request.get("UpdateExpression", ""), names)


def _overlaps(update: str, names: Mapping[str, str]) -> Iterator[str]:
    """Paths of which one update changes a part twice."""
    paths = [tuple(names.get(part, part) for part in path) for path in _paths(update)]
    for path, other in combinations(paths, 2):
        if path[: len(other)] == other[: len(path)]:
            yield f"two document paths overlap at {'.'.join(min(path, other))}"


def _tokens(expression: str) -> Iterator[str]:
    at, end = 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None:
            yield expression[at:]
            return
        yield match.group(1)
        at = match.end()


def _words(tokens: Sequence[str]) -> Iterator[str]:
    """What stands there by itself and may not."""
    around = zip(["", *tokens[:-1]], tokens, [*tokens[1:], ""], strict=True)
    for before, token, following in around:
        if token[0] in "#:" or token in _SIGNS or token.upper() in _KEYWORDS:
            continue
        if token.isdigit() and before == "[":
            continue
        if not _WORD.fullmatch(token):
            yield f"{token!r} is no part of an expression"
        elif following != "(" and token.upper() in reserved_words():
            yield f"{token} is a reserved word"


def _paths(update: str) -> Iterator[tuple[str, ...]]:
    """The attributes that an update expression changes, as it calls them, part by part."""
    depth = 0
    path: list[str] | None = None
    for token in [*_tokens(update), ","]:
        depth += (token == "(") - (token == ")")
        starts = depth == 0 and (token in _CLAUSES or token == ",")
        if path and (starts or token == "=" or token[0] == ":"):
            yield tuple(path)
            path = None
        if starts:
            path = []
        elif path is not None and token not in _SIGNS:
            path.append(token)


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("dynamodb")


def check_request(operation: str, request: Mapping[str, Any]) -> None:
    """Refuse what the SDK or DynamoDB would refuse.

    Args:
        operation: as the API calls it, `UpdateItem`.

    Raises:
        ParamValidationError: a parameter has a name or a type that the service does not know.
        ClientError: `ValidationException`; an expression is wrong.
    """
    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(dict(request), shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())
    parts = [part for item in request.get("TransactItems", ()) for part in item.values()]
    for part in [request, *parts]:
        for problem in problems(part):
            raise ClientError(
                {"Error": {"Code": "ValidationException", "Message": problem}}, operation
            )


class _CheckingClient:
    """A client of DynamoDB that checks what it is asked, and finds nothing."""

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        operation = "".join(part.title() for part in method.split("_"))

        def call(**request: Any) -> dict[str, Any]:
            check_request(operation, request)
            return {"Items": [], "Responses": {}}

        return call


class TableRequests:
    """Checks the requests that a real table would make."""

    def __init__(self) -> None:
        self._table = Table(cast("Any", _CheckingClient()), "table")
        self.shapes: set[Hashable] = set()
        """Shapes of calls that are known to be right."""

    def write(self, operation: Operation) -> None:
        shape = ("write", _shape(operation))
        if shape not in self.shapes:
            self._try(lambda: self._table.write(operation))
            self.shapes.add(shape)

    def transact(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            shape = ("transact", _shape(operation))
            if shape not in self.shapes:
                single = [operation]
                self._try(lambda single=single: self._table.transact(single))  # type: ignore[misc]
                self.shapes.add(shape)

    def query(self, pk: str, **asked: Any) -> None:
        shape = ("query", *((name, value is None) for name, value in asked.items()))
        if shape not in self.shapes:
            self._try(lambda: list(self._table.query(pk, **asked)))
            self.shapes.add(shape)

    @staticmethod
    def _try(call: Callable[[], object]) -> None:
        try:
            call()
        except TypeError:
            # A value that cannot be sent at all, which the table in memory refuses by itself.
            return


def _shape(operation: Operation) -> Hashable:
    """All that the expressions of a request are made of; values and keys are left out."""
    match operation:
        case Put(item, condition, names, values):
            kinds = tuple(type(value) for value in item.values())
            return Put, tuple(item), kinds, condition, tuple(names.items()), tuple(values)
        case Delete():
            return Delete
        case Update():
            return (
                Update,
                tuple(operation.assign),
                tuple(operation.assign_once),
                tuple(operation.add),
                tuple(operation.take),
                tuple(operation.remove),
                operation.condition,
                tuple(operation.names.items()),
                tuple(operation.values),
            )
