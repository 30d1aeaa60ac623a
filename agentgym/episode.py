"""Episodes as they are recorded: scores, turns, trajectories and their typed outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Outcome = Literal["success", "failure", "truncated", "infrastructure"]

SUCCESS = 1.0  # a score from here on is a success


@dataclass(frozen=True)
class Score:
    """A judgement of an episode."""

    value: float | None
    """In [0, 1]; None means that it cannot be judged, and the episode is left out."""
    reason: str = ""

    def __post_init__(self) -> None:
        if self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"a score lies in [0, 1] or is None, got {self.value!r} ({self.reason})")

    @property
    def outcome(self) -> Outcome:
        """Success, failure, or infrastructure where it could not be judged."""
        if self.value is None:
            return "infrastructure"
        return "success" if self.value >= SUCCESS else "failure"


@dataclass(frozen=True)
class EpisodeKey:
    """Which episode: a task, its seed, and which attempt at it (the members of a GRPO group differ in this)."""

    task_id: str
    seed: int
    attempt: int = 0

    def __str__(self) -> str:
        return f"{self.task_id}#{self.seed}.{self.attempt}"


@dataclass(frozen=True)
class Turn:
    """One prompt, one completion, one action."""

    prompt: str
    """The prompt as text, for people; what the model saw are the ids."""
    completion: str
    action: str
    """The action in the call dialect; empty where the completion was malformed."""
    error: str
    """What was wrong with the completion or its action; empty if it was carried out."""
    prompt_ids: tuple[int, ...] = ()
    """(P,) token ids exactly as given to the model; empty for policies without tokens."""
    completion_ids: tuple[int, ...] = ()
    """(C,) token ids exactly as sampled, the end-of-turn token included."""
    logprobs: tuple[float, ...] = ()
    """(C,) log-probability of each sampled token under the distribution it was drawn from."""
    screenshot: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    """What was on screen before the action, (height, width, 3) RGB, or None."""
    forced: tuple[int, ...] = ()
    """Places in `completion_ids` of tokens that were not sampled, and are not learnt from."""
    shown: int = 0
    """How many screenshots the prompt held: that of this turn and of the turns right before it."""


@dataclass(frozen=True)
class Trajectory:
    """The turns of one episode, and how it ended."""

    key: EpisodeKey
    instruction: str
    turns: tuple[Turn, ...]
    outcome: Outcome
    score: float | None
    """In [0, 1]; None exactly where the outcome is ``infrastructure``."""
    reason: str = ""
    """The judge's reason, or the kind and message of the infrastructure error."""
    penalty: float = 0.0
    """Sum of the penalties for malformed completions, >= 0."""
    policy_version: int = 0
    after: Turn | None = field(default=None, compare=False, repr=False)
    """The turn that would have come next, without a completion: only of truncated episodes of policies with tokens,
    whose learner may ask a critic what the observation was worth. Not stored."""
    isolation: str = ""
    """What parted the session from the machine and from others, as its world tells it; empty where it does not."""

    def __post_init__(self) -> None:
        assert (self.score is None) == (self.outcome == "infrastructure"), "only infrastructure has no score"

    def pictures(self, turn: int) -> tuple[NDArray[np.uint8], ...]:
        """Return the screenshots that the prompt of a turn held, oldest first; () for a policy that saw none.

        Args:
            turn: from 0; one beyond the last is `after`.
        """
        turns = self.turns if self.after is None else (*self.turns, self.after)
        shown = turns[turn + 1 - turns[turn].shown : turn + 1]
        return tuple(each.screenshot for each in shown if each.screenshot is not None)

    @property
    def success(self) -> bool:
        """Whether the task was done."""
        return self.outcome == "success"

    @property
    def reward(self) -> float:
        """What the learner maximises: score minus penalties.

        Raises:
            ValueError: the machine failed, so there is no reward.
        """
        if self.score is None:
            raise ValueError(f"{self.key} ended by infrastructure ({self.reason}); drop it, it has no reward")
        return self.score - self.penalty
