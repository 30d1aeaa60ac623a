"""The owner's side of the keeper: one keeper a process, started with the first sandbox and again where it has died."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from agentgym.errors import WorldCrashedError

KEEPER = Path(__file__).with_name("keeper.py")
STOP_S = 10.0


class Keeper:
    """A running keeper process."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 (our own script)
                [sys.executable, "-I", "-S", str(KEEPER), str(os.getpid()), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs and is this process's own, not that of one that this one was forked from."""
        return self._owner == os.getpid() and self._process.poll() is None

    def start(self, plan: dict[str, Any], descriptors: list[int]) -> None:
        """Have a sandbox started; what comes of it is told on its line.

        Raises:
            WorldCrashedError: the keeper is gone.
        """
        try:
            with self._lock:
                socket.send_fds(self._socket, [json.dumps(plan).encode()], descriptors)
        except OSError as error:
            raise WorldCrashedError(
                f"The keeper of the sandboxes is gone: {error}. A new one starts next time."
            ) from error

    def stop(self) -> None:
        """End it with all its sandboxes, and wait until all is removed."""
        if self._owner != os.getpid():
            return
        with contextlib.suppress(OSError):  # it is gone already
            self._socket.shutdown(socket.SHUT_RDWR)  # closing would not do: forked processes have it open, too
        self._socket.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


_lock = threading.Lock()
# The last one is in use; those before it have died, or belong to the process that this one was forked from.
_keepers: list[Keeper] = []


# A process forked while another thread holds the lock would wait for it for ever.
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def keeper() -> Keeper:
    """Return this process's keeper, started if need be."""
    with _lock:
        if not _keepers or not _keepers[-1].alive:
            _keepers.append(Keeper())
            atexit.register(_keepers[-1].stop)
        return _keepers[-1]


class Line:
    """The keeper's word on one sandbox: what took when it started, and that nothing is left when it has ended."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._heard: dict[str, Any] = {}
        self._closed = False
        self._lock = threading.Lock()

    def theirs(self) -> int:
        """Return the descriptor to hand to the keeper."""
        return self._theirs.fileno()

    def handed(self) -> None:
        """Let go of the keeper's end, once it has its own copy."""
        self._theirs.close()

    def hang_up(self) -> None:
        """Ask the keeper to end the sandbox."""
        with contextlib.suppress(OSError):  # it is gone already
            self._ours.shutdown(socket.SHUT_WR)

    def hear(self, key: str, timeout_s: float) -> Any:
        """Return what the keeper says under a key; None where it has closed the line or time ran out."""
        with self._lock:
            while key not in self._heard and not self._closed and self._wait(timeout_s):
                try:
                    message = self._ours.recv(65536)
                except ConnectionResetError:
                    message = b""
                self._closed = not message
                self._heard.update(json.loads(message) if message else {})
            return self._heard.get(key)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait until the keeper has removed all; False where it was killed before, or time ran out."""
        self.hear("", timeout_s)
        return self._closed and "removed" in self._heard

    def close(self) -> None:
        """Close our end."""
        self._ours.close()
        self._theirs.close()

    def _wait(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._ours, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
