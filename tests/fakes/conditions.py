"""DynamoDB condition expressions, evaluated on plain items.

The part of the grammar that the ledger uses, with DynamoDB's precedence (comparisons, then NOT,
AND, OR) and its treatment of what is not there: a comparison with a missing attribute, or with
one of another type, is false.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

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

_RESERVED_WORDS = """
    close connection count counter cursor data date end error exists hash index item items key keys
    language limit list lock map name number object order owner partition plan position range
    read role row rows size source start state status time timestamp to token total type update
    user value values view when where write
"""
RESERVED = frozenset(_RESERVED_WORDS.split())
"""Of DynamoDB's reserved words those that an attribute of ours might be called: they may only be
used through a `#placeholder`."""

_MISSING = object()


class BadExpressionError(Exception):
    """DynamoDB would answer with a ValidationException."""


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
    reading = _Reading(_tokens(expression), item, names, values)
    verdict = reading.any_of()
    if reading.tokens:
        raise BadExpressionError(f"unexpected {reading.tokens[0]!r}")
    unused = (set(names) | set(values)) - reading.used
    if unused:
        raise BadExpressionError(f"placeholders unused in expressions: {sorted(unused)}")
    return verdict


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
    """Reads and evaluates from left to right; both sides of AND and OR are always read."""

    def __init__(
        self,
        tokens: list[str],
        item: Mapping[str, Any],
        names: Mapping[str, str],
        values: Mapping[str, Any],
    ) -> None:
        self.tokens = tokens
        self.used: set[str] = set()
        self._item = item
        self._names = names
        self._values = values

    def any_of(self) -> bool:
        verdict = self._all_of()
        while self._skip("OR"):
            other = self._all_of()
            verdict = verdict or other
        return verdict

    def _all_of(self) -> bool:
        verdict = self._negated()
        while self._skip("AND"):
            other = self._negated()
            verdict = verdict and other
        return verdict

    def _negated(self) -> bool:
        if self._skip("NOT"):
            return not self._negated()
        if self._skip("("):
            verdict = self.any_of()
            self._expect(")")
            return verdict
        if len(self.tokens) > 1 and self.tokens[1] == "(":
            return self._function()
        return self._comparison()

    def _function(self) -> bool:
        name = self.tokens.pop(0)
        self._expect("(")
        left = self._operand()
        right = self._operand() if self._skip(",") else _MISSING
        self._expect(")")
        match name:
            case "attribute_exists":
                return left is not _MISSING
            case "attribute_not_exists":
                return left is _MISSING
            case "contains":
                return isinstance(left, set | list | str) and right in left
            case "begins_with":
                return isinstance(left, str) and left.startswith(str(right))
        raise BadExpressionError(f"unknown function {name}")

    def _comparison(self) -> bool:
        left = self._operand()
        word = self.tokens.pop(0) if self.tokens else ""
        if word.upper() == "IN":
            self._expect("(")
            members = [self._operand()]
            while self._skip(","):
                members.append(self._operand())
            self._expect(")")
            return left is not _MISSING and any(_alike(left, m) and left == m for m in members)
        if word.upper() == "BETWEEN":
            low = self._operand()
            self._expect("AND")
            high = self._operand()
            return _alike(left, low) and _alike(left, high) and low <= left <= high
        if word not in _COMPARISONS:
            raise BadExpressionError(f"unexpected {word!r}")
        right = self._operand()
        if _MISSING in (left, right):
            return False
        if not _alike(left, right):
            return word == "<>"
        return _COMPARISONS[word](left, right)

    def _operand(self) -> Any:
        if not self.tokens:
            raise BadExpressionError("the expression ends too early")
        token = self.tokens.pop(0)
        try:
            if token.startswith(":"):
                self.used.add(token)
                return self._values[token]
            if token.startswith("#"):
                self.used.add(token)
                return self._item.get(self._names[token], _MISSING)
        except KeyError:
            raise BadExpressionError(f"{token} is not defined") from None
        if token.lower() in RESERVED or token.upper() in _KEYWORDS:
            raise BadExpressionError(f"{token} is a reserved word")
        return self._item.get(token, _MISSING)

    def _skip(self, word: str) -> bool:
        if self.tokens and self.tokens[0].upper() == word:
            self.tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._skip(word):
            raise BadExpressionError(f"{word} expected before {self.tokens[:1]}")


def _alike(left: object, right: object) -> bool:
    """Whether two values have the same DynamoDB type, as far as they can be compared."""
    return _kind(left) is _kind(right)


def _kind(value: object) -> object:
    if isinstance(value, bool):
        return bool
    return float if isinstance(value, int | float) else type(value)
