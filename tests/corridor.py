"""A small control problem as text: a corridor of five cells, with the goal in the middle.

The page shows the name of the cell and two buttons. What is best in each cell, and what is to be had there, is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.episode import Score
from agentgym.observation import Box, Element
from tests.toy_world import WORDS, Screen, ToyTask, hit_element

if TYPE_CHECKING:
    from random import Random

    from agentgym.action import Action

CELLS, GOAL = WORDS[:5], 2
STARTS = (0, 1, 3, 4)


class Corridor(ToyTask):
    """Walk to the middle; a step off the end stays where it is."""

    id = "toy/corridor"
    description = "Walk to the middle cell."
    max_steps = 4

    def screen(self, rng: Random) -> Screen:
        return Screen("Walk to the middle.", CELLS[GOAL], elements(rng.choice(STARTS)))

    def act(self, screen: Screen, action: Action) -> Score | None:
        hit = hit_element(screen, action)
        if hit is not None and hit.role == "button":
            there = position(screen) + (1 if hit.name == "right" else -1)
            screen.elements[:] = elements(min(max(there, 0), len(CELLS) - 1))
        return Score(1.0, "there") if position(screen) == GOAL else None


def elements(place: int) -> list[Element]:
    """What is seen from a cell."""
    buttons = [Element(i, "button", name, box=Box(10, 10 + 30 * i, 80, 20)) for i, name in enumerate(("left", "right"))]
    return [*buttons, Element(2, "text", CELLS[place], box=Box(10, 70, 80, 20))]


def position(screen: Screen) -> int:
    """Which cell is shown."""
    return CELLS.index(screen.elements[2].name)
