"""What an observation holds: its parts, and how much of a big page.

Every part is optional, and one that is not asked for costs nothing. Which parts there are depends on the world
(`World.parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from agentgym.errors import ConfigError, unknown_name
from agentgym.observation import MAX_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Iterable

Part = Literal["elements", "tree", "text", "screenshot", "marks"]
PARTS: tuple[Part, ...] = get_args(Part)
PICTURES: frozenset[Part] = frozenset({"screenshot", "marks"})

MIN_SIDE, MAX_SIDE = 16, 4096  # pixels of a viewport


class Budget(NamedTuple):
    """How much of a page an observation tells: about a third as many tokens as characters.

    What is in view comes first, then what can be acted on, the nearest to the view first, then text.
    `Observation.omitted` counts the rest.
    """

    elements: int = 500
    """Elements, from 1 to `agentgym.observation.MAX_ELEMENTS`."""
    characters: int = 20_000
    """Characters of their lines, >= 1."""


DEFAULT_BUDGET = Budget()


@dataclass(frozen=True)
class Look:
    """How a world is looked at.

    Args:
        parts: any of `PARTS`.
        budget: of the element list and the accessibility tree.

    Raises:
        ConfigError: there is no such part, or the budget is none.
    """

    parts: frozenset[Part] = frozenset({"elements"})
    budget: Budget = DEFAULT_BUDGET

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise unknown_name("part of an observation", str(part), PARTS, hint=f"Parts: {', '.join(PARTS)}.")
        whole = all(type(count) is int for count in self.budget)
        if not whole or not 1 <= self.budget.elements <= MAX_ELEMENTS or self.budget.characters < 1:
            raise ConfigError(
                f"A budget has 1 to {MAX_ELEMENTS} elements and at least 1 character, got {self.budget}. "
                "Leave it out for the default."
            )


PLAIN = Look()


def all_parts(parts: Iterable[Part], *, screenshot: bool) -> frozenset[Part]:
    """Return the parts of an observation, where the screenshot may be asked for in a word of its own.

    Raises:
        ConfigError: one text was given, not several.
    """
    if isinstance(parts, str):
        raise ConfigError(f"Parts are a list, such as parts=({parts!r},), got {parts!r}.")
    return frozenset(parts) | (frozenset({"screenshot"}) if screenshot else frozenset())


def check_viewport(viewport: tuple[int, int]) -> tuple[int, int]:
    """Return a viewport that can be shown.

    Raises:
        ConfigError: it is no width and height in pixels, or too small or large.
    """
    sides = tuple(viewport) if isinstance(viewport, tuple | list) else ()
    whole = len(sides) == 2 and all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if not whole or not all(MIN_SIDE <= side <= MAX_SIDE for side in sides):
        raise ConfigError(
            f"A viewport is (width, height) in pixels, each from {MIN_SIDE} to {MAX_SIDE}, got {viewport!r}."
        )
    return sides[0], sides[1]
