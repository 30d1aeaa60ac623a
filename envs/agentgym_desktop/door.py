"""The door: the socket to process 1 of a sandbox, and what becomes of questions to it."""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Any, Protocol

from agentgym.errors import SessionCrashedError, SessionTimeoutError
from agentgym_desktop.keeper import receive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym_desktop.child import Log

ANSWER_S = 10.0  # process 1 answers in a millisecond; only a machine or sandbox at its limits takes longer
END_S = 20.0
REQUEST_BYTES = 100 * 1024  # of a program's arguments and environment


class Line(Protocol):
    """Where it is told how the sandbox has ended; see `agentgym_desktop.keeping.Line`."""

    def hear(self, key: str, timeout_s: float) -> Any:
        """Return what is told under a key; None where nothing is."""
        ...


class Door:
    """Asks process 1, one question at a time; from any thread.

    Args:
        control: our end of its socket.
        line: where it is told how the sandbox has ended.
        log: what process 1 writes where it goes wrong.
        memory_mb: the sandbox's limit, for the message when it was the reason.
    """

    def __init__(self, control: socket.socket, line: Line, log: Log, *, memory_mb: int) -> None:
        self._control = control
        self._line = line
        self._log = log
        self._memory_mb = memory_mb
        self._lock = threading.Lock()
        self._shutting = threading.Lock()  # of its own: a question may hold the other for long
        self._given_up: str | None = None
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether questions can still be asked."""
        if self._closed or self._given_up is not None:
            return False
        poll = select.poll()
        try:
            poll.register(self._control, select.POLLRDHUP)
        except ValueError:  # closed by another thread in between
            return False
        return not poll.poll(0)

    def wait_until_open(self, timeout_s: float) -> bool:
        """Wait for process 1's first word; False where it does not come."""
        if not self._readable(timeout_s):
            return False
        try:
            return self._control.recv(16) == b"ready"
        except OSError:
            return False

    def ask(self, about: str, *fields: bytes, descriptors: Sequence[int] = ()) -> bytes:
        """Send process 1 a request with descriptors, and return its answer.

        Raises:
            OSError: its answer is an error; ``about`` is what the error is about.
            SessionCrashedError: the sandbox has ended.
            SessionTimeoutError: it does not answer; it is given up.
        """
        answer, got = self._exchange(about, fields, descriptors)
        for descriptor in got:
            os.close(descriptor)
        return answer

    def ask_descriptor(self, about: str, *fields: bytes) -> int:
        """Send process 1 a request, and return the descriptor that it answers with; fails as `ask` does."""
        _, got = self._exchange(about, fields, ())
        if len(got) != 1:
            self._given_up = "process 1 answered without the descriptor that was asked for"
            raise self.ended()
        return got[0]

    def shut(self) -> bool:
        """Take no more questions; False where it was shut already."""
        with self._shutting:
            shut, self._closed = self._closed, True
        return not shut

    def close(self) -> None:
        """Give the socket back, once no question is on its way."""
        with self._lock:
            self._control.close()

    def ended(self) -> SessionCrashedError:
        """Make the error for a sandbox that is no more."""
        if self._given_up is not None:
            return SessionCrashedError(f"The sandbox was given up: {self._given_up}.")
        if self._closed:
            return SessionCrashedError("The sandbox was closed.")
        kills = self._line.hear("out_of_memory_kills", END_S)
        if kills:
            return SessionCrashedError(
                f"The sandbox ended: its programs wanted more than its {self._memory_mb} MB of memory, and its process "
                f"1 was among the {kills} that were killed for it."
            )
        said = self._log.read().decode(errors="replace").strip()
        return SessionCrashedError(f"The sandbox ended: its process 1 is gone.{' It said: ' if said else ''}{said}")

    def _exchange(self, about: str, fields: Sequence[bytes], descriptors: Sequence[int]) -> tuple[bytes, list[int]]:
        request = b"\0".join(fields)
        if len(request) > REQUEST_BYTES:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), about)
        if request.count(b"\0") != len(fields) - 1:
            raise OSError(errno.EINVAL, "No name has a NUL in it", about)
        with self._lock:
            if not self.alive:
                raise self.ended()
            try:
                socket.send_fds(self._control, [request], descriptors)
                if not self._readable(ANSWER_S):
                    raise self._late()  # noqa: TRY301 (what the handlers below are for is another matter)
                answer, got = receive(self._control)
            except OSError as error:
                if self.alive:  # such as too many descriptors on their way between this user's processes
                    self._given_up = f"a question could not be asked: {error}"
                raise self.ended() from error
            except BaseException:  # interrupted between question and answer: the next answer would be this one's
                self._given_up = self._given_up or "a question to it was interrupted"
                raise
        word, _, value = answer.partition(b"\0")
        if word == b"error" and value.isdigit():
            raise OSError(int(value), os.strerror(int(value)), about)
        if word != b"ok":
            raise self.ended()
        return value, got

    def _late(self) -> SessionTimeoutError:
        self._given_up = f"its process 1 did not answer within {ANSWER_S:g} s"
        return SessionTimeoutError(f"The sandbox is given up: {self._given_up}.")

    def _readable(self, timeout_s: float) -> bool:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        return bool(poll.poll(timeout_s * 1000))
