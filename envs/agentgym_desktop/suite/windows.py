"""Tasks about windows themselves: which is closed, which one is in front."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Done, Press
from agentgym_desktop.apps import CALCULATOR, EDITOR
from agentgym_desktop.suite import words
from agentgym_desktop.suite.hands import find_all, insist, said, until
from agentgym_desktop.suite.judging import Part, harm_done, judge
from agentgym_desktop.task import HOME, DesktopTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.task import OracleScript
    from agentgym_desktop.suite.hands import Hands
    from agentgym_desktop.task import Evidence

TITLE = (60, 9)  # pixels from a window's corner to its title


class WindowsTask(DesktopTask):
    """A task in which three files are open, each in a window of its own."""

    def opened(self, rng: Random) -> dict[str, bytes]:
        """Return the files."""
        topics = rng.sample(words.TOPICS, 3)
        return {f"{topic}-{rng.randint(10, 99)}.txt": f"{rng.choice(words.SENTENCES)}.\n".encode() for topic in topics}


class CloseOne(WindowsTask):
    """Close the window of one of three open files."""

    id = "desktop/windows-close-one"
    description = __doc__ or ""
    max_steps = 12

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        files = self.opened(rng)
        name = rng.choice(sorted(files))
        opens = tuple(EDITOR.with_(f"{HOME}/{each}") for each in files)
        instruction = f"I do not need {name} any more: close its window, but leave the others open."
        return Setup(instruction, goal={"name": name, "files": files}, files=files, opens=opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge which windows there are."""
        name, files = evidence.goal["name"], evidence.goal["files"]
        titles = " ".join(window.title for window in evidence.windows)
        others = all(each in titles for each in files if each != name)
        parts = [Part(f"the window of {name} is closed, and no other", name not in titles and others)]
        return judge(parts, harm_done(evidence, files))

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"need (\S+) any more")
        observation = yield from bring_to_front(observation, name)
        observation = yield Press("Alt+F4")
        yield from until(observation, lambda seen: name not in seen.title, f"the end of {name}")
        yield Done()


class BringToFront(WindowsTask):
    """Bring one of several windows to the front."""

    id = "desktop/windows-bring-to-front"
    description = __doc__ or ""
    apps = (CALCULATOR,)
    max_steps = 8

    def setup(self, rng: Random) -> Setup:
        """Return what one seed starts from."""
        files = self.opened(rng)
        *others, top = files
        name = rng.choice(others)
        opens = tuple(EDITOR.with_(f"{HOME}/{each}") for each in (*others, top))
        instruction = f"Put the window with {name} in front of all others, so that I can go on writing there."
        return Setup(instruction, goal={"name": name, "files": files}, files=files, opens=opens)

    def score(self, evidence: Evidence) -> Score:
        """Judge which window is the topmost, and which has the focus."""
        name, files = evidence.goal["name"], evidence.goal["files"]
        windows = evidence.windows
        titles = " ".join(window.title for window in windows)
        closed = [f"{each} is no longer open" for each in files if each not in titles]
        parts = [
            Part(f"the window with {name} is in front", bool(windows) and name in windows[-1].title),
            Part("it has the keyboard", any(window.active and name in window.title for window in windows)),
        ]
        return judge(parts, [*closed, *harm_done(evidence, files)])

    def oracle(self, observation: Observation) -> OracleScript:
        """Play it."""
        (name,) = said(observation, r"window with (\S+) in front")
        yield from bring_to_front(observation, name)
        yield Done()


def bring_to_front(observation: Observation, name: str) -> Hands:
    """Click on the title bar of a window, which is no element; the window's box begins with it."""

    def press(seen: Observation) -> Action:
        box = next(each.box for each in find_all(seen, "window") if name in each.name)
        return Click(x=box.x + TITLE[0], y=box.y + TITLE[1])

    return (yield from insist(observation, press, lambda seen: name in seen.title, f"window {name}"))


TASKS = (CloseOne(), BringToFront())
