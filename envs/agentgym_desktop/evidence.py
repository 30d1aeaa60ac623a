"""What a judge may look at: a desktop's files, windows and accessibility state, and what commands say.

Everything is read when it is asked for, without following links, and within bounds. What is not there is None; only a
desktop that failed raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgym_desktop.child import Finished
from agentgym_desktop.task import HOME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.observation import Element
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.windows import Window

MAX_FILE = 16_000_000  # bytes of a file that are read
NOT_STARTED = 127  # the status that a shell gives
MAX_OUTPUT = 1_000_000  # bytes of a command's output


class DesktopEvidence:
    """See `agentgym_desktop.task.Evidence`."""

    def __init__(self, desktop: Desktop, *, goal: Any, answer: str | None) -> None:
        self.goal = goal
        self.answer = answer
        self.desktop = desktop

    @property
    def elements(self) -> Sequence[Element]:
        """What the accessibility tree shows."""
        return self.desktop.elements

    @property
    def windows(self) -> Sequence[Window]:
        """The windows, in stacking order, the topmost last."""
        return self.desktop.windows

    def read(self, path: str, *, max_bytes: int = MAX_FILE) -> bytes | None:
        """Return a regular file's content, by a path relative to the home folder; None where there is none."""
        try:
            return self.desktop.sandbox.read(str(HOME / path), max_bytes=max_bytes)
        except OSError:
            return None

    def list(self, path: str = ".") -> Sequence[str] | None:
        """Return the names in a folder, sorted; None where it is no folder."""
        try:
            return sorted(self.desktop.sandbox.list(str(HOME / path)))
        except OSError:
            return None

    def run(self, *argv: str, timeout_s: float = 10.0) -> Finished:
        """Run a command inside, as the agent's own user; its status is 127 where it cannot be started."""
        try:
            return self.desktop.sandbox.run(argv, timeout_s=timeout_s, max_output=MAX_OUTPUT)
        except OSError as error:  # a program that is not there, or no process that the agent has left free
            return Finished(NOT_STARTED, b"", str(error).encode(), timed_out=False, cut=False)
