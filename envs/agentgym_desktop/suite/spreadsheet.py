"""Tasks in the spreadsheet, LibreOffice Calc: from a list that is typed in to a worked-out invoice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Done, Press, Type
from agentgym_desktop.apps import CALC
from agentgym_desktop.papers import Value, ods_file
from agentgym_desktop.sheets import read_workbook
from agentgym_desktop.suite import libre, words
from agentgym_desktop.suite.hands import choose, said
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.sheets import Sheet
    from agentgym_desktop.task import Evidence

Rows = list[list[Value]]


class SheetTask(DesktopTask):
    """A task in which Calc is open with a file."""

    max_steps = 30

    def opened(
        self, name: str, sheets: Mapping[str, Sequence[Sequence[Value]]], instruction: str, **goal: object
    ) -> Setup:
        """Return a set-up whose spreadsheet has some sheets; its goal holds name and files, too."""
        files = {name: ods_file(sheets)}
        return Setup(instruction, goal={"name": name, "files": files, **goal}, files=files, opens=(CALC.with_(name),))

    def first_sheet(self, evidence: Evidence) -> tuple[Sheet | None, str]:
        """Return the first sheet of the file as it was left, and why there is none."""
        book, reason = read_workbook(evidence.read(evidence.goal["name"]))
        return (book.first if book is not None else None), reason

    def harm(self, evidence: Evidence, *may: str) -> list[str]:
        """Return what was done to other files."""
        return harm_done(evidence, evidence.goal["files"], may=[evidence.goal["name"], *may])


def rows_of(sheet: Sheet | None, width: int) -> Rows:
    """Return the rows of a sheet, up to its last one, each of a width."""
    if sheet is None or not sheet.cells:
        return []
    height = max(int(name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for name in sheet.cells)
    return [[_plain(sheet.value(f"{chr(65 + at)}{row}")) for at in range(width)] for row in range(1, height + 1)]


def _plain(value: float | str | bool | None) -> Value:
    return str(value) if isinstance(value, bool) else value


def file_name(rng: Random, *, ending: str = "ods") -> str:
    """Return the name of a file."""
    return f"{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.{ending}"


class EnterList(DesktopTask):
    """Type a short list with headings into an empty spreadsheet, and save it under a given name in a folder."""

    id = "desktop/calc-enter-list"
    description = __doc__ or ""
    apps = (CALC,)
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        things = rng.sample(words.THINGS, 5)
        rows: Rows = [["Thing", "Count"]]
        rows += [[thing, rng.randint(2, 99)] for thing in things]
        path = f"Documents/{file_name(rng)}"
        listed = ", ".join(f"{thing} {count}" for thing, count in rows[1:])
        files = {"Documents/readme.txt": b"Lists are kept here.\n"}
        instruction = (
            f"Make a list of what is in the store: a column Thing and, right of it, a column Count, with the headings "
            f"in the first row and then one row each for {listed}. "
            f"Keep it as {path.partition('/')[2]} in the folder Documents."
        )
        return Setup(instruction, goal={"path": path, "rows": rows, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file."""
        path, rows = evidence.goal["path"], evidence.goal["rows"]
        book, reason = read_workbook(evidence.read(path))
        found = rows_of(book.first if book is not None else None, 2)
        parts = [
            Part(f"row {at + 1} is {row} ({reason or found[at : at + 1]})", found[at : at + 1] == [row])
            for at, row in enumerate(rows)
        ]
        parts.append(Part("there is nothing else in the sheet", found == rows, 2.0))
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        listed, name = said(observation, r"each for (.+)\. Keep it as (\S+) in")
        rows = "".join(f"{thing}\t{count}\n" for thing, count in re.findall(r"(\w+) (\d+)", listed))
        observation = yield from libre.go_to(observation, "A1")
        observation = yield Type(f"Thing\tCount\n{rows}")
        yield from libre.save_as(observation, f"Documents/{name}")
        yield Done()


class SumColumn(SheetTask):
    """Put the sum of a column below its last figure, as a formula, and save the file."""

    id = "desktop/calc-sum-column"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        months = ["Spring", "Summer", "Autumn", "Winter"]
        wanted = rng.choice(months)
        cities = rng.sample(words.CITIES, rng.randint(8, 14))
        rows: Rows = [["City", *months]]
        rows += [[city, *(rng.randint(10, 999) for _ in months)] for city in cities]
        at = 1 + months.index(wanted)
        total = sum(int(row[at] or 0) for row in rows[1:])
        instruction = (
            f"Right below the last figure of the column {wanted}, have the sheet work out the sum of that column, so "
            "that it stays right when a figure changes. Then save the file."
        )
        cell = f"{chr(65 + at)}{len(rows) + 1}"
        return self.opened(file_name(rng), {"Sales": rows}, instruction, cell=cell, total=total, rows=rows)

    def score(self, evidence: Evidence) -> Score:
        """Judge the cell."""
        goal = evidence.goal
        sheet, reason = self.first_sheet(evidence)
        cell = sheet.cells.get(goal["cell"]) if sheet is not None else None
        right = cell is not None and cell.value == goal["total"]
        kept = rows_of(sheet, 5)[:-1] == goal["rows"]
        parts = [
            Part(f"{goal['cell']} is {goal['total']} ({reason})", right, 0.4),
            Part("it is worked out from cells", right and kept and cell is not None and "[." in cell.formula, 0.6),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (heading,) = said(observation, r"of the column (\w+),")
        letters = libre.column(observation, heading)
        last = libre.last_row(observation, letters)
        yield from libre.write(observation, f"{letters}{last + 1}", f"=SUM({letters}2:{letters}{last})")
        yield Press("Control+s")
        yield Done()


class SortRows(SheetTask):
    """Sort a table by one of its columns, upwards or downwards, with its rows kept whole, and save the file."""

    id = "desktop/calc-sort-rows"
    description = __doc__ or ""
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(10, 18)
        cities, names = rng.sample(words.CITIES, count), words.full_names(rng, count)
        figures, years = rng.sample(range(100, 1000), count), rng.sample(range(1950, 2010), count)
        rows: Rows = [list(row) for row in zip(names, cities, figures, years, strict=True)]
        headings = ["Name", "City", "Points", "Born"]
        at, down = rng.randrange(2, 4), rng.random() < 0.5
        wanted = sorted(rows, key=lambda row: int(row[at] or 0), reverse=down)
        if rows[:3] == wanted[:3]:
            rows.reverse()
        how = {
            (2, True): "the most points come first",
            (2, False): "the fewest points come first",
            (3, True): "the youngest come first",
            (3, False): "the oldest come first",
        }[at, down]
        instruction = f"Put the people of this table into such an order that {how}, and save the file."
        return self.opened(
            file_name(rng), {"People": [headings, *rows]}, instruction, wanted=[headings, *wanted], column=at
        )

    def score(self, evidence: Evidence) -> Score:
        """Judge the rows."""
        wanted, at = evidence.goal["wanted"], evidence.goal["column"]
        sheet, reason = self.first_sheet(evidence)
        found = rows_of(sheet, 4)
        parts = [
            Part(f"the column is in order ({reason})", [row[at] for row in found] == [row[at] for row in wanted], 0.4),
            Part("the rows are whole and in order", found == wanted, 0.6),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (first,) = said(observation, r"that the (\w+(?: points)?) come first")
        heading, down = {
            "most points": ("Points", True),
            "fewest points": ("Points", False),
            "youngest": ("Born", True),
            "oldest": ("Born", False),
        }[first]
        observation = yield from libre.go_to(observation, f"{libre.column(observation, heading)}2")
        yield from choose(observation, "Data", "Sort Descending" if down else "Sort Ascending")
        yield Press("Control+s")
        yield Done()


class CorrectEntries(SheetTask):
    """Correct one figure of a list, remove one of its rows and add another at its end, and save the file."""

    id = "desktop/calc-correct-entries"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = words.full_names(rng, rng.randint(10, 16))
        new = names.pop()
        rows: Rows = [[name, rng.randint(100, 999)] for name in names]
        changed, gone = rng.sample(names[1:-1], 2)
        figure, added = rng.randint(1000, 1999), rng.randint(1000, 1999)
        headings: list[Value] = ["Member", "Paid"]
        instruction = (
            f"Three things are wrong with this list: {changed} has paid {figure}, {gone} is no member any more "
            f"and must not leave a gap, and {new} is missing at the end, who has paid {added}. "
            "Put it right and save the file."
        )
        wanted = [headings]
        wanted += [[name, figure if name == changed else paid] for name, paid in rows if name != gone]
        wanted.append([new, added])
        goal = {"changed": [changed, figure], "gone": gone, "new": [new, added], "wanted": wanted}
        return self.opened(file_name(rng), {"Members": [headings, *rows]}, instruction, **goal)

    def score(self, evidence: Evidence) -> Score:
        """Judge the rows."""
        goal = evidence.goal
        sheet, reason = self.first_sheet(evidence)
        found = rows_of(sheet, 2)
        known = [row[0] for row in goal["wanted"]]
        whole = sum(row[0] in known for row in found) >= len(known) - 1
        gap = any(row == [None, None] for row in found)
        parts = [
            Part(f"{goal['changed']} is in the list ({reason})", whole and goal["changed"] in found),
            Part(f"{goal['gone']} is not", whole and not gap and goal["gone"] not in [row[0] for row in found]),
            Part(f"{goal['new']} is its last row", whole and found[-1:] == [goal["new"]]),
            Part("all rows are as wanted", found == goal["wanted"]),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        changed, figure, gone = said(observation, r"list: (.+) has paid (\d+), (.+) is no member")
        new, added = said(observation, r"and (\w+ \w+) is missing at the end, who has paid (\d+)")
        observation = yield from libre.write(observation, f"B{libre.row(observation, changed)}", figure)
        observation = yield from libre.write(observation, f"A{libre.last_row(observation, 'A') + 1}", f"{new}\t{added}")
        observation = yield from libre.go_to(observation, f"A{libre.row(observation, gone)}")
        yield from choose(observation, "Sheet", "Delete Rows")
        yield Press("Control+s")
        yield Done()


class FindBest(SheetTask):
    """Say which entry of a long sheet, most of which is off screen, has the highest figure of a month."""

    id = "desktop/calc-find-best"
    description = __doc__ or ""
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        months = rng.sample(words.MONTHS, 4)
        month = rng.choice(months)
        shops = [f"{city} {thing}" for city in words.CITIES for thing in ("North", "South", "West")]
        rng.shuffle(shops)
        rows: Rows = [["Shop", *months]]
        rows += [[shop, *(rng.randint(100, 899) for _ in months)] for shop in shops]
        at = 1 + months.index(month)
        best = rng.randrange(40, len(rows))
        for other in range(1, 5):
            rows[rng.randrange(1, len(rows))][other] = 990 if other != at else 900
        rows[best][at] = 950
        instruction = f"Which of the {len(shops)} shops of this sheet has sold most in {month}? Answer with its name."
        return self.opened(file_name(rng), {"Shops": rows}, instruction, answer=rows[best][0])

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer."""
        answer = text_matches((evidence.answer or "").strip(" ."), str(evidence.goal["answer"]), ignore_case=True)
        return judge(
            [Part(answer.reason or "the answer", answer.value == 1.0)], harm_done(evidence, evidence.goal["files"])
        )

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        count, month = said(observation, r"the (\d+) shops .* in (\w+)\?")
        letters = libre.column(observation, month)
        seen = libre.cells(observation)
        observation = yield from libre.go_to(observation, "A1")
        while f"A{int(count) + 1}" not in seen:
            observation = yield Press("PageDown")
            seen |= libre.cells(observation)
        figures = {
            int(value): name
            for name, value in seen.items()
            if name.rstrip("0123456789") == letters and name != f"{letters}1"
        }
        yield Done(seen["A" + figures[max(figures)][len(letters) :]])


class WorkOutInvoice(SheetTask):
    """Work out an invoice by formulas: the amount of each row, their sum, the tax on it and what is to be paid."""

    id = "desktop/calc-work-out-invoice"
    description = __doc__ or ""
    max_steps = 40

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        rate = rng.choice((5, 10, 20, 25))
        rows: Rows = [["Article", "Pieces", "Price", "Amount"]]
        rows += [
            [thing, rng.randint(2, 30), 20 * rng.randint(1, 30)]
            for thing in rng.sample(words.THINGS, rng.randint(5, 8))
        ]
        amounts = [int(row[1] or 0) * int(row[2] or 0) for row in rows[1:]]
        net = sum(amounts)
        tax = net * rate // 100
        sheet: Rows = [*rows, ["Net"], ["Tax"], ["To pay"]]
        wanted = {f"D{at}": amount for at, amount in enumerate(amounts, start=2)}
        at = len(rows) + 1
        last = {f"D{at}": net, f"D{at + 1}": tax, f"D{at + 2}": net + tax}
        instruction = (
            f"Finish this invoice: each amount is pieces times price; below the articles the column Amount is to "
            f"have the net sum of all amounts, the tax, which is {rate} percent of the net sum, and what there "
            "is to pay, which is both together. Let the sheet work all of them out, and save the file."
        )
        return self.opened(file_name(rng), {"Invoice": sheet}, instruction, amounts=wanted, last=last)

    def score(self, evidence: Evidence) -> Score:
        """Judge the cells of the column."""
        goal = evidence.goal
        sheet, reason = self.first_sheet(evidence)
        cells = sheet.cells if sheet is not None else {}

        def right(name: str, value: int) -> bool:
            cell = cells.get(name)
            return cell is not None and isinstance(cell.value, float) and abs(cell.value - value) < 1e-6

        def worked_out(name: str) -> bool:
            cell = cells.get(name)
            return cell is not None and "[." in cell.formula

        amounts, last = goal["amounts"], goal["last"]
        parts = [
            Part(f"{name} is {value} ({reason})", right(name, value), 0.4 / len(amounts))
            for name, value in amounts.items()
        ]
        parts += [Part(f"{name} is {value}", right(name, value), 0.15) for name, value in last.items()]
        every = {**amounts, **last}
        parts.append(
            Part("all are formulas", all(right(name, every[name]) and worked_out(name) for name in every), 0.15)
        )
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (rate,) = said(observation, r"which is (\d+) percent")
        net = libre.row(observation, "Net")
        formulas = [f"=B{row}*C{row}" for row in range(2, net)]
        formulas += [f"=SUM(D2:D{net - 1})", f"=D{net}*{rate}/100", f"=D{net}+D{net + 1}"]
        yield from libre.write(observation, "D2", "\n".join(formulas))
        yield Press("Control+s")
        yield Done()


TASKS: tuple[DesktopTask, ...] = (
    EnterList(),
    SumColumn(),
    SortRows(),
    CorrectEntries(),
    FindBest(),
    WorkOutInvoice(),
)
