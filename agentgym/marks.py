"""Set-of-marks pictures: a screenshot on which what can be acted on carries its box and id.

After Yang et al. 2023, "Set-of-Mark Prompting Unleashes Extraordinary Visual Grounding in GPT-4V"
(https://arxiv.org/abs/2310.11441). Pixels outside of the boxes and their labels stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from agentgym.observation import Box, Element

# Only read, or only places: what is in them has marks of its own.
UNMARKED = frozenset({
    "text", "heading", "status", "alert", "log", "meter", "progressbar", "dialog", "alertdialog", "tablist", "tabpanel",
    "menu", "menubar", "timer", "marquee", "separator", "tooltip",
})  # fmt: skip
# Twelve hues that can be told apart, each dark enough for white digits (contrast of 4.5 and more).
COLOURS = (
    (200, 0, 0), (0, 90, 200), (0, 120, 40), (150, 0, 170), (165, 80, 0), (0, 110, 120),
    (200, 0, 100), (70, 70, 200), (90, 110, 0), (120, 40, 40), (60, 60, 60), (90, 30, 140),
)  # fmt: skip
WHITE = (255, 255, 255)
LINE = 2  # pixels of a box's border
FONT_PX = 11
PADDING = 2  # pixels between a label's edge and its digits


class Area(NamedTuple):
    """A rectangle in pixels; right and bottom are outside of it."""

    left: int
    top: int
    right: int
    bottom: int

    def overlap(self, other: Area) -> int:
        """Return how many pixels two areas share."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0, width) * max(0, height)


class Mark(NamedTuple):
    """Where a mark is drawn."""

    id: int
    colour: tuple[int, int, int]
    box: Area
    label: Area


def draw_marks(screenshot: NDArray[np.uint8], elements: Iterable[Element]) -> NDArray[np.uint8]:
    """Return a copy of a screenshot, (height, width, 3) RGB, with the box and id of each element that can be acted on.

    Args:
        screenshot: (height, width, 3) RGB, uint8.
        elements: those that can be seen; one of a role that is only read (`UNMARKED`), or outside of the screen, is not
            drawn.
    """
    picture = Image.fromarray(screenshot).convert("RGB")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=FONT_PX)
    marks = place_marks(elements, width=picture.width, height=picture.height)
    for mark in marks:
        left, top, right, bottom = mark.box
        draw.rectangle((left, top, right - 1, bottom - 1), outline=mark.colour, width=LINE)
    for mark in marks:  # labels last, so that no box crosses one
        left, top, right, bottom = mark.label
        draw.rectangle((left, top, right - 1, bottom - 1), fill=mark.colour)
        draw.text(((left + right) / 2, (top + bottom) / 2), str(mark.id), fill=WHITE, font=font, anchor="mm")
    return np.array(picture)  # a copy: what Pillow gives as it is cannot be written to


def place_marks(elements: Iterable[Element], *, width: int, height: int) -> list[Mark]:
    """Return where each element's mark goes on a screen of that size: labels at a corner where they hide no other."""
    screen = Area(0, 0, width, height)
    font = ImageFont.load_default(size=FONT_PX)
    marks: list[Mark] = []
    for element in elements:
        box = _on_screen(element.box, screen)
        if element.role in UNMARKED or box is None:
            continue
        x0, y0, x1, y1 = font.getbbox(str(element.id))
        size = int(x1 - x0) + 2 * PADDING + 1, int(y1 - y0) + 2 * PADDING + 1
        taken = [mark.label for mark in marks]
        places = [_inside(left, top, size, screen) for left, top in _corners(box, size)]
        label = min(places, key=lambda place: sum(place.overlap(other) for other in taken))  # the first of the best
        marks.append(Mark(element.id, COLOURS[len(marks) % len(COLOURS)], box, label))
    return marks


def _on_screen(box: Box, screen: Area) -> Area | None:
    """Return the part of a box that is on screen; None where there is none."""
    left, top = max(screen.left, box.x), max(screen.top, box.y)
    right, bottom = min(screen.right, box.x + box.width), min(screen.bottom, box.y + box.height)
    return Area(left, top, right, bottom) if left < right and top < bottom else None


def _corners(box: Area, size: tuple[int, int]) -> list[tuple[int, int]]:
    """Return upper left corners of a label, best first: at the box's edge outside of it, then in it, then beside it."""
    width, height = size
    left, top, right, bottom = box
    return [
        (left, top - height), (right - width, top - height), (left, bottom), (right - width, bottom),
        (left - width, top), (right, top), (left, top), (right - width, top), (left, bottom - height),
        (right - width, bottom - height),
    ]  # fmt: skip


def _inside(left: int, top: int, size: tuple[int, int], screen: Area) -> Area:
    """Return the area of a label, moved onto the screen where it would leave it."""
    width, height = size
    left = max(screen.left, min(left, screen.right - width))
    top = max(screen.top, min(top, screen.bottom - height))
    return Area(left, top, min(left + width, screen.right), min(top + height, screen.bottom))
