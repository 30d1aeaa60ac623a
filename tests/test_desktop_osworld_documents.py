"""OSWorld's metrics of workbooks and text documents: what is so scores 1, what is not 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from docx.enum.text import WD_BREAK, WD_TAB_ALIGNMENT
from docx.shared import Inches, RGBColor
from openpyxl.chart import BarChart, Reference
from openpyxl.formatting.rule import CellIsRule, FormulaRule
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation

from agentgym_desktop.osworld.files import LastRow
from agentgym_desktop.osworld.judge import CannotJudgeError, measure
from tests.osworld_documents import big_italic, odt, of_agent, ours, picture, rule, runs, score, table, text
from tests.osworld_tasks import book

if TYPE_CHECKING:
    from agentgym_desktop.osworld.files import File
    from tests.osworld_documents import Change

RED = PatternFill("solid", fgColor="FFFF0000", bgColor="FFFF0000")


def set_(**attributes: Any) -> Change:
    def change(sheet: Any) -> None:
        for name, value in attributes.items():
            setattr(sheet, name, value)

    return change


def chart(sheet: Any) -> None:
    bars = BarChart()
    bars.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    bars.title = "Ages"
    sheet.add_chart(bars, "D4")


def bold(sheet: Any) -> None:
    sheet["A1"].font = Font(bold=True)


def red(sheet: Any) -> None:
    sheet["B2"].fill = RED


def red_if_old(sheet: Any) -> None:
    sheet.conditional_formatting.add("B1:B3", CellIsRule(operator="greaterThan", formula=["20"], fill=RED))


def validated(sheet: Any) -> None:
    validation = DataValidation(type="list", formula1='"Pass,Fail"')
    validation.add("C2:C3")
    sheet.add_data_validation(validation)


def hidden(sheet: Any) -> None:
    sheet.row_dimensions[2].hidden = True


def wide(sheet: Any) -> None:
    sheet.column_dimensions["A"].width = 40


def filtered(sheet: Any) -> None:
    sheet.auto_filter.ref = "A1:B3"
    sheet.auto_filter.add_filter_column(0, ["Ann"])


def zoomed(sheet: Any) -> None:
    sheet.sheet_view.zoomScale = 260


def same(_sheet: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("right", "wrong", "expected", "wanted"),
    [
        (same, set_(title="Other"), same, rule("sheet_name")),
        (same, lambda sheet: sheet.append(["Cy", 1]), lambda sheet: sheet.append(["", None]), rule("sheet_data")),
        (same, lambda sheet: sheet.cell(2, 2, 30.1), lambda sheet: sheet.cell(2, 2, 30.00002), rule("sheet_data")),
        (same, lambda sheet: sheet.cell(2, 1, "ann"), lambda sheet: sheet.cell(2, 1, "Anne "),
         rule("sheet_fuzzy", rules=[{"type": "included_by", "range": ["A1:A3"], "trim_trailings": " "}])),
        (same, lambda sheet: sheet.cell(2, 1, "Zed"), lambda sheet: sheet.cell(2, 1, "ANN"),
         rule("sheet_fuzzy", rules=[{"type": "fuzzy_match", "range": ["A2"], "ignore_case": True}])),
        (chart, same, chart, rule("chart", chart_props=["type", "title", "direction", "anchor", "width"])),
        (bold, same, bold, rule("style", props=["font_bold", "number_format", "font_size", "font_name", "merge"])),
        (red, same, red_if_old, rule("style", props=["bgcolor"])),
        (set_(freeze_panes="B2"), same, set_(freeze_panes="B2"), rule("freeze")),
        (zoomed, same, same, rule("zoom", sheet_idx=0, method="gt", ref=250)),
        (validated, same, same, rule("data_validation", sheet_idx=0, dv_props=[{
            "ranges": {"method": "spreadsheet_range", "ref": ["C2", "C1:C9"]},
            "formula1": {"method": "str_set_eq", "ref": ["Fail", "Pass"]}}])),
        (hidden, same, hidden, rule("row_props", props=["hidden"])),
        (wide, same, wide, rule("col_props", props=["width"])),
        (filtered, same, filtered, rule("filter")),
        (bold, same, same, rule("check_cell", sheet_idx="RNSheet1", coordinate="A1", props={
            "value": {"method": "eq", "ref": "Name"}, "font_bold": {"method": "eq", "ref": True}})),
    ],
)  # fmt: skip
def test_workbooks(right: Change, wrong: Change, expected: Change, wanted: dict[str, Any]) -> None:
    gold = table(expected, "gold.xlsx", mine=True)
    assert score("compare_table", table(right), gold, rules=[wanted]) == 1
    assert score("compare_table", table(wrong), gold, rules=[wanted]) == 0


def test_what_a_sheet_shows_is_compared_where_it_was_saved_as_text() -> None:
    wanted = [rule("sheet_print", sheet_idx0="RNSheet1", sheet_idx1="ENSheet1", ignore_case=True)]
    gold = ours(book(["x"]), "gold.xlsx", gold_Sheet1=b"A,1.0\n\n")
    assert score("compare_table", of_agent(book(["x"]), "a.xlsx", a_Sheet1=b"a,1.0"), gold, rules=wanted) == 1
    assert score("compare_table", of_agent(book(["x"]), "a.xlsx", a_Sheet1=b"a,1"), gold, rules=wanted) == 0
    assert score("compare_table", of_agent(book(["x"]), "a.xlsx"), gold, rules=wanted) == 0


def test_a_condition_that_cannot_be_decided_is_not_judged_where_it_is_the_tasks_own() -> None:
    def odd(sheet: Any) -> None:
        sheet.conditional_formatting.add("A1:A3", FormulaRule(formula=["ISBLANK(A1)"], fill=RED))

    wanted = {"rules": [rule("style", props=["bgcolor"])]}
    with pytest.raises(
        CannotJudgeError, match=r"gold\.xlsx cannot be read: a conditional format of the kind 'expression'"
    ):
        measure("compare_table", table(), table(odd, "gold.xlsx", mine=True), wanted)
    judged = measure("compare_table", table(odd), table(red, "gold.xlsx", mine=True), wanted)
    assert judged.value == 0
    assert "is not decided" in judged.reason


def first(act: Change) -> Change:
    return lambda document: act(document.paragraphs[0])


def grid(*cells: str, colour: tuple[int, int, int] | None = None) -> Change:
    def change(document: Any) -> None:
        made = document.add_table(1, len(cells))
        for cell, content in zip(made.rows[0].cells, cells, strict=True):
            run = cell.paragraphs[0].add_run(content)
            if colour is not None:
                run.font.color.rgb = RGBColor(*colour)

    return change


def footer(content: str) -> Change:
    return lambda document: setattr(document.sections[0].footer.paragraphs[0], "text", content)


def tab(inches: float) -> Change:
    return first(
        lambda paragraph: paragraph.paragraph_format.tab_stops.add_tab_stop(Inches(inches), WD_TAB_ALIGNMENT.RIGHT)
    )


@pytest.mark.parametrize(
    ("func", "right", "wrong", "expected", "options"),
    [
        ("compare_docx_files", text("One  two. Three"), text("One"), text(mine=True), {}),
        ("compare_docx_files", text(), text("One two. Three"), text(mine=True), {"ignore_blanks": False}),
        ("compare_docx_files", text("three", "", "ONE TWO."), text("one"), text(mine=True),
         {"ignore_blanks": False, "ignore_case": True, "ignore_order": True, "delete_empty_lines": True}),
        ("compare_docx_files", text(), text(name="a.odt"), text(mine=True), {"content_only": True}),
        ("compare_docx_files_and_ignore_new_lines", text("One two.", "", "Three"), text("One"), text(mine=True), {}),
        ("compare_docx_tables", text(change=grid(" a", "b")), text(change=grid("a")),
         text("x", change=grid("a", "b")), {}),
        ("compare_docx_images", text(change=picture("red")), text(change=picture("blue")),
         text(change=picture("red")), {}),
        ("compare_line_spacing", text(change=first(lambda p: setattr(p.paragraph_format, "line_spacing", 2.0))), text(),
         text(change=first(lambda p: setattr(p.paragraph_format, "line_spacing", 2.0))), {}),
        ("check_tabstops", text(change=tab(2)), text(), text(change=tab(2), mine=True), {}),
        ("check_tabstops", text("a b\tc", change=tab(2)), text("a\tc", change=tab(2)),
         text("a\tc", change=tab(2), mine=True),
         {"word_number_split_by_tabstop": 2}),
        ("compare_subscript_contains", text(change=runs(lambda run: setattr(run.font, "subscript", True))), text(),
         text(change=runs(lambda run: setattr(run.font, "subscript", True))), {}),
        ("has_page_numbers_in_footers", text(change=footer("Page 1")), text(change=footer("Page")), None, {}),
        ("compare_font_names", text(change=runs(lambda run: setattr(run.font, "name", "Serif"))), text(),
         {"font_name": "Serif"}, {}),
        ("is_first_line_centered", text(change=first(lambda p: setattr(p, "alignment", 1))), text(), None, {}),
        ("contains_page_break", text(change=first(lambda p: p.add_run().add_break(WD_BREAK.PAGE))), text(), None, {}),
        ("contains_page_break", text(change=first(lambda p: p.add_run().add_break(WD_BREAK.PAGE))), text(),
         {"page_break_count": 1}, {}),
        ("check_italic_font_size_14", text(change=big_italic(14)), text(change=big_italic(12)), text(mine=True), {}),
        ("evaluate_strike_through_last_paragraph", text(change=runs(lambda run: setattr(run.font, "strike", True))),
         text(),
         text(mine=True), {}),
        ("evaluate_colored_words_in_tables", text(change=grid("apple", colour=(254, 0, 2))),
         text(change=grid("apple", colour=(0, 0, 255))), text(mine=True), {}),
        ("compare_unique_train_records", text("t,1,a,b", "t,2,a,b"), text("t,1,a,b", "t,1,a,c"),
         [text("t,1,a,b", "t,2,a,b", mine=True), text("t,1,a,b", "t,1,a,c", "t,2,a,b", mine=True)], {}),
        ("compare_references", text("x", "References", "Ann 1999"), text("References"),
         text("References", "", "Ann 1999", mine=True), {}),
        ("fuzzy_place_math", text("Oslo Rome", "Bern"), text("Oslo"), {"expected": ["Bern", "Rome", "Oslo"]}, {}),
    ],
)  # fmt: skip
def test_text_documents(func: str, right: File, wrong: File, expected: Any, options: dict[str, Any]) -> None:
    assert score(func, right, expected, **options) == pytest.approx(1)
    assert score(func, wrong, expected, **options) == 0


def test_no_word_of_an_odt_document_is_on_yellow_any_more() -> None:
    assert score("check_highlighted_words", odt("a.odt", "T2"), odt("gold.odt", "T1")) == 1
    assert score("check_highlighted_words", odt("a.odt", "T1"), odt("gold.odt", "T1")) == 0


def test_the_default_font_is_in_libreoffices_settings() -> None:
    settings = (
        b'<oor:items xmlns:oor="http://openoffice.org/2001/registry"><item oor:path="/org.openoffice.Office.Writer/'
        b'DefaultFont"><prop oor:name="Standard"><value>Serif</value></prop></item></oor:items>'
    )
    assert score("find_default_font", of_agent(settings), {"font_name": "Serif"}) == 1
    assert score("find_default_font", of_agent(settings), {"font_name": "Sans"}) == 0


def test_cities_and_last_rows_are_read_from_sheets() -> None:
    rows = [["", "", "City"], *[["", "", f"München, {number}"] for number in range(21)]]
    cities = [["Berlin", "munchen"], *["München"] * 20]
    assert score("compare_conference_city_in_order", table(rows=rows), {"expected": cities}) == 1
    assert score("compare_conference_city_in_order", table(rows=rows), {"expected": ["Rome"] * 21}) == 0
    last = LastRow(table(rows=[["a", "b"], ["x", 2]]))
    assert measure("literal_match", last, ["X", "2"], {"type": "list", "ignore_case": True}).value == 1
