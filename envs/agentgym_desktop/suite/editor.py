"""Tasks in the text editor, Mousepad: from a note to corrections that another file tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Done, Fill, Press, Type
from agentgym_desktop.apps import EDITOR
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import (
    choose,
    click,
    find,
    find_all,
    name_file,
    pick_file,
    quoted,
    said,
    until,
    until_gone,
    until_there,
)
from agentgym_desktop.suite.judging import Part, harm_done, judge, lines_of
from agentgym_desktop.task import HOME, DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence


class EditorTask(DesktopTask):
    """A task in which the editor is open with a file."""

    def opened(self, name: str, files: dict[str, str], instruction: str, **goal: object) -> Setup:
        """Return a set-up whose editor shows one of its files; its goal holds that name and the files, too."""
        contents = {path: text.encode() for path, text in files.items()}
        opens = (EDITOR.with_(f"{HOME}/{name}"),)
        return Setup(instruction, goal={"name": name, "files": contents, **goal}, files=contents, opens=opens)


class WriteNote(DesktopTask):
    """Write a note of two lines in the text editor and save it under a given name in a folder."""

    id = "desktop/editor-write-note"
    description = __doc__ or ""
    apps = (EDITOR,)
    max_steps = 14

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        lines = rng.sample(words.SENTENCES, 2)
        path = f"{rng.choice(('Documents', 'Notes', 'Office'))}/{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.txt"
        folder, name = path.split("/")
        files = {f"{folder}/old.txt": b"An older note.\n"}
        instruction = (
            f'Write down two lines, first "{lines[0]}." and below it "{lines[1]}.", and keep them as {name} in the '
            f"folder {folder} of the home folder."
        )
        return Setup(
            instruction, goal={"path": path, "lines": [f"{line}." for line in lines], "files": files}, files=files
        )

    def score(self, evidence: Evidence) -> Score:
        """Judge the file."""
        path, wanted = evidence.goal["path"], evidence.goal["lines"]
        found = lines_of(evidence.read(path))
        parts = [
            Part(f"{path} has the line {line!r} at its place", found[at : at + 1] == [line], 0.5)
            for at, line in enumerate(wanted)
        ]
        parts.append(Part(f"{path} has nothing else", found == wanted, 0.5))
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        first, second = quoted(observation)
        name, folder = said(observation, r"as (\S+) in the folder (\w+) ")
        yield Type(f"{first}\n{second}\n")
        observation = yield Press("Control+s")
        yield from name_file(observation, f"{HOME}/{folder}/{name}")
        yield Done()


class InsertLine(EditorTask):
    """Add a line to a numbered place of a file that the editor shows, and save it."""

    id = "desktop/editor-insert-line"
    description = __doc__ or ""
    max_steps = 14

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = words.full_names(rng, 20)
        guest, others = names[0], names[1:]
        before = rng.choice(others[2:-2])
        name = f"{rng.choice(words.TOPICS)}-guests.txt"
        instruction = (
            f"{guest} is coming too: put that name on a line of its own directly above {before} in the list that is "
            "open, and save it."
        )
        at = others.index(before)
        wanted = [*others[:at], guest, *others[at:]]
        return self.opened(name, {name: "\n".join(others) + "\n"}, instruction, guest=guest, wanted=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file."""
        goal = evidence.goal
        found = lines_of(evidence.read(goal["name"]))
        others = [line for line in found if line != goal["guest"]]
        kept = others == [line for line in goal["wanted"] if line != goal["guest"]]
        parts = [
            Part(f"{goal['guest']} is in the list, once, and all others are as before", kept and len(found) == 20, 0.4),
            Part(f"{goal['guest']} is at the right place", found == goal["wanted"], 0.6),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["name"]]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        guest, before = said(observation, r"^(.+) is coming too.* above (\w+ \w+) in")
        people = re.findall(r"\w+ \w+", find(observation, "textbox").value)
        yield from go_to(observation, people.index(before) + 1)
        yield Type(f"{guest}\n")
        yield Press("Control+s")
        yield Done()


class ReplaceWord(EditorTask):
    """Replace every occurrence of a word in a long text, but not where it is part of another word."""

    id = "desktop/editor-replace-word"
    description = __doc__ or ""
    max_steps = 20

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        old, new = rng.sample(words.THINGS, 2)
        said_of_it = [f"The {old} was seen in {city}." for city in rng.sample(words.CITIES, 5)]
        inside = [f"The {old}smith of {city} is on holiday." for city in rng.sample(words.CITIES, 3)]
        rest = [f"{line}." for line in rng.sample(words.SENTENCES, 10)]
        lines = [*said_of_it, *inside, *rest]
        rng.shuffle(lines)
        name = f"{rng.choice(words.TOPICS)}-report.txt"
        instruction = (
            f'In the report that is open, the word "{old}" should be "{new}" everywhere, but longer words that only '
            "contain it must stay as they are. Save the report."
        )
        wanted = [re.sub(rf"\b{old}\b", new, line) for line in lines]
        return self.opened(name, {name: "\n".join(lines) + "\n"}, instruction, wanted=wanted, lines=lines)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file, occurrence by occurrence."""
        goal = evidence.goal
        found = lines_of(evidence.read(goal["name"]))
        pairs = (
            list(zip(found, goal["lines"], goal["wanted"], strict=False)) if len(found) == len(goal["lines"]) else []
        )
        changed = [now == wanted for now, before, wanted in pairs if before != wanted] or [False]
        parts = [Part("all occurrences are replaced", all(changed)), Part("some are", sum(changed) > 1, 0.5)]
        spoiled = [f"{before!r} was to stay" for now, before, wanted in pairs if before == wanted != now]
        return judge(parts, [*spoiled, *harm_done(evidence, goal["files"], may=[goal["name"]])])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        old, new = quoted(observation)
        observation = yield from choose(observation, "Search", "Find and Replace...")
        observation = yield from until_there(observation, "dialog", "Find and Replace")
        fields = find_all(observation, "textbox", "")
        observation = yield Fill(fields[-2].id, old)
        observation = yield Fill(fields[-1].id, new)
        for box in ("Match case", "Match whole word", "Replace all in:"):
            observation = yield from click(observation, "checkbox", box)
        observation = yield from click(observation, "button", "Replace All")
        observation = yield from click(observation, "button", "Close")
        observation = yield from until_gone(observation, "dialog", "Find and Replace")
        yield Press("Control+s")
        yield Done()


class LineEndings(EditorTask):
    """Save an open file with the line endings of another system."""

    id = "desktop/editor-line-endings"
    description = __doc__ or ""
    max_steps = 10

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        system, ending = rng.choice((("Windows", "\r\n"), ("classic Mac", "\r")))
        lines = [f"{name}, {rng.choice(words.CITIES)}" for name in words.full_names(rng, rng.randint(5, 12))]
        name = f"{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.txt"
        instruction = f"A colleague needs {name}, which is open, with {system} line endings. Save it that way."
        wanted = ending.join([*lines, ""]).encode()
        return self.opened(name, {name: "\n".join(lines) + "\n"}, instruction, wanted=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file, byte by byte."""
        name, wanted = evidence.goal["name"], evidence.goal["wanted"]
        is_so = evidence.read(name) == wanted
        return judge(
            [Part(f"{name} has the right line endings", is_so)], harm_done(evidence, evidence.goal["files"], may=[name])
        )

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (system,) = said(observation, r"with (Windows|classic Mac) line")
        ending = {"Windows": "DOS / Windows (CR LF)", "classic Mac": "Mac (CR)"}[system]
        yield from choose(observation, "Document", "Line Ending", ending)
        yield Press("Control+s")
        yield Done()


class AppendFile(EditorTask):
    """Copy the whole content of one file to the end of another, and leave the first as it is."""

    id = "desktop/editor-append-file"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        main, other, spare = rng.sample(words.TOPICS, 3)
        texts = {
            f"{topic}.txt": "".join(
                f"{topic}: {thing} ({rng.randint(10, 99)})\n" for thing in rng.sample(words.THINGS, 5)
            )
            for topic in (main, other, spare)
        }
        instruction = (
            f"Add all that is in {other}.txt, which lies in the home folder, to the end of {main}.txt, which is open, "
            f"and save that. {other}.txt itself stays as it is."
        )
        return self.opened(f"{main}.txt", texts, instruction, other=f"{other}.txt")

    def score(self, evidence: Evidence) -> Score:
        """Judge the file that was added to."""
        goal = evidence.goal
        own, added = (lines_of(goal["files"][goal[each]]) for each in ("name", "other"))
        found = [line for line in lines_of(evidence.read(goal["name"])) if line]
        parts = [Part("all of it is at the end, once, and nothing is lost", found == [*own, *added])]
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["name"]]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        other, main = said(observation, r"in (\S+), which .* end of (\S+), which")
        observation = yield Press("Control+o")
        observation = yield from pick_file(observation, f"{HOME}/{other}")
        yield from until(observation, lambda seen: other in seen.title, other)
        yield Press("Control+a")
        yield Press("Control+c")
        observation = yield Press("Control+PageUp")
        yield from until(observation, lambda seen: main in seen.title, main)
        yield Press("Control+End")
        yield Press("Control+v")
        yield Press("Control+s")
        yield Done()


class LookUp(EditorTask):
    """Find an entry in a file of hundreds of lines, and answer with the number that belongs to it."""

    id = "desktop/editor-look-up"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        codes = rng.sample(range(1000, 10_000), 400)
        entries = {code: rng.randint(100, 999) for code in codes}
        asked = rng.choice(codes[60:])
        instruction = f"How many pieces of article A{asked} are in stock? The list is open. Answer with the number."
        text = "".join(f"A{code}: {count}\n" for code, count in entries.items())
        return self.opened("stock.txt", {"stock.txt": text}, instruction, answer=str(entries[asked]))

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer."""
        wanted, answer = evidence.goal["answer"], evidence.answer or ""
        numbers = re.findall(r"\d+", re.sub(r"A\d+", "", answer))  # a sentence around it is as good
        right = text_matches(numbers[0] if len(numbers) == 1 else answer, wanted).value == 1
        return judge([Part("the answer is right", right)], harm_done(evidence, evidence.goal["files"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (article,) = said(observation, r"article (A\d+) ")
        observation = yield Press("Control+f")
        observation = yield from until_there(observation, "button", "Down")
        observation = yield Fill(find_all(observation, "textbox", "")[-1].id, f"{article}:")
        observation = yield Press("Enter")
        observation = yield from until(observation, lambda seen: stock_of(seen, article), article)
        yield Done(stock_of(observation, article))


class Corrections(EditorTask):
    """Read from one file what is wrong in another, and correct that in four places."""

    id = "desktop/editor-corrections"
    description = __doc__ or ""
    max_steps = 75

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = words.full_names(rng, 12)
        moved = rng.sample(names, 4)
        cities = dict(zip(names, rng.sample(words.CITIES, 12), strict=True))
        free = [city for city in words.CITIES if city not in cities.values()]
        wanted = cities | dict(zip(moved, rng.sample(free, 4), strict=True))
        book = f"{rng.choice(words.TOPICS)}-members-{rng.randint(2001, 2039)}.txt"
        files = {
            book: "".join(f"{name} lives in {city}\n" for name, city in cities.items()),
            "corrections.txt": "".join(f"{name} has moved to {wanted[name]}\n" for name in moved),
        }
        instruction = (
            f"The file corrections.txt, which is open, says who has moved. Bring {book} in the home folder up to date."
        )
        return self.opened("corrections.txt", files, instruction, book=book, moved=moved, wanted=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file, person by person."""
        goal = evidence.goal
        found = lines_of(evidence.read(goal["book"]))
        wanted = [f"{name} lives in {city}" for name, city in goal["wanted"].items()]
        same = len(found) == len(wanted)
        parts, spoiled = [], []
        for name, line, now in zip(goal["wanted"], wanted, found if same else [""] * len(wanted), strict=True):
            if name in goal["moved"]:
                parts.append(Part(line, now == line))
            elif same and now != line:
                spoiled.append(f"{line!r} was to stay")
        return judge(parts, [*spoiled, *harm_done(evidence, goal["files"], may=[goal["book"]])])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (book,) = said(observation, r"Bring (\S+) in")
        text = find(observation, "textbox").value
        moves = re.findall(r"(\w+ \w+) has moved to (\w+)", text)
        observation = yield Press("Control+o")
        observation = yield from pick_file(observation, f"{HOME}/{book}")
        observation = yield from until(observation, lambda seen: book in seen.title, book)
        people = re.findall(r"(\w+ \w+) lives in", find(observation, "textbox").value)
        for name, city in moves:
            yield from go_to(observation, people.index(name) + 1)
            yield Press("End")
            yield Press("Control+Shift+ArrowLeft")
            observation = yield Type(city)
        yield Press("Control+s")
        yield Done()


def go_to(observation: Observation, line: int) -> Hands:
    """Put the cursor at the start of a line of the open file, counted from 1."""
    observation = yield Press("Control+l")
    observation = yield from until_there(observation, "spinbutton", "Line number:")
    observation = yield Fill(find(observation, "spinbutton", "Line number:").id, str(line))
    observation = yield Press("Enter")
    return (yield from until_gone(observation, "dialog", "Go To"))


def stock_of(observation: Observation, article: str) -> str:
    """Return what the part of a list that is on screen says of an article; "" where it is not there."""
    shown = " ".join(each.value for each in find_all(observation, "textbox"))
    found = re.search(rf"\b{article}: (\d+)\b", shown)
    return found[1] if found else ""


TASKS = (WriteNote(), InsertLine(), ReplaceWord(), LineEndings(), AppendFile(), LookUp(), Corrections())
