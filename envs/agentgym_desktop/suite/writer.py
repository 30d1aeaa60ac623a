"""Tasks in the word processor, LibreOffice Writer: letters, their looks, lists, tables and PDF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click, Done, Fill, Press, Type
from agentgym_desktop.apps import WRITER
from agentgym_desktop.letters import Letter, read_letter
from agentgym_desktop.papers import odt_file
from agentgym_desktop.suite import libre, words
from agentgym_desktop.suite.hands import choose, click, find, quoted, said, until_there
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.letters import Paragraph
    from agentgym_desktop.task import Evidence

Paragraphs = list[str | tuple[int, str] | list[list[str]]]


class LetterTask(DesktopTask):
    """A task in which Writer is open with a file."""

    max_steps = 30

    def opened(self, name: str, paragraphs: Paragraphs, instruction: str, **goal: object) -> Setup:
        """Return a set-up whose word processor shows a text; its goal holds name, files and texts, too."""
        files = {name: odt_file(paragraphs)}
        texts = [each if isinstance(each, str) else each[1] for each in paragraphs if not isinstance(each, list)]
        goal |= {"name": name, "files": files, "texts": texts}
        return Setup(instruction, goal=goal, files=files, opens=(WRITER.with_(name),))

    def letter(self, evidence: Evidence) -> tuple[Letter | None, str]:
        """Return the text as it was left, and why there is none."""
        return read_letter(evidence.read(evidence.goal["name"]))

    def harm(self, evidence: Evidence, *may: str) -> list[str]:
        """Return what was done to other files."""
        return harm_done(evidence, evidence.goal["files"], may=[evidence.goal["name"], *may])


def said_in(letter: Letter | None) -> list[Paragraph]:
    """Return the paragraphs of a text that say something."""
    return [each for each in letter.paragraphs if each.text.strip()] if letter is not None else []


def texts_of(letter: Letter | None) -> list[str]:
    """Return what the paragraphs of a text say, without the empty ones."""
    return [each.text.strip() for each in said_in(letter)]


def file_name(rng: Random, *, ending: str = "odt") -> str:
    """Return the name of a file."""
    return f"{rng.choice(words.TOPICS)}-{rng.randint(10, 99)}.{ending}"


def sentences(rng: Random, count: int) -> list[str]:
    """Return sentences, each different."""
    return [f"{line}." for line in rng.sample(words.SENTENCES, count)]


def pick(observation: Observation, text: str) -> Click:
    """Return a click on the paragraph that says something."""
    return Click(find(observation, ("text", "heading"), text).id)


def told(observation: Observation) -> list[str]:
    """Return what the paragraphs on screen say: they stand first, before what the toolbars and the window say."""
    ids = [each.id for each in observation.elements if each.role == "button" and each.name == "Menu"]
    return [each.name for each in observation.elements if each.role in {"text", "heading"} and each.id < min(ids)]


class WriteLetter(DesktopTask):
    """Write a letter of four paragraphs in an empty document, and save it under a given name in a folder."""

    id = "desktop/writer-write-letter"
    description = __doc__ or ""
    apps = (WRITER,)
    max_steps = 18

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        reader, writer = words.full_names(rng, 2)
        lines = [f"Dear {reader},", *sentences(rng, 2), f"Yours, {writer}"]
        path = f"Letters/{file_name(rng)}"
        files = {"Letters/readme.txt": b"Letters of this year\n"}
        instruction = (
            f'Write a short letter to {reader} from {writer}. It begins with "{lines[0]}"; then come two paragraphs, '
            f'"{lines[1]}" and "{lines[2]}", and it ends with "{lines[3]}", each on a line of its own. '
            f"Keep it in the folder Letters as {path.partition('/')[2]}."
        )
        return Setup(instruction, goal={"path": path, "lines": lines, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the file."""
        path, lines = evidence.goal["path"], evidence.goal["lines"]
        letter, reason = read_letter(evidence.read(path))
        found = texts_of(letter)
        parts = [Part(f"{path} has the paragraph {line!r} ({reason})", line in found) for line in lines]
        parts.append(Part("its paragraphs are these, in this order", found == lines, 2.0))
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"Letters as (\S+)\.$")
        observation = yield Type("\n".join(quoted(observation)))
        yield from libre.save_as(observation, f"Letters/{name}")
        yield Done()


class MarkHeadings(LetterTask):
    """Turn the titles of a text's parts into headings of the first level, and save it."""

    id = "desktop/writer-mark-headings"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        titles = [topic.title() for topic in rng.sample(words.TOPICS, 3)]
        lines = sentences(rng, 6)
        paragraphs: Paragraphs = []
        for at, title in enumerate(titles):
            paragraphs += [title, *lines[2 * at : 2 * at + 2]]
        instruction = (
            f"This text has three parts, {titles[0]}, {titles[1]} and {titles[2]}, but their titles are ordinary "
            "paragraphs. Give each of the three the style of a heading of the first level, and save the text."
        )
        return self.opened(file_name(rng), paragraphs, instruction, titles=titles)

    def score(self, evidence: Evidence) -> Score:
        """Judge the paragraphs."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        found = said_in(letter)
        same = texts_of(letter) == goal["texts"]
        headings = {each.text.strip() for each in found if each.level == 1 and each.style_name == "Heading 1"}
        others = [each for each in found if each.level and each.text.strip() not in goal["titles"]]
        parts = [Part(f"{title} is a heading ({reason})", same and title in headings) for title in goal["titles"]]
        parts.append(Part("nothing else is", same and headings == set(goal["titles"]) and not others))
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        for title in said(observation, r"parts, (\w+), (\w+) and (\w+), but"):
            yield pick(observation, title)
            observation = yield from choose((yield Press("Escape")), "Styles", "Heading 1")
        yield Press("Control+s")
        yield Done()


class EmphasiseWord(LetterTask):
    """Make every occurrence of a word in a text bold, and nothing else, and save it."""

    id = "desktop/writer-emphasise-word"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        word = rng.choice(words.THINGS)
        lines = [f"The {word} of {city} is well known." for city in rng.sample(words.CITIES, rng.randint(2, 4))]
        lines += sentences(rng, 5)
        rng.shuffle(lines)
        title = f"Notes on the {rng.choice(words.TOPICS)}"
        instruction = (
            f'Have the word "{word}" stand out: it is to be bold wherever it is in this text, and nothing else. '
            "Save the text."
        )
        return self.opened(file_name(rng), [title, *lines], instruction, word=word)

    def score(self, evidence: Evidence) -> Score:
        """Judge the words."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        found = said_in(letter) if texts_of(letter) == goal["texts"] else []
        having = [each for each in found if goal["word"] in each.text]
        bold = [each for each in having if (each.looks(goal["word"]) or {}).get("font-weight") == "bold"]
        others = [
            run.text
            for each in found
            for run in each.runs
            if {**each.style, **run.style}.get("font-weight") == "bold" and run.text.strip() != goal["word"]
        ]
        parts = [
            Part(f"the word is bold somewhere ({reason})", bool(bold), 0.3),
            Part("the word is bold everywhere", bool(bold) and len(bold) == len(having), 0.4),
            Part("nothing else is bold", bool(bold) and not others, 0.3),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (word,) = quoted(observation)
        observation = yield Press("Control+h")
        observation = yield from until_there(observation, "textbox", "Search For")
        observation = yield Fill(find(observation, "textbox", "Search For").id, word)
        observation = yield from click(observation, "button", "Find All")
        observation = yield from libre.confirm(observation, "Find and Replace", "Close")
        yield Press("Control+b")
        yield Press("Control+s")
        yield Done()


class ReplaceName(LetterTask):
    """Replace a name by another one everywhere in a long text, and save it."""

    id = "desktop/writer-replace-name"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        old, new, other = words.full_names(rng, 3)
        topics = rng.sample(words.TOPICS, 12)
        lines = [f"{old} takes care of the {topic} this year." for topic in topics[:6]]
        lines += [f"{other} has already finished the {topic}." for topic in topics[6:9]]
        lines += sentences(rng, 10)
        rng.shuffle(lines)
        instruction = (
            f"{old} has left, and {new} does all of that work now. Put the new name wherever the old one is in this "
            "text, and save it."
        )
        wanted = [line.replace(old, new) for line in lines]
        return self.opened(file_name(rng), [*lines], instruction, wanted=wanted, old=old)

    def score(self, evidence: Evidence) -> Score:
        """Judge the paragraphs."""
        goal = evidence.goal
        letter, reason = self.letter(evidence)
        found = texts_of(letter)
        changed = [wanted for wanted, old in zip(goal["wanted"], goal["texts"], strict=True) if wanted != old]
        right = [line for line in changed if line in found]
        parts = [
            Part(f"the new name is in {len(right)} of {len(changed)} places ({reason})", right == changed, 0.4),
            Part("the old name is nowhere", bool(right) and not any(goal["old"] in line for line in found), 0.2),
            Part("all else is as it was", found == goal["wanted"], 0.4),
        ]
        return judge(parts, self.harm(evidence))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        old, new = said(observation, r"^(\w+ \w+) has left, and (\w+ \w+) does")
        observation = yield Press("Control+h")
        observation = yield from until_there(observation, "textbox", "Search For")
        observation = yield Fill(find(observation, "textbox", "Search For").id, old)
        observation = yield Fill(find(observation, "textbox", "Replace With").id, new)
        observation = yield from click(observation, "button", "Replace All")
        observation = yield from libre.confirm(observation, "Find and Replace", "Close")
        yield Press("Control+s")
        yield Done()


TASKS: tuple[DesktopTask, ...] = (
    WriteLetter(),
    MarkHeadings(),
    EmphasiseWord(),
    ReplaceName(),
)
