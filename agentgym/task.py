"""Tasks and suites: what is to be done, and lists of that.

A task belongs to a world, which knows how to set it up and judge it: a browser task is an
`agentgym_browser.BrowserTask`. This module holds what every task has. Tasks are stateless: all that differs between
two episodes comes from the seed, so one object serves any number of sessions.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Self

from agentgym.errors import ConfigError, unknown_name
from agentgym.look import check_viewport
from agentgym.observation import Observation

if TYPE_CHECKING:
    from agentgym.action import Action

OracleScript = Generator["Action", Observation, None]
"""Yields an action, is sent the observation after it; returns when it has no more to do."""

Split = Literal["train", "test"]

TEST_SEEDS = 1_000_000  # test seeds start here; train seeds lie in [0, TEST_SEEDS)
MAX_SEED_INDEX = 2**31 - 1  # seeds are stored as 64-bit integers


class Instance(NamedTuple):
    """A task with the seed that fixes its instruction and set-up."""

    task: Task
    seed: int


class Task:
    """One thing to do on a computer; subclasses of a world's task class say how."""

    id: str
    """Suite and name, as in ``miniwob/click-button``."""
    world: ClassVar[str]
    """Name of the world that runs it, as registered under the entry point group ``agentgym.worlds``."""
    description: str = ""
    """What the agent has to do, in a sentence."""
    viewport: tuple[int, int] = (1280, 720)
    """Width and height of the screen in pixels."""
    any_viewport: bool = True
    """Whether it may be shown on a screen of another size; False where what is judged depends on the size."""
    max_steps: int = 10
    """Actions until the episode is truncated."""
    deterministic: bool = True
    """Whether a seed fixes the first observation; False only where the screen moves by itself."""

    def oracle(self, observation: Observation) -> OracleScript | None:
        """Start a scripted solution, through the agent's own actions, from the first observation.

        Returns:
            A generator that yields actions and is sent the observation after each; None if the task has no oracle.
        """
        return None

    @property
    def has_oracle(self) -> bool:
        """Whether the task has a scripted solution."""
        return type(self).oracle is not Task.oracle

    def on_screen(self, viewport: tuple[int, int]) -> Self:
        """Return the same task on a screen of another size, (width, height) in pixels.

        Raises:
            ConfigError: it is no size, or the task forbids it.
        """
        size = check_viewport(viewport)
        if not self.any_viewport and size != self.viewport:
            raise ConfigError(f"{self.id} is shown at {self.viewport} only, got viewport={size}. Leave `viewport` out.")
        task = copy.copy(self)
        task.viewport = size
        return task

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"


@dataclass(frozen=True)
class Suite:
    """A named list of tasks, with train and test seeds that never meet."""

    name: str
    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        ids = [task.id for task in self.tasks]
        assert len(set(ids)) == len(ids), f"suite {self.name!r} holds a task twice"

    def __getitem__(self, task_id: str) -> Task:
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise unknown_name(
            f"task in suite {self.name!r} called",
            task_id,
            (task.id for task in self.tasks),
            hint=f"`agentgym tasks {self.name}` lists them.",
        )

    def __len__(self) -> int:
        return len(self.tasks)


def seed_of(index: int, *, split: Split) -> int:
    """Return the index-th seed of a split.

    Raises:
        ConfigError: the split has no such seed.
    """
    seeds = TEST_SEEDS if split == "train" else MAX_SEED_INDEX + 1
    if not 0 <= index < seeds:
        raise ConfigError(f"Seed index {index} is outside of the {split} split, which has {seeds:,} seeds.")
    return index if split == "train" else TEST_SEEDS + index
