"""Oracles of tasks on colours, and what the names of colours mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import Click, Fill
from agentgym_miniwob.oracles.clicking import find_all, match
from agentgym_miniwob.oracles.forms import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript


class Color(NamedTuple):
    """Shares of light, 0 to 255."""

    red: int
    green: int
    blue: int


# As style sheets know them: https://www.w3.org/TR/css-color-4/#named-colors
COLORS = {
    name: Color(*bytes.fromhex(code))
    for name, code in (
        ("aqua", "00ffff"), ("black", "000000"), ("blue", "0000ff"), ("gold", "ffd700"), ("gray", "808080"),
        ("green", "008000"), ("lime", "00ff00"), ("magenta", "ff00ff"), ("maroon", "800000"), ("navy", "000080"),
        ("olive", "808000"), ("orange", "ffa500"), ("pink", "ffc0cb"), ("purple", "800080"), ("red", "ff0000"),
        ("silver", "c0c0c0"), ("teal", "008080"), ("white", "ffffff"), ("yellow", "ffff00"),
    )
}  # fmt: skip


def read_color(text: str) -> Color | None:
    """Return the colour of a text such as ``rgb(1, 2, 3)``, or None if it is none."""
    found = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", text)
    return None if found is None else Color(*(int(share) for share in found.groups()))


def click_shades(observation: Observation) -> OracleScript:
    """Click the boxes that have more of the named colour than of the other two, then Submit."""
    (name,) = match(observation, r"Select all the shades of (red|green|blue) and press Submit\.")
    for box in find_all(observation, "box"):
        color = read_color(box.name)
        if color is not None and max(color) == getattr(color, name):
            yield Click(element=box.id)
    yield submit(observation)


def enter_color(observation: Observation) -> OracleScript:
    """Enter the code of the colour, which is named or shown, in the picker's field, then Submit."""
    name, shown = match(observation, r"Select (?:the following color \[(.*)\]|(\w+)) with the color picker .*")[::-1]
    color = COLORS[name] if name else read_color(shown)
    assert color is not None
    yield Fill(find_all(observation, "textbox")[0].id, bytes(color).hex().upper())
    yield submit(observation)


COLORING: dict[str, Callable[[Observation], OracleScript]] = {
    "click-shades": click_shades,
    "use-colorwheel": enter_color,
    "use-colorwheel-2": enter_color,
}
