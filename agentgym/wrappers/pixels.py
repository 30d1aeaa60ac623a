"""The screen as pixels, and a grid of cells to click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gymnasium import spaces

from agentgym.action import Click
from agentgym.wrappers.view import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agentgym.observation import Observation


class PixelView(View):
    """The screenshot, (height, width, 3) uint8 RGB; action ``n`` clicks row ``n // columns``, column ``n % columns``.

    Args:
        space: the observation space of the environment; it must have screenshots.
        columns: cells across, >= 1.
        rows: cells down, >= 1.

    Raises:
        ValueError: there are no screenshots, or a number is out of range.
    """

    def __init__(self, space: spaces.Space[object], *, columns: int, rows: int) -> None:
        if columns < 1 or rows < 1:
            raise ValueError(f"A grid needs at least one cell, got {columns} columns and {rows} rows.")
        pixels = space.get("screenshot") if isinstance(space, spaces.Dict) else None
        if not isinstance(pixels, spaces.Box):
            raise ValueError("PixelGrid needs pixels; make the environment with screenshot=True.")  # noqa: TRY004 (its
            # type is right: an option is missing)
        self.observation_space = pixels
        self.num_actions = columns * rows
        self._columns, self._rows = columns, rows
        self._height, self._width, _ = pixels.shape

    def observe(self, observation: Observation) -> NDArray[np.uint8]:
        """Return the screenshot."""
        assert observation.screenshot is not None
        return observation.screenshot.copy()

    def act(self, observation: Observation, index: int) -> Click:
        """Return a click on the middle of a cell."""
        del observation
        return self.click(index)

    def click(self, index: int) -> Click:
        """Return a click on the middle of a cell.

        Raises:
            ValueError: there is no such cell.
        """
        self.check(index)
        row, column = divmod(index, self._columns)
        x = (2 * column + 1) * self._width // (2 * self._columns)
        return Click(x=x, y=(2 * row + 1) * self._height // (2 * self._rows))
