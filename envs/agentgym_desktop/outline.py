"""What of the applications' trees is told: their elements in document order, within a budget.

Told is what is on screen, not covered by a window above, and says something of its own: a text that repeats the name of
what it is in is left out. Places (a toolbar, a list) are told where something in them is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import MAX_ELEMENT
from agentgym.observation import MAX_NAME, MAX_TREE, NOWHERE, Box, Element, Omitted
from agentgym_desktop.roles import BITS, CLIPS, FIELDS, PLACES, READ, VALUED, WINDOWS, states_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentgym.look import Budget
    from agentgym_desktop.accessible import Accessible
    from agentgym_desktop.application import Application
    from agentgym_desktop.windows import Window

LINE_COST = 8  # characters of an element's line beside role, name, value and states, as in budget.js
LEAST = 2  # pixels of a side that can be seen
SAME_WINDOW = 0.6  # share of two boxes in common, from which they are taken for one window's
LAYOUT = frozenset({"panel", "filler", "tool-bar", "root-pane"})
NEUTRAL = frozenset({"text", "entry", "combo-box", "toggle-button", "push-button"})
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]+")


class Told(NamedTuple):
    """A line of what is told."""

    element: Element
    """Of a place the id is 0: it cannot be acted on."""
    window: int
    """The id of the element that is its window; its own of a window."""
    depth: int
    """How many told nodes it is in."""
    place: bool


@dataclass(slots=True, eq=False)
class Candidate:
    """What might be told."""

    key: tuple[str, str]
    role: str
    name: str
    value: str = ""
    states: tuple[str, ...] = ()
    box: Box = NOWHERE
    under: Candidate | None = None
    window: Candidate | None = None
    place: bool = False
    side: str = "here"
    tier: int = 0
    told: bool = False
    id: int = 0
    depth: int = 0


class _Frame(NamedTuple):
    """What holds a node, while a tree is gone through."""

    depth: int
    clip: Box
    under: Candidate
    box: Box
    """Its own, as it is said to be."""
    shift: tuple[int, int] = (0, 0)
    """What the boxes in it are wrong by."""
    caption: str = ""
    """What the control in it is called that has no name of its own."""


@dataclass(slots=True, eq=False)
class Outline:
    """The candidates of a desktop.

    Args:
        screen: its box.
        windows: as the window manager lists them, the topmost last; None where nobody knows.
    """

    screen: Box
    windows: Sequence[Window] | None
    found: list[Candidate] = field(default_factory=list)
    _matched: set[int] = field(default_factory=set)
    _covers: list[Box] = field(default_factory=list)

    def add(self, application: Application) -> None:
        """Add what an application shows."""
        held: list[_Frame] = []
        menus: set[tuple[str, ...]] = set()
        skipped = None
        for node, depth in application.order:
            if skipped is not None and depth > skipped:
                continue
            skipped = None
            while held and held[-1].depth >= depth:
                held.pop()
            if depth == 0:
                continue
            if depth == 1:
                window = self._window(application, node)
                if window is None:
                    skipped = depth
                    continue
                menus = set()
                held = [_Frame(depth, self.screen, window, node.box or NOWHERE)]
            elif held:
                if node.kind == "menu-bar" and self._is_second(application, node, menus):
                    skipped = depth
                    continue
                held.append(self._node(application, node, depth, held[-1]))

    def add_windows(self) -> None:
        """Add the windows that no application tells of."""
        for position, window in enumerate(self.windows or ()):
            if position not in self._matched and not window.hidden:
                states = ("focused",) if window.active else ()
                self._add_window(("", str(window.id)), "window", window.title, window.box, states)

    def _is_second(self, application: Application, node: Accessible, menus: set[tuple[str, ...]]) -> bool:
        """Return whether a menu bar has been seen in its window: LibreOffice has a hidden one beneath."""
        children = [application.nodes.get(path) for path in node.children or ()]
        names = tuple(child.name for child in children if child is not None)
        seen = bool(names) and names in menus
        menus.add(names)
        return seen

    def _window(self, application: Application, node: Accessible) -> Candidate | None:
        """Add a window; None where it is not on screen."""
        box = node.box or NOWHERE
        if node.bits & BITS["iconified"] or _cut(box, self.screen) is None:
            return None
        position = self._position(application, node, box)
        if position is None and self.windows is not None:
            owns = application.pid is None or any(each.pid == application.pid for each in self.windows)
            if node.kind == "frame" or not owns:  # others, such as a tooltip, the window manager does not know
                return None
        self._covers = []
        if position is not None and self.windows is not None:
            self._matched.add(position)
            if self.windows[position].hidden:
                return None
            self._covers = [each.frame for each in self.windows[position + 1 :] if not each.hidden]
        states = ("focused",) if node.bits & BITS["active"] else ()
        name = node.name or application.name
        return self._add_window((application.bus_name, node.path), WINDOWS.get(node.kind, "window"), name, box, states)

    def _add_window(self, key: tuple[str, str], role: str, name: str, box: Box, states: tuple[str, ...]) -> Candidate:
        window = Candidate(key, role, _clean(name), states=states, box=box, tier=-1)
        window.window = window
        self.found.append(window)
        return window

    def _position(self, application: Application, node: Accessible, box: Box) -> int | None:
        """Return which of the windows a node is; None where it is none of them.

        A window that belongs to another process is not the application's, whatever it says.
        """
        best, most = None, 0.0
        for position, window in enumerate(self.windows or ()):
            if position in self._matched:
                continue
            if application.pid is not None and window.pid is not None and window.pid != application.pid:
                continue
            score = _alike(box, window.box) + (1.0 if window.title == node.name else 0.0)
            if score > most and score >= SAME_WINDOW:
                best, most = position, score
        return best

    def _node(self, application: Application, node: Accessible, depth: int, above: _Frame) -> _Frame:
        """Add a node, and return what it is to those in it."""
        box = node.box or NOWHERE
        frame = above._replace(depth=depth, box=box)
        if node.kind in {"menu", "popup-menu"}:
            frame = frame._replace(clip=self.screen)
        if node.kind in LAYOUT:
            frame = frame._replace(caption=_clean(node.name) or above.caption, shift=_shift(box, above))
        elif node.kind not in NEUTRAL:
            frame = frame._replace(caption="")
        found = self._candidate(application, node, above._replace(clip=frame.clip, shift=frame.shift))
        frame = frame._replace(under=found or above.under)
        if node.kind in CLIPS and box.width > 0:
            frame = frame._replace(clip=_cut(_moved(box, frame.shift), frame.clip) or NOWHERE)
        for cell in node.cells:
            self._add_cell(application, cell, frame)
        return frame

    def _add_cell(self, application: Application, cell: Accessible, frame: _Frame) -> None:
        is_of_sheet = cell.bits == -1
        if not is_of_sheet and not cell.name:
            return
        found = self._candidate(application, cell, frame)
        if found is not None and is_of_sheet:
            found.value, found.states = _clean(cell.text or "", strip=False), ()
            found.tier = 0 if cell.text else 3

    def _candidate(self, application: Application, node: Accessible, frame: _Frame) -> Candidate | None:
        """Add a node that may be told; None where it is nothing to tell."""
        key = (application.bus_name, node.path)
        role = "img" if node.kind == "icon" and not node.bits & BITS["selectable"] else node.role
        if node.kind == "menu" and not node.name and frame.under.role in {"window", "dialog"}:
            role = ""  # one that has popped up: a place, as GTK 3 tells it
        place = PLACES.get("popup-menu" if node.kind == "menu" else node.kind, "") if not role else ""
        if place:
            found = Candidate(key, place, _clean(node.name), under=frame.under, window=frame.under.window, place=True)
            self.found.append(found)
            return found
        if not role or node.box is None:
            return None
        name, value = _name_and_value(node)
        name = name or (frame.caption if role not in READ else "")
        box = _moved(node.box, frame.shift)
        if node.kind == "page" and _cut(box, frame.clip) is None:
            box = frame.clip  # Evince has those that show one page lower for each page before them
        if not _says_something(role, name, value, frame):
            return None
        side = _side(box, frame.clip)
        if not side or (side == "here" and self._is_covered(box, frame.clip)):
            return None
        found = Candidate(
            key,
            role,
            name,
            value,
            states_of(node.kind, node.bits),
            _cut(box, frame.clip) or box,
            frame.under,
            frame.under.window,
        )
        found.side, found.tier = side, 1 if role in READ else 0
        self.found.append(found)
        return found

    def _is_covered(self, box: Box, clip: Box) -> bool:
        seen = _cut(box, clip) or box
        x, y = seen.x + seen.width // 2, seen.y + seen.height // 2
        return any(each.x <= x < each.x + each.width and each.y <= y < each.y + each.height for each in self._covers)


def choose(outline: Outline, budget: Budget, ids: dict[tuple[str, str], int]) -> tuple[tuple[Told, ...], Omitted]:
    """Choose what is told: windows first, then what can be acted on, then text, then empty cells.

    Args:
        outline: what might be.
        budget: how much.
        ids: those that were given in this episode, to which new ones are added.
    """
    omitted = {"above": 0, "here": 0, "below": 0}
    here = [each for each in outline.found if not each.place and each.side == "here"]
    for each in outline.found:
        if each.side != "here":
            omitted[each.side] += 1
    elements, characters = budget
    for each in sorted(here, key=lambda each: each.tier):
        cost = len(each.role) + len(each.name) + len(each.value) + len(" ".join(each.states)) + LINE_COST
        known = each.key in ids or len(ids) < MAX_ELEMENT
        if elements < 1 or characters < cost or not known:
            omitted["here"] += 1
            elements = 0 if known else elements
            continue
        elements, characters, each.told = elements - 1, characters - cost, True
    for each in here:
        if each.told:
            each.id = ids.setdefault(each.key, len(ids) + 1)
            above = each.under
            while above is not None and not above.told and above.place:
                above.told, above = True, above.under
    return tuple(_told(each) for each in outline.found if each.told), Omitted(**omitted)


def tree_of(nodes: Iterable[Told]) -> str:
    """Write nodes one a line, two spaces deeper than what holds them."""
    lines: list[str] = []
    length = left = 0
    for node in nodes:
        element = node.element
        line = "  " * min(node.depth, 20)
        if node.place:
            line += f"{element.role} {json.dumps(element.name, ensure_ascii=False)}" if element.name else element.role
        else:
            line += element.line
        length += len(line) + 1
        if left or length > MAX_TREE - 40:
            left += 1
        else:
            lines.append(line)
    if left:
        lines.append(f"({left} more lines)")
    return "\n".join(lines)


def _told(each: Candidate) -> Told:
    above = each.under
    while above is not None and not above.told:
        above = above.under
    each.depth = above.depth + 1 if above is not None else 0
    element = Element(each.id, each.role, each.name, each.value, each.states, each.box)
    return Told(element, each.window.id if each.window is not None else 0, each.depth, each.place)


def _name_and_value(node: Accessible) -> tuple[str, str]:
    """Return what a node is called and what it holds."""
    content = _clean(node.text or "", strip=False)
    name = _clean(node.name) or _clean(node.label or "")
    if node.role in FIELDS:
        return name or _clean(node.description), content
    if node.role == "combobox":
        label = _clean(node.label or "")
        if label and not content:
            content = _clean(node.name)
        name = label or name or _clean(node.description)
        return name, content if content != name else ""
    if node.role in VALUED:
        return name, content
    return name or content.strip() or _clean(node.description), ""


def _says_something(role: str, name: str, value: str, frame: _Frame) -> bool:
    """Return whether a node is worth a line beside what it is in."""
    if role in READ:
        if not name and not value:
            return False
        above: Candidate | None = frame.under
        while above is not None and above.place:
            above = above.under
        if above is None or above.role in {"window", "dialog"}:
            return True
        return name != above.name if above.role == "gridcell" else name not in above.name
    return True


def _clean(text: str, *, strip: bool = True) -> str:
    """Return a text on one line, without what cannot be seen or turns others round."""
    if not text.isprintable() or strip:
        text = " ".join(_UNSEEN.sub(" ", text).split()) if strip else re.sub(r"\s+", " ", _UNSEEN.sub(" ", text))
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text[:MAX_NAME]


def _moved(box: Box, shift: tuple[int, int]) -> Box:
    return box._replace(x=box.x + shift[0], y=box.y + shift[1])


def _shift(box: Box, above: _Frame) -> tuple[int, int]:
    """Return what the boxes in a panel are wrong by.

    LibreOffice gives its own as if its menu bar took no room, and those of GTK among them as they are: a panel that
    fills another has the other's size, and so its place.
    """
    if box[2:] == above.box[2:] and box.width > 0:
        return above.shift[0] + above.box.x - box.x, above.shift[1] + above.box.y - box.y
    return above.shift


def _cut(box: Box, clip: Box) -> Box | None:
    """Return the part of a box in another; None where it is too small to be seen."""
    left, top = max(box.x, clip.x), max(box.y, clip.y)
    right, bottom = min(box.x + box.width, clip.x + clip.width), min(box.y + box.height, clip.y + clip.height)
    width, height = right - left, bottom - top
    return Box(left, top, width, height) if width >= LEAST and height >= LEAST else None


def _side(box: Box, clip: Box) -> str:
    """Return where a box is of what can be seen: here, above, below (or beside); "" where it has no size."""
    if box.width < LEAST or box.height < LEAST:
        return ""
    if _cut(box, clip) is not None:
        return "here"
    return "above" if box.y + box.height <= clip.y + LEAST else "below"


def _alike(one: Box, other: Box) -> float:
    """Return how much of two boxes together is common to both, from 0 to 1."""
    common = _cut(one, other)
    if common is None:
        return 0.0
    shared = common.width * common.height
    return shared / max(1, one.width * one.height + other.width * other.height - shared)
