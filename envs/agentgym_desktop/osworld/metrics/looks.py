"""What is about the cells of a sheet rather than in them: styles, charts, pivot tables, filters, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgym_desktop.osworld.metrics.registry import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agentgym_desktop.osworld.metrics.workbook import Workbook

STYLES: dict[str, Callable[[Any, Any], Any]] = {
    "number_format": lambda look, _: look.number_format if hasattr(look, "number_format") else look.numFmt.formatCode,
    "font_name": lambda look, _: look.font.name,
    "font_family": lambda look, _: look.font.family,
    "font_color": lambda look, _: look.font.color.rgb,
    "font_bold": lambda look, _: look.font.bold,
    "font_italic": lambda look, _: look.font.italic,
    "font_underline": lambda look, _: look.font.underline,
    "font_size": lambda look, _: look.font.size,
    "fill_type": lambda look, _: look.fill.tagname,
    "bgcolor": lambda look, cell: (look.fill.fgColor if look is cell else look.fill.bgColor).rgb,
    "fgcolor": lambda look, cell: (look.fill.fgColor if look is cell else look.fill.bgColor).rgb,
    "hyperlink": lambda _, cell: cell.hyperlink.target if cell.hyperlink else "",
    "merge": lambda _, cell: type(cell).__name__ == "MergedCell",
}
"""How each is read from a look (that of a cell, or of a condition) and its cell."""
_OF_EMPTY = frozenset({"fill_type", "bgcolor", "fgcolor", "merge"})  # those that cells without a value have, too
CHARTS = frozenset({"title", "legend", "anchor", "width", "height", "type", "direction", "xtitle", "ytitle", "ztitle"})
PIVOTS = frozenset({"name", "show_total", "show_empty_row", "show_empty_col", "show_headers", "location", "selection",
                    "ordered", "filter", "col_fields", "row_fields", "data_fields", "data_fields_name"})  # fmt: skip
ROWS = frozenset({"hidden", "collapsed", "height"})
COLUMNS = frozenset({"width", "auto_size", "hidden", "collapsed", "min", "max"})
VALIDATIONS = frozenset({"ranges", "type", "formula1", "formula2", "operator", "allowBlank", "showDropDown",
                         "showInputMessage", "showErrorMessage", "error", "errorTitle", "errorStyle", "prompt",
                         "promptTitle", "imeMode"})  # fmt: skip


def style(name: str, cell: Any, look: Any = None) -> Any:
    """Return one of `STYLES` of a cell, with the look that a condition gives it; None where it has none."""
    if name not in _OF_EMPTY and cell.value is None:
        return None
    if name == "number_format" and cell.data_type != "n":
        return None
    try:
        return STYLES[name](cell if look is None else look, cell)
    except AttributeError:
        return None


def styles(book: Workbook, name: str, props: list[str]) -> dict[str, list[Any]]:
    """Return styles by cell, with those of conditions that hold.

    Raises:
        UnreadableError: a condition is of a kind that cannot be decided here.
    """
    sheet = book.sheet(name)
    if sheet is None:
        return {}
    found = {cell.coordinate: [style(each, cell) for each in props] for row in sheet.iter_rows() for cell in row}
    for area in sheet.conditional_formatting:
        for rule in area.rules:
            references = [_constant(book, text) for text in rule.formula] if rule.type == "cellIs" else []
            if rule.type != "cellIs" or not references:
                raise UnreadableError.of(
                    book.file, f"a conditional format of the kind {str(rule.type)[:30]!r} is not decided"
                )
            for cell in _cells(sheet, area.cells):
                if _holds(rule.operator, book.value(name, cell.coordinate), references):
                    found[cell.coordinate] = [style(each, cell, rule.dxf) for each in props]
    return found


def charts(book: Workbook, name: str, props: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what is asked of charts, by where their figures and labels are."""
    sheet = book.sheet(name)
    read = {each: _CHART[each] for each in props}
    return (
        {_sources(chart): {each: _or_none(how, chart) for each, how in read.items()} for chart in sheet._charts}
        if sheet
        else {}
    )


def pivots(book: Workbook, name: str, props: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what is asked of pivot tables, by where their figures are; fields count from the first that is used."""
    sheet = book.sheet(name)
    found = {}
    for pivot in sheet._pivots if sheet else ():
        try:
            source, facts = _pivot(pivot, set(props))
        except (AttributeError, TypeError, ValueError) as error:
            raise UnreadableError.of(book.file, f"a pivot table in it: {type(error).__name__}") from error
        found[source] = facts
    return found


def filters(book: Workbook, name: str) -> dict[str, Any]:
    """Return which rows a sheet filters out, and how it is sorted."""
    sheet = book.sheet(name)
    if sheet is None:
        return {}
    found = sheet.auto_filter
    columns = []
    for each in found.filterColumn:
        chosen = set(each.filters.filter) if each.filters is not None else None
        custom = (
            {(one.operator, one.val) for one in each.customFilters.customFilter}
            if each.customFilters is not None
            else None
        )
        columns.append((each.colId, each.hiddenButton, each.showButton, chosen, custom))
    sort = found.sortState
    order = [] if sort is None else [(each.descending, each.ref) for each in sort.sortCondition]
    return {"ref": found.ref, "columns": sorted(columns, key=lambda column: column[0]), "sorted": order}


def sizes(book: Workbook, name: str, props: Iterable[str], *, rows: bool) -> dict[Any, dict[str, Any]]:
    """Return what is asked of rows or columns that a sheet says something of."""
    sheet = book.sheet(name)
    if sheet is None:
        return {}
    known = sheet.row_dimensions if rows else sheet.column_dimensions
    return {key: {each: getattr(value, each) for each in props} for key, value in known.items()}


def frozen(book: Workbook, name: str) -> tuple[Any, ...] | None:
    """Return how many columns and rows of a sheet stay when it is scrolled; None where there is no such sheet."""
    sheet = book.sheet(name)
    if sheet is None:
        return None
    pane = sheet.sheet_view.pane
    if pane is None:
        return ()
    split = (int(pane.xSplit or 0), int(pane.ySplit or 0))
    return split if (pane.state or "").lower() in ("frozen", "frozensplit") else (*split, pane.topLeftCell)


_CHART: dict[str, Callable[[Any], Any]] = {
    "title": lambda chart: chart.title.tx.rich.p[0].r[0].t,
    "legend": lambda chart: chart.legend.position,
    "anchor": lambda chart: (chart.anchor.editAs, chart.anchor._from.col, chart.anchor._from.row, chart.anchor.to.col,
                             chart.anchor.to.row),
    "width": lambda chart: chart.width,
    "height": lambda chart: chart.height,
    "type": lambda chart: chart.tagname,
    "direction": lambda chart: chart.barDir,
    "xtitle": lambda chart: chart.x_axis.title.tx.rich.p[0].r[0].t,
    "ytitle": lambda chart: chart.y_axis.title.tx.rich.p[0].r[0].t,
    "ztitle": lambda chart: chart.z_axis.title.tx.rich.p[0].r[0].t,
}  # fmt: skip
_FLAGS = {
    "name": "name",
    "show_total": "visualTotals",
    "show_empty_row": "showEmptyRow",
    "show_empty_col": "showEmptyCol",
    "show_headers": "showHeaders",
}


def _or_none(how: Callable[[Any], Any], chart: Any) -> Any:
    try:
        return how(chart)
    except (AttributeError, TypeError, IndexError):
        return None


def _sources(chart: Any) -> str:
    def formula(data: Any) -> str:
        reference = getattr(data, "numRef", None) or getattr(data, "strRef", None)
        return str(reference.f) if reference is not None else ""

    return ";".join(f"{formula(each.val)},{formula(each.cat)}" for each in chart.series)


def _pivot(pivot: Any, props: set[str]) -> tuple[str, dict[str, Any]]:
    from openpyxl.utils import coordinate_to_tuple

    chosen = [[(item.h, item.x) for item in each.items if item.x is not None] for each in pivot.pivotFields]
    used = [number for number, each in enumerate(chosen) if each]
    left = used[0] if used else len(chosen)
    right = len(chosen) - 1 - used[-1] if used else 0
    source = pivot.cache.cacheSource
    (top, first), (bottom, last) = (coordinate_to_tuple(each) for each in source.worksheetSource.ref.split(":"))
    key = f"{source.type};{(top, first + left)}:{(bottom, last - right)};{source.worksheetSource.sheet}"
    facts: dict[str, Any] = {name: getattr(pivot, _FLAGS[name]) for name in props & _FLAGS.keys()}
    if "location" in props:
        facts["location"] = pivot.location.ref
    if props & {"filter", "selection"}:
        inner = chosen[left : len(chosen) - right]
        facts["selection"] = inner if "ordered" in props else [set(each) for each in inner]
    if "filter" in props:
        facts["filter"] = {each.fld for each in pivot.pageFields}
    if "col_fields" in props:
        facts["columns"] = [each.x - left for each in pivot.colFields]
    if "row_fields" in props:
        facts["rows"] = [each.x - left for each in pivot.rowFields]
    if "data_fields" in props:
        named = "data_fields_name" in props
        facts["data"] = [
            (each.fld - left, each.name if named else "", each.subtotal, each.showDataAs) for each in pivot.dataFields
        ]
    return key, facts


def _cells(sheet: Any, areas: Any) -> Iterable[Any]:
    """Yield the cells of areas that are within what a sheet fills."""
    for area in areas:
        for row in range(area.min_row, min(area.max_row, sheet.max_row) + 1):
            for column in range(area.min_col, min(area.max_col, sheet.max_column) + 1):
                yield sheet.cell(row=row, column=column)


def _constant(book: Workbook, text: str) -> float | str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return text[1:-1]
    try:
        return float(text)
    except ValueError as error:
        raise UnreadableError.of(book.file, "a conditional format with a formula is not decided") from error


def _holds(operator: str | None, value: Any, refs: list[Any]) -> bool:
    try:
        low, high = min(refs), max(refs)
        match operator:
            case "lessThanOrEqual":
                return bool(value <= refs[0])
            case "lessThan":
                return bool(value < refs[0])
            case "equal":
                return bool(value == refs[0])
            case "notEqual":
                return value is not None and bool(value != refs[0])
            case "greaterThanOrEqual":
                return bool(value >= refs[0])
            case "greaterThan":
                return bool(value > refs[0])
            case "between":
                return bool(low <= value <= high)
            case "notBetween":
                return bool(value < low or value > high)
    except TypeError:  # a text is neither more nor less than a number
        return False
    return False
