"""The elements of a desktop, from the accessibility trees of its applications.

`Accessibility.read` tells what is showing and on screen, in document order, in the words of the browser world. It asks
each application for what has changed only. One that hangs costs its patience once and its own part of what is told;
windows without a tree (a terminal) are told by their titles.
"""

from __future__ import annotations

import re
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from agentgym.errors import SessionTimeoutError
from agentgym.look import DEFAULT_BUDGET, Budget
from agentgym.observation import NONE_OMITTED, Box, Element, Omitted
from agentgym_desktop.application import ACCESSIBLE, Application, Budgeted, SilentError
from agentgym_desktop.atspi import DAEMON, Bus, BusFloodedError, Call
from agentgym_desktop.outline import Outline, Told, choose, tree_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from agentgym_desktop.windows import Window

MAX_APPLICATIONS = 40
REGISTRY, REGISTRY_ROOT = "org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root"
EVENTS = ("object:text-changed", "object:property-change", "object:bounds-changed", "object:model-changed",
          "object:visible-data-changed", "object:selection-changed")  # fmt: skip
POLL_S = 0.005  # between questions whether the registry is there
BACK_S = 0.02  # for one that was silent to say that it is back
UNIQUE = re.compile(r":\d{1,9}\.\d{1,9}")


class Limits(NamedTuple):
    """How much is told, and how long finding it out may take."""

    budget: Budget = DEFAULT_BUDGET
    patience_s: float = 4.0
    """For one application; LibreOffice says nothing for two seconds on a busy machine."""
    total_s: float = 10.0
    """For all of them."""


class Reading(NamedTuple):
    """What was seen of a desktop."""

    nodes: tuple[Told, ...] = ()
    """In document order: elements, and the places that hold them."""
    omitted: Omitted = NONE_OMITTED
    problems: tuple[str, ...] = ()
    """What could not be read, a sentence each."""

    @property
    def elements(self) -> tuple[Element, ...]:
        """The elements."""
        return tuple(each.element for each in self.nodes if not each.place)

    @property
    def tree(self) -> str:
        """One node a line, its depth as indentation, as in `agentgym.observation.Observation.tree`."""
        return tree_of(self.nodes)


class Accessibility:
    """What the applications of one desktop show. Use it from one thread at a time.

    Args:
        connect: connects to a Unix socket of the desktop by its path there.
        bus_address: of the accessibility bus.
        screen: width and height in pixels.

    Raises:
        SessionCrashedError: there is no such bus, or it does not let us in.
        SessionTimeoutError: it does not answer.
    """

    def __init__(
        self, connect: Callable[[str], socket.socket], bus_address: str, *, screen: tuple[int, int] = (1280, 720)
    ) -> None:
        self._connect, self._address = connect, bus_address
        self._screen = Box(0, 0, *screen)
        self._applications: dict[str, Application] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._windows: tuple[tuple[int, Box, bool], ...] | None = None
        self._bus = self._open()

    def close(self) -> None:
        """Hang up; nothing can be read any more."""
        self._bus.close()

    def start_episode(self) -> None:
        """Give ids from 1 again."""
        self._ids.clear()

    def read(self, windows_hint: Sequence[Window] | None = None, *, limits: Limits = Limits()) -> Reading:  # noqa: B008 - it is frozen
        """Tell what is showing.

        Args:
            windows_hint: the windows as the window manager lists them, the topmost last, for those that have no
                accessibility tree and for what others cover; None where nobody knows.
            limits: how much is told, and how long finding it out may take.

        Raises:
            SessionCrashedError: the accessibility bus is gone.
            SessionTimeoutError: it does not answer.
        """
        end = time.monotonic() + limits.total_s
        try:
            problems = self._refresh(windows_hint, end, limits)
        except BusFloodedError:
            self._reopen()
            problems = ["The accessibility bus is flooded with messages: elements are missing."]
        outline = Outline(self._screen, windows_hint)
        for application in self._applications.values():
            if not application.silent:
                outline.add(application)
        outline.add_windows()
        nodes, omitted = choose(outline, limits.budget, self._ids)
        return Reading(nodes, omitted, tuple(problems))

    def _refresh(self, windows_hint: Sequence[Window] | None, end: float, limits: Limits) -> list[str]:
        """Bring what is known of the applications up to date; return what could not be read."""
        self._find(end)
        places = None if windows_hint is None else tuple((each.id, each.box, each.hidden) for each in windows_hint)
        moved = places is None or places != self._windows
        self._windows = places
        present = self._awake(end, limits)
        self._hear()
        for application in present:
            deadline = min(end, time.monotonic() + limits.patience_s)
            try:
                application.refresh(Budgeted(self._bus, deadline), moved=moved)
            except SilentError:
                application.silent = True
        return [
            f"{application.name or 'An application'} does not answer: what it shows is missing."
            for application in self._applications.values()
            if application.silent
        ]

    def _find(self, end: float) -> None:
        """Ask which applications there are."""
        call = Call(REGISTRY, REGISTRY_ROOT, ACCESSIBLE, "GetChildren", answer="a(so)")
        answers = self._bus.ask([call], end)
        if not answers.complete:
            raise SessionTimeoutError("The accessibility registry of the desktop does not answer.")
        found = answers.bodies[0][0] if answers.bodies[0] else ()
        known, self._applications = self._applications, {}
        names = {name: root for name, root in found[:MAX_APPLICATIONS] if UNIQUE.fullmatch(name)}
        calls = [
            Call(DAEMON, "/org/freedesktop/DBus", DAEMON, "GetConnectionUnixProcessID", "s", (name,), "u")
            for name in names
            if name not in known
        ]
        owners = {call.body[0]: body for call, body in zip(calls, self._bus.ask(calls, end).bodies, strict=True)}
        for name, root in names.items():
            owner = owners.get(name)
            self._applications[name] = known.get(name) or Application(name, root, owner[0] if owner else None)

    def _awake(self, end: float, limits: Limits) -> list[Application]:
        """Return the applications that answer; by then what they have said before has come, too."""
        awake = []
        for silent, patience_s in ((False, limits.patience_s), (True, BACK_S)):
            group = [each for each in self._applications.values() if each.silent is silent]
            calls = [Call(each.bus_name, each.root, ACCESSIBLE, "GetState", answer="au") for each in group]
            answers = self._bus.ask(calls, min(end, time.monotonic() + patience_s)) if calls else None
            for application, body in zip(group, answers.bodies if answers else (), strict=True):
                if body is None:
                    application.silent = True
                    continue
                if application.silent:
                    application.silent = False
                    application.forget()
                awake.append(application)
        return awake

    def _hear(self) -> None:
        """Let the applications' mirrors follow what they have said."""
        signals, self._bus.signals = self._bus.signals, deque()
        for signal in signals:
            application = self._applications.get(signal.sender)
            if application is not None:
                application.hear(signal)
        if self._bus.missed:
            self._bus.missed = False
            for application in self._applications.values():
                application.forget()

    def _open(self) -> Bus:
        """Connect, and ask the applications to keep their caches and to say what changes."""
        bus = Bus.open(self._connect, self._address)
        calls = [
            Call(REGISTRY, "/org/a11y/atspi/registry", REGISTRY, "RegisterEvent", "sass", (event, [], ""))
            for event in EVENTS
        ]
        deadline = time.monotonic() + Limits().total_s
        try:
            complete = _await_registry(bus, deadline) and bus.ask(calls, deadline).complete
        except BusFloodedError:
            complete = False
        if not complete:
            bus.close()
            raise SessionTimeoutError("The accessibility registry of the desktop does not answer.")
        return bus

    def _reopen(self) -> None:
        self._bus.close()
        self._bus = self._open()
        for application in self._applications.values():
            application.silent = True


def _await_registry(bus: Bus, deadline: float) -> bool:
    """Wait until the registry, which starts beside us, has its name; False where that does not come about in time."""
    call = Call(DAEMON, "/org/freedesktop/DBus", DAEMON, "NameHasOwner", "s", (REGISTRY,), "b")
    while time.monotonic() < deadline:
        if bus.ask([call], deadline).bodies[0] == (True,):
            return True
        time.sleep(POLL_S)
    return False
