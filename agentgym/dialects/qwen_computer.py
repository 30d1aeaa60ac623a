"""Qwen-VL's computer use: the function ``computer_use`` between ``<tool_call>`` tags.

    <tool_call>
    {"name": "computer_use", "arguments": {"action": "left_click", "coordinate": [500, 250]}}
    </tool_call>

Sources: https://github.com/QwenLM/Qwen3-VL/blob/main/cookbooks/utils/agent_function_call.py for the words, and
mobile_agent.ipynb and spatial_understanding.ipynb beside it for the tags and the scale. Coordinates go from 0 to 1000
(Qwen3-VL; its mobile cookbook divides by 999) or count pixels of the resized image (Qwen2.5-VL). Keys are a list in
pyautogui's spelling, ``pixels`` is positive upwards, waiting is in seconds. Text above the call is thought.

A drag starts where the pointer is, so a `Drag` is two calls in one completion: ``mouse_move``, then
``left_click_drag``. A wait of 0 ms is written as any other. ``terminate`` is `Done` without an answer, whatever status
the model gives: the state is judged, not the claim.

Not said: elements, `Fill`, `Select`, several clicks of another button than the left, scrolling along both axes. Not
understood: a drag or click without coordinates, any other sequence of calls.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Done, Drag, Hover, Press, Scroll, Type, Wait, shorten
from agentgym.dialects.anthropic_computer import CLICK_NAMES, CLICKS
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.key_names import PYAUTOGUI
from agentgym.dialects.tool_calls import read_tagged, write_tagged
from agentgym.dialects.untrusted import arguments, choice, fields, integer, number, only, pair, read_object, string
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.dialects.base import Examples
    from agentgym.dialects.coordinates import Point, Scale, Size

QWEN3_SCALE = 1_000


class QwenComputer(PixelDialect):
    """Points, in the words of ``computer_use``.

    Args:
        viewport: width and height of the page in pixels.
        scale: as in `PixelDialect`; None or the size of the resized image for Qwen2.5-VL.

    Raises:
        ConfigError: a size is out of range.
    """

    name = "qwen-computer"
    intro = "Think if you need to, then end with exactly one call of computer_use (two for a drag)."
    examples: Examples = (
        ("Click", Click(x=4, y=3)),
        ("Click with the right button", Click(x=4, y=3, button="right")),
        ("Click with the middle button", Click(x=4, y=3, button="middle")),
        ("Double click", Click(x=4, y=3, count=2)),
        ("Triple click", Click(x=4, y=3, count=3)),
        ("Move the pointer", Hover(x=4, y=3)),
        ("Drag", Drag(x=4, y=3, to_x=9, to_y=3)),
        ("Scroll down (positive pixels scroll up)", Scroll(dx=0, dy=100, x=4, y=3)),
        ("Scroll to the right", Scroll(dx=100, dy=0)),
        ("Type into what has the focus", Type(text="hello")),
        ("Press keys together", Press(keys="Control+a")),
        ("Wait for some seconds", Wait(ms=1000)),
        ("Finish with an answer", Done(answer="42")),
        ("Finish without an answer", Done()),
    )

    def __init__(self, *, viewport: Size, scale: Scale = QWEN3_SCALE) -> None:
        super().__init__(viewport=viewport, scale=scale)
        self._actions: dict[str, Callable[..., Action]] = {
            **dict.fromkeys(CLICKS, self._click),
            "mouse_move": self._mouse_move,
            "scroll": self._scroll,
            "hscroll": self._hscroll,
            "type": self._type,
            "key": self._key,
            "wait": self._wait,
            "answer": self._answer,
            "terminate": self._terminate,
        }

    def format(self, action: Action) -> str:
        """Write an action as a call, and a `Drag` as two."""
        return "\n".join(
            write_tagged(json.dumps({"name": "computer_use", "arguments": words}, ensure_ascii=False))
            for words in self._objects(action)
        )

    def _objects(self, action: Action) -> list[dict[str, object]]:
        match action:
            case Click(x=int(x), y=int(y), button=button, count=count) if (button, count) in CLICK_NAMES:
                return [{"action": CLICK_NAMES[button, count], "coordinate": self._written(action, x, y)}]
            case Hover(x=int(x), y=int(y)):
                return [{"action": "mouse_move", "coordinate": self._written(action, x, y)}]
            case Drag(x=int(x), y=int(y), to_x=int(to_x), to_y=int(to_y)):
                end = self._written(action, to_x, to_y)
                return [*self._objects(Hover(x=x, y=y)), {"action": "left_click_drag", "coordinate": end}]
            case Scroll(element=None, dx=dx, dy=dy, x=x, y=y) if not (dx and dy):
                words: dict[str, object] = (
                    {"action": "hscroll", "pixels": dx} if dx else {"action": "scroll", "pixels": -dy}
                )
                return [words if x is None or y is None else words | {"coordinate": self._written(action, x, y)}]
            case Type(text=text):
                return [{"action": "type", "text": text}]
            case Press(keys=keys):
                return [{"action": "key", "keys": PYAUTOGUI.write(keys)}]
            case Wait(ms=ms):
                return [{"action": "wait", "time": ms // 1000 if ms % 1000 == 0 else ms / 1000}]
            case Done(answer=""):
                return [{"action": "terminate", "status": "success"}]
            case Done(answer=answer):
                return [{"action": "answer", "text": answer}]
            case _:
                raise self._refusal(action, "it has points, left multiple clicks and scrolling along one axis")

    def _read(self, text: str) -> Action:
        calls = [_function(call) for call in read_tagged(text)]
        if [words.get("action") for words in calls] == ["mouse_move", "left_click_drag"]:
            start, end = (self._point(fields(str(words["action"]), words, ("action", "coordinate"))) for words in calls)
            return Drag(x=start.x, y=start.y, to_x=end.x, to_y=end.y)
        if len(calls) != 1:
            raise ActionError("Expected one call, or mouse_move and left_click_drag: one action is done at a time.")
        words = calls[0]
        name = words.get("action")
        if name == "left_click_drag":
            raise ActionError("left_click_drag: call mouse_move to where the drag starts first, in the same turn.")
        reader = choice(self._actions, "action", name)
        given = words if name in CLICKS else {key: words[key] for key in words if key != "action"}
        return arguments(reader, str(name), (), given)

    def _point(self, words: dict[str, object]) -> Point:
        return self.coordinates.pixel(*pair("coordinate", words["coordinate"]))

    def _click(self, action: str, coordinate: object) -> Action:
        button, count = CLICKS[action]
        point = self._point({"coordinate": coordinate})
        return Click(x=point.x, y=point.y, button=button, count=count)

    def _mouse_move(self, coordinate: object) -> Action:
        point = self._point({"coordinate": coordinate})
        return Hover(x=point.x, y=point.y)

    def _scroll(self, pixels: object, coordinate: object = None) -> Action:
        return self._turn(0, -integer("pixels", pixels), coordinate)

    def _hscroll(self, pixels: object, coordinate: object = None) -> Action:
        return self._turn(integer("pixels", pixels), 0, coordinate)

    def _turn(self, dx: int, dy: int, coordinate: object) -> Action:
        point = None if coordinate is None else self._point({"coordinate": coordinate})
        return Scroll(dx=dx, dy=dy, x=point and point.x, y=point and point.y)

    def _type(self, text: object) -> Action:
        return Type(text=string("text", text))

    def _key(self, keys: object) -> Action:
        if not isinstance(keys, list):
            raise ActionError(f"key: keys must be a list, got {shorten(keys)}.")
        return Press(keys=PYAUTOGUI.read(keys))

    def _wait(self, time: object) -> Action:
        return Wait(ms=round(number("time", time) * 1000))

    def _answer(self, text: object) -> Action:
        return Done(answer=string("text", text))

    def _terminate(self, status: object) -> Action:
        only("status", status, ("success", "failure"))
        return Done()


def _function(body: str) -> dict[str, object]:
    call = fields("tool call", read_object(body), ("name", "arguments"))
    only("name of the function", call["name"], ("computer_use",))
    words = call["arguments"]
    if not isinstance(words, dict):
        raise ActionError(f"The arguments of computer_use must be an object, got {shorten(words)}.")
    return words
