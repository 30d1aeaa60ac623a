"""Observations: what an agent sees after each action.

Typed objects inside the library; `Observation.to_gym` turns one into the plain dict of the Gymnasium API. Names and
values come from pages and windows and are not trusted: they are quoted as JSON strings on one line, so that no page
can forge an element line, and cut to `MAX_NAME`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from agentgym.action import MAX_ELEMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_NAME = 500  # characters of a name or value that an observation keeps
MAX_ELEMENTS = 2_000  # elements that an observation keeps, in document order
MAX_PROSE = 10_000  # characters of an instruction or error


class Box(NamedTuple):
    """A rectangle in CSS pixels from the viewport's upper left corner; may lie outside of the viewport."""

    x: int
    y: int
    width: int
    height: int


NOWHERE = Box(0, 0, 0, 0)


@dataclass(frozen=True)
class Element:
    """One thing on screen that can be acted on or read."""

    id: int
    """Stable for the episode: the same element keeps its id from one observation to the next."""
    role: str
    """ARIA role: button, link, textbox, checkbox, text …"""
    name: str
    """Accessible name: label or text; empty where there is none."""
    value: str = ""
    """Content of a field, chosen option of a list."""
    states: tuple[str, ...] = ()
    """Any of checked, disabled, expanded, focused, selected."""
    box: Box = NOWHERE
    """Where it is."""

    @property
    def label(self) -> str:
        """Role, name and id, as in ``button "ok" [3]``: how a completion names an element before acting on it."""
        return f"{self.role} {json.dumps(self.name, ensure_ascii=False)} [{self.id}]"

    @property
    def line(self) -> str:
        """The element on one line of a prompt."""
        return self.label + self._condition

    def line_at(self, place: str) -> str:
        """Return the element on one line of a prompt, with where it is instead of its id."""
        return f"{self.role} {json.dumps(self.name, ensure_ascii=False)} {place}".rstrip() + self._condition

    @property
    def _condition(self) -> str:
        value = f" value {json.dumps(self.value, ensure_ascii=False)}" if self.value else ""
        return value + "".join(f" {state}" for state in self.states)


@dataclass(frozen=True)
class Observation:
    """What the agent sees."""

    instruction: str
    elements: tuple[Element, ...] = ()
    url: str = ""
    title: str = ""
    error: str = ""
    """What was wrong with the last action; empty when it was carried out."""
    screenshot: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """(height, width, 3) RGB, or None where none was asked for."""

    def element(self, element_id: int) -> Element | None:
        """Return the element of an id, or None if it is not on screen."""
        return next((element for element in self.elements if element.id == element_id), None)

    def to_gym(self) -> dict[str, Any]:
        """Return a fresh plain dict that lies in `agentgym.spaces.observation_space`."""
        observation: dict[str, Any] = {
            "instruction": self.instruction,
            "elements": tuple(_element_to_gym(element) for element in self.elements),
            "url": self.url,
            "title": self.title,
            "error": self.error,
        }
        if self.screenshot is not None:
            observation["screenshot"] = self.screenshot.copy()
        return observation


def _element_to_gym(element: Element) -> dict[str, Any]:
    assert 0 <= element.id <= MAX_ELEMENT
    return {
        "id": np.int64(element.id),
        "role": element.role,
        "name": element.name,
        "value": element.value,
        "states": " ".join(element.states),
        "box": np.array(element.box, dtype=np.int32),
    }
