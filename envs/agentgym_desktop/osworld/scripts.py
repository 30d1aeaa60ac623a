"""What OSWorld's scripts do with mouse and keyboard, as actions.

Many tasks press keys with ``python -c "import pyautogui; pyautogui.hotkey('ctrl', 's')"``. Such a script is not run: it
is read as a list of calls with plain arguments, and each becomes one of our own actions. What is anything else
(variables, loops, other modules) is refused.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Literal

from agentgym.action import Action, Click, Hover, Press, Scroll, Type
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_SCRIPT = 20_000  # characters
MAX_PRESSES = 200  # of one key
SCREEN = (1920, 1080)  # of OSWorld's machine: what scripts without placeholders count on
PIXELS_A_CLICK = 50  # of the wheel
MODULES = frozenset({"pyautogui", "time"})
KEYS = {
    "alt": "Alt", "altleft": "Alt", "altright": "Alt", "backspace": "Backspace", "capslock": "CapsLock",
    "command": "Meta", "ctrl": "Control", "ctrlleft": "Control", "ctrlright": "Control", "del": "Delete",
    "delete": "Delete", "down": "ArrowDown", "end": "End", "enter": "Enter", "esc": "Escape", "escape": "Escape",
    "home": "Home", "insert": "Insert", "left": "ArrowLeft", "pagedown": "PageDown", "pageup": "PageUp",
    "pgdn": "PageDown", "pgup": "PageUp", "return": "Enter", "right": "ArrowRight", "shift": "Shift",
    "shiftleft": "Shift", "shiftright": "Shift", "space": "Space", "tab": "Tab", "up": "ArrowUp", "win": "Meta",
    "\n": "Enter", "\t": "Tab", " ": "Space",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}  # fmt: skip

Move = Action | Literal["terminal", "rest"]
"""An action; or a terminal is opened (GNOME's Control+Alt+t); or the apps are given time."""


class UnreadableScriptError(ValueError):
    """A script does something that is none of our actions."""


def filled(text: str, size: tuple[int, int]) -> str:
    """Return a command of OSWorld's with what it says of the screen filled in."""
    width, height = size
    places = {"SCREEN_WIDTH_HALF": width // 2, "SCREEN_HEIGHT_HALF": height // 2, "SCREEN_WIDTH": width,
              "SCREEN_HEIGHT": height}  # fmt: skip
    for place, value in places.items():
        text = text.replace(f"{{{place}}}", str(value))
    return text


def is_script(argv: Sequence[str]) -> bool:
    """Return whether a command is a script for mouse and keyboard."""
    return len(argv) == 3 and argv[0] in ("python", "python3") and argv[1] == "-c" and "pyautogui" in argv[2]


def moves_of(script: str, size: tuple[int, int]) -> list[Move]:
    """Return what a script does on a screen of some size.

    Raises:
        UnreadableScriptError: it does something else, too.
    """
    if len(script) > MAX_SCRIPT:
        raise UnreadableScriptError("the script is too long")
    try:
        body = ast.parse(filled(script, size)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnreadableScriptError("the script is no Python") from error
    moves: list[Move] = []
    for statement in body:
        match statement:
            case ast.Import(names=names) if all(each.name in MODULES and not each.asname for each in names):
                continue
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) as call):
                if module not in MODULES:
                    raise UnreadableScriptError(f"the script calls {module}.{name}")
                try:
                    moves += _moves(f"{module}.{name}", call, size)
                except (ActionError, TypeError, ValueError) as error:
                    raise UnreadableScriptError(f"{module}.{name}: {error}") from error
            case _:
                raise UnreadableScriptError(
                    f"the script has more than calls: {' '.join(ast.unparse(statement).split())[:60]}"
                )
    return _joined(moves)


def _moves(name: str, call: ast.Call, size: tuple[int, int]) -> Iterator[Move]:
    plain = [ast.literal_eval(each) for each in call.args]
    named = {each.arg or "**": ast.literal_eval(each.value) for each in call.keywords}
    match name:
        case "time.sleep" | "pyautogui.sleep":
            yield "rest"
        case "pyautogui.hotkey":
            keys = plain[0] if plain and isinstance(plain[0], list) else plain
            yield _hotkey(keys)
        case "pyautogui.press":
            keys = plain[0] if isinstance(plain[0], list) else [plain[0]]
            times = _whole(named.get("presses", plain[1] if len(plain) > 1 else 1))
            if not 0 <= times * len(keys) <= MAX_PRESSES:
                raise ValueError(f"{times} presses")
            yield from (Press(_key(key)) for _ in range(times) for key in keys)
        case "pyautogui.write" | "pyautogui.typewrite":
            text = plain[0] if plain else named["message"]
            if not isinstance(text, str):
                raise TypeError("no text")
            yield Type(text)
        case "pyautogui.click" | "pyautogui.doubleClick" | "pyautogui.rightClick":
            x, y = _point(plain, named, size)
            count = 2 if name.endswith("doubleClick") else _whole(named.get("clicks", 1))
            button: Any = "right" if name.endswith("rightClick") else named.get("button", "left")
            yield Click(x=x, y=y, count=count, button=button)
        case "pyautogui.moveTo":
            x, y = _point(plain, named, size)
            yield Hover(x=x, y=y)
        case "pyautogui.mouseDown" | "pyautogui.mouseUp" if not plain and not named:
            yield from ()  # the two as a pair after a click, which is over then
        case "pyautogui.scroll":
            yield Scroll(0, -_whole(plain[0]) * PIXELS_A_CLICK)
        case _:
            raise ValueError("no action is like it")


def _hotkey(keys: Sequence[Any]) -> Move:
    if [str(key).lower() for key in keys] == ["ctrl", "alt", "t"]:
        return "terminal"
    names = [_key(key) for key in keys]
    modifiers = [name for name in names if name in ("Control", "Alt", "Shift", "Meta")]
    rest = [name for name in names if name not in modifiers]
    if len(rest) != 1:
        raise ValueError(f"wanted one key with modifiers, got {keys}")
    return Press("+".join([*modifiers, *rest]))


def _key(key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise TypeError(f"{key!r} is no key")
    if len(key) == 1 and key not in KEYS:
        return key
    if key.lower() not in KEYS:
        raise ValueError(f"no key {key!r}")
    return KEYS[key.lower()]


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _point(plain: Sequence[Any], named: dict[str, Any], size: tuple[int, int]) -> tuple[int, int]:
    x, y = plain[:2] if len(plain) >= 2 else (named["x"], named["y"]) if {"x", "y"} <= named.keys() else (None, None)
    return min(_whole(x), size[0] - 1), min(_whole(y), size[1] - 1)


def _joined(moves: list[Move]) -> list[Move]:
    """Return the moves with rests that follow each other as one."""
    return [move for number, move in enumerate(moves) if move != "rest" or number == 0 or moves[number - 1] != "rest"]
