"""Small changes of a program, each of which a test should notice.

A mutation replaces one node of a module's syntax tree. What is changed: conditions (negated, one
part dropped), comparisons, numbers and booleans, statements (dropped), keyword arguments and
entries of literals (dropped), results, and above all the condition expressions of DynamoDB, which
are texts to every general tool: each part of an AND or an OR is dropped by itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

TELLS_ONLY = frozenset({"log", "warn", "emit"})
"""Calls that tell somebody something: what they say is no promise."""

ALWAYS = "attribute_exists(pk) OR attribute_not_exists(pk)"
"""A condition that always holds."""

_EXPRESSION = re.compile(r"attribute_(not_)?exists\(|contains\(|[#a-z_.]+ (=|<=|<|>|IN) [:(]")
_MOST = 160
_PLACEHOLDERS = ("names", "values")
"""Of expressions: DynamoDB refuses the request without one of them, which shows nothing."""
_WITHOUT_LINES = (ast.comprehension, ast.match_case, ast.withitem)

_OTHER_COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}


@dataclass(frozen=True)
class Mutation:
    """One node in the place of another.

    place  the function, as `Class.method`
    lines  of the file: where the node stands
    """

    place: str
    lines: range
    change: str
    _parent: ast.AST = field(repr=False)
    _field: str = field(repr=False)
    _index: int | None = field(repr=False)
    _old: Any = field(repr=False)
    _new: Any = field(repr=False)

    def code(self, tree: ast.Module, file: str) -> CodeType:
        """The function's code with this change; the tree is left as it was."""
        self._set(self._new)
        try:
            module = compile(ast.fix_missing_locations(tree), file, "exec")
        finally:
            self._set(self._old)
        return next(code for code in _codes(module) if code.co_qualname == self.place)

    def _set(self, node: Any) -> None:
        if self._index is None:
            setattr(self._parent, self._field, node)
        else:
            getattr(self._parent, self._field)[self._index] = node


def mutations_of(tree: ast.Module) -> Iterator[Mutation]:
    """Every mutation of the functions of a module, in the order of the file."""
    yield from _in_scope(tree.body, "")


def _in_scope(body: Sequence[ast.stmt], prefix: str) -> Iterator[Mutation]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _in_scope(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            place = f"{prefix}{node.name}"
            returns = ast.unparse(node.returns) if node.returns else ""
            for parent, name, index, old in _slots(node):
                for new in _instead(old, parent, name, returns):
                    lines = range(old.lineno, (old.end_lineno or old.lineno) + 1)
                    yield Mutation(place, lines, _in_words(old, new), parent, name, index, old, new)


def _slots(function: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None, Any]]:
    """(parent, field, index, node) of everything in a function's body."""
    todo: list[tuple[ast.AST, str, int | None, Any]] = [
        (function, "body", i, node) for i, node in enumerate(function.body)
    ]
    if ast.get_docstring(function) is not None:
        del todo[0]
    while todo:
        slot = todo.pop(0)
        node = slot[3]
        if not hasattr(node, "lineno") and not isinstance(node, _WITHOUT_LINES):
            continue
        if hasattr(node, "lineno"):
            yield slot
        if isinstance(node, ast.Raise) or _tells_only(node):
            continue
        inner: list[tuple[ast.AST, str, int | None, Any]] = []
        for name, value in ast.iter_fields(node):
            if name in {"annotation", "returns", "decorator_list", "ctx", "pattern"}:
                continue
            if isinstance(node, ast.keyword) and node.arg in _PLACEHOLDERS:
                continue
            if isinstance(value, list):
                inner += [(node, name, i, one) for i, one in enumerate(value)]
            elif isinstance(value, ast.AST):
                inner.append((node, name, None, value))
        todo[:0] = inner


def _tells_only(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in TELLS_ONLY
    )


def _instead(node: Any, parent: ast.AST, name: str, returns: str) -> Iterator[Any]:
    """What may stand in the place of a node."""
    if isinstance(node, ast.stmt):
        yield from _instead_of_statement(node, returns)
    elif isinstance(node, ast.expr):
        if name in {"test", "ifs"}:
            yield ast.UnaryOp(ast.Not(), node)
        yield from _instead_of_expression(node, parent, name)


def _instead_of_statement(node: ast.stmt, returns: str) -> Iterator[ast.stmt]:
    match node:
        case ast.Return(value=value) if value is not None and ast.unparse(value) != "None":
            if returns == "bool":
                yield ast.Return(ast.UnaryOp(ast.Not(), value))
            else:
                yield ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Call()) if not _tells_only(node):
            yield ast.Pass()
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            yield ast.Pass()
        case ast.AugAssign() | ast.Continue() | ast.Break() | ast.Raise() | ast.Delete():
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def _instead_of_expression(node: ast.expr, parent: ast.AST, name: str) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left=left, ops=ops, comparators=right):
            for i, op in enumerate(ops):
                other = _OTHER_COMPARISON[type(op)]()
                yield ast.Compare(left, [*ops[:i], other, *ops[i + 1 :]], right)
        case ast.BoolOp(op=op, values=values):
            for i in range(len(values)):
                rest = [*values[:i], *values[i + 1 :]]
                yield ast.BoolOp(op, rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not(), operand=operand) if name not in {"test", "ifs"}:
            yield operand
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OTHER_OPERATOR:
            if not any(isinstance(side, ast.JoinedStr) for side in (left, right)):
                yield ast.BinOp(left, _OTHER_OPERATOR[type(op)](), right)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(value=str(value)) if not isinstance(parent, ast.JoinedStr):
            for text in _weaker(value, whole=getattr(parent, "arg", "") == "condition"):
                yield ast.Constant(text)
        case ast.JoinedStr():
            for text in _weaker(ast.unparse(node), whole=False):
                yield ast.parse(text, mode="eval").body
        case ast.Call(func=func, args=args, keywords=keywords):
            for i, keyword in enumerate(keywords):
                if keyword.arg in _PLACEHOLDERS:
                    continue
                yield ast.Call(func, args, [*keywords[:i], *keywords[i + 1 :]])
            if isinstance(func, ast.Name) and func.id in {"max", "min"}:
                other_name = "min" if func.id == "max" else "max"
                yield ast.Call(ast.Name(other_name, ast.Load()), args, keywords)
        case ast.Dict(keys=names, values=values):
            for i in range(len(names)):
                yield ast.Dict([*names[:i], *names[i + 1 :]], [*values[:i], *values[i + 1 :]])
        case ast.Tuple(elts=elements, ctx=ast.Load()) if len(elements) > 1 and name != "slice":
            for i in range(len(elements)):
                yield ast.Tuple([*elements[:i], *elements[i + 1 :]], ast.Load())
        case ast.List(elts=elements, ctx=ast.Load()) if len(elements) > 1:
            for i in range(len(elements)):
                yield ast.List([*elements[:i], *elements[i + 1 :]], ast.Load())


def _weaker(expression: str, *, whole: bool) -> Iterator[str]:
    """A condition expression with one part less.

    whole: what has one part only is replaced by what always holds.
    """
    if not _EXPRESSION.search(expression):
        return
    quote = expression[:2] if expression.startswith("f") else ""
    inner = expression[2:-1] if quote else expression
    end = expression[-1] if quote else ""
    parts = re.split(r" AND (?![^()]*\))", inner)
    if len(parts) > 1:
        for i in range(len(parts)):
            yield quote + " AND ".join([*parts[:i], *parts[i + 1 :]]) + end
    for i, part in enumerate(parts):
        bare = part[1:-1] if part.startswith("(") and part.endswith(")") else part
        choices = bare.split(" OR ")
        for j in range(len(choices) if len(choices) > 1 else 0):
            left = " OR ".join([*choices[:j], *choices[j + 1 :]])
            yield quote + " AND ".join([*parts[:i], f"({left})", *parts[i + 1 :]]) + end
    if whole and len(parts) == 1:
        yield ALWAYS


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _in_words(old: ast.AST, new: ast.AST) -> str:
    match old, new:
        case ast.Call(func=func, keywords=before), ast.Call(keywords=left) if len(left) < len(
            before
        ):
            (dropped,) = [one for one in before if one not in left]
            return f"{_short(func)}(…) without {_short(dropped)}"
        case ast.Dict(values=before), ast.Dict(values=left):
            (at,) = [i for i, one in enumerate(before) if one not in left]
            name = old.keys[at]
            return f"{{…}} without {_short(name or before[at])}"
    after = "" if isinstance(new, ast.Pass) else _short(new)
    return f"{_short(old)} → {after}".strip()


def _short(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
