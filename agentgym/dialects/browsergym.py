"""BrowserGym's action strings: ``click('12')``, ``fill('12', 'text')``, ``mouse_click(887, 68)``.

Source: https://github.com/ServiceNow/BrowserGym/blob/main/browsergym/core/src/browsergym/core/action/functions.py.
A bid is an element id of agentgym in quotes. The readers below have the parameters and defaults of its functions.
The action is the last line of the completion; lines above it are thought. BrowserGym runs the text as a program; here
it is one call with literals, read and never evaluated.

``clear`` fills with nothing, ``send_msg_to_user`` and ``report_infeasible`` end the task (`Done`). Fractions of a pixel
or a millisecond are rounded.

Not said: triple clicks, scrolling over an element or a point, drags between an element and a point. Not understood,
because one action here has no such meaning: ``press(bid, …)`` and ``focus`` (click the element, then
``keyboard_press``), ``check`` and ``uncheck`` (click), several options, modifiers during a click, buttons and keys that
stay down, tabs, navigation and files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import (
    Action,
    Click,
    Done,
    Drag,
    Fill,
    Hover,
    MouseButton,
    Press,
    Scroll,
    Select,
    Type,
    Wait,
    shorten,
)
from agentgym.dialects.base import Dialect
from agentgym.dialects.python_call import Call, read_call
from agentgym.dialects.untrusted import arguments, integer, only, string
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.dialects.base import Examples

NOOP_MS = 1_000

# Functions of BrowserGym without a counterpart, and what does the same here.
_ABSENT = {
    "press": "click the element, then keyboard_press",
    "focus": "click the element",
    "check": "click the element if it is not checked",
    "uncheck": "click the element if it is checked",
    **dict.fromkeys(("mouse_down", "mouse_up"), "use mouse_click or mouse_drag_and_drop"),
    **dict.fromkeys(("keyboard_down", "keyboard_up"), "use keyboard_press with a chord such as 'Control+a'"),
    "goto": "fill the window's address field where it has one, and press Enter",
    "go_back": "keyboard_press('Alt+ArrowLeft')",
    "go_forward": "keyboard_press('Alt+ArrowRight')",
    "new_tab": "click a link that opens one",
    "tab_close": "keyboard_press('Control+w')",
    "tab_focus": "click the tab",
    **dict.fromkeys(("upload_file", "mouse_upload_file"), "click the file input, then the file"),
}


class BrowserGym(Dialect):
    """Element ids and points, in the words of BrowserGym's high-level action set."""

    name = "browsergym"
    intro = "Answer with exactly one call on the last line."
    examples: Examples = (
        ("Click an element", Click(element=12)),
        ("Click with another button", Click(element=12, button="right")),
        ("Double click an element", Click(element=12, count=2)),
        ("Click a point", Click(x=40, y=30)),
        ("Double click a point", Click(x=40, y=30, count=2)),
        ("Move the pointer onto an element", Hover(element=12)),
        ("Move the pointer to a point", Hover(x=40, y=30)),
        ("Drag an element to another", Drag(element=3, to_element=7)),
        ("Drag from a point to another", Drag(x=40, y=30, to_x=90, to_y=30)),
        ("Scroll by pixels, to the right and down", Scroll(dx=0, dy=100)),
        ("Replace the content of a field", Fill(element=12, text="hello")),
        ("Choose an option of a list by its label", Select(element=12, option="blue")),
        ("Type into what has the focus", Type(text="hello")),
        ("Press a key, with modifiers joined by +", Press(keys="Control+a")),
        ("Wait for some milliseconds", Wait(ms=500)),
        ("Finish, with the answer if one was asked for", Done(answer="42")),
    )

    def format(self, action: Action) -> str:
        """Write an action as a call, on one line."""
        return str(self._call(action))

    def _call(self, action: Action) -> Call:
        match action:
            case Click(element=int(element), count=1 | 2, button=button):
                return Call("click" if action.count == 1 else "dblclick", (str(element),), _button(button))
            case Click(x=int(x), y=int(y), count=1 | 2, button=button):
                return Call("mouse_click" if action.count == 1 else "mouse_dblclick", (x, y), _button(button))
            case Hover(element=int(element)):
                return Call("hover", (str(element),))
            case Hover(x=int(x), y=int(y)):
                return Call("mouse_move", (x, y))
            case Drag(element=int(element), to_element=int(to_element)):
                return Call("drag_and_drop", (str(element), str(to_element)))
            case Drag(x=int(x), y=int(y), to_x=int(to_x), to_y=int(to_y)):
                return Call("mouse_drag_and_drop", (x, y, to_x, to_y))
            case Scroll(dx=dx, dy=dy, element=None, x=None):
                return Call("scroll", (dx, dy))
            case Fill(element=element, text=text):
                return Call("fill", (str(element), text))
            case Select(element=element, option=option):
                return Call("select_option", (str(element), option))
            case _:
                return self._call_without_target(action)

    def _call_without_target(self, action: Action) -> Call:
        match action:
            case Type(text=text):
                return Call("keyboard_type", (text,))
            case Press(keys=keys):
                return Call("keyboard_press", (keys,))
            case Wait(ms=ms):
                return Call("noop", (ms,))
            case Done(answer=answer):
                return Call("send_msg_to_user", (answer,))
            case _:
                raise self._refusal(action, "it has no triple clicks, no scrolling at a place and no mixed drags")

    def _read(self, text: str) -> Action:
        lines = [line for line in text.split("\n") if line.strip()]
        if not lines:
            raise ActionError("The completion is empty. End it with one call, such as click('12').")
        call = read_call(lines[-1])
        if call.name in _ABSENT:
            raise ActionError(f"{call.name} has no counterpart here: {_ABSENT[call.name]}.")
        reader = _READERS.get(call.name)
        if reader is None:
            raise ActionError(f"No function {shorten(call.name)}. There are: {', '.join(_READERS)}.")
        return arguments(reader, call.name, call.positional, dict(call.named))


def _button(button: MouseButton) -> tuple[tuple[str, object], ...]:
    return () if button == "left" else (("button", button),)


def _element(bid: object) -> int:
    text = string("bid", bid)
    if not (text.isascii() and text.isdecimal() and len(text) < 10) or str(int(text)) != text:
        raise ActionError(f"No element {shorten(text)}: ids here are numbers in quotes, such as '12'.")
    return int(text)


def _mouse_button(button: object) -> MouseButton:
    match button:
        case "left" | "middle" | "right":
            return button
        case _:
            raise ActionError(f"button must be left, middle or right, got {shorten(button)}.")


def _click(bid: object, button: object = "left", modifiers: object = ()) -> Action:
    only("modifiers", modifiers, ((), []))
    return Click(element=_element(bid), button=_mouse_button(button))


def _dblclick(bid: object, button: object = "left", modifiers: object = ()) -> Action:
    only("modifiers", modifiers, ((), []))
    return Click(element=_element(bid), button=_mouse_button(button), count=2)


def _mouse_click(x: object, y: object, button: object = "left") -> Action:
    return Click(x=integer("x", x), y=integer("y", y), button=_mouse_button(button))


def _mouse_dblclick(x: object, y: object, button: object = "left") -> Action:
    return Click(x=integer("x", x), y=integer("y", y), button=_mouse_button(button), count=2)


def _hover(bid: object) -> Action:
    return Hover(element=_element(bid))


def _mouse_move(x: object, y: object) -> Action:
    return Hover(x=integer("x", x), y=integer("y", y))


def _drag_and_drop(from_bid: object, to_bid: object) -> Action:
    return Drag(element=_element(from_bid), to_element=_element(to_bid))


def _mouse_drag_and_drop(from_x: object, from_y: object, to_x: object, to_y: object) -> Action:
    return Drag(
        x=integer("from_x", from_x), y=integer("from_y", from_y), to_x=integer("to_x", to_x), to_y=integer("to_y", to_y)
    )


def _scroll(delta_x: object, delta_y: object) -> Action:
    return Scroll(dx=integer("delta_x", delta_x), dy=integer("delta_y", delta_y))


def _fill(bid: object, value: object) -> Action:
    return Fill(element=_element(bid), text=string("value", value))


def _clear(bid: object) -> Action:
    return Fill(element=_element(bid), text="")


def _select_option(bid: object, options: object) -> Action:
    if isinstance(options, list) and len(options) == 1:
        options = options[0]
    return Select(element=_element(bid), option=string("options", options))


def _keyboard_press(key: object) -> Action:
    return Press(keys=string("key", key))


def _keyboard_type(text: object) -> Action:
    return Type(text=string("text", text))


def _noop(wait_ms: object = NOOP_MS) -> Action:
    return Wait(ms=integer("wait_ms", wait_ms))


def _send_msg_to_user(text: object) -> Action:
    return Done(answer=string("text", text))


def _report_infeasible(reason: object) -> Action:
    return Done(answer=string("reason", reason))


_READERS: dict[str, Callable[..., Action]] = {
    "click": _click,
    "dblclick": _dblclick,
    "mouse_click": _mouse_click,
    "mouse_dblclick": _mouse_dblclick,
    "hover": _hover,
    "mouse_move": _mouse_move,
    "drag_and_drop": _drag_and_drop,
    "mouse_drag_and_drop": _mouse_drag_and_drop,
    "scroll": _scroll,
    "fill": _fill,
    "clear": _clear,
    "select_option": _select_option,
    "keyboard_press": _keyboard_press,
    "keyboard_type": _keyboard_type,
    "keyboard_insert_text": _keyboard_type,
    "noop": _noop,
    "send_msg_to_user": _send_msg_to_user,
    "report_infeasible": _report_infeasible,
}
