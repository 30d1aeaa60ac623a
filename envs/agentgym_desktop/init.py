"""Process 1 inside a sandbox: it starts programs and opens files and sockets for the host, and does nothing else.

Run as ``python3 -I -S init.py CONTROL NAME`` by bubblewrap, with a SOCK_SEQPACKET socket on descriptor CONTROL, or by
a container engine, with the path of one to connect to. NAME is for the host, to tell whose process this is. A request
is fields divided by NUL bytes: an operation, then its arguments; descriptors come beside it. The answer is ``ok`` or
``error`` with its field, and at most one descriptor.
The host is trusted, and nothing inside can reach the socket: it is closed on exec, and this process cannot be traced
or read, for it is not dumpable. What programs write never passes through here: the host hands over its own pipes.

It stands alone, on the Python of the sandbox's file system (3.9 or later), and imports little: each sandbox pays for
it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import select
import signal
import socket
import sys

MESSAGE_BYTES = 256 * 1024
DESCRIPTORS = 8  # at most this many come with a request
PR_SET_DUMPABLE = 4
OPENAT2 = 437  # the same number on every architecture
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
OPEN_TRIES = 16  # the kernel may answer EAGAIN while something else renames folders
RESET_SIGNALS = (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD)

libc = ctypes.CDLL(None, use_errno=True)


class OpenHow(ctypes.Structure):
    """``struct open_how`` of openat2(2)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def main(control: int) -> None:
    """Serve the host until it closes its end of the socket; then this process ends, and the kernel ends all others."""
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.closerange(3, control)
    os.closerange(control + 1, 256)
    os.set_inheritable(control, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Python's own handler would let any program inside end this one
    Init(socket.socket(fileno=control)).serve()


def connect(path: str) -> int:
    """Connect to the host's socket, and take from it where to write what goes wrong; return our end."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    control.connect(path)
    _, ((_, _, log),), _, _ = control.recvmsg(16, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    for stream in (1, 2):
        os.dup2(int.from_bytes(log, sys.byteorder), stream)
    return control.detach()


class Init:
    """The programs started, and the loop that answers the host."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.children: dict[int, int] = {}  # pid -> the descriptor that its exit status goes to
        self.woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer requests and reap the dead until the host hangs up."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.woken, select.POLLIN)
        self.control.send(b"ready")
        while True:
            ready = [number for number, _ in poll.poll()]
            if self.woken in ready:
                os.read(self.woken, 4096)
                self.reap()
            if self.control.fileno() in ready and not self.answer():
                return

    def answer(self) -> bool:
        """Answer one request; False when the host has hung up."""
        room = socket.CMSG_SPACE(DESCRIPTORS * 4)
        message, ancillary, _, _ = self.control.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        descriptors = [
            int.from_bytes(data[at : at + 4], sys.byteorder)
            for _, _, data in ancillary
            for at in range(0, len(data), 4)
        ]
        opened = None
        try:
            answer, opened = self.perform(message.split(b"\0"), descriptors)
        except OSError as error:
            answer = b"error\0%d" % (error.errno or errno.EIO)
        for descriptor in descriptors:
            if descriptor not in self.children.values():
                os.close(descriptor)
        if opened is None:
            self.control.send(answer)
        else:
            self.hand_over(answer, opened)
        return True

    def perform(self, request: list[bytes], descriptors: list[int]) -> tuple[bytes, int | None]:
        """Do what is asked for; return the answer and the descriptor that goes with it.

        Raises:
            OSError: it could not be done.
        """
        operation, *fields = request
        if operation == b"spawn":
            return b"ok\0%d" % self.spawn(fields, descriptors), None
        if operation == b"kill":
            return b"ok\0%d" % self.kill(int(fields[0]), int(fields[1])), None
        if operation == b"open":
            return b"ok\0", self.open(fields[0], int(fields[1]), int(fields[2]))
        if operation == b"connect":
            return b"ok\0", self.connect(fields[0])
        if operation == b"make":
            self.make_folders(fields[0])
            return b"ok\0", None
        if operation == b"mode":
            os.fchmod(descriptors[0], int(fields[0]))
            return b"ok\0", None
        if operation == b"limit":
            limit(fields[0].decode(), int(fields[1]))
            return b"ok\0", None
        raise OSError(errno.ENOSYS, "no such operation")

    def hand_over(self, answer: bytes, opened: int) -> None:
        """Answer with a descriptor, and close it here."""
        number = opened.to_bytes(4, sys.byteorder)
        try:
            self.control.sendmsg([answer], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, number)])
        except OSError as error:  # too many descriptors are on their way between this user's processes
            self.control.send(b"error\0%d" % (error.errno or errno.EIO))
        os.close(opened)

    def spawn(self, fields: list[bytes], descriptors: list[int]) -> int:
        """Start a program in a session of its own; its exit status will go to the last descriptor.

        Raises:
            OSError: it could not be started, for example because it does not exist or the process limit is reached.
        """
        folder, oom_score, count = fields[0], fields[1], int(fields[2])
        arguments, pairs = fields[3 : 3 + count], fields[3 + count :]
        environment = dict(pair.split(b"=", 1) for pair in pairs)
        failed, failing = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.fork()
            if pid == 0:
                become(folder, arguments, environment, descriptors, failing)
        except OSError:
            os.close(failed)
            raise
        finally:
            os.close(failing)
        failure = os.read(failed, 16)
        os.close(failed)
        if failure:
            os.waitpid(pid, 0)
            raise OSError(int(failure), "cannot be started")
        self.children[pid] = descriptors[3]
        try:  # so that the kernel's choice falls on programs before it falls on process 1
            score = os.open(f"/proc/{pid}/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
            os.write(score, oom_score)  # not by the program itself: while it is a copy of this process it may not
            os.close(score)
        except OSError:
            pass  # it has ended already
        return pid

    def kill(self, pid: int, number: int) -> int:
        """Signal a program's process group; 0 where it has ended already."""
        if pid not in self.children:
            return 0
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return 0
        return 1

    def open(self, path: bytes, flags: int, mode: int) -> int:
        """Open a path from the root without following a link at any component.

        Raises:
            OSError: what openat2(2) says; ELOOP for a link.
        """
        flags |= os.O_CLOEXEC
        if not flags & os.O_PATH:  # so that nothing, such as a pipe that nobody writes to, can hold this process up
            flags |= os.O_NONBLOCK | os.O_NOCTTY
        how = OpenHow(flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
        for _ in range(OPEN_TRIES):
            got = libc.syscall(
                OPENAT2, self.root, path.lstrip(b"/") or b".", ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how))
            )
            if got >= 0:
                return int(got)
            number = ctypes.get_errno()
            if number not in (errno.EAGAIN, errno.EINTR):
                break
        raise OSError(number, os.strerror(number))

    def make_folders(self, path: bytes) -> None:
        """Make a folder and those above it, following no link."""
        at = b""
        for part in filter(None, path.split(b"/")):
            above = self.open(at, os.O_PATH | os.O_DIRECTORY, 0)
            try:
                os.mkdir(part, 0o755, dir_fd=above)
            except FileExistsError:
                pass
            finally:
                os.close(above)
            at += b"/" + part

    def connect(self, path: bytes) -> int:
        """Connect to a Unix stream socket; its server sees this process as the peer.

        Raises:
            OSError: nothing listens there; EAGAIN where its queue is full.
        """
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            end.setblocking(False)
            end.connect(path)
            return end.detach()
        finally:
            end.close()

    def reap(self) -> None:
        """Collect every dead process, and tell the host of those that it started."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            told = self.children.pop(pid, None)
            if told is not None:
                try:  # noqa: SIM105 (contextlib costs memory here)
                    os.write(told, b"%d" % os.waitstatus_to_exitcode(status))
                except BrokenPipeError:
                    pass  # the host no longer wants to know
                os.close(told)


def limit(name: str, value: int) -> None:
    """Set a limit of this process, which every program that it starts will have and none can raise."""
    number = getattr(resource, "RLIMIT_" + name)
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (value, value))


def become(
    folder: bytes, arguments: list[bytes], environment: dict[bytes, bytes], descriptors: list[int], failing: int
) -> None:
    """In the new process: turn into the program. Never returns."""
    try:
        os.setsid()
        for number in RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for stream in (0, 1, 2):
            os.dup2(descriptors[stream], stream)
        os.chdir(folder)
        os.execvpe(arguments[0], arguments, environment)  # noqa: S606 (starting programs is what it is for)
    except OSError as error:
        os.write(failing, b"%d" % (error.errno or errno.EIO))
    finally:
        os._exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1].isdigit() else connect(sys.argv[1]))
