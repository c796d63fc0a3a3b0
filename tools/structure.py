"""How the code is built, in figures: lengths, repetition, and who uses what.

    python tools/structure.py           the figures, and exit code 1 where a bound is exceeded
    python tools/structure.py --json    the same as a document

Complexity is ruff's part (C901, at most 10; see pyproject.toml); how far one has to read to follow
a chunk is counted by tests/unit/lane/test_path.py.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "layers" / "jobferry" / "jobferry"

MODULE_LINES = 400
FUNCTION_LINES = 60
SESSION_MEMBERS = 15
SAME_LINES = 6

SESSION = ("lane/session.py", "LaneSession")
DATA = frozenset({"domain/error_codes.py"})
"""Besides `operations.py` of vendors: tables, whose lines are alike by nature."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted.

    Attributes:
        lines: of all modules.
        long_modules, long_functions: those beyond the bound, with their lines.
        repeated: places of six equal lines in a row, each with the others.
        session_members: members of the lane's session that are used outside its package.
    """

    lines: int
    long_modules: dict[str, int]
    long_functions: dict[str, int]
    repeated: list[list[str]]
    session_members: list[str]

    @property
    def problems(self) -> list[str]:
        """What exceeds its bound, in words."""
        found = [
            f"{name}: {n} lines, {MODULE_LINES} at most" for name, n in self.long_modules.items()
        ]
        found += [
            f"{name}: {n} lines, {FUNCTION_LINES} at most"
            for name, n in self.long_functions.items()
        ]
        found += [f"{SAME_LINES} equal lines: {', '.join(places)}" for places in self.repeated]
        if len(self.session_members) > SESSION_MEMBERS:
            found.append(f"members of the session used outside: {', '.join(self.session_members)}")
        return found


def figures(package: Path = PACKAGE) -> Figures:
    """Count everything in a package."""
    sources = {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(package.rglob("*.py"))
    }
    trees = {name: ast.parse(text) for name, text in sources.items()}
    lengths = {name: len(text.splitlines()) for name, text in sources.items()}
    return Figures(
        lines=sum(lengths.values()),
        long_modules={name: n for name, n in lengths.items() if n > MODULE_LINES},
        long_functions=dict(long_functions(trees)),
        repeated=repeated(sources),
        session_members=members_used_outside(trees, *SESSION),
    )


def long_functions(trees: dict[str, ast.Module]) -> Iterator[tuple[str, int]]:
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    yield f"{name}:{node.name}", lines


def repeated(sources: dict[str, str]) -> list[list[str]]:
    """Places of equal lines in a row; imports, docstrings, signatures, brackets do not count."""
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, text in sources.items():
        if name in DATA or name.endswith("operations.py"):
            continue
        lines = list(_code_lines(text))
        for start in range(len(lines) - SAME_LINES + 1):
            window = tuple(line for _, line in lines[start : start + SAME_LINES])
            places[window].append(f"{name}:{lines[start][0]}")
    return [where for where in places.values() if len(where) > 1]


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(text)
    skipped: set[int] = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node, ast.stmt) and (
            is_text or isinstance(node, ast.Import | ast.ImportFrom)
        ):
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef):
            skipped |= set(range(node.lineno, node.body[0].lineno))
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.strip()
        if number not in skipped and len(code) > 3 and not code.startswith("#"):
            yield number, code


def members_used_outside(trees: dict[str, ast.Module], module: str, cls: str) -> list[str]:
    """Members of a class that modules outside its package use, by names that are annotated so."""
    package = module.split("/", maxsplit=1)[0] + "/"
    used: set[str] = set()
    for name, tree in trees.items():
        if name.startswith(package):
            continue
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            variables = {
                arg.arg
                for arg in (*function.args.args, *function.args.kwonlyargs)
                if arg.annotation is not None and cls in ast.unparse(arg.annotation)
            }
            variables |= {
                target.id
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and "open_session(" in ast.unparse(node.value)
                for target in node.targets
                if isinstance(target, ast.Name)
            }
            used |= {
                node.attr
                for node in ast.walk(function)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in variables
            }
    return sorted(used)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="The code's structure in figures.")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    arguments = parser.parse_args(argv)
    found = figures()
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print(f"lines of the layer                        {found.lines:,}")
        print(f"modules above {MODULE_LINES} lines                   {len(found.long_modules)}")
        print(
            f"functions above {FUNCTION_LINES} lines                  {len(found.long_functions)}"
        )
        print(f"places of {SAME_LINES} equal lines                 {len(found.repeated)}")
        print(f"session members used outside lane/        {len(found.session_members)}")
        for problem in found.problems:
            print(problem, file=sys.stderr)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
