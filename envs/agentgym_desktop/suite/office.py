"""Long tasks across apps: figures are read in one app, put down in another, and filed in the formats asked for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Done, Fill, Press, Type
from agentgym_desktop.apps import BROWSER, CALC, EDITOR, IMAGE_VIEWER, PDF_VIEWER, WRITER
from agentgym_desktop.letters import read_letter
from agentgym_desktop.papers import ods_file, pdf_file, png_file
from agentgym_desktop.pdf import read_pdf
from agentgym_desktop.sheets import read_workbook
from agentgym_desktop.suite import libre, words
from agentgym_desktop.suite.browser import links, page, table
from agentgym_desktop.suite.hands import choose, click, find, find_all, said, until, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.suite.spreadsheet import Rows, rows_of
from agentgym_desktop.suite.viewers import CLEAR, SIZES, page_shown
from agentgym_desktop.suite.writer import sentences, texts_of
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.sheets import Sheet
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

MOST_WINDOWS = 4


def to_window(observation: Observation, title: str) -> Hands:
    """Bring the window to the front whose title has some words."""
    for _ in range(MOST_WINDOWS):
        if title in observation.title:
            break
        observation = yield Press("Alt+Tab")
    return (yield from until(observation, lambda seen: title in seen.title, f"the window {title!r}"))


def sheet_in(evidence: Evidence, path: str) -> tuple[Sheet | None, str]:
    """Return the first sheet of a file, and why there is none."""
    book, reason = read_workbook(evidence.read(path))
    return (book.first if book is not None else None), reason


def rows_from(names: list[str], figures: list[int]) -> Rows:
    """Return rows of a name and a figure."""
    return [[name, figure] for name, figure in zip(names, figures, strict=True)]


def pdf_part(evidence: Evidence, path: str, texts: list[str], worth: float) -> Part:
    """Return as a part of a score that a PDF has all of some texts."""
    pdf, reason = read_pdf(evidence.read(path))
    missing = [text for text in texts if pdf is None or not pdf.says(text)]
    return Part(f"{path} has {', '.join(missing) or 'all of it'} ({reason})", not missing, worth)


class BillsToSheet(DesktopTask):
    """Read the bills in a PDF, list and add them up in a spreadsheet, and file that as a spreadsheet and as PDF."""

    id = "desktop/office-bills-to-sheet"
    description = __doc__ or ""
    apps = (CALC,)
    max_steps = 70

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(4, 5)
        people, sums = words.full_names(rng, count), rng.sample(range(100, 1000), count)
        pages = [[f"Bill {at}", f"For {each}", f"Total: {sums[at - 1]} EUR"] for at, each in enumerate(people, start=1)]
        bills, name = f"bills-{rng.randint(10, 99)}.pdf", f"{rng.choice(words.MONTHS)}-{rng.randint(2010, 2024)}"
        files = {bills: pdf_file(pages), "Accounts/readme.txt": b"One file a month\n"}
        instruction = (
            "Make a list of the bills in the PDF that is open: in a spreadsheet, with the headings Name and Total in "
            "the first row and below them a row for each bill, in the order of the PDF, whole names on the left and "
            f"figures on the right. In the row below the last bill, have the sheet add up the totals. Keep it as "
            f"{name}.ods in the folder Accounts, and as PDF in {name}.pdf there, too."
        )
        rows: Rows = [["Name", "Total"], *rows_from(people, sums)]
        goal = {"files": files, "rows": rows, "total": sum(sums), "name": f"Accounts/{name}"}
        return Setup(instruction, goal, files, (PDF_VIEWER.with_(bills),))

    def score(self, evidence: Evidence) -> Score:
        """Judge both files."""
        goal = evidence.goal
        rows, name = goal["rows"], goal["name"]
        sheet, reason = sheet_in(evidence, f"{name}.ods")
        found = rows_of(sheet, 2)
        last = sheet.cells.get(f"B{len(rows) + 1}") if sheet is not None else None
        added = last is not None and last.value == goal["total"] and "[." in last.formula
        shown = [str(word).split()[0] for word, _ in rows]  # the column may be too narrow for more of a name
        printed = [*shown, *(str(value) for _, value in rows), str(goal["total"])]
        parts = [
            Part(f"{row[0]} is in its row ({reason})", found[at : at + 1] == [row], 0.35 / len(rows))
            for at, row in enumerate(rows)
        ]
        parts.append(Part("the totals are added up below", added and found[: len(rows)] == rows, 0.35))
        parts.append(pdf_part(evidence, f"{name}.pdf", printed, 0.3))
        return judge(parts, harm_done(evidence, goal["files"], may=[f"{name}.ods", f"{name}.pdf"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"Keep it as (\S+)\.ods in")
        observation = yield from to_window(observation, "bills-")
        of = int(find(observation, "textbox", "Select page").value.removeprefix("of "))
        rows = []
        for number in range(1, of + 1):
            if number > 1:
                observation = yield Fill(find(observation, "textbox", "page-label-entry").id, str(number))
                observation = yield Press("Enter")
            observation = yield from _page_of(observation, f"Bill {number} ")
            text = next(each.name for each in find_all(observation, "text") if f"Bill {number} " in each.name)
            rows += re.findall(r"For (\w+ \w+) Total: (\d+)", text)
        observation = yield from to_window(observation, "Calc")
        observation = yield from libre.write(observation, "A1", "Name\tTotal")
        for at, (person, total) in enumerate(rows, start=2):
            observation = yield from libre.write(observation, f"A{at}", f"{person}\t{total}")
        observation = yield from libre.write(observation, f"B{of + 2}", f"=SUM(B2:B{of + 1})")
        observation = yield from libre.save_as(observation, f"Accounts/{name}.ods")
        observation = yield from click(observation, "button", "Export Directly as PDF")
        yield from libre.name_file(observation, f"Accounts/{name}.pdf", dialog="Export")
        yield Done()


def _page_of(observation: Observation, words_on_it: str) -> Hands:
    return (yield from until(observation, lambda seen: words_on_it in page_shown(seen), f"the page of {words_on_it!r}"))


class ResultsToLetter(DesktopTask):
    """Find the winners in a spreadsheet, write them down in a text document, and file that as text and as PDF."""

    id = "desktop/office-results-to-letter"
    description = __doc__ or ""
    apps = (WRITER,)
    max_steps = 60

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(12, 18)
        names, points = words.full_names(rng, count), rng.sample(range(100, 999), count)
        rows: Rows = [["Name", "Points"], *rows_from(names, points)]
        ranked = sorted(zip(points, names, strict=True), reverse=True)[:3]
        wanted = [f"{place}: {name}, {figure} points" for place, (figure, name) in zip(PLACES, ranked, strict=True)]
        title, name = (
            f"Results of the {rng.choice(words.TOPICS)} club",
            f"{rng.choice(words.CITIES)}-{rng.randint(10, 99)}",
        )
        results = f"points-{rng.randint(10, 99)}.ods"
        files = {results: ods_file({"Points": rows}), "News/readme.txt": b"What is to be read by all\n"}
        instruction = (
            f'Write a note on who has won, by the points in the spreadsheet that is open. Its first line is "{title}"; '
            f"below it are three lines for the three people with the most points, the best first, each as in "
            f'"{PLACES[0]}: Jane Doe, 123 points", with {PLACES[1]} and {PLACES[2]} for the other two. Keep the note '
            f"as {name}.odt in the folder News, and as PDF in {name}.pdf there, too."
        )
        goal = {"files": files, "lines": [title, *wanted], "name": f"News/{name}"}
        return Setup(instruction, goal, files, (CALC.with_(results),))

    def score(self, evidence: Evidence) -> Score:
        """Judge both files."""
        goal = evidence.goal
        name, lines = goal["name"], goal["lines"]
        letter, reason = read_letter(evidence.read(f"{name}.odt"))
        found = texts_of(letter)
        parts = [Part(f"the note has the line {line!r} ({reason})", line in found, 0.1) for line in lines]
        parts.append(Part("its lines are these, in this order", found == lines, 0.3))
        parts.append(pdf_part(evidence, f"{name}.pdf", lines, 0.3))
        return judge(parts, harm_done(evidence, goal["files"], may=[f"{name}.odt", f"{name}.pdf"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        title, name = said(observation, r'first line is "([^"]+)".* Keep the note as (\S+)\.odt')
        observation = yield from to_window(observation, "Calc")
        shown = libre.cells(observation)
        points = {int(shown[f"B{row}"]): shown[f"A{row}"] for row in range(2, libre.last_row(observation, "A") + 1)}
        observation = yield from to_window(observation, "Writer")
        observation = yield Type(title)
        for place, figure in zip(PLACES, sorted(points, reverse=True), strict=False):
            yield Press("Enter")
            observation = yield Type(f"{place}: {points[figure]}, {figure} points")
        observation = yield from libre.save_as(observation, f"News/{name}.odt")
        observation = yield from click(observation, "button", "Export Directly as PDF")
        yield from libre.name_file(observation, f"News/{name}.pdf", dialog="Export")
        yield Done()


PLACES = ("First", "Second", "Third")


class PricesToSheet(DesktopTask):
    """Look up the price of a thing on the pages of several shops, fill them into a spreadsheet, sort it and save it."""

    id = "desktop/office-prices-to-sheet"
    description = __doc__ or ""
    max_steps = 70

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(4, 5)
        shops, things = rng.sample(words.LAST_NAMES, count), rng.sample(words.THINGS, 5)
        wanted, prices = rng.choice(things), rng.sample(range(20, 99), count)
        files = {"Shops/shops.html": page("Shops", links((f"{shop.lower()}.html", shop) for shop in shops))}
        for shop, price in zip(shops, prices, strict=True):
            offered = [(each, price if each == wanted else rng.randint(20, 99)) for each in rng.sample(things, 5)]
            back = links([("shops.html", "All shops")])
            files[f"Shops/{shop.lower()}.html"] = page(f"Shop of {shop}", table([("Thing", "Price"), *offered]) + back)
        listed = rng.sample(shops, count)
        name = f"prices-{rng.randint(100, 999)}.ods"
        files[name] = ods_file({"Prices": [["Shop", "Price"], *zip(listed)]})
        instruction = (
            f"The spreadsheet lists the shops that the browser has pages of. Fill in what each of them takes for the "
            f"{wanted}, put the rows into order so that the cheapest comes first, and save the spreadsheet."
        )
        ranked = sorted(zip(prices, shops, strict=True))
        rows: Rows = [["Shop", "Price"], *rows_from([shop for _, shop in ranked], [price for price, _ in ranked])]
        return Setup(
            instruction,
            {"files": files, "name": name, "rows": rows},
            files,
            (CALC.with_(name), BROWSER.with_("Shops/shops.html")),
        )

    def score(self, evidence: Evidence) -> Score:
        """Judge the spreadsheet."""
        goal = evidence.goal
        rows = goal["rows"]
        sheet, reason = sheet_in(evidence, goal["name"])
        found = rows_of(sheet, 2)
        parts = [
            Part(f"{row[0]} has its price ({reason})", len(found) == len(rows) and row in found, 0.6 / len(rows[1:]))
            for row in rows[1:]
        ]
        parts.append(Part("all are there, the cheapest first", found == rows, 0.4))
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["name"], "Downloads"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (thing,) = said(observation, r"takes for the (\w+),")
        observation = yield from to_window(observation, "Chromium")
        prices = {}
        for shop in [each.name for each in find_all(observation, "link")]:
            observation = yield from click(observation, "link", shop)
            observation = yield from until_there(observation, "heading", f"Shop of {shop}")
            observation = yield from until_there(observation, "gridcell", thing)
            cells = [each.name for each in find_all(observation, "gridcell")]
            prices[shop] = cells[cells.index(thing) + 1]
            observation = yield from click(observation, "link", "All shops")
            observation = yield from until_there(observation, "heading", "Shops")
        observation = yield from to_window(observation, "Calc")
        for shop, price in prices.items():
            observation = yield from libre.write(observation, f"B{libre.row(observation, shop)}", price)
        observation = yield from libre.go_to(observation, "B2")
        yield from choose(observation, "Data", "Sort Ascending")
        yield Press("Control+s")
        yield Done()


class NotesToAccounts(DesktopTask):
    """Add up what a text file says of several people, fill it into a spreadsheet, and file that as PDF, too."""

    id = "desktop/office-notes-to-accounts"
    description = __doc__ or ""
    max_steps = 60

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        people = rng.sample(words.FIRST_NAMES, 4)
        paid = [(person, rng.choice(words.THINGS), rng.randint(3, 60)) for person in people for _ in range(3)]
        rng.shuffle(paid)
        text = "".join(f"{person} paid {sum_} for the {thing}\n" for person, thing, sum_ in paid)
        totals = {person: sum(sum_ for who, _, sum_ in paid if who == person) for person in people}
        name, notes = f"accounts-{rng.randint(100, 999)}", f"{rng.choice(words.TOPICS)}.txt"
        listed = rng.sample(people, 4)
        empty: Rows = [[text] for text in ("Name", *listed, "Together")]
        empty[0].append("Paid")
        files = {
            notes: text.encode(),
            f"{name}.ods": ods_file({"Accounts": empty}),
            "Outbox/readme.txt": b"To be sent\n",
        }
        instruction = (
            "The notes in the text editor say who has paid what. Fill in for each person in the spreadsheet how much "
            "that is in all, and have the sheet work out what they have paid together. Save the spreadsheet, and make "
            f"a PDF of it: {name}.pdf in the folder Outbox."
        )
        rows: Rows = [["Name", "Paid"], *rows_from(listed, [totals[person] for person in listed])]
        rows.append(["Together", sum(totals.values())])
        goal = {"files": files, "name": name, "rows": rows}
        return Setup(instruction, goal, files, (CALC.with_(f"{name}.ods"), EDITOR.with_(notes)))

    def score(self, evidence: Evidence) -> Score:
        """Judge both files."""
        goal = evidence.goal
        rows, name = goal["rows"], goal["name"]
        sheet, reason = sheet_in(evidence, f"{name}.ods")
        found = rows_of(sheet, 2)
        last = sheet.cells.get(f"B{len(rows)}") if sheet is not None else None
        added = found == rows and last is not None and "[." in last.formula
        parts = [Part(f"{row[0]} has {row[1]} ({reason})", row in found, 0.1) for row in rows[1:-1]]
        parts.append(Part("the sheet adds them up", added, 0.3))
        said_there = [str(value) for row in rows for value in row]
        parts.append(pdf_part(evidence, f"Outbox/{name}.pdf", said_there, 0.3))
        return judge(parts, harm_done(evidence, goal["files"], may=[f"{name}.ods", f"Outbox/{name}.pdf"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"PDF of it: (\S+)\.pdf in")
        observation = yield from to_window(observation, ".txt")
        notes = next(each.value for each in find_all(observation, "textbox") if " paid " in each.value)
        totals: dict[str, int] = {}
        for person, figure in re.findall(r"(\w+) paid (\d+) for", notes):
            totals[person] = totals.get(person, 0) + int(figure)
        observation = yield from to_window(observation, "Calc")
        for person, total in totals.items():
            observation = yield from libre.write(observation, f"B{libre.row(observation, person)}", str(total))
        last = libre.row(observation, "Together")
        observation = yield from libre.write(observation, f"B{last}", f"=SUM(B2:B{last - 1})")
        observation = yield Press("Control+s")
        observation = yield from click(observation, "button", "Export Directly as PDF")
        yield from libre.name_file(observation, f"Outbox/{name}.pdf", dialog="Export")
        yield Done()


class PicturesToList(DesktopTask):
    """Look at the pictures of a folder one by one, and list their names and sizes in a text document."""

    id = "desktop/office-pictures-to-list"
    description = __doc__ or ""
    apps = (WRITER,)
    max_steps = 60

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(4, 6)
        names = sorted(f"{city.lower()}.png" for city in rng.sample(words.CITIES, count))
        sizes = dict(zip(names, rng.sample(SIZES, count), strict=True))
        files = {f"Pictures/{name}": png_file(size, rng.choice(CLEAR), text=name[:-4]) for name, size in sizes.items()}
        files["Lists/readme.txt"] = b"Lists of what there is\n"
        title, name = sentences(rng, 1)[0], f"{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.odt"
        first, last = names[0], names[-1]
        instruction = (
            f"The image viewer shows the first of {count} pictures in a folder, {first}; the last one is {last}. List "
            f'all of them in a text document: its first line is "{title}", and below it is a line for each picture, in '
            f'the order of their names, which says how wide and high it is in pixels, as in "Xyz.png: 120 by 80". '
            f"Begin each line with a capital letter. Keep it as {name} in the folder Lists."
        )
        wanted = [f"{each.capitalize()}: {sizes[each][0]} by {sizes[each][1]}" for each in names]
        goal = {"files": files, "path": f"Lists/{name}", "lines": [title, *wanted]}
        return Setup(instruction, goal, files, (IMAGE_VIEWER.with_(f"Pictures/{first}"),))

    def score(self, evidence: Evidence) -> Score:
        """Judge the document."""
        goal = evidence.goal
        path, lines = goal["path"], goal["lines"]
        letter, reason = read_letter(evidence.read(path))
        found = texts_of(letter)
        parts = [Part(f"it has the line {line!r} ({reason})", line in found, 0.6 / len(lines)) for line in lines]
        parts.append(Part("its lines are these, in this order", found == lines, 0.4))
        return judge(parts, harm_done(evidence, goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        title, name = said(observation, r'first line is "([^"]+)".* Keep it as (\S+) in the folder Lists')
        (count,) = said(observation, r"first of (\d+) pictures")
        observation = yield from to_window(observation, ".png")
        lines = [title]
        for at in range(int(count)):
            if at > 0:
                observation = yield from _next_picture(observation)
            size = next(each.name for each in find_all(observation, "text") if each.name.endswith(" pixels"))
            width, height = re.findall(r"\d+", size)
            lines.append(f"{observation.title.capitalize()}: {width} by {height}")
        observation = yield from to_window(observation, "Writer")
        observation = yield Type(lines[0])
        for line in lines[1:]:
            yield Press("Enter")
            observation = yield Type(line)
        yield from libre.save_as(observation, f"Lists/{name}")
        yield Done()


def _next_picture(observation: Observation) -> Hands:
    title = observation.title
    observation = yield Press("ArrowRight")
    return (yield from until(observation, lambda seen: seen.title != title, "the next picture"))


TASKS: tuple[DesktopTask, ...] = (
    BillsToSheet(),
    ResultsToLetter(),
    PricesToSheet(),
    NotesToAccounts(),
    PicturesToList(),
)
