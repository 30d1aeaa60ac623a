"""Tasks in the file manager, PCManFM: from opening a folder to sorting a heap of files into new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Done, Drag, Press
from agentgym_desktop.apps import FILES
from agentgym_desktop.suite import words
from agentgym_desktop.suite.file_manager import LOCATION, answer, enter, go_to, make_folder, select, size_of
from agentgym_desktop.suite.hands import (
    click,
    find,
    find_all,
    said,
    until_gone,
    until_there,
)
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import HOME, DesktopTask, Setup
from agentgym_rewards import text_matches

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.task import Evidence

TRASH = ".local/share/Trash/files"


class FilesTask(DesktopTask):
    """A task in which the file manager shows the home folder."""

    apps = (FILES,)

    def heap(self, rng: Random, names: list[str], *, folder: str) -> dict[str, bytes]:
        """Return files of different contents in a folder, with a letter elsewhere."""
        files = {f"{folder}/{name}": _content(rng, name) for name in names}
        return {**files, "Documents/letter.txt": b"Dear all,\nthis letter stays where it is.\n"}


class OpenFolder(FilesTask):
    """Go to a folder that lies two levels deep, and leave it on the screen."""

    id = "desktop/files-open-folder"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        tops = rng.sample(words.TOPICS, 4)
        cities = rng.sample(words.CITIES, 4)
        files = {f"{top}/{city}/notes.txt": f"{top} in {city}\n".encode() for top in tops for city in cities}
        top, city = rng.choice(tops), rng.choice(cities)
        instruction = f"Show me what is in the folder {city} that lies in the folder {top}."
        return Setup(instruction, goal={"path": f"{HOME}/{top}/{city}", "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge where the file manager is."""
        path = evidence.goal["path"]
        shown = [each.value for each in evidence.elements if each.role == "textbox" and each.name == LOCATION]
        files = [each.name for each in evidence.elements if each.role == "option"]
        parts = [Part(f"the file manager shows {path}", path in shown and files == ["notes.txt"])]
        return judge(parts, harm_done(evidence, evidence.goal["files"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        city, top = said(observation, r"folder (\w+) that lies in the folder (\w+)\.")
        observation = yield from enter(observation, top)
        yield from enter(observation, city)
        yield Done()


class Rename(FilesTask):
    """Give one of many files in a folder a new name."""

    id = "desktop/files-rename"
    description = __doc__ or ""
    max_steps = 14

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        things = rng.sample(words.THINGS, 10)
        numbers = rng.sample(range(100, 1000), 11)
        names = [f"{thing}-{number}.txt" for thing, number in zip(things, numbers, strict=False)]
        old, new = rng.choice(names), f"{rng.choice(words.CITIES).lower()}-{numbers[-1]}.txt"
        files = self.heap(rng, names, folder="Reports")
        instruction = f"The file {old} in the folder Reports has the wrong name: it should be called {new}."
        return Setup(instruction, goal={"old": f"Reports/{old}", "new": f"Reports/{new}", "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge both names."""
        goal = evidence.goal
        old, new = goal["old"], goal["new"]
        there = evidence.read(new) == goal["files"][old]
        parts = [
            Part(f"{new} has the content of {old}", there, 0.5),
            Part(f"{old} is no longer there", there and evidence.read(old) is None, 0.5),
        ]
        return judge(parts, harm_done(evidence, goal["files"], may=[old, new]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        old, new = said(observation, r"The file (\S+) in .* called (\S+)\.$")
        observation = yield from enter(observation, "Reports")
        observation = yield from select(observation, old)
        observation = yield Press("F2")
        yield from answer(observation, "Rename File", new)
        yield Done()


class NewFolder(FilesTask):
    """Make a folder of a given name inside another one."""

    id = "desktop/files-new-folder"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        places = rng.sample(words.TOPICS, 5)
        files = {f"{place}/about.txt": f"All about {place}.\n".encode() for place in places}
        place, name = rng.choice(places), f"{rng.choice(words.CITIES)} {rng.randint(2020, 2039)}"
        instruction = f'In the folder {place} there should be a new, empty folder with the name "{name}".'
        return Setup(instruction, goal={"path": f"{place}/{name}", "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the folder."""
        path = evidence.goal["path"]
        found = evidence.list(path)
        parts = [
            Part(f"{path} is a folder", found is not None, 0.8),
            Part("it is empty", found is not None and not found, 0.2),
        ]
        return judge(parts, harm_done(evidence, evidence.goal["files"], may=[path]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        place, name = said(observation, r'In the folder (\w+) .* name "([^"]+)"')
        observation = yield from enter(observation, place)
        yield from make_folder(observation, name)
        yield Done()


class CopyAs(FilesTask):
    """Put a copy of a file into another folder under another name, and leave the file where it is."""

    id = "desktop/files-copy-as"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = [f"{topic}.txt" for topic in rng.sample(words.TOPICS, 8)]
        name, year = rng.choice(names), rng.randint(2001, 2039)
        files = {**self.heap(rng, names, folder="Work"), "Backup/readme.txt": b"Copies are kept here.\n"}
        copy = f"{name.removesuffix('.txt')}-{year}.txt"
        instruction = (
            f"Keep a copy of Work/{name} in the folder Backup under the name {copy}. The original stays in Work."
        )
        return Setup(instruction, goal={"name": name, "copy": copy, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the copy."""
        name, copy, files = evidence.goal["name"], evidence.goal["copy"], evidence.goal["files"]
        content = files[f"Work/{name}"]
        named, unnamed = (evidence.read(f"Backup/{each}") == content for each in (copy, name))
        parts = [
            Part("a copy is in Backup", named or unnamed, 0.5),
            Part(f"it is called {copy}, and there is no other", named and not unnamed, 0.5),
        ]
        return judge(parts, harm_done(evidence, files, may=[f"Backup/{copy}", f"Backup/{name}"]))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        name, copy = said(observation, r"copy of Work/(\S+) .* the name (\S+)\. ")
        observation = yield from enter(observation, "Work")
        observation = yield from select(observation, name)
        observation = yield Press("Control+c")
        observation = yield from go_to(observation, f"{HOME}/Backup")
        observation = yield Press("Control+v")
        observation = yield from select(observation, name)
        observation = yield Press("F2")
        yield from answer(observation, "Rename File", copy)
        yield Done()


class MovePictures(FilesTask):
    """Move all pictures from a folder of mixed files into another folder."""

    id = "desktop/files-move-pictures"
    description = __doc__ or ""
    max_steps = 40

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        numbers = rng.sample(range(10, 100), 11)
        things = rng.sample(words.THINGS, 11)
        kinds = ["png"] * 3 + ["txt"] * 4 + ["pdf"] * 2 + ["csv"] * 2
        rng.shuffle(kinds)
        names = [f"{thing}{number}.{kind}" for thing, number, kind in zip(things, numbers, kinds, strict=True)]
        source, target = rng.sample(words.TOPICS, 2)
        files = {**self.heap(rng, names, folder=source), f"{target}/album.txt": b"An album.\n"}
        pictures = [name for name in names if name.endswith(".png")]
        instruction = (
            f"The pictures (PNG) in the folder {source} belong into the folder {target}: move all of them there. "
            "Everything else stays."
        )
        goal = {"source": source, "target": target, "pictures": pictures, "files": files}
        return Setup(instruction, goal=goal, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge picture by picture: half of its worth where there is a copy still."""
        goal = evidence.goal
        source, target, files = goal["source"], goal["target"], goal["files"]
        parts, may = [], []
        for name in goal["pictures"]:
            before, after = f"{source}/{name}", f"{target}/{name}"
            there = evidence.read(after) == files[before]
            parts += [
                Part(f"{after} is there", there),
                Part(f"{before} is not", there and evidence.read(before) is None),
            ]
            may += [before, after]
        return judge(parts, harm_done(evidence, files, may=may))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        source, target = said(observation, r"in the folder (\w+) belong into the folder (\w+):")
        observation = yield from enter(observation, source)
        for picture in [each.name for each in find_all(observation, "option") if each.name.endswith(".png")]:
            observation = yield from go_to(observation, f"{HOME}/{source}")
            observation = yield from select(observation, picture)
            observation = yield Press("Control+x")
            observation = yield from go_to(observation, f"{HOME}/{target}")
            observation = yield Press("Control+v")
            observation = yield from until_there(observation, "option", picture)
        yield Done()


class TrashDrafts(FilesTask):
    """Put the drafts among the files of a folder into the trash can."""

    id = "desktop/files-trash-drafts"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        things = rng.sample(words.THINGS, 9)
        drafts = [f"{thing}-draft.txt" for thing in things[:3]]
        names = [*drafts, *(f"{thing}-final.txt" for thing in things[2:]), f"drafting-{things[0]}.txt"]
        folder = f"{rng.choice(words.TOPICS)}-{rng.randint(2001, 2039)}"
        files = self.heap(rng, names, folder=folder)
        instruction = (
            f'Throw away the drafts in the folder {folder}, which are the files whose names end in "-draft.txt", but '
            "so that they can be got back from the trash can."
        )
        return Setup(instruction, goal={"folder": folder, "drafts": drafts, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge draft by draft: gone, and in the trash."""
        goal = evidence.goal
        parts, gone, may = [], [], []
        for name in goal["drafts"]:
            path = f"{goal['folder']}/{name}"
            away = evidence.read(path) is None
            trashed = evidence.read(f"{TRASH}/{name}") == goal["files"][path]
            parts.append(Part(f"{name} is in the trash", trashed and away))
            may.append(path)
            if away and not trashed:
                gone.append(f"{path} is gone for good")
        return judge(parts, [*gone, *harm_done(evidence, goal["files"], may=may)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (folder,) = said(observation, r"in the folder (\S+),")
        observation = yield from enter(observation, folder)
        for draft in [each.name for each in find_all(observation, "option") if each.name.endswith("-draft.txt")]:
            observation = yield from select(observation, draft)
            observation = yield Press("Delete")
            observation = yield from click(observation, "button", "Yes")
            observation = yield from until_gone(observation, "option", draft)
        yield Done()


class Largest(FilesTask):
    """Find out which file of a folder is the largest, and answer with its name."""

    id = "desktop/files-largest"
    description = __doc__ or ""
    max_steps = 24

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        names = [f"{thing}-{rng.randint(10, 99)}.txt" for thing in rng.sample(words.THINGS, 8)]
        sizes = dict(zip(names, rng.sample(range(200, 1000), 8), strict=True))
        folder = f"{rng.choice(words.TOPICS)}-{rng.randint(2001, 2039)}"
        files = {f"{folder}/{name}": (f"{name}\n" * 100)[:size].encode() for name, size in sizes.items()}
        largest = max(names, key=lambda name: sizes[name])
        instruction = f"Which file in the folder {folder} is the largest? Answer with its name."
        return Setup(instruction, goal={"answer": largest, "names": names, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge the answer: it names that file and no other."""
        wanted, said_so = evidence.goal["answer"], evidence.answer or ""
        named = [name for name in evidence.goal["names"] if name in said_so]
        exact = text_matches(said_so, wanted, ignore_case=True).value == 1
        return judge(
            [Part(f"the answer is {wanted}", exact or named == [wanted])], harm_done(evidence, evidence.goal["files"])
        )

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (folder,) = said(observation, r"in the folder (\S+) is")
        observation = yield from enter(observation, folder)
        sizes: dict[str, int] = {}
        for name in [each.name for each in find_all(observation, "option")]:
            observation = yield from select(observation, name)
            sizes[name] = size_of(observation, name)
        yield Done(max(sizes, key=lambda name: sizes[name]))


class SortByMonth(FilesTask):
    """Sort the files of a folder into new folders, one a month, by the months that their names tell."""

    id = "desktop/files-sort-by-month"
    description = __doc__ or ""
    max_steps = 40

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        months = rng.sample(words.MONTHS, 3)
        things = rng.sample(words.THINGS, 7)
        each = [*months, *(rng.choice(months) for _ in things[3:])]  # each month has a file
        belongs = {f"{thing}-{month}.txt": month for thing, month in zip(things, each, strict=True)}
        folder = rng.choice(words.TOPICS)
        files = self.heap(rng, list(belongs), folder=folder)
        listed = ", ".join(sorted(months, key=words.MONTHS.index))
        instruction = (
            f"The files in the folder {folder} are to be sorted by month: make the folders {listed} in it, and move "
            "each file into the one that its name ends in."
        )
        return Setup(instruction, goal={"folder": folder, "belongs": belongs, "files": files}, files=files)

    def score(self, evidence: Evidence) -> Score:
        """Judge file by file."""
        goal = evidence.goal
        folder, months = goal["folder"], set(goal["belongs"].values())
        parts, lost, may = [], [], [f"{folder}/{month}" for month in months]
        for name, month in goal["belongs"].items():
            before, content = f"{folder}/{name}", goal["files"][f"{folder}/{name}"]
            found = {each for each in months if evidence.read(f"{folder}/{each}/{name}") == content}
            stayed = evidence.read(before) is not None
            parts.append(Part(f"{name} is in {month} only", found == {month} and not stayed))
            may.append(before)
            if not found and not stayed:
                lost.append(f"{name} is lost")
        return judge(parts, [*lost, *harm_done(evidence, goal["files"], may=may)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        folder, listed = said(observation, r"in the folder (\w+) are .* folders ([\w, ]+) in it")
        observation = yield from enter(observation, folder)
        names = [each.name for each in find_all(observation, "option")]
        for month in listed.split(", "):
            observation = yield from make_folder(observation, month)
        for name in names:
            month = name.removesuffix(".txt").split("-")[1]
            file, target = find(observation, "option", name), find(observation, "option", month)
            observation = yield Drag(file.id, target.id)
            observation = yield from until_gone(observation, "option", name)
        yield Done()


def _content(rng: Random, name: str) -> bytes:
    return f"{name}: {rng.choice(words.SENTENCES)} ({rng.randint(1000, 9999)}).\n".encode()


TASKS = (
    OpenFolder(),
    Rename(),
    NewFolder(),
    CopyAs(),
    MovePictures(),
    TrashDrafts(),
    Largest(),
    SortByMonth(),
)
