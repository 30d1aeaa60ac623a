"""Desktop tasks for tests: an app or a few, with a score that is whatever a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.errors import InfrastructureError
from agentgym.task import Instance
from agentgym_desktop.apps import EDITOR, App, Start
from agentgym_desktop.task import DesktopTask, Evidence, Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from agentgym.action import Action
    from agentgym.episode import Score
    from agentgym.observation import Observation
    from agentgym.world import Step
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.world import DesktopWorld


class AppTask(DesktopTask):
    """Apps on a desktop.

    Args:
        apps: what is open.
        files: that are in the home folder.
        opens: what is opened once they are.
        score: judges; without it an episode ends by ``done`` alone.
        always: whether it judges after each action.
    """

    def __init__(
        self,
        *apps: App,
        files: Mapping[str, bytes] | None = None,
        opens: tuple[Start, ...] = (),
        score: Callable[[Evidence], Score | None] | None = None,
        always: bool = False,
    ) -> None:
        self.id = "test/apps"
        self.apps = apps or (EDITOR,)
        self.judged_always = always
        self._files = files or {}
        self._opens = opens
        self._score = score

    def setup(self, rng: Random) -> Setup:
        return Setup(f"Do {rng.randrange(100)}.", goal="the goal", files=self._files, opens=self._opens)

    def score(self, evidence: Evidence) -> Score | None:
        return None if self._score is None else self._score(evidence)


def begin(world: DesktopWorld, task: DesktopTask, seed: int = 0, *, slot: int = 0) -> Observation:
    """Start an episode that must start."""
    observation = world.reset({slot: Instance(task, seed)})[slot]
    if isinstance(observation, InfrastructureError):
        raise observation
    return observation


def act(world: DesktopWorld, action: Action, *, slot: int = 0) -> Step:
    """Carry out an action that must not fail."""
    step = world.step({slot: action})[slot]
    if isinstance(step, InfrastructureError):
        raise step
    return step


def desktop_of(world: DesktopWorld, slot: int = 0) -> Desktop:
    """Return the desktop that a slot's episode is on."""
    desktop = world._sessions[slot]._desktop
    assert desktop is not None
    return desktop


def inside(world: DesktopWorld, script: str, *, slot: int = 0) -> str:
    """Run a shell script on a slot's desktop, as its agent could; return what it wrote."""
    finished = desktop_of(world, slot).sandbox.run(["sh", "-c", script])
    return finished.stdout.decode()
