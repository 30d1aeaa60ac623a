"""Anthropic's computer use, tool ``computer_20250124``: ``{"action": "left_click", "coordinate": [3, 4]}``.

Sources: https://platform.claude.com/docs/en/agents-and-tools/tool-use/computer-use-tool and
https://github.com/anthropics/claude-quickstarts/blob/main/computer-use-demo/computer_use_demo/tools/computer.py.
Keys are in xdotool's spelling, the wheel turns in clicks, waiting is in seconds.

Read is the last content block of a message: the tool's input by itself, a ``tool_use`` block that holds it, or a
``text`` block, with which the model ends the task (`Done`). ``screenshot`` is a wait of 0 ms: every observation has
one.

Not said: elements, `Fill`, `Select`, several clicks of another button than the left, scrolling along both axes or by
parts of a click. Not understood: clicks and drags without coordinates (an action here does not know where the pointer
was left), modifiers held during a mouse action, hold_key, left_mouse_down, left_mouse_up, cursor_position, zoom.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentgym.action import MAX_PIXEL, Action, Click, Done, Drag, Hover, MouseButton, Press, Scroll, Type, Wait
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.coordinates import DIRECTIONS
from agentgym.dialects.key_names import XDOTOOL
from agentgym.dialects.untrusted import arguments, choice, fields, integer, number, only, pair, read_object, string
from agentgym.errors import ActionError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.dialects.base import Examples
    from agentgym.dialects.coordinates import Point, Scale, Size

PIXELS_PER_CLICK = 100  # what a click of the wheel scrolls

# The names of clicks, with button and count. Qwen's computer use has the same.
CLICKS: dict[str, tuple[MouseButton, int]] = {
    "left_click": ("left", 1),
    "right_click": ("right", 1),
    "middle_click": ("middle", 1),
    "double_click": ("left", 2),
    "triple_click": ("left", 3),
}
CLICK_NAMES = {click: name for name, click in CLICKS.items()}


class AnthropicComputer(PixelDialect):
    """Points, in the words of the ``computer`` tool.

    Args:
        viewport: as in `PixelDialect`.
        scale: as in `PixelDialect`; the tool's ``display_width_px`` and ``display_height_px``, where the screenshot
            that the model sees has another size than the viewport.
        pixels_per_click: what one click of the wheel scrolls, in pixels.

    Raises:
        ConfigError: an argument is out of range.
    """

    name = "anthropic-computer"
    intro = "Answer with exactly one action as a JSON object."
    examples: Examples = (
        ("Click", Click(x=4, y=3)),
        ("Click with the right button", Click(x=4, y=3, button="right")),
        ("Click with the middle button", Click(x=4, y=3, button="middle")),
        ("Double click", Click(x=4, y=3, count=2)),
        ("Triple click", Click(x=4, y=3, count=3)),
        ("Move the pointer", Hover(x=4, y=3)),
        ("Drag", Drag(x=4, y=3, to_x=9, to_y=3)),
        ("Type into what has the focus", Type(text="hello")),
        ("Press keys together", Press(keys="Control+a")),
        ("Wait for some seconds", Wait(ms=1000)),
        ("Look again at once", Wait(ms=0)),
        ("Finish, with the answer if one was asked for", Done(answer="42")),
    )

    def __init__(
        self, *, viewport: Size | None = None, scale: Scale = None, pixels_per_click: int = PIXELS_PER_CLICK
    ) -> None:
        super().__init__(viewport=viewport, scale=scale)
        if not 1 <= pixels_per_click <= MAX_PIXEL:
            raise ConfigError(f"pixels_per_click must be from 1 to {MAX_PIXEL}, got {pixels_per_click}.")
        self.pixels_per_click = pixels_per_click
        scroll = Scroll(dx=0, dy=pixels_per_click, x=4, y=3)
        self.examples = (*self.examples, ("Scroll by clicks of the wheel (up, down, left, right)", scroll))
        self._actions: dict[str, Callable[..., Action]] = {
            **dict.fromkeys(CLICKS, self._click),
            "mouse_move": self._mouse_move,
            "left_click_drag": self._left_click_drag,
            "scroll": self._scroll,
            "type": self._type,
            "key": self._key,
            "wait": self._wait,
            "screenshot": self._screenshot,
        }

    def format(self, action: Action) -> str:
        """Write an action as the tool's input, and `Done` as a text block."""
        return json.dumps(self._object(action), ensure_ascii=False)

    def _object(self, action: Action) -> dict[str, object]:
        match action:
            case Click(x=int(x), y=int(y), button=button, count=count) if (button, count) in CLICK_NAMES:
                return {"action": CLICK_NAMES[button, count], "coordinate": self._written(action, x, y)}
            case Hover(x=int(x), y=int(y)):
                return {"action": "mouse_move", "coordinate": self._written(action, x, y)}
            case Drag(x=int(x), y=int(y), to_x=int(to_x), to_y=int(to_y)):
                start, end = self._written(action, x, y), self._written(action, to_x, to_y)
                return {"action": "left_click_drag", "start_coordinate": start, "coordinate": end}
            case Scroll(element=None):
                return self._scroll_object(action)
            case Type(text=text):
                return {"action": "type", "text": text}
            case Press(keys=keys):
                return {"action": "key", "text": "+".join(XDOTOOL.write(keys))}
            case Wait(ms=0):
                return {"action": "screenshot"}
            case Wait(ms=ms):
                return {"action": "wait", "duration": ms // 1000 if ms % 1000 == 0 else ms / 1000}
            case Done(answer=answer):
                return {"type": "text", "text": answer}
            case _:
                raise self._refusal(action, "it has points, and several clicks with the left button only")

    def _scroll_object(self, action: Scroll) -> dict[str, object]:
        clicks, part = divmod(abs(action.dx or action.dy), self.pixels_per_click)
        if part or (action.dx and action.dy):
            raise self._refusal(action, f"the wheel turns on one axis by clicks of {self.pixels_per_click} pixels")
        direction = ("left" if action.dx < 0 else "right") if action.dx else ("up" if action.dy < 0 else "down")
        words: dict[str, object] = {"action": "scroll", "scroll_direction": direction, "scroll_amount": clicks}
        if action.x is not None and action.y is not None:
            words["coordinate"] = self._written(action, action.x, action.y)
        return words

    def _read(self, text: str) -> Action:
        block = read_object(text)
        if block.get("type") == "text":
            fields("text block", block, ("type", "text"), ("citations",))
            return Done(answer=string("text", block["text"]))
        if block.get("type") == "tool_use":
            fields("tool_use block", block, ("type", "name", "input"), ("id", "caller"))
            only("name of the tool", block["name"], ("computer",))
            return self._action(block["input"])
        return self._action(block)

    def _action(self, words: object) -> Action:
        if not isinstance(words, dict):
            raise ActionError("The tool's input must be an object.")
        name = words.get("action")
        reader = choice(self._actions, "action", name)
        given = words if name in CLICKS else {key: words[key] for key in words if key != "action"}
        return arguments(reader, str(name), (), given)

    def _point(self, name: str, coordinate: object) -> Point:
        return self.coordinates.pixel(*pair(name, coordinate))

    def _click(self, action: str, coordinate: object) -> Action:
        button, count = CLICKS[action]
        point = self._point("coordinate", coordinate)
        return Click(x=point.x, y=point.y, button=button, count=count)

    def _mouse_move(self, coordinate: object) -> Action:
        point = self._point("coordinate", coordinate)
        return Hover(x=point.x, y=point.y)

    def _left_click_drag(self, start_coordinate: object, coordinate: object) -> Action:
        start, end = self._point("start_coordinate", start_coordinate), self._point("coordinate", coordinate)
        return Drag(x=start.x, y=start.y, to_x=end.x, to_y=end.y)

    def _scroll(self, scroll_direction: object, scroll_amount: object, coordinate: object = None) -> Action:
        across, down = choice(DIRECTIONS, "scroll_direction", scroll_direction)
        pixels = integer("scroll_amount", scroll_amount) * self.pixels_per_click
        if pixels < 0:
            raise ActionError("scroll_amount must be 0 or more; the direction says which way.")
        point = None if coordinate is None else self._point("coordinate", coordinate)
        return Scroll(dx=across * pixels, dy=down * pixels, x=point and point.x, y=point and point.y)

    def _type(self, text: object) -> Action:
        return Type(text=string("text", text))

    def _key(self, text: object) -> Action:
        return Press(keys=XDOTOOL.read_joined(string("text", text)))

    def _wait(self, duration: object) -> Action:
        return Wait(ms=round(number("duration", duration) * 1000))

    def _screenshot(self) -> Action:
        return Wait(ms=0)
