"""What each dialect can say, told apart from its code: tests compare the two."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from agentgym.action import MAX_PIXEL, Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.dialects import DIALECTS, Dialect, dialect
from agentgym_browser.keyboard import NAMED
from tests.action_strategies import actions

if TYPE_CHECKING:
    from collections.abc import Callable

WIDEST = (MAX_PIXEL, MAX_PIXEL)
POINTED = {"openai-computer", "anthropic-computer", "ui-tars", "qwen-computer"}
PLAIN: dict[str, Dialect] = {  # nothing is scaled
    name: dialect(name, **({"viewport": WIDEST, "scale": None} if name in {"ui-tars", "qwen-computer"} else {}))
    for name in DIALECTS
}

MODIFIERS = ["Alt", "Control", "Meta", "Shift"]
CHORD = re.compile(rf"((?:(?:{'|'.join(MODIFIERS)})\+){{0,4}})({'|'.join(NAMED)}|.)", re.DOTALL)

CHORDS = st.builds(
    lambda held, key: "+".join([*held, key]),
    st.lists(st.sampled_from(MODIFIERS), max_size=5),
    st.sampled_from(list(NAMED)) | st.sampled_from("aAzZ05+-_/'\\\"~é€") | st.characters(exclude_categories=["Cs"]),
)
ANY_ACTION = (
    actions()
    | CHORDS.map(lambda keys: Press(keys=keys))
    | st.sampled_from([0, 1000, 5000]).map(lambda ms: Wait(ms=ms))
    | st.builds(lambda dx, dy: Scroll(dx=100 * dx, dy=100 * dy, x=5, y=6), st.integers(-9, 9), st.integers(-9, 9))
    | st.sampled_from([(0, 500), (0, -500), (500, 0), (-500, 0)]).map(lambda way: Scroll(dx=way[0], dy=way[1]))
)


def is_chord(action: Press) -> re.Match[str] | None:
    """Match modifiers and one known key; a character must print, and the space bar has a name."""
    match = CHORD.fullmatch(action.keys)
    return match if match and (match[2] in NAMED or (match[2].isprintable() and match[2] != " ")) else None


def at_points(action: Action) -> bool:
    return all(getattr(action, name, None) is None for name in ("element", "to_element"))


def openai(action: Action) -> bool:
    match action:
        case Click():
            return action.count == 1 or (action.count == 2 and action.button == "left")
        case Scroll():
            return action.x is not None
        case Wait():
            return action.ms in (0, 1000)
        case Press():
            chord = is_chord(action)
            return chord is not None and not (
                chord[1]
                and "Shift" not in chord[1]
                and chord[2].isascii()
                and len(chord[2]) == 1
                and chord[2].isupper()
            )
        case _:
            return True


def anthropic(action: Action) -> bool:
    match action:
        case Click():
            return action.count == 1 or action.button == "left"
        case Scroll():
            return 0 in (action.dx, action.dy) and action.dx % 100 == action.dy % 100 == 0
        case Press():
            return is_chord(action) is not None
        case _:
            return True


def qwen(action: Action) -> bool:
    return 0 in (action.dx, action.dy) if isinstance(action, Scroll) else anthropic(action)


def ui_tars(action: Action) -> bool:
    match action:
        case Click():
            return (action.button, action.count) in {("left", 1), ("left", 2), ("right", 1)}
        case Scroll():
            return sorted((abs(action.dx), abs(action.dy))) == [0, 500]
        case Wait():
            return action.ms == 5000
        case Press():
            chord = is_chord(action)
            return chord is not None and chord[1].count("+") <= 2
        case _:
            return True


def browsergym(action: Action) -> bool:
    match action:
        case Click():
            return action.count < 3
        case Drag():
            return (action.element is None) == (action.to_element is None)
        case Scroll():
            return action.element is None and action.x is None
        case _:
            return True


REACH: dict[str, Callable[[Action], bool]] = {
    "openai-computer": openai,
    "anthropic-computer": anthropic,
    "ui-tars": ui_tars,
    "qwen-computer": qwen,
    "browsergym": browsergym,
}


def can_say(name: str, action: Action) -> bool:
    """Whether a dialect of `PLAIN` has words for an action."""
    if name in POINTED and (isinstance(action, Fill | Select) or not at_points(action)):
        return False
    coordinates = [getattr(action, side, None) or 0 for side in ("x", "y", "to_x", "to_y")]
    if name in {"ui-tars", "qwen-computer"} and max(coordinates) >= MAX_PIXEL:
        return False
    reach = REACH.get(name)
    return reach is None or reach(action)


SPOKEN = [Click(x=4, y=3), Hover(x=4, y=3), Drag(x=4, y=3, to_x=9, to_y=3), Type(text="a"), Press(keys="Enter"), Done()]
