"""Spreadsheets that an agent has left (ODS), read for a judge; see `documents` for what is guaranteed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agentgym_desktop.columns import letters
from agentgym_desktop.documents import MAX_CELLS, Read, RefusedError
from agentgym_desktop.opendocument import SHEET, Archive, Node, Styles, int_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_SHEETS = 200
MAX_CHARTS = 20  # of a workbook
NUMBERS = frozenset({"float", "percentage", "currency"})


@dataclass(frozen=True)
class Cell:
    """A cell that holds something."""

    value: float | str | bool
    """A number, a text (also of a date: ``2024-05-17``), or a truth."""
    text: str
    """As it is shown."""
    kind: str
    """What the value is: float, percentage, currency, string, date, time or boolean."""
    formula: str = ""
    """Without what says which language it is in, as in ``=SUM([.B2:.B9])``; "" where there is none."""
    style: Mapping[str, str] = field(default_factory=dict)
    """What is said of its looks, as in ``{"font-weight": "bold"}``."""


class Chart(NamedTuple):
    """A chart on a sheet."""

    kind: str
    """Such as bar, line, circle (a pie)."""
    ranges: str
    """Where its figures are, as in ``Sheet1.A1:Sheet1.B6``."""


@dataclass(frozen=True)
class Sheet:
    """One sheet."""

    name: str
    cells: Mapping[str, Cell]
    """By name, such as B7; empty cells are not there."""
    charts: tuple[Chart, ...] = ()
    filtered: frozenset[int] = frozenset()
    """Numbers of the rows that a filter hides, from 1."""

    def value(self, cell: str) -> float | str | bool | None:
        """Return what a cell holds; None where it is empty."""
        found = self.cells.get(cell)
        return found.value if found is not None else None

    def number(self, cell: str) -> float | None:
        """Return the number that a cell holds; None where it is no number."""
        value = self.value(cell)
        return value if isinstance(value, float) else None


@dataclass(frozen=True)
class Workbook:
    """A spreadsheet."""

    sheets: tuple[Sheet, ...]

    @property
    def first(self) -> Sheet:
        """Its first sheet."""
        return self.sheets[0]

    def sheet(self, name: str) -> Sheet | None:
        """Return a sheet by its name."""
        return next((sheet for sheet in self.sheets if sheet.name == name), None)


def read_workbook(content: bytes | None) -> Read[Workbook]:
    """Read a spreadsheet.

    Args:
        content: of the ODS file; None where there is none.
    """
    try:
        archive = Archive(content, SHEET)
        root = archive.tree("content.xml")
        styles = Styles(root, *_optional(archive, "styles.xml"))
        tables = list(root.only("office:body").only("office:spreadsheet").nodes)
        tables = [table for table in tables if table.tag == "table:table"]
        if not 0 < len(tables) <= MAX_SHEETS:
            raise RefusedError("the file has no sheets, or too many")  # noqa: TRY301 (one handler makes reasons of all)
        return Read(Workbook(tuple(map(_Reader(archive, styles).sheet, tables))))
    except RefusedError as error:
        return Read(None, str(error))


def _optional(archive: Archive, name: str) -> Iterator[Node]:
    try:
        yield archive.tree(name)
    except RefusedError:
        return


class _Reader:
    """Reads the sheets of a workbook, which share what may be read."""

    def __init__(self, archive: Archive, styles: Styles) -> None:
        self._archive = archive
        self._styles = styles
        self._cells_left = MAX_CELLS
        self._charts_left = MAX_CHARTS

    def sheet(self, table: Node) -> Sheet:
        defaults = _columns(table)
        cells: dict[str, Cell] = {}
        filtered = set()
        row = 0
        for each in table.every("table:table-row"):
            times = max(1, int_of(each, "table:number-rows-repeated", 1))
            found = self._row(each, defaults)
            if found:
                self._spend(times * len(found))
            if each.get("table:visibility") == "filter" and times <= self._cells_left:  # beyond, they are empty
                self._spend(times)
                filtered |= set(range(row + 1, row + 1 + times))
            for number in range(row, row + times) if found else ():
                cells |= {f"{letters(column)}{number + 1}": cell for column, cell in found.items()}
            row += times
        return Sheet(table.get("table:name"), cells, tuple(self._charts(table)), frozenset(filtered))

    def _spend(self, cells: int) -> None:
        self._cells_left -= cells
        if self._cells_left < 0:
            raise RefusedError("the sheets have too many cells")

    def _row(self, row: Node, defaults: Mapping[int, str]) -> dict[int, Cell]:
        found: dict[int, Cell] = {}
        column = 0
        for each in row.nodes:
            if each.tag not in {"table:table-cell", "table:covered-table-cell"}:
                continue
            times = max(1, int_of(each, "table:number-columns-repeated", 1))
            style = each.get("table:style-name") or row.get("table:default-cell-style-name") or defaults.get(column, "")
            cell = self._cell(each, style)
            if cell is not None:
                if len(found) + times > self._cells_left:
                    raise RefusedError("the sheets have too many cells")
                found |= dict.fromkeys(range(column, column + times), cell)
            column += times
        return found

    def _cell(self, node: Node, style: str) -> Cell | None:
        kind = node.get("office:value-type")
        text = "\n".join(text_of(each) for each in node.nodes if each.tag == "text:p")
        value: float | str | bool
        if kind in NUMBERS:
            number = _number(node.get("office:value"))
            if number is None:
                return None
            value = number
        elif kind == "boolean":
            value = node.get("office:boolean-value") == "true"
        elif kind in {"date", "time"}:
            value = node.get(f"office:{kind}-value")
        elif kind == "string":
            value = text
        else:
            return None
        formula = node.get("table:formula").partition("=")[2]
        looks = self._styles.properties("table-cell", style)
        return Cell(value, text, kind, f"={formula}" if formula else "", looks)

    def _charts(self, table: Node) -> Iterator[Chart]:
        objects = [each for each in table.every("draw:object") if each.get("xlink:href")]
        for each in objects[: self._charts_left]:
            self._charts_left -= 1
            name = each.get("xlink:href").removeprefix("./")
            try:
                chart = next(self._archive.tree(f"{name}/content.xml").every("chart:chart"), None)
            except RefusedError:
                continue
            if chart is not None:
                kind = chart.get("chart:class").partition(":")[2]
                yield Chart(kind, each.get("draw:notify-on-update-of-ranges"))


def _columns(table: Node) -> dict[int, str]:
    """Return the default style of the first columns."""
    found: dict[int, str] = {}
    at = 0
    for column in table.every("table:table-column"):
        times = max(1, int_of(column, "table:number-columns-repeated", 1))
        for number in range(at, min(at + times, 1_024)):
            found[number] = column.get("table:default-cell-style-name")
        at += times
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
