"""Trusted input: actions become the mouse and key events that a user's hands would make.

`perform` returns an error text for the agent where the action cannot be carried out (its element is gone); it raises
only when the page itself fails. Events are sent without waiting for each other; the last answer is waited for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

from agentgym.action import Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.errors import ActionError, SessionTimeoutError
from agentgym_browser.clipboard import lend, pastes
from agentgym_browser.devtools import within
from agentgym_browser.files import upload
from agentgym_browser.keyboard import chord, typing
from agentgym_browser.observers import ask, handle
from agentgym_browser.page import PAGE_TIMEOUT_S
from agentgym_browser.turn import PageStopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgym_browser.page import Page

FRAME_WAIT_S = 0.005  # input that is not taken so long after a frame waits for another one
SCROLL_FRAMES = 2  # a turn of the wheel is taken with one frame, and told to the page with the next or the one after
DRAG_STEPS = 5  # pointer moves on the way of a drag: libraries want more than one
BUTTON_BITS = {"left": 1, "right": 2, "middle": 4}

ERRORS = {
    "gone": "is not on screen",
    "hidden": "is hidden",
    "option": "is an option of a list: use select(LIST, LABEL)",
    "nofield": "is not a field that text can be written into",
    "readonly": "is disabled or cannot be changed",
    "nolist": "is not a list with options",
    "nooption": "has no such option",
}


class Point(NamedTuple):
    """Where to point, in CSS pixels of the viewport."""

    x: float
    y: float


async def perform(page: Page, action: Action, points: Mapping[int, Point]) -> str:
    """Carry out an action; return what was wrong with it, or an empty string.

    Args:
        page: where.
        action: what.
        points: where to point at the elements of the page as it is now; others are looked for, and scrolled to.
    """
    try:
        await _perform(page, action, points)
    except ActionError as error:
        return str(error)
    return ""


async def take_pointer_away(page: Page) -> None:
    """Move the pointer off the page, where a new page has it: what it hovers over looks different."""
    if page.pointed:
        away = Point(-1, -1)  # a button that was not pressed is released, of which the page learns nothing
        await _mouse(page, [_move(away), _button("mouseReleased", away, "none", 0)])
        page.pointed = False


async def _perform(page: Page, action: Action, points: Mapping[int, Point]) -> None:
    match action:
        case Click():
            await _click(page, await _target(page, action.element, action.x, action.y, points), action)
        case Hover():
            await _mouse(page, [_move(await _target(page, action.element, action.x, action.y, points))])
        case Drag():
            if not {action.element, action.to_element} - {None} <= points.keys():
                points = {}  # looking for one may scroll the other
            start = await _target(page, action.element, action.x, action.y, points)
            end = await _target(page, action.to_element, action.to_x, action.to_y, points)
            await _drag(page, start, end)
        case Scroll():
            await _scroll(page, action, points)
        case Type():
            await _keys(page, typing(action.text))
        case Press():
            if pastes(action.keys):
                await lend(page)
            await _keys(page, chord(action.keys))
        case Fill():
            await _fill(page, action)
        case Select():
            _check(await ask(page, action.element, "select", action.option), action.element)
        case Wait() | Done():
            pass  # the page's time passes after every action
        case _:
            raise ActionError(f"{action.name}: a browser cannot do that.")


async def _target(page: Page, element: int | None, x: int | None, y: int | None, points: Mapping[int, Point]) -> Point:
    """Return the point of an element or of coordinates.

    Raises:
        ActionError: the element is gone or hidden.
    """
    if element is None:
        assert x is not None
        assert y is not None
        return Point(x, y)
    if element in points:
        return points[element]
    found = await ask(page, element, "locate")
    _check(found, element)
    return Point(found["x"], found["y"])


def _check(answer: dict[str, Any], element: int) -> None:
    error = answer.get("error")
    if error is None:
        return
    if error.startswith("format "):
        formats = {"date": "2024-12-31", "time": "13:45", "month": "2024-12", "week": "2024-W52"}
        kind = error.removeprefix("format ")
        raise ActionError(f"[{element}] takes a {kind} written like {formats.get(kind, 'its own format')}.")
    raise ActionError(f"[{element}] {ERRORS[error]}.")


def _move(point: Point, *, buttons: int = 0) -> dict[str, Any]:
    button = "left" if buttons else "none"
    return {"type": "mouseMoved", "x": point.x, "y": point.y, "button": button, "buttons": buttons}


def _button(kind: str, point: Point, button: str, count: int) -> dict[str, Any]:
    buttons = BUTTON_BITS[button] if kind == "mousePressed" else 0
    event = {"type": kind, "x": point.x, "y": point.y, "button": button, "buttons": buttons}
    return {**event, "clickCount": count}


async def _drag(page: Page, start: Point, end: Point) -> None:
    release = _button("mouseReleased", end, "left", 1)
    page.dragged, page.carrying = None, False
    page.send("Input.setInterceptDrags", {"enabled": True})
    try:
        await _mouse(page, [_move(start), _button("mousePressed", start, "left", 1)])
        for n in range(1, DRAG_STEPS + 1):
            way = n / DRAG_STEPS
            point = Point(start.x + (end.x - start.x) * way, start.y + (end.y - start.y) * way)
            if page.dragged is None:
                await _mouse(page, [_move(point, buttons=1)])  # one by one: moves of one frame reach a page as one
            if page.dragged is not None:
                await _carry(page, point, "dragOver")
        if page.dragged is None:
            await _mouse(page, [release])
        else:
            await _carry(page, end, "drop")
    except (asyncio.CancelledError, PageStopped):  # a dialog has opened on the way: the hand leaves the button
        page.tell("Input.dispatchMouseEvent", release)
        raise


async def _carry(page: Page, point: Point, kind: str) -> None:
    """Move or drop what a page has let be picked up, as the system does that takes the pointer over then."""
    kinds = [kind] if page.carrying else ["dragEnter", kind]
    page.carrying = True
    event = {"x": point.x, "y": point.y, "data": page.dragged}
    sent = [page.send("Input.dispatchDragEvent", {**event, "type": each}) for each in kinds]
    await within(asyncio.gather(*sent), PAGE_TIMEOUT_S, "dragging")


async def _click(page: Page, point: Point, action: Click) -> None:
    events = [_move(point)]
    for count in range(1, action.count + 1):
        events.append(_button("mousePressed", point, action.button, count))
        events.append(_button("mouseReleased", point, action.button, count))
    await _mouse(page, events)


async def _mouse(page: Page, events: list[dict[str, Any]]) -> None:
    page.pointed = True
    sent = [page.send("Input.dispatchMouseEvent", event) for event in events]
    taken = _all_of(sent)
    if events[-1]["type"] in {"mousePressed", "mouseReleased"}:  # takes the moves before it along
        await within(taken, PAGE_TIMEOUT_S, "mouse input")
    else:
        await _draw_until_taken(page, taken)


async def _draw_until_taken(page: Page, taken: asyncio.Future[Any]) -> None:
    """Draw frames until the page has taken its input: moves and wheel turns wait for one each."""
    for _ in range(round(PAGE_TIMEOUT_S / FRAME_WAIT_S)):
        await page.draw()
        if (await asyncio.wait([taken], timeout=FRAME_WAIT_S))[0]:
            await taken
            return
    raise SessionTimeoutError(f"mouse input: not taken in {PAGE_TIMEOUT_S:g} s.")


def _all_of(sent: list[asyncio.Future[dict[str, Any]]]) -> asyncio.Future[list[dict[str, Any]]]:
    """Return one future of some answers, which nobody need wait for to its end: the world may be closed meanwhile."""
    taken = asyncio.gather(*sent)
    taken.add_done_callback(lambda answers: answers.cancelled() or answers.exception())
    return taken


async def _keys(page: Page, events: list[dict[str, Any]]) -> None:
    sent = [page.send("Input.dispatchKeyEvent", event) for event in events]
    if sent:
        await within(_all_of(sent), PAGE_TIMEOUT_S, "key input")


async def _scroll(page: Page, action: Scroll, points: Mapping[int, Point]) -> None:
    if action.element is None and action.x is None:
        middle = await page.observer("({ x: innerWidth / 2, y: innerHeight / 2 })")
        point = Point(middle["x"], middle["y"])
    else:
        point = await _target(page, action.element, action.x, action.y, points)
    wheel = {"type": "mouseWheel", "x": point.x, "y": point.y, "deltaX": action.dx, "deltaY": action.dy}
    await _mouse(page, [_move(point), wheel])
    for _ in range(SCROLL_FRAMES):
        await page.draw()


async def _fill(page: Page, action: Fill) -> None:
    answer = await ask(page, action.element, "prepareFill", action.text)
    _check(answer, action.element)
    if "files" in answer:
        await _choose(page, action, several=answer["files"])
        return
    if answer["filled"]:
        return
    if action.text:
        await page.call("Input.insertText", {"text": action.text}, timeout_s=PAGE_TIMEOUT_S)
    else:
        await _keys(page, chord("Delete"))


async def _choose(page: Page, action: Fill, *, several: bool) -> None:
    """Put files into a file input: their names, one a line."""
    names = [name for name in action.text.splitlines() if name]
    if len(names) > 1 and not several:
        raise ActionError(f"[{action.element}] takes one file.")
    await upload(page, page.uploads.paths(names), objectId=await handle(page, action.element))
