"""Set-of-marks pictures, judged by their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from agentgym.marks import COLOURS, LINE, WHITE, draw_marks, place_marks
from agentgym.observation import Box, Element

GREY = np.full((120, 200, 3), 128, dtype=np.uint8)


def button(identity: int, *box: int, role: str = "button") -> Element:
    return Element(identity, role, f"b{identity}", box=Box(*box))


def test_a_box_and_its_label_are_drawn_and_nothing_else() -> None:
    element = button(7, 50, 40, 60, 30)
    picture = draw_marks(GREY, [element])
    (mark,) = place_marks([element], width=200, height=120)
    assert picture.shape == GREY.shape
    assert picture.dtype == np.uint8
    left, top, right, bottom = mark.label
    label = picture[top:bottom, left:right].reshape(-1, 3)
    assert (label == mark.colour).all(axis=1).mean() > 0.3  # the ground
    assert label.min(axis=1).max() > 200  # digits, in white
    assert (picture[40, 50:110] == mark.colour).all()
    assert (picture[40:70, 50] == mark.colour).all()
    touched = (picture != GREY).any(axis=2)
    allowed = np.zeros_like(touched)
    allowed[40:70, 50:110] = True
    allowed[40 + LINE : 70 - LINE, 50 + LINE : 110 - LINE] = False
    allowed[top:bottom, left:right] = True
    assert not (touched & ~allowed).any()


def test_the_screenshot_itself_stays_as_it_is() -> None:
    screenshot = GREY.copy()
    marked = draw_marks(screenshot, [button(1, 0, 0, 50, 50)])
    assert (screenshot == GREY).all()
    marked[:] = 0  # a copy of the caller's own
    assert (screenshot == GREY).all()


def test_a_box_is_cut_off_at_the_screens_edge_and_its_label_stays_on_it() -> None:
    (mark,) = place_marks([button(3, -30, -20, 60, 40)], width=200, height=120)
    assert mark.box == (0, 0, 30, 20)
    assert mark.label.left >= 0
    assert mark.label.top >= 0


@pytest.mark.parametrize("box", [(300, 10, 20, 20), (10, -50, 20, 20), (10, 10, 0, 20)])
def test_what_is_not_on_the_screen_is_not_marked(box: tuple[int, int, int, int]) -> None:
    assert (draw_marks(GREY, [button(1, *box)]) == GREY).all()


def test_what_is_only_read_is_not_marked() -> None:
    texts = [button(1, 10, 10, 50, 20, role="text"), button(2, 10, 50, 50, 20, role="heading")]
    assert (draw_marks(GREY, texts) == GREY).all()


def test_labels_do_not_hide_each_other_where_there_is_room() -> None:
    row = [button(n, 20 + 24 * n, 50, 22, 12) for n in range(6)]
    nested = [button(10, 10, 80, 100, 35), button(11, 12, 82, 60, 30)]
    labels = [mark.label for mark in place_marks(row + nested, width=200, height=120)]
    assert all(a.overlap(b) == 0 for n, a in enumerate(labels) for b in labels[:n])


def test_neighbours_have_colours_that_can_be_told_apart_and_read() -> None:
    marks = place_marks([button(n, 10 * n, 10, 8, 8) for n in range(len(COLOURS))], width=200, height=120)
    assert len({mark.colour for mark in marks}) == len(COLOURS)
    for colour in COLOURS:
        assert contrast(colour, WHITE) >= 4.5  # WCAG 2.2, 1.4.3
        others = [other for other in COLOURS if other != colour]
        assert min(sum(abs(a - b) for a, b in zip(colour, other, strict=True)) for other in others) > 60


def contrast(colour: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Return the contrast ratio of WCAG 2.2."""
    light, dark = sorted((luminance(colour), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in colour]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
