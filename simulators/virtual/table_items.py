"""Items of the table in memory: what an update makes of one, what can be stored, how big it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from jobferry.store.operations import Item, Update


def updated(before: Item, update: Update) -> Item:
    """The item after SET, ADD, DELETE and REMOVE, all reading what was there before."""
    _check_paths(update)
    after: Item = copied(before)
    for name, value in update.assign.items():
        after[name] = stored(value)
    for name, value in update.assign_once.items():
        after.setdefault(name, stored(value))
    for name, value in update.add.items():
        after[name] = _added(before[name], stored(value)) if name in before else stored(value)
    for name, members in update.take.items():
        there = before.get(name, set())
        if not isinstance(there, set):
            raise invalid("an operand of DELETE has an incorrect type")
        left = there - stored(members)
        after.pop(name, None)
        if left:
            after[name] = left
    for name in update.remove:
        after.pop(name, None)
    return after


def _check_paths(update: Update) -> None:
    """Refuse an update of nothing, of one attribute twice, or of the key."""
    named = [*update.assign, *update.assign_once, *update.add, *update.take, *update.remove]
    if not named:
        raise invalid("the update expression is empty")
    if len(named) != len(set(named)):
        raise invalid("two document paths overlap")
    if {"pk", "sk"} & set(named):
        raise invalid("an attribute of the key cannot be updated")


def _added(before: Any, value: Any) -> Any:
    if isinstance(value, set) and isinstance(before, set):
        return before | value
    if isinstance(value, set) or isinstance(before, bool) or not isinstance(before, int | float):
        raise invalid("an operand of ADD has an incorrect type")
    return stored(before + value)


def stored(value: Any) -> Any:
    """The value as it comes back: numbers are decimals there, tuples are lists."""
    match value:
        case None | bool() | str() | bytes():
            return value
        case int():
            if abs(value) >= 10**38:
                raise invalid("a number of more than 38 digits")
            return value
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise invalid("infinity and NaN are no numbers")
            return int(value) if value.is_integer() else value
        case Mapping():
            return {key: stored(inner) for key, inner in value.items()}
        case list() | tuple():
            return [stored(inner) for inner in value]
        case set() | frozenset():
            if not value:
                raise invalid("a set may not be empty")
            return {stored(inner) for inner in value}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def copied(value: Any) -> Any:
    """A copy that shares nothing that can be changed; `copy.deepcopy` takes ten times as long."""
    kind = type(value)
    if kind is dict:
        return {
            key: copied(inner) if type(inner) in _CHANGEABLE else inner
            for key, inner in value.items()
        }
    if kind is list:
        return [copied(inner) for inner in value]
    return set(value) if kind is set else value


_CHANGEABLE = frozenset({dict, list, set})


def size_of(value: Any) -> int:
    """Bytes by DynamoDB's rules of thumb: UTF-8 of names and texts, numbers by their digits."""
    match value:
        case None | bool():
            return 1
        case str():
            return bytes_of(value)
        case bytes():
            return len(value)
        case int() | float():
            return len(str(value)) // 2 + 2
        case dict():
            return 3 + sum([1 + bytes_of(key) + size_of(inner) for key, inner in value.items()])
    return 3 + sum([1 + size_of(inner) for inner in value])


def bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def invalid(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "FakeTable")
