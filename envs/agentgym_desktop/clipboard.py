"""The clipboard of a desktop, read and written from outside.

What is written is owned by our connection, and handed to the app that pastes it while somebody waits on it, as after
every action (`Settling.settle`). Long texts go in pieces (INCR of the ICCCM, section 2.7.2). What is read comes
from an app: it is text of a bounded size, or none.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from agentgym_desktop.connection import PROPERTY_NOTIFY, SELECTION_CLEAR, SELECTION_NOTIFY, SELECTION_REQUEST

if TYPE_CHECKING:
    from agentgym_desktop.display import Display

READ_S = 2.0  # for an app to hand its clipboard over, or the next piece of it
READ_ALL_S = 10.0  # for all pieces
PIECE_BYTES = 128 * 1024  # longer texts go in pieces of this size
MAX_BYTES = 4 * 1024 * 1024  # of a text that is read
TRANSFER_S = 2.0  # an app that has not taken a piece in so long will not
MAX_TRANSFERS = 32  # texts that are being handed over in pieces
PROPERTY_CHANGE, EVENT_MASK = 0x400000, 0x800
NEW_VALUE, DELETED = 0, 1
HANDED_OVER = "AGENTGYM_CLIPBOARD"
TEXT_KINDS = ("UTF8_STRING", "text/plain;charset=utf-8", "text/plain", "TEXT", "STRING")
ATOMS = ("CLIPBOARD", "TARGETS", "TIMESTAMP", "INCR", "ATOM", "INTEGER", HANDED_OVER, *TEXT_KINDS)


class _Transfer(NamedTuple):
    kind: int
    left: bytes
    since: float
    """When the app took the piece before."""


class Clipboard:
    """The clipboard of a display.

    Args:
        display: whose.
    """

    def __init__(self, display: Display) -> None:
        self._connection = connection = display.connection
        self._window = display.window
        self._text: bytes | None = None  # what we own
        self._transfers: dict[tuple[int, int], _Transfer] = {}  # by window and property
        self.handed_over = 0
        """How often a whole text of ours was handed to an app."""
        self._notified: bool | None = None  # whether the owner has answered, and with something
        self._news = 0  # pieces that have come
        connection.know_atoms(ATOMS)
        connection.core.ChangeWindowAttributes(self._window, EVENT_MASK, [PROPERTY_CHANGE])
        connection.on(SELECTION_REQUEST, self._on_request)
        connection.on(SELECTION_CLEAR, self._on_clear)
        connection.on(SELECTION_NOTIFY, self._on_notify)
        connection.on(PROPERTY_NOTIFY, self._on_property)

    @property
    def busy(self) -> bool:
        """Whether an app is taking a long text, piece by piece."""
        now = time.monotonic()
        self._transfers = {place: each for place, each in self._transfers.items() if now - each.since < TRANSFER_S}
        return bool(self._transfers)

    def write(self, text: str) -> None:
        """Put a text on the clipboard."""
        self._text = text.encode()
        self._connection.core.SetSelectionOwner(self._window, self._connection.atom("CLIPBOARD"), 0)
        self._connection.sync()

    def read(self, timeout_s: float = READ_S) -> str | None:
        """Return the text on the clipboard: untrusted; None where there is none, or its owner does not hand it over.

        Raises:
            InfrastructureError: the X server ended or does not answer.
        """
        connection = self._connection
        connection.wait(bool, 0)
        if self._text is not None:
            return self._text.decode()
        self._notified = None
        connection.core.DeleteProperty(self._window, connection.atom(HANDED_OVER))
        names = (connection.atom(name) for name in ("CLIPBOARD", "UTF8_STRING", HANDED_OVER))
        connection.core.ConvertSelection(self._window, *names, 0)
        if not connection.wait(lambda: self._notified is not None, timeout_s) or not self._notified:
            return None
        self._news = 0
        found = connection.property(connection.ask_property(self._window, HANDED_OVER, delete=True))
        if found is None:
            return None
        if found.type != connection.atom("INCR"):
            return found.value.decode(errors="replace") if found.after == 0 else self._rest(found.value)
        return self._pieces(timeout_s)

    def _rest(self, beginning: bytes) -> str | None:
        """Read what did not fit into one answer."""
        connection, whole = self._connection, bytearray(beginning)
        while len(whole) < MAX_BYTES:
            name = connection.atom(HANDED_OVER)
            asked = connection.core.GetProperty(True, self._window, name, 0, len(whole) // 4, PIECE_BYTES // 4)
            found = connection.property(asked)
            if found is None:
                return None
            whole += found.value
            if found.after == 0:
                return whole.decode(errors="replace")
        return None

    def _pieces(self, timeout_s: float) -> str | None:
        """Read a text that its owner hands over piece by piece, each once the one before was taken."""
        connection, whole = self._connection, bytearray()
        deadline = time.monotonic() + READ_ALL_S
        while len(whole) <= MAX_BYTES and time.monotonic() < deadline:
            if not connection.wait(lambda: self._news > 0, timeout_s):
                return None
            self._news -= 1
            found = connection.property(connection.ask_property(self._window, HANDED_OVER, delete=True))
            if found is None:
                continue
            if found.after:
                return None
            if not found.value:
                return whole.decode(errors="replace")
            whole += found.value
        return None

    def _on_request(self, event: bytes) -> None:
        """Hand our text to an app that asks for it."""
        connection = self._connection
        when, _, requestor, selection, target, named = struct.unpack_from("=4xIIIIII", event)
        place = named or target  # as old programs have it
        done = self._text is not None and selection == connection.atom("CLIPBOARD")
        if done:
            done = self._hand_over(requestor, target, place)
        answer = struct.pack("=B3xIIIII8x", SELECTION_NOTIFY, when, requestor, selection, target, place if done else 0)
        connection.core.SendEvent(False, requestor, 0, answer)

    def _hand_over(self, requestor: int, target: int, place: int) -> bool:
        connection, text = self._connection, self._text
        assert text is not None
        if target == connection.atom("TARGETS"):
            kinds = [connection.atom(name) for name in ("TARGETS", *TEXT_KINDS)]
            connection.core.ChangeProperty(0, requestor, place, connection.atom("ATOM"), 32, len(kinds),
                                           struct.pack(f"={len(kinds)}I", *kinds))  # fmt: skip
            return True
        kinds_of_text = {connection.atom(name): name for name in TEXT_KINDS}
        if target not in kinds_of_text:
            return False
        if kinds_of_text[target] == "STRING":
            text = text.decode().encode("latin-1", errors="replace")
        kind = connection.atom("UTF8_STRING") if kinds_of_text[target] == "TEXT" else target
        if len(text) <= PIECE_BYTES:
            connection.core.ChangeProperty(0, requestor, place, kind, 8, len(text), text)
            self.handed_over += 1
            return True
        if len(self._transfers) >= MAX_TRANSFERS:
            self._transfers.pop(next(iter(self._transfers)))
        self._transfers[requestor, place] = _Transfer(kind, text, time.monotonic())
        connection.core.ChangeWindowAttributes(requestor, EVENT_MASK, [PROPERTY_CHANGE])
        size = struct.pack("=I", len(text))
        connection.core.ChangeProperty(0, requestor, place, connection.atom("INCR"), 32, 1, size)
        return True

    def _on_property(self, event: bytes) -> None:
        window, place, state = struct.unpack_from("=4xII4xB", event)
        if window == self._window and place == self._connection.atom(HANDED_OVER) and state == NEW_VALUE:
            self._news += 1
        elif state == DELETED and (window, place) in self._transfers:
            transfer = self._transfers.pop((window, place))
            piece = transfer.left[:PIECE_BYTES]
            self._connection.core.ChangeProperty(0, window, place, transfer.kind, 8, len(piece), piece)
            if piece:
                self._transfers[window, place] = _Transfer(transfer.kind, transfer.left[PIECE_BYTES:], time.monotonic())
            else:  # an empty one ends it
                self.handed_over += 1

    def _on_notify(self, event: bytes) -> None:
        requestor, place = struct.unpack_from("=8xI8xI", event)
        if requestor == self._window:
            self._notified = place != 0

    def _on_clear(self, event: bytes) -> None:
        owner, selection = struct.unpack_from("=8xII", event)
        if owner == self._window and selection == self._connection.atom("CLIPBOARD"):
            self._text = None
