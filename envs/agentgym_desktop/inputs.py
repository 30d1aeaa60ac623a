"""Trusted input: actions become the mouse and key events that a user's hands would make, by XTEST.

`Inputs.perform` returns an error text for the agent where the action cannot be carried out (its element is gone); it
raises only when the desktop itself fails. It does not wait for what comes of the action: see `settle`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import xcffib.xproto

from agentgym.action import Action, Click, Done, Drag, Fill, Hover, Press, Scroll, Select, Type, Wait
from agentgym.errors import ActionError
from agentgym_desktop.keys import Keyboard, Stroke, chord_of, key_press, key_release, symbol_of
from agentgym_desktop.settings import DOUBLE_CLICK_MS
from agentgym_desktop.settle import Patience, Settling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgym_desktop.clipboard import Clipboard
    from agentgym_desktop.display import Display
    from agentgym_desktop.windows import Windows

APART_S = (DOUBLE_CLICK_MS + 30) / 1000  # between clicks of two actions on one place, lest they become a double click
SAME_PLACE = 10  # pixels; apps take clicks that are nearer to each other for one place
DRAG_STEPS = 8  # pointer moves on the way of a drag: apps want to see it on the way
DRAG_FIRST = 12  # pixels that the pointer moves first: a drag begins when it has left the place of the press
STEP = Patience(0.01, 0.01)  # after one move of a drag
STEP_BOUND_S = 0.15  # for apps to handle one move of a drag
PIXELS_A_CLICK = 50  # what one click of the wheel scrolls, about, in the apps of a desktop
PASTE_CHARACTERS = 400  # longer texts are filled in from the clipboard
PASTE_S = 2.0
REPEATS_S = {"Galculator": 0.13}  # windows' classes -> between two strokes of one key, or the app misses the second
REPEATS_BOUND_S = 10.0  # for all of these pauses of one action; what is left of its text is typed without
BUTTONS = {"left": 1, "middle": 2, "right": 3}
WHEEL_UP, WHEEL_DOWN, WHEEL_LEFT, WHEEL_RIGHT = 4, 5, 6, 7
LISTS = frozenset({"listbox", "list", "menu", "radiogroup", "tablist", "tree", "treegrid", "grid", "table"})
CELLS = frozenset({"cell", "gridcell"})
NO_FIELDS = frozenset({"button", "checkbox", "image", "label", "link", "menuitem", "radio", "scrollbar", "separator",
                       "statusbar", "switch", "tab", "toolbar"})  # fmt: skip

ERRORS = {
    "gone": "is not on screen",
    "nofield": "is not a field that text can be written into",
    "readonly": "is disabled or cannot be changed",
    "nooption": "has no such option",
}


class Spot(NamedTuple):
    """Where to point at an element, and what is known of it."""

    x: int
    y: int
    role: str = ""
    states: tuple[str, ...] = ()


class Inputs:
    """Mouse and keyboard of a display.

    Args:
        display: whose.
        settling: waits for its apps.
        windows: of the display.
        clipboard: of the display.
    """

    def __init__(self, display: Display, settling: Settling, windows: Windows, clipboard: Clipboard) -> None:
        self._connection = display.connection
        self._size = display.size
        self._settling = settling
        self._windows = windows
        self._clipboard = clipboard
        settling.wait_also(lambda: not clipboard.busy)
        self._keyboard = Keyboard(display.connection)
        self._struck: dict[Stroke, float] = {}  # when each key was pressed last
        self._pause_s: float | None = None  # of `REPEATS_S`, for the app that has the keyboard; None while not known
        self._pauses_end = 0.0  # when no more of them are made
        self._clicked = (-SAME_PLACE, -SAME_PLACE, 0, 0.0)  # x, y, button and when

    def perform(
        self, action: Action, spots: Mapping[int, Spot], *, option: Callable[[int, str], Spot | None] | None = None
    ) -> str:
        """Carry out an action; return what was wrong with it, or an empty string.

        Args:
            action: what.
            spots: where the elements on screen are.
            option: looks where an option of a list is, by its label, on the screen as it is then; None where it is not.

        Raises:
            InfrastructureError: the X server ended or does not answer, or the window manager ended.
        """
        self._pause_s = None
        self._pauses_end = time.monotonic() + REPEATS_BOUND_S
        try:
            self._perform(action, spots, option or (lambda _element, _label: None))
        except ActionError as error:
            return str(error)
        return ""

    def _perform(self, action: Action, spots: Mapping[int, Spot], option: Callable[[int, str], Spot | None]) -> None:
        match action:
            case Click():
                spot = self._target(action.name, action.element, action.x, action.y, spots)
                self._click(spot, BUTTONS[action.button], action.count)
            case Hover():
                self._move(self._target(action.name, action.element, action.x, action.y, spots))
            case Drag():
                start = self._target(action.name, action.element, action.x, action.y, spots)
                self._drag(start, self._target(action.name, action.to_element, action.to_x, action.to_y, spots))
            case Scroll():
                self._scroll(action, spots)
            case Type():
                self._type(action.text)
            case Press():
                self._press(action.keys)
            case Fill():
                self._fill(self._element(action.element, spots), action)
            case Select():
                self._select(self._element(action.element, spots), action, option)
            case Wait():
                self._connection.wait(bool, action.ms / 1000)  # nothing is waited for but the time
            case Done():
                pass
            case _:
                raise ActionError(f"{action.name}: a desktop cannot do that.")
        self._connection.flush()

    # Where.

    def _target(self, name: str, element: int | None, x: int | None, y: int | None, spots: Mapping[int, Spot]) -> Spot:
        if element is not None:
            return self._element(element, spots)
        assert x is not None
        assert y is not None
        width, height = self._size
        if not (0 <= x < width and 0 <= y < height):
            raise ActionError(f"{name}: the point {x}, {y} is outside of the screen of {width}x{height} pixels.")
        return Spot(x, y)

    def _element(self, element: int, spots: Mapping[int, Spot]) -> Spot:
        spot = spots.get(element)
        width, height = self._size
        if spot is None or not (0 <= spot.x < width and 0 <= spot.y < height):
            raise ActionError(f"[{element}] {ERRORS['gone']}.")
        return spot

    # The mouse.

    def _move(self, spot: Spot) -> None:
        kind = xcffib.xproto.MotionNotifyEvent.event_number
        self._connection.xtest.FakeInput(kind, 0, 0, self._connection.root, spot.x, spot.y, 0)

    def _button(self, button: int, *, down: bool) -> None:
        event = xcffib.xproto.ButtonPressEvent if down else xcffib.xproto.ButtonReleaseEvent
        self._connection.xtest.FakeInput(event.event_number, button, 0, 0, 0, 0, 0)

    def _click(self, spot: Spot, button: int = BUTTONS["left"], count: int = 1) -> None:
        x, y, before, when = self._clicked
        if before == button and abs(x - spot.x) < SAME_PLACE and abs(y - spot.y) < SAME_PLACE:
            self._connection.wait(bool, when + APART_S - time.monotonic())
        self._move(spot)
        for _ in range(count):
            self._button(button, down=True)
            self._button(button, down=False)
        self._connection.sync()
        self._clicked = (spot.x, spot.y, button, time.monotonic())

    def _drag(self, start: Spot, end: Spot) -> None:
        self._move(start)
        self._button(BUTTONS["left"], down=True)
        try:
            self._step()
            length = max(abs(end.x - start.x), abs(end.y - start.y), 1)
            ways = [min(1.0, DRAG_FIRST / length), *(n / DRAG_STEPS for n in range(1, DRAG_STEPS + 1)), 1.0]
            for way in sorted(ways):
                x, y = round(start.x + (end.x - start.x) * way), round(start.y + (end.y - start.y) * way)
                self._move(Spot(x, y))
                self._step()
        finally:  # never leave the button pressed
            self._button(BUTTONS["left"], down=False)
            self._connection.sync()

    def _step(self) -> None:
        self._settling.settle(STEP, bound_s=STEP_BOUND_S)

    def _scroll(self, action: Scroll, spots: Mapping[int, Spot]) -> None:
        if action.element is None and action.x is None:
            spot = self._middle()
        else:
            spot = self._target(action.name, action.element, action.x, action.y, spots)
        self._move(spot)
        turns = ((action.dy, WHEEL_UP, WHEEL_DOWN), (action.dx, WHEEL_LEFT, WHEEL_RIGHT))
        for pixels, back, forth in turns:
            for _ in range(-(-abs(pixels) // PIXELS_A_CLICK)):  # rounded up: a little is one click
                button = back if pixels < 0 else forth
                self._button(button, down=True)
                self._button(button, down=False)
        self._connection.sync()

    def _middle(self) -> Spot:
        """Return the middle of the active window, or of the screen where there is none."""
        width, height = self._size
        active = self._windows.active
        if active is None:
            return Spot(width // 2, height // 2)
        box = active.box
        left, right = max(0, box.x), min(width, box.x + box.width)
        top, bottom = max(0, box.y), min(height, box.y + box.height)
        if left >= right or top >= bottom:
            return Spot(width // 2, height // 2)
        return Spot((left + right) // 2, (top + bottom) // 2)

    # The keyboard.

    def _type(self, text: str) -> None:
        symbols = [symbol_of(character) for character in text.replace("\r\n", "\n")]
        shift = self._keyboard.modifier("Shift")
        for batch in self._keyboard.batches(symbols, handled=self._settling.handled):
            shifted = False
            for stroke in batch:
                if stroke.shifted != shifted:
                    (key_press if stroke.shifted else key_release)(self._connection, shift)
                    shifted = stroke.shifted
                self._await_turn(stroke)
                key_press(self._connection, stroke.keycode)
                key_release(self._connection, stroke.keycode)
            if shifted:
                key_release(self._connection, shift)
            self._connection.sync()

    def _press(self, keys: str) -> None:
        held, symbol = chord_of(keys)
        if set(held) - {"Shift"} and 0x41 <= symbol <= 0x5A:
            symbol += 0x20  # Control+A is the key a, as in the browser
        ((stroke,),) = self._keyboard.batches([symbol], handled=self._settling.handled)
        down = [self._keyboard.modifier(name) for name in dict.fromkeys(held)]
        if stroke.shifted and "Shift" not in held:
            down.append(self._keyboard.modifier("Shift"))
        self._await_turn(stroke)
        for keycode in [*down, stroke.keycode]:
            key_press(self._connection, keycode)
        if {"Alt", "Meta"} & set(held):  # the window manager's: it must have the keyboard before the modifier is let go
            self._connection.sync()
            self._settling.handled()
        for keycode in [stroke.keycode, *reversed(down)]:
            key_release(self._connection, keycode)
        self._connection.sync()

    def _await_turn(self, stroke: Stroke) -> None:
        """Let some time pass where a key is pressed again so soon that its app would miss it."""
        now = time.monotonic()
        if now - self._struck.get(stroke, 0.0) < max(REPEATS_S.values()):
            if self._pause_s is None:
                active = self._windows.active
                self._pause_s = REPEATS_S.get(active.app, 0.0) if active is not None else 0.0
            if self._pause_s and now < self._pauses_end:
                self._connection.sync()
                self._settling.handled()  # its time begins when it has taken the key
                self._connection.wait(bool, self._pause_s)
                self._settling.handled()
                self._struck.clear()
        self._struck[stroke] = time.monotonic()

    # Fields and lists.

    def _fill(self, spot: Spot, action: Fill) -> None:
        if spot.role in NO_FIELDS:
            raise ActionError(f"[{action.element}] {ERRORS['nofield']}.")
        if {"disabled", "readonly"} & set(spot.states):
            raise ActionError(f"[{action.element}] {ERRORS['readonly']}.")
        text = action.text.replace("\r\n", "\n")
        for character in text:
            symbol_of(character)  # all of it can be typed, or nothing is touched
        self._click(spot)
        self._settling.handled()
        if spot.role in CELLS:  # of a sheet: there is nothing to select within, and Enter takes what was typed
            self._type(text) if text else self._press("Delete")
            self._press("Enter")
            return
        self._press("Control+a")
        self._settling.handled()
        if not text:
            self._press("Delete")
        elif len(text) <= PASTE_CHARACTERS:
            self._type(text)
        else:
            self._paste(text)

    def _paste(self, text: str) -> None:
        """Put a text in from the clipboard, whose own text comes back."""
        clipboard = self._clipboard
        before = clipboard.read()
        clipboard.write(text)
        handed_over = clipboard.handed_over
        self._press("Control+v")
        if self._connection.wait(lambda: clipboard.handed_over > handed_over, PASTE_S):
            self._settling.settle()
        else:
            self._type(text)  # here Control+v is no pasting
        clipboard.write(before or "")

    def _select(self, spot: Spot, action: Select, option: Callable[[int, str], Spot | None]) -> None:
        if "disabled" in spot.states:
            raise ActionError(f"[{action.element}] {ERRORS['readonly']}.")
        found = option(action.element, action.option)
        opened = found is None and spot.role not in LISTS
        if opened:
            self._click(spot)
            self._settling.settle()
            found = option(action.element, action.option)
        width, height = self._size
        if found is None or not (0 <= found.x < width and 0 <= found.y < height):
            if opened:
                self._press("Escape")
            raise ActionError(f"[{action.element}] {ERRORS['nooption']}.")
        self._click(found)
