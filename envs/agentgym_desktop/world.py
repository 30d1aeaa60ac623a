"""The desktop world: sandboxed Linux desktops with real apps, each a few namespaces and processes.

An episode gets a desktop that no other has had: a warm one from a pool that is refilled in the background, so a reset
takes milliseconds, and nothing survives it. Isolated between sessions: files, processes, users, network (there is
none), screen, clipboard, settings. Not isolated: CPU time, the kernel. What limits memory and processes depends on the
machine (see `limits`), and is told by `agentgym doctor`. Leaves no process behind, also when the owner is killed (see
`keeper`). Slots work side by side on threads, which wait for their desktops. A process that was forked from the owner
has no session: it opens its own desktops when it resets.
"""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from agentgym.action import Action
from agentgym.errors import AgentGymError, ConfigError, InfrastructureError, MissingDependencyError, SessionStateError
from agentgym.look import PLAIN, Look, Part, all_parts
from agentgym.world import Step, World, refuse_too_many
from agentgym_desktop.apps import EDITOR
from agentgym_desktop.container import ContainerSandbox
from agentgym_desktop.desktop import SPEC, Desktop
from agentgym_desktop.pool import Pool
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.session import Kind, Session
from agentgym_desktop.task import DesktopTask
from agentgym_desktop.work import WorkUnderWay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentgym.observation import Observation
    from agentgym.task import Instance
    from agentgym_desktop.held import Backend, SandboxStart

MAX_STANDBY = 4  # desktops that wait, where nobody says how many
STARTS: dict[Backend, SandboxStart] = {"sandbox": Sandbox.start, "container": ContainerSandbox.start}


class DesktopWorld(World):
    """Sessions on desktops.

    Args:
        num_slots: how many sessions there are, >= 1.
        screenshot: whether observations carry a screenshot, whatever `look` says.
        look: what observations hold, and how much of a full screen.
        standby: how many desktops wait for the next episodes, >= 0; None for half of the slots, at most `MAX_STANDBY`.
            A light one takes some 40 MB of memory, one with an office program 300 MB.
        root: a root file system that `scripts/build_rootfs` made, the same on every machine; None for the host's own
            programs.
        backend: "sandbox" for walls of bubblewrap, "container" for those of podman or docker (see
            docs/desktop-container.md).
        image: the container's image; None for the programs of `root` or of the host.
        memory_mb: what all programs of a desktop may take together, files included.

    Raises:
        MissingDependencyError: raised by `reset`: bubblewrap, the X server or an app is not installed, or the machine
            allows no namespaces; of a container: no engine works, or there is no such image.
        ConfigError: there is no such backend, or it takes no image, or not beside a root.
    """

    name: ClassVar[str] = "desktop"
    parts: ClassVar[frozenset[Part]] = frozenset({"elements", "tree", "screenshot", "marks"})
    needed: ClassVar[bool] = False
    prepares: ClassVar[bool] = True

    def __init__(
        self,
        *,
        num_slots: int = 1,
        screenshot: bool = False,
        look: Look = PLAIN,
        standby: int | None = None,
        root: Path | str | None = None,
        backend: Backend = "sandbox",
        image: str | None = None,
        memory_mb: int = SPEC.memory_mb,
    ) -> None:
        if num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, got {num_slots}")
        if standby is None:
            standby = min(MAX_STANDBY, (num_slots + 1) // 2)
        if standby < 0:
            raise ValueError(f"standby must be at least 0, got {standby}")
        if backend not in STARTS:
            raise ConfigError(f"No backend {backend!r} of the desktop world; it has {' and '.join(STARTS)}.")
        if image is not None and (backend != "container" or root is not None):
            raise ConfigError("An image is for backend='container' alone, and without a root: it brings its own files.")
        self.num_slots = num_slots
        self._backend: Backend = backend
        self._standby = standby
        folder = None if root is None else Path(root).absolute()
        self._spec = replace(SPEC, root=folder, image=image, memory_mb=memory_mb)
        self._look = replace(look, parts=all_parts(look.parts, screenshot=screenshot))
        self._start_anew()
        _WORLDS.add(self)

    def __repr__(self) -> str:
        return f"DesktopWorld(num_slots={self.num_slots}, backend={self._backend!r}, parts={sorted(self._look.parts)})"

    @classmethod
    def check(cls) -> str:
        """Return which walls and limits a desktop has here, after starting one; for `agentgym doctor`.

        Raises:
            MissingDependencyError: something is not installed, or the machine permits no namespaces; the message says
                whether a desktop in a container starts.
        """
        try:
            return _try("sandbox")
        except MissingDependencyError as error:
            try:
                walls = _try("container")
            except AgentGymError as other:
                raise MissingDependencyError(f"{error} Nor does one start in a container: {other}") from other
            raise MissingDependencyError(
                f'{error} One starts in a container, so give `backend="container"` to `agentgym.make` ({walls}).'
            ) from error

    @property
    def standbys(self) -> int:
        """How many desktops are ready for the next episodes."""
        return self._pool.ready

    @property
    def under_way(self) -> frozenset[int]:
        """The slots whose work was submitted, and whose result was not collected yet."""
        return self._work.slots

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots."""
        self.check_slots(instances)
        return self._work.together({slot: partial(self._session(slot).reset, each) for slot, each in instances.items()})

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots."""
        self.check_slots(actions)
        return self._work.together({slot: partial(self._running(slot).step, each) for slot, each in actions.items()})

    def submit(self, work: Mapping[int, Instance | Action]) -> None:
        """Start work in some slots; it goes on while the caller does something else."""
        self.check_slots(work)
        running: dict[int, Callable[[], Observation | Step]] = {}
        for slot, each in work.items():
            if isinstance(each, Action):
                running[slot] = partial(self._running(slot).step, each)
            else:
                running[slot] = partial(self._session(slot).reset, each)
        self._work.start(running)

    def isolation(self, slot: int) -> str:
        """Return which walls and limits a slot's desktop has."""
        return self._running(slot).isolation

    def expect(self, instances: Mapping[int, Instance]) -> None:
        """Take note of what some slots will start next; their desktops are made ready, files and apps included."""
        for slot, instance in instances.items():
            if isinstance(instance.task, DesktopTask):
                self._pool.expect(slot, Kind.of(instance.task)._replace(instance=instance))

    def collect(
        self, *, at_least: int = 1, timeout_s: float | None = None
    ) -> dict[int, Observation | Step | InfrastructureError]:
        """Wait for submitted work, and return the results that are there, in the order in which they came."""
        refuse_too_many(at_least, self.under_way)
        return self._work.take(at_least=at_least, timeout_s=timeout_s)

    def close(self) -> None:
        """End all desktops, whatever they are doing; may be called twice."""
        for session in self._sessions.values():
            session.discard()  # whoever waits for one is told that it has ended
        self._work.close()
        for session in self._sessions.values():  # what a reset that was under way has taken meanwhile
            session.discard()
        self._pool.close()
        self._retired.shutdown(wait=True)
        self._start_anew()

    def _session(self, slot: int) -> Session:
        if slot not in self._sessions:
            self._sessions[slot] = Session(slot, self._pool, look=self._look, retire=self._retire)
        return self._sessions[slot]

    def _running(self, slot: int) -> Session:
        if slot not in self._sessions:
            raise SessionStateError(f"step before reset: slot {slot} has no running episode; call reset first.")
        return self._sessions[slot]

    def _retire(self, desktop: Desktop) -> None:
        self._retired.submit(desktop.close)

    def _start_desktop(self, kind: Kind) -> Desktop:
        desktop = Desktop.start(size=kind.size, apps=kind.apps, spec=self._spec, start=STARTS[self._backend])
        if kind.instance is not None:
            task, seed = kind.instance
            assert isinstance(task, DesktopTask)
            try:
                desktop.prepare(task.prepare(seed))
            except BaseException:
                desktop.close()
                raise
        return desktop

    def _start_anew(self) -> None:
        """Be a world that was never opened."""
        self._sessions: dict[int, Session] = {}
        self._work: WorkUnderWay[Observation | Step] = WorkUnderWay(self.num_slots)
        self._retired = ThreadPoolExecutor(1, thread_name_prefix="agentgym-retired")
        self._pool = Pool(self._start_desktop, size=self._standby)

    def _start_anew_after_fork(self) -> None:
        """Be a world that was never opened: the desktops and the threads are the parent's.

        What was inherited is kept and left alone: ending it would reach into the parent's.
        """
        _INHERITED.append((self._sessions, self._work, self._retired, self._pool))
        self._start_anew()


def _try(backend: Backend) -> str:
    """Start a desktop, and return which walls and limits it has."""
    desktop = Desktop.start(apps=(EDITOR,), start=STARTS[backend])
    try:
        return desktop.applied.describe().replace("\n", "; ")
    finally:
        desktop.close()


_WORLDS: weakref.WeakSet[DesktopWorld] = weakref.WeakSet()
_INHERITED: list[object] = []


def _after_fork() -> None:
    for world in list(_WORLDS):
        world._start_anew_after_fork()


os.register_at_fork(after_in_child=_after_fork)
