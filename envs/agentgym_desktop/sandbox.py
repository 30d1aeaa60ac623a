"""The sandbox: one namespace sandbox, and the one door between it and the host.

A small process of ours is number 1 inside (`init`). It starts programs, and opens files and sockets *from inside*, whose
descriptors it hands over, so no path from inside is ever followed on the host. Bubblewrap makes the walls (`walls`), a
keeper starts it and removes all of it when this process ends in whatever way (`keeper`).

Isolated: files (the host's programs are visible, read-only), processes, network with its loopback and abstract sockets,
IPC, users, setuid programs, memory, processes and disk by size. Not isolated: the kernel itself, the processor's caches,
the host's clock and load, and where `Applied.shortfalls` says so. Everything that comes out is untrusted.

Fails with: MissingDependencyError (something to install or to permit), WorldCrashedError (no sandbox could be started),
SessionCrashedError (this one has ended) and SessionTimeoutError (it does not answer). An OSError is an answer from inside,
such as that a file does not exist.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import select
import socket
import stat
import threading
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.errors import SessionCrashedError, SessionTimeoutError
from agentgym_desktop import identity, limits, seccomp, walls
from agentgym_desktop.applied import Applied
from agentgym_desktop.child import LOG_BYTES, Child, Conversation, Finished, Log
from agentgym_desktop.keeper import FIRST_DESCRIPTOR, receive
from agentgym_desktop.keeping import Line, keeper
from agentgym_desktop.refusals import explain
from agentgym_desktop.rootfs import HOME, INIT, PYTHON
from agentgym_desktop.walls import SandboxSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START_S = 20.0  # on a machine with far too much to do
ANSWER_S = 10.0  # process 1 answers in a millisecond; only a machine or sandbox at its limits takes longer
END_S = 20.0
REQUEST_BYTES = 100 * 1024  # of a program's arguments and environment
LISTED = 10_000  # names of a folder, at most
OOM_SCORE = 500  # programs are killed for memory before process 1 is


class Sandbox:
    """A running sandbox. Its calls block, and may come from any thread; get one from `start`."""

    def __init__(self, spec: SandboxSpec, control: socket.socket, line: Line, log: Log) -> None:
        self.spec = spec
        self._control = control
        self._line = line
        self._log = log
        self._lock = threading.Lock()
        self._children: weakref.WeakSet[Child] = weakref.WeakSet()
        self._broken: str | None = None
        self._closed = False
        self._applied: Applied | None = None
        self._environment = {**walls.ENVIRONMENT, **spec.environment}

    @classmethod
    def start(cls, spec: SandboxSpec | None = None) -> Sandbox:
        """Start a sandbox and wait until it answers.

        Raises:
            MissingDependencyError: something must be installed or permitted; the message says what and how.
            WorldCrashedError: it could not be started for another reason, with what bubblewrap said.
        """
        spec = spec or SandboxSpec()
        program = walls.bubblewrap()
        seccomp.program()  # before there is anything to give back
        lease = identity.lease()
        groups = limits.plan(spec.memory_mb, spec.processes)
        lease.record([group.path for group in groups])
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line, log = Line(), Log()
        sandbox = cls(spec, ours, line, log)
        handed = _Handed()
        try:
            control = handed.add(os.dup(theirs.fileno()))
            arguments = [
                program.path,
                *walls.namespace_arguments(program),
                *walls.file_arguments(spec, handed.data, _init_script()),
                *("--seccomp", str(handed.data(seccomp.program()))),
            ]
            handed.add(os.dup(log.descriptor))
            arguments += ["--info-fd", str(handed.next)]
            memory_group = any("memory" in group.limits for group in groups)
            inside = limits.process_limits(spec.memory_mb, spec.processes, memory_group=memory_group)
            arguments += ["--", PYTHON, "-I", "-S", INIT, str(control), inside]
            plan = {
                "program": program.path,
                "arguments": arguments,
                "uid": lease.uid,
                "lease": str(lease.path),
                "groups": [
                    {"path": str(group.path), "settings": group.settings, "wishes": group.wishes} for group in groups
                ],
            }
            keeper().start(plan, [line.theirs(), lease.lock, *handed.descriptors])
        except BaseException:
            lease.give_back()
            sandbox.close()
            raise
        finally:
            handed.close()
            theirs.close()
            line.handed()
        os.close(lease.lock)
        try:
            sandbox._wait_until_ready(groups, lease.uid)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def __repr__(self) -> str:
        return f"Sandbox(uid={self.uid}, {'alive' if self.alive else 'ended'})"

    @property
    def applied(self) -> Applied:
        """Which walls and limits it really has."""
        assert self._applied is not None
        return self._applied

    @property
    def uid(self) -> int:
        """The host's user that its programs run as."""
        return os.geteuid() if self._applied is None else self._applied.host_uid

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        return not self._closed and self._broken is None and not _hung_up(self._control)

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
            with open(os.devnull, "rb") as nothing:
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
            raise self._ended()
        return finished

    def connect(self, path: str) -> socket.socket:
        """Connect to a Unix stream socket inside; its server sees the sandbox's own user as the peer.

        Raises:
            OSError: nothing listens there.
        """
        end = socket.socket(fileno=self._ask_descriptor(path, b"connect", os.fsencode(path)))
        end.setblocking(True)
        return end

    def open(self, path: str, *, directory: bool = False) -> int:
        """Open a file or folder inside for reading; no link is followed at any component of the path.

        A program inside can change or shorten the file at any time. So never map it into memory: reading a page that it
        has cut off would kill this process with SIGBUS. Read it with `os.pread` or `os.preadv` into a buffer of yours.

        Returns:
            A descriptor, the caller's to close. From that of a folder ``..`` leads out: go nowhere from it.

        Raises:
            OSError: it does not exist, a component is a link (ELOOP), or it is neither a regular file nor a folder, as was
                asked for.
        """
        flags = os.O_RDONLY | (os.O_DIRECTORY if directory else 0)
        descriptor = self._ask_descriptor(path, b"open", os.fsencode(path), b"%d" % flags, b"0")
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
        self._ask(path, b"make", os.path.dirname(raw))  # noqa: PTH120 (a path inside, not one of the host's)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        descriptor = _checked(self._ask_descriptor(path, b"open", raw, b"%d" % flags, b"%d" % 0o600), path)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def list(self, path: str) -> list[str]:
        """Return the names in a folder, sorted: untrusted, and of a folder with very many only some.

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
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        self._line.hang_up()
        self._line.wait_for_end(END_S)
        self._line.close()
        self._control.close()
        for child in [*self._children]:
            child.close()
        self._log.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait_until_ready(self, groups: Sequence[limits.Group], uid: int | None) -> None:
        end = time.monotonic() + START_S
        took = self._line.hear("groups", START_S)
        ready = _readable(self._control, max(0.0, end - time.monotonic())) and self._control.recv(16) == b"ready"
        if took is None or not ready:
            self._line.hang_up()
            self._line.wait_for_end(END_S)
            raise explain(self._log.read().decode(errors="replace"), START_S)
        self._applied = limits.applied(self.spec, groups, took, uid=uid, program=walls.bubblewrap())

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
            answer, _ = self._ask(argv[0], b"spawn", *map(os.fsencode, fields), descriptors=descriptors)
        except BaseException:
            os.close(status)
            raise
        finally:
            os.close(told)
        return int(answer), status

    def _kill(self, pid: int, number: int = 9) -> None:
        if self.alive:
            self._ask(str(pid), b"kill", b"%d" % pid, b"%d" % number)

    def _ask_descriptor(self, about: str, *fields: bytes) -> int:
        _, descriptor = self._ask(about, *fields)
        if descriptor is None:
            raise self._break("it answered without the descriptor that was asked for")
        return descriptor

    def _ask(self, about: str, *fields: bytes, descriptors: Sequence[int] = ()) -> tuple[bytes, int | None]:
        """Send process 1 a request; return its answer and the descriptor with it.

        Raises:
            OSError: its answer is an error; ``about`` is what the error is about.
        """
        request = b"\0".join(fields)
        if len(request) > REQUEST_BYTES:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG), about)
        with self._lock:
            if not self.alive:
                raise self._ended()
            try:
                socket.send_fds(self._control, [request], descriptors)
                if not _readable(self._control, ANSWER_S):
                    raise self._late()
                answer, got = receive(self._control)
            except OSError as error:
                raise self._ended() from error
        word, _, value = answer.partition(b"\0")
        if word == b"error":
            number = int(value)
            raise OSError(number, os.strerror(number), about)
        if word != b"ok":
            raise self._ended()
        return value, got[0] if got else None

    def _late(self) -> SessionTimeoutError:
        self._broken = f"its process 1 did not answer within {ANSWER_S:g} s"
        return SessionTimeoutError(f"The sandbox is given up: {self._broken}.")

    def _break(self, why: str) -> SessionCrashedError:
        self._broken = why
        return SessionCrashedError(f"The sandbox is given up: {why}.")

    def _ended(self) -> SessionCrashedError:
        """Make the error for a sandbox that is no more."""
        if self._broken is not None:
            return SessionCrashedError(f"The sandbox was given up: {self._broken}.")
        if self._closed:
            return SessionCrashedError("The sandbox was closed.")
        kills = self._line.hear("out_of_memory_kills", END_S)
        if kills:
            return SessionCrashedError(
                f"The sandbox ended: its programs wanted more than its {self.spec.memory_mb} MB of memory, and its "
                f"process 1 was among the {kills} processes killed for it."
            )
        return SessionCrashedError("The sandbox ended: its process 1 is gone.")


class _Handed:
    """Descriptors that go to bubblewrap, and the numbers that they will have there."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    @property
    def next(self) -> int:
        return FIRST_DESCRIPTOR + len(self.descriptors)

    def add(self, descriptor: int) -> int:
        number = self.next
        self.descriptors.append(descriptor)
        return number

    def data(self, content: bytes) -> int:
        descriptor = os.memfd_create("data", os.MFD_CLOEXEC)
        number = self.add(descriptor)
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return number

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


@functools.cache
def _init_script() -> bytes:
    return Path(__file__).with_name("init.py").read_bytes()


def _checked(descriptor: int, path: str, *, directory: bool = False) -> int:
    """Return the descriptor if it is of the kind that was asked for, as the host's kernel says; else close it."""
    mode = os.fstat(descriptor).st_mode
    if (stat.S_ISDIR if directory else stat.S_ISREG)(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "Not a regular file", path)


def _readable(end: socket.socket, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _hung_up(end: socket.socket) -> bool:
    poll = select.poll()
    poll.register(end, select.POLLRDHUP)
    return bool(poll.poll(0))
