"""Actions at elements, done with points: what a hand does where a dialect knows no element ids.

A point is the middle of what the screen shows of an element's box; what is off the screen cannot be pointed at. The
options of a list have no box: they are found by typing, as people do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Drag, Fill, Hover, Press, Scroll, Select, Type
from agentgym.dialects.coordinates import Point
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from agentgym.dialects.coordinates import Size
    from agentgym.observation import Box, Observation


def middle(box: Box, screen: Size | None) -> Point | None:
    """Return the middle of the part of a box that is on a screen; None where no part is.

    Args:
        box: in pixels.
        screen: width and height in pixels; None for one without end.
    """
    left, top, right, bottom = max(box.x, 0), max(box.y, 0), box.x + box.width, box.y + box.height
    if screen is not None:
        right, bottom = min(right, screen[0]), min(bottom, screen[1])
    return Point((left + right) // 2, (top + bottom) // 2) if left < right and top < bottom else None


def by_points(action: Action, observation: Observation, screen: Size) -> tuple[Action, ...]:
    """Return the actions that do the same without element ids, one after the other.

    Args:
        action: any; one without an element is returned as it is.
        observation: that the ids are from.
        screen: width and height in pixels.

    Raises:
        ActionError: the element is not on screen.
    """

    def at(element: int) -> Point:
        found = observation.element(element)
        point = None if found is None else middle(found.box, screen)
        if point is None:
            raise ActionError(f"{action.name}: element {element} is not on screen, so nothing can point at it.")
        return point

    match action:
        case Click(element=int(element)) | Hover(element=int(element)) | Scroll(element=int(element)):
            point = at(element)
            return (replace(action, element=None, x=point.x, y=point.y),)
        case Drag(element=start, to_element=end):
            if start is not None:
                point = at(start)
                action = replace(action, element=None, x=point.x, y=point.y)
            if end is not None:
                point = at(end)
                action = replace(action, to_element=None, to_x=point.x, to_y=point.y)
            return (action,)
        case Fill(element=element, text=text):
            return (*by_points(Click(element=element), observation, screen), *_typed(text))
        case Select(element=element, option=option):
            opened = by_points(Click(element=element), observation, screen)
            return (*opened, Type(text=option), Press(keys="Enter"))
        case _:
            return (action,)


def _typed(text: str) -> tuple[Action, ...]:
    """Replace what a field holds that has the focus."""
    return Press(keys="Control+a"), Type(text=text) if text else Press(keys="Backspace")
