"""A desktop as an episode might have left it, without one: for tests of scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from agentgym.observation import NOWHERE
from agentgym_desktop.child import Finished
from agentgym_desktop.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentgym.observation import Element
    from agentgym_desktop.task import DesktopTask, Setup


def _runs_nothing(*_: str) -> Finished:
    return Finished(status=127, stdout=b"", stderr=b"", timed_out=False, cut=False)


@dataclass
class Left:
    """Evidence that a test makes up; see `agentgym_desktop.task.Evidence`."""

    goal: Any
    files: dict[str, bytes]
    """Content by path, relative to the home folder; a path that ends in / is an empty folder."""
    answer: str | None = ""
    elements: Sequence[Element] = ()
    windows: Sequence[Window] = ()
    desktop: Any = None
    """There is none."""
    ran: Callable[..., Finished] = field(default=_runs_nothing)

    @classmethod
    def untouched(cls, setup: Setup) -> Left:
        """Return a desktop as a set-up makes it, with a window for each file that is open."""
        names = [PurePosixPath(start.arguments[0]).name for start in setup.opens if start.arguments]
        windows = [cls.window(name, active=name == names[-1]) for name in names]
        return cls(setup.goal, dict(setup.files), windows=windows)

    @staticmethod
    def window(name: str, *, active: bool = False) -> Window:
        """Return a window that shows a file."""
        return Window(0, f"~/{name} - Mousepad", "Mousepad", NOWHERE, NOWHERE, active=active)

    def read(self, path: str, *, max_bytes: int = 16_000_000) -> bytes | None:
        content = self.files.get(path)
        return content if content is not None and len(content) <= max_bytes else None

    def list(self, path: str = ".") -> Sequence[str] | None:
        folder = PurePosixPath(path)
        names = {
            PurePosixPath(each).relative_to(folder).parts[0]
            for each in self.files
            if folder in PurePosixPath(each).parents
        }
        is_empty = any(each.endswith("/") and PurePosixPath(each) == folder for each in self.files)
        return sorted(names) if names or is_empty or path == "." else None

    def run(self, *argv: str, timeout_s: float = 10.0) -> Finished:
        return self.ran(*argv)


def left(task: DesktopTask, seed: int = 0) -> Left:
    return Left.untouched(task.prepare(seed))


def value(task: DesktopTask, evidence: Left) -> float:
    score = task.score(evidence)
    assert score is not None
    assert score.value is not None
    return score.value
