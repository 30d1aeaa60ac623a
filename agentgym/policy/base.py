"""Policies: they turn prompts into completions, in batches.

A completion ends in one action as text; policies that sample tokens also say which, and how likely each was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.episode import EpisodeKey
    from agentgym.observation import Observation
    from agentgym.task import Task


@dataclass(frozen=True)
class Prompt:
    """What a policy is asked for one turn."""

    key: EpisodeKey
    task: Task
    observation: Observation
    history: tuple[str, ...] = ()
    """The newest actions as text, oldest first; a malformed completion appears as ``?``."""
    step: int = 0
    """Turns that this episode has had before, 0 at its start."""


@dataclass(frozen=True)
class Completion:
    """What a policy answers."""

    text: str
    prompt_text: str = ""
    prompt_ids: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()


class Policy(ABC):
    """Turns prompts into completions."""

    name: str
    version: int = 0
    """Counts weight updates; a trajectory records the version that made it."""

    @abstractmethod
    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one completion a prompt, in order."""

    def forget(self, key: EpisodeKey) -> None:  # noqa: B027 (a default, not an omission)
        """Drop what is kept for an episode that has ended; most policies keep nothing."""
