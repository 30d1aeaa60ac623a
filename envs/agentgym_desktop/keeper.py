"""The keeper: a small process between a world and its sandboxes, so that nothing outlives the owner.

Run as ``python -I -S keeper.py OWNER_PID SOCKET``. Each request on the socket is a plan (JSON) with descriptors
beside it: the *line* to the owner of this one sandbox, the lock of its lease, and what bubblewrap reads. The keeper
makes the control groups, starts bubblewrap in them under the leased user, and says on the line what took. When
bubblewrap ends, the line or the socket closes, or the owner dies in whatever way, it kills the sandbox, waits until
its process 1 and with it every process inside is gone, removes the groups and the lease, and says so. Where the
keeper itself is killed its sandboxes follow, since bubblewrap asks to die with the thread that started it: this one,
the only one; what they leave is swept by whoever leases next (`identity`). It stands alone and imports only what is
needed.
"""

import array
import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import sys
from typing import Any

MESSAGE_BYTES = 256 * 1024
DESCRIPTORS = 64
FIRST_DESCRIPTOR = 10  # what bubblewrap gets is numbered from here; the plan's arguments count on it
HIGH_DESCRIPTOR = 200  # above all numbers that bubblewrap is given
RETRY_S = 0.05  # a control group is busy for a moment after its last process
TRIES = 100
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None)


class Kept:
    """One sandbox, from its plan to the last trace of it."""

    def __init__(self, plan: dict[str, Any], descriptors: list[int]) -> None:
        self.line, self.lock, *self.handed = descriptors
        self.lease: str = plan["lease"]
        self.groups: list[dict[str, Any]] = plan["groups"]
        self.outer = 0
        self.outer_fd = self.inner_fd = self.info = -1
        self.ending = False

    def start(self, plan: dict[str, Any]) -> None:
        """Make the groups and start bubblewrap in them; tell the owner which groups took, and why others did not."""
        took = [make_group(group) for group in self.groups]
        self.info, info = os.pipe2(os.O_CLOEXEC)
        go, gone = os.pipe2(os.O_CLOEXEC)
        keeper = os.getpid()
        try:
            self.outer = os.fork()
        except OSError as error:  # no process or memory left: the owner reads it in the log, as what bubblewrap says
            os.write(self.handed[-1], f"no process for bubblewrap: {error}\n".encode())
            self.ending = True
        else:
            if self.outer == 0:
                os.close(gone)
                os.read(go, 1)
                become(plan, [*self.handed, info], keeper)
            self.outer_fd = os.pidfd_open(self.outer)
            took = [error or join(group, self.outer) for group, error in zip(self.groups, took, strict=True)]
        for descriptor in (info, go, gone):
            os.close(descriptor)
        for descriptor in self.handed:
            os.close(descriptor)
        self.handed = []
        self.tell({"groups": took, "pid": self.outer})

    def learn(self) -> None:
        """Read which process is the first inside; bubblewrap writes in several pieces, of which this is the first."""
        told = os.read(self.info, 4096)
        if not told:
            os.close(self.info)
            self.info = -1
        if self.inner_fd < 0 and b'"child-pid":' in told:
            number = told.partition(b'"child-pid":')[2].partition(b",")[0]
            with contextlib.suppress(ValueError, OSError):
                self.inner_fd = os.pidfd_open(int(number))
        if self.ending:
            self.kill()

    def kill(self) -> None:
        """Kill bubblewrap and the first process inside, and with that all others there."""
        self.ending = True
        for descriptor in (self.inner_fd, self.outer_fd):
            if descriptor >= 0:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)

    def is_gone(self) -> bool:
        """Say whether bubblewrap and the first process inside have ended."""
        return self.info < 0 and ended(self.outer_fd) and ended(self.inner_fd)

    def remove(self) -> None:
        """Remove the groups and the lease, and let the owner know by closing the line."""
        killed = sum(out_of_memory_kills(group["path"]) for group in self.groups)
        self.tell({"out_of_memory_kills": killed})
        for group in self.groups:
            remove_group(group["path"])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.lease)  # noqa: PTH108 (pathlib costs memory here)
        self.tell({"removed": True})
        for descriptor in (self.outer_fd, self.inner_fd, self.lock, self.line):
            if descriptor >= 0:
                os.close(descriptor)

    def tell(self, message: dict[str, Any]) -> None:
        """Send the owner a message, if it still listens."""
        with contextlib.suppress(OSError):
            os.write(self.line, json.dumps(message).encode())


def main(owner_pid: int, requests: socket.socket) -> None:
    """Keep sandboxes until the owner is gone or closes its socket, then end those that are left."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the owner decides
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    try:
        owner = os.pidfd_open(owner_pid)
    except ProcessLookupError:
        return
    if os.getppid() != owner_pid:
        return
    kept: list[Kept] = []
    serving = True
    while serving or kept:
        ready = wait(kept, [owner, requests.fileno()] if serving else [])
        if requests.fileno() in ready and owner not in ready:
            serving = take(requests, kept)
        if owner in ready or not serving:
            serving = False
            for one in kept:
                one.kill()
        for one in kept:
            if one.info in ready:
                one.learn()
            if not one.ending and (one.line in ready or ended(one.outer_fd)):
                one.kill()
        reap()
        for one in [one for one in kept if one.is_gone()]:
            kept.remove(one)
            one.remove()


def wait(kept: list[Kept], others: list[int]) -> set[int]:
    """Return the descriptors on which something has happened."""
    poll = select.poll()
    for descriptor in others:
        poll.register(descriptor, select.POLLIN)
    for one in kept:
        if not one.ending:
            poll.register(one.line, select.POLLIN | select.POLLRDHUP)
        for descriptor in (one.outer_fd, one.inner_fd):
            if not ended(descriptor):
                poll.register(descriptor, select.POLLIN)
        if one.info >= 0:
            poll.register(one.info, select.POLLIN)
    # What has ended just now is not among those polled: it must not be waited for.
    at_once = any(one.is_gone() or (ended(one.outer_fd) and not one.ending) for one in kept)
    return {descriptor for descriptor, _ in poll.poll(0 if at_once else None)}


def take(requests: socket.socket, kept: list[Kept]) -> bool:
    """Start the sandbox of one request; False when the owner has closed the socket."""
    message, descriptors = receive(requests)
    if not message:
        return False
    plan = json.loads(message)
    one = Kept(plan, descriptors)
    kept.append(one)
    one.start(plan)
    return True


def receive(end: socket.socket) -> tuple[bytes, list[int]]:
    """Return a message and its descriptors, closed on exec: `socket.recv_fds` of Python 3.11 ignores that flag."""
    room = socket.CMSG_SPACE(DESCRIPTORS * 4)
    message, ancillary, _, _ = end.recvmsg(MESSAGE_BYTES, room, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return message, list(descriptors)


def become(plan: dict[str, Any], handed: list[int], keeper: int) -> None:
    """In the new process: take the numbers, the user and the program of the plan. Never returns."""
    try:
        high = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH_DESCRIPTOR) for descriptor in handed]
        for number, descriptor in enumerate(high, FIRST_DESCRIPTOR):
            os.dup2(descriptor, number)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        for number in (1, 2):  # bubblewrap's complaint: the last but one descriptor is the owner's
            os.dup2(FIRST_DESCRIPTOR + len(handed) - 2, number)
        os.setsid()
        os.chdir("/")
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if plan["uid"] is not None:
            os.setgroups([])
            os.setresgid(plan["uid"], plan["uid"], plan["uid"])
            os.setresuid(plan["uid"], plan["uid"], plan["uid"])
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # bubblewrap asks for it too, but only when it has begun to work
        if os.getppid() != keeper:
            return
        os.execve(plan["arguments"][0], plan["arguments"], {"PATH": "/usr/bin:/bin"})  # noqa: S606 (the owner's own command)
    except OSError as error:
        os.write(2, f"cannot start {plan['arguments'][0]}: {error}\n".encode())
    finally:
        os._exit(127)


def make_group(group: dict[str, Any]) -> str | None:
    """Make a control group with its limits; say why it could not be made."""
    try:
        os.mkdir(group["path"])  # noqa: PTH102 (pathlib costs memory here)
        for name, value in group["settings"]:
            write(f"{group['path']}/{name}", value)
        for name, value in group["wishes"]:
            with contextlib.suppress(OSError):
                write(f"{group['path']}/{name}", value)
    except OSError as error:
        return str(error)
    return None


def join(group: dict[str, Any], pid: int) -> str | None:
    """Put a process into a control group; say why it could not be."""
    try:
        write(f"{group['path']}/cgroup.procs", str(pid))
    except OSError as error:
        return str(error)
    return None


def write(path: str, text: str) -> None:
    """Write to a file of the kernel's, in one call."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def remove_group(path: str) -> None:
    """Remove a control group whose processes are gone."""
    for _ in range(TRIES):
        try:
            os.rmdir(path)  # noqa: PTH106 (pathlib costs memory here)
        except FileNotFoundError:
            return
        except OSError:
            select.select([], [], [], RETRY_S)
        else:
            return


def out_of_memory_kills(path: str) -> int:
    """Return how many processes of a group were killed for its memory limit."""
    for name in ("memory.events", "memory.oom_control"):
        with contextlib.suppress(OSError):
            descriptor = os.open(f"{path}/{name}", os.O_RDONLY)
            text = os.read(descriptor, 4096).decode()
            os.close(descriptor)
            return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))
    return 0


def ended(pidfd: int) -> bool:
    """Say whether the process behind a descriptor has ended; where there is none, it has."""
    if pidfd < 0:
        return True
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def reap() -> None:
    """Collect all dead children: as subreaper the orphans of a killed bubblewrap are among them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), socket.socket(fileno=int(sys.argv[2])))
