"""What runs beneath the apps of a desktop: X server, window manager, message bus, accessibility registry.

They start side by side as far as they can, and each is waited for: the X server by its greeting, the buses by their
socket, the window manager by its list of windows (apps that map windows before it is there are never seen). One bus is
both the session's and that of accessibility: one process less, and its address is known before it runs.

Look and behaviour are fixed by settings, so that the same actions give the same pictures: no cursor blinks, nothing is
animated or saved between programs, scroll bars stay, text has the same fonts everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentgym.errors import MissingDependencyError, SessionTimeoutError
from agentgym_desktop import display as screen
from agentgym_desktop.connection import PROPERTY_NOTIFY
from agentgym_desktop.display import Display, await_socket, ended
from agentgym_desktop.rootfs import HOME, RUNTIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym_desktop.child import Child
    from agentgym_desktop.sandbox import Sandbox

START_S = 10.0
BUS = f"{RUNTIME}/bus"
DOUBLE_CLICK_MS = 200  # also in openbox.xml; clicks further apart are two
REGISTRY = ("/usr/libexec/at-spi2-registryd",)
WINDOW_MANAGER = ("openbox", "--sm-disable", "--config-file", f"{RUNTIME}/openbox.xml")
MESSAGE_BUS = ("dbus-daemon", f"--config-file={RUNTIME}/bus.conf", "--nofork", "--nopidfile", "--nosyslog")

ENVIRONMENT: dict[str, str] = {
    "DISPLAY": screen.NAME,
    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={BUS}",
    "AT_SPI_BUS_ADDRESS": f"unix:path={BUS}",
    "GDK_BACKEND": "x11",
    "GIO_USE_VFS": "local",
    "GSETTINGS_BACKEND": "memory",
    "GTK_IM_MODULE": "gtk-im-context-simple",
    "GTK_OVERLAY_SCROLLING": "0",
    "GTK_USE_PORTAL": "0",
    "MALLOC_ARENA_MAX": "2",  # threads' own heaps would cost memory
    "SAL_USE_VCLPLUGIN": "gtk3",
    "XMODIFIERS": "@im=none",
}
"""Variables that every app needs, beside those of the sandbox."""

_BUS_CONFIG = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={BUS}</listen>
  <auth>EXTERNAL</auth>
  <servicedir>/usr/share/dbus-1/accessibility-services</servicedir>
  <servicedir>/usr/share/dbus-1/services</servicedir>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
  <limit name="max_match_rules_per_connection">50000</limit>
  <limit name="max_replies_per_connection">50000</limit>
</busconfig>
"""
_GTK3 = f"""[Settings]
gtk-theme-name=Adwaita
gtk-icon-theme-name=Adwaita
gtk-font-name=DejaVu Sans 10
gtk-cursor-blink=false
gtk-enable-animations=false
gtk-primary-button-warps-slider=false
gtk-double-click-time={DOUBLE_CLICK_MS}
gtk-recent-files-enabled=false
gtk-overlay-scrolling=false
gtk-xft-dpi=98304
"""
_GTK2 = f"""gtk-font-name="DejaVu Sans 10"
gtk-cursor-blink=0
gtk-enable-animations=0
gtk-double-click-time={DOUBLE_CLICK_MS}
"""
_RESOURCES = f"""Xft.dpi: 96
XTerm*faceName: DejaVu Sans Mono
XTerm*faceSize: 10
XTerm*utf8: 1
XTerm*cursorBlink: false
XTerm*multiClickTime: {DOUBLE_CLICK_MS}
XTerm*scrollBar: true
XTerm*rightScrollBar: true
XTerm*selectToClipboard: true
"""
_PACKAGES = {"Xvfb": "xvfb", "openbox": "openbox", "dbus-daemon": "dbus-daemon", REGISTRY[0]: "at-spi2-core"}


class Services:
    """The running services of one desktop; get them from `start`."""

    def __init__(self, display: Display, programs: dict[str, Child]) -> None:
        self.display = display
        self._programs = programs

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
        SessionCrashedError: one ended at once; the error has the end of its log.
        SessionTimeoutError: one does not answer.
    """
    server = _spawn(sandbox, screen.command(size))
    sandbox.write(f"{RUNTIME}/bus.conf", _BUS_CONFIG.encode())
    bus = _spawn(sandbox, MESSAGE_BUS)
    sandbox.write(f"{RUNTIME}/openbox.xml", (Path(__file__).parent / "openbox.xml").read_bytes())
    sandbox.write(f"{HOME}/.config/gtk-3.0/settings.ini", _GTK3.encode())
    sandbox.write(f"{HOME}/.gtkrc-2.0", _GTK2.encode())
    await_socket(sandbox, screen.SOCKET, server, "X server").close()  # it listens long before it answers
    manager = _spawn(sandbox, WINDOW_MANAGER)  # loads meanwhile, and waits for the answer itself
    await_socket(sandbox, BUS, bus, "message bus").close()
    registry = _spawn(sandbox, REGISTRY)
    display = Display.open(sandbox, size, server)
    try:
        display.connection.set_property(display.connection.root, "RESOURCE_MANAGER", "STRING", _RESOURCES.encode())
        _await_window_manager(display, manager)
    except BaseException:
        display.close()
        raise
    programs = {"X server": server, "window manager": manager, "message bus": bus, "accessibility registry": registry}
    return Services(display, programs)


def _spawn(sandbox: Sandbox, command: Sequence[str]) -> Child:
    try:
        return sandbox.spawn(command, env=ENVIRONMENT)
    except FileNotFoundError as error:
        package = _PACKAGES[command[0]]
        raise MissingDependencyError(
            f"A desktop needs the program {command[0]!r}, which is not installed. "
            f"Install it with: sudo apt-get install --no-install-recommends {package}"
        ) from error


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
