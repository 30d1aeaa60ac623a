"""Hypothesis strategies of actions, and reading that lets only an ActionError pass."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, get_args

from hypothesis import strategies as st

from agentgym.action import (
    ACTIONS,
    MAX_CLICKS,
    MAX_ELEMENT,
    MAX_PIXEL,
    MAX_WAIT_MS,
    Action,
    MouseButton,
    Scroll,
)
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable

PIXELS = st.integers(0, MAX_PIXEL)
WHEEL = st.integers(-MAX_PIXEL, MAX_PIXEL)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "element": st.integers(0, MAX_ELEMENT),
    "to_element": st.integers(0, MAX_ELEMENT),
    **dict.fromkeys(("x", "y", "to_x", "to_y"), PIXELS),
    "dx": WHEEL,
    "dy": WHEEL,
    "count": st.integers(1, MAX_CLICKS),
    "ms": st.integers(0, MAX_WAIT_MS),
    "button": st.sampled_from(get_args(MouseButton)),
    "keys": st.text(min_size=1),
    **dict.fromkeys(("text", "option", "answer"), st.text()),
}


@st.composite
def actions(draw: st.DrawFn) -> Action:
    """Any valid action of any kind."""
    kind = draw(st.sampled_from(list(ACTIONS.values())))
    arguments = {field.name: draw(FIELDS[field.name]) for field in dataclasses.fields(kind)}
    for prefix in ("", "to_"):
        if f"{prefix}x" in arguments:
            forms = [(f"{prefix}element",), (f"{prefix}x", f"{prefix}y")]
            kept = draw(st.sampled_from([*forms, ()] if kind is Scroll else forms))
            for name in ("element", "x", "y"):
                if f"{prefix}{name}" not in kept:
                    arguments[f"{prefix}{name}"] = None
    return kind(**arguments)


def attempt(read: Callable[[str], Action], text: str) -> Action | ActionError:
    """Read text; any error but an ActionError fails the test."""
    try:
        return read(text)
    except ActionError as error:
        return error
