"""Keys by name, and the keyboard that types any text.

Names are those of the web, as the browser world takes them: ``Enter``, ``Control+a``, ``ArrowDown``. A character that
is on no key is put on a spare one: one without a symbol, or with one of a multimedia keyboard. A spare key keeps its
character until another one needs it, and is given that only after the apps have handled the keys pressed before: they
look up what a key means when they handle it, not when it was pressed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xcffib.xproto

from agentgym.action import read_chord
from agentgym.errors import ActionError, SessionCrashedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentgym_desktop.connection import Connection

MODIFIERS = {"Alt": 0xFFE9, "Control": 0xFFE3, "Meta": 0xFFEB, "Shift": 0xFFE1}
NAMED = {
    "Enter": 0xFF0D,
    "Tab": 0xFF09,
    "Escape": 0xFF1B,
    "Backspace": 0xFF08,
    "Delete": 0xFFFF,
    "Insert": 0xFF63,
    "Home": 0xFF50,
    "End": 0xFF57,
    "PageUp": 0xFF55,
    "PageDown": 0xFF56,
    "ArrowLeft": 0xFF51,
    "ArrowUp": 0xFF52,
    "ArrowRight": 0xFF53,
    "ArrowDown": 0xFF54,
    **MODIFIERS,
    **{f"F{n}": 0xFFBD + n for n in range(1, 13)},
    "Space": 0x20,
}
"""Keysyms by name (https://www.x.org/releases/current/doc/xproto/x11protocol.html#keysym_encoding)."""

WRITTEN = {"\n": NAMED["Enter"], "\r": NAMED["Enter"], "\t": NAMED["Tab"]}  # characters that are keys
MEDIA_SYMBOLS = range(0x1008FE00, 0x10090000)  # XF86 keysyms, which no app here acts on
MIN_RUN = 8  # spare keys that follow each other, to be used
UNICODE_SYMBOLS = 0x01000000  # plus the code point


class Stroke(NamedTuple):
    """A key that is pressed and released."""

    keycode: int
    shifted: bool = False


def symbol_of(character: str) -> int:
    """Return the keysym of a character.

    Raises:
        ActionError: it is a control character that is no key.
    """
    if character in WRITTEN:
        return WRITTEN[character]
    code = ord(character)
    if 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xFF:
        return code
    if code < 0xA0:
        raise ActionError(f"type: no key writes the control character {character!a}.")
    return UNICODE_SYMBOLS + code


def chord_of(keys: str) -> tuple[list[str], int]:
    """Read ``Control+a`` or ``Enter``: the names of the modifiers held, and the keysym of the key.

    Raises:
        ActionError: a part is not a key, or a modifier is none.
    """
    held, last = read_chord(keys, MODIFIERS)
    if last in NAMED:
        return held, NAMED[last]
    if len(last) != 1:
        raise ActionError(f"press: no key {ascii(last)[:40]}; write a character or one of {', '.join(NAMED)}.")
    return held, symbol_of(last)


class Keyboard:
    """What the keys of a desktop mean.

    Args:
        connection: to its X server; its keys must not have been changed by others.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._strokes: dict[int, Stroke] = {}
        self._spare: dict[int, int | None] = {}  # keycode -> its keysym; the least lately used come first
        low, high = connection.setup.min_keycode, connection.setup.max_keycode
        mapping = connection.answer(connection.core.GetKeyboardMapping(low, high - low + 1))
        width = mapping.keysyms_per_keycode if mapping is not None else 0
        symbols = list(mapping.keysyms) if mapping is not None else []
        if not 1 <= width <= 16 or len(symbols) != width * (high - low + 1):
            raise SessionCrashedError("The desktop's X server has a keyboard that cannot be read.")
        for keycode in range(low, high + 1):
            row = symbols[(keycode - low) * width :][:width]
            plain, shifted = row[0], row[1] if width > 1 else 0
            if all(symbol == 0 or symbol in MEDIA_SYMBOLS for symbol in row):
                self._spare[keycode] = None
                continue
            if plain:
                self._strokes.setdefault(plain, Stroke(keycode))
            if shifted:
                self._strokes.setdefault(shifted, Stroke(keycode, shifted=True))
        runs = [range(first, first + count) for first, count in _runs(sorted(self._spare)) if count >= MIN_RUN]
        self._spare = {keycode: None for run in sorted(runs, key=len, reverse=True) for keycode in run}
        if not self._spare or MODIFIERS["Shift"] not in self._strokes:
            raise SessionCrashedError("The desktop's X server has a keyboard without spare keys.")

    def modifier(self, name: str) -> int:
        """Return the keycode of a modifier."""
        return self._strokes[MODIFIERS[name]].keycode

    def stroke(self, symbol: int) -> Stroke | None:
        """Return how a symbol is typed as the keys are; None where no key has it."""
        stroke = self._strokes.get(symbol)
        if stroke is not None and stroke.keycode in self._spare:
            self._spare[stroke.keycode] = self._spare.pop(stroke.keycode)  # now the latest used
        return stroke

    def batches(self, symbols: list[int], *, handled: Callable[[], object]) -> Iterator[list[Stroke]]:
        """Part a text into what can be typed without changing a key twice, and change the keys for each part.

        Args:
            symbols: the keysyms of the text.
            handled: waits until the apps have handled all keys pressed before; called before a key that has a character
                gets another one.
        """
        at = 0
        while at < len(symbols):
            end = at
            wanted: dict[int, None] = {}  # symbols on spare keys, in order
            while end < len(symbols):
                symbol = symbols[end]
                stroke = self._strokes.get(symbol)
                if stroke is None or stroke.keycode in self._spare:
                    if symbol not in wanted and len(wanted) == len(self._spare):
                        break
                    wanted[symbol] = None
                end += 1
            self._put_on_keys(list(wanted), handled)
            yield [self._strokes[symbol] for symbol in symbols[at:end]]
            at = end

    def _put_on_keys(self, wanted: list[int], handled: Callable[[], object]) -> None:
        for symbol in wanted:
            self.stroke(symbol)  # those that have a key keep it
        missing = [symbol for symbol in wanted if symbol not in self._strokes]
        keycodes = sorted([*self._spare][: len(missing)])
        if any(self._spare[keycode] is not None for keycode in keycodes):
            handled()
        for symbol, keycode in zip(missing, keycodes, strict=True):
            before = self._spare.pop(keycode)
            if before is not None:
                del self._strokes[before]
            self._spare[keycode] = symbol
            self._strokes[symbol] = Stroke(keycode)
        for first, count in _runs(keycodes):
            # With and without Shift: what is held must not change it.
            symbols = [self._spare[keycode] for keycode in range(first, first + count) for _ in range(2)]
            self._connection.core.ChangeKeyboardMapping(count, first, 2, symbols)


def key_press(connection: Connection, keycode: int) -> None:
    """Press a key."""
    _fake(connection, xcffib.xproto.KeyPressEvent.event_number, keycode)


def key_release(connection: Connection, keycode: int) -> None:
    """Release a key."""
    _fake(connection, xcffib.xproto.KeyReleaseEvent.event_number, keycode)


def _fake(connection: Connection, kind: int, keycode: int) -> None:
    connection.xtest.FakeInput(kind, keycode, 0, 0, 0, 0, 0)


def _runs(keycodes: list[int]) -> list[tuple[int, int]]:
    """Return first and number of those that follow each other: each change makes every app read all keys anew."""
    runs: list[tuple[int, int]] = []
    for keycode in keycodes:
        if runs and sum(runs[-1]) == keycode:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((keycode, 1))
    return runs
