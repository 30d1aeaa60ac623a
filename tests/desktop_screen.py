"""A desktop's screen and hands for tests, without its accessibility tree; and a window that notes what it is told."""

from __future__ import annotations

import struct
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentgym_desktop import display as screen
from agentgym_desktop import services
from agentgym_desktop.clipboard import Clipboard
from agentgym_desktop.connection import Connection
from agentgym_desktop.inputs import Inputs
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.settings import ENVIRONMENT
from agentgym_desktop.settle import Settling
from agentgym_desktop.walls import SandboxSpec
from agentgym_desktop.windows import Window, Windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.action import Action
    from agentgym_desktop.child import Child
    from agentgym_desktop.display import Display
    from agentgym_desktop.inputs import Spot
    from agentgym_desktop.services import Services

SIZE = (1280, 720)
WINDOW_S = 30.0
KEYS, BUTTONS, MOTION = 0x3, 0xC, 0x40  # event masks: press and release, press and release, move
OVERRIDE_REDIRECT, EVENT_MASK = 0x200, 0x800  # window attributes
KINDS = {2: "press", 3: "release", 4: "down", 5: "up", 6: "move"}


@dataclass
class Screen:
    """A sandbox with services, and all that acts on its screen."""

    sandbox: Sandbox
    services: Services
    display: Display
    settling: Settling
    windows: Windows
    clipboard: Clipboard
    inputs: Inputs

    def open(self, *argv: str) -> tuple[Child, Window]:
        """Start an app and wait until its window is there and has drawn itself."""
        before = {window.id for window in self.windows.list()}
        child = self.sandbox.spawn(argv, env=ENVIRONMENT)
        there = self.windows.wait(lambda windows: any(window.id not in before for window in windows), WINDOW_S)
        assert there, child.log()
        self.settling.settle(bound_s=5.0)
        return child, next(window for window in self.windows.list() if window.id not in before)

    def act(self, *actions: Action, spots: dict[int, Spot] | None = None) -> None:
        """Carry out actions, each of which must be possible."""
        for action in actions:
            assert self.inputs.perform(action, spots or {}) == "", action
            self.settling.settle(bound_s=10.0)


@contextmanager
def running(size: tuple[int, int] = SIZE) -> Iterator[Screen]:
    """Start a desktop without apps."""
    with Sandbox.start(SandboxSpec()) as sandbox:
        started = services.start(sandbox, size)
        try:
            display = started.display
            settling, windows, clipboard = Settling(display), Windows(display), Clipboard(display)
            inputs = Inputs(display, settling, windows, clipboard)
            yield Screen(sandbox, started, display, settling, windows, clipboard, inputs)
        finally:
            started.close()


class Witness:
    """A window over the whole screen, of a client of its own, that notes the input it gets.

    Args:
        desktop: whose screen.
        focus: whether it takes the focus.
    """

    def __init__(self, desktop: Screen, *, focus: bool = True) -> None:
        self.connection = connection = Connection(desktop.sandbox.connect(screen.SOCKET))
        self.events: list[tuple[str, int, int, int]] = []
        self.window = connection.new_id()
        values: list[Any] = [1, KEYS | BUTTONS | MOTION]
        mask = OVERRIDE_REDIRECT | EVENT_MASK
        connection.core.CreateWindow(
            0, self.window, connection.root, 0, 0, *connection.size, 0, 1, 0, mask | 0x2, [0xFF8000, *values]
        )
        connection.core.MapWindow(self.window)
        if focus:
            connection.core.SetInputFocus(0, self.window, 0)
        for kind in KINDS:
            connection.on(kind, self._note)
        connection.sync()

    def heard(self) -> list[tuple[str, int, int, int]]:
        """Return what came since the last call: kind, key or button, and where the pointer was."""
        self.connection.sync()
        self.connection.wait(bool, 0)
        events, self.events = self.events, []
        return events

    def symbol(self, keycode: int) -> int:
        """Return the keysym that a key has now."""
        mapping = self.connection.answer(self.connection.core.GetKeyboardMapping(keycode, 1))
        return int(mapping.keysyms[0])

    def close(self) -> None:
        """Take the window away."""
        self.connection.core.DestroyWindow(self.window)
        self.connection.sync()
        self.connection.close()

    def _note(self, event: bytes) -> None:
        detail, x, y = struct.unpack_from("=xB22xhh", event)
        self.events.append((KINDS[event[0]], detail, x, y))
