"""The screen of a desktop: an X server inside the sandbox, whose picture is read from its frame buffer.

The frame buffer is a file of the sandbox's. It is read, not mapped: a file that an agent inside cuts short would end
this process with SIGBUS, where reading it merely returns less. Pictures show the pointer, as those of OSWorld do.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
from typing import TYPE_CHECKING

import numpy as np

from agentgym.errors import SessionCrashedError, SessionTimeoutError
from agentgym_desktop.connection import Connection

if TYPE_CHECKING:
    import socket

    from numpy.typing import NDArray

    from agentgym_desktop.child import Child
    from agentgym_desktop.sandbox import Sandbox

NUMBER = 0
NAME = f":{NUMBER}"
SOCKET = f"/tmp/.X11-unix/X{NUMBER}"  # noqa: S108 (inside the sandbox it is its own)
FRAME_FOLDER = "/dev/shm"  # noqa: S108 (the same)
FRAME = f"{FRAME_FOLDER}/Xvfb_screen0"
START_S = 10.0
MAX_SIDE = 4096  # pixels
POLL_S = 0.002  # between looks for a socket that nobody announces
XWD_HEADER = struct.Struct(">25I")
XWD_COLOR_BYTES = 12


def command(size: tuple[int, int]) -> list[str]:
    """Return the command that starts the X server with a screen of a size.

    Raises:
        ValueError: no screen is of that size.
    """
    width, height = size
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"a screen has from 1x1 to {MAX_SIDE}x{MAX_SIDE} pixels, got {width}x{height}")
    screen = ["-screen", "0", f"{width}x{height}x24", "-dpi", "96", "-fbdir", FRAME_FOLDER]
    # GLX doubles its memory. A key that is held while the machine is busy must not repeat. No screen saver.
    quiet = ["-extension", "GLX", "-r", "-s", "0", "-noreset"]
    return ["Xvfb", NAME, *screen, *quiet, "-nolisten", "tcp"]


class Display:
    """A connected X server; make it with `open`.

    Attributes:
        connection: to it; one thread at a time.
        size: width and height in pixels.
        window: a window of ours, never on screen.
    """

    def __init__(self, connection: Connection, frame: int, size: tuple[int, int]) -> None:
        if connection.size != size:
            raise SessionCrashedError(f"The desktop's screen is {connection.size}, not {size}, pixels big.")
        self.connection = connection
        self.size = size
        self._frame = frame
        width, height = size
        self._offset, self._stride = _layout(frame, size)
        self._pixels = bytearray(self._stride * height)
        rows = np.frombuffer(self._pixels, np.uint8).reshape(height, self._stride)
        self._blue_green_red = rows[:, : width * 4].reshape(height, width, 4)
        self.window = connection.new_id()
        connection.core.CreateWindow(0, self.window, connection.root, -1, -1, 1, 1, 0, 2, 0, 0, [])

    @classmethod
    def open(cls, sandbox: Sandbox, size: tuple[int, int], server: Child) -> Display:
        """Wait until a server that was started answers.

        Raises:
            SessionCrashedError: it ended; the error has its log.
            SessionTimeoutError: it does not answer.
        """
        connection = Connection(await_socket(sandbox, SOCKET, server, "X server"))
        frame = -1
        try:
            frame = sandbox.open(FRAME)
            return cls(connection, frame, size)
        except BaseException:
            connection.close()
            if frame >= 0:
                os.close(frame)
            raise

    def __repr__(self) -> str:
        return f"Display(size={self.size})"

    def screenshot(self) -> NDArray[np.uint8]:
        """Return what is on the screen, the pointer included: a new (height, width, 3) array of RGB.

        Raises:
            SessionCrashedError: somebody inside has cut the frame buffer short.
        """
        read = 0
        view = memoryview(self._pixels)
        while read < len(view):
            got = os.preadv(self._frame, [view[read:]], self._offset + read)
            if got == 0:
                raise SessionCrashedError("The frame buffer of the desktop was cut short.")
            read += got
        width, height = self.size
        picture = np.empty((height, width, 3), np.uint8)
        for channel in range(3):
            picture[..., channel] = self._blue_green_red[..., 2 - channel]
        return picture

    def close(self) -> None:
        """Hang up; may be called twice. The server ends with its sandbox."""
        self.connection.close()
        frame, self._frame = self._frame, -1
        if frame >= 0:
            os.close(frame)


def await_socket(sandbox: Sandbox, path: str, server: Child, name: str) -> socket.socket:
    """Connect to a program's socket as soon as it listens.

    Raises:
        SessionCrashedError: the program ended; the error has its log.
        SessionTimeoutError: it does not listen in time.
    """
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            return sandbox.connect(path)
        if (status := server.poll()) is not None:
            raise ended(name, status, server)
        if time.monotonic() > deadline:
            raise SessionTimeoutError(f"The desktop's {name} does not listen after {START_S:g} s.")
        server.wait(POLL_S)


def ended(name: str, status: int, program: Child) -> SessionCrashedError:
    """Make the error for a program of the desktop that ended, with the end of its log on one line."""
    log = ascii(program.log().decode(errors="replace")[-400:].strip())
    return SessionCrashedError(f"The desktop's {name} ended with status {status}; it wrote {log}.")


def _layout(frame: int, size: tuple[int, int]) -> tuple[int, int]:
    """Read the header of the frame buffer; return where the pixels begin, and the bytes of a row.

    Raises:
        SessionCrashedError: it is not what the X server writes for such a screen.
    """
    header = os.pread(frame, XWD_HEADER.size, 0)
    if len(header) == XWD_HEADER.size:
        fields = XWD_HEADER.unpack(header)
        header_size, version, _, depth, width, height = fields[:6]
        bits, stride, colors = fields[11], fields[12], fields[19]
        offset = header_size + colors * XWD_COLOR_BYTES
        known = (version, depth, width, height, bits, stride) == (7, 24, *size, 32, size[0] * 4)
        if known and offset + stride * height <= os.fstat(frame).st_size:
            return offset, stride
    raise SessionCrashedError("The frame buffer of the desktop has a header that cannot be read.")
