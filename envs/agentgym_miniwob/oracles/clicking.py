"""Oracles of tasks that are solved by clicking on what the instruction names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Click
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript

ORDINALS = {"1st": 0, "2nd": 1, "3rd": 2}


def find(observation: Observation, name: str, *roles: str) -> Element:
    """Return the first element of a name, and of one of the roles if any are given.

    Raises:
        ActionError: there is none; the oracle does not fit the page.
    """
    for element in observation.elements:
        if element.name == name and (not roles or element.role in roles):
            return element
    raise ActionError(f"no {' or '.join(roles) or 'element'} {name!r} on screen: the oracle does not fit the page")


def find_all(observation: Observation, *roles: str) -> list[Element]:
    """Return the elements of the roles, in document order."""
    return [element for element in observation.elements if element.role in roles]


def quoted(observation: Observation) -> list[str]:
    """Return the parts of the instruction in double quotes."""
    return re.findall(r'"([^"]*)"', observation.instruction)


def match(observation: Observation, pattern: str) -> tuple[str, ...]:
    """Return the groups of a pattern that the whole instruction matches.

    Raises:
        ActionError: it does not match; the oracle does not fit the page.
    """
    found = re.fullmatch(pattern, observation.instruction.strip())
    if found is None:
        raise ActionError(f"instruction {observation.instruction!r} is not {pattern!r}: the oracle does not fit it")
    return found.groups()


def click_button(observation: Observation) -> OracleScript:
    """Click the button that is named in quotes."""
    yield Click(element=find(observation, quoted(observation)[0], "button").id)


def click_link(observation: Observation) -> OracleScript:
    """Click the link that is named in quotes."""
    yield Click(element=find(observation, quoted(observation)[0], "link", "clickable").id)


def click_named_buttons(observation: Observation) -> OracleScript:
    """Click the buttons that the instruction names in capitals, in its order."""
    for name in re.findall(r"\b(?:ONE|TWO)\b", observation.instruction):
        yield Click(element=find(observation, name, "button").id)


def click_only_button(observation: Observation) -> OracleScript:
    """Click the one button there is."""
    yield Click(element=find_all(observation, "button")[0].id)


def click_options(observation: Observation) -> OracleScript:
    """Tick the listed options or boxes, then click Submit."""
    (names,) = match(observation, r"Select (.*) and click Submit\.")
    for name in [] if names == "nothing" else names.split(", "):
        yield Click(element=find(observation, name, "radio", "checkbox").id)
    yield Click(element=find(observation, "Submit", "button").id)


def click_dialog(observation: Observation) -> OracleScript:
    """Click the dialog's button that is named in quotes; the x in its corner is called Close."""
    name = quoted(observation)[0]
    yield Click(element=find(observation, "Close" if name == "x" else name, "button").id)


def focus_field(observation: Observation) -> OracleScript:
    """Click into the only text field, or into the one of the given ordinal."""
    ordinal = next((word for word in observation.instruction.split() if word in ORDINALS), "1st")
    yield Click(element=find_all(observation, "textbox")[ORDINALS[ordinal]].id)


def click_color(observation: Observation) -> OracleScript:
    """Click the box of the given colour."""
    (color,) = match(observation, r"Click on the (.*) colored box\.")
    yield Click(element=find(observation, color, "box").id)


CLICKING: dict[str, Callable[[Observation], OracleScript]] = {
    "click-button": click_button,
    "click-button-sequence": click_named_buttons,
    "click-checkboxes": click_options,
    "click-checkboxes-large": click_options,
    "click-checkboxes-transfer": click_options,
    "click-color": click_color,
    "click-dialog": click_dialog,
    "click-dialog-2": click_dialog,
    "click-link": click_link,
    "click-option": click_options,
    "click-test": click_only_button,
    "click-test-2": click_named_buttons,
    "click-test-transfer": click_named_buttons,
    "focus-text": focus_field,
    "focus-text-2": focus_field,
    "unicode-test": click_button,
}
