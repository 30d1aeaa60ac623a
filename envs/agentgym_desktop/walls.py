"""The command line of bubblewrap: which walls stand around a sandbox, and what is put inside."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentgym.errors import MissingDependencyError
from agentgym_desktop import rootfs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agentgym_desktop.rootfs import Bind

ENVIRONMENT: dict[str, str] = {
    "HOME": rootfs.HOME,
    "USER": rootfs.USER,
    "LOGNAME": rootfs.USER,
    "SHELL": "/bin/bash",
    "PATH": "/usr/bin:/bin:/usr/games",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "TMPDIR": "/tmp",  # noqa: S108 (inside the sandbox it is its own)
    "XDG_RUNTIME_DIR": rootfs.RUNTIME,
}
INSTALL = (
    "Install it with `sudo apt-get install bubblewrap` (Debian, Ubuntu) or `sudo dnf install bubblewrap` (Fedora)."
)
OLDEST = (0, 7)  # the first that can limit the size of a tmpfs
CLOSES_USER_NAMESPACES = (0, 8)
MIB = 1024 * 1024


@dataclass(frozen=True)
class SandboxSpec:
    """What a sandbox is made of. Sizes in MiB."""

    root: Path | None = None
    """A prepared root file system; None for the host's programs."""
    image: str | None = None
    """A container's image, in place of the host's programs; for the container backend alone."""
    binds: tuple[Bind, ...] = ()
    """More of the host's files, read-only."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every program inside, beside and above `ENVIRONMENT`."""
    memory_mb: int = 2048
    """All programs together, what they write to their folders included."""
    processes: int = 600
    """Processes and threads together."""
    home_mb: int = 256
    tmp_mb: int = 256
    shm_mb: int = 128
    run_mb: int = 16


@dataclass(frozen=True)
class Bubblewrap:
    """The program, and what it can do."""

    path: str
    version: tuple[int, ...]

    @property
    def closes_user_namespaces(self) -> bool:
        """Whether it can forbid user namespaces inside, beside the filter on system calls."""
        return self.version >= CLOSES_USER_NAMESPACES


@functools.cache
def bubblewrap() -> Bubblewrap:
    """Find bubblewrap.

    Raises:
        MissingDependencyError: it is not installed or too old.
    """
    path = shutil.which("bwrap")
    if path is None:
        raise MissingDependencyError(f"A desktop needs bubblewrap (the program bwrap), which was not found. {INSTALL}")
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 (a fixed command)
    version = tuple(int(part) for part in re.findall(r"\d+", answer.stdout)[:3])
    if version < OLDEST:
        raise MissingDependencyError(
            f"{path} is version {'.'.join(map(str, version)) or 'unknown'}; a desktop needs "
            f"{'.'.join(map(str, OLDEST))} or later, which limits the size of folders. {INSTALL}"
        )
    return Bubblewrap(path, version)


def namespace_arguments(program: Bubblewrap) -> list[str]:
    """Return the arguments that part the sandbox from the host: whom it sees, reaches and is."""
    made = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
    ]
    if program.closes_user_namespaces:
        made.append("--disable-userns")
    made += ["--uid", str(rootfs.UID), "--gid", str(rootfs.UID), "--hostname", "desktop"]
    return [*made, "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]


def file_arguments(spec: SandboxSpec, data: Callable[[bytes], int], init: bytes) -> list[str]:
    """Return the arguments that say which files are inside, and how much may be written where.

    Args:
        spec: the sandbox.
        data: takes a file's content and returns the descriptor that bubblewrap will read it from.
        init: the script of process 1.
    """
    made = rootfs.arguments(spec.root)
    for path, content in {**rootfs.settings(spec.root), rootfs.INIT: init}.items():
        made += ["--ro-bind-data", str(data(content)), path]
    # The user owns the switches of its namespaces, such as how much memory its message queues may take.
    made += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    for path, size_mb in (
        (rootfs.HOME, spec.home_mb),
        ("/tmp", spec.tmp_mb),  # noqa: S108 (inside the sandbox it is its own)
        ("/dev/shm", spec.shm_mb),  # noqa: S108 (the same)
        ("/run", spec.run_mb),
    ):
        made += ["--size", str(size_mb * MIB), "--tmpfs", path]
    made += ["--perms", "1777", "--dir", "/tmp/.X11-unix", "--perms", "1777", "--dir", "/tmp/.ICE-unix"]  # noqa: S108
    made += ["--dir", "/run/user", "--perms", "0700", "--dir", rootfs.RUNTIME]
    if spec.root is None:
        made += ["--symlink", "/run", "/var/run", "--symlink", "/tmp", "/var/tmp"]  # noqa: S108
    for bind in spec.binds:
        made += ["--ro-bind", str(bind.source), bind.target]
    # Bubblewrap's own tmpfs below it all has no size: it must take no file of anybody's.
    return [*made, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", rootfs.HOME]
