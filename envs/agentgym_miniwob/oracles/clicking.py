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


def find(observation: Observation, name: str, *roles: str) -> Element:
    """Return the first element of a name, and of one of the roles if any are given.

    Raises:
        ActionError: there is none; the oracle does not fit the page.
    """
    for element in observation.elements:
        if element.name == name and (not roles or element.role in roles):
            return element
    raise ActionError(f"no {' or '.join(roles) or 'element'} {name!r} on screen: the oracle does not fit the page")


def quoted(observation: Observation) -> list[str]:
    """Return the parts of the instruction in double quotes."""
    return re.findall(r'"([^"]*)"', observation.instruction)


def click_button(observation: Observation) -> OracleScript:
    """Click the button that is named in quotes."""
    yield Click(element=find(observation, quoted(observation)[0], "button").id)


CLICKING: dict[str, Callable[[Observation], OracleScript]] = {"click-button": click_button}
