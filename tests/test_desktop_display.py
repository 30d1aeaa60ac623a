"""The screen of a desktop: pictures, quiet, clipboard; and an X server that is dead, hung, hostile or another's."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agentgym.action import Click, Hover, Press, Type
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionTimeoutError
from agentgym_desktop import connection as wire
from agentgym_desktop import display as screen
from agentgym_desktop.clipboard import HANDED_OVER
from agentgym_desktop.connection import SELECTION_NOTIFY, Connection
from agentgym_desktop.settings import ENVIRONMENT
from agentgym_desktop.settle import Patience
from tests.desktop_screen import Screen, Witness, running

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTS = """
import socket, sys
for name in ("/tmp/.X11-unix/X0", "\\0/tmp/.X11-unix/X0"):
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(name)
        end.send(b"l\\0" + (11).to_bytes(2, "little") + bytes(8))
        print(end.recv(1))
    except OSError as error:
        print(type(error).__name__)
"""
GREETING_BYTES = 12


@pytest.fixture(scope="module")
def desktop() -> Iterator[Screen]:
    with running() as started:
        yield started


def test_a_picture_has_the_colours_of_the_screen_and_the_pointer_on_it(desktop: Screen) -> None:
    witness = Witness(desktop)
    desktop.act(Hover(x=640, y=360))
    picture = desktop.display.screenshot()
    assert picture.shape == (720, 1280, 3)
    assert picture.dtype == np.uint8
    orange = (picture == (255, 128, 0)).all(axis=2)
    pointer = np.argwhere(~orange)
    assert 0 < len(pointer) < 1000
    assert np.abs(pointer - (360, 640)).max() < 40
    assert orange[0, 0]
    witness.close()


def test_pictures_do_not_share_memory(desktop: Screen) -> None:
    first = desktop.display.screenshot()
    kept = first.copy()
    witness = Witness(desktop)
    desktop.settling.settle()
    assert not np.array_equal(desktop.display.screenshot(), kept)
    assert np.array_equal(first, kept)
    witness.close()


@pytest.mark.parametrize("size", [(333, 257), (1920, 1080)])
def test_a_screen_has_the_size_that_was_asked_for(size: tuple[int, int]) -> None:
    with running(size) as desktop:
        assert desktop.display.screenshot().shape == (size[1], size[0], 3)


def test_a_size_that_no_screen_has_is_refused() -> None:
    with pytest.raises(ValueError, match="from 1x1 to 4096x4096 pixels, got 0x5"):
        screen.command((0, 5))


def test_a_screen_where_nothing_happens_is_settled_soon(desktop: Screen) -> None:
    desktop.settling.settle()
    started = time.monotonic()
    assert desktop.settling.settle()
    assert time.monotonic() - started < 1.0  # its bound


def test_drawing_is_waited_for_and_endless_drawing_is_not(desktop: Screen) -> None:
    child = desktop.sandbox.spawn(["xterm", "-e", "yes"], env=ENVIRONMENT)
    assert desktop.windows.wait(bool, 20.0)
    started = time.monotonic()
    assert not desktop.settling.settle(Patience(quiet_s=0.5, grace_s=5.0), bound_s=1.0)
    assert time.monotonic() - started > 0.9
    child.kill()
    assert desktop.windows.wait(lambda windows: not windows, 5.0)
    assert desktop.settling.settle(bound_s=5.0)


def test_an_app_that_hangs_is_not_waited_for_again_and_again(desktop: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    child, window = desktop.open("mousepad", "--disable-server")
    assert desktop.settling.settle(bound_s=5.0)
    desktop.sandbox.run(["kill", "-STOP", str(child.pid_inside)])
    assert not desktop.settling.settle(bound_s=0.2)
    monkeypatch.setattr("agentgym_desktop.settle.HANGS_S", 0.0)
    assert desktop.settling.settle(Patience(0.02, 0.02), bound_s=5.0)
    desktop.sandbox.run(["kill", "-CONT", str(child.pid_inside)])
    assert desktop.windows.close(window.id)


def test_a_list_of_windows_that_changes_all_the_time_is_not_waited_for(
    desktop: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, window = desktop.open("mousepad", "--disable-server")
    desktop.sandbox.run(["kill", "-STOP", str(child.pid_inside)])
    learn = desktop.settling._learn_windows

    def learn_and_hear_of_a_change() -> None:
        learn()
        desktop.settling._list_changed = True

    monkeypatch.setattr(desktop.settling, "_learn_windows", learn_and_hear_of_a_change)
    assert not desktop.settling.settle(bound_s=0.2)
    desktop.sandbox.run(["kill", "-CONT", str(child.pid_inside)])
    assert desktop.windows.close(window.id)


def test_a_clipboard_that_is_handed_over_in_pieces_without_end_is_none(
    desktop: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = Connection(desktop.sandbox.connect(screen.SOCKET))
    window, target = connection.new_id(), desktop.display.window
    connection.core.CreateWindow(0, window, connection.root, 0, 0, 1, 1, 0, 1, 0, 0, [])
    names = [connection.atom(name) for name in ("CLIPBOARD", "UTF8_STRING", HANDED_OVER)]
    connection.core.SetSelectionOwner(window, names[0], 0)
    connection.sync()
    stop = threading.Event()

    def hand_over() -> None:
        while not stop.is_set():
            for _ in range(200):  # together, so that there is always one more on its way
                connection.set_property(target, HANDED_OVER, "INCR", b"x")
            answer = struct.pack("=B3xIIIII8x", SELECTION_NOTIFY, 0, target, *names)
            connection.core.SendEvent(False, target, 0, answer)
            connection.sync()

    thread = threading.Thread(target=hand_over)
    thread.start()
    monkeypatch.setattr("agentgym_desktop.clipboard.READ_ALL_S", 0.5)
    started = time.monotonic()
    try:
        assert desktop.clipboard.read() is None
        assert time.monotonic() - started < 10
    finally:
        stop.set()
        thread.join()
        connection.close()


@pytest.mark.parametrize("length", [0, 5, 70_000, 700_000], ids=str)
def test_the_clipboard_carries_text_in_and_out_of_an_app(desktop: Screen, length: int) -> None:
    child, _ = desktop.open("mousepad", "--disable-server")
    text = ("ä你\n" + "x" * 95 + "\n") * (length // 100) + "end" * (length > 0)
    desktop.clipboard.write(text)
    assert desktop.clipboard.read() == text  # of our own
    desktop.act(Click(x=640, y=400), Type("-"), Press("Control+v"), Press("Control+a"), Press("Control+c"))
    assert desktop.clipboard.read(5.0) == "-" + text
    child.kill()
    assert desktop.windows.wait(lambda windows: not windows, 5.0)
    assert desktop.clipboard.read() is None


def test_a_frame_buffer_that_is_cut_short_is_an_error_and_not_the_end_of_the_process() -> None:
    with running() as desktop:
        desktop.sandbox.run(["truncate", "-s", "4096", screen.FRAME])
        with pytest.raises(SessionCrashedError, match="cut short"):
            desktop.display.screenshot()


def test_the_end_of_the_x_server_is_told_at_once() -> None:
    with running() as desktop:
        desktop.services.program("X server").kill()
        started = time.monotonic()
        with pytest.raises(SessionCrashedError, match="X server ended"):
            desktop.settling.settle()
        with pytest.raises(SessionCrashedError, match="X server"):
            desktop.inputs.perform(Click(x=1, y=1), {})
        desktop.services.program("X server").wait(5.0)
        with pytest.raises(SessionCrashedError, match="X server ended with status -9"):
            desktop.services.check()
        assert time.monotonic() - started < 1.0


def test_an_x_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with running() as desktop:
        desktop.sandbox.run(["kill", "-STOP", str(desktop.services.program("X server").pid_inside)])
        monkeypatch.setattr(wire, "REPLY_S", 0.2)
        with pytest.raises(SessionTimeoutError, match=r"X server did not answer in 0\.2 s"):
            desktop.windows.list()


def test_the_screen_of_one_desktop_cannot_be_reached_from_another() -> None:
    with running() as one:
        assert one.sandbox.run(["python3", "-c", CONNECTS]).stdout == b"b'\\x01'\n" * 2  # its own screen: accepted
        child = one.sandbox.spawn(["xterm", "-T", "secret"], env=ENVIRONMENT)
        assert one.windows.wait(lambda windows: any(each.title == "secret" for each in windows), 20.0)
        with running() as other:
            assert other.windows.list() == ()
            # With its own server gone there is none: neither by path nor by abstract name.
            other.services.program("X server").kill()
            other.services.program("X server").wait(5.0)
            other.sandbox.run(["rm", "-f", screen.SOCKET])
            refused = other.sandbox.run(["python3", "-c", CONNECTS]).stdout.split()
            assert refused == [b"FileNotFoundError", b"ConnectionRefusedError"]
        assert child.poll() is None
        assert one.windows.list()[0].title == "secret"


def hostile(greeting: bytes, then: bytes = b"") -> Connection:
    """Connect to a server that says what it wants."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with theirs:
            theirs.recv(GREETING_BYTES)
            theirs.sendall(greeting)
            if greeting and theirs.recv(65536):
                theirs.sendall(then)
                theirs.recv(65536)

    server = threading.Thread(target=serve)
    server.start()
    try:
        return Connection(ours)
    finally:
        ours.close()
        server.join()


def accepted() -> bytes:
    """Return the greeting of a real server."""
    with running((64, 64)) as desktop, desktop.sandbox.connect(screen.SOCKET) as end:
        end.sendall(struct.pack("=BxHHHHxx", ord("l"), 11, 0, 0, 0))
        start = end.recv(8, socket.MSG_WAITALL)
        return start + end.recv(struct.unpack_from("=6xH", start)[0] * 4, socket.MSG_WAITALL)


@pytest.mark.parametrize(
    ("greeting", "error"),
    [
        (b"\x00" * 40, "refused a client"),
        (b"\x01" + b"\xff" * 39, "answered the greeting with 262148 bytes"),
        (b"\x01\0\x0b\0\0\0\x08\0" + b"\xff" * 32, "cannot be read"),
        (b"", "X server ended"),
    ],
    ids=["no", "huge", "nonsense", "nothing"],
)
def test_a_forged_greeting_is_an_error(greeting: bytes, error: str) -> None:
    with pytest.raises(SessionCrashedError, match=error):
        hostile(greeting)


def test_a_forged_answer_is_bounded_and_an_error() -> None:
    greeting = accepted()
    with pytest.raises(SessionCrashedError, match="announced an answer of 4294967324 bytes"):
        hostile(greeting, struct.pack("=BBHI24x", 1, 0, 1, 0x3FFFFFFF))
    with pytest.raises(SessionCrashedError, match="has no extension DAMAGE"):
        hostile(greeting, struct.pack("=BBHI24x", 1, 0, 1, 0))
    with pytest.raises(InfrastructureError):
        hostile(greeting, bytes(range(256)) * 64)
