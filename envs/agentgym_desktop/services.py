"""What runs beneath the apps of a desktop: X server, window manager, message bus, accessibility registry.

They start side by side as far as they can, and each is waited for: the X server by its greeting, the buses by their
socket, the window manager by its list of windows (apps that map windows before it is there are never seen). The
registry is waited for by who reads elements (`accessibility`), before any app starts. One bus is both the session's and
that of accessibility: one process less, and its address is known before it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.errors import MissingDependencyError, SessionCrashedError, SessionTimeoutError
from agentgym_desktop import display as screen
from agentgym_desktop.connection import PROPERTY_NOTIFY
from agentgym_desktop.display import Display, await_socket, ended
from agentgym_desktop.settings import BUS, BUS_CONFIG, ENVIRONMENT, FILES, RESOURCES, WINDOW_MANAGER_CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym_desktop.child import Child
    from agentgym_desktop.sandbox import Sandbox

START_S = 10.0
REGISTRY = ("/usr/libexec/at-spi2-registryd",)
WINDOW_MANAGER = ("openbox", "--sm-disable", "--config-file", WINDOW_MANAGER_CONFIG)
MESSAGE_BUS = ("dbus-daemon", f"--config-file={BUS_CONFIG}", "--nofork", "--nopidfile", "--nosyslog")

_PACKAGES = {"Xvfb": "xvfb", "openbox": "openbox", "dbus-daemon": "dbus-daemon", REGISTRY[0]: "at-spi2-core"}


class Services:
    """The running services of one desktop; get them from `start`."""

    def __init__(self, display: Display, programs: dict[str, Child]) -> None:
        self._programs = programs
        self.display = display

    def __repr__(self) -> str:
        return f"Services({', '.join(self._programs)})"

    def check(self) -> None:
        """Check that all of them run.

        Raises:
            SessionCrashedError: one has ended, whoever ended it; the error has the end of its log.
        """
        for name, program in self._programs.items():
            if (status := program.poll()) is not None:
                raise ended(name, status, program)

    def program(self, name: str) -> Child:
        """Return one of them: "X server", "window manager", "message bus" or "accessibility registry"."""
        return self._programs[name]

    def close(self) -> None:
        """Hang up on the X server; may be called twice. The programs end with the sandbox."""
        self.display.close()


def start(sandbox: Sandbox, size: tuple[int, int]) -> Services:
    """Start the services in a sandbox, and wait until apps can be started.

    Raises:
        MissingDependencyError: a program is not installed.
        SessionCrashedError: one ended at once; the error has the end of its log. Or there is no process left for it.
        SessionTimeoutError: one does not answer.
    """
    server = _spawn(sandbox, screen.command(size))
    sandbox.write(BUS_CONFIG, FILES[BUS_CONFIG])
    bus = _spawn(sandbox, MESSAGE_BUS)
    for path, content in FILES.items():
        if path != BUS_CONFIG:
            sandbox.write(path, content)
    await_socket(sandbox, BUS, bus, "message bus").close()
    display = Display.open(sandbox, size, server)
    try:
        registry = _spawn(sandbox, REGISTRY)  # only now: it ends where the X server is not there yet
        display.connection.set_property(display.connection.root, "RESOURCE_MANAGER", "STRING", RESOURCES.encode())
        display.connection.sync()
        manager = _spawn(sandbox, WINDOW_MANAGER)  # only now: it draws its titles by these
        _await_window_manager(display, manager)
        return Services(
            display,
            {"X server": server, "window manager": manager, "message bus": bus, "accessibility registry": registry},
        )
    except BaseException:
        display.close()
        raise


def _spawn(sandbox: Sandbox, command: Sequence[str]) -> Child:
    try:
        return sandbox.spawn(command, env=ENVIRONMENT)
    except FileNotFoundError as error:
        package = _PACKAGES[command[0]]
        raise MissingDependencyError(
            f"A desktop needs the program {command[0]!r}, which is not installed. "
            f"Install it with: sudo apt-get install --no-install-recommends {package}"
        ) from error
    except OSError as error:
        raise SessionCrashedError(f"The desktop's {command[0]} could not be started: {error}.") from error


def _await_window_manager(display: Display, manager: Child) -> None:
    """Wait until the window manager says which windows there are."""
    connection = display.connection
    property_change = 0x400000
    connection.core.ChangeWindowAttributes(connection.root, 0x800, [property_change])
    changed = [True]
    connection.on(PROPERTY_NOTIFY, lambda _: changed.__setitem__(0, True))

    def answers() -> bool:
        if not changed[0]:
            return False
        changed[0] = False
        return connection.property(connection.ask_property(connection.root, "_NET_CLIENT_LIST")) is not None

    waited_s = 0.0
    while not connection.wait(answers, 0.25):
        waited_s += 0.25
        if (status := manager.poll()) is not None:
            raise ended("window manager", status, manager)
        if waited_s >= START_S:
            raise SessionTimeoutError(f"The desktop's window manager does not answer after {START_S:g} s.")
