"""Answers in which the paths of a document find what they should: JMESPath, read backwards.

A simulator knows what it wants to say (a job's id, its status word) and the document says where a
client looks for it. The answer that fits both is built from the expression's syntax tree. What is
written cannot be read backwards in every case; where it cannot, `CannotBuildError` names the path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jmespath  # type: ignore[import-untyped]

Node = dict[str, Any]


class CannotBuildError(ValueError):
    """No answer is known in which an expression finds what it should."""

    def __init__(self, expression: str) -> None:
        super().__init__(f"no answer can be made for {expression!r}; write a simulator for it")


def with_value(expression: str, value: Any, document: Any = None) -> Any:
    """A document, made of the given one, in which the expression finds the value.

    Raises:
        CannotBuildError: the expression is too involved.
    """
    made = _put(jmespath.compile(expression).parsed, value, document, expression)
    found = jmespath.search(expression, made)
    if not (_holds(found, value) or _holds(found, [value])):
        raise CannotBuildError(expression)
    return made


def _holds(found: Any, value: Any) -> bool:
    """Whether what was found is the value, or an object that holds more besides."""
    if isinstance(found, dict) and isinstance(value, dict):
        return all(_holds(found.get(key), inner) for key, inner in value.items())
    if isinstance(found, list) and isinstance(value, list):
        return len(found) == len(value) and all(map(_holds, found, value))
    return bool(found == value)


def that_satisfies(expression: str, document: Any, value: Any = True) -> Any:
    """A document, made of the given one, in which the expression finds something.

    Args:
        value: what it finds where the expression does not say so itself.

    Raises:
        CannotBuildError: the expression is too involved.
    """
    if jmespath.search(expression, document):
        return document
    made = _satisfy(jmespath.compile(expression).parsed, document, value, expression)
    if not jmespath.search(expression, made):
        raise CannotBuildError(expression)
    return made


def _put(node: Node, value: Any, document: Any, expression: str) -> Any:
    """A document like the given one in which the node finds the value."""
    build = _BUILDERS.get(node["type"])
    if build is None:
        raise CannotBuildError(expression)
    return build(node, value, document, expression)


def _field(node: Node, value: Any, document: Any, _expression: str) -> Any:
    return {**(document if isinstance(document, dict) else {}), node["value"]: value}


def _chain(node: Node, value: Any, document: Any, expression: str) -> Any:
    """`a.b`, `a[0]`, `a | b`: the value lies in what the first part finds."""
    first, *rest = node["children"]
    inner_node = rest[0] if len(rest) == 1 else {"type": node["type"], "children": rest}
    inner = _put(inner_node, value, _search(first, document), expression)
    return _put(first, inner, document, expression)


def _index(node: Node, value: Any, document: Any, _expression: str) -> Any:
    place = node["value"]
    items = list(document) if isinstance(document, list) else []
    items += [{}] * (place + 1 - len(items))
    items[place] = value
    return items


def _list(node: Node, value: Any, document: Any, expression: str) -> Any:
    """`[a]`: the first of a list made of what stands there."""
    first = value[0] if isinstance(value, list) and value else value
    return _put(node["children"][0], first, document, expression)


def _first(node: Node, value: Any, document: Any, expression: str) -> Any:
    return _put(node["children"][0], value, document, expression)


def _every(node: Node, value: Any, document: Any, expression: str) -> Any:
    """`[]` and `[*]`: a list of what the right side finds the value in."""
    left, right = node["children"]
    values = value if isinstance(value, list) else [value]
    there = _search(left, document)
    before = (
        there if isinstance(there, list) and len(there) == len(values) else [None] * len(values)
    )
    items = [_put(right, each, item, expression) for each, item in zip(values, before, strict=True)]
    return _put(left, items, document, expression)


def _current(_node: Node, value: Any, document: Any, _expression: str) -> Any:
    both = isinstance(value, dict) and isinstance(document, dict)
    return {**document, **value} if both else value


_BUILDERS: dict[str, Callable[[Node, Any, Any, str], Any]] = {
    "field": _field,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "index": _index,
    "or_expression": _first,
    "multi_select_list": _list,
    "flatten": _first,
    "projection": _every,
    "identity": _current,
    "current": _current,
}


def _satisfy(node: Node, document: Any, value: Any, expression: str) -> Any:
    """A document like the given one in which the node finds something that holds."""
    children = node.get("children", [])
    match node["type"]:
        case "or_expression":
            return _satisfy(children[0], document, value, expression)
        case "and_expression":
            for child in children:
                document = _satisfy(child, document, value, expression)
            return document
        case "comparator" if node["value"] == "eq" and children[1]["type"] == "literal":
            return _put(children[0], children[1]["value"], document, expression)
        case "comparator" if node["value"] == "ne" and children[1]["type"] == "literal":
            return _put(children[0], value, document, expression)
        case "not_expression":
            return document
        case _:
            return _put(node, value, document, expression)


def _search(node: Node, document: Any) -> Any:
    return jmespath.parser.ParsedResult("", node).search(document)
