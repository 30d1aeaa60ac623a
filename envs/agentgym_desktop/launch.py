"""Launching a sandbox: the plan that the keeper carries out, and the descriptors that go with it."""

from __future__ import annotations

import dataclasses
import functools
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agentgym_desktop import identity, limits, rootfs, seccomp, walls
from agentgym_desktop.child import Log
from agentgym_desktop.door import END_S, Door
from agentgym_desktop.keeper import FIRST_DESCRIPTOR
from agentgym_desktop.keeping import Line, keeper
from agentgym_desktop.refusals import explain
from agentgym_desktop.rootfs import INIT, PYTHON

if TYPE_CHECKING:
    from types import TracebackType

    from agentgym_desktop.applied import Applied
    from agentgym_desktop.identity import Lease
    from agentgym_desktop.limits import Group
    from agentgym_desktop.walls import SandboxSpec

START_S = 20.0  # on a machine with far too much to do


@dataclasses.dataclass(frozen=True)
class Launched:
    """A sandbox that has been started."""

    door: Door
    line: Line
    log: Log
    """What bubblewrap and process 1 wrote."""
    applied: Applied
    lease: Path
    """The file that stands for it on this machine."""
    pid: int
    """Bubblewrap's process id on the host; all of the sandbox is below it."""

    def end(self) -> None:
        """End it, and wait until nothing is left of it."""
        end(self.door, self.line, self.log)


class Handed:
    """Descriptors that go to bubblewrap, and the numbers that they will have there."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    @property
    def next(self) -> int:
        """The number of the next one."""
        return FIRST_DESCRIPTOR + len(self.descriptors)

    def add(self, descriptor: int) -> int:
        """Hand over a copy of a descriptor; return its number there."""
        number = self.next
        self.descriptors.append(os.dup(descriptor))
        return number

    def data(self, content: bytes) -> int:
        """Hand over a content to be read; return its descriptor's number there."""
        number = self.next
        descriptor = os.memfd_create("data", os.MFD_CLOEXEC)
        self.descriptors.append(descriptor)
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return number

    def __enter__(self) -> Handed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


def launch(spec: SandboxSpec) -> Launched:
    """Start a sandbox, and wait until its process 1 answers and has its limits.

    Raises:
        MissingDependencyError: something must be installed or permitted; the message says what and how.
        WorldCrashedError: it did not start for another reason, with what was said.
    """
    walls.bubblewrap()  # what may be missing is found out before there is anything to give back
    seccomp.program()
    rootfs.arguments(spec.root)
    lease = identity.lease()
    groups = limits.plan(lease.name, spec.memory_mb, spec.processes)
    began = time.monotonic()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line, log = Line(), Log()
    door = Door(ours, line, log, memory_mb=spec.memory_mb)
    try:
        with theirs, Handed() as handed:
            arguments = [*command(spec, handed, theirs.fileno(), log.descriptor), lease.name]
            _send(arguments, handed, line=line, lease=lease, groups=groups)
        took = line.hear("groups", START_S)
        if took is None or not door.wait_until_open(START_S):
            waited_s = time.monotonic() - began
            line.hang_up()
            line.wait_for_end(END_S)
            raise explain(log.read().decode(errors="replace"), waited_s)  # noqa: TRY301 (the handler ends it)
        memory_group = "memory" in limits.holding(groups, took)
        inside = limits.process_limits(spec.memory_mb, spec.processes, memory_group=memory_group)
        for name, value in inside.items():
            door.ask(name, b"limit", name.encode(), b"%d" % value)
    except BaseException:
        end(door, line, log)
        raise
    applied = limits.applied(spec, groups, took, uid=lease.uid, program=walls.bubblewrap())
    return Launched(door, line, log, applied, lease.path, line.hear("pid", START_S))


def end(door: Door, line: Line, log: Log) -> None:
    """End a sandbox, and wait until nothing is left of it."""
    door.shut()
    line.hang_up()
    if not line.wait_for_end(END_S):
        identity.sweep()  # its keeper was killed, and with it the sandbox
    line.close()
    door.close()
    log.close()


def command(spec: SandboxSpec, handed: Handed, control: int, log: int) -> list[str]:
    """Return the command line of bubblewrap for a sandbox.

    Args:
        spec: the sandbox.
        handed: takes the descriptors that the command line names.
        control: process 1's end of its socket.
        log: where bubblewrap and process 1 write what goes wrong.
    """
    program = walls.bubblewrap()
    number = handed.add(control)
    made = [program.path, *walls.namespace_arguments(program)]
    made += walls.file_arguments(spec, handed.data, _init_script())
    made += ["--seccomp", str(handed.data(seccomp.program()))]
    handed.add(log)  # the keeper takes the last one for this
    made += ["--info-fd", str(handed.next)]  # and adds the one that it reads the first process from
    return [*made, "--", PYTHON, "-I", "-S", INIT, str(number)]


def _send(arguments: list[str], handed: Handed, *, line: Line, lease: Lease, groups: list[Group]) -> None:
    """Hand the plan of a sandbox to the keeper, with the lease."""
    plan = {
        "arguments": arguments,
        "uid": lease.uid,
        "lease": str(lease.path),
        "groups": [{"path": str(group.path), "settings": group.settings, "wishes": group.wishes} for group in groups],
    }
    try:
        lease.record([group.path for group in groups])
        keeper().start(plan, [line.theirs(), lease.lock, *handed.descriptors])
    except BaseException:
        lease.give_back()
        raise
    finally:
        line.handed()
    os.close(lease.lock)  # the keeper has a copy, and holds the lease from now on


@functools.cache
def _init_script() -> bytes:
    return Path(__file__).with_name("init.py").read_bytes()
