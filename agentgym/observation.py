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
    from collections.abc import Collection

    from numpy.typing import NDArray

MAX_NAME = 500  # characters of a name or value that an observation keeps
MAX_ELEMENTS = 2_000  # elements that an observation keeps at most, in document order
MAX_TREE = 40_000  # characters of an accessibility tree
MAX_TEXT = 20_000  # characters of a page's text
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
    """Any of checked, disabled, expanded, focused, pressed, readonly, selected."""
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


class Omitted(NamedTuple):
    """How many elements a budget left out, by where they are."""

    above: int = 0
    """Above the view, or above what is seen of their scrolling box."""
    here: int = 0
    """In view: the screen itself holds more than the budget."""
    below: int = 0
    """Below the view, or beside it."""

    @property
    def line(self) -> str:
        """The counts on one line of a prompt, as in ``(12 more above, 340 more below: scroll to see them)``, or ''."""
        places = ((self.above, "above"), (self.here, "on screen"), (self.below, "below"))
        counts = ", ".join(f"{count} more {where}" for count, where in places if count)
        return f"({counts}{': scroll to see them' if self.above or self.below else ''})" if counts else ""


NONE_OMITTED = Omitted()


@dataclass(frozen=True)
class Observation:
    """What the agent sees; its parts are those that were asked for (see `agentgym.look`)."""

    instruction: str
    elements: tuple[Element, ...] = ()
    """In document order; empty where they were not asked for."""
    url: str = ""
    title: str = ""
    error: str = ""
    """What was wrong with the last action; empty when it was carried out."""
    screenshot: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """(height, width, 3) RGB, or None where none was asked for."""
    marks: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """The screenshot with the box and id of each element that can be acted on; None where it was not asked for."""
    tree: str | None = None
    """The accessibility tree, one node a line, its depth as indentation: ``role "name" [id] states``. The ids are those
    of `elements`; nodes without one (lists, landmarks) only say where things are. None where it was not asked for."""
    text: str | None = None
    """The page's visible text in reading order, on and off screen; None where it was not asked for. It comes from the
    page and is not trusted: unlike names it has lines of its own."""
    omitted: Omitted = NONE_OMITTED
    """What the budget left out of elements and tree."""

    def element(self, element_id: int) -> Element | None:
        """Return the element of an id, or None if it is not on screen."""
        return next((element for element in self.elements if element.id == element_id), None)

    def to_gym(self, parts: Collection[str] | None = None) -> dict[str, Any]:
        """Return a fresh plain dict that lies in `agentgym.spaces.observation_space`.

        Args:
            parts: which are shown, of those that there are; all where None.
        """
        observation: dict[str, Any] = {
            "instruction": self.instruction,
            "url": self.url,
            "title": self.title,
            "error": self.error,
        }
        if parts is None or "elements" in parts:
            observation["elements"] = tuple(_element_to_gym(element) for element in self.elements)
            observation["omitted"] = np.array(self.omitted, dtype=np.int64)
        for part in ("tree", "text", "screenshot", "marks"):
            held = getattr(self, part)
            if held is not None and (parts is None or part in parts):
                observation[part] = held.copy() if isinstance(held, np.ndarray) else held
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
