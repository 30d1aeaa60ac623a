"""When a desktop has settled: its apps have handled what was done to them, and the screen is quiet.

An app that knows ``_NET_WM_PING`` is asked for an answer after the input, and handles both in order: so a busy machine
makes this wait longer, and an idle app does not make it wait at all. From then on damage to the screen is watched.
An app that has not answered for `HANGS_S` is not waited for. What is waited for is bounded: the screen of an app that
draws all the time is taken as it is.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING

from agentgym_desktop.connection import CLIENT_MESSAGE, DESTROY_NOTIFY

if TYPE_CHECKING:
    from agentgym_desktop.display import Display

QUIET_S = 0.03  # nothing drawn for so long is quiet
GRACE_S = 0.04  # what draws nothing so long after the apps have answered draws nothing at all
BOUND_S = 1.0
HANDLED_S = 20.0  # for apps to handle a long text
HANGS_S = 5.0  # an app that has not answered for so long is not waited for
GATHER_S = 0.004  # drawing in so short a time is taken as one
MAX_ASKED = 16  # windows
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
        self._damage = connection.new_id()
        self._damaged = False
        self._serial = 0  # of the newest question
        self._unanswered: dict[int, tuple[int, float]] = {}  # window -> serial of the question, and when it was asked
        self._answers_pings: dict[int, bool] = {}
        connection.know_atoms(("WM_PROTOCOLS", "_NET_WM_PING", "_NET_CLIENT_LIST", "_NET_ACTIVE_WINDOW"))
        mask = SUBSTRUCTURE_NOTIFY | PROPERTY_CHANGE  # answers to pings come to those who ask for the former
        connection.core.ChangeWindowAttributes(connection.root, EVENT_MASK, [mask])
        connection.damage.Create(self._damage, connection.root, NON_EMPTY)
        connection.on(connection.damage_event, self._on_damage)
        connection.on(CLIENT_MESSAGE, self._on_message)
        connection.on(DESTROY_NOTIFY, self._on_destroy)
        connection.sync()

    def settle(
        self, *, quiet_s: float = QUIET_S, grace_s: float = GRACE_S, bound_s: float = BOUND_S, ask: bool = True
    ) -> bool:
        """Wait until the apps have handled all input and the screen is quiet; False where it is not so in time.

        Args:
            quiet_s: how long nothing must be drawn.
            grace_s: how long something may begin to be drawn, once the apps have answered.
            bound_s: how long to wait at most.
            ask: whether to ask the apps.

        Raises:
            InfrastructureError: the X server ended or does not answer.
        """
        deadline = time.monotonic() + bound_s
        answered = self._await_answers(bound_s) if ask else True
        drawn = self._damaged
        if not drawn:
            drawn = self._connection.wait(lambda: self._damaged, min(grace_s, max(0.0, deadline - time.monotonic())))
        while self._damaged:
            self._connection.wait(bool, GATHER_S)  # nothing is waited for but the time
            self._damaged = False
            self._connection.damage.Subtract(self._damage, 0, 0)
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._connection.wait(lambda: self._damaged, min(quiet_s, left))
        return answered

    def handled(self, bound_s: float = HANDLED_S) -> bool:
        """Wait until the apps have handled all input, whatever is drawn; False where one does not answer in time.

        Where one cannot be asked, the screen must be quiet too.
        """
        answered = self._await_answers(bound_s)
        if self._answers_pings and all(self._answers_pings.values()):
            return answered
        return self.settle(ask=False) and answered

    def forget_damage(self) -> None:
        """Take what was drawn until now as seen."""
        self._connection.sync()
        self._connection.wait(bool, 0)
        self._damaged = False
        self._connection.damage.Subtract(self._damage, 0, 0)

    def _await_answers(self, bound_s: float) -> bool:
        """Ask the apps for a sign of life, and wait for it; do not wait for those that hang."""
        self._learn_windows()
        connection = self._connection
        now = time.monotonic()
        self._serial = self._serial % 0x7FFFFFFF + 1
        for window, answers in self._answers_pings.items():
            if answers and window not in self._unanswered:
                self._unanswered[window] = (self._serial, now)
                connection.tell(window, "WM_PROTOCOLS", connection.atom("_NET_WM_PING"), self._serial, window)
        asked = {window for window, (_, since) in self._unanswered.items() if now - since < HANGS_S}
        late = any(self._unanswered[window][0] != self._serial for window in asked)
        deadline = now + bound_s
        if not connection.wait(lambda: not asked & self._unanswered.keys(), bound_s):
            return False
        # What the late have answered is an older question: there may have been input since.
        return not late or self._await_answers(deadline - time.monotonic())

    def _learn_windows(self) -> None:
        """Find out which windows there are, and whether they can be asked."""
        connection = self._connection
        listed = connection.property(connection.ask_property(connection.root, "_NET_CLIENT_LIST", words=MAX_ASKED))
        windows = listed.numbers if listed is not None else ()
        for window in self._answers_pings.keys() - set(windows):
            del self._answers_pings[window]
            self._unanswered.pop(window, None)
        new = [window for window in windows if window not in self._answers_pings]
        asked = [connection.ask_property(window, "WM_PROTOCOLS", words=64) for window in new]
        for window, each in zip(new, asked, strict=True):
            protocols = connection.property(each)
            self._answers_pings[window] = (
                protocols is not None and connection.atom("_NET_WM_PING") in protocols.numbers
            )

    def _on_damage(self, _: bytes) -> None:
        self._damaged = True

    def _on_message(self, event: bytes) -> None:
        kind, protocol, serial, window = struct.unpack_from("=8xIIII", event)
        if kind == self._connection.atom("WM_PROTOCOLS") and protocol == self._connection.atom("_NET_WM_PING"):
            if self._unanswered.get(window, (0, 0.0))[0] == serial:
                del self._unanswered[window]

    def _on_destroy(self, event: bytes) -> None:
        (window,) = struct.unpack_from("=8xI", event)
        self._unanswered.pop(window, None)
