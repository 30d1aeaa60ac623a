"""What a window was seen to show, and the observation that comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.action import MAX_ELEMENT
from agentgym.marks import draw_marks
from agentgym.observation import MAX_PROSE, MAX_TEXT, MAX_TREE, NOWHERE, Box, Element, Observation, Omitted
from agentgym_browser.inputs import Point

if TYPE_CHECKING:
    from agentgym.look import Look

NOTHING = {"elements": [], "omitted": (0, 0, 0), "tree": "", "text": "", "marked": []}  # of a page behind a dialog


class Seen(NamedTuple):
    """What a window shows."""

    page: dict[str, Any]
    """As observe.js tells it."""
    above: tuple[Element, ...] = ()
    """Elements of the window itself: tabs, buttons, or the dialog that stands above the page."""
    below: tuple[Element, ...] = ()
    """Further ones, after those of the page."""


def observed(seen: Seen, known: Observation, look: Look) -> Observation:
    """Return an observation of what was seen.

    Args:
        seen: what was.
        known: what is known besides: instruction, error, screenshot.
        look: what was asked for.
    """
    raw, window = seen.page, (*seen.above, *seen.below)
    elements = tuple(_element(each) for each in raw["elements"] if each[0] <= MAX_ELEMENT)
    if window:
        elements = (*seen.above, *elements, *seen.below)
    marks = None
    if known.screenshot is not None and "marks" in look.parts:
        marked = {*raw["marked"], *(each.id for each in window if each.box != NOWHERE and each.role != "dialog")}
        marks = draw_marks(known.screenshot, [each for each in elements if each.id in marked])
    return replace(
        known,
        elements=elements if "elements" in look.parts else (),
        url=str(raw["url"])[:MAX_PROSE],
        title=_text(raw["title"]),
        omitted=Omitted(*raw["omitted"]),
        tree=_tree(seen)[:MAX_TREE] if "tree" in look.parts else None,
        text=_prose(seen)[:MAX_TEXT] if "text" in look.parts else None,
        marks=marks,
        screenshot=known.screenshot if "screenshot" in look.parts else None,
    )


def points(raw: dict[str, Any]) -> dict[int, Point]:
    """Return where to point at the elements that can be hit without looking for them."""
    return {row[0]: Point(*row[6]) for row in raw["elements"] if row[6]}


def _tree(seen: Seen) -> str:
    """Return the tree: the window's own elements stand beside the page's."""
    tree = _text(seen.page["tree"])
    lines = [*(each.line for each in seen.above), *([tree] if tree else []), *(each.line for each in seen.below)]
    return "\n".join(lines)


def _prose(seen: Seen) -> str:
    """Return the text that can be read; a dialog's message is part of it."""
    messages = [each.name for each in seen.above if each.role == "dialog"]
    return "\n\n".join([*messages, *filter(None, [_text(seen.page["text"])])])


def _element(raw: list[Any]) -> Element:
    """Read one row of observe.js."""
    identity, role, name, value, states, box, _ = raw
    return Element(identity, role, _text(name), _text(value), tuple(states), Box(*box))


def _text(text: str) -> str:
    """Replace halves of surrogate pairs, which a cut may leave and no encoding takes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
