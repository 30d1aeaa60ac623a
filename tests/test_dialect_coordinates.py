"""Coordinates of dialects: where writing and reading is exact, and how far off it is elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentgym.action import MAX_PIXEL, Action, Click, Drag
from agentgym.dialects import Dialect, dialect
from agentgym.dialects.coordinates import MAX_SCALE, MIN_SIDE, Coordinates, Size
from agentgym.errors import ActionError

SIDES = st.integers(MIN_SIDE, MAX_PIXEL)
SIZES = st.tuples(SIDES, SIDES)
SCALES = st.integers(MIN_SIDE, MAX_SCALE)


@given(SIZES, SCALES, st.data())
def test_a_grid_as_fine_as_the_viewport_loses_nothing(viewport: Size, scale: int, data: st.DataObject) -> None:
    grid = Coordinates(viewport, max(scale, *viewport))
    x, y = (data.draw(st.integers(0, side - 1)) for side in viewport)
    assert grid.pixel(*grid.written(x, y)) == (x, y)


@given(SIZES, SCALES | SIZES | st.none(), st.data())
def test_writing_and_reading_moves_a_pixel_to_the_nearest_of_the_grid_and_then_no_more(
    viewport: Size, scale: int | Size | None, data: st.DataObject
) -> None:
    grid = Coordinates(viewport, scale)
    pixel = tuple(data.draw(st.integers(0, side - 1)) for side in viewport)
    once = grid.pixel(*grid.written(*pixel))
    assert grid.pixel(*grid.written(*once)) == once
    steps = (
        viewport if scale is None else (scale, scale) if isinstance(scale, int) else tuple(side - 1 for side in scale)
    )
    for before, after, side, last in zip(pixel, once, viewport, steps, strict=True):
        assert abs(after - before) <= (side - 1) / last / 2 + 0.5


@given(SIZES, SCALES, st.data())
def test_every_coordinate_stands_for_a_pixel_of_the_page(viewport: Size, scale: int, data: st.DataObject) -> None:
    grid = Coordinates(viewport, scale)
    x, y = (data.draw(st.integers(0, scale) | st.floats(0, scale)) for _ in viewport)
    point = grid.pixel(x, y)
    assert all(0 <= at < side for at, side in zip(point, viewport, strict=True))
    for ours, theirs, side in zip(point, (x, y), viewport, strict=True):
        assert abs(ours - theirs / scale * side) <= 1.5 + 1e-6  # a vendor's reading: 1 pixel apart, and the rounding


def test_the_ends_of_the_grid_are_the_ends_of_the_page() -> None:
    grid = Coordinates((1280, 800), 1000)
    assert grid.pixel(0, 0) == (0, 0)
    assert grid.pixel(1000, 1000) == (1279, 799)
    assert grid.pixel(500, 250) == (640, 200)
    assert Coordinates((1920, 1080), (1932, 1092)).pixel(197, 525) == (196, 519)


@pytest.mark.parametrize(("x", "y"), [(1001, 0), (0, -1), (0, float("nan")), (float("inf"), 0), (None, 0), (True, 0)])
def test_a_coordinate_off_the_grid_is_refused(x: object, y: object) -> None:
    with pytest.raises(ActionError):
        Coordinates((1280, 800), 1000).pixel(x, y)


DIALECTS = st.builds(
    dialect, st.sampled_from(["qwen-computer", "ui-tars"]), viewport=st.just((1920, 1080)), scale=st.just(1000)
)


@given(DIALECTS, st.integers(0, 1919), st.integers(0, 1079), st.integers(0, 1919), st.integers(0, 1079))
def test_scaled_dialects_write_a_point_that_was_read_as_it_was(
    speech: Dialect, x: int, y: int, to_x: int, to_y: int
) -> None:
    def once(action: Action) -> Action:
        return speech.parse(speech.format(action))

    for action in (Click(x=x, y=y), Drag(x=x, y=y, to_x=to_x, to_y=to_y)):
        on_grid = once(action)
        assert once(on_grid) == on_grid
        assert speech.format(on_grid) == speech.format(action)


def test_a_pixel_outside_the_viewport_cannot_be_said() -> None:
    with pytest.raises(ActionError, match=r"qwen-computer cannot say .*outside the viewport"):
        dialect("qwen-computer", viewport=(1280, 800)).format(Click(x=1280, y=0))
