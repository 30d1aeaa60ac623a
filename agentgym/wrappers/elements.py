"""The screen as an array of its first elements, and a mask of those that can be clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from gymnasium import spaces

from agentgym.action import Action, Click, Wait
from agentgym.wrappers.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentgym.observation import Element, Observation

ROLES = ("button", "link", "textbox", "checkbox", "radio", "combobox", "option", "text")
STATES = ("checked", "disabled", "expanded", "focused", "selected")
FEATURES = 1 + 4 + len(ROLES) + len(STATES) + 2  # present, box, role, states, has a value, named in the instruction


class ElementView(View):
    """The first elements, `FEATURES` numbers in [0, 1] each, as one float32 vector; action ``n`` clicks the n-th.

    The numbers: whether there is an element, its box as fractions of the screen, its role and states one-hot, whether
    it has a value, and the share of its name's words that the instruction holds. Where it is not there, all are 0.

    Args:
        space: the observation space of the environment; it must have elements.
        width: of the screen in pixels.
        height: of the screen in pixels.
        max_elements: how many elements are seen, >= 1; further ones are not.

    Raises:
        ValueError: there are no elements in the space, or a number is out of range.
    """

    def __init__(self, space: spaces.Space[object], width: int, height: int, *, max_elements: int) -> None:
        if max_elements < 1:
            raise ValueError(f"max_elements must be at least 1, got {max_elements}")
        if not isinstance(space, spaces.Dict) or "elements" not in space.spaces:
            raise ValueError("FlatVector needs elements; leave 'elements' among the `parts` of the environment.")
        self.observation_space = spaces.Box(0.0, 1.0, shape=(max_elements * FEATURES,), dtype=np.float32)
        self.num_actions = max_elements
        self._scale = np.array([width, height, width, height])

    def observe(self, observation: Observation) -> NDArray[np.float32]:
        """Return the vector, (max_elements * FEATURES,)."""
        words = frozenset(_words(observation.instruction))
        rows = np.zeros((self.num_actions, FEATURES), dtype=np.float32)
        for row, element in zip(rows, observation.elements, strict=False):
            row[:] = self._features(element, words)
        return rows.reshape(-1)

    def mask(self, observation: Observation) -> NDArray[np.bool_]:
        """Return which actions can do something, (max_elements,): those of elements that are there and not disabled.

        Where there is none, all are allowed: a policy has to take one, and it does nothing.
        """
        allowed = np.zeros(self.num_actions, dtype=np.bool_)
        for index, element in enumerate(observation.elements[: self.num_actions]):
            allowed[index] = _clickable(element)
        return allowed if allowed.any() else ~allowed

    def act(self, observation: Observation, index: int) -> Action:
        """Return a click on an element, or for one that is not there or disabled an action that does nothing."""
        self.check(index)
        elements = observation.elements
        if index < len(elements) and _clickable(elements[index]):
            return Click(element=elements[index].id)
        return Wait(ms=0)

    def _features(self, element: Element, words: frozenset[str]) -> list[float]:
        box = np.clip(np.array(element.box) / self._scale, 0, 1)
        named = [word in words for word in _words(element.name)]
        return [
            1.0,
            *box.tolist(),
            *(float(element.role == role) for role in ROLES),
            *(float(state in element.states) for state in STATES),
            float(bool(element.value)),
            sum(named) / len(named) if named else 0.0,
        ]


def _clickable(element: Element) -> bool:
    return "disabled" not in element.states


def _words(text: str) -> list[str]:
    """Split text into words without case or punctuation."""
    return "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()
