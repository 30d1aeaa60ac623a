"""Hooks: methods of a task that its author wrote, and that a world or a policy calls.

What they raise, and what they return that they must not, is a bug of the task: a `TaskError` that names the task, the
hook and the seed. Errors that agentgym itself raised on purpose pass as they are. Worlds of any kind call their tasks'
methods through this, so that a bug of a task is told in one way.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from agentgym.episode import Score
from agentgym.errors import AgentGymError, TaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.task import Task

Result = TypeVar("Result")

BUG = "This is a bug of the task, not of the agent."
MAX_SHOWN = 100  # characters of a wrong value in an error


class Hook(NamedTuple):
    """One method of a task, in an episode."""

    task: Task
    name: str
    seed: int

    @property
    def where(self) -> str:
        """How an error names it."""
        return f"Task {self.task.id!r}, {self.name}"

    def call(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """Call it; what it returns is not checked.

        Raises:
            TaskError: it raised.
        """
        try:
            return method(*arguments)
        except AgentGymError:
            raise
        except Exception as error:
            raise self.raised(error) from error

    def ask(self, kind: type[Result], method: Callable[..., Any], *arguments: Any) -> Result:
        """Call it, and return a value of the kind that it is to return.

        Raises:
            TaskError: it raised, or returned something else.
        """
        result = self.call(method, *arguments)
        if not isinstance(result, kind):
            raise self.wrong("returned", result, f"return {_article(kind.__name__)}")
        return result

    def judge(self, method: Callable[..., Any], *arguments: Any) -> Score | None:
        """Call one that judges.

        Raises:
            TaskError: it raised, or returned neither a score nor None.
        """
        return self.checked(self.call(method, *arguments))

    def checked(self, score: object) -> Score | None:
        """Return what it judged.

        Raises:
            TaskError: it is neither a score nor None.
        """
        if score is not None and not isinstance(score, Score):
            raise self.wrong("returned", score, "return a Score or None")
        return score

    def raised(self, error: Exception) -> TaskError:
        """Make the error for what it raised."""
        module = sys.modules.get(type(self.task).__module__)
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == getattr(module, "__file__", None)] or frames
        line = f", {own[-1].filename} line {own[-1].lineno}" if own else ""
        return TaskError(f"{self.where} raised {type(error).__name__}: {error} (seed {self.seed}{line}). {BUG}")

    def wrong(self, did: str, value: object, must: str) -> TaskError:
        """Make the error for a wrong value: what the hook did with it, and what it must do."""
        return TaskError(f"{self.where} {did} {repr(value)[:MAX_SHOWN]}; it must {must} (seed {self.seed}).")


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOU' else 'a'} {noun}"
