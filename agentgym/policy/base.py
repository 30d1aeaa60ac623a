"""Policies: they turn prompts into completions, in batches.

A completion ends in one action as text, in the policy's dialect; policies that sample tokens also say which, and how
likely each was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agentgym.policy.sight import BLIND, Sight
from agentgym.policy.speech import Speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.dialects.base import Dialect
    from agentgym.episode import EpisodeKey
    from agentgym.observation import Observation
    from agentgym.task import Task

MAX_NEW_TOKENS = 48  # of a completion, unless told otherwise: enough for an element and an action in call text


@dataclass(frozen=True)
class Prompt:
    """What a policy is asked for one turn."""

    key: EpisodeKey
    task: Task
    observation: Observation
    history: tuple[str, ...] = ()
    """The newest actions as the policy writes them, oldest first; a malformed completion appears as ``?``."""
    step: int = 0
    """Turns that this episode has had before, 0 at its start."""
    screenshots: tuple[NDArray[np.uint8], ...] = field(default=(), compare=False, repr=False)
    """The newest ones that the policy is shown, oldest first, each (height, width, 3) RGB."""


@dataclass(frozen=True)
class Completion:
    """What a policy answers."""

    text: str
    """The answer, which is read for an action."""
    prompt_text: str = ""
    prompt_ids: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    thought: str = ""
    """What was written before the answer, up to the mark that closes it; not read for an action."""
    forced: tuple[int, ...] = ()
    """Places in `ids` of the tokens that were not sampled: those that closed a thought at the end of its budget."""
    shown: int = 0
    """How many of the prompt's screenshots are in `prompt_ids`."""


class Policy(ABC):
    """Turns prompts into completions."""

    name: str
    version: int = 0
    """Counts weight updates; a trajectory records the version that made it."""
    speech: Speech = Speech()
    """How it writes actions: whoever reads its completions reads them in this dialect."""
    sight: Sight = BLIND
    """What it is shown: whoever asks it puts so many screenshots into the prompt."""

    def dialect(self, prompt: Prompt) -> Dialect:
        """Return the dialect of a turn: that of the policy, on the screen of the task."""
        return self.speech.on(prompt.task.viewport)

    @abstractmethod
    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one completion a prompt, in order."""

    def encode(self, prompt: Prompt) -> Completion | None:
        """Return a prompt as `complete` would give it to the model, with nothing completed; None without tokens."""
        del prompt
        return None

    def can_play(self, task: Task) -> bool:
        """Whether the policy knows what to do in a task at all; most try anything."""
        del task
        return True

    def forget(self, key: EpisodeKey) -> None:  # noqa: B027 (a default, not an omission)
        """Drop what is kept for an episode that has ended; most policies keep nothing."""
