"""Oracles of tasks that are solved by dragging things: boxes and shapes, corners, the items of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Drag
from agentgym_miniwob.oracles.clicking import find, find_all, match
from agentgym_miniwob.oracles.forms import submit
from agentgym_miniwob.oracles.pointing import middle

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript

FAR = 20  # pixels: a drag that is seen as one
DIRECTIONS = {"left": (-FAR, 0), "right": (FAR, 0), "up": (0, -FAR), "down": (0, FAR)}
FRAME = "none rect"  # a rectangle without filling, which things are dragged into
KINDS = {"rectangles": "rect", "circles": "circle", "triangles": "polygon"}


def drag_into(thing: Element, target: Element) -> Drag:
    """Return the drag of a thing onto the middle of a target."""
    x, y = middle(target)
    return Drag(element=thing.id, to_x=round(x), to_y=round(y))


def drag_by(thing: Element, dx: int, dy: int) -> Drag:
    """Return the drag of a thing by some pixels."""
    x, y = middle(thing)
    return Drag(x=round(x), y=round(y), to_x=round(x) + dx, to_y=round(y) + dy)


def drag_box(observation: Observation) -> OracleScript:
    """Drag the small box into the large one, then Submit."""
    yield drag_into(find(observation, "s"), find(observation, "L"))
    yield submit(observation)


def drag_aside(observation: Observation) -> OracleScript:
    """Drag the one shape into the given direction, then Submit."""
    (direction,) = match(observation, r"Drag the (?:circle|item) (\w+) then press Submit\.")
    yield drag_by(find_all(observation, "graphic")[0], *DIRECTIONS[direction])
    yield submit(observation)


def drag_kind(observation: Observation) -> OracleScript:
    """Drag all shapes of a kind into the box, then Submit."""
    (kind,) = match(observation, r"Drag all (\w+) into the black box\.")
    box = find(observation, FRAME)
    for shape in find_all(observation, "graphic"):
        if shape.name.endswith(KINDS[kind]) and shape != box:
            yield drag_into(shape, box)
    yield submit(observation)


def sort_shapes(observation: Observation) -> OracleScript:
    """Drag all shapes of a kind or colour into the left box and all others into the right one, then Submit."""
    wanted, _ = match(observation, r"Drag all (\w+)( shapes)? into the left box, and everything else .*")
    shapes = find_all(observation, "graphic")
    left, right = sorted((shape for shape in shapes if shape.name == FRAME), key=lambda box: box.box.x)
    for shape in shapes:
        if shape.name != FRAME:
            yield drag_into(shape, left if KINDS.get(wanted, wanted) in shape.name.split() else right)
    yield submit(observation)


def resize_area(observation: Observation) -> OracleScript:
    """Drag the lower right corner of the text area, then Submit."""
    side, size = match(observation, r"Resize the textarea so that the (\w+) is (\w+) than .*")
    area = find_all(observation, "textbox")[0].box
    x, y = area.x + area.width - 3, area.y + area.height - 3
    by = FAR if size == "larger" else -FAR
    yield Drag(x=x, y=y, to_x=x + by * (side == "width"), to_y=y + by * (side == "height"))
    yield submit(observation)


DRAGGING: dict[str, Callable[[Observation], OracleScript]] = {
    "drag-box": drag_box,
    "drag-circle": drag_aside,
    "drag-shapes": drag_kind,
    "drag-shapes-2": sort_shapes,
    "drag-single-shape": drag_aside,
    "resize-textarea": resize_area,
}
