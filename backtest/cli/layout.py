"""Tables laid out for a width: names broken at underscores, then texts wrapped, then columns in several blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

ROWS_AT_A_TIME = 20_000
GAP = 2  # spaces between columns
LONG_WORD = 40  # a longer one may be broken to fit a terminal
FOLDED = 14  # characters that a word keeps on one line where nothing else makes a table fit


@dataclass(frozen=True, slots=True)
class Cells:
    """The text of every cell, column by column, which columns are numbers, and what the texts leave out."""

    names: Sequence[str]
    texts: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    left_out: str = ""

    def columns(self, places: Sequence[int]) -> Cells:
        """Return some of the columns."""
        return Cells(
            [self.names[place] for place in places],
            [self.texts[place] for place in places],
            [self.numeric[place] for place in places],
        )


def laid_out(cells: Cells, width: int | None = None) -> Iterator[str]:
    """Yield an aligned table in pieces.

    Parameters
    ----------
    cells
        The table.
    width
        Columns of the terminal. None keeps every row on one line.
    """
    body = [max(map(len, texts), default=1) for texts in cells.texts]
    widths = [max(len(name), size, 1) for name, size in zip(cells.names, body, strict=True)]
    if not width or _total(widths) <= width:
        yield from _aligned(cells, widths)
        return
    heads = [broken(name, size) for name, size in zip(cells.names, body, strict=True)]
    whole, cells = cells, Cells(["\n".join(lines) for lines in heads], cells.texts, cells.numeric)
    headed = [max(map(len, lines)) for lines in heads]
    widths = [max(head, size, 1) for head, size in zip(headed, body, strict=True)]
    if _total(widths) <= width:
        yield from _aligned(cells, widths)
        return
    for most in (LONG_WORD, FOLDED):
        least = [
            full if number else max(_longest_word(texts, most), min(head, most))
            for head, texts, number, full in zip(headed, cells.texts, cells.numeric, widths, strict=True)
        ]
        if _total(least) <= width:
            yield from _wrapped(cells, fitted(widths, least, width))
            return
    blocks = list(_blocks(least, width))
    if len(blocks) == 1:
        yield from _wrapped(cells, fitted(widths, least, width))
        return
    for number, places in enumerate(blocks):
        yield from ("\n",) if number else ()
        yield from laid_out(whole.columns(places), width)


def broken(name: str, width: int) -> list[str]:
    """Return a name in lines, broken behind underscores and at blanks, none wider than it must be.

    Examples
    --------
    >>> broken("liquidated_long_usd", 7), broken("liquidated_long_usd", 17), broken("first ADL", 8)
    (['liquidated_', 'long_usd'], ['liquidated_long_', 'usd'], ['first', 'ADL'])
    """
    parts = [part for word in name.split(" ") for part in _parts(word)]
    most = max(width, *(len(part.rstrip()) for part in parts))
    lines = [""]
    for part in parts:
        if lines[-1] and len((lines[-1] + part).rstrip()) > most:
            lines.append("")
        lines[-1] += part
    return [line.rstrip() for line in lines]


def _parts(word: str) -> list[str]:
    *heads, last = word.split("_")
    return [*(f"{part}_" for part in heads), f"{last} "]


def _blocks(least: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield the places of the columns of each block; every block repeats the first column."""
    block, used = [0], least[0]
    for place in range(1, len(least)):
        if len(block) > 1 and used + GAP + least[place] > width:
            yield block
            block, used = [0], least[0]
        block.append(place)
        used += GAP + least[place]
    yield block


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _longest_word(texts: Iterable[str], most: int) -> int:
    return min(most, max((len(word) for text in texts for word in text.split()), default=1))


def _aligned(cells: Cells, widths: Sequence[int]) -> Iterator[str]:
    """Yield a table whose texts are on one line each; names may have several."""
    heads = [name.split("\n") for name in cells.names]
    most = max(map(len, heads), default=1)
    rows = zip(*([""] * (most - len(lines)) + lines for lines in heads), strict=True)
    yield "".join(_line(row, widths, cells.numeric) for row in rows) + "  ".join("-" * each for each in widths) + "\n"
    for start in range(0, len(cells.texts[0]) if cells.texts else 0, ROWS_AT_A_TIME):
        pieces = zip(*(text[start : start + ROWS_AT_A_TIME] for text in cells.texts), strict=True)
        yield "".join(_line(row, widths, cells.numeric) for row in pieces)


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    aligned = (text.rjust(width) if number else text.ljust(width)
               for text, width, number in zip(row, widths, numeric, strict=True))  # fmt: skip
    return "  ".join(aligned).rstrip() + "\n"


def fitted(widths: Sequence[int], least: Sequence[int], total: int) -> list[int]:
    """Return widths with the widest columns narrowed until a table fits, or each column is as narrow as it may be.

    Examples
    --------
    >>> fitted([10, 60, 30], [10, 20, 20], 80)
    [10, 36, 30]
    """
    out = list(widths)
    while _total(out) > total and (free := [place for place, width in enumerate(out) if width > least[place]]):
        out[max(free, key=out.__getitem__)] -= 1
    return out


def _wrapped(cells: Cells, widths: Sequence[int]) -> Iterator[str]:
    """Yield a table whose texts are wrapped to the widths."""
    import io

    from rich.console import Console
    from rich.rule import Rule
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid.grid(padding=(0, GAP, 0, 0))
    for number, width in zip(cells.numeric, widths, strict=True):
        grid.add_column(justify="right" if number else "left", width=width, overflow="fold")
    most = max(name.count("\n") for name in cells.names)
    grid.add_row(*(Text("\n" * (most - name.count("\n")) + name) for name in cells.names))
    grid.add_row(*(Rule(characters="-", style="none") for _ in cells.names))
    for row in zip(*cells.texts, strict=True):
        grid.add_row(*(Text(_folded(text, width)) for text, width in zip(row, widths, strict=True)))
    page = io.StringIO()
    Console(file=page, width=_total(widths) + GAP, color_system=None, legacy_windows=False).print(grid)
    for line in page.getvalue().splitlines():
        yield line.rstrip() + "\n"


def is_one_row(cells: Cells) -> bool:
    """Return whether a table reads better as names and values."""
    return len(cells.names) > 1 and len(cells.texts[0]) == 1


def _folded(text: str, width: int) -> str:
    """Return a text whose names that are too long for a column are broken behind underscores."""
    if "_" not in text or max(map(len, text.split()), default=0) <= width:
        return text
    return " ".join("\n".join(broken(word, width)) if len(word) > width else word for word in text.split(" "))


def as_list(cells: Cells, width: int | None = None) -> str:
    """Return a table of one row as names and values under each other.

    Examples
    --------
    >>> print(as_list(Cells(["adl_usd", "pool"], [["972 M"], ["vault"]], [True, False])), end="")
    adl_usd  972 M
    pool     vault
    """
    import textwrap

    indent = max(map(len, cells.names)) + GAP
    wrapper = textwrap.TextWrapper(
        max(width or 10**6, indent + FOLDED), subsequent_indent=" " * indent, break_on_hyphens=False
    )
    rows = (name.ljust(indent) + (texts[0] or "-") for name, texts in zip(cells.names, cells.texts, strict=True))
    return "".join("\n".join(wrapper.wrap(row)) + "\n" for row in rows)
