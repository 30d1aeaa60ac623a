"""Keys and chords by the names that others give them.

Ours are those of the web, joined by + (``Control+a``, see https://www.w3.org/TR/uievents-key/). xdotool takes X keysyms
(``ctrl+a``, ``Page_Down``; https://github.com/jordansissel/xdotool), pyautogui lower case (``ctrl``, ``pagedown``;
https://pyautogui.readthedocs.io/en/latest/keyboard.html), OpenAI's models upper case (``CTRL``, ``ARROWLEFT``;
https://github.com/openai/openai-cua-sample-app). Names of more than one character are read in any case and in any of
these spellings, because models mix them; a single character is a key by itself, in its own case.

Not here: numpad, media and lock keys, and keys that are held longer than a press.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentgym.action import shorten
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODIFIERS = ("Alt", "Control", "Meta", "Shift")
FUNCTION_KEYS = tuple(f"F{n}" for n in range(1, 13))
MAX_PARTS = 5  # four modifiers and a key

# The keys that worlds know by name, and every spelling that is read besides the own one, in lower case.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "Alt": ("option", "alt_l", "alt_r"),
    "Control": ("ctrl", "control_l", "control_r"),
    "Meta": ("super", "super_l", "cmd", "command", "win", "winleft", "windows"),
    "Shift": ("shift_l", "shift_r"),
    "Enter": ("return", "kp_enter"),
    "Tab": (),
    "Escape": ("esc",),
    "Backspace": (),
    "Delete": ("del",),
    "Insert": ("ins",),
    "Home": (),
    "End": (),
    "PageUp": ("page_up", "prior", "pgup"),
    "PageDown": ("page_down", "next", "pgdn"),
    "ArrowLeft": ("left",),
    "ArrowUp": ("up",),
    "ArrowRight": ("right",),
    "ArrowDown": ("down",),
    "Space": (),
    **dict.fromkeys(FUNCTION_KEYS, ()),
}
_READ = {spelling.lower(): key for key, spellings in SPELLINGS.items() for spelling in (key, *spellings)}

_KEYSYMS = {
    "!": "exclam", '"': "quotedbl", "#": "numbersign", "$": "dollar", "%": "percent", "&": "ampersand",
    "'": "apostrophe", "(": "parenleft", ")": "parenright", "*": "asterisk", "+": "plus", ",": "comma", "-": "minus",
    ".": "period", "/": "slash", ":": "colon", ";": "semicolon", "<": "less", "=": "equal", ">": "greater",
    "?": "question", "@": "at", "[": "bracketleft", "\\": "backslash", "]": "bracketright", "^": "asciicircum",
    "_": "underscore", "`": "grave", "{": "braceleft", "|": "bar", "}": "braceright", "~": "asciitilde",
}  # fmt: skip
_CODE_POINT = re.compile(r"[Uu]([0-9A-Fa-f]{4,6})")


class KeyNames:
    """The spelling of keys that one family of programs takes.

    Args:
        names: their name of each of our keys that is called by a name.
        symbols: their name of each character that is not written as itself.
        code_points: whether a character outside ASCII is written as ``U20AC``.
    """

    def __init__(
        self, names: Mapping[str, str], *, symbols: Mapping[str, str] | None = None, code_points: bool = False
    ) -> None:
        self._known = ", ".join(names.values())
        self._names = {**names, **(symbols or {})}
        self._read = _READ | {theirs.lower(): ours for ours, theirs in self._names.items()}
        self._code_points = code_points

    def write(self, keys: str) -> list[str]:
        """Return the parts of one of our chords in their names, modifiers first.

        Raises:
            ActionError: it is not a chord of known keys in the spelling that reading gives back.
        """
        return [self._write(part) for part in _parts(keys)]

    def read(self, parts: Sequence[object]) -> str:
        """Return our chord of their names, modifiers first.

        Raises:
            ActionError: a part is not a key, or one before the last is no modifier.
        """
        if not 1 <= len(parts) <= MAX_PARTS:
            raise ActionError(f"Expected 1 to {MAX_PARTS} keys, got {len(parts)}.")
        *held, key = (self._key(part) for part in parts)
        return _chord(held, key)

    def read_joined(self, keys: str) -> str:
        """Return our chord of their names joined by +.

        Raises:
            ActionError: as `read` does.
        """
        return self.read(_split(keys))

    def _write(self, key: str) -> str:
        if key in self._names:
            return self._names[key]
        return f"U{ord(key):04X}" if self._code_points and not key.isascii() else key

    def _key(self, name: object) -> str:
        if isinstance(name, str):
            if _is_character(name):
                return name
            if name.lower() in self._read:
                return self._read[name.lower()]
            code = _CODE_POINT.fullmatch(name)
            if self._code_points and code and int(code[1], 16) < 0x110000 and _is_character(chr(int(code[1], 16))):
                return chr(int(code[1], 16))
        raise ActionError(f"No key {shorten(name)}; write a character or one of {self._known}.")


def _split(keys: str) -> list[str]:
    """Split at +, which is also a key of its own as the last part."""
    if keys.endswith("++"):
        return [*keys[:-2].split("+"), "+"]
    return [keys] if keys == "+" else keys.split("+")


def _parts(keys: str) -> list[str]:
    parts = _split(keys)
    for part in parts:
        if part not in SPELLINGS and not _is_character(part):
            raise ActionError(f"press: no key {shorten(part)}; write a character or one of {', '.join(SPELLINGS)}.")
    if len(parts) > MAX_PARTS:
        raise ActionError(f"press: {shorten(keys)} has more than {MAX_PARTS} keys.")
    _chord(parts[:-1], parts[-1])
    return parts


def _chord(held: Sequence[str], key: str) -> str:
    for name in held:
        if name not in MODIFIERS:
            raise ActionError(f"{shorten(name)} is no modifier, and one key is pressed at a time.")
    return "+".join([*held, key])


def _is_character(name: str) -> bool:
    """Whether it is a key by itself: one character that prints. The space bar is called by its name."""
    return len(name) == 1 and name.isprintable() and name != " "


def _function_keys(*, upper: bool) -> dict[str, str]:
    return {key: key if upper else key.lower() for key in FUNCTION_KEYS}


XDOTOOL = KeyNames(
    {
        "Alt": "alt", "Control": "ctrl", "Meta": "super", "Shift": "shift", "Enter": "Return", "Tab": "Tab",
        "Escape": "Escape", "Backspace": "BackSpace", "Delete": "Delete", "Insert": "Insert", "Home": "Home",
        "End": "End", "PageUp": "Page_Up", "PageDown": "Page_Down", "ArrowLeft": "Left", "ArrowUp": "Up",
        "ArrowRight": "Right", "ArrowDown": "Down", "Space": "space", **_function_keys(upper=True),
    },
    symbols=_KEYSYMS,
    code_points=True,
)  # fmt: skip
PYAUTOGUI = KeyNames(
    {
        "Alt": "alt", "Control": "ctrl", "Meta": "win", "Shift": "shift", "Enter": "enter", "Tab": "tab",
        "Escape": "esc", "Backspace": "backspace", "Delete": "delete", "Insert": "insert", "Home": "home",
        "End": "end", "PageUp": "pageup", "PageDown": "pagedown", "ArrowLeft": "left", "ArrowUp": "up",
        "ArrowRight": "right", "ArrowDown": "down", "Space": "space", **_function_keys(upper=False),
    }
)  # fmt: skip
OPENAI = KeyNames(
    {
        "Alt": "ALT", "Control": "CTRL", "Meta": "SUPER", "Shift": "SHIFT", "Enter": "ENTER", "Tab": "TAB",
        "Escape": "ESC", "Backspace": "BACKSPACE", "Delete": "DELETE", "Insert": "INSERT", "Home": "HOME",
        "End": "END", "PageUp": "PAGEUP", "PageDown": "PAGEDOWN", "ArrowLeft": "ARROWLEFT", "ArrowUp": "ARROWUP",
        "ArrowRight": "ARROWRIGHT", "ArrowDown": "ARROWDOWN", "Space": "SPACE", **_function_keys(upper=True),
    }
)  # fmt: skip
