"""The notebooks of the project: their code cells are run here, without a server, and compared with what stands there.

``python -m tests.notebooks [NAME ...]`` writes the outputs. The cells of a notebook share one namespace and a fresh
workspace; what a cell prints and the value of its last expression are its outputs, as text and, where the value draws
itself, as HTML. The text is compared; a run id changes with the code and is left out.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

FOLDER = Path(__file__).parents[1] / "reports" / "notebooks"
RUN_ID = re.compile(r"\b[0-9a-f]{12}\b")
FRAMES: dict[str, Any] = {
    "tbl_width_chars": 110,
    "tbl_rows": 8,
    "tbl_cols": 8,
    "tbl_formatting": "ASCII_MARKDOWN",
    "tbl_hide_column_data_types": True,
}


def notebooks() -> list[Path]:
    """Return the notebooks."""
    return sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> dict[str, Any]:
    """Return a notebook."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


@contextlib.contextmanager
def fresh() -> Iterator[None]:
    """Work in an empty workspace, with frames of one width."""
    before, home = Path.cwd(), os.environ.get("CRASHBOOK_HOME")
    with tempfile.TemporaryDirectory() as folder, pl.Config(**FRAMES):
        os.environ["CRASHBOOK_HOME"] = folder
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.pop("CRASHBOOK_HOME")
            if home is not None:
                os.environ["CRASHBOOK_HOME"] = home


def run(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Run the code cells of a notebook in their order and return the outputs of each."""
    space: dict[str, Any] = {"__name__": "__main__"}
    with fresh():
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        return [_outputs("".join(cell["source"]), space, number) for number, cell in enumerate(cells, 1)]


def _outputs(source: str, space: dict[str, Any], number: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, out = io.StringIO(), []
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), space)
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), space)
    if printed.getvalue():
        out.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = _lines(value._repr_html_())
        out.append({"output_type": "execute_result", "execution_count": number, "metadata": {}, "data": data})
    return out


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def texts(outputs: list[list[dict[str, Any]]]) -> list[str]:
    """Return what the cells print and return as text, without run ids."""
    cells = [[each.get("text") or each["data"]["text/plain"] for each in cell] for cell in outputs]
    return [RUN_ID.sub("RUN", "\n".join("".join(lines) for lines in cell)) for cell in cells]


def stored(notebook: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the outputs that stand in a notebook."""
    return [cell["outputs"] for cell in notebook["cells"] if cell["cell_type"] == "code"]


def write(path: Path) -> None:
    """Run a notebook and write its outputs into it."""
    notebook = read(path)
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, outputs) in enumerate(zip(cells, run(notebook), strict=True), 1):
        cell["execution_count"], cell["outputs"] = number, outputs
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    for each in [path for path in notebooks() if path.stem in sys.argv[1:] or not sys.argv[1:]]:
        write(each)
        sys.stdout.write(f"{each.name}\n")
