"""Whose a container is: its owner's process in its name, so that what a dead owner left is known and swept.

An owner is a process id with its start time, the process namespace that it counts in and the boot that it is of.
Containers of owners in other process namespaces are left alone: nobody here can tell whether they live.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from agentgym_desktop import identity

if TYPE_CHECKING:
    from agentgym_desktop.engine import Engine

PREFIX = "agentgym"
_lock = threading.Lock()
_swept: set[tuple[int, Engine]] = set()  # by which process, in which engine


def name(token: str) -> str:
    """Return a name for a container of this process."""
    return f"{PREFIX}-{os.getpid()}-{_began(os.getpid())}-{_namespace()}-{_boot()}-{token}"


def is_dead(name: str) -> bool:
    """Say whether a container's owner is known to have ended, by the container's name."""
    parts = name.split("-")
    if len(parts) != 6 or parts[0] != PREFIX or not parts[1].isdigit():
        return False
    _, pid, began, namespace, boot, _ = parts
    if namespace != _namespace():
        return False
    return boot != _boot() or _began(int(pid)) != began


def sweep(engine: Engine) -> list[str]:
    """Remove the containers and folders of dead owners; return the containers' names."""
    listed = engine.ask("ps", "--all", "--filter", f"name={PREFIX}-", "--format", "{{.Names}}")
    dead = [each for each in listed.stdout.split() if is_dead(each)]
    if dead:
        engine.ask("rm", "--force", *dead)
    for folder in identity.folder().glob(f"{PREFIX}-*"):
        if is_dead(folder.name.partition(".")[0]):
            shutil.rmtree(folder, ignore_errors=True)  # another may sweep it at the same time
    return dead


def sweep_once(engine: Engine) -> None:
    """Sweep where this process has not yet."""
    with _lock:
        us = (os.getpid(), engine)
        if us not in _swept:
            _swept.add(us)
            sweep(engine)


def _began(pid: int) -> str:
    """Return when a process started, in the kernel's ticks since boot; "" where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in ("Z", "X") else fields[19]  # its parent may not have asked for its status yet


def _namespace() -> str:
    return str(Path("/proc/self/ns/pid").stat().st_ino)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
