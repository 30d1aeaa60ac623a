"""UI-TARS: ``Action: click(start_box='(197,525)')`` after a line of thought.

Sources: https://github.com/bytedance/UI-TARS (codes/ui_tars/prompt.py, codes/ui_tars/action_parser.py, README_v1.md,
README_coordinates.md). Coordinates go from 0 to 1000 (UI-TARS 1.0, Doubao) or count pixels of the resized image
(UI-TARS-1.5, which is built on Qwen2.5-VL). Written is the box of a point; read are also ``<point>197 525</point>``,
box tokens, and boxes of four numbers, which stand for their middle. Keys are in pyautogui's lower case, with spaces.

``wait()`` is the 5 s of UI-TARS's prompts. A scroll has a direction and no length; it stands for `scroll_pixels`.
``call_user()`` is `Done` without an answer.

Not said: elements, `Fill`, `Select`, the middle button, triple clicks, double clicks of the right button, other
lengths of waiting and scrolling, chords of more than three keys. Not understood: several actions at once, a text with
quotes that are not escaped, the mobile actions.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from agentgym.action import MAX_PIXEL, Action, Click, Done, Drag, Hover, MouseButton, Press, Scroll, Type, Wait, shorten
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.coordinates import DIRECTIONS
from agentgym.dialects.key_names import PYAUTOGUI
from agentgym.dialects.python_call import Call, read_call
from agentgym.dialects.untrusted import arguments, choice, string
from agentgym.errors import ActionError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.dialects.base import Examples
    from agentgym.dialects.coordinates import Point, Scale, Size

WAIT_MS = 5_000
UI_TARS_SCALE = 1_000  # of UI-TARS 1.0 and Doubao
SCROLL_PIXELS = 500  # UI-TARS's own executor turns the wheel by 5 clicks; a browser scrolls some 100 pixels a click
MAX_KEYS = 3  # in a hotkey, says the prompt

_LABEL = "Action:"
_CLICKS: dict[str, tuple[MouseButton, int]] = {
    "click": ("left", 1),
    "left_double": ("left", 2),
    "right_single": ("right", 1),
}
_CLICK_NAMES = {click: name for name, click in _CLICKS.items()}
_PARAMETERS = {"point": "start_box", "start_point": "start_box", "end_point": "end_box"}

_NUMBER = r"([0-9]{1,6}(?:\.[0-9]{1,6})?)"
_PAIR = rf"{_NUMBER}\s*,\s*{_NUMBER}"
_FOUR = rf"{_PAIR}\s*,\s*{_PAIR}"
_BOXES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:<\|box_start\|>)?\({_PAIR}\)(?:<\|box_end\|>)?",
        rf"<point>{_NUMBER}\s+{_NUMBER}</point>",
        rf"\[{_PAIR}\]",
        rf"(?:<\|box_start\|>)?\({_FOUR}\)(?:<\|box_end\|>)?",
        rf"\[{_FOUR}\]",
    )
)


class UITars(PixelDialect):
    """Points, in the words of the COMPUTER_USE prompt.

    Args:
        viewport: width and height of the page in pixels.
        scale: what the model's coordinates count: 1000, the width and height of the resized image, or None for pixels
            of the viewport.
        scroll_pixels: how far a scroll goes, in pixels.

    Raises:
        ConfigError: an argument is out of range.
    """

    name = "ui-tars"
    intro = "Answer with a line of thought and a line with exactly one action, such as:"
    examples: Examples = (
        ("Click", Click(x=4, y=3)),
        ("Double click", Click(x=4, y=3, count=2)),
        ("Click with the right button", Click(x=4, y=3, button="right")),
        ("Move the pointer", Hover(x=4, y=3)),
        ("Drag", Drag(x=4, y=3, to_x=9, to_y=3)),
        ("Press at most three keys together", Press(keys="Control+c")),
        ("Type; end with \\n to submit", Type(text="hello\n")),
        ("Wait 5 seconds", Wait(ms=WAIT_MS)),
        ("Finish, with the answer if one was asked for", Done(answer="42")),
    )

    def __init__(self, *, viewport: Size, scale: Scale, scroll_pixels: int = SCROLL_PIXELS) -> None:
        super().__init__(viewport=viewport, scale=scale)
        if not 1 <= scroll_pixels <= MAX_PIXEL:
            raise ConfigError(f"scroll_pixels must be from 1 to {MAX_PIXEL}, got {scroll_pixels}.")
        self.scroll_pixels = scroll_pixels
        self.examples = (*self.examples, ("Scroll (up, down, left or right)", Scroll(dx=0, dy=scroll_pixels, x=4, y=3)))
        self._actions: dict[str, Callable[..., Action]] = {
            **dict.fromkeys(_CLICKS, self._click),
            "left_single": self._click,
            "hover": self._hover,
            "drag": self._drag,
            "select": self._drag,
            "hotkey": self._hotkey,
            "type": self._type,
            "scroll": self._scroll,
            "wait": self._wait,
            "finished": self._finished,
            "call_user": self._call_user,
        }

    @classmethod
    def for_screen(cls, viewport: Size, **options: Any) -> Self:
        """Make the dialect for a screen, with the grid of UI-TARS 1.0 where no scale is given."""
        return cls(viewport=viewport, **{"scale": UI_TARS_SCALE, **options})

    def format(self, action: Action) -> str:
        """Write an action as the line that follows the thought."""
        return f"{_LABEL} {self._call(action)}"

    def _call(self, action: Action) -> Call:
        match action:
            case Click(x=int(x), y=int(y), button=button, count=count) if (button, count) in _CLICK_NAMES:
                return Call(_CLICK_NAMES[button, count], named=(self._box("start_box", action, x, y),))
            case Hover(x=int(x), y=int(y)):
                return Call("hover", named=(self._box("start_box", action, x, y),))
            case Drag(x=int(x), y=int(y), to_x=int(to_x), to_y=int(to_y)):
                start, end = self._box("start_box", action, x, y), self._box("end_box", action, to_x, to_y)
                return Call("drag", named=(start, end))
            case Scroll(element=None, dx=dx, dy=dy) if (way := self._direction(dx, dy)) is not None:
                at = (
                    ()
                    if action.x is None or action.y is None
                    else (self._box("start_box", action, action.x, action.y),)
                )
                return Call("scroll", named=(*at, ("direction", way)))
            case Press(keys=keys):
                parts = PYAUTOGUI.write(keys)
                if len(parts) > MAX_KEYS:
                    raise self._refusal(action, f"a hotkey has at most {MAX_KEYS} keys")
                return Call("hotkey", named=(("key", " ".join(parts)),))
            case Type(text=text):
                return Call("type", named=(("content", text),))
            case Wait(ms=ms) if ms == WAIT_MS:
                return Call("wait")
            case Done(answer=answer):
                return Call("finished", named=(("content", answer),) if answer else ())
            case _:
                why = f"it has points, three clicks, waits of {WAIT_MS} ms and scrolls of {self.scroll_pixels} pixels"
                raise self._refusal(action, why)

    def _box(self, name: str, action: Action, x: int, y: int) -> tuple[str, str]:
        point = self._written(action, x, y)
        return name, f"({point.x},{point.y})"

    def _direction(self, dx: int, dy: int) -> str | None:
        ways = {
            (across * self.scroll_pixels, down * self.scroll_pixels): way for way, (across, down) in DIRECTIONS.items()
        }
        return ways.get((dx, dy))

    def _read(self, text: str) -> Action:
        lines = [line.strip() for line in text.split("\n") if line.strip()]
        labelled = [line for line in lines if line.startswith(_LABEL)]
        if len(labelled) != 1 or lines[-1] != labelled[0]:
            raise ActionError(f"Expected exactly one line with {_LABEL} and an action, as the last line.")
        call = read_call(labelled[0].removeprefix(_LABEL))
        reader = choice(self._actions, "action", call.name)
        named: dict[str, object] = {}
        for name, value in call.named:
            parameter = _PARAMETERS.get(name, name)
            if parameter in named:
                raise ActionError(f"{call.name}: {parameter} is given twice.")
            named[parameter] = value
        positional = (
            (*_CLICKS.get(call.name, ("left", 1)), *call.positional) if reader == self._click else call.positional
        )
        return arguments(reader, call.name, positional, named)

    def _pixel(self, name: str, box: object) -> Point:
        text = string(name, box).strip()
        for pattern in _BOXES:
            match = pattern.fullmatch(text)
            if match:
                numbers = [float(number) for number in match.groups()]
                return self.coordinates.pixel(_middle(numbers[::2]), _middle(numbers[1::2]))
        raise ActionError(f"{name}: {shorten(text)} is not a point; write it as '(x,y)'.")

    def _click(self, button: MouseButton, count: int, /, start_box: object) -> Action:
        point = self._pixel("start_box", start_box)
        return Click(x=point.x, y=point.y, button=button, count=count)

    def _hover(self, start_box: object) -> Action:
        point = self._pixel("start_box", start_box)
        return Hover(x=point.x, y=point.y)

    def _drag(self, start_box: object, end_box: object) -> Action:
        start, end = self._pixel("start_box", start_box), self._pixel("end_box", end_box)
        return Drag(x=start.x, y=start.y, to_x=end.x, to_y=end.y)

    def _hotkey(self, key: object) -> Action:
        return Press(keys=PYAUTOGUI.read(string("key", key).split()))

    def _type(self, content: object) -> Action:
        return Type(text=string("content", content))

    def _scroll(self, direction: object, start_box: object = None) -> Action:
        across, down = choice(DIRECTIONS, "direction", direction)
        point = None if start_box is None else self._pixel("start_box", start_box)
        dx, dy = across * self.scroll_pixels, down * self.scroll_pixels
        return Scroll(dx=dx, dy=dy, x=point and point.x, y=point and point.y)

    def _wait(self) -> Action:
        return Wait(ms=WAIT_MS)

    def _finished(self, content: object = "") -> Action:
        return Done(answer=string("content", content))

    def _call_user(self) -> Action:
        return Done()


def _middle(ends: list[float]) -> float:
    return sum(ends) / len(ends)
