"""One session: episodes of desktop tasks, each on a desktop of its own that nobody had before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agentgym.action import Action, Done
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionStateError
from agentgym.world import Step
from agentgym_desktop.evidence import DesktopEvidence
from agentgym_desktop.task import DesktopTask, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.look import Look
    from agentgym.observation import Observation
    from agentgym.task import Instance
    from agentgym_desktop.apps import App
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.pool import Pool


class Kind(NamedTuple):
    """What standby desktops differ in."""

    size: tuple[int, int]
    """Width and height of the screen in pixels."""
    apps: tuple[App, ...]
    """What is open."""
    instance: Instance | None = None
    """The episode that it is prepared for, with its files and what is opened then; None for any."""

    @classmethod
    def of(cls, task: DesktopTask) -> Kind:
        """Return the kind that any episode of a task can start from."""
        return cls(task.viewport, task.apps)


class Session:
    """Plays episodes.

    Args:
        slot: which of the world's sessions it is.
        pool: where desktops come from.
        look: what an observation is to hold.
        retire: ends a desktop that is no longer needed, without making the caller wait.
    """

    def __init__(self, slot: int, pool: Pool[Kind, Desktop], *, look: Look, retire: Callable[[Desktop], None]) -> None:
        self._slot = slot
        self._pool = pool
        self._look = look
        self._retire = retire
        self._desktop: Desktop | None = None
        self._task: DesktopTask | None = None  # of the running episode
        self._setup = Setup("")

    @property
    def isolation(self) -> str:
        """Which walls and limits its desktop has; empty where there is none."""
        return "" if self._desktop is None else self._desktop.applied.describe()

    def reset(self, instance: Instance) -> Observation:
        """Start an episode.

        Raises:
            InfrastructureError: the desktop failed; the next reset starts from another one.
            MissingDependencyError: what it needs is not installed.
            TypeError: the task is not a desktop task.
        """
        task = instance.task
        if not isinstance(task, DesktopTask):
            raise TypeError(f"{task!r} is not a DesktopTask, so the desktop world cannot run it")
        self.discard()
        setup = task.prepare(instance.seed)
        common = Kind.of(task)
        kind, desktop = self._pool.take(self._slot, (common._replace(instance=instance), common))
        self._desktop = desktop
        try:
            if kind.instance is None:
                desktop.prepare(setup)
            observation = desktop.look(self._look, setup.instruction)
        except InfrastructureError:
            self.discard()
            raise
        self._task, self._setup = task, setup
        return observation

    def step(self, action: Action) -> Step:
        """Carry out one action.

        Raises:
            SessionStateError: there is no running episode.
            InfrastructureError: the desktop failed; the next reset starts from another one.
        """
        desktop, task = self._desktop, self._task
        if desktop is None or task is None:
            raise SessionStateError("step before reset: this session has no running episode; call reset first.")
        answer = action.answer if isinstance(action, Done) else None
        # Only now: who knows which episode comes next has said so since the reset, and no start is thrown away.
        self._pool.expect(self._slot, Kind.of(task), rather=False)
        try:
            error = desktop.act(action)
            observation = desktop.look(self._look, self._setup.instruction, error=error)
            score = self._judge(desktop, task, answer)
        except InfrastructureError:
            self.discard()
            raise
        if score is not None:
            self._task = None
        return Step(observation, score)

    def discard(self) -> None:
        """Part with the desktop, whatever state it is in."""
        desktop, self._desktop, self._task = self._desktop, None, None
        if desktop is not None:
            self._retire(desktop)

    def _judge(self, desktop: Desktop, task: DesktopTask, answer: str | None) -> Score | None:
        if answer is None and not task.judged_always:
            return None
        score = task.score(DesktopEvidence(desktop, goal=self._setup.goal, answer=answer))
        if score is None and answer is not None:
            return Score(0.0, "the agent said that it was done, but the task was not")
        return score
