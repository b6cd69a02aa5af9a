"""Tables as sheets of an Excel workbook (extra ``excel``): the same frames give the same bytes."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any

from backtest.errors import UsageError, printable

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 1_048_575  # of a sheet, its header apart
FIXED = (1980, 1, 1, 0, 0, 0)  # time of every part of the file: the earliest that an archive can hold
_CHANGED = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")
WIDEST = 60  # characters of a column


def write_workbook(sheets: Mapping[str, pl.DataFrame], file: IO[bytes], notes: Mapping[str, str] | None = None) -> None:
    """Write frames as sheets, names in bold above, frozen, with a filter.

    Parameters
    ----------
    sheets
        Frames by the name of their sheet.
    notes
        Meaning of columns by name: comments on the cells of the header.

    Raises
    ------
    UsageError
        The extra is not installed, or a frame has more rows than a sheet holds.
    """
    try:
        from openpyxl import Workbook
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.comments import Comment
        from openpyxl.styles import Font
        from openpyxl.utils import get_column_letter
    except ImportError as error:
        raise UsageError("a workbook needs the extra excel: pip install 'crashbook[excel]'") from error
    from backtest.cli.table import flat_column

    book = Workbook(write_only=True)
    for name, frame in sheets.items():
        if frame.height > MOST_ROWS:
            raise UsageError(
                f"{name}: {frame.height:,} rows; a sheet holds {MOST_ROWS:,}; write Parquet, or ask for fewer"
            )
        sheet = book.create_sheet(name[:31])
        sheet.freeze_panes = "A2"
        columns = list(map(flat_column, frame.get_columns()))
        for place, column in enumerate(columns, 1):
            widest = max([len(column.name), *(len(_shown(value)) for value in column.head(100).to_list())])
            sheet.column_dimensions[get_column_letter(place)].width = min(widest + 2, WIDEST)
        if columns:
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{frame.height + 1}"
        heads = [WriteOnlyCell(sheet, printable(column.name)) for column in columns]
        for head in heads:
            head.font = Font(bold=True)
            head.data_type = "s"
            if notes and head.value in notes:
                head.comment = Comment(printable(notes[head.value]), "crashbook")
        sheet.append(heads)
        for row in zip(*(column.to_list() for column in columns), strict=True):
            sheet.append([_cell(sheet, value, WriteOnlyCell) for value in row])
    whole = io.BytesIO()
    book.save(whole)
    file.write(_steady(whole))


def _shown(value: Any) -> str:
    return "" if value is None else str(value)


def _cell(sheet: Any, value: Any, kind: Any) -> Any:
    """Return what a sheet holds for a value; a text stays one whatever it begins with."""
    if isinstance(value, str):
        cell = kind(sheet, printable(value, "\n\t"))
        cell.data_type = "s"  # never a formula
        return cell
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dt.datetime):
        cell = kind(sheet, value)
        cell.number_format = "yyyy-mm-dd hh:mm:ss.000" if value.microsecond else "yyyy-mm-dd hh:mm:ss"
        return cell
    return value


def _steady(whole: io.BytesIO) -> bytes:
    """Return an archive with every time in it fixed."""
    out = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in _names(old.namelist()):
            text = old.read(name)
            if name == "docProps/core.xml":
                text = _CHANGED.sub(rb"\g<1>1980-01-01T00:00:00Z", text)
            entry = zipfile.ZipInfo(name, FIXED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, text)
    return out.getvalue()


def _names(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != "[Content_Types].xml", name))
