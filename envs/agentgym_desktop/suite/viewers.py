"""Tasks in the viewers: PDF documents in Evince, pictures in Eye of GNOME."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Done, Fill, Press
from agentgym_desktop.apps import IMAGE_VIEWER, PDF_VIEWER
from agentgym_desktop.documents import read_picture
from agentgym_desktop.papers import COLOURS, pdf_file, png_file
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import click, find, find_all, name_file, said, until
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import HOME, DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

SIZES = tuple((width, height) for width in (320, 400, 480, 560, 640) for height in (200, 240, 300, 360))
CLEAR = ("red", "green", "blue", "black", "purple", "grey")  # colours that a white text can be read on
TIMES = "\N{MULTIPLICATION SIGN}"
NEAR = 40  # of 255, that a colour may change when it is stored


def page_shown(observation: Observation) -> str:
    """Return the text of the page that has the focus, or of the last one on screen."""
    pages = [each for each in find_all(observation, "text") if each.box.width > 300]
    return next((each.name for each in pages if "focused" in each.states), pages[-1].name if pages else "")


def turn_to(observation: Observation, words_on_it: str) -> Hands:
    """Turn the pages of a PDF, from the first, until one has some words."""
    observation = yield Press("Control+Home")
    of = find(observation, "textbox", "Select page").value.removeprefix("of ")
    for number in range(1, int(of) + 1):
        field = find(observation, "textbox", "page-label-entry")
        if field.value != str(number):
            observation = yield Fill(field.id, str(number))
            observation = yield Press("Enter")
        observation = yield from until(observation, page_shown, "the text of a page")
        if any(words_on_it in each.name for each in find_all(observation, "text")):
            return observation
    return observation


class PdfTask(DesktopTask):
    """A task in which a PDF is shown."""

    max_steps = 24

    def bills(self, rng: Random, instruction: str, **goal: object) -> tuple[Setup, list[str], list[int]]:
        """Return a set-up that shows bills, a page each, with whose they are and how much they are."""
        count = rng.randint(4, 6)
        people, sums = words.full_names(rng, count), rng.sample(range(100, 1000), count)
        first = rng.randint(1000, 8000)
        pages = [
            [
                f"Bill {first + at}",
                f"For {person}",
                f"{rng.choice(words.THINGS)} x {rng.randint(2, 9)}",
                f"Total: {total} EUR",
            ]
            for at, (person, total) in enumerate(zip(people, sums, strict=True))
        ]
        name = f"bills-{rng.randint(10, 99)}.pdf"
        files = {name: pdf_file(pages)}
        setup = Setup(instruction, {"name": name, "files": files, **goal}, files, (PDF_VIEWER.with_(name),))
        return setup, people, sums


class FindInPdf(PdfTask):
    """Say how much the bill of a person is, in a PDF of several pages."""

    id = "desktop/viewer-find-in-pdf"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        setup, people, sums = self.bills(rng, "")
        at = rng.randrange(1, len(people))
        instruction = f"How many EUR does {people[at]} have to pay by these bills? Answer with the number alone."
        return Setup(instruction, {**setup.goal, "answer": str(sums[at])}, setup.files, setup.opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer."""
        answer = text_matches((evidence.answer or "").strip(" ."), evidence.goal["answer"])
        return judge([Part(answer.reason, answer.value == 1.0)], harm_done(evidence, evidence.goal["files"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (person,) = said(observation, r"does (\w+ \w+) have")
        observation = yield from turn_to(observation, f"For {person}")
        (page,) = [each.name for each in find_all(observation, "text") if f"For {person}" in each.name]
        yield Done(page.partition("Total: ")[2].split()[0])


class TurnToPage(PdfTask):
    """Turn a PDF to the page with somebody's bill, and leave it on screen."""

    id = "desktop/viewer-turn-to-page"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        setup, people, _ = self.bills(rng, "")
        at = rng.randrange(1, len(people))
        instruction = f"I want to read the bill for {people[at]}. Turn to its page and leave it on the screen."
        goal = {**setup.goal, "page": str(at + 1), "person": people[at]}
        return Setup(instruction, goal, setup.files, setup.opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge the page that is shown, by its number and by what is on it: a number may be written and not gone to."""
        page, line = evidence.goal["page"], f"For {evidence.goal['person']}"
        shown = [each.value for each in evidence.elements if each.name == "page-label-entry"]
        viewers = [window for window in evidence.windows if window.title == evidence.goal["name"] and not window.hidden]
        on_screen = any(line in each.name for each in evidence.elements if each.role == "text")
        so = shown == [page] and on_screen and bool(viewers)
        return judge([Part(f"page {page} is shown ({shown})", so)], harm_done(evidence, evidence.goal["files"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (person,) = said(observation, r"bill for (\w+ \w+)\.")
        yield from turn_to(observation, f"For {person}")
        yield Done()


class KeepCopyOfPdf(PdfTask):
    """Keep a copy of the PDF that is shown, under another name in a folder."""

    id = "desktop/viewer-keep-copy-of-pdf"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        setup, _, _ = self.bills(rng, "")
        name = f"{rng.choice(words.MONTHS).lower()}-{rng.randint(2001, 2024)}.pdf"
        instruction = f"Keep a copy of these bills as {name} in the folder Archive."
        files = {**setup.files, "Archive/readme.txt": b"Old bills\n"}
        goal = {**setup.goal, "path": f"Archive/{name}", "files": files}
        return Setup(instruction, goal, files, setup.opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge the copy."""
        goal = evidence.goal
        same = evidence.read(goal["path"]) == goal["files"][goal["name"]]
        return judge(
            [Part(f"{goal['path']} is the same file", same)], harm_done(evidence, goal["files"], may=[goal["path"]])
        )

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"bills as (\S+) in")
        observation = yield from click(observation, "button", "File options")
        observation = yield from click(observation, "button", "Save As…")
        yield from name_file(observation, f"{HOME}/Archive/{name}", dialog="Save As…")
        yield Done()


class PictureTask(DesktopTask):
    """A task in which a picture of a folder is shown."""

    max_steps = 20

    def shown(self, instruction: str, files: Mapping[str, bytes], name: str, **goal: object) -> Setup:
        """Return a set-up whose image viewer shows one of its files."""
        return Setup(instruction, {"files": files, "name": name, **goal}, files, (IMAGE_VIEWER.with_(name),))


class RotatePicture(PictureTask):
    """Rotate a picture that lies on its side to the left or right, and save it."""

    id = "desktop/viewer-rotate-picture"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        size = rng.choice(SIZES)
        colour, corner = rng.sample(CLEAR, 2)
        side = rng.choice(("right", "left"))
        name = f"Pictures/{rng.choice(words.CITIES).lower()}-{rng.randint(100, 999)}.png"
        files = {name: png_file(size, colour, text=rng.choice(words.THINGS), corner=corner)}
        instruction = (
            f"Turn this picture to the {side} by a quarter ({'clockwise' if side == 'right' else 'counterclockwise'}) "
            "and save it under its own name."
        )
        return self.shown(instruction, files, name, size=size, side=side, colours=(colour, corner))

    def score(self, evidence: Evidence) -> Score:
        """Judge the picture."""
        goal = evidence.goal
        picture, reason = read_picture(evidence.read(goal["name"]))
        width, height = goal["size"]
        turned = picture is not None and picture.format == "PNG" and picture.size == (height, width)
        right = False
        if picture is not None and turned:
            colour, corner = (COLOURS[each] for each in goal["colours"])
            upper_left, upper_right = picture.at(4, 4), picture.at(height - 5, 4)
            lower_left, lower_right = picture.at(4, width - 5), picture.at(height - 5, width - 5)
            wanted = (colour, corner, colour, colour) if goal["side"] == "right" else (colour, colour, corner, colour)
            right = (upper_left, upper_right, lower_left, lower_right) == wanted
        parts = [
            Part(f"the picture lies otherwise ({reason})", turned, 0.3),
            Part(f"it is turned to the {goal['side']}", right, 0.7),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["name"]]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (side,) = said(observation, r"to the (\w+) by")
        size = _size_told(observation)
        observation = yield Press("Control+r" if side == "right" else "Control+Shift+r")
        yield from until(observation, lambda seen: _size_told(seen) != size, "the turned picture")
        yield Press("Control+s")
        yield Done()


class FindPicture(PictureTask):
    """Say which of a folder's pictures has a given size."""

    id = "desktop/viewer-find-picture"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        count = rng.randint(4, 6)
        sizes, cities = rng.sample(SIZES, count), rng.sample(words.CITIES, count)
        names = [f"{city.lower()}.png" for city in cities]
        files = {
            f"Pictures/{name}": png_file(size, rng.choice(CLEAR), text=name.partition(".")[0])
            for name, size in zip(names, sizes, strict=True)
        }
        first, *others = sorted(names)
        wanted = rng.choice(others)
        width, height = sizes[names.index(wanted)]
        instruction = (
            f"One of the {count} pictures in the folder of this one is {width} pixels wide and {height} pixels high. "
            "Answer with the name of its file."
        )
        return self.shown(instruction, files, f"Pictures/{first}", answer=wanted)

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer."""
        answer = (evidence.answer or "").strip(" .").removesuffix(".png")
        match = text_matches(answer, evidence.goal["answer"].removesuffix(".png"), ignore_case=True)
        return judge([Part(match.reason, match.value == 1.0)], harm_done(evidence, evidence.goal["files"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        count, width, height = said(observation, r"of the (\d+) pictures .* is (\d+) pixels wide and (\d+) pixels")
        for _ in range(int(count)):
            observation = yield from until(observation, _size_told, "the size of the picture")
            if _size_told(observation) == f"{width} {TIMES} {height} pixels":
                break
            observation = yield from _next(observation)
        yield Done(observation.title)


class ConvertPicture(PictureTask):
    """Save a picture in another format under a given name in a folder."""

    id = "desktop/viewer-convert-picture"
    description = __doc__ or ""

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        size, colour = rng.choice(SIZES), rng.choice(CLEAR)
        names = [f"Pictures/{city.lower()}.png" for city in rng.sample(words.CITIES, 3)]
        files = {name: png_file(size, colour, text=name[9:-4]) for name in names}
        files["Upload/readme.txt"] = b"Pictures for the web page\n"
        name, new = names[0], f"{rng.choice(words.THINGS)}-{rng.randint(10, 99)}.jpg"
        instruction = f"The web page takes JPEG pictures only. Keep a copy of this picture as such, as Upload/{new}."
        return self.shown(instruction, files, name, path=f"Upload/{new}", size=size, colour=colour)

    def score(self, evidence: Evidence) -> Score:
        """Judge the copy."""
        goal = evidence.goal
        picture, reason = read_picture(evidence.read(goal["path"]))
        same = picture is not None and picture.size == goal["size"] and _near(picture.at(5, 5), COLOURS[goal["colour"]])
        parts = [
            Part(f"{goal['path']} is this picture ({reason})", same, 0.4),
            Part("it is a JPEG", same and picture is not None and picture.format == "JPEG", 0.6),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[goal["path"]]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (path,) = said(observation, r"as such, as (\S+)\.$")
        observation = yield from click(observation, "button", "Menu")
        observation = yield from click(observation, "button", "Save As…")
        yield from name_file(observation, f"{HOME}/{path}", dialog="Save Image")
        yield Done()


def _next(observation: Observation) -> Hands:
    """Show the next picture."""
    title = observation.title
    observation = yield Press("ArrowRight")
    return (yield from until(observation, lambda seen: seen.title != title, "the next picture"))


def _size_told(observation: Observation) -> str:
    """Return the size of the picture as the side pane tells it."""
    return next((each.name for each in find_all(observation, "text") if each.name.endswith(" pixels")), "")


def _near(one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return all(abs(left - right) <= NEAR for left, right in zip(one, other, strict=True))


TASKS: tuple[DesktopTask, ...] = (
    FindInPdf(),
    TurnToPage(),
    KeepCopyOfPdf(),
    RotatePicture(),
    FindPicture(),
    ConvertPicture(),
)
