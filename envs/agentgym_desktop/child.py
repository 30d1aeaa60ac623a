"""Programs inside a sandbox, as the host holds them: a status that arrives on a pipe and a log of bounded size."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LOG_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
LAST_WORDS_S = 0.2  # how long what a program's children still write is waited for, once it has ended itself


class Finished(NamedTuple):
    """How a program ended, and what it wrote: untrusted, whatever program it was."""

    status: int | None
    """Its exit status; -N where signal N ended it; None where it was killed for time or output."""
    stdout: bytes
    stderr: bytes
    timed_out: bool
    cut: bool
    """It wrote more than it was allowed to, so it was killed and the rest is gone."""


class Log:
    """Memory of a fixed size that a program writes its output to: what does not fit is refused by the kernel."""

    def __init__(self, size: int = LOG_BYTES) -> None:
        self.descriptor = os.memfd_create("log", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.descriptor, size)
        seals = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, seals)
        self._size = size
        self._kept: bytes | None = None

    def read(self, max_bytes: int = LOG_BYTES) -> bytes:
        """Return the first bytes that were written."""
        if self._kept is not None:
            return self._kept[:max_bytes]
        written = min(os.lseek(self.descriptor, 0, os.SEEK_CUR), self._size, max_bytes)  # the place is shared
        return os.pread(self.descriptor, written, 0)

    def close(self) -> None:
        """Give the descriptor back; what was written stays readable."""
        if self._kept is None:
            self._kept = self.read()
            os.close(self.descriptor)


class Child:
    """A program that was started inside; it ends at the latest with its sandbox. Its calls may come from any thread."""

    def __init__(self, pid_inside: int, status: int, log: Log, send: Callable[[int, int], None]) -> None:
        self.pid_inside = pid_inside
        """Its process id, and that of its process group and session, as seen inside."""
        self.exit_status: int | None = None
        """None while it runs, -N after signal N. A sandbox that ends kills it with signal 9."""
        self._status: int | None = status
        self._log = log
        self._send = send
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        state = "running" if self.exit_status is None else f"exit status {self.exit_status}"
        return f"Child(pid_inside={self.pid_inside}, {state})"

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""
        return self.wait(0)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Return the exit status, waiting for it; None where time ran out."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while self.exit_status is None:
            with self._lock:
                status = self._status
                if status is None:
                    break
                left = 100.0 if end is None else max(0.0, end - time.monotonic())
            ready = _wait([status], min(left, 1.0))  # in slices: another thread may have read it meanwhile
            with self._lock:
                if ready and self._status is not None:
                    self._read(self._status)
            if not ready and end is not None and time.monotonic() >= end:
                break
        return self.exit_status

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal its process group; nothing happens where it has ended."""
        if self.exit_status is None:
            self._send(self.pid_inside, number)

    def log(self, max_bytes: int = LOG_BYTES) -> bytes:
        """Return the beginning of what it and its children wrote: untrusted."""
        return self._log.read(max_bytes)

    def close(self) -> None:
        """Give the descriptors back, once its sandbox has ended: it then counts as killed. Its log stays."""
        with self._lock:
            if self._status is not None:
                self._read(self._status)
        self._log.close()

    def __del__(self) -> None:
        if self._status is not None:  # nobody will ask any more; the program goes on
            os.close(self._status)
        self._log.close()

    def _read(self, status: int) -> None:
        told = b""
        with contextlib.suppress(BlockingIOError):
            told = os.read(status, 16)
        try:
            self.exit_status = int(told)
        except ValueError:
            self.exit_status = -int(signal.SIGKILL)
        self._status = None
        os.close(status)


class Conversation:
    """The pipes of a program that is run to its end: what goes in, and what comes out up to a size.

    Args:
        descriptors: the host's ends of its standard input, output and error.
        status: where its exit status arrives.
        text: what it reads.
        max_output: bytes of output and error each, beyond which the rest is not read.
    """

    def __init__(self, descriptors: tuple[int, int, int], status: int, *, text: bytes, max_output: int) -> None:
        self._input, self._output, self._error = descriptors
        self._status = status
        self._text = memoryview(text)
        self._max_output = max_output
        self._got: dict[int, bytearray] = {self._output: bytearray(), self._error: bytearray()}
        self._open = {self._output, self._error}
        for descriptor in descriptors:
            os.set_blocking(descriptor, False)

    def hold(self, timeout_s: float) -> Finished:
        """Write and read until the program ends, time runs out or there is too much; the caller then kills it."""
        end = time.monotonic() + timeout_s
        status: int | None = None
        timed_out = cut = False
        while not (status is not None and not self._open):
            left = end - time.monotonic()
            if left <= 0:
                timed_out = status is None
                break
            poll = select.poll()
            for descriptor in self._open:
                poll.register(descriptor, select.POLLIN)
            if status is None:
                poll.register(self._status, select.POLLIN)
            if self._input >= 0:
                poll.register(self._input, select.POLLOUT)
            ready = {descriptor for descriptor, _ in poll.poll(left * 1000)}
            if self._input in ready:
                self._write()
            cut = sum(self._read(descriptor) for descriptor in self._open & ready) > 0  # all are read
            if cut:
                break
            if status is None and self._status in ready:
                told = os.read(self._status, 16)
                status = int(told) if told else -int(signal.SIGKILL)
                end = min(end, time.monotonic() + LAST_WORDS_S)
        stdout, stderr = (bytes(got[: self._max_output]) for got in self._got.values())
        return Finished(None if cut or timed_out else status, stdout, stderr, timed_out, cut)

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._input, self._output, self._error, self._status):
            if descriptor >= 0:
                os.close(descriptor)

    def _write(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                self._text = self._text[os.write(self._input, self._text[:CHUNK_BYTES]) :]
            except BrokenPipeError:
                self._text = self._text[:0]
        if not self._text:
            os.close(self._input)
            self._input = -1

    def _read(self, descriptor: int) -> bool:
        """Read what has come; True where it is more than is wanted."""
        got = self._got[descriptor]
        try:
            chunk = os.read(descriptor, min(CHUNK_BYTES, self._max_output + 1 - len(got)))
        except BlockingIOError:
            return False
        if not chunk:
            self._open.discard(descriptor)
        got += chunk
        return len(got) > self._max_output


def _wait(descriptors: list[int], timeout_s: float) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))
