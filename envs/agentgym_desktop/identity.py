"""Who a sandbox is on the host: an unprivileged user of its own where we are root, leased by a locked file.

A lease is a file named after its slot, locked for as long as the sandbox's keeper lives, so a lease whose owner has
died, in whatever way, is free at once. It names the sandbox and its control groups; whoever finds it unlocked
removes those. Ordinary users lease slots too, for that sweep alone: their sandboxes run under their own user.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agentgym.errors import ConfigError, WorldCrashedError

FIRST_UID = 1_900_000_000  # above what systemd gives to its users and containers, see https://systemd.io/UIDS-GIDS
SLOTS = 4096  # sandboxes on one machine at once
LOWEST_UID = 10_000  # below this are people and services
SWEEP_S = 5.0


@dataclass(frozen=True)
class Lease:
    """A slot that is ours until its lock is closed."""

    path: Path
    lock: int
    """A descriptor that holds the lock."""
    uid: int | None
    """The host user of the sandbox; None where it runs as our own."""
    name: str
    """What its control groups are called, and what its first processes have as their last argument."""

    def record(self, groups: list[Path]) -> None:
        """Write down what is about to be made, for whoever may have to remove it."""
        made = {"name": self.name, "groups": [str(group) for group in groups]}
        os.pwrite(self.lock, json.dumps(made).encode(), 0)

    def give_back(self) -> None:
        """End a lease that nothing was started with."""
        self.path.unlink(missing_ok=True)
        os.close(self.lock)


def lease() -> Lease:
    """Lease a free slot, and sweep what dead owners left behind.

    Raises:
        WorldCrashedError: all slots are taken.
        ConfigError: the folder of the leases belongs to somebody else.
    """
    at = folder()
    uids = _uids()
    sweep()
    for slot in range(SLOTS if uids is None else min(SLOTS, len(uids))):
        path = at / f"{slot}.lease"
        lock = _lock(path)
        if lock is not None:
            _clear(lock)
            name = f"agentgym-{os.getpid()}-{secrets.token_hex(4)}"
            return Lease(path=path, lock=lock, uid=None if uids is None else uids[slot], name=name)
    raise WorldCrashedError(f"All {SLOTS} leases of sandboxes in {at} are taken. Close some sandboxes.")


def sweep() -> None:
    """Kill and remove what the sandboxes of dead owners left: processes, control groups and leases."""
    for path in folder().glob("*.lease"):
        lock = _lock(path)
        if lock is None:
            continue
        try:
            _clear(lock)
        finally:
            path.unlink(missing_ok=True)
            os.close(lock)


def _clear(lock: int) -> None:
    """Remove the processes and control groups that a lease's dead owner wrote down."""
    with contextlib.suppress(ValueError):  # it died before it had written, and so before it made anything
        made = json.loads(os.pread(lock, 65536, 0))
        _kill(made["name"])
        for group in made["groups"]:
            _remove_group(Path(group))
    os.ftruncate(lock, 0)


def _kill(name: str) -> None:
    """Kill the processes whose last argument is a sandbox's name.

    Sandboxes end with their keeper. But where it is killed in the millisecond in which bubblewrap has started its
    second process and not yet told it to go on, that one waits for ever.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes().endswith(b"\0" + name.encode() + b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def folder() -> Path:
    """Return the folder of our leases, made if need be.

    Raises:
        ConfigError: it is somebody else's, who could thus steer what we remove.
    """
    if os.geteuid() == 0 and os.access("/run", os.W_OK):  # not so for the root of a user namespace
        made = Path("/run/agentgym-desktop")
    else:
        base = os.environ.get("XDG_RUNTIME_DIR", "")
        usable = base and os.access(base, os.W_OK)
        made = Path(base if usable else tempfile.gettempdir()) / f"agentgym-desktop-{_uid_outside()}"
    made.mkdir(mode=0o700, exist_ok=True)
    found = made.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ConfigError(f"{made} must be a folder that only you can write to, and is not. Remove it, and run again.")
    return made


def _lock(path: Path) -> int | None:
    """Lock a lease; None where somebody holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # its former holder removed it in between


def _uids() -> range | None:
    """Return the users that sandboxes may run as; None where they can only run as our own."""
    if os.geteuid() != 0:
        return None
    mapped = _mapped()
    for first, _, count in mapped:
        if first <= FIRST_UID and first + count >= FIRST_UID + SLOTS:
            return range(FIRST_UID, FIRST_UID + SLOTS)
    first, _, count = max(mapped)  # in a container with few users: the highest of them
    low = max(first, LOWEST_UID, first + count - SLOTS - 1)
    return range(low, first + count - 1) or None


def _mapped() -> list[tuple[int, int, int]]:
    """Return the ranges of users that our user namespace has: the first inside, the first outside, and how many."""
    ranges = []
    for line in Path("/proc/self/uid_map").read_text().splitlines():
        first, outside, count = map(int, line.split())
        ranges.append((first, outside, count))
    return ranges


def _uid_outside() -> int:
    """Return who we are outside our user namespace: there may be many roots, each of a namespace of their own."""
    us = os.geteuid()
    return next((outside + us - first for first, outside, count in _mapped() if first <= us < first + count), us)


def _remove_group(path: Path) -> None:
    """Kill what is left in a control group and remove it."""
    end = time.monotonic() + SWEEP_S
    while path.is_dir() and time.monotonic() < end:
        with contextlib.suppress(OSError):
            for pid in map(int, (path / "cgroup.procs").read_text().split()):
                if pid > 0:  # 0 stands for a process of another namespace, and for kill it would be our own group
                    os.kill(pid, signal.SIGKILL)
        try:
            path.rmdir()
        except OSError:
            time.sleep(0.02)
