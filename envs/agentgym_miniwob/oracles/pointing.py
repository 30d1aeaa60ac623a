"""Oracles of tasks that are solved by clicking on a point which is worked out from where other things are."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import Click, Hover
from agentgym_miniwob.oracles.clicking import find_all
from agentgym_miniwob.oracles.forms import submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Element, Observation
    from agentgym.task import OracleScript

CANVAS = list(product(range(5, 145), range(55, 175)))  # points of the drawing: it is 150 by 130 and starts at y 50
CLEAR = 15  # pixels that a new dot keeps from the vertex: closer ones would turn an angle too much
HOT_AREA = list(product(range(5, 155), range(55, 170)))  # places of the target, all over the page's lower part
START = (40, 112)  # in the left half, so that the first signal halves the area
SIGNALS = {"HOT": (0, 5), "WARM": (5, 10), "COLD": (10, 40), "ICE COLD": (40, math.inf)}  # pixels from the target
MAX_PROBES = 13


class Point(NamedTuple):
    """A point in pixels, of the viewport."""

    x: float
    y: float


def middle(element: Element) -> Point:
    """Return the middle of an element."""
    box = element.box
    return Point(box.x + box.width / 2, box.y + box.height / 2)


def dots(observation: Observation, color: str) -> list[Point]:
    """Return the middles of the circles of a colour."""
    return [middle(graphic) for graphic in find_all(observation, "graphic") if graphic.name == f"{color} circle"]


def angle(a: Point, vertex: Point, b: Point) -> float:
    """Return the angle between two points as seen from a vertex, 0 to pi."""
    turn = math.atan2(a.y - vertex.y, a.x - vertex.x) - math.atan2(b.y - vertex.y, b.x - vertex.x)
    return abs(math.remainder(turn, math.tau))


def best_point(vertex: Point, error: Callable[[Point], float]) -> Point:
    """Return the point of the drawing with the least error, not too close to the vertex."""
    points = (Point(x, y) for x, y in CANVAS)
    return min((point for point in points if math.dist(point, vertex) >= CLEAR), key=error)


def place_dot(observation: Observation, wanted: Point) -> OracleScript:
    """Click where a dot is wanted, once more if it has appeared somewhat beside the pointer, then Submit."""
    x, y = round(wanted.x), round(wanted.y)
    before = {element.id for element in observation.elements}
    observation = yield Click(x=x, y=y)
    dot = next(middle(each) for each in find_all(observation, "graphic") if each.id not in before)
    aside, below = round(dot.x - wanted.x), round(dot.y - wanted.y)
    if aside or below:
        observation = yield Click(x=x - aside, y=y - below)
    yield submit(observation)


def click_center(observation: Observation) -> OracleScript:
    """Place a dot in the middle of the circle."""
    yield from place_dot(observation, dots(observation, "white")[0])


def click_midpoint(observation: Observation) -> OracleScript:
    """Place a dot half way between the two."""
    a, b = dots(observation, "black")
    yield from place_dot(observation, Point((a.x + b.x) / 2, (a.y + b.y) / 2))


def bisect_angle(observation: Observation) -> OracleScript:
    """Place a dot where the larger of the two angles to it is least."""
    (vertex,) = dots(observation, "blue")
    a, b = dots(observation, "black")
    wanted = best_point(vertex, lambda point: max(angle(a, vertex, point), angle(b, vertex, point)))
    yield from place_dot(observation, wanted)


def add_right_angle(observation: Observation) -> OracleScript:
    """Place a dot where the angle to it is closest to a right one."""
    (vertex,) = dots(observation, "blue")
    (a,) = dots(observation, "black")
    yield from place_dot(observation, best_point(vertex, lambda point: abs(angle(a, vertex, point) - math.pi / 2)))


def find_hot(observation: Observation) -> OracleScript:
    """Point at the middle of the places that fit all signals so far, until one is HOT, and click there."""
    places = [Point(x, y) for x, y in HOT_AREA]
    probe = Point(*START)
    for _ in range(MAX_PROBES):
        observation = yield Hover(x=int(probe.x), y=int(probe.y))
        signal = next(element.name for element in observation.elements if element.name in SIGNALS)
        if signal == "HOT":
            break
        nearest, furthest = SIGNALS[signal]
        places = [place for place in places if nearest <= math.dist(place, probe) < furthest]
        center = Point(*(sum(axis) / len(places) for axis in zip(*places, strict=True)))
        probe = min(places, key=lambda place: math.dist(place, center))
    yield Click(x=int(probe.x), y=int(probe.y))


POINTING: dict[str, Callable[[Observation], OracleScript]] = {
    "bisect-angle": bisect_angle,
    "circle-center": click_center,
    "find-midpoint": click_midpoint,
    "hot-cold": find_hot,
    "right-angle": add_right_angle,
}
