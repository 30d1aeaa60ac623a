"""Tasks in the word processor about how a document is laid out: tables, lists, titles, and PDF of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Done, Fill, Press, Type
from agentgym_desktop.pdf import read_pdf
from agentgym_desktop.suite import libre, words
from agentgym_desktop.suite.hands import choose, click, find, quoted, said, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.suite.writer import LetterTask, Paragraphs, file_name, pick, said_in, sentences, texts_of, told
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.letters import Paragraph
    from agentgym_desktop.task import Evidence


def rows_in(instruction: str) -> list[list[str]]:
    """Return the rows that an instruction lists, as in ``Ada Berger 12; Ben Costa 7``."""
    listed = re.search(r"in this order: (.+?)\. ", instruction)
    return re.findall(r"(\w+ \w+) (\d+)", listed[1]) if listed is not None else []


class AddTable(LetterTask):
    """Add a table of given texts at the end of a document, and save it."""

    id = "desktop/writer-add-table"
    description = __doc__ or ""
    max_steps = 34

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = words.full_names(rng, rng.randint(3, 5))
        rows = [[name, str(rng.randint(2, 99))] for name in names]
        listed = "; ".join(" ".join(row) for row in rows)
        instruction = (
            f"Below the last line of this text, add a table with two columns and {len(rows)} rows: on the left a name "
            f"and on the right how many points that person has, in this order: {listed}. The table has no headings. "
            "Save the text."
        )
        paragraphs: Paragraphs = [f"Points of the {rng.choice(words.TOPICS)} club", *sentences(rng, 3)]
        return self.opened(file_name(rng), paragraphs, instruction, rows=tuple(map(tuple, rows)))

    def score(self, evidence: Evidence) -> Score:
        """Judge the table."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        tables = letter.tables if letter is not None and texts_of(letter) == goal["texts"] else ()
        found = tuple(tuple(text.strip() for text in row) for row in tables[0]) if tables else ()
        rows = goal["rows"]
        share = sum(row in found for row in rows)
        parts = [
            Part(f"there is one table ({reason})", len(tables) == 1, 0.2),
            Part("it has as many rows and columns as wanted", [*map(len, found)] == [2] * len(rows), 0.2),
            Part(f"most rows are right ({share} of {len(rows)})", share > len(rows) / 2, 0.2),
            Part("all are right", found == rows, 0.4),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        rows = rows_in(observation.instruction)
        yield Press("Control+End")
        observation = yield Press("Enter")
        observation = yield from choose(observation, "Table", "Insert Table...")
        observation = yield from until_there(observation, "spinbutton", "Rows:")
        observation = yield Fill(find(observation, "spinbutton", "Columns:").id, "2")
        observation = yield Fill(find(observation, "spinbutton", "Rows:").id, str(len(rows)))
        observation = yield from libre.confirm(observation, "Insert Table", "Insert")
        yield Type("\t".join(text for row in rows for text in row))
        yield Press("Control+s")
        yield Done()


class NumberSteps(LetterTask):
    """Turn some consecutive paragraphs of a text into a numbered list, and save it."""

    id = "desktop/writer-number-steps"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        lines = sentences(rng, rng.randint(7, 9))
        first = rng.randint(1, 3)
        last = first + rng.randint(2, 3)
        instruction = (
            f'Make one numbered list of the paragraphs from "{lines[first]}" to "{lines[last]}", both included; leave '
            "the others as they are. Save the text."
        )
        return self.opened(file_name(rng), [*lines], instruction, items=lines[first : last + 1])

    def score(self, evidence: Evidence) -> Score:
        """Judge the list."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        found = said_in(letter) if texts_of(letter) == goal["texts"] else []
        numbered = [each.text.strip() for each in found if each.listed == "number"]
        listed = [each.text.strip() for each in found if each.listed]
        parts = [
            Part(f"most of the paragraphs are in a list ({reason})", len(set(listed) & set(goal["items"])) > 1, 0.3),
            Part("all of them are, and no others", listed == goal["items"], 0.4),
            Part("it is numbered", numbered == goal["items"], 0.3),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        first, last = quoted(observation)
        texts = told(observation)
        yield pick(observation, first)
        yield Press("Home")
        for _ in range(texts.index(last) - texts.index(first)):
            yield Press("Shift+ArrowDown")
        observation = yield Press("Shift+End")
        yield from click(observation, "button", "Ordered List")
        yield Press("Control+s")
        yield Done()


class DressTitle(LetterTask):
    """Centre the title of a text and give it a size and the colour or slant that is asked for, and save it."""

    id = "desktop/writer-dress-title"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        title = f"{rng.choice(words.TOPICS).title()} news from {rng.choice(words.CITIES)}"
        size, slant = rng.randint(20, 40), rng.choice(("italic", "underlined"))
        instruction = (
            f"The title of this text is its first line. Put it into the middle of the line, make it {slant} and "
            f"{size} points high, and save the text. The rest stays as it is."
        )
        goal = {"title": title, "size": f"{size}pt", "slant": slant}
        return self.opened(file_name(rng), [title, *sentences(rng, 5)], instruction, **goal)

    def score(self, evidence: Evidence) -> Score:
        """Judge the looks of the title."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        found = said_in(letter) if texts_of(letter) == goal["texts"] else []
        looks = (found[0].looks(goal["title"]) or {}) if found else {}
        slants = {
            "italic": looks.get("font-style") == "italic",
            "underlined": looks.get("text-underline-style") == "solid",
        }
        rest = all(not each.style.get("text-align", "start").startswith("c") and _plain(each) for each in found[1:])
        parts = [
            Part(f"the title is centred ({reason})", rest and looks.get("text-align") == "center"),
            Part(f"it is {goal['size']} high", rest and looks.get("font-size") == goal["size"]),
            Part(f"it is {goal['slant']}", rest and slants[goal["slant"]]),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        slant, size = said(observation, r"make it (\w+) and (\d+) points")
        yield pick(observation, told(observation)[0])
        yield Press("Home")
        yield Press("Shift+End")
        yield Press("Control+e")
        observation = yield Press("Control+i" if slant == "italic" else "Control+u")
        yield Fill(find(observation, "textbox", "Font Size").id, size)
        yield Press("Enter")
        yield Press("Control+s")
        yield Done()


def _plain(paragraph: Paragraph) -> bool:
    looks: Sequence[str] = [run.style.get("font-style", "") for run in paragraph.runs]
    sizes = {run.style.get("font-size", "") for run in paragraph.runs}
    return not any(looks) and len(sizes) <= 1


class ExportPdf(LetterTask):
    """Export a text as PDF into a folder under a given name."""

    id = "desktop/writer-export-pdf"
    description = __doc__ or ""
    max_steps = 16

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        lines = sentences(rng, 5)
        folder, name = (
            rng.choice(("Print", "Outbox", "Public")),
            f"{rng.choice(words.THINGS)}-{rng.randint(10, 99)}.pdf",
        )
        instruction = (
            f"Make a PDF of this text for the printer's: {name} in the folder {folder}. The text itself stays."
        )
        paragraphs: Paragraphs = [(1, f"Notice {rng.randint(100, 999)}"), *lines]
        setup = self.opened(file_name(rng), paragraphs, instruction)
        files = {**setup.files, f"{folder}/readme.txt": b"Files for others\n"}
        goal = {**setup.goal, "path": f"{folder}/{name}", "files": files}
        return Setup(instruction, goal, files, setup.opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge the PDF."""
        goal = evidence.goal
        pdf, reason = read_pdf(evidence.read(goal["path"]))
        there = [text for text in goal["texts"] if pdf is not None and pdf.says(text)]
        parts = [
            Part(f"{goal['path']} has some of the text ({reason})", bool(there), 0.3),
            Part("it has all of it", there == goal["texts"], 0.7),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["path"]]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        name, folder = said(observation, r"printer's: (\S+) in the folder (\w+)\.")
        observation = yield from click(observation, "button", "Export Directly as PDF")
        yield from libre.name_file(observation, f"{folder}/{name}", dialog="Export")
        yield Done()


TASKS: tuple[DesktopTask, ...] = (AddTable(), NumberSteps(), DressTitle(), ExportPdf())
