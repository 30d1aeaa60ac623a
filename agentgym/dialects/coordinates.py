"""Coordinates: between pixels of the viewport and the grid that a model points on.

Both count from 0 at the upper left corner, and the ends of the grid are the first and the last pixel, so that no
coordinate falls off the page. Vendors multiply by the width instead of the last pixel; that differs by at most 1 pixel
before rounding.

A pixel that is written and read again is the same one where the grid is at least as fine as the viewport. Where it is
coarser (1280 pixels on 0 to 1000), a pixel is written as the nearest point of the grid: what is read differs by at most
half a step of the grid and the rounding to a pixel, and pixels on the grid (those that some coordinate stands for) are
read as they were. So writing and reading once puts any pixel on the grid, and doing it again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from agentgym.action import MAX_PIXEL
from agentgym.dialects.untrusted import number
from agentgym.errors import ActionError, ConfigError

Size: TypeAlias = tuple[int, int]  # width, height
Scale: TypeAlias = int | Size | None

DIRECTIONS = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}  # of scrolling, as signs of dx, dy
MIN_SIDE = 16  # pixels
MAX_SCALE = 100_000


class Point(NamedTuple):
    """A point: of the viewport in pixels, or of a grid in its coordinates."""

    x: int
    y: int


@dataclass(frozen=True)
class Coordinates:
    """The grid of a model over a viewport.

    Args:
        viewport: width and height of the page in pixels; None for any, which leaves nothing to scale.
        scale: None where the model counts pixels of the viewport, an integer where its coordinates go from 0 to that
            (1000), or the width and height of the resized image whose pixels it counts.

    Raises:
        ConfigError: a size is out of range, or there is a scale without a viewport.
    """

    viewport: Size | None = None
    scale: Scale = None

    def __post_init__(self) -> None:
        if self.viewport is not None:
            object.__setattr__(self, "viewport", _size("viewport", self.viewport))
        if self.scale is None:
            return
        if self.viewport is None:
            raise ConfigError("scale: coordinates are scaled to a viewport; give its width and height as viewport.")
        if type(self.scale) is not int:
            object.__setattr__(self, "scale", _size("scale", self.scale))
        elif not MIN_SIDE <= self.scale <= MAX_SCALE:
            raise ConfigError(f"scale: {self.scale} is not a largest coordinate from {MIN_SIDE} to {MAX_SCALE}.")

    def pixel(self, x: object, y: object) -> Point:
        """Return the pixel that two coordinates of the model stand for. Fractions are taken.

        Raises:
            ActionError: one is not a number on the grid.
        """
        (across, last_x), (down, last_y) = self._ends()
        return Point(_read("x", x, across, last_x), _read("y", y, down, last_y))

    def written(self, x: int, y: int) -> Point:
        """Return the coordinates of the model that are nearest to a pixel.

        Raises:
            ActionError: the pixel is outside the viewport.
        """
        (across, last_x), (down, last_y) = self._ends()
        return Point(_write("x", x, across, last_x), _write("y", y, down, last_y))

    def describe(self) -> str:
        """Say for a prompt what the coordinates count."""
        match self.scale:
            case int(last):
                return f"x and y go from 0 to {last}, from the upper left corner of the screen to the lower right one."
            case (width, height):
                picture = f"a picture of the screen, {width} wide and {height} high"
                return f"x and y are pixels of {picture}, from its upper left corner."
            case _:
                size = "" if self.viewport is None else ", {} wide and {} high".format(*self.viewport)
                return f"x and y are pixels of the screen{size}, from its upper left corner."

    def _ends(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return, for x and for y, the last coordinate of the grid and the last pixel."""
        if self.viewport is None:
            return (MAX_PIXEL, MAX_PIXEL), (MAX_PIXEL, MAX_PIXEL)
        width, height = (side - 1 for side in self.viewport)
        if self.scale is None:
            return (width, width), (height, height)
        across, down = (self.scale, self.scale) if isinstance(self.scale, int) else (n - 1 for n in self.scale)
        return (across, width), (down, height)


def _size(name: str, value: object) -> Size:
    """Return a width and a height; a list, as configuration files give it, becomes a tuple."""
    match value:
        case (int(width), int(height)) if all(MIN_SIDE <= side <= MAX_PIXEL for side in (width, height)):
            return width, height
        case _:
            raise ConfigError(f"{name}: {value!r} is not a width and a height from {MIN_SIDE} to {MAX_PIXEL}.")


def _read(name: str, value: object, last: int, last_pixel: int) -> int:
    coordinate = number(name, value)
    if not 0 <= coordinate <= last:
        raise ActionError(f"{name} must be from 0 to {last}, got {coordinate}.")
    return round(coordinate * last_pixel / last)


def _write(name: str, pixel: int, last: int, last_pixel: int) -> int:
    if pixel > last_pixel:
        raise ActionError(f"{name}={pixel} is outside the viewport, whose last pixel is {last_pixel}.")
    return round(pixel * last / last_pixel)
