"""What each turn of an episode is rewarded with.

The score comes at the end. What was subtracted for completions that are no action (`Trajectory.penalty`) is put on the
turns that had one, and the learner may subtract more: for each turn, and for actions that could not be carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentgym.episode import Trajectory, Turn


@dataclass(frozen=True)
class Shaping:
    """How turns are rewarded, and how much what comes later counts."""

    step_penalty: float = 0.0
    """Subtracted from each turn's reward, >= 0."""
    invalid_penalty: float = 0.0
    """Subtracted where an action could not be carried out, >= 0."""
    discount: float = 1.0
    """In (0, 1]; what comes a turn later counts this much of what comes now."""

    def rewards(self, trajectory: Trajectory) -> tuple[float, ...]:
        """Return the rewards of the turns, (T,), T >= 1; without a discount they sum to the episode's return.

        Raises:
            ValueError: the machine failed, so there is no reward.
        """
        turns = trajectory.turns
        malformed = [not turn.action for turn in turns]
        blamed = malformed if any(malformed) else [*malformed[:-1], True]  # a penalty is never lost
        each = trajectory.penalty / sum(blamed)
        rewards = [
            -self.step_penalty - (each if guilty else 0.0) - (self.invalid_penalty if _is_invalid(turn) else 0.0)
            for turn, guilty in zip(turns, blamed, strict=True)
        ]
        rewards[-1] += trajectory.reward + trajectory.penalty  # the score; or why there is none
        return tuple(rewards)

    def episode_return(self, trajectory: Trajectory) -> float:
        """Return the sum of the discounted rewards.

        Raises:
            ValueError: the machine failed, so there is no reward.
        """
        if self.discount != 1:
            return sum(self.discount**turn * reward for turn, reward in enumerate(self.rewards(trajectory)))
        invalid = sum(map(_is_invalid, trajectory.turns))
        return trajectory.reward - (self.step_penalty * len(trajectory.turns) + self.invalid_penalty * invalid)

    def earlier(self, trajectory: Trajectory) -> tuple[float, ...]:
        """Return the sum of the discounted rewards that came before each turn, (T,), 0 for the first."""
        sums = [0.0]
        for turn, reward in enumerate(self.rewards(trajectory)[:-1]):
            sums.append(sums[-1] + self.discount**turn * reward)
        return tuple(sums)


def _is_invalid(turn: Turn) -> bool:
    return bool(turn.action and turn.error)


PLAIN = Shaping()
