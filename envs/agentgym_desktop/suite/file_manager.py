"""How oracles use the file manager, PCManFM.

It loads folders and takes note of what is selected a moment after that is on the screen: its status bar tells when.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Fill, Press
from agentgym_desktop.suite.hands import click, find, find_all, insist, until, until_gone, until_there

if TYPE_CHECKING:
    from agentgym.observation import Observation
    from agentgym_desktop.suite.hands import Hands

LOCATION = "Folder location bar"


def enter(observation: Observation, folder: str) -> Hands:
    """Open a folder that the file manager shows."""
    observation = yield from until_there(observation, "option", folder)

    def double_click(seen: Observation) -> Action:
        return Click(find(seen, "option", folder).id, count=2)

    def opened(seen: Observation) -> bool:
        return seen.title == folder

    observation = yield from insist(observation, double_click, opened, f"the folder {folder}")
    return (yield from until(observation, _is_loaded, f"the content of {folder}"))


def go_to(observation: Observation, path: str) -> Hands:
    """Open a folder by its path from the root."""
    name = path.rpartition("/")[2]
    if observation.title == name:
        return observation
    observation = yield Fill(find(observation, "textbox", LOCATION).id, path)
    observation = yield Press("Enter")
    return (yield from until(observation, lambda seen: seen.title == name and _is_loaded(seen), path))


def select(observation: Observation, name: str) -> Hands:
    """Select a file, and wait until the file manager knows: its commands work on what it knows."""
    observation = yield from click(observation, "option", name)
    return (yield from until(observation, lambda seen: f'"{name}" ' in _status(seen), f"{name} selected"))


def make_folder(observation: Observation, name: str) -> Hands:
    """Make a folder in the one that is shown."""
    observation = yield Press("Control+Shift+n")
    observation = yield from answer(observation, "Creating New Folder", name)
    return (yield from until_there(observation, "option", name))


def answer(observation: Observation, dialog: str, text: str) -> Hands:
    """Write into the only field of a dialog, and say OK."""
    observation = yield from until_there(observation, "dialog", dialog)
    observation = yield Fill(find(observation, "textbox", "").id, text)
    observation = yield from click(observation, "button", "OK")
    return (yield from until_gone(observation, "dialog", dialog))


def size_of(observation: Observation, name: str) -> int:
    """Return the size that the status bar tells of a file; 0 where it tells none."""
    found = re.search(rf'"{re.escape(name)}" \((\d+) bytes\)', _status(observation))
    return int(found[1]) if found else 0


def _status(observation: Observation) -> str:
    return " ".join(each.name for each in find_all(observation, "text"))


def _is_loaded(observation: Observation) -> bool:
    """Return whether a folder's content is there: the status bar tells how many they are."""
    found = re.search(r"(\d+) items? ?(?:\(|Free|$)", _status(observation))
    return found is not None and int(found[1]) == len(find_all(observation, "option"))
