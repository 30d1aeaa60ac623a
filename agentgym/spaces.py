"""Gymnasium spaces of observations and actions.

`gymnasium.spaces.Text` wants a fixed character set; pages hold any Unicode, so `UnicodeText` accepts every string up
to its length and samples from the character set. `ActionSpace` holds `Action` objects.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from agentgym.action import (
    MAX_ELEMENT,
    MAX_PIXEL,
    Action,
    Click,
    Done,
    Drag,
    Fill,
    Hover,
    Press,
    Scroll,
    Select,
    Type,
    Wait,
    format_action,
    parse,
)
from agentgym.look import PICTURES
from agentgym.observation import MAX_NAME, MAX_PROSE, MAX_TEXT, MAX_TREE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentgym.look import Part

MAX_OMITTED = 2**31 - 1
SAMPLED_ELEMENTS = 30  # a sampled action targets ids below this: pages rarely show more, and higher ones teach nothing


class UnicodeText(spaces.Text):
    """All strings of at most ``max_length`` characters; samples hold letters and digits."""

    def __init__(self, max_length: int, *, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(max_length=max_length, min_length=0, seed=seed)

    def contains(self, x: object) -> bool:
        """Whether x is a string within the length."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"UnicodeText({self.max_length})"


class ActionSpace(spaces.Space[Action]):
    """All actions; ``sample()`` draws a valid one that fits the viewport.

    Args:
        width: width of the viewport in pixels.
        height: height of the viewport in pixels.
        seed: seed of the sampling generator.
    """

    def __init__(self, width: int, height: int, *, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(shape=None, dtype=None, seed=seed)
        self.width = width
        self.height = height

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> Action:
        """Draw an action: a kind uniformly, then its arguments uniformly.

        Raises:
            ValueError: a mask or probability was given; this space has neither.
        """
        if mask is not None or probability is not None:
            raise ValueError("ActionSpace.sample takes no mask or probability: actions are not enumerable.")
        rng = self.np_random
        element, other = (int(n) for n in rng.integers(SAMPLED_ELEMENTS, size=2))
        x, y = int(rng.integers(self.width)), int(rng.integers(self.height))
        letters = rng.choice(list(string.ascii_lowercase), size=int(rng.integers(1, 9)))
        text = "".join(str(letter) for letter in letters)
        key = str(rng.choice(["Enter", "Tab", "Escape", "ArrowDown", "ArrowUp", "Backspace", "Control+a"]))
        choices: list[Action] = [
            Click(element=element),
            Click(x=x, y=y),
            Hover(element=element),
            Drag(element=element, to_element=other),
            Scroll(dx=0, dy=int(rng.integers(-200, 200))),
            Type(text=text),
            Fill(element=element, text=text),
            Press(keys=key),
            Select(element=element, option=text),
            Wait(ms=int(rng.integers(100))),
            Done(),
        ]
        return choices[int(rng.integers(len(choices)))]

    def contains(self, x: object) -> bool:
        """Whether x is an action; its own constructor has checked the arguments."""
        return isinstance(x, Action)

    @property
    def is_np_flattenable(self) -> bool:
        """False: an action is not an array."""
        return False

    def to_jsonable(self, sample_n: Iterable[Action]) -> list[str]:
        """Write actions in the call dialect."""
        return [format_action(action) for action in sample_n]

    def from_jsonable(self, sample_n: list[Any]) -> list[Action]:
        """Read what `to_jsonable` wrote."""
        return [parse(str(text)) for text in sample_n]

    def __repr__(self) -> str:
        return f"ActionSpace({self.width}, {self.height})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActionSpace) and (self.width, self.height) == (other.width, other.height)

    __hash__ = None  # type: ignore[assignment]  # mutable (it holds a generator), like Gymnasium's own spaces


def observation_space(width: int, height: int, *, parts: Iterable[Part] = ("elements",)) -> spaces.Dict:
    """Return the space that `Observation.to_gym` lies in, for a viewport of that size in pixels and these parts."""
    element = spaces.Dict(
        {
            "id": spaces.Discrete(MAX_ELEMENT + 1),
            "role": UnicodeText(64),
            "name": UnicodeText(MAX_NAME),
            "value": UnicodeText(MAX_NAME),
            "states": UnicodeText(128),
            "box": spaces.Box(-MAX_PIXEL, MAX_PIXEL, shape=(4,), dtype=np.int32),
        }
    )
    parts = frozenset(parts)
    held: dict[str, spaces.Space[Any]] = {
        "instruction": UnicodeText(MAX_PROSE),
        "url": UnicodeText(MAX_PROSE),
        "title": UnicodeText(MAX_NAME),
        "error": UnicodeText(MAX_PROSE),
    }
    if "elements" in parts:
        held["elements"] = spaces.Sequence(element)
        held["omitted"] = spaces.Box(0, MAX_OMITTED, shape=(3,), dtype=np.int64)  # above, here, below
    if "tree" in parts:
        held["tree"] = UnicodeText(MAX_TREE)
    if "text" in parts:
        held["text"] = UnicodeText(MAX_TEXT)
    for picture in PICTURES:
        if picture in parts:
            held[picture] = spaces.Box(0, 255, shape=(height, width, 3), dtype=np.uint8)
    return spaces.Dict(held)
