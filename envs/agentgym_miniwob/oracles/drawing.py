"""Oracles of tasks that are solved by drawing: a line with one stroke, a digit in boxes to tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Click, Drag
from agentgym_miniwob.oracles.clicking import find_all, match, quoted
from agentgym_miniwob.oracles.forms import submit
from agentgym_miniwob.oracles.pointing import middle

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

STROKE = 20  # pixels that a line goes on to both sides of its dot, which keeps at least 30 from the edge
# Rows of the digits from 0 to 9 as the example pictures show them, four boxes wide: # is ticked.
DIGITS = (
    ".##. #..# #..# #..# #..# #..# .##.",
    "..#. .##. ..#. ..#. ..#. ..#. ..#.",
    ".##. #..# #..# ..#. .#.. #... ####",
    ".##. #..# ...# .##. ...# #..# .##.",
    "#... #.#. #.#. #### ..#. ..#. ..#.",
    "#### #... #... ###. ...# #..# .##.",
    ".##. #..# #... ###. #..# #..# .##.",
    "#### #..# ...# ..#. ..#. .#.. .#..",
    ".##. #..# #..# .##. #..# #..# .##.",
    ".##. #..# #..# .### ...# #..# .##.",
)


def draw_line(observation: Observation) -> OracleScript:
    """Draw a horizontal or vertical line through the dot, then Submit."""
    (direction,) = match(observation, r"Draw a (horizontal|vertical) line that runs through the dot, .*")
    x, y = (round(value) for value in middle(find_all(observation, "graphic")[0]))
    dx, dy = (STROKE, 0) if direction == "horizontal" else (0, STROKE)
    yield Drag(x=x - dx, y=y - dy, to_x=x + dx, to_y=y + dy)
    yield submit(observation)


def draw_digit(observation: Observation) -> OracleScript:
    """Tick the boxes that make up the digit, then Submit."""
    digit = DIGITS[int(quoted(observation)[0])].replace(" ", "")
    for box, mark in zip(find_all(observation, "checkbox"), digit, strict=True):
        if mark == "#":
            yield Click(element=box.id)
    yield submit(observation)


DRAWING: dict[str, Callable[[Observation], OracleScript]] = {
    "draw-line": draw_line,
    "number-checkboxes": draw_digit,
}
