"""Oracles of tasks on lists and grids whose items are dragged to another place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Drag
from agentgym_miniwob.oracles.clicking import find_all, match
from agentgym_miniwob.oracles.forms import ordinal, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript

CELLS = [
    "top left", "top center", "top right", "center left", "center", "center right", "bottom left", "bottom center",
    "bottom right",
]  # fmt: skip
EDGE = 2  # pixels below the upper edge of an item's text, which is in the upper half of the item
ACROSS = 3  # columns of the grid
STEPS = {"up": -ACROSS, "down": ACROSS, "left": -1, "right": 1}


def move(items: Sequence[Element], start: int, end: int, *, columns: int = 1) -> Drag:
    """Return the drag that takes an item to the place of another; the items in between make room.

    An item makes room when the pointer has passed its middle, in the direction of the drag. In a grid the place is
    before that item if the drag goes left or up, after it if it goes right or down: so one that goes up and to the
    right is aimed at the item before.
    """
    rightwards = end % columns - start % columns
    forward = end > start
    target = items[end - 1 if not forward and rightwards > 0 else end].box
    to_right = rightwards > 0 or (rightwards == 0 and forward)
    x = target.x + target.width * (3 if to_right else 1) // 4
    pitch = items[columns].box.y - items[0].box.y
    y = target.y + (pitch // 2 if forward else EDGE)
    return Drag(element=items[start].id, to_x=x, to_y=y)


def drag_item(observation: Observation) -> OracleScript:
    """Drag an item of a list to a place in it."""
    name, where = match(observation, r"Drag (.+?) (to the .*|up .*|down .*)\.")
    items = find_all(observation, "text")
    start = [item.name for item in items].index(name)
    words = where.split()
    ends = {"top": 0, "bottom": len(items) - 1, "up": start - 1, "down": start + 1}
    end = next((ends[word] for word in words if word in ends), None)
    yield move(items, start, ordinal(words[2]) - 1 if end is None else end)


def drag_in_grid(observation: Observation) -> OracleScript:
    """Drag an item of a grid of three columns to a place in it."""
    name, where = match(observation, r"Drag (.+?) (to the .*|(?:up|down|left|right) by one)\.")
    items = find_all(observation, "text")
    start = [item.name for item in items].index(name)
    cell = where.removeprefix("to the ")
    end = CELLS.index(cell) if cell in CELLS else start + STEPS[where.split()[0]]
    yield move(items, start, end, columns=ACROSS)


def sort_numbers(observation: Observation) -> OracleScript:
    """Drag the least of the remaining numbers to the first place that is not in order, again and again, then Submit."""
    for place in range(len(_numbers(observation)) - 1):
        items = _numbers(observation)
        least = min(range(place, len(items)), key=lambda index: int(items[index].name))
        if least != place:
            observation = yield move(items, least, place)
    yield submit(observation)


def _numbers(observation: Observation) -> list[Element]:
    return [element for element in observation.elements if re.fullmatch(r"-?\d+", element.name)]


SORTING: dict[str, Callable[[Observation], OracleScript]] = {
    "drag-items": drag_item,
    "drag-items-grid": drag_in_grid,
    "drag-sort-numbers": sort_numbers,
}
