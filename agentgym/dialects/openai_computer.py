"""OpenAI's computer use: action objects such as ``{"type": "click", "button": "left", "x": 3, "y": 4}``.

Sources: https://platform.openai.com/docs/guides/tools-computer-use, the types in
https://github.com/openai/openai-python/blob/main/src/openai/types/responses/computer_action.py, and for keys and waits
https://github.com/openai/openai-cua-sample-app/blob/main/computers/base_playwright.py.

Read is one output item of a response: an action object by itself, a ``computer_call`` that holds one (``action``, or
``actions`` with one), or a ``message``, with which the model ends the task (`Done`). ``screenshot`` is a wait of 0 ms:
every observation has one. ``wait`` has no duration; it stands for `wait_ms`.

Not said: elements, `Fill`, `Select`, triple clicks, double clicks of another button, scrolling without a point, other
waits. Not understood: keys held during a mouse action, the buttons back and forward, drags through further points,
several actions at once, calls that wait for a safety check.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentgym.action import (
    MAX_WAIT_MS,
    Action,
    Click,
    Done,
    Drag,
    Hover,
    MouseButton,
    Press,
    Scroll,
    Type,
    Wait,
    shorten,
)
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.key_names import OPENAI
from agentgym.dialects.untrusted import arguments, choice, fields, integer, only, read_object, string
from agentgym.errors import ActionError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.dialects.base import Examples
    from agentgym.dialects.coordinates import Scale, Size

WAIT_MS = 1_000  # what OpenAI's sample computers wait

_BUTTONS: dict[object, MouseButton] = {"left": "left", "right": "right", "wheel": "middle"}
_WRITTEN: dict[MouseButton, str] = {"left": "left", "right": "right", "middle": "wheel"}
_NONE: tuple[object, ...] = (None, [])


class OpenAIComputer(PixelDialect):
    """Points, in the words of the ``computer`` and ``computer_use_preview`` tools.

    Args:
        viewport: as in `PixelDialect`.
        scale: as in `PixelDialect`; the size of the screenshot that the model sees, where it is another one.
        wait_ms: what ``wait`` stands for, 1 to `MAX_WAIT_MS`.

    Raises:
        ConfigError: an argument is out of range.
    """

    name = "openai-computer"
    intro = "Answer with exactly one action as a JSON object."
    examples: Examples = (
        ("Click", Click(x=4, y=3)),
        ("Click with the right button", Click(x=4, y=3, button="right")),
        ("Double click", Click(x=4, y=3, count=2)),
        ("Move the pointer", Hover(x=4, y=3)),
        ("Drag", Drag(x=4, y=3, to_x=9, to_y=3)),
        ("Scroll by pixels, down and to the right", Scroll(dx=0, dy=100, x=4, y=3)),
        ("Type into what has the focus", Type(text="hello")),
        ("Press keys together", Press(keys="Control+a")),
        ("Look again at once", Wait(ms=0)),
        ("Finish, with the answer if one was asked for", Done(answer="42")),
    )

    def __init__(self, *, viewport: Size | None = None, scale: Scale = None, wait_ms: int = WAIT_MS) -> None:
        super().__init__(viewport=viewport, scale=scale)
        if not 1 <= wait_ms <= MAX_WAIT_MS:
            raise ConfigError(f"wait_ms must be from 1 to {MAX_WAIT_MS}, got {wait_ms}.")
        self.wait_ms = wait_ms
        self.examples = (*self.examples, (f"Wait {wait_ms} ms", Wait(ms=wait_ms)))
        self._actions: dict[str, Callable[..., Action]] = {
            "click": self._click,
            "double_click": self._double_click,
            "drag": self._drag,
            "keypress": self._keypress,
            "move": self._move,
            "screenshot": self._screenshot,
            "scroll": self._scroll,
            "type": self._type,
            "wait": self._wait,
        }

    def format(self, action: Action) -> str:
        """Write an action as an object, and `Done` as a message."""
        return json.dumps(self._object(action), ensure_ascii=False)

    def _object(self, action: Action) -> dict[str, object]:
        match action:
            case Click(x=int(x), y=int(y), count=1, button=button):
                return {"type": "click", "button": _WRITTEN[button], **self._xy(action, x, y)}
            case Click(x=int(x), y=int(y), count=2, button="left"):
                return {"type": "double_click", **self._xy(action, x, y)}
            case Hover(x=int(x), y=int(y)):
                return {"type": "move", **self._xy(action, x, y)}
            case Drag(x=int(x), y=int(y), to_x=int(to_x), to_y=int(to_y)):
                return {"type": "drag", "path": [self._xy(action, x, y), self._xy(action, to_x, to_y)]}
            case Scroll(x=int(x), y=int(y), dx=dx, dy=dy):
                return {"type": "scroll", **self._xy(action, x, y), "scroll_x": dx, "scroll_y": dy}
            case Type(text=text):
                return {"type": "type", "text": text}
            case Press(keys=keys):
                return {"type": "keypress", "keys": _write_keys(keys)}
            case Wait(ms=0):
                return {"type": "screenshot"}
            case Wait(ms=self.wait_ms):
                return {"type": "wait"}
            case Done(answer=answer):
                content = [{"type": "output_text", "text": answer}]
                return {"type": "message", "role": "assistant", "content": content}
            case _:
                raise self._refusal(action, "it has points, single and double clicks and one length of waiting")

    def _xy(self, action: Action, x: int, y: int) -> dict[str, int]:
        return self._written(action, x, y)._asdict()

    def _read(self, text: str) -> Action:
        item = read_object(text)
        match item.get("type"):
            case "computer_call":
                return self._call(item)
            case "message":
                return _message(item)
            case _:
                return self._action(item)

    def _action(self, item: object) -> Action:
        if not isinstance(item, dict):
            raise ActionError(f"An action must be an object, got {shorten(item)}.")
        reader = choice(self._actions, "action of type", item.get("type"))
        return arguments(reader, str(item["type"]), (), {key: item[key] for key in item if key != "type"})

    def _call(self, item: object) -> Action:
        known = ("action", "actions", "pending_safety_checks", "id", "call_id", "status")
        call = fields("computer_call", item, ("type",), known)
        only("pending_safety_checks", call.get("pending_safety_checks"), _NONE)
        action, actions = call.get("action"), call.get("actions")
        if action is not None and actions is None:
            actions = [action]
        elif action is not None or not isinstance(actions, list) or len(actions) != 1:
            raise ActionError("computer_call: expected one action, as one is done at a time.")
        return self._action(actions[0])

    def _click(self, x: object, y: object, button: object = "left", keys: object = None) -> Action:
        only("keys", keys, _NONE)
        if not isinstance(button, str) or button not in _BUTTONS:
            raise ActionError(f"click: button must be left, right or wheel, got {shorten(button)}.")
        point = self.coordinates.pixel(x, y)
        return Click(x=point.x, y=point.y, button=_BUTTONS[button])

    def _double_click(self, x: object, y: object, keys: object = None) -> Action:
        only("keys", keys, _NONE)
        point = self.coordinates.pixel(x, y)
        return Click(x=point.x, y=point.y, count=2)

    def _drag(self, path: object, keys: object = None) -> Action:
        only("keys", keys, _NONE)
        if not isinstance(path, list) or len(path) != 2:
            raise ActionError("drag: the path must have two points, where it starts and where it ends.")
        start, end = (self.coordinates.pixel(**fields("drag: a point", point, ("x", "y"))) for point in path)
        return Drag(x=start.x, y=start.y, to_x=end.x, to_y=end.y)

    def _move(self, x: object, y: object, keys: object = None) -> Action:
        only("keys", keys, _NONE)
        point = self.coordinates.pixel(x, y)
        return Hover(x=point.x, y=point.y)

    def _scroll(self, x: object, y: object, scroll_x: object, scroll_y: object, keys: object = None) -> Action:
        only("keys", keys, _NONE)
        point = self.coordinates.pixel(x, y)
        return Scroll(dx=integer("scroll_x", scroll_x), dy=integer("scroll_y", scroll_y), x=point.x, y=point.y)

    def _keypress(self, keys: object) -> Action:
        if not isinstance(keys, list):
            raise ActionError(f"keypress: keys must be a list, got {shorten(keys)}.")
        return Press(keys=_read_keys(keys))

    def _type(self, text: object) -> Action:
        return Type(text=string("text", text))

    def _screenshot(self) -> Action:
        return Wait(ms=0)

    def _wait(self) -> Action:
        return Wait(ms=self.wait_ms)


def _message(item: object) -> Action:
    message = fields("message", item, ("type", "content"), ("role", "id", "status"))
    content = message["content"]
    if not isinstance(content, list) or len(content) != 1:
        raise ActionError("message: expected one piece of content.")
    piece = fields("message: the content", content[0], ("type", "text"), ("annotations", "logprobs"))
    only("message: type of the content", piece["type"], ("output_text",))
    return Done(answer=string("message: the text", piece["text"]))


def _read_keys(keys: list[object]) -> str:
    """Read a chord; a letter beside a modifier is the key that the capital is printed on, which types the small one."""
    chord = OPENAI.read(keys)
    held, _, letter = chord.rpartition("+")
    return f"{held}+{letter.lower()}" if _is_capital(held, letter) else chord


def _write_keys(keys: str) -> list[str]:
    held, _, letter = keys.rpartition("+")
    if _is_capital(held, letter):
        raise ActionError(
            f"press: {shorten(keys)} is written {held}+{letter.lower()}, or with Shift, for these models."
        )
    parts = OPENAI.write(keys)
    return [*parts[:-1], letter.upper()] if _is_capital(held, letter.upper()) else parts


def _is_capital(held: str, letter: str) -> bool:
    return held != "" and "Shift" not in held.split("+") and len(letter) == 1 and "A" <= letter <= "Z"
