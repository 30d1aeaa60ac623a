"""The windows of a desktop: which there are, the focus, closing, and a window manager that ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agentgym.action import Type
from agentgym.errors import SessionCrashedError
from agentgym.observation import MAX_NAME
from agentgym_desktop.windows import MAX_WINDOWS
from tests.desktop_screen import Screen, Witness, running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def desktop() -> Iterator[Screen]:
    with running() as started:
        yield started


def test_windows_tell_title_app_place_and_focus_and_can_be_focused_and_closed(desktop: Screen) -> None:
    assert desktop.windows.list() == ()
    assert desktop.windows.active is None
    _, first = desktop.open("xterm", "-T", "first ä")
    _, second = desktop.open("xterm", "-T", "second")
    assert [window.title for window in desktop.windows.list()] == ["first ä", "second"]  # the topmost last
    assert first.app == "XTerm"
    assert first.pid is not None
    assert second.active
    assert first.frame.y < first.box.y  # above it there is a title bar
    assert first.box.width > 100
    assert desktop.windows.focus(first.id)
    assert [window.id for window in desktop.windows.list()] == [second.id, first.id]
    assert desktop.windows.active is not None
    assert desktop.windows.active.id == first.id
    assert desktop.windows.close(first.id)
    assert [window.id for window in desktop.windows.list()] == [second.id]
    assert not desktop.windows.focus(first.id)  # it is gone


def test_a_window_that_asks_before_it_closes_stays(desktop: Screen) -> None:
    _, window = desktop.open("mousepad", "--disable-server")
    desktop.act(Type("unsaved"))
    assert not desktop.windows.close(window.id)
    assert len(desktop.windows.list()) == 2  # with its question


def test_forged_lists_and_titles_are_bounded(desktop: Screen) -> None:
    _, window = desktop.open("xterm")
    witness = Witness(desktop)
    forger = witness.connection
    forger.set_property(window.id, "_NET_WM_NAME", "UTF8_STRING", b"\xff" + b"x" * 200_000)
    forger.set_property(window.id, "_NET_FRAME_EXTENTS", "CARDINAL", (2**32 - 1,) * 4)
    forger.set_property(window.id, "_NET_WM_PID", "STRING", b"text")
    forger.set_property(forger.root, "_NET_CLIENT_LIST_STACKING", "WINDOW", (*range(1, 5000), window.id))
    assert len(desktop.windows.list()) <= MAX_WINDOWS  # windows that do not exist are left out
    forger.set_property(forger.root, "_NET_CLIENT_LIST_STACKING", "WINDOW", (window.id,))
    forger.sync()
    (found,) = desktop.windows.list()
    assert found.title == "\ufffd" + "x" * (MAX_NAME - 1)
    assert found.frame == found.box
    assert found.pid is None
    witness.close()


def test_the_end_of_the_window_manager_is_told_at_once(desktop: Screen) -> None:
    desktop.services.program("window manager").kill()
    started = time.monotonic()
    with pytest.raises(SessionCrashedError, match="window manager ended"):
        desktop.windows.wait(lambda _: False, 5.0)
    with pytest.raises(SessionCrashedError, match="window manager ended"):
        desktop.windows.list()
    desktop.services.program("window manager").wait(5.0)
    with pytest.raises(SessionCrashedError, match="window manager ended with status -9"):
        desktop.services.check()
    assert time.monotonic() - started < 1.0
