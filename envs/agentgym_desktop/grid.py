"""What shows of a table whose cells are no part of the tree: a spreadsheet has seventeen thousand million.

The cells at the corners of its box say which rows and columns are in view. A sheet's cells are named by column and
row, and their places follow from one row and one column of them, so that only their texts are asked for one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.observation import MAX_NAME, Box
from agentgym_desktop.accessible import bits_of, get_property, number_of, text_of
from agentgym_desktop.atspi import Call
from agentgym_desktop.columns import letters

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[list[Call]], list[tuple[Any, ...] | None]]

MAX_CELLS = 1_200  # of one table
MAX_ROWS, MAX_COLUMNS = 80, 60
SMALL = 60  # cells of a table that is read whole
MARGIN_ROWS, MARGIN_COLUMNS = 3, 2  # empty ones told beside those that hold something
LEAST_ROWS, LEAST_COLUMNS = 8, 5
HEADERS = (2, 14, 26, 38)  # pixels below the upper edge: there may be a header
TABLE, COMPONENT, TEXT = "org.a11y.atspi.Table", "org.a11y.atspi.Component", "org.a11y.atspi.Text"
ACCESSIBLE = "org.a11y.atspi.Accessible"
NULL = "/org/a11y/atspi/null"


class Cell(NamedTuple):
    """A cell in view."""

    row: int
    column: int
    name: str
    text: str
    box: Box
    bits: int


class Span(NamedTuple):
    """Rows and columns in view, from and up to."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True, eq=False)
class Grid:
    """A table of an application.

    Args:
        bus_name: whose.
        path: the table's.
    """

    bus_name: str
    path: str
    _paths: dict[tuple[int, int], str] = field(default_factory=dict)

    def read(self, ask: Ask, box: Box, *, sheet: bool) -> list[Cell]:
        """Return the cells in view, row by row.

        Args:
            ask: sends calls and returns what they answer.
            box: the table's.
            sheet: whether its cells have names of their own, such as B7, and content beside it.
        """
        if box.width <= 0 or box.height <= 0:
            return []
        span = self._span(ask, box)
        if span is None:
            return []
        places = [(row, column) for row in range(span.top, span.bottom) for column in range(span.left, span.right)]
        places = places[:MAX_CELLS]
        if not sheet:  # rows come and go, and their cells move with them
            self._paths.clear()
        cells = self._look(ask, places, span, sheet=sheet)
        if any(place not in self._paths for place in places):  # some had been given up by the application
            cells = self._look(ask, places, span, sheet=sheet)
        return cells

    def _look(self, ask: Ask, places: list[tuple[int, int]], span: Span, *, sheet: bool) -> list[Cell]:
        """Read cells; those that are gone are forgotten."""
        self._find(ask, [place for place in places if place not in self._paths])
        known = [(place, self._paths[place]) for place in places if place in self._paths]
        return self._sheet(ask, known, span) if sheet else self._cells(ask, known)

    def _call(self, path: str, interface: str, member: str, answer: str, *body: int) -> Call:
        signature = {"GetText": "ii", "GetAccessibleAt": "ii", "GetAccessibleAtPoint": "iiu", "GetExtents": "u"}
        return Call(self.bus_name, path, interface, member, signature.get(member, "i" * len(body)), body, answer)

    def _span(self, ask: Ask, box: Box) -> Span | None:
        """Return which rows and columns are in view."""
        x, y, width, height = box
        points = [(x + 2, y + down) for down in HEADERS]
        points += [(x + width - right, y + height - up) for right in (3, 24) for up in (3, 24)]
        calls = [get_property(self.bus_name, self.path, TABLE, name) for name in ("NRows", "NColumns")]
        calls += [self._call(self.path, COMPONENT, "GetAccessibleAtPoint", "(so)", *point, 0) for point in points]
        rows, columns, *hits = ask(calls)
        height_in_rows, width_in_columns = number_of(rows), number_of(columns)
        if height_in_rows <= 0 or width_in_columns <= 0:
            return None
        if height_in_rows * width_in_columns <= SMALL:
            return Span(0, 0, height_in_rows, width_in_columns)
        found = [hit[0][1] if hit and hit[0][0] == self.bus_name and hit[0][1] != NULL else "" for hit in hits]
        places = self._where(ask, found)
        first = next((place for place in places[: len(HEADERS)] if place), (0, 0))
        last = next((place for place in places[len(HEADERS) :] if place), None)
        if last is None:
            last = (first[0] + MAX_ROWS, first[1] + MAX_COLUMNS)
        bottom = min(last[0] + 1, height_in_rows, first[0] + MAX_ROWS)
        right = min(last[1] + 1, width_in_columns, first[1] + MAX_COLUMNS)
        return Span(first[0], first[1], bottom, right)

    def _where(self, ask: Ask, paths: list[str]) -> list[tuple[int, int] | None]:
        """Return row and column of cells; None where it has none."""
        cells = [path for path in paths if path]
        answers = ask([self._call(path, ACCESSIBLE, "GetIndexInParent", "i") for path in cells])
        indices = [answer[0] if answer else -1 for answer in answers]
        calls = [
            self._call(self.path, TABLE, member, "i", index)
            for index in indices
            for member in ("GetRowAtIndex", "GetColumnAtIndex")
        ]
        answers = ask(calls)
        places: dict[str, tuple[int, int]] = {}
        for path, row, column in zip(cells, answers[::2], answers[1::2], strict=True):
            if row and column and row[0] >= 0 and column[0] >= 0:
                places[path] = (row[0], column[0])
        return [places.get(path) for path in paths]

    def _find(self, ask: Ask, places: list[tuple[int, int]]) -> None:
        if len(self._paths) > 10 * MAX_CELLS:
            self._paths.clear()
        calls = [self._call(self.path, TABLE, "GetAccessibleAt", "(so)", *place) for place in places]
        for place, answer in zip(places, ask(calls), strict=True):
            if answer and answer[0][0] == self.bus_name and answer[0][1] != NULL:
                self._paths[place] = answer[0][1]

    def _sheet(
        self,
        ask: Ask,
        known: list[tuple[tuple[int, int], str]],
        span: Span,
    ) -> list[Cell]:
        """Read a sheet's cells: places of one row and one column, the texts of all."""
        edges = [(place, path) for place, path in known if place[0] == span.top or place[1] == span.left]
        calls = [self._call(path, COMPONENT, "GetExtents", "(iiii)", 0) for _, path in edges]
        calls += [self._call(path, TEXT, "GetText", "s", 0, -1) for _, path in known]
        answers = ask(calls)
        rows: dict[int, tuple[int, int]] = {}
        columns: dict[int, tuple[int, int]] = {}
        for ((row, column), _), answer in zip(edges, answers, strict=False):
            if answer:
                x, y, width, height = answer[0]
                if row == span.top:
                    columns[column] = (x, width)
                if column == span.left:
                    rows[row] = (y, height)
        texts: dict[tuple[int, int], str] = {}
        for (place, _), answer in zip(known, answers[len(edges) :], strict=True):
            if answer is None:
                self._paths.pop(place, None)
            texts[place] = answer[0][:MAX_NAME] if answer else ""
        filled = [place for place, text in texts.items() if text]
        bottom = max([span.top + LEAST_ROWS, *(row + 1 + MARGIN_ROWS for row, _ in filled)])
        right = max([span.left + LEAST_COLUMNS, *(column + 1 + MARGIN_COLUMNS for _, column in filled)])
        return [
            Cell(row, column, f"{letters(column)}{row + 1}", text, Box(x, y, width, height), -1)
            for (row, column), text in texts.items()
            if row in rows and column in columns and row < bottom and column < right
            for x, width in (columns[column],)
            for y, height in (rows[row],)
            if width > 0 and height > 0
        ]

    def _cells(self, ask: Ask, known: list[tuple[tuple[int, int], str]]) -> list[Cell]:
        calls = []
        for _, path in known:
            calls += [
                get_property(self.bus_name, path, ACCESSIBLE, "Name"),
                self._call(path, COMPONENT, "GetExtents", "(iiii)", 0),
                self._call(path, ACCESSIBLE, "GetState", "au"),
                self._call(path, ACCESSIBLE, "GetChildren", "a(so)"),
            ]
        answers = ask(calls)
        cells, parts = [], []
        for index, (place, _) in enumerate(known):
            name, box, state, children = answers[4 * index : 4 * index + 4]
            if box is None or state is None:
                self._paths.pop(place, None)
                continue
            bits = bits_of(state[0])
            inside = [path for owner, path in (children[0][:4] if children else ()) if owner == self.bus_name]
            parts.append(inside)
            cells.append(Cell(*place, name=text_of(name), text="", box=Box(*box[0]), bits=bits))
        inner = [(index, path) for index, paths in enumerate(parts) if not cells[index].name for path in paths]
        names: dict[int, list[str]] = {}
        answers = ask([get_property(self.bus_name, path, ACCESSIBLE, "Name") for _, path in inner])
        for (index, _), answer in zip(inner, answers, strict=True):
            names.setdefault(index, []).append(text_of(answer))
        return [
            cell._replace(name=cell.name or " ".join(filter(None, names.get(index, [])))[:MAX_NAME])
            for index, cell in enumerate(cells)
        ]
