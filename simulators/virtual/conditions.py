"""DynamoDB condition expressions, evaluated on plain items.

The part of the grammar that the store uses, with DynamoDB's precedence (comparisons, then NOT,
AND, OR) and its treatment of what is not there: a comparison with a missing attribute, or with
one of another type, is false, but for `<>`, which holds.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from virtual.requests import reserved_words

_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),]|[#:]?[A-Za-z_][A-Za-z0-9_]*)")
_KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "BETWEEN"})
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_MISSING = object()

_Side = Mapping[str, Any]
_Operand = Callable[[_Side, _Side, _Side], Any]
"""(item, names, values) → what an operand stands for."""
_Verdict = Callable[[_Side, _Side, _Side], bool]


class BadExpressionError(Exception):
    """DynamoDB would answer with a ValidationException."""


class _Condition(NamedTuple):
    """A condition that was read once; the same few are judged over and over.

    Attributes:
        names, values: the placeholders that it uses
    """

    verdict: _Verdict
    names: frozenset[str]
    values: frozenset[str]


def holds(
    expression: str,
    item: Mapping[str, Any],
    names: Mapping[str, str],
    values: Mapping[str, Any],
) -> bool:
    """Whether the condition holds for the item (empty when there is none).

    Raises:
        BadExpressionError: it does not parse, uses a reserved word, or leaves a placeholder unused
            or undefined.
    """
    condition = _read(expression)
    if condition.names != names.keys() or condition.values != values.keys():
        used, given = condition.names | condition.values, names.keys() | values.keys()
        undefined = sorted(used - given)
        if undefined:
            raise BadExpressionError(f"{undefined[0]} is not defined")
        raise BadExpressionError(f"placeholders unused in expressions: {sorted(given - used)}")
    return condition.verdict(item, names, values)


@lru_cache(maxsize=1_000)
def _read(expression: str) -> _Condition:
    reading = _Reading(_tokens(expression))
    verdict = reading.any_of()
    if reading.tokens:
        raise BadExpressionError(f"unexpected {reading.tokens[0]!r}")
    names = frozenset(token for token in reading.used if token.startswith("#"))
    return _Condition(verdict, names, frozenset(reading.used - names))


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    while at < len(expression.rstrip()):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise BadExpressionError(f"cannot read {expression[at:]!r}")
        tokens.append(match.group(1))
        at = match.end()
    return tokens


class _Reading:
    """Reads from left to right, and makes of every part a function that judges an item."""

    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.used: set[str] = set()
        # What stood in the last pair of parentheses, all of it.
        self._in_parentheses: _Verdict | None = None

    def any_of(self) -> _Verdict:
        parts = [self._all_of()]
        while self._skip("OR"):
            parts.append(self._all_of())
        if len(parts) == 1:
            return parts[0]
        return lambda item, names, values: any(part(item, names, values) for part in parts)

    def _all_of(self) -> _Verdict:
        parts = [self._negated()]
        while self._skip("AND"):
            parts.append(self._negated())
        if len(parts) == 1:
            return parts[0]
        return lambda item, names, values: all(part(item, names, values) for part in parts)

    def _negated(self) -> _Verdict:
        if self._skip("NOT"):
            inner = self._negated()
            return lambda item, names, values: not inner(item, names, values)
        if self._skip("("):
            verdict = self.any_of()
            self._expect(")")
            if verdict is self._in_parentheses:
                raise BadExpressionError("the expression has redundant parentheses")
            self._in_parentheses = verdict
            return verdict
        if len(self.tokens) > 1 and self.tokens[1] == "(":
            return self._function()
        return self._comparison()

    def _function(self) -> _Verdict:
        name = self.tokens.pop(0)
        self._expect("(")
        left = self._operand()
        right = self._operand() if self._skip(",") else _missing
        self._expect(")")
        match name:
            case "attribute_exists":
                return lambda item, names, values: left(item, names, values) is not _MISSING
            case "attribute_not_exists":
                return lambda item, names, values: left(item, names, values) is _MISSING
            case "contains":
                return _joined(_contains, left, right)
            case "begins_with":
                return _joined(_begins_with, left, right)
        raise BadExpressionError(f"unknown function {name}")

    def _comparison(self) -> _Verdict:
        left = self._operand()
        word = self.tokens.pop(0) if self.tokens else ""
        if word.upper() == "IN":
            return self._membership(left)
        if word.upper() == "BETWEEN":
            low = self._operand()
            self._expect("AND")
            at_least, at_most = _compared(">="), _compared("<=")
            above, below = _joined(at_least, left, low), _joined(at_most, left, self._operand())
            return lambda item, names, values: (
                above(item, names, values) and below(item, names, values)
            )
        if word not in _COMPARISONS:
            raise BadExpressionError(f"unexpected {word!r}")
        return _joined(_compared(word), left, self._operand())

    def _membership(self, left: _Operand) -> _Verdict:
        self._expect("(")
        members = [self._operand()]
        while self._skip(","):
            members.append(self._operand())
        self._expect(")")
        equal = [_joined(_compared("="), left, member) for member in members]
        return lambda item, names, values: any(one(item, names, values) for one in equal)

    def _operand(self) -> _Operand:
        if not self.tokens:
            raise BadExpressionError("the expression ends too early")
        token = self.tokens.pop(0)
        if token.startswith(":"):
            self.used.add(token)
            return lambda _item, _names, values: values[token]
        if token.startswith("#"):
            self.used.add(token)
            return lambda item, names, _values: item.get(names[token], _MISSING)
        if token.upper() in reserved_words() or token.upper() in _KEYWORDS:
            raise BadExpressionError(f"{token} is a reserved word")
        return lambda item, _names, _values: item.get(token, _MISSING)

    def _skip(self, word: str) -> bool:
        if self.tokens and self.tokens[0].upper() == word:
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise BadExpressionError(f"{word} expected before {self.tokens[:1]}")


def _missing(_item: _Side, _names: _Side, _values: _Side) -> Any:
    return _MISSING


def _joined(judge: Callable[[Any, Any], bool], left: _Operand, right: _Operand) -> _Verdict:
    return lambda item, names, values: judge(left(item, names, values), right(item, names, values))


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return isinstance(whole, set | list) and part in whole


def _begins_with(whole: Any, beginning: Any) -> bool:
    return isinstance(whole, str) and whole.startswith(str(beginning))


def _compared(word: str) -> Callable[[Any, Any], bool]:
    """A comparison; where a side is missing, or has another type, the two are only not equal."""
    compare = _COMPARISONS[word]

    def judge(left: Any, right: Any) -> bool:
        missing = left is _MISSING or right is _MISSING
        return word == "<>" if missing or not _alike(left, right) else compare(left, right)

    return judge


def _alike(left: object, right: object) -> bool:
    """Whether two values have the same DynamoDB type, as far as they can be compared."""
    return _kind(left) is _kind(right)


def _kind(value: object) -> object:
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, int | float) else type(value)
