"""Workbooks (XLSX) as the metrics of tables look at them, read by openpyxl."""

from __future__ import annotations

import datetime as dt
import zipfile
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics.archives import checked_document
from agentgym_desktop.osworld.metrics.registry import UnreadableError

if TYPE_CHECKING:
    from agentgym_desktop.osworld.files import File

MAX_CELLS = 2_000_000  # of the rectangle that a sheet fills
MISSING = frozenset({"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>",
                     "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"})  # fmt: skip
"""Texts that count as an empty cell, as they do for pandas, which OSWorld reads tables with."""

Grid = list[list[Any]]


class Workbook:
    """A workbook.

    Args:
        file: it.

    Raises:
        UnreadableError: raised by all that reads it: it is no workbook, or too big.
    """

    def __init__(self, file: File) -> None:
        self.file = file

    @cached_property
    def styled(self) -> Any:
        """As openpyxl has it, with formulas."""
        return self._load(data_only=False)

    @cached_property
    def computed(self) -> Any:
        """As openpyxl has it, with what formulas came to when it was saved."""
        return self._load(data_only=True)

    @property
    def names(self) -> list[str]:
        """Of its sheets, in order."""
        return list(self.styled.sheetnames)

    def sheet(self, name: str, *, computed: bool = False) -> Any:
        """Return a sheet of cells; None where there is none of that name."""
        book = self.computed if computed else self.styled
        found = next((each for each in book.worksheets if each.title == name), None)
        if found is not None and found.max_row * found.max_column > MAX_CELLS:
            raise UnreadableError.of(self.file, f"its sheet {name[:40]!r} has more than {MAX_CELLS:,} cells")
        return found

    def grid(self, name: str) -> Grid | None:
        """Return the values of a sheet up to its last row and column that have any; None where it is not there."""
        sheet = self.sheet(name, computed=True)
        if sheet is None:
            return None
        rows = [[_plain(cell) for cell in row] for row in sheet.iter_rows()]
        while rows and not any(value is not None for value in rows[-1]):
            rows.pop()
        width = max((number + 1 for row in rows for number, value in enumerate(row) if value is not None), default=0)
        return [row[:width] for row in rows]

    def value(self, name: str, place: str) -> Any:
        """Return what a cell holds: a number (also for a date), a text, or None."""
        from openpyxl.utils.datetime import to_excel

        sheet = self.sheet(name, computed=True)
        if sheet is None:
            return None
        value = sheet[place].value
        if isinstance(value, dt.datetime | dt.date | dt.time | dt.timedelta):
            return to_excel(value)
        if isinstance(value, bool):
            return None
        return float(value) if isinstance(value, int | float) else value

    def _load(self, *, data_only: bool) -> Any:
        import openpyxl

        document = checked_document(self.file)
        try:
            return openpyxl.load_workbook(document, data_only=data_only, keep_links=False)
        except (KeyError, ValueError, AttributeError, TypeError, IndexError, OSError, SyntaxError, OverflowError,
                zipfile.BadZipFile) as error:  # fmt: skip
            raise UnreadableError.of(self.file, f"no workbook: {type(error).__name__}") from error


def rounded(grid: Grid, digits: int) -> Grid:
    """Return the values with the numbers of columns that hold nothing else rounded; the first row is their headings."""
    numeric = [
        all(
            isinstance(row[column], int | float) and not isinstance(row[column], bool)
            for row in grid[1:]
            if row[column] is not None
        )
        for column in range(len(grid[0]) if grid else 0)
    ]
    head, body = grid[:1], grid[1:]

    def shown(value: Any, *, number: bool) -> Any:
        return round(value, digits) if number and isinstance(value, float) else value

    return head + [[shown(value, number=kind) for value, kind in zip(row, numeric, strict=True)] for row in body]


def _plain(cell: Any) -> Any:
    value = cell.value
    if cell.data_type == "e" or (isinstance(value, str) and value in MISSING):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
