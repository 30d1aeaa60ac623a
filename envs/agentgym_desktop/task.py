"""Desktop tasks: what the writer of a task on a desktop implements.

A task says which apps are open, what files there are and what the instruction is (`setup`), and what the desktop is
worth once the agent says that it is done (`score`): by its files, windows and accessibility state, or by a command that
is run inside. All of that comes from the sandbox, so it is of any shape, and never trusted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from agentgym.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentgym.episode import Score
    from agentgym.observation import Element
    from agentgym_desktop.apps import App, Start
    from agentgym_desktop.child import Finished
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.windows import Window

HOME = PurePosixPath("/home/user")  # of the agent, inside


@dataclass(frozen=True)
class Setup:
    """What one seed of a task starts from."""

    instruction: str
    """What the agent is told."""
    goal: Any = None
    """Whatever `DesktopTask.score` needs to know; never shown to the agent."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Content by path, relative to the agent's home folder."""
    opens: tuple[Start, ...] = ()
    """What is started once the files are there, one after the other, each until its window is there."""
    arrange: Callable[[Desktop], None] | None = None
    """What is done then, where files and apps are not enough; None for nothing."""

    def __post_init__(self) -> None:
        for name in self.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                raise ValueError(f"a file of a set-up has a path inside the home folder, got {name!r}")


class Evidence(Protocol):
    """The desktop as an episode left it, for the judge."""

    goal: Any
    """What `DesktopTask.setup` put there."""
    answer: str | None
    """What the agent said in ``done(...)``; None while it has not said that it is finished."""
    desktop: Desktop
    """The desktop itself, for a judge that has to do something before it looks, such as saving what is open."""

    @property
    def elements(self) -> Sequence[Element]:
        """What the accessibility tree shows."""
        ...

    @property
    def windows(self) -> Sequence[Window]:
        """The windows, in stacking order, the topmost last."""
        ...

    def read(self, path: str, *, max_bytes: int = 16_000_000) -> bytes | None:
        """Return a regular file's content, by a path relative to the home folder; None where there is none.

        No link is followed at any component of the path; a file that is bigger is not read and counts as none.
        """
        ...

    def list(self, path: str = ".") -> Sequence[str] | None:
        """Return the names in a folder, sorted; None where it is no folder. No link is followed."""
        ...

    def run(self, *argv: str, timeout_s: float = 10.0) -> Finished:
        """Run a command inside, as the agent's own user: its output is whatever the agent wants it to be."""
        ...


class DesktopTask(Task):
    """A task on a desktop.

    Class attributes are the task's constants; methods must draw everything random from what they are given, so that a
    seed says all.
    """

    world: ClassVar[str] = "desktop"
    max_steps: int = 30
    apps: tuple[App, ...] = ()
    """What is open before an episode's own files are there: standby desktops have it open already."""
    judged_always: bool = False
    """Whether `score` is asked after every action, not only once the agent is done."""

    def setup(self, rng: Random) -> Setup:
        """Return instruction, files, apps and goal of one seed.

        Args:
            rng: seeded with the episode's seed; the only source of chance.
        """
        raise TypeError(f"{type(self).__name__} does not say what its desktop is; give it a `setup` method")

    def score(self, evidence: Evidence) -> Score | None:
        """Judge the desktop.

        Returns:
            A score, which ends the episode, or None to go on. None after ``done`` is a failure.
        """
        raise TypeError(f"{type(self).__name__} does not say what is a success; give it a `score` method")

    def prepare(self, seed: int) -> Setup:
        """Return the setup of a seed."""
        return self.setup(Random(seed))  # noqa: S311 (reproducible, not secret)
