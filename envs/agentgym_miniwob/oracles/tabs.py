"""Oracles of tasks that show a part of the page at a time: tabs, collapsible sections, trees, menus."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from agentgym.action import Click, Hover, Wait
from agentgym.errors import ActionError
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

MENU_DELAY_MS = 400  # a menu opens 300 ms after the pointer has come to rest on its item
PLAYBACK = {"Prev", "Stop", "Play", "Next"}
ICONS = {"disk": "Save", "seek-start": "Prev", "stop": "Stop", "play": "Play", "seek-end": "Next"}
ICONS |= {"zoomin": "Zoom In", "zoomout": "Zoom Out"}


def click_tab(observation: Observation) -> OracleScript:
    """Click the named tab."""
    (name,) = match(observation, r"Click on (.*)\.")
    yield Click(element=find(observation, name, "tab").id)


def click_link_in_tabs(observation: Observation) -> OracleScript:
    """Open one tab or section after the other until the link that is named in quotes is on screen, then click it."""
    name = quoted(observation)[0]
    unopened = [tab.id for tab in find_all(observation, "tab") if "expanded" not in tab.states]
    while not any(each.name == name and each.role in {"link", "clickable"} for each in observation.elements):
        observation = yield Click(element=unopened.pop(0))
    yield Click(element=find(observation, name, "link", "clickable").id)


def submit_expanded(observation: Observation) -> OracleScript:
    """Expand the section, then click Submit."""
    observation = yield Click(element=find_all(observation, "tab")[0].id)
    yield Click(element=find(observation, "Submit", "button").id)


def find_in_tree(observation: Observation) -> OracleScript:
    """Open one folder after the other until the named item is on screen, then click it."""
    name = quoted(observation)[0]
    while not any(each.name == name for each in observation.elements):
        observation = yield Click(element=closed_folder(observation))
    yield Click(element=find(observation, name, "clickable").id)


def closed_folder(observation: Observation) -> int:
    """Return the id of the first folder that can be opened: its sign follows it.

    Raises:
        ActionError: there is none; the oracle does not fit the page.
    """
    for element, following in pairwise(observation.elements):
        if element.role == "clickable" and "expandable-hitarea" in following.name:
            return element.id
    raise ActionError("no closed folder on screen: the oracle does not fit the page")


def choose_in_menu(observation: Observation) -> OracleScript:
    """Point at each item of the path until its menu has opened, then click the last."""
    *path, last = match(observation, r"Select (.*)")[0].split(">")
    for item in path:
        yield Hover(element=find(observation, item, "menuitem").id)
        observation = yield Wait(MENU_DELAY_MS)
    yield Click(element=find(observation, last, "menuitem").id)


def choose_in_button_menu(observation: Observation) -> OracleScript:
    """Open the menu by its button and click the item of a label or an icon; those of a player are in a menu of it."""
    label, icon = match(observation, r'Click the "Menu" button, .* item (?:labeled "(.*)"|with the \[(.*)\] icon)\.')
    label = label or ICONS[icon.removeprefix("ui-icon ui-icon-")]
    observation = yield Click(element=find(observation, "Menu", "button").id)
    if label in PLAYBACK:
        yield Hover(element=find(observation, "Playback", "menuitem").id)
        observation = yield Wait(MENU_DELAY_MS)
    yield Click(element=find(observation, label, "menuitem").id)


TABS: dict[str, Callable[[Observation], OracleScript]] = {
    "click-collapsible": submit_expanded,
    "click-collapsible-2": click_link_in_tabs,
    "click-collapsible-2-nodelay": click_link_in_tabs,
    "click-collapsible-nodelay": submit_expanded,
    "click-menu": choose_in_menu,
    "click-menu-2": choose_in_button_menu,
    "click-tab": click_tab,
    "click-tab-2": click_link_in_tabs,
    "click-tab-2-easy": click_link_in_tabs,
    "click-tab-2-hard": click_link_in_tabs,
    "click-tab-2-medium": click_link_in_tabs,
    "navigate-tree": find_in_tree,
}
