"""What observe.js is asked, and what its answer says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentgym.action import MAX_ELEMENT
from agentgym.marks import draw_marks
from agentgym.observation import MAX_PROSE, MAX_TEXT, MAX_TREE, Box, Element, Observation, Omitted
from agentgym_browser.inputs import Point

if TYPE_CHECKING:
    from agentgym.look import Look


def script(hidden: str, look: Look, *, first: int) -> str:
    """Return the JavaScript that observes a page.

    Args:
        hidden: CSS selector of what is left out.
        look: what is wanted.
        first: the lowest element id that is new: a page that follows another in an episode uses none of its ids.
    """
    options: dict[str, Any] = {part: part in look.parts for part in ("tree", "text", "marks")}
    options["budget"] = look.budget._asdict()
    options["first"] = first
    return f"agentgym.observe({json.dumps(hidden)}, {json.dumps(options)})"


def observed(raw: dict[str, Any], seen: Observation, look: Look) -> Observation:
    """Return an observation with what observe.js answered.

    Args:
        raw: its answer.
        seen: what is known besides: instruction, error, screenshot.
        look: what was asked for.
    """
    elements = tuple(_element(each) for each in raw["elements"] if each[0] <= MAX_ELEMENT)
    marks = None
    if seen.screenshot is not None and "marks" in look.parts:
        marked = set(raw["marked"])
        marks = draw_marks(seen.screenshot, [each for each in elements if each.id in marked])
    return replace(
        seen,
        elements=elements if "elements" in look.parts else (),
        url=str(raw["url"])[:MAX_PROSE],
        title=_text(raw["title"]),
        omitted=Omitted(*raw["omitted"]),
        tree=_text(raw["tree"])[:MAX_TREE] if "tree" in look.parts else None,
        text=_text(raw["text"])[:MAX_TEXT] if "text" in look.parts else None,
        marks=marks,
        screenshot=seen.screenshot if "screenshot" in look.parts else None,
    )


def points(raw: dict[str, Any]) -> dict[int, Point]:
    """Return where to point at the elements that can be hit without looking for them."""
    return {row[0]: Point(*row[6]) for row in raw["elements"] if row[6]}


def _element(raw: list[Any]) -> Element:
    """Read one row of observe.js."""
    identity, role, name, value, states, box, _ = raw
    return Element(identity, role, _text(name), _text(value), tuple(states), Box(*box))


def _text(text: str) -> str:
    """Replace halves of surrogate pairs, which a cut may leave and no encoding takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
