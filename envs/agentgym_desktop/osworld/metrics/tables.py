"""The metric of workbooks: ``compare_table``, a list of rules about two of them."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym_desktop.osworld.metrics import looks, rules
from agentgym_desktop.osworld.metrics.registry import UnreadableError, metric
from agentgym_desktop.osworld.metrics.workbook import Workbook, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from agentgym_desktop.osworld.files import File
    from agentgym_desktop.osworld.schema import Check

DIGITS = 4  # that numbers are compared to, where a rule says nothing
THRESHOLD = 85.0  # per cent that two texts must be alike
MAX_FUZZY = 100_000  # cells that one rule compares
_INDEX = re.compile(r"(?P<side>[RE])(?:I(?P<number>\d{1,4})|N(?P<name>.+))", re.DOTALL)
_FUZZY = frozenset({"includes", "included_by", "fuzzy_match", "exact_match"})


class _Pair(NamedTuple):
    """The two workbooks."""

    result: Workbook
    expected: Workbook | None

    def place(self, index: Any) -> tuple[Workbook, str]:
        """Return the workbook and the name of the sheet that an index such as 0, "RI0", "RNSheet1" or "EI0" means.

        The name is empty where there is no such sheet.
        """
        side, number, name = ("R", str(index), None) if isinstance(index, int) else _parts(str(index))
        book = self.result if side == "R" else self.expected
        if book is None:
            raise UnreadableError(f"the sheet {index!r} is of a file that is not expected", of_agent=False)
        if name is not None:
            return book, name
        names = book.names
        return book, names[int(number)] if int(number) < len(names) else ""


def _parts(index: str) -> tuple[str, str, str | None]:
    found = _INDEX.fullmatch(index)
    assert found is not None, "`_gaps` lets no other index through"
    return found["side"], found["number"] or "", found["name"]


def _gaps(check: Check) -> Iterator[str]:
    found = check.options.get("rules")
    if not isinstance(found, list):
        yield "no list of rules"
        return
    for rule in found:
        kind = rule.get("type") if isinstance(rule, dict) else None
        if not isinstance(kind, str) or kind not in _RULES:
            yield f"the rule {str(kind)[:30]}"
            continue
        yield from _gaps_of(kind, rule)


def _gaps_of(kind: str, rule: dict[str, Any]) -> Iterator[str]:
    for key in _SHEETS.get(kind, ("sheet_idx0", "sheet_idx1")):
        index = rule.get(key)
        fits = isinstance(index, int) and index >= 0 if not isinstance(index, str) else _INDEX.fullmatch(index)
        if not fits:
            yield f"{kind} with {key} {str(index)[:20]}"
    for key, known in _PROPS.get(kind, {}).items():
        for prop in rule.get(key, ()):
            if prop not in known:
                yield f"{kind} of {str(prop)[:30]}"
    single: list[Any] = []
    if kind == "zoom":
        single = [rule]
    elif kind == "check_cell":
        if not re.fullmatch(r"[A-Z]{1,3}[1-9]\d{0,6}", str(rule.get("coordinate"))):
            yield "check_cell without a coordinate"
        single = list(rule["props"].values()) if isinstance(rule.get("props"), dict) else [None]
    elif kind == "data_validation":
        asked = rule.get("dv_props")
        single = [each for one in asked for each in one.values()] if isinstance(asked, list) else [None]
    elif kind == "sheet_fuzzy":
        yield from _fuzzy_gaps(rule)
    yield from (f"{kind} by {str(each)[:40]}" for each in single if not rules.knows(each))


def _fuzzy_gaps(rule: dict[str, Any]) -> Iterator[str]:
    for each in rule.get("rules", [None]):
        if not isinstance(each, dict) or each.get("type") not in _FUZZY or not isinstance(each.get("range"), list):
            yield f"sheet_fuzzy by {str(each)[:40]}"


@metric(options="rules", gaps=_gaps)
def compare_table(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """All rules hold for two workbooks."""
    if result is None:
        return 0.0
    files = expected if isinstance(expected, list) else [expected]
    pair = _Pair(Workbook(result[0] if isinstance(result, list) else result), Workbook(files[0]) if files[0] else None)
    return float(all(_RULES[rule["type"]](rule, pair) for rule in options["rules"]))


@metric(needs="expected")
def compare_conference_city_in_order(result: Any, expected: Any, options: dict[str, Any]) -> float:
    """The third column of the first sheet, from the second row to the 22nd, names cities in order."""
    import unicodedata

    if result is None:
        return 0.0
    book = Workbook(result)

    def plain(value: Any) -> str:
        letters = unicodedata.normalize("NFKD", "" if value is None else str(value))
        return re.sub(
            r"[^a-z0-9]+", " ", "".join(each for each in letters if not unicodedata.combining(each)).lower()
        ).strip()

    cells = [book.styled.active[f"C{row}"].value for row in range(2, 23)]
    if len(expected["expected"]) < len(cells):
        return 0.0
    for cell, wanted in zip(cells, expected["expected"], strict=False):
        names = [plain(each) for each in (wanted if isinstance(wanted, list) else [wanted])]
        if not any(name and name in plain(cell) for name in names):
            return 0.0
    return 1.0


def last_row(file: File) -> list[str] | None:
    """Return the last row of the first sheet of a workbook as texts; None where it has none but its headings."""
    workbook = Workbook(file)
    names = workbook.names
    grid = workbook.grid(names[0]) if names else None
    return [str(value) for value in grid[-1]] if grid and len(grid) > 1 else None


def _sheet_name(_rule: dict[str, Any], pair: _Pair) -> bool:
    return pair.expected is not None and pair.result.names == pair.expected.names


def _sheet_data(rule: dict[str, Any], pair: _Pair) -> bool:
    grids = []
    for key in ("sheet_idx0", "sheet_idx1"):
        book, name = pair.place(rule[key])
        grid = book.grid(name)
        if grid is None:
            return False
        grids.append(rounded(grid, rule.get("precision", DIGITS)))
    return bool(grids[0] == grids[1])


def _sheet_print(rule: dict[str, Any], pair: _Pair) -> bool:
    """Compare what is shown: a sheet that was saved as text beside its workbook."""
    texts = []
    for key in ("sheet_idx0", "sheet_idx1"):
        book, name = pair.place(rule[key])
        content = book.file.folder.get(f"{posixpath.splitext(book.file.name)[0]}-{name}.csv")
        if content is None:
            return False
        lines = [line.strip() for line in content.decode("utf-8-sig", errors="replace").splitlines()]
        while lines and not lines[-1]:
            lines.pop()
        texts.append([line.lower() for line in lines] if rule.get("ignore_case") else lines)
    return bool(texts[0] == texts[1])


def _sheet_fuzzy(rule: dict[str, Any], pair: _Pair) -> bool:
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.cell_range import MultiCellRange

    (book0, name0), (book1, name1) = pair.place(rule["sheet_idx0"]), pair.place(rule["sheet_idx1"])
    left = MAX_FUZZY
    for each in rule["rules"]:
        for area in MultiCellRange(each["range"]):
            for row, column in area.cells:
                left -= 1
                if left < 0:
                    raise UnreadableError("a rule compares too many cells", of_agent=False)
                place = f"{get_column_letter(column)}{row}"
                if not _alike(str(book0.value(name0, place)), str(book1.value(name1, place)), each):
                    return False
    return True


def _alike(one: str, other: str, rule: dict[str, Any]) -> bool:
    from rapidfuzz import fuzz

    one, other = (_trimmed(each, rule) for each in (one, other))
    match rule["type"]:
        case "includes":
            return other in one
        case "included_by":
            return one in other
        case "fuzzy_match":
            return bool(fuzz.ratio(one, other) >= rule.get("threshold", THRESHOLD))
        case _:
            return one == other


def _trimmed(text: str, rule: dict[str, Any]) -> str:
    for old, new in rule.get("normalization", []):
        text = text.replace(old, new)
    if "trim_leadings" in rule:
        text = text.lstrip(rule["trim_leadings"])
    if "trim_trailings" in rule:
        text = text.rstrip(rule["trim_trailings"])
    text = "".join(letter for letter in text if letter not in rule.get("ignore_chars", ""))
    return text.lower() if rule.get("ignore_case") else text


def _both(rule: dict[str, Any], pair: _Pair, read: Callable[[Workbook, str], Any]) -> bool:
    """Return whether something of two sheets is there and the same."""
    found = [read(*pair.place(rule[key])) for key in ("sheet_idx0", "sheet_idx1")]
    return found[0] is not None and bool(found[0] == found[1])


def _style(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, lambda book, name: looks.styles(book, name, rule.get("props", [])))


def _chart(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, lambda book, name: looks.charts(book, name, rule.get("chart_props", [])))


def _pivot_table(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, lambda book, name: looks.pivots(book, name, rule.get("pivot_props", [])))


def _filter(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, looks.filters)


def _freeze(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, looks.frozen)


def _row_props(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, lambda book, name: looks.sizes(book, name, rule.get("props", []), rows=True))


def _col_props(rule: dict[str, Any], pair: _Pair) -> bool:
    return _both(rule, pair, lambda book, name: looks.sizes(book, name, rule.get("props", []), rows=False))


def _zoom(rule: dict[str, Any], pair: _Pair) -> bool:
    book, name = pair.place(rule["sheet_idx"])
    sheet = book.sheet(name)
    return sheet is not None and rules.matches(sheet.sheet_view.zoomScale or 100.0, rule)


def _check_cell(rule: dict[str, Any], pair: _Pair) -> bool:
    book, name = pair.place(rule["sheet_idx"])
    sheet = book.sheet(name)
    if sheet is None:
        return False
    cell = sheet[rule["coordinate"]]

    def found(prop: str) -> Any:
        return book.value(name, rule["coordinate"]) if prop == "value" else looks.style(prop, cell)

    return all(rules.matches(found(prop), wanted) for prop, wanted in rule["props"].items())


def _data_validation(rule: dict[str, Any], pair: _Pair) -> bool:
    book, name = pair.place(rule["sheet_idx"])
    sheet = book.sheet(name)
    if sheet is None:
        return False
    found = sheet.data_validations.dataValidation

    def fits(validation: Any, wanted: dict[str, Any]) -> bool:
        return all(rules.matches(getattr(validation, prop), each) for prop, each in wanted.items())

    return len(found) >= len(rule["dv_props"]) and all(
        any(fits(each, one) for one in rule["dv_props"]) for each in found
    )


_RULES: dict[str, Callable[[dict[str, Any], _Pair], bool]] = {
    "sheet_name": _sheet_name,
    "sheet_data": _sheet_data,
    "sheet_print": _sheet_print,
    "sheet_fuzzy": _sheet_fuzzy,
    "style": _style,
    "chart": _chart,
    "pivot_table": _pivot_table,
    "filter": _filter,
    "freeze": _freeze,
    "row_props": _row_props,
    "col_props": _col_props,
    "zoom": _zoom,
    "check_cell": _check_cell,
    "data_validation": _data_validation,
}
_SHEETS: dict[str, tuple[str, ...]] = {
    "sheet_name": (), "zoom": ("sheet_idx",), "check_cell": ("sheet_idx",), "data_validation": ("sheet_idx",),
}  # fmt: skip
_PROPS: dict[str, dict[str, Collection[str]]] = {
    "style": {"props": looks.STYLES},
    "chart": {"chart_props": looks.CHARTS},
    "pivot_table": {"pivot_props": looks.PIVOTS},
    "row_props": {"props": looks.ROWS},
    "col_props": {"props": looks.COLUMNS},
    "check_cell": {"props": {"value", *looks.STYLES}},
}
