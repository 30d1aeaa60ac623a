"""Tasks in the spreadsheet that are about a file as a whole: its sheets, formats, looks and charts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from agentgym.action import Click, Done, Fill, Press
from agentgym_desktop.documents import read_csv
from agentgym_desktop.sheets import read_workbook
from agentgym_desktop.suite import libre, words
from agentgym_desktop.suite.hands import choose, click, find, find_all, said, until, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.suite.spreadsheet import Rows, SheetTask, file_name, rows_of
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.papers import Value
    from agentgym_desktop.task import Evidence


class TidySheets(SheetTask):
    """Give one sheet of a file another name and delete another sheet, and save the file."""

    id = "desktop/calc-tidy-sheets"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = rng.sample(words.CITIES, 4)
        sheets: dict[str, Rows] = {
            name: [["Visitors", rng.randint(100, 999)], ["Guides", rng.randint(2, 20)]] for name in names
        }
        old, gone = rng.sample(names, 2)
        new = f"{old} {rng.randint(2010, 2024)}"
        instruction = (
            f'Call the sheet {old} "{new}" from now on, delete the sheet {gone} altogether, and save the file.'
        )
        wanted = [new if name == old else name for name in names if name != gone]
        values = {new if name == old else name: rows for name, rows in sheets.items()}
        return self.opened(
            file_name(rng), sheets, instruction, wanted=wanted, values=values, old=old, new=new, gone=gone
        )

    def score(self, evidence: Evidence) -> Score:
        """Judge the sheets."""
        goal = evidence.goal
        book, reason = read_workbook(evidence.read(goal["name"]))
        names = [sheet.name for sheet in book.sheets] if book is not None else []
        whole = book is not None and all(
            rows_of(sheet, 2) == goal["values"].get(sheet.name) for sheet in book.sheets if sheet.name != goal["old"]
        )
        parts = [
            Part(
                f"{goal['old']} is called {goal['new']} ({reason})",
                whole and goal["new"] in names and goal["old"] not in names,
            ),
            Part(f"{goal['gone']} is deleted", whole and bool(names) and goal["gone"] not in names),
            Part("the sheets are as wanted, and what is in them", whole and names == goal["wanted"]),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        old, new, gone = said(observation, r'the sheet (\w+) "([^"]+)".* the sheet (\w+) altogether')
        observation = yield from click(observation, "tab", old)
        observation = yield from choose(observation, "Sheet", "Rename Sheet...")
        observation = yield from until_there(observation, "dialog", "Rename Sheet")
        observation = yield Fill(find(observation, "textbox", "Name").id, new)
        observation = yield from libre.confirm(observation, "Rename Sheet")
        observation = yield from click(observation, "tab", gone)
        observation = yield from choose(observation, "Sheet", "Delete Sheet...")
        observation = yield from click(observation, "button", "Yes")
        yield from until(observation, lambda seen: not find_all(seen, "tab", gone), "the end of the sheet")
        yield Press("Control+s")
        yield Done()


class SaveAsCsv(SheetTask):
    """Save a sheet as comma-separated values under a given name in a folder; the spreadsheet itself stays."""

    id = "desktop/calc-save-as-csv"
    description = __doc__ or ""
    max_steps = 20

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(5, 9)
        rows: Rows = [["Name", "City", "Points"]]
        rows += [
            [name, city, rng.randint(1, 500)]
            for name, city in zip(words.full_names(rng, count), rng.sample(words.CITIES, count), strict=True)
        ]
        name, path = file_name(rng), f"Exchange/{rng.choice(words.COLOURS)}-{rng.randint(100, 999)}.csv"
        instruction = (
            f"Another program reads nothing but comma-separated values: keep a copy of this table for it, as "
            f"{path.partition('/')[2]} in the folder Exchange. The spreadsheet is to stay as it is."
        )
        setup = self.opened(name, {"People": rows}, instruction)
        files = {**setup.files, "Exchange/old.csv": b"Name,City,Points\n"}
        wanted = tuple(tuple(str(value) for value in row) for row in rows)
        return Setup(instruction, {"path": path, "files": files, "rows": wanted}, files, setup.opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file."""
        path, rows = evidence.goal["path"], evidence.goal["rows"]
        table, reason = read_csv(evidence.read(path))
        found = table.rows if table is not None else ()
        same = sum(one == other for one, other in zip(found, rows, strict=False))
        parts = [
            Part(f"{path} has most of the rows ({reason})", same > len(rows) / 2, 0.3),
            Part(f"{path} has all rows and nothing else", found == rows, 0.7),
        ]
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"as (\S+\.csv) in")
        yield from libre.save_as(observation, f"Exchange/{name}")
        yield Done()


class FormatTable(SheetTask):
    """Make the headings of a table bold and have a column shown as percentages, and save the file."""

    id = "desktop/calc-format-table"
    description = __doc__ or ""
    max_steps = 18

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        headings: list[Value] = [thing.title() for thing in rng.sample(words.COLOURS, 3)]
        shares = rng.randrange(3)
        cities = rng.sample(words.CITIES, rng.randint(6, 12))
        rows: Rows = [["City", *headings]]
        for city in cities:
            rows.append(
                [city, *(rng.randint(1, 99) / 100 if at == shares else rng.randint(100, 999) for at in range(3))]
            )
        instruction = (
            f"Make all headings in the first row of this table bold, and have the figures of the column "
            f"{headings[shares]} shown as percentages. Nothing else is to change. Save the file."
        )
        return self.opened(file_name(rng), {"Shares": rows}, instruction, rows=rows, column=chr(66 + shares))

    def score(self, evidence: Evidence) -> Score:
        """Judge the looks of the cells."""
        rows, column = evidence.goal["rows"], evidence.goal["column"]
        sheet, reason = self.first_sheet(evidence)
        same = rows_of(sheet, 4) == rows
        cells = sheet.cells if sheet is not None and same else {}
        bold = {name for name, cell in cells.items() if cell.style.get("font-weight") == "bold"}
        percent = {name for name, cell in cells.items() if cell.kind == "percentage"}
        headings = {"A1", "B1", "C1", "D1"}
        figures = {f"{column}{row}" for row in range(2, len(rows) + 1)}
        parts = [  # which cells is the task: all of them made bold is little
            Part(f"the headings are bold ({reason})", headings <= bold, 0.1),
            Part("nothing but the headings is bold", headings == bold, 0.4),
            Part(f"the figures of {column} are percentages", figures <= percent, 0.1),
            Part("no others are", figures == percent, 0.4),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (heading,) = said(observation, r"of the column (\w+) shown")
        letters = libre.column(observation, heading)
        yield from libre.go_to(observation, "A1")
        yield Press("Control+Shift+ArrowRight")
        observation = yield Press("Control+b")
        yield from libre.go_to(observation, f"{letters}2")
        observation = yield Press("Control+Shift+ArrowDown")
        yield from click(observation, "button", "Percent")
        yield Press("Control+s")
        yield Done()


class MakeChart(SheetTask):
    """Make a chart of a given kind from a table, and save the file."""

    id = "desktop/calc-make-chart"
    description = __doc__ or ""
    max_steps = 20
    kinds: ClassVar = {
        "pie": ("Pie", "circle"),
        "line": ("Line", "line"),
        "net": ("Net", "radar"),
        "area": ("Area", "area"),
    }

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        kind = rng.choice(sorted(self.kinds))
        rows: Rows = [[rng.choice(("Thing", "Article")), rng.choice(("Sold", "Returned", "In stock"))]]
        rows += [[thing, rng.randint(5, 95)] for thing in rng.sample(words.THINGS, rng.randint(4, 8))]
        instruction = (
            f"Draw {'an' if kind == 'area' else 'a'} {kind} chart of this table into the sheet, and save the file."
        )
        return self.opened(file_name(rng), {"Store": rows}, instruction, rows=rows, kind=self.kinds[kind][1])

    def score(self, evidence: Evidence) -> Score:
        """Judge the chart."""
        rows, kind = evidence.goal["rows"], evidence.goal["kind"]
        sheet, reason = self.first_sheet(evidence)
        charts = sheet.charts if sheet is not None and rows_of(sheet, 2) == rows else ()
        figures = [each for each in charts if re.search(rf"\bB[12]:.*B{len(rows)}\b|A1:.*B{len(rows)}\b", each.ranges)]
        parts = [
            Part(f"there is a chart ({reason})", bool(charts), 0.2),
            Part("it is of all figures of the table", bool(figures), 0.3),
            Part(f"it is one {kind} chart", len(charts) == 1 and charts[0].kind == kind, 0.5),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (kind,) = said(observation, r"Draw an? (\w+) chart")
        yield from libre.go_to(observation, "A1")
        yield Press("Control+Shift+ArrowDown")
        observation = yield Press("Control+Shift+ArrowRight")
        observation = yield from choose(observation, "Insert", "Chart...")
        observation = yield from click(observation, "gridcell", self.kinds[kind][0])
        observation = yield from click(observation, "button", "Finish")
        observation = yield from until(
            observation, lambda seen: not find_all(seen, "button", "Finish"), "the end of the chart's questions"
        )
        yield Click(find(observation, "tab", "Store").id)
        yield Press("Control+s")
        yield Done()


TASKS: tuple[DesktopTask, ...] = (TidySheets(), SaveAsCsv(), FormatTable(), MakeChart())
