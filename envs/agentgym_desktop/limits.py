"""Limits of memory, processes and processor time: control groups where we may make them, per-process limits elsewhere.

Groups are made below our own (version 1) or below the nearest ancestor that hands out the controllers (version 2), so
that what limits us limits our sandboxes. Without groups: a bound on the processes of the sandbox, and one on the memory
of each process, which several processes together can exceed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agentgym_desktop.applied import Applied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym_desktop.walls import Bubblewrap, SandboxSpec

MIB = 1024 * 1024
ENVIRONMENT_VARIABLE = "AGENTGYM_CGROUP"
REMEDY = f"Run as root, or set {ENVIRONMENT_VARIABLE} to a version 2 group that is delegated to you."
OPEN_FILES = 8192  # Chromium wants many
QUEUE_BYTES = 819_200


@dataclass(frozen=True)
class Group:
    """A control group to be made."""

    limits: tuple[str, ...]
    """Which of "memory", "processes" and "processor" it holds."""
    version: int
    path: Path
    settings: tuple[tuple[str, str], ...]
    """Files and what is written to them; without one of them the group is no limit."""
    wishes: tuple[tuple[str, str], ...] = ()
    """The same, where they exist."""


def plan(name: str, memory_mb: int, processes: int, *, proc: Path = Path("/proc/self")) -> list[Group]:
    """Return the groups of that name that limit a sandbox, as far as this machine has them; making them may fail."""
    version_1, version_2 = _parents(proc)
    memory = str(memory_mb * MIB)
    groups: list[Group] = []
    settings: tuple[tuple[str, str], ...]
    wishes: tuple[tuple[str, str], ...]
    if "memory" in version_1:
        settings = (("memory.limit_in_bytes", memory),)
        wishes = (("memory.memsw.limit_in_bytes", memory),)
        groups.append(Group(("memory",), 1, version_1["memory"] / name, settings, wishes))
    if "pids" in version_1:
        groups.append(Group(("processes",), 1, version_1["pids"] / name, (("pids.max", str(processes)),)))
    if "cpu" in version_1:  # as many programs as it may run, a sandbox gets the share of one
        groups.append(Group(("processor",), 1, version_1["cpu"] / name, (("cpu.shares", "1024"),)))
    if version_2 is not None:
        settings = (("memory.max", memory), ("pids.max", str(processes)))
        wishes = (("memory.swap.max", "0"), ("cpu.weight", "100"))
        groups.append(Group(("memory", "processes", "processor"), 2, version_2 / name, settings, wishes))
    return groups


def process_limits(memory_mb: int, processes: int, *, memory_group: bool) -> dict[str, int]:
    """Return the limits of each process, by their names without RLIMIT_, as process 1 inside sets them.

    The count of processes is that of the sandbox alone from Linux 5.14 on; before, that of its user on the host. Memory
    is what a process can write to (RLIMIT_DATA), since Chromium reserves more addresses than any useful RLIMIT_AS.
    """
    # One byte of core file, not none: the kernel then does not start the host's handler of crashes either (core(5)).
    limits = {"NPROC": processes, "CORE": 1, "NOFILE": OPEN_FILES, "MSGQUEUE": QUEUE_BYTES, "MEMLOCK": 8 * MIB}
    return limits if memory_group else {**limits, "DATA": memory_mb * MIB}


def holding(groups: Sequence[Group], took: Sequence[str | None]) -> dict[str, Group]:
    """Return the group that holds each limit, of those that took: for each, None or what went wrong."""
    return {limit: group for group, error in zip(groups, took, strict=True) if error is None for limit in group.limits}


def applied(
    spec: SandboxSpec, groups: Sequence[Group], took: Sequence[str | None], *, uid: int | None, program: Bubblewrap
) -> Applied:
    """Say what applies to a sandbox.

    Args:
        spec: what was asked for.
        groups: the control groups that were planned.
        took: for each, None where the sandbox is in it, or what went wrong.
        uid: its own user on the host; None where it runs as ours.
        program: the bubblewrap that was used.
    """
    by = holding(groups, took)
    why = "; ".join(sorted({error for error in took if error})) or "there are none that hand out the controllers"
    shortfalls = []
    if "memory" not in by:
        shortfalls.append(f"each process has a memory limit, but not all together: no control group ({why}). {REMEDY}")
    if "processes" not in by and uid is None:
        shortfalls.append("the limit of processes is by rlimit, which before Linux 5.14 counts all of yours")
    if not program.closes_user_namespaces:
        shortfalls.append("bubblewrap before 0.8 cannot close user namespaces: the filter on system calls alone does")
    memory = f"control group (version {by['memory'].version})" if "memory" in by else "each process by rlimit"
    processes = f"control group (version {by['processes'].version})" if "processes" in by else "rlimit"
    processor = "an equal share with other sandboxes" if "processor" in by else "as any process"
    return Applied(
        walls=f"bubblewrap {'.'.join(map(str, program.version))}, own users, processes, network, IPC; "
        "system calls filtered",
        host_uid=os.geteuid() if uid is None else uid,
        own_user=uid is not None,
        user_namespaces="closed by bubblewrap and by the filter"
        if program.closes_user_namespaces
        else "closed by the filter",
        memory=f"{spec.memory_mb} MB, {memory}",
        processes=f"{spec.processes}, {processes}",
        processor=processor,
        folders=f"home {spec.home_mb}, /tmp {spec.tmp_mb}, /dev/shm {spec.shm_mb}, /run {spec.run_mb} MB",
        shortfalls=tuple(shortfalls),
    )


def _parents(proc: Path) -> tuple[dict[str, Path], Path | None]:
    """Return where groups may be made: the folder of each version 1 controller, and that of version 2."""
    given = os.environ.get(ENVIRONMENT_VARIABLE)
    if given:
        return {}, Path(given)
    own: dict[str, str] = {}
    for line in (proc / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    version_1: dict[str, Path] = {}
    version_2: Path | None = None
    for line in (proc / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            for controller in {"memory", "pids", "cpu"} & set(options.split(",")) & set(own):
                version_1[controller] = _below(Path(point), root, own[controller])
        elif kind == "cgroup2" and "" in own:
            version_2 = _handing_out(Path(point), _below(Path(point), root, own[""]))
    return version_1, version_2


def _below(point: Path, root: str, own: str) -> Path:
    """Return the folder of our own group in a mount that shows the hierarchy from ``root`` on."""
    relative = own.removeprefix(root).lstrip("/") if own.startswith(root) else ""
    return point / relative if (point / relative).is_dir() else point


def _handing_out(point: Path, own: Path) -> Path | None:
    """Return the nearest ancestor whose children have the controllers that we need."""
    for folder in (own, *own.parents):
        try:
            handed = (folder / "cgroup.subtree_control").read_text().split()
        except OSError:
            handed = []
        if {"memory", "pids"} <= set(handed) and os.access(folder, os.W_OK):
            return folder
        if folder == point:
            break
    return None
