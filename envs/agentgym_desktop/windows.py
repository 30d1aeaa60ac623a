"""The windows of a desktop, as its window manager lists them (https://specifications.freedesktop.org/wm-spec/).

Titles and classes are whatever a program wants them to be: they are cut, and never trusted. Menus, tooltips and other
windows that a program keeps from the window manager are in no list.
"""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentgym.errors import SessionCrashedError
from agentgym.observation import MAX_NAME, Box
from agentgym_desktop.connection import DESTROY_NOTIFY

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym_desktop.display import Display

MAX_WINDOWS = 64
FOCUS_S = 2.0
CLOSE_S = 2.0
LOOK_S = 0.05  # between looks where nothing has changed on the root window
FROM_USER = 2  # who asks for it, so that the window manager does not refuse
SUBSTRUCTURE_NOTIFY, SUBSTRUCTURE_REDIRECT = 0x80000, 0x100000
ATOMS = (
    "_NET_SUPPORTING_WM_CHECK",
    "_NET_CLIENT_LIST_STACKING",
    "_NET_ACTIVE_WINDOW",
    "_NET_CLOSE_WINDOW",
    "_NET_WM_NAME",
    "WM_NAME",
    "WM_CLASS",
    "_NET_WM_PID",
    "_NET_WM_STATE",
    "_NET_WM_STATE_HIDDEN",
    "_NET_FRAME_EXTENTS",
)


@dataclass(frozen=True)
class Window:
    """One window."""

    id: int
    """The X server's."""
    title: str
    app: str
    """Class of its program, such as ``Mousepad``."""
    box: Box
    """On the screen, without its frame."""
    frame: Box
    """On the screen, with its frame."""
    active: bool
    """Whether it has the focus."""
    hidden: bool = False
    """Whether it is minimised."""
    pid: int | None = None
    """The process inside that says it is its own."""


class Windows:
    """The windows of a display.

    Args:
        display: whose; its window manager answers already.
    """

    def __init__(self, display: Display) -> None:
        self._connection = connection = display.connection
        connection.know_atoms(ATOMS)
        check = connection.property(connection.ask_property(connection.root, "_NET_SUPPORTING_WM_CHECK", words=1))
        self._manager = check.numbers[0] if check is not None and check.numbers else 0
        connection.on(DESTROY_NOTIFY, self._on_destroy)

    def list(self) -> tuple[Window, ...]:
        """Return the windows in stacking order, the topmost last; `MAX_WINDOWS` of them at most.

        Raises:
            InfrastructureError: the X server ended or does not answer, or the window manager ended.
        """
        connection = self._connection
        root = connection.root
        asked = [connection.ask_property(root, name, words=MAX_WINDOWS) for name in ATOMS[:3]]
        check, stacking, active = [connection.property(each) for each in asked]
        if not self._manager or check is None or stacking is None:
            raise self._manager_ended()
        focused = active.numbers[:1] if active is not None else ()
        return self._describe(stacking.numbers[:MAX_WINDOWS], *focused)

    @property
    def active(self) -> Window | None:
        """The window that has the focus; None where none has."""
        return next((window for window in self.list() if window.active), None)

    def focus(self, window: int) -> bool:
        """Bring a window to the front and give it the focus; False where it did not take it."""
        self._ask_manager(window, "_NET_ACTIVE_WINDOW", FROM_USER)
        return self.wait(lambda windows: any(each.id == window and each.active for each in windows), FOCUS_S)

    def close(self, window: int) -> bool:
        """Close a window as its button does; False where it stays, for example because it asks something."""
        self._ask_manager(window, "_NET_CLOSE_WINDOW", 0, FROM_USER)
        return self.wait(lambda windows: all(each.id != window for each in windows), CLOSE_S)

    def wait(self, condition: Callable[[tuple[Window, ...]], bool], timeout_s: float) -> bool:
        """Wait until the windows are as wanted; False where they are not in time.

        Raises:
            InfrastructureError: as for `list`.
        """
        deadline = time.monotonic() + timeout_s
        while not condition(self.list()):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._connection.wait_for_event(min(LOOK_S, left))
        return True

    def _ask_manager(self, window: int, kind: str, *data: int) -> None:
        connection = self._connection
        mask = SUBSTRUCTURE_NOTIFY | SUBSTRUCTURE_REDIRECT
        connection.tell(window, kind, *data, to=connection.root, mask=mask)
        connection.sync()

    def _describe(self, ids: tuple[int, ...], focused: int = 0) -> tuple[Window, ...]:
        connection = self._connection
        core = connection.core
        asked = [
            (
                core.GetGeometry(each),
                core.TranslateCoordinates(each, connection.root, 0, 0),
                [connection.ask_property(each, name, words=MAX_NAME) for name in ATOMS[4:9]],
                connection.ask_property(each, "_NET_FRAME_EXTENTS", words=4),
            )
            for each in ids
        ]
        found = []
        for window, (geometry, place, properties, extents) in zip(ids, asked, strict=True):
            box = _box(connection.answer(geometry), connection.answer(place))
            title, old_title, names, pid, state = [connection.property(each) for each in properties]
            around = connection.property(extents)
            if box is None:
                continue  # gone meanwhile
            frame = _grown(box, around.numbers if around is not None else ())
            hidden = state is not None and connection.atom("_NET_WM_STATE_HIDDEN") in state.numbers
            owner = pid.numbers[0] if pid is not None and pid.numbers else None
            text = title if title is not None else old_title
            app = names.value.split(b"\0")[1:2] if names is not None else []
            found.append(
                Window(
                    window,
                    _text(text.value, "utf-8" if title is not None else "latin-1") if text is not None else "",
                    _text(app[0] if app else b""),
                    box,
                    frame,
                    active=window == focused,
                    hidden=hidden,
                    pid=owner,
                )
            )
        return tuple(found)

    def _on_destroy(self, event: bytes) -> None:
        (window,) = struct.unpack_from("=8xI", event)
        if window == self._manager:
            self._manager = 0
            raise self._manager_ended()

    @staticmethod
    def _manager_ended() -> SessionCrashedError:
        return SessionCrashedError("The desktop's window manager ended.")


def _text(raw: bytes, coding: str = "utf-8") -> str:
    return raw.decode(coding, errors="replace")[:MAX_NAME]


def _box(geometry: Any, place: Any) -> Box | None:
    if geometry is None or place is None:
        return None
    return Box(place.dst_x, place.dst_y, geometry.width, geometry.height)


def _grown(box: Box, extents: tuple[int, ...]) -> Box:
    if len(extents) != 4 or max(extents) > 1000:
        return box
    left, right, top, bottom = extents
    return Box(box.x - left, box.y - top, box.width + left + right, box.height + top + bottom)
