"""Oracles of tasks on running text: selecting it with the mouse, giving it a style in an editor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from agentgym.action import Click, Drag, Press, Type, Wait
from agentgym_miniwob.oracles.clicking import find_all, match
from agentgym_miniwob.oracles.colors import COLORS, read_color
from agentgym_miniwob.oracles.forms import ordinal, submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript
    from agentgym_miniwob.oracles.widgets import Part

EDGE = 3  # pixels from the edge of a text's box into its first and last line
SELECTION_MS = 200  # an editor hears of a new selection a little later
STYLES = {"bold": "ql-bold", "italics": "ql-italic", "underlined": "ql-underline"}  # classes of the editor's buttons
PICKER, SWATCH = "ql-picker-label", "ql-picker-item"


def select_text(text: Element) -> Drag:
    """Return the drag over a text, from its first to its last line."""
    box = text.box
    right, bottom = box.x + box.width, box.y + box.height
    return Drag(x=box.x, y=box.y + EDGE, to_x=right - 1, to_y=bottom - EDGE)


def highlight(observation: Observation) -> OracleScript:
    """Select the only paragraph, or that of the given ordinal, then Submit."""
    (place,) = match(observation, r"Highlight the text in the (\w+) paragraph .*|Highlight the text in the .*")
    yield select_text(find_all(observation, "text")[ordinal(place) - 1 if place else 0])
    yield submit(observation)


def style_text(observation: Observation) -> OracleScript:
    """Give all of an editor's text a style or colour, or write it anew with one word in it, then Submit."""
    word, style = match(
        observation, r"Using .*, (?:give the text (.+)|(?:give|make) everything) the (?:style|color) (\w+)( and .*)?\."
    )[:2]
    editor = find_all(observation, "textbox")[0]
    yield Click(element=editor.id)
    yield Press("Control+a")
    observation = yield Wait(SELECTION_MS)
    if word is None:
        observation = yield from set_style(observation, style, on=True)
    else:
        before, _, after = editor.value.partition(word)
        observation = yield Press("Delete")
        if before:
            observation = yield Type(before)
        yield from set_style(observation, style, on=True)
        observation = yield Type(word)
        if after:
            yield from set_style(observation, style, on=False)
            observation = yield Type(after)
    yield submit(observation)


def set_style(observation: Observation, style: str, *, on: bool) -> Part:
    """Switch a style, or colour, of the selection or of what is typed next; the first swatch is no colour."""
    if style in STYLES:
        return (yield Click(element=_called(observation, STYLES[style])[0].id))
    observation = yield Click(element=_called(observation, PICKER)[0].id)
    swatches = [(swatch, color) for swatch in observation.elements if (color := read_color(swatch.name)) is not None]
    nearest, _ = min(swatches, key=lambda swatch: math.dist(swatch[1], COLORS[style]))
    return (yield Click(element=nearest.id if on else _called(observation, SWATCH)[0].id))


def _called(observation: Observation, name: str) -> list[Element]:
    """Return the elements whose name starts with one; the classes of what is switched on follow it."""
    return [element for element in observation.elements if element.name.startswith(name)]


EDITING: dict[str, Callable[[Observation], OracleScript]] = {
    "highlight-text": highlight,
    "highlight-text-2": highlight,
    "text-editor": style_text,
}
