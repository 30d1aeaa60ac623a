"""When a desktop has settled: its apps have handled what was done to them, and the screen is quiet.

The window manager sees a click first, and holds it back until it has focused and raised the window; keys pressed
meanwhile would overtake it. So the window manager is asked whether it is done, by a question that it always answers.
Then an app that knows ``_NET_WM_PING`` is asked for an answer after the input, and handles both in order: so a busy
machine makes this wait longer, and an idle app does not make it wait at all. From then on damage to the screen is
watched. An app that has not answered for `HANGS_S` is not waited for. What is waited for is bounded: the screen of an
app that draws all the time is taken as it is.

Some programs answer before they have handled what came before (LibreOffice looks ahead for input, Chromium draws in
another process) or not at all (terminals): while such a one is in front, its screen has to be quiet for longer.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, NamedTuple

from agentgym_desktop.connection import CLIENT_MESSAGE, DESTROY_NOTIFY, PROPERTY_NOTIFY

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym_desktop.display import Display


class Patience(NamedTuple):
    """How long a screen is watched."""

    quiet_s: float
    """Nothing drawn for so long is quiet."""
    grace_s: float
    """What draws nothing so long after the apps have answered draws nothing at all."""
    again: bool = False
    """Whether the apps must answer once more, and promptly, for one answers while it is busy."""


PATIENCE = Patience(0.03, 0.04)
PATIENCE_UNASKED = Patience(0.03, 0.15)  # with an app that cannot be asked
PATIENCE_BUSY = Patience(0.06, 0.15, again=True)
PATIENCE_LATE = Patience(0.22, 0.25)  # PCManFM takes note of what is selected, and can use it, after 0.2 s
PATIENCE_WITH = {
    "libreoffice": PATIENCE_BUSY,
    "soffice": PATIENCE_BUSY,
    "chromium": PATIENCE_BUSY,
    "pcmanfm": PATIENCE_LATE,
}
"""By the beginning of the class of a window, in small letters."""
SURE = Patience(0.3, 0.5, again=True)  # before keys change their meaning, where answers say nothing
BOUND_S = 1.0
HANDLED_S = 20.0  # for apps to handle a long text
HANGS_S = 5.0  # an app that has not answered for so long is not waited for
PROMPT_S = 0.01  # an app that has nothing to do answers so soon
GATHER_S = 0.004  # drawing in so short a time is taken as one
MAX_ASKED = 16  # windows
ABOUT = ("WM_PROTOCOLS", "WM_CLASS")
NON_EMPTY = 3  # XDamage: one event, until it is taken note of
SUBSTRUCTURE_NOTIFY, SUBSTRUCTURE_REDIRECT, PROPERTY_CHANGE = 0x80000, 0x100000, 0x400000
EVENT_MASK = 0x800  # of the window attributes


class Settling:
    """Watches the screen and the apps of a display.

    Args:
        display: whose.
    """

    def __init__(self, display: Display) -> None:
        self._connection = connection = display.connection
        self._window = display.window
        self._managed = False  # whether the window manager has answered
        self._damage = connection.new_id()
        self._damaged = False
        self._list_changed = False  # whether windows have come or gone
        self._serial = 0  # of the newest question
        self._unanswered: dict[int, tuple[int, float]] = {}  # window -> serial of the question, and when it was asked
        self._answers_pings: dict[int, bool] = {}
        self._also: list[Callable[[], bool]] = []
        self._apps: dict[int, str] = {}  # window -> its class, in small letters
        self._active = 0
        connection.know_atoms(
            (
                "_NET_WM_PING",
                "_NET_FRAME_EXTENTS",
                "_NET_REQUEST_FRAME_EXTENTS",
                "_NET_CLIENT_LIST",
                "_NET_ACTIVE_WINDOW",
                *ABOUT,
            )
        )
        self._list = connection.atom("_NET_CLIENT_LIST")
        self._ping, self._extents = connection.atom("_NET_WM_PING"), connection.atom("_NET_FRAME_EXTENTS")
        mask = SUBSTRUCTURE_NOTIFY | PROPERTY_CHANGE  # answers to pings come to those who ask for the former
        connection.core.ChangeWindowAttributes(connection.root, EVENT_MASK, [mask])
        connection.core.ChangeWindowAttributes(self._window, EVENT_MASK, [PROPERTY_CHANGE])
        connection.damage.Create(self._damage, connection.root, NON_EMPTY)
        connection.on(connection.damage_event, self._on_damage)
        connection.on(CLIENT_MESSAGE, self._on_message)
        connection.on(PROPERTY_NOTIFY, self._on_property)
        connection.on(DESTROY_NOTIFY, self._on_destroy)
        connection.sync()

    def wait_also(self, condition: Callable[[], bool]) -> None:
        """Have `settle` wait for something else too, such as the end of a transfer."""
        self._also.append(condition)

    def settle(self, patience: Patience | None = None, *, bound_s: float = BOUND_S) -> bool:
        """Wait until the apps have handled all input and the screen is quiet; False where it is not so in time.

        Args:
            patience: how long the screen is watched; None for what suits the app in front.
            bound_s: how long to wait at most.

        Raises:
            InfrastructureError: the X server ended or does not answer, or the window manager ended.
        """
        deadline = time.monotonic() + bound_s
        answered = self._await_answers(bound_s)
        patience = patience or self._patience()
        quiet = self._watch(patience, deadline)
        while not all(condition() for condition in self._also) and time.monotonic() < deadline:
            self._connection.wait(lambda: all(condition() for condition in self._also), deadline - time.monotonic())
            quiet = self._watch(patience, deadline)
        while quiet and answered and patience.again:
            asked_at = time.monotonic()
            answered = self._await_answers(deadline - asked_at)
            if time.monotonic() - asked_at < PROMPT_S and not self._damaged:
                break
            quiet = self._watch(patience, deadline)
        return quiet and answered

    def _watch(self, patience: Patience, deadline: float) -> bool:
        """Wait until nothing is drawn any more; False where time runs out first."""
        if not self._damaged:
            self._connection.wait(lambda: self._damaged, min(patience.grace_s, deadline - time.monotonic()))
        while self._damaged:
            self._connection.wait(bool, GATHER_S)  # nothing is waited for but the time
            self._damaged = False
            self._connection.damage.Subtract(self._damage, 0, 0)
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._connection.wait(lambda: self._damaged, min(patience.quiet_s, left))
        return time.monotonic() < deadline

    def handled(self, bound_s: float = HANDLED_S) -> bool:
        """Wait until the apps have handled all keys, as some will change their meaning; False where it is late."""
        answered = self._await_answers(bound_s)
        answers_in_order = self._patience() in {PATIENCE, PATIENCE_LATE}
        return answered if answers_in_order else self.settle(SURE, bound_s=bound_s)

    def finish(self, bound_s: float) -> bool:
        """Wait as `settle` does, and longer where the app in front may be busy though it answers: saving a file."""
        return self.settle(SURE if self._patience().again else None, bound_s=bound_s)

    def forget_damage(self) -> None:
        """Take what was drawn until now as seen."""
        self._connection.sync()
        self._connection.wait(bool, 0)
        self._damaged = False
        self._connection.damage.Subtract(self._damage, 0, 0)

    def _await_answers(self, bound_s: float) -> bool:
        """Ask the window manager and then the apps for a sign of life, and wait; do not wait for those that hang."""
        connection = self._connection
        now = time.monotonic()
        self._managed = False
        mask = SUBSTRUCTURE_NOTIFY | SUBSTRUCTURE_REDIRECT
        connection.tell(self._window, "_NET_REQUEST_FRAME_EXTENTS", to=connection.root, mask=mask)
        if not connection.wait(lambda: self._managed, bound_s):
            return False
        self._learn_windows()
        self._serial = self._serial % 0x7FFFFFFF + 1
        for window, answers in self._answers_pings.items():
            if answers and window not in self._unanswered:
                self._unanswered[window] = (self._serial, now)
                connection.tell(window, "WM_PROTOCOLS", self._ping, self._serial, window)
        asked = {window for window, (_, since) in self._unanswered.items() if now - since < HANGS_S}
        late = any(self._unanswered[window][0] != self._serial for window in asked)
        deadline = now + bound_s
        while asked & self._unanswered.keys():
            left = deadline - time.monotonic()
            if left <= 0:  # also where a program changes the list of windows all the time
                return False
            if not connection.wait(lambda: self._list_changed or not asked & self._unanswered.keys(), left):
                return False
            if self._list_changed:  # a window that has been closed does not answer
                self._learn_windows()
        # What the late have answered is an older question: there may have been input since.
        return not late or self._await_answers(deadline - time.monotonic())

    def _patience(self) -> Patience:
        """Return what suits the app in front."""
        if self._active not in self._answers_pings:
            return PATIENCE
        if not self._answers_pings[self._active]:
            return PATIENCE_UNASKED
        app = self._apps.get(self._active, "")
        return next((known for start, known in PATIENCE_WITH.items() if app.startswith(start)), PATIENCE)

    def _learn_windows(self) -> None:
        """Find out which windows there are, which one is active, and which can be asked."""
        connection = self._connection
        self._list_changed = False
        names = ("_NET_CLIENT_LIST", "_NET_ACTIVE_WINDOW")
        asked = [connection.ask_property(connection.root, name, words=MAX_ASKED) for name in names]
        listed, active = [connection.property(each) for each in asked]
        windows = listed.numbers if listed is not None else ()
        self._active = active.numbers[0] if active is not None and active.numbers else 0
        for window in self._answers_pings.keys() - set(windows):
            del self._answers_pings[window]
            self._apps.pop(window, None)
            self._unanswered.pop(window, None)
        new = [window for window in windows if window not in self._answers_pings]
        asked = [connection.ask_property(window, name, words=64) for window in new for name in ABOUT]
        found = [connection.property(each) for each in asked]
        for window, protocols, names_of_app in zip(new, found[::2], found[1::2], strict=True):
            self._answers_pings[window] = protocols is not None and self._ping in protocols.numbers
            self._apps[window] = names_of_app.value.decode(errors="replace").lower() if names_of_app is not None else ""

    def _on_damage(self, _: bytes) -> None:
        self._damaged = True

    def _on_property(self, event: bytes) -> None:
        if struct.unpack_from("=4xII", event) == (self._window, self._extents):
            self._managed = True
        elif struct.unpack_from("=4xII", event) == (self._connection.root, self._list):
            self._list_changed = True

    def _on_message(self, event: bytes) -> None:
        kind, protocol, serial, window = struct.unpack_from("=8xIIII", event)
        known = (self._connection.atom("WM_PROTOCOLS"), self._ping)
        if (kind, protocol) == known and self._unanswered.get(window, (0, 0.0))[0] == serial:
            del self._unanswered[window]

    def _on_destroy(self, event: bytes) -> None:
        (window,) = struct.unpack_from("=8xI", event)
        self._unanswered.pop(window, None)
