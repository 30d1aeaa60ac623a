"""What oracles share: how somebody finds a thing on screen, goes through a menu, and names a file in a dialog.

Each is a generator for ``yield from``: it yields actions, is sent observations, and returns the newest one. Nothing
waits for a time that was guessed: what takes longer than the world waits by itself is looked for again, a bounded
number of times. What does not come is an `ActionError` that tells what there was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Fill, Press, Type, Wait
from agentgym.errors import ActionError
from agentgym.observation import Observation

if TYPE_CHECKING:
    from agentgym.observation import Element

Hands = Generator[Action, Observation, Observation]

LOOKS_MS = (50, 100, 200, 400, 800, 1600, 3200, 6400)  # between looks at an app that takes its time
TRIES = 4  # at what an app may not notice
TRY_MS = (0, 100, 300)  # between looks whether it did
MENU_ROLES = ("menuitem", "menuitemcheckbox", "menuitemradio")


def find_all(observation: Observation, role: str | tuple[str, ...], name: str | None = None) -> list[Element]:
    """Return the elements of a role, and of a name if one is given, in document order."""
    roles = (role,) if isinstance(role, str) else role
    return [each for each in observation.elements if each.role in roles and name in {None, each.name}]


def find(observation: Observation, role: str | tuple[str, ...], name: str | None = None, *, at: int = 0) -> Element:
    """Return the element of a role and a name.

    Args:
        observation: where.
        role: which role, or one of which.
        name: the whole of its name; None for any.
        at: which of those that there are; -1 is the last one.

    Raises:
        ActionError: there is none.
    """
    found = find_all(observation, role, name)
    if not -len(found) <= at < len(found):
        raise ActionError(f"No {role} {name!r} on screen; there is: {'; '.join(e.label for e in observation.elements)}")
    return found[at]


def until(observation: Observation, condition: Callable[[Observation], object], what: str = "") -> Hands:
    """Look again until something is so; no action is spent where it is so already.

    Args:
        observation: the newest.
        condition: of an observation.
        what: is waited for, for the message.

    Raises:
        ActionError: it does not come to be so.
    """
    for ms in LOOKS_MS:
        if condition(observation):
            return observation
        observation = yield Wait(ms)
    if not condition(observation):
        there = "; ".join(each.label for each in observation.elements)
        raise ActionError(f"{what or 'What was waited for'} did not come; there is: {there}")
    return observation


def insist(
    observation: Observation,
    act: Callable[[Observation], Action],
    condition: Callable[[Observation], object],
    what: str = "",
) -> Hands:
    """Do something until it has had its effect: apps lose clicks while they load.

    Args:
        observation: the newest.
        act: says what to do.
        condition: whether it has had its effect; nothing is done where it has.
        what: is to come of it, for the message.

    Raises:
        ActionError: it does not come.
    """
    for _ in range(TRIES):
        if condition(observation):
            return observation
        observation = yield act(observation)
        for ms in TRY_MS:
            if not condition(observation):
                observation = yield Wait(ms)
    return (yield from until(observation, condition, what))


def until_there(observation: Observation, role: str | tuple[str, ...], name: str | None = None) -> Hands:
    """Look again until there is an element of a role and a name."""
    return (yield from until(observation, lambda seen: find_all(seen, role, name), f"{role} {name!r}"))


def until_gone(observation: Observation, role: str | tuple[str, ...], name: str | None = None) -> Hands:
    """Look again until there is no element of a role and a name."""
    return (yield from until(observation, lambda seen: not find_all(seen, role, name), f"the end of {role} {name!r}"))


def click(observation: Observation, role: str | tuple[str, ...], name: str | None = None, *, at: int = 0) -> Hands:
    """Click on an element, as soon as it is there."""
    observation = yield from until_there(observation, role, name)
    return (yield Click(find(observation, role, name, at=at).id))


def choose(observation: Observation, *path: str) -> Hands:
    """Choose from the menus of a window: ``choose(observation, "File", "Save As...")``."""
    for name in path:
        observation = yield from click(observation, MENU_ROLES, name)
    return observation


def name_file(observation: Observation, path: str, *, dialog: str = "Save As", button: str = "Save") -> Hands:
    """Save to a path in GTK's dialog for that, which is open or about to be.

    Args:
        observation: the newest.
        path: from the root, such as ``/home/user/notes.txt``; what is there is replaced.
        dialog: its title.
        button: its button that saves.
    """
    observation = yield from until_there(observation, "textbox", "Name:")
    observation = yield Fill(find(observation, "textbox", "Name:").id, path)
    observation = yield Press("Enter")
    observation = yield Wait(TRY_MS[-1])
    observation = yield from _confirm(observation, dialog, button)
    if find_all(observation, "button", "Replace"):
        observation = yield Click(find(observation, "button", "Replace").id)
    return (yield from until_gone(observation, "dialog", dialog))


def pick_file(observation: Observation, path: str, *, dialog: str = "Open File", button: str = "Open") -> Hands:
    """Open a path in GTK's dialog for that, which is open or about to be.

    Args:
        observation: the newest.
        path: from the root, such as ``/home/user/notes.txt``.
        dialog: its title.
        button: its button that opens.
    """
    observation = yield from until_there(observation, "dialog", dialog)
    observation = yield Type(path)  # the dialog opens a field for it by itself
    observation = yield from _confirm(observation, dialog, button)
    return (yield from until_gone(observation, "dialog", dialog))


def _confirm(observation: Observation, dialog: str, button: str) -> Hands:
    """Click a dialog's button until the dialog is gone or asks something: a list of completions takes a click."""

    def over(seen: Observation) -> bool:
        return bool(find_all(seen, "button", "Replace")) or not find_all(seen, "button", button)

    def press(seen: Observation) -> Action:
        return Click(find(seen, "button", button).id)

    return (yield from insist(observation, press, over, f"the end of the dialog {dialog!r}"))


def said(observation: Observation, pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern that is somewhere in the instruction.

    Raises:
        ActionError: it is not there.
    """
    found = re.search(pattern, observation.instruction)
    if found is None:
        raise ActionError(f"The instruction {observation.instruction!r} has no {pattern!r}")
    return found.groups()


def quoted(observation: Observation) -> list[str]:
    """Return what stands in double quotes in the instruction, in order."""
    return re.findall(r'"([^"]*)"', observation.instruction)
