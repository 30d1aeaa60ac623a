"""Which limits and walls an engine has really put around a container: asked inside, before any program runs there.

An engine takes limits that it cannot set with a warning, or in silence; the kernel's own files say what holds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from agentgym_desktop import limits, rootfs
from agentgym_desktop.applied import Applied

if TYPE_CHECKING:
    from agentgym_desktop.door import Door
    from agentgym_desktop.engine import Engine
    from agentgym_desktop.walls import SandboxSpec

GROUPS = "/sys/fs/cgroup"
MEMORY = (f"{GROUPS}/memory/memory.limit_in_bytes", f"{GROUPS}/memory.max")  # of version 1 and 2
PROCESSES = (f"{GROUPS}/pids/pids.max", f"{GROUPS}/pids.max")
REMEDY = "Run the engine as root, or with control groups of version 2."
BY_GROUP = "control group"
BY_PROCESS = "each process by rlimit"


def applied(spec: SandboxSpec, engine: Engine, door: Door) -> Applied:
    """Ask a container's process 1 what applies.

    Raises:
        InfrastructureError: the container has ended or does not answer.
    """
    memory = any(_number(door, path) == spec.memory_mb * limits.MIB for path in MEMORY)
    processes = any(_number(door, path) == spec.processes for path in PROCESSES)
    status = dict(line.split(":", 1) for line in _text(door, "/proc/1/status").splitlines())
    uid = host_uid(_text(door, "/proc/1/uid_map"))
    filtered = status.get("Seccomp", "").strip() == "2"
    shortfalls = []
    if uid == rootfs.UID:
        shortfalls.append(f"programs count as the host's user {uid}, as those of other containers do")
    if not memory:
        shortfalls.append(f"each process has a memory limit, but not all together: {engine.name} set none. {REMEDY}")
    if not processes:
        shortfalls.append(f"the limit of processes is by rlimit: {engine.name} set none. {REMEDY}")
    if not filtered:
        shortfalls.append(f"{engine.name} filters no system calls; what closes namespaces is the lack of rights alone")
    return Applied(
        walls=f"{engine.name} {engine.version}, own processes, network, IPC; "
        f"system calls {'filtered' if filtered else 'not filtered'}",
        host_uid=uid,
        own_user=False,
        user_namespaces="closed by the filter" if filtered else "not closed",
        memory=f"{spec.memory_mb} MB, {BY_GROUP if memory else BY_PROCESS}",
        processes=f"{spec.processes}, {BY_GROUP if processes else 'rlimit'}",
        processor="an equal share with other containers",
        folders=f"home {spec.home_mb}, /tmp {spec.tmp_mb}, /dev/shm {spec.shm_mb}, /run {spec.run_mb} MB",
        shortfalls=tuple(shortfalls),
    )


def process_limits(spec: SandboxSpec, walls: Applied) -> dict[str, int]:
    """Return the limits that process 1 is to set itself and its programs; see `limits.process_limits`."""
    memory_group, group = (text.endswith(BY_GROUP) for text in (walls.memory, walls.processes))
    made = limits.process_limits(spec.memory_mb, spec.processes, memory_group=memory_group)
    if group:  # the other would count what this user runs in all containers
        del made["NPROC"]
    return made


def host_uid(uid_map: str) -> int:
    """Return who a container's user is outside, by the kernel's map of it."""
    for line in uid_map.splitlines():
        inside, outside, count = map(int, line.split())
        if inside <= rootfs.UID < inside + count:
            return outside + rootfs.UID - inside
    return rootfs.UID


def _number(door: Door, path: str) -> int | None:
    try:
        text = _text(door, path).strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _text(door: Door, path: str) -> str:
    """Read a file of the kernel's inside."""
    descriptor = door.ask_descriptor(path, b"open", os.fsencode(path), b"%d" % os.O_RDONLY, b"0")
    with os.fdopen(descriptor, "rb") as opened:
        return opened.read(65_536).decode(errors="replace")
