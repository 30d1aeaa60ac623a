"""Keys by name: what the DevTools protocol wants to know of each.

Names are those of the web (https://www.w3.org/TR/uievents-key/), as Playwright takes them: ``Enter``, ``Control+a``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from agentgym.action import read_chord
from agentgym.errors import ActionError

MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


class Key(NamedTuple):
    """One key of a US keyboard."""

    key: str
    code: str
    windows_code: int
    text: str = ""


NAMED = {
    key.key: key
    for key in (
        Key("Enter", "Enter", 13, "\r"),
        Key("Tab", "Tab", 9),
        Key("Escape", "Escape", 27),
        Key("Backspace", "Backspace", 8),
        Key("Delete", "Delete", 46),
        Key("Insert", "Insert", 45),
        Key("Home", "Home", 36),
        Key("End", "End", 35),
        Key("PageUp", "PageUp", 33),
        Key("PageDown", "PageDown", 34),
        Key("ArrowLeft", "ArrowLeft", 37),
        Key("ArrowUp", "ArrowUp", 38),
        Key("ArrowRight", "ArrowRight", 39),
        Key("ArrowDown", "ArrowDown", 40),
        Key("Alt", "AltLeft", 18),
        Key("Control", "ControlLeft", 17),
        Key("Meta", "MetaLeft", 91),
        Key("Shift", "ShiftLeft", 16),
        *(Key(f"F{n}", f"F{n}", 111 + n) for n in range(1, 13)),
    )
}
NAMED["Space"] = Key(" ", "Space", 32, " ")


def key_of(name: str) -> Key:
    """Return a key by its name or its character.

    Raises:
        ActionError: there is no such key.
    """
    if name in NAMED:
        return NAMED[name]
    if len(name) != 1:
        raise ActionError(f"press: no key {ascii(name)[:40]}; write a character or one of {', '.join(NAMED)}.")
    if name == " ":
        return NAMED["Space"]
    if name in "\r\n":
        return NAMED["Enter"]
    if name == "\t":
        return NAMED["Tab"]
    if name.isascii() and name.isalpha():
        return Key(name, f"Key{name.upper()}", ord(name.upper()), name)
    if name.isascii() and name.isdigit():
        return Key(name, f"Digit{name}", ord(name), name)
    return Key(name, "", 0, name)


def chord(keys: str) -> list[dict[str, Any]]:
    """Return the key events of ``Control+a`` or ``Enter``: modifiers down, the key down and up, modifiers up.

    Raises:
        ActionError: a part is not a key, or a modifier is none.
    """
    held, last = read_chord(keys, MODIFIERS)
    events = []
    bits = 0
    for name in held:
        bits |= MODIFIERS[name]
        events.append(_event("rawKeyDown", NAMED[name], bits))
    key = key_of(last)
    text = "" if bits & ~MODIFIERS["Shift"] else key.text
    events.append(_event("keyDown" if text else "rawKeyDown", key, bits, text=text))
    events.append(_event("keyUp", key, bits))
    for name in reversed(held):
        bits &= ~MODIFIERS[name]
        events.append(_event("keyUp", NAMED[name], bits))
    return events


def typing(text: str) -> list[dict[str, Any]]:
    """Return the key events of typing a text, a key down and up for each character."""
    events = []
    for character in text:
        key = key_of(character)
        events.append(_event("keyDown" if key.text else "rawKeyDown", key, 0, text=key.text))
        events.append(_event("keyUp", key, 0))
    return events


def _event(kind: str, key: Key, modifiers: int, *, text: str = "") -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": kind,
        "key": key.key,
        "code": key.code,
        "windowsVirtualKeyCode": key.windows_code,
        "modifiers": modifiers,
    }
    if text:
        event |= {"text": text, "unmodifiedText": text}
    return event
