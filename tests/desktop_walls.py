"""What the tests of the desktop's sandbox share: attacks as scripts, run inside, and on the host as their control."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from agentgym_desktop import launch
from agentgym_desktop.rootfs import PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from agentgym_desktop.sandbox import Sandbox

NOBODY = 1_899_999_999  # an ordinary user that owns nothing


def inside(sandbox: Sandbox, script: str, *arguments: str, timeout_s: float = 60.0) -> str:
    """Run Python as the agent could, with a terminal; return what it printed."""
    done = sandbox.run([PYTHON, "-c", script, *arguments], timeout_s=timeout_s)
    assert done.status == 0, done
    return done.stdout.decode().strip()


def on_host(script: str, *arguments: str) -> str:
    """Run the same as an ordinary user of the host, where no wall stands."""
    who = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [PYTHON, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        check=False,
        **who,  # type: ignore[call-overload]  # the keys are its own
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


def without(patch: pytest.MonkeyPatch, *flags: str) -> None:
    """Leave flags of bubblewrap out of the sandboxes that are started from now on; ``--remount-ro /`` is one flag."""
    command = launch.command

    def weaker(*arguments: object) -> list[str]:
        made = command(*arguments)  # type: ignore[arg-type]  # handed through
        for flag in flags:
            words = flag.split()
            at = next(at for at in range(len(made)) if made[at : at + len(words)] == words)
            length = 2 if flag == "--seccomp" else len(words)
            del made[at : at + length]
        return made

    patch.setattr(launch, "command", weaker)


@contextlib.contextmanager
def host_folder() -> Iterator[Path]:
    """Make a folder of the host that every user can enter: those of pytest are closed."""
    with tempfile.TemporaryDirectory(prefix="agentgym-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def processes(sandbox: Sandbox) -> list[psutil.Process]:
    """Return the host's processes of a sandbox, bubblewrap and process 1 among them."""
    outer = psutil.Process(sandbox.host_pid)
    return [outer, *outer.children(recursive=True)]


def named(sandbox: Sandbox) -> Iterator[tuple[str, int]]:
    """Yield the names and host's ids of a sandbox's processes."""
    for process in processes(sandbox):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended
            yield process.name(), process.pid


def control_groups(owner: int) -> list[Path]:
    """Return the control groups of the sandboxes of an owner."""
    return [Path(folder) for folder, _, _ in os.walk("/sys/fs/cgroup") if f"/agentgym-{owner}-" in folder]


def mounts() -> int:
    """Return how many mounts the host sees."""
    return len(Path("/proc/self/mountinfo").read_text().splitlines())
