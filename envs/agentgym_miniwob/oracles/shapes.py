"""Oracles of tasks on drawings: shapes, letters, points of a grid, and widgets that are told apart by their look."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import Click
from agentgym.errors import ActionError
from agentgym_miniwob.oracles.clicking import find, find_all, match, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript

SHAPE_NAMES = {"rect": "rectangle", "circle": "circle", "polygon": "triangle"}
LARGE = 15  # pixels: small figures are 10 or 11 high, large ones 20 or 22
ONE_LINE = 24  # pixels: a text field is 21 high, a text area 26


def words_of(graphic: Element) -> set[str]:
    """Return the words that describe a graphic: size, colour, kind, and what it shows."""
    color, tag, *text = graphic.name.split(" ")
    words = {"item", color, "large" if graphic.box.height > LARGE else "small"}
    if tag in SHAPE_NAMES:
        return words | {"shape", SHAPE_NAMES[tag]}
    return words | {"digit" if text[0].isdigit() else "letter", text[0]}


def click_shape(observation: Observation) -> OracleScript:
    """Click a figure that has all the named properties."""
    wanted = set(match(observation, r"Click on an? (.*)")[0].split())
    for graphic in find_all(observation, "graphic"):
        if wanted <= words_of(graphic):
            yield Click(element=graphic.id)
            return
    raise ActionError(f"no graphic is {sorted(wanted)}: the oracle does not fit the page")


def identify_shape(observation: Observation) -> OracleScript:
    """Click the button that names the kind of the one figure."""
    words = words_of(find_all(observation, "graphic")[0])
    for button in find_all(observation, "button"):
        if {"Number": "digit"}.get(button.name, button.name.lower()) in words:
            yield Click(element=button.id)


def click_coordinate(observation: Observation) -> OracleScript:
    """Click the point of the given coordinates; the grid's origin is its middle."""
    x, y = (int(number) for number in re.findall(r"-?\d+", observation.instruction))
    points = [graphic for graphic in find_all(observation, "graphic") if "circle" in graphic.name]
    columns = sorted({point.box.x for point in points})
    rows = sorted({point.box.y for point in points}, reverse=True)  # pixels grow downwards
    middle = len(columns) // 2
    wanted = (columns[middle + x], rows[middle + y])
    yield Click(element=next(point.id for point in points if (point.box.x, point.box.y) == wanted))


def click_ascending(observation: Observation) -> OracleScript:
    """Click the numbers in order; after the first, plates cover them, so their places are kept in mind."""
    numbers = sorted(find_all(observation, "graphic"), key=lambda graphic: int(graphic.name.split()[-1]))
    observation = yield Click(element=numbers[0].id)
    for number in numbers[1:]:
        plates = find_all(observation, "graphic")
        distances = {plate.id: abs(plate.box.x - number.box.x) + abs(plate.box.y - number.box.y) for plate in plates}
        observation = yield Click(element=min(distances, key=distances.__getitem__))


def click_widget(observation: Observation) -> OracleScript:
    """Click a widget of the named kind; a text area is a text field of several lines."""
    kind = quoted(observation)[0]
    if kind in {"text", "textarea"}:
        fields = find_all(observation, "textbox")
        yield Click(element=next(each.id for each in fields if (each.box.height > ONE_LINE) == (kind == "textarea")))
    else:
        yield Click(element=find_all(observation, kind)[0].id)


def mark_odd_or_even(observation: Observation) -> OracleScript:
    """Click Odd or Even beside every number, then Submit."""
    odd, even = (
        [button for button in find_all(observation, "button") if button.name == name] for name in ("Odd", "Even")
    )
    for row, number in enumerate(find_all(observation, "text")):
        yield Click(element=(odd if int(number.name) % 2 else even)[row].id)
    yield Click(element=find(observation, "Submit", "button").id)


def pick_greatest(observation: Observation) -> OracleScript:
    """Turn every card, then turn the greatest again and click Submit."""
    values: dict[int, int] = {}
    for card in [each.id for each in find_all(observation, "clickable")]:
        observation = yield Click(element=card)
        values[card] = max(int(each.name) for each in observation.elements if each.name.isdigit())
    yield Click(element=max(values, key=values.__getitem__))
    yield Click(element=find(observation, "Submit", "button").id)


SHAPES: dict[str, Callable[[Observation], OracleScript]] = {
    "ascending-numbers": click_ascending,
    "click-shape": click_shape,
    "click-widget": click_widget,
    "find-greatest": pick_greatest,
    "grid-coordinate": click_coordinate,
    "identify-shape": identify_shape,
    "odd-or-even": mark_odd_or_even,
}
