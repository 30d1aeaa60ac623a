"""The scores of the tasks in office programs, viewers and browser: for what is right, wrong, in part, and forged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agentgym_desktop import papers
from agentgym_desktop.opendocument import SHEET, TEXT, Archive
from agentgym_desktop.suite import browser, layout, office, spreadsheet, viewers, workbook, writer
from tests.desktop_left import left, value
from tests.desktop_papers import letter_of, sheet_of

if TYPE_CHECKING:
    from agentgym_desktop.task import DesktopTask

MODULES = (spreadsheet, workbook, writer, layout, viewers, browser, office)
TASKS: tuple[DesktopTask, ...] = tuple(task for module in MODULES for task in module.TASKS)
FORGED = (b"", b"PK\x03\x04 no archive", b"%PDF-1.7 no PDF", b"\x89PNG\r\n\x1a\n no picture", b"\xff" * 100)
BOLD = (
    '<style:style style:name="T1" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>'
    '<style:style style:name="P1" style:family="paragraph"><style:paragraph-properties fo:text-align="center"/>'
    '<style:text-properties fo:font-size="{size}" fo:font-style="italic" style:text-underline-style="solid"/>'
    '</style:style><text:list-style style:name="L1"><text:list-level-style-number text:level="1"/></text:list-style>'
)


def paragraphs(*texts: str, style: str = "Standard") -> str:
    return "".join(f'<text:p text:style-name="{style}">{text}</text:p>' for text in texts)


def cell(of: str | float, formula: str = "", style: str = "", kind: str = "float") -> str:
    more = f' table:formula="of:{formula}"' if formula else ""
    more += f' table:style-name="{style}"' if style else ""
    if isinstance(of, str):
        return f'<table:table-cell office:value-type="string"{more}><text:p>{of}</text:p></table:table-cell>'
    more += f' office:value-type="{kind}" office:value="{of}"'
    return f"<table:table-cell{more}><text:p>{of}</text:p></table:table-cell>"


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
class TestEveryTask:
    def test_a_seed_says_all(self, task: DesktopTask) -> None:
        assert task.prepare(7) == task.prepare(7)

    def test_a_thousand_seeds_are_a_thousand_tasks(self, task: DesktopTask, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in (viewers, office):  # pictures are of their words, and take long to draw
            monkeypatch.setattr(module, "png_file", lambda *what, **more: f"{what} {more}".encode())
        setups = [task.prepare(seed) for seed in range(1000)]
        assert len({(each.instruction, str(each.goal)) for each in setups}) > 950

    def test_doing_nothing_scores_nothing(self, task: DesktopTask) -> None:
        for seed in range(20):
            assert value(task, left(task, seed)) == 0

    def test_forged_files_score_nothing_and_never_fail(self, task: DesktopTask) -> None:
        evidence = left(task)
        places = [evidence.goal.get("path"), evidence.goal.get("name"), browser.RECEIPT]
        for place in filter(None, places):
            for content in FORGED:
                evidence.files[place] = evidence.files[f"{place}.ods"] = evidence.files[f"{place}.pdf"] = content
                assert value(task, evidence) == 0

    def test_it_says_what_it_is_and_has_a_solution(self, task: DesktopTask) -> None:
        assert task.description.endswith(".")
        assert task.has_oracle
        assert task.id.startswith("desktop/")


class TestSpreadsheet:
    def test_a_list_counts_row_by_row(self) -> None:
        task = spreadsheet.EnterList()
        evidence = left(task)
        path, rows = evidence.goal["path"], evidence.goal["rows"]
        for wrong, expected in ((rows, 1), ([*rows[:-1], ["x", 1]], 5 / 8), ([*rows, ["x", 1]], 6 / 8)):
            evidence.files[path] = papers.ods_file({"Sheet1": wrong})
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[path] = papers.csv_file(rows)  # the right text in the wrong format
        assert value(task, evidence) == 0

    def test_a_sum_that_is_typed_in_is_worth_less_than_one_that_is_worked_out(self) -> None:
        task = spreadsheet.SumColumn()
        evidence = left(task)
        goal = evidence.goal
        at = ord(goal["cell"][0]) - 65
        for formula, expected in (("=SUM([.B2:.B9])", 1), ("", 0.4), ("=1+1", 0.4)):
            last = [cell("")] * at + [cell(float(goal["total"]), formula)]
            rows = [row(*map(cell, each)) for each in goal["rows"]]
            evidence.files[goal["name"]] = sheet_of("".join([*rows, row(*last)]))
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_sorted_column_with_torn_rows_is_worth_less(self) -> None:
        task = spreadsheet.SortRows()
        evidence = left(task)
        name, wanted, at = (evidence.goal[key] for key in ("name", "wanted", "column"))
        evidence.files[name] = papers.ods_file({"People": wanted})
        assert value(task, evidence) == 1
        torn = [[*each] for each in wanted]
        torn[1][0], torn[2][0] = torn[2][0], torn[1][0]
        evidence.files[name] = papers.ods_file({"People": torn})
        assert value(task, evidence) == 0.4
        assert at in {2, 3}

    def test_each_correction_counts_and_a_gap_does_not(self) -> None:
        task = spreadsheet.CorrectEntries()
        evidence = left(task)
        goal = evidence.goal
        name, wanted, gone = goal["name"], goal["wanted"], goal["gone"]
        evidence.files[name] = papers.ods_file({"Members": wanted})
        assert value(task, evidence) == 1
        evidence.files[name] = papers.ods_file({"Members": [*wanted[:3], [None, None], *wanted[3:]]})
        assert value(task, evidence) == 0.5
        evidence.files[name] = papers.ods_file({"Members": [*wanted[:-1], [gone, 5], wanted[-1]]})
        assert value(task, evidence) == 0.5
        evidence.files[name] = papers.ods_file({"Members": []})
        assert value(task, evidence) == 0

    def test_an_invoice_of_typed_figures_lacks_its_formulas(self) -> None:
        task = spreadsheet.WorkOutInvoice()
        evidence = left(task)
        goal = evidence.goal
        figures = [*goal["amounts"].values(), *goal["last"].values()]
        for formula, expected in (("=[.B2]*[.C2]", 1), ("", 0.85)):
            rows = [row(*[cell("x")] * 4)] + [row(*[cell("x")] * 3, cell(float(each), formula)) for each in figures]
            evidence.files[goal["name"]] = sheet_of("".join(rows))
            assert value(task, evidence) == pytest.approx(expected)

    def test_only_the_right_shop_is_an_answer(self) -> None:
        task = spreadsheet.FindBest()
        evidence = left(task)
        for answer, expected in ((evidence.goal["answer"], 1), (f"{evidence.goal['answer'].lower()}.", 1), ("Oslo", 0)):
            evidence.answer = answer
            assert value(task, evidence) == expected


class TestWorkbook:
    def test_sheets_count_one_by_one_and_what_is_in_them_must_stay(self) -> None:
        task = workbook.TidySheets()
        evidence = left(task)
        goal = evidence.goal
        name, values = goal["name"], goal["values"]
        right = {each: values[each] for each in goal["wanted"]}
        for sheets, expected in (
            (right, 1),
            ({**right, goal["gone"]: values[goal["gone"]]}, 1 / 3),
            ({goal["old"] if each == goal["new"] else each: rows for each, rows in right.items()}, 1 / 3),
            ({each: [["empty"]] for each in right}, 0),
        ):
            evidence.files[name] = papers.ods_file(sheets)
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_table_of_values_must_be_whole_and_the_spreadsheet_stay(self) -> None:
        task = workbook.SaveAsCsv()
        evidence = left(task)
        path, rows = evidence.goal["path"], evidence.goal["rows"]
        evidence.files[path] = papers.csv_file(rows)
        assert value(task, evidence) == 1
        evidence.files[path] = papers.csv_file(rows[:-1])
        assert value(task, evidence) == 0.3
        evidence.files[path] = papers.csv_file(rows)
        del evidence.files[next(each for each in evidence.files if each.endswith(".ods"))]
        assert value(task, evidence) == 0.75

    def test_looks_count_only_where_the_figures_are_as_they_were(self) -> None:
        task = workbook.FormatTable()
        evidence = left(task)
        goal = evidence.goal
        rows, at = goal["rows"], ord(goal["column"]) - 65
        styles = BOLD.replace('family="text"', 'family="table-cell"')

        def made(*, bold: int, percent: bool, everywhere: bool = False) -> bytes:
            head = row(*(cell(text, style="T1" if number < bold else "") for number, text in enumerate(rows[0])))
            kinds = ["percentage" if percent and (number == at or everywhere) else "float" for number in range(4)]
            style = "T1" if everywhere else ""
            body = [
                row(*(cell(each, kind=kind, style=style) for each, kind in zip(line, kinds, strict=True)))
                for line in rows[1:]
            ]
            return sheet_of("".join([head, *body]), styles=styles)

        for content, expected in (
            (made(bold=4, percent=True), 1),
            (made(bold=4, percent=False), 0.5),
            (made(bold=3, percent=True), 0.5),
            (made(bold=4, percent=True, everywhere=True), 0.2),
            (made(bold=0, percent=False), 0),
        ):
            evidence.files[goal["name"]] = content
            assert value(task, evidence) == pytest.approx(expected)


class TestWriter:
    def test_a_letter_counts_line_by_line(self) -> None:
        task = writer.WriteLetter()
        evidence = left(task)
        path, lines = evidence.goal["path"], evidence.goal["lines"]
        for texts, expected in ((lines, 1), (lines[::-1], 4 / 6), (lines[:2], 2 / 6), ([], 0)):
            evidence.files[path] = papers.odt_file(texts)
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[path] = "\n".join(lines).encode()
        assert value(task, evidence) == 0

    def test_headings_count_where_no_text_was_lost(self) -> None:
        task = writer.MarkHeadings()
        evidence = left(task)
        goal = evidence.goal
        marked: list[Any] = [(1, text) if text in goal["titles"] else text for text in goal["texts"]]
        for made, expected in (
            (marked, 1),
            ([(1, text) for text in goal["texts"]], 3 / 4),
            ([marked[0], *goal["texts"][1:]], 1 / 4),
            (marked[:-1], 0),
        ):
            evidence.files[goal["name"]] = papers.odt_file(made)
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_word_must_be_bold_everywhere_and_alone(self) -> None:
        task = writer.EmphasiseWord()
        evidence = left(task)
        goal = evidence.goal
        word, texts = goal["word"], goal["texts"]
        bold = f'<text:span text:style-name="T1">{word}</text:span>'
        right = [text.replace(word, bold) for text in texts]
        first = next(at for at, text in enumerate(texts) if word in text)
        for made, expected in (
            (right, 1),
            ([right[at] if at == first else text for at, text in enumerate(texts)], 0.6),
            ([f'<text:span text:style-name="T1">{text}</text:span>' for text in texts], 0.7),
            (right[1:], 0),
        ):
            evidence.files[goal["name"]] = letter_of(paragraphs(*made), styles=BOLD)
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_name_counts_where_it_was_replaced(self) -> None:
        task = writer.ReplaceName()
        evidence = left(task)
        goal = evidence.goal
        evidence.files[goal["name"]] = papers.odt_file(goal["wanted"])
        assert value(task, evidence) == 1
        evidence.files[goal["name"]] = papers.odt_file([])
        assert value(task, evidence) == 0


class TestLayout:
    def test_a_table_counts_by_its_rows(self) -> None:
        task = layout.AddTable()
        evidence = left(task)
        goal = evidence.goal
        rows = [list(each) for each in goal["rows"]]
        for table, expected in ((rows, 1), (rows[:-1], 0.4 if len(rows) > 2 else 0.2), ([["x", "y"]] * len(rows), 0.4)):
            evidence.files[goal["name"]] = papers.odt_file([*goal["texts"], table])
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[goal["name"]] = papers.odt_file([rows])  # the text is lost
        assert value(task, evidence) == 0

    def test_a_list_must_be_numbered_and_of_these_paragraphs(self) -> None:
        task = layout.NumberSteps()
        evidence = left(task)
        goal = evidence.goal
        texts, items = goal["texts"], goal["items"]
        at = texts.index(items[0])

        def made(style: str, listed: list[str]) -> bytes:
            entries = "".join(f"<text:list-item>{paragraphs(each)}</text:list-item>" for each in listed)
            rest = texts[at + len(listed) :]
            inner = f'<text:list text:style-name="{style}">{entries}</text:list>'
            return letter_of(paragraphs(*texts[:at]) + inner + paragraphs(*rest), styles=BOLD)

        for content, expected in ((made("L1", items), 1), (made("L2", items), 0.7), (made("L1", items[:2]), 0.3)):
            evidence.files[goal["name"]] = content
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_title_counts_by_its_looks_and_the_rest_must_have_none(self) -> None:
        task = layout.DressTitle()
        evidence = left(task)
        goal = evidence.goal
        title, *rest = goal["texts"]
        for size, body, expected in (
            (goal["size"], paragraphs(*rest), 1),
            ("9pt", paragraphs(*rest), 2 / 3),
            (goal["size"], paragraphs(*rest, style="P1"), 0),
        ):
            styles = BOLD.format(size=size)
            evidence.files[goal["name"]] = letter_of(paragraphs(title, style="P1") + body, styles=styles)
            assert value(task, evidence) == pytest.approx(expected)

    def test_a_pdf_must_have_all_of_the_text(self) -> None:
        task = layout.ExportPdf()
        evidence = left(task)
        goal = evidence.goal
        for lines, expected in ((goal["texts"], 1), (goal["texts"][:2], 0.3), (["Other"], 0)):
            evidence.files[goal["path"]] = papers.pdf_file([lines])
            assert value(task, evidence) == pytest.approx(expected)
        evidence.files[goal["path"]] = evidence.files[goal["name"]]  # the right text in the wrong format
        assert value(task, evidence) == 0


class TestOffice:
    def test_bills_count_by_rows_sum_and_pdf(self) -> None:
        task = office.BillsToSheet()
        evidence = left(task)
        goal = evidence.goal
        rows, name = goal["rows"], goal["name"]
        made = [row(*map(cell, map(float_of, each))) for each in rows]
        last = row(cell("Sum"), cell(float(goal["total"]), "=SUM([.B2:.B5])"))
        evidence.files[f"{name}.ods"] = sheet_of("".join(made))
        assert value(task, evidence) == pytest.approx(0.35)
        evidence.files[f"{name}.ods"] = sheet_of("".join([*made, last]))
        assert value(task, evidence) == pytest.approx(0.7)
        evidence.files[f"{name}.pdf"] = papers.pdf_file([[f"{one} {two}" for one, two in rows] + [str(goal["total"])]])
        assert value(task, evidence) == pytest.approx(1)

    def test_a_note_counts_by_lines_order_and_pdf(self) -> None:
        task = office.ResultsToLetter()
        evidence = left(task)
        name, lines = evidence.goal["name"], evidence.goal["lines"]
        evidence.files[f"{name}.odt"] = papers.odt_file(lines[::-1])
        assert value(task, evidence) == pytest.approx(0.4)
        evidence.files[f"{name}.odt"] = papers.odt_file(lines)
        assert value(task, evidence) == pytest.approx(0.7)
        evidence.files[f"{name}.pdf"] = papers.pdf_file([lines])
        assert value(task, evidence) == pytest.approx(1)

    def test_prices_count_shop_by_shop_and_their_order(self) -> None:
        task = office.PricesToSheet()
        evidence = left(task)
        name, rows = evidence.goal["name"], evidence.goal["rows"]
        for made, expected in ((rows, 1), ([rows[0], *rows[:0:-1]], 0.6), ([*rows, ["Other", 1]], 0)):
            evidence.files[name] = papers.ods_file({"Prices": made})
            assert value(task, evidence) == pytest.approx(expected)


def float_of(value_: str | int) -> str | float:
    return value_ if isinstance(value_, str) else float(value_)


def test_set_ups_are_documents_of_their_formats() -> None:
    for task in TASKS:
        for name, content in task.prepare(3).files.items():
            if name.endswith((".ods", ".odt")):
                Archive(content, SHEET if name.endswith(".ods") else TEXT).tree("content.xml")
