"""The sandbox: one namespace sandbox, and the one door between it and the host.

A small process of ours is number 1 inside (`init`). It starts programs, and opens files and sockets *from inside*,
whose descriptors it hands over, so no path from inside is ever followed on the host. Bubblewrap makes the walls
(`walls`), a keeper starts it and removes all of it when this process ends in whatever way (`keeper`).

Isolated: files (the host's programs are visible, read-only), the list of processes, network with its loopback and
abstract sockets, IPC, users; setuid programs have no effect; memory, processes and folders are limited. Not isolated:
the kernel itself, the processor's caches, the host's clock and load, and where `Applied.shortfalls` says so.
Everything that comes out is untrusted.

Fails with: MissingDependencyError (something to install or to permit), WorldCrashedError (no sandbox could be
started), SessionCrashedError (this one has ended) and SessionTimeoutError (it does not answer). An OSError is an
answer from inside, such as that a file does not exist.
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
import socket
import stat
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agentgym_desktop import walls
from agentgym_desktop.child import LOG_BYTES, Child, Conversation, Finished, Log
from agentgym_desktop.launch import launch
from agentgym_desktop.rootfs import HOME
from agentgym_desktop.walls import SandboxSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentgym_desktop.applied import Applied
    from agentgym_desktop.held import Held

LISTED = 10_000  # names of a folder, at most
OOM_SCORE = 500  # programs are killed for memory before process 1 is


class Sandbox:
    """A running sandbox. Its calls block, and may come from any thread; get one from `start`."""

    def __init__(self, spec: SandboxSpec, held: Held) -> None:
        self.spec = spec
        self.applied: Applied = held.applied
        """Which walls and limits it really has."""
        self._held = held
        self._door = held.door
        self._children: weakref.WeakSet[Child] = weakref.WeakSet()
        self._environment = {**walls.ENVIRONMENT, **spec.environment}

    @classmethod
    def start(cls, spec: SandboxSpec | None = None) -> Sandbox:
        """Start a sandbox and wait until it answers.

        Raises:
            MissingDependencyError: something must be installed or permitted; the message says what and how.
            WorldCrashedError: it could not be started for another reason, with what was said.
        """
        spec = spec or SandboxSpec()
        return cls(spec, launch(spec))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(uid={self.uid}, {'alive' if self.alive else 'ended'})"

    @property
    def uid(self) -> int:
        """The host's user that its programs run as."""
        return self.applied.host_uid

    @property
    def lease(self) -> Path:
        """The file that stands for it on this machine, until it has ended."""
        return self._held.lease

    @property
    def host_pid(self) -> int:
        """The host's process that all others of the sandbox are below."""
        return self._held.pid

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        return self._door.alive

    def spawn(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, folder: str = HOME, log: int = LOG_BYTES
    ) -> Child:
        """Start a program inside, in a session of its own, with no input and its output in a log.

        Args:
            argv: the program and its arguments.
            env: variables beside and above those of the sandbox.
            folder: where it starts.
            log: bytes of its output that are kept, the first ones; writing more fails for the program.

        Raises:
            OSError: the program could not be started, for example because it does not exist.
        """
        output = Log(log)
        try:
            with Path(os.devnull).open("rb") as nothing:
                pid, status = self._spawn(argv, env, folder, (nothing.fileno(), output.descriptor, output.descriptor))
        except BaseException:
            output.close()
            raise
        child = Child(pid, status, output, self._kill)
        self._children.add(child)
        return child

    def run(
        self,
        argv: Sequence[str],
        *,
        input: bytes = b"",  # noqa: A002 (as subprocess.run names it)
        timeout_s: float = 10.0,
        max_output: int = 1024 * 1024,
        env: Mapping[str, str] | None = None,
        folder: str = HOME,
    ) -> Finished:
        """Run a program to its end; what it wrote is untrusted.

        Args:
            argv: the program and its arguments.
            input: what it reads.
            timeout_s: after this long it is killed, with its process group.
            max_output: bytes of output, and of error output; one that writes more is killed.
            env: variables beside and above those of the sandbox.
            folder: where it starts.

        Raises:
            OSError: the program could not be started.
        """
        end = time.monotonic() + timeout_s
        inside_in, host_in = os.pipe()
        host_out, inside_out = os.pipe()
        host_error, inside_error = os.pipe()
        try:
            pid, status = self._spawn(argv, env, folder, (inside_in, inside_out, inside_error))
        except BaseException:
            for descriptor in (host_in, host_out, host_error):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (inside_in, inside_out, inside_error):
                os.close(descriptor)
        talk = Conversation((host_in, host_out, host_error), status, text=input, max_output=max_output)
        try:
            finished = talk.hold(end - time.monotonic())
        finally:
            talk.close()
        if finished.status is None:
            self._kill(pid)
        if not self.alive:
            raise self._door.ended()
        return finished

    def connect(self, path: str) -> socket.socket:
        """Connect to a Unix stream socket inside; its server sees the sandbox's own user as the peer.

        Raises:
            OSError: nothing listens there.
        """
        end = socket.socket(fileno=self._door.ask_descriptor(path, b"connect", os.fsencode(path)))
        end.setblocking(True)
        return end

    def open(self, path: str, *, directory: bool = False) -> int:
        """Open a file or folder inside for reading; no link is followed at any component of the path.

        A program inside can change or shorten the file at any time. So never map it into memory: reading a page that it
        has cut off would kill this process with SIGBUS. Read it with `os.pread` or `os.preadv` into a buffer of yours.

        Returns:
            A descriptor, the caller's to close. From that of a folder ``..`` leads out: go nowhere from it.

        Raises:
            OSError: it does not exist, a component is a link (ELOOP), or it is not of the kind that was asked for: a
                regular file, or a folder.
        """
        flags = os.O_RDONLY | (os.O_DIRECTORY if directory else 0)
        descriptor = self._door.ask_descriptor(path, b"open", os.fsencode(path), b"%d" % flags, b"0")
        return _checked(descriptor, path, directory=directory)

    def read(self, path: str, *, max_bytes: int) -> bytes:
        """Return a file's content: untrusted.

        Raises:
            OSError: as for `open`; EFBIG where it is larger than ``max_bytes``.
        """
        descriptor = self.open(path)
        try:
            content = bytearray()
            while chunk := os.read(descriptor, min(max_bytes + 1 - len(content), 1 << 20)):
                content += chunk
                if len(content) > max_bytes:
                    raise OSError(errno.EFBIG, f"It has more than the {max_bytes} bytes that are read", path)
            return bytes(content)
        finally:
            os.close(descriptor)

    def write(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Write a file inside, in place of what was there, and make the folders above it.

        Raises:
            OSError: as for `open`; ENOSPC where its folder is full.
        """
        raw = os.fsencode(path)
        self._door.ask(path, b"make", os.path.dirname(raw))  # noqa: PTH120 (a path inside, not one of the host's)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = _checked(self._door.ask_descriptor(path, b"open", raw, b"%d" % flags, b"%d" % 0o600), path)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            self._door.ask(path, b"mode", b"%d" % mode, descriptors=(descriptor,))  # inside it is the user's own
        finally:
            os.close(descriptor)

    def list(self, path: str) -> list[str]:
        """Return the names in a folder, sorted: untrusted, and of a folder with very many only some.

        Bytes that are no UTF-8 are surrogates, as `os.fsdecode` makes them.

        Raises:
            OSError: as for `open`.
        """
        descriptor = self.open(path, directory=True)
        try:
            with os.scandir(descriptor) as entries:
                return sorted(entry.name for entry in itertools.islice(entries, LISTED))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """End it and wait until nothing of it is left: processes, mounts, control groups, lease."""
        if self._door.shut():
            self._held.end()
            for child in [*self._children]:
                child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(
        self, argv: Sequence[str], env: Mapping[str, str] | None, folder: str, streams: tuple[int, int, int]
    ) -> tuple[int, int]:
        """Start a program; return its process id and the descriptor on which its exit status arrives."""
        environment = self._environment if env is None else {**self._environment, **env}
        pairs = [f"{name}={value}" for name, value in environment.items()]
        fields = [folder, str(OOM_SCORE), str(len(argv)), *argv, *pairs]
        if not argv or any("\0" in text for text in fields):
            raise ValueError(f"A program needs a name, and no NUL in its arguments and variables: {argv!r}")
        status, told = os.pipe()
        try:
            descriptors = (*streams, told)
            answer = self._door.ask(argv[0], b"spawn", *map(os.fsencode, fields), descriptors=descriptors)
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(told)
        return int(answer), status

    def _kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        if self.alive:
            self._door.ask(str(pid), b"kill", b"%d" % pid, b"%d" % number)


def _checked(descriptor: int, path: str, *, directory: bool = False) -> int:
    """Return the descriptor if it is of the kind that was asked for, as the host's kernel says; else close it."""
    mode = os.fstat(descriptor).st_mode
    if (stat.S_ISDIR if directory else stat.S_ISREG)(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "Not a regular file", path)
