"""What a judge may look at: a desktop's files, windows and accessibility state, and what commands say.

Everything is read when it is asked for, without following links, and within bounds. What is not there is None; only a
desktop or a machine that failed raises.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from agentgym.errors import SessionCrashedError
from agentgym_desktop.child import Finished
from agentgym_desktop.documents import MAX_FILE
from agentgym_desktop.task import HOME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.observation import Element
    from agentgym_desktop.desktop import Desktop
    from agentgym_desktop.windows import Window

NOT_STARTED = 127  # the status that a shell gives
MAX_OUTPUT = 1_000_000  # bytes of a command's output
MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ETOOMANYREFS, errno.EIO})  # what no file or program is like


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
        except OSError as error:
            _check(error)
            return None

    def list(self, path: str = ".") -> Sequence[str] | None:
        """Return the names in a folder, sorted; None where it is no folder."""
        try:
            return sorted(self.desktop.sandbox.list(str(HOME / path)))
        except OSError as error:
            _check(error)
            return None

    def run(self, *argv: str, timeout_s: float = 10.0) -> Finished:
        """Run a command inside, as the agent's own user; its status is 127 where it cannot be started."""
        try:
            return self.desktop.sandbox.run(argv, timeout_s=timeout_s, max_output=MAX_OUTPUT)
        except OSError as error:
            _check(error)
            # A program that is not there, or no process that the agent has left free.
            return Finished(NOT_STARTED, b"", str(error).encode(), timed_out=False, cut=False)


def _check(error: OSError) -> None:
    """Check that an error says something of what was asked for, and not of the machine.

    Raises:
        SessionCrashedError: it is the machine's: it has no descriptors left, or cannot read.
    """
    if error.errno in MACHINE:
        raise SessionCrashedError(f"The desktop cannot be judged: {error}.") from error
