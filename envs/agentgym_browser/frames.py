"""The frames of a page: documents inside of its document, of the same origin or another.

All of them live in the page's own DevTools session (`chromium.FLAGS` keep other origins from processes of their own),
and each has an observer like the page's. What they show is put into the page's list in place, in the page's
coordinates, cut off by the edges of their frames. A page without frames costs nothing more.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.errors import SessionCrashedError
from agentgym.look import Budget, Look
from agentgym.observation import MAX_ELEMENTS
from agentgym_browser.scripts import observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_browser.devtools import Event
    from agentgym_browser.page import Page

MAX_FRAMES = 50  # that are looked into, in document order
NAME_FRAME = "function (name) { agentgym.nameFrame(this, name); }"
GONE = {"error": "gone"}
FRAME_EVENTS = frozenset({
    "Page.frameAttached", "Page.frameDetached", "Page.frameStartedLoading", "Page.frameStoppedLoading",
    "Page.navigatedWithinDocument", "Runtime.executionContextDestroyed",
})  # fmt: skip


class _View(NamedTuple):
    """Where a frame's document is in the page's viewport, in CSS pixels."""

    x: float
    y: float
    scale: float
    clip: tuple[float, float, float, float]  # left, top, right, bottom of what is not cut off

    def place(self, box: list[float]) -> list[int]:
        """Return a box of the frame's viewport in the page's, cut off."""
        left, top = self.x + box[0] * self.scale, self.y + box[1] * self.scale
        right, bottom = left + box[2] * self.scale, top + box[3] * self.scale
        left, right = (max(self.clip[0], min(self.clip[2], edge)) for edge in (left, right))
        top, bottom = (max(self.clip[1], min(self.clip[3], edge)) for edge in (top, bottom))
        return [round(left), round(top), round(right - left), round(bottom - top)]

    def cut(self, box: list[float], scale: float) -> _View:
        """Return where a document is that a frame in this one shows in a box, magnified so much."""
        left, top, width, height = self.place([box[0], box[1], box[2], box[3]])
        clip = (left, top, left + width, top + height)
        return _View(self.x + box[0] * self.scale, self.y + box[1] * self.scale, self.scale * scale, clip)


LINE_COST = 8  # as in budget.js
FRAME_LINE = "\x01"  # as in outline.js
FAR = 16_384.0  # pixels: the page itself is not cut off
PAGE = _View(0, 0, 1, (-FAR, -FAR, FAR, FAR))


@dataclass
class _Reading:
    """One look at a page and its frames: what was found, and what there is room for yet."""

    hidden: str
    look: Look
    free: int
    """The first element id that nobody has."""
    elements: int
    """That may be told yet."""
    characters: int
    """Of their lines."""
    looks: int = 0
    rows: list[list[Any]] = field(default_factory=list)
    omitted: list[int] = field(default_factory=lambda: [0, 0, 0])
    texts: list[str] = field(default_factory=list)
    marked: list[int] = field(default_factory=list)

    def script(self, *, share: float = 1) -> str:
        """Return the expression that observes the next document, in a share of the room that there is."""
        budget = Budget(max(1, int(self.elements * share)), max(1, int(self.characters * share)))
        return observe(self.hidden, Look(self.look.parts, budget), first=self.free)

    def spend(self, raw: dict[str, Any]) -> None:
        """Take note of what a document tells for itself."""
        for each in raw["elements"]:
            if not isinstance(each, dict):
                self.elements -= 1
                self.characters -= sum(map(len, (*each[1:4], *each[4]))) + LINE_COST
        self.omitted = [sum(pair) for pair in zip(self.omitted, raw["omitted"], strict=True)]
        self.free = max(self.free, raw["next"])
        self.texts.append(raw.get("text", ""))


def _in_place(tree: str, inner: list[str]) -> str:
    """Return a document's tree with those of its frames, in the lines that stand for them."""
    lines: list[str] = []
    trees = iter(inner)
    for line in tree.split("\n"):
        if FRAME_LINE not in line:
            lines.append(line)
            continue
        indent = line[: line.index(FRAME_LINE)]
        lines.append(line.replace(FRAME_LINE, ""))
        lines += [f"{indent}  {each}" for each in next(trees, "").splitlines()]
    return "\n".join(lines)


class Frames:
    """What is known of a page's frames, by their ids.

    Args:
        page: whose frames they are.
        main: id of the page's own frame.
    """

    def __init__(self, page: Page, main: str) -> None:
        self._page = page
        self._main = main
        self._observers: dict[str, int] = {}  # execution contexts
        self._parents: dict[str, str] = {}
        self._named: set[str] = set()  # those whose element their parent's observer knows by name
        self._owners: dict[int, str] = {}  # frames of elements

    def __len__(self) -> int:
        return len(self._observers)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._observers)[:MAX_FRAMES])

    def hear(self, method: str, event: Event) -> None:
        """Take an event that says which frames there are."""
        if method == "Page.frameAttached":
            self._parents[event["frameId"]] = event["parentFrameId"]
        elif method == "Page.frameDetached":
            self._forget(event["frameId"])
        elif method == "Runtime.executionContextDestroyed":
            gone = event["executionContextId"]
            self._observers = {frame: each for frame, each in self._observers.items() if each != gone}

    def set_observer(self, frame: str, context: int) -> None:
        """Take note of the execution context in which a frame is observed."""
        self._observers[frame] = context

    def clear(self) -> None:
        """Forget all: the page has another document."""
        self._observers.clear()
        self._parents.clear()
        self._named.clear()
        self._owners.clear()

    def observer(self, frame: str) -> int | None:
        """Return the execution context of a frame's observer; None where there is none."""
        return self._observers.get(frame)

    def disown(self) -> None:
        """Forget which elements are in which frame: they get other ids."""
        self._owners.clear()

    def owner(self, element: int) -> str | None:
        """Return the frame that an element is in; None for the page itself."""
        return self._owners.get(element)

    async def ask(self, frame: str, call: str) -> Any:
        """Return what a frame's observer answers; that an element is gone where the frame is."""
        context = self._observers.get(frame)
        if context is None:
            return GONE
        try:
            return await self._page.evaluate(call, context=context)
        except SessionCrashedError:
            if self._page.crashed:
                raise
            return GONE

    async def to_page(self, frame: str, point: dict[str, Any]) -> dict[str, Any]:
        """Return a point of a frame's viewport in the page's, after the frame has been scrolled to."""
        while frame != self._main and "error" not in point:
            parent = self._parents.get(frame)
            if parent is None:
                return GONE
            call = f"agentgym.through({json.dumps(frame)}, {point['x']}, {point['y']})"
            point = await (self._page.observer(call) if parent == self._main else self.ask(parent, call))
            frame = parent
        return point

    async def fill_in(self, raw: dict[str, Any], hidden: str, look: Look) -> dict[str, Any]:
        """Put what frames show into a page's answer.

        Args:
            raw: answer of ``agentgym.observe``, which holds a place for each frame.
            hidden: CSS selector of what is left out.
            look: what is wanted, with frames and all.

        Returns:
            The answer with rows of elements only; its ``next`` is the first id that is free then.
        """
        self._owners.clear()
        reading = _Reading(hidden, look, raw["next"], *look.budget)
        crowded = any(raw["omitted"])
        if _unnamed(raw):
            await self._name(self._main)
        if _unnamed(raw) or crowded:  # half of the room is for frames then
            raw = await self._page.observer(reading.script(share=0.5 if crowded else 1))
        reading.marked += raw.get("marked", ())
        tree = await self._read(raw, PAGE, reading)
        return {
            **raw,
            "elements": reading.rows[:MAX_ELEMENTS],
            "next": reading.free,
            "omitted": reading.omitted,
            "tree": tree,
            "text": "\n\n".join(filter(None, reading.texts)),
            "marked": reading.marked,
        }

    async def _read(self, raw: dict[str, Any], view: _View, reading: _Reading) -> str:
        """Take what a document and the frames in it show; return its tree."""
        reading.spend(raw)
        trees = []
        for each in raw["elements"]:
            if isinstance(each, dict):
                trees.append(await self._look(each, view, reading))
            else:
                reading.rows.append(each if view is PAGE else [*each[:5], view.place(each[5]), None])
        return _in_place(raw["tree"], trees) if "tree" in raw else ""

    async def _look(self, place: dict[str, Any], view: _View, reading: _Reading) -> str:
        """Take what one frame shows; return its tree."""
        frame = place["frame"]
        reading.looks += 1
        if not frame or reading.looks > MAX_FRAMES or reading.elements <= 0 or reading.characters <= 0:
            reading.omitted[self._side(view.place(place["box"]))] += 1
            return ""
        raw = await self.ask(frame, reading.script())
        if _unnamed(raw):
            await self._name(frame)
            raw = await self.ask(frame, reading.script())
        if "elements" not in raw:  # it has just gone
            return ""
        inner = view.cut(place["box"], place["scale"])
        marked = set(raw.get("marked", ()))
        for each in raw["elements"]:
            if not isinstance(each, dict):
                self._owners[each[0]] = frame
                if each[0] in marked and self._shows(inner.place(each[5])):
                    reading.marked.append(each[0])
        return await self._read(raw, inner, reading)

    def _side(self, box: list[int]) -> int:
        """Return whether a box is above the page's viewport, in it or below, as a place in `Omitted`."""
        height = (self._page.viewport or (0, 0))[1]
        return 0 if box[1] + box[3] <= 0 else 2 if box[1] >= height else 1

    def _shows(self, box: list[int]) -> bool:
        """Whether the middle of a box is in the page's viewport."""
        width, height = self._page.viewport or (0, 0)
        left, top, wide, high = box
        return wide > 0 and high > 0 and 0 <= left + wide / 2 < width and 0 <= top + high / 2 < height

    async def _name(self, parent: str) -> None:
        """Tell a document's observer which of its elements holds which frame."""
        for frame in [each for each, above in self._parents.items() if above == parent and each not in self._named]:
            context = self._page.context if parent == self._main else self._observers.get(parent)
            try:
                owner = await self._page.call("DOM.getFrameOwner", {"frameId": frame})
                node = {"backendNodeId": owner["backendNodeId"], "executionContextId": context}
                found = await self._page.call("DOM.resolveNode", node)
                name = {"functionDeclaration": NAME_FRAME, "arguments": [{"value": frame}]}
                await self._page.call("Runtime.callFunctionOn", {**name, "objectId": found["object"]["objectId"]})
            except SessionCrashedError:
                if self._page.crashed:
                    raise
                continue  # the frame has just gone
            self._named.add(frame)

    def _forget(self, frame: str) -> None:
        for each in [each for each, parent in self._parents.items() if parent == frame]:
            self._forget(each)
        self._observers.pop(frame, None)
        self._parents.pop(frame, None)
        self._named.discard(frame)


def _unnamed(raw: dict[str, Any]) -> bool:
    """Whether a document's answer has a frame that its observer knows no name of."""
    return any(each["frame"] == "" for each in raw.get("elements", ()) if isinstance(each, dict))
