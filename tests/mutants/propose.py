"""Draw mutants from the code: one changed operator, constant or branch each.

``python -m tests.mutants.propose --seed 1`` prints a list to paste into ``mutants.toml``.
"""

from __future__ import annotations

import argparse
import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.catalogue import PARTS, ROOT

COMPARED = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "=="}
WRITTEN = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of a file's text and what to put there."""

    start: int
    end: int
    text: str


class Source:
    """A file with the places of its syntax tree as offsets into its text."""

    def __init__(self, path: Path) -> None:
        self.path, self.text = path, path.read_text("utf-8")
        self.tree = ast.parse(self.text)
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def start(self, node: ast.expr) -> int:
        """Return where an expression begins."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr) -> int:
        """Return where an expression ends."""
        return self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def _offset(self, line: int, column: int) -> int:
        begin = self.lines[line - 1]
        return begin + len(self.text[begin:].splitlines()[0].encode()[:column].decode())

    def replaced(self, left: ast.expr, right: ast.expr, old: str, new: str) -> Iterator[Change]:
        """Give the change of an operator between two expressions, if it is written as expected."""
        first, last = self.end(left), self.start(right)
        if self.text[first:last].strip() == old:
            at = self.text.index(old, first)
            yield Change(at, at + len(old), new)

    def changes(self) -> Iterator[Change]:
        """Give every change of an operator, a constant or a branch inside functions."""
        for function in ast.walk(self.tree):
            if isinstance(function, ast.FunctionDef):
                for statement in function.body[ast.get_docstring(function) is not None :]:
                    for node in ast.walk(statement):
                        yield from self._of(node)

    def _of(self, node: ast.AST) -> Iterator[Change]:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARED:
                yield from self.replaced(left, right, WRITTEN[type(operator)], COMPARED[type(operator)])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                yield from self.replaced(left, right, "+", "-")
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                yield from self.replaced(left, right, "-", "+")
            case ast.BoolOp(op=operator, values=[left, right]):
                old, new = ("and", "or") if isinstance(operator, ast.And) else ("or", "and")
                yield from self.replaced(left, right, old, new)
            case ast.Constant(value=bool() as value):
                yield Change(self.start(node), self.end(node), str(not value))
            case ast.Constant(value=int() as value) if self.text[self.start(node) : self.end(node)].isdigit():
                yield Change(self.start(node), self.end(node), str(value + 1))
            case ast.If(test=test) | ast.IfExp(test=test):
                yield Change(self.start(test), self.end(test), f"not ({self.text[self.start(test) : self.end(test)]})")
            case ast.Call(func=ast.Name(id="max" | "min" as name) as called):
                yield Change(self.start(called), self.end(called), "min" if name == "max" else "max")

    def place(self, change: Change) -> tuple[str, str] | None:
        """Return the lines around a change that stand once in the file, before and after it; None if they are many."""
        first = self.text.rindex("\n", 0, change.start) + 1
        last = self.text.find("\n", change.end)
        for _ in range(3):
            before = self.text[first:last]
            if self.text.count(before) == 1:
                start, end = change.start - first, change.end - first
                return before, before[:start] + change.text + before[end:]
            last = self.text.find("\n", last + 1)
            if last < 0:
                break
        return None


def main() -> None:
    """Print mutants drawn evenly over the parts of the code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=8, help="mutants of each part")
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    for part, tests in PARTS.items():
        paths = [path for path in sorted((ROOT / "backtest" / part).rglob("*.py")) if path.name != "__init__.py"]
        sources = [Source(path) for path in paths]
        found = [(source, change) for source in sources for change in source.changes()]
        draw.shuffle(found)
        kept = 0
        for source, change in found:
            placed = source.place(change)
            if placed is None or kept == asked.each:
                continue
            kept += 1
            name = f"{part.replace('/', '-')}-{asked.seed}-{kept}"
            file = source.path.relative_to(ROOT).as_posix()
            before, after = placed
            lines = [f'name = "{name}"', f'file = "{file}"', f"before = '''{before}'''", f"after = '''{after}'''"]
            print("\n".join(["[[mutant]]", *lines, f"tests = {list(tests)}".replace("'", '"'), ""]))


if __name__ == "__main__":
    main()
