"""Advantage estimators: how much better than expected each turn of an episode went.

A group is several attempts at the same task and seed, so its members differ only in what the model sampled. ``grpo``
and ``rloo`` compare an episode with its group; ``gae`` compares each token with a critic, see `agentgym.train.gae`.
Rewards are not divided by their standard deviation: that weighs tasks by how rarely they succeed, and with few attempts
is mostly noise (Z. Liu et al. 2025, "Understanding R1-Zero-like training", arXiv:2503.20783).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from agentgym.train.rewards import PLAIN, Shaping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agentgym.episode import Trajectory

GroupEstimator = Literal["grpo", "rloo"]
Estimator = Literal["grpo", "rloo", "gae"]
Credit = Literal["episode", "turn"]


def group_relative(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reward minus group mean, (G,) to (G,); sums to 0 (GRPO, arXiv:2402.03300, without the division)."""
    return np.asarray(rewards - rewards.mean())


def leave_one_out(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reward minus the mean of the others, (G,) to (G,), G >= 2; sums to 0 (RLOO, arXiv:2402.14740)."""
    return np.asarray((rewards - rewards.mean()) * (len(rewards) / (len(rewards) - 1)))


ESTIMATORS: dict[GroupEstimator, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "grpo": group_relative,
    "rloo": leave_one_out,
}


def group_advantages(rewards: Sequence[float], estimator: GroupEstimator) -> list[float]:
    """Return the advantage of each member of a group; all 0 where fewer than two are left to compare."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    return [float(value) for value in ESTIMATORS[estimator](np.asarray(rewards, dtype=np.float64))]


@dataclass(frozen=True)
class GroupAdvantage:
    """Compares the episodes of a group."""

    estimator: GroupEstimator = "grpo"
    shaping: Shaping = PLAIN
    credit: Credit = "episode"
    """``episode``: each turn has the advantage of its episode. ``turn``: rewards that came before a turn are not put
    down to it, so that a penalty counts for its own turn and those before. What is left out of the policy gradient so
    has mean 0 (R. Sutton and A. Barto 2018, "Reinforcement Learning", section 13.3)."""

    def __call__(self, group: Sequence[Trajectory]) -> list[tuple[float, ...]]:
        """Return the advantages of the turns of each member, (T,) each; all 0 where there is nothing to compare."""
        whole = group_advantages([self.shaping.episode_return(each) for each in group], self.estimator)
        if self.credit == "episode" or len(group) < 2:
            return [(advantage,) * len(each.turns) for each, advantage in zip(group, whole, strict=True)]
        return [
            tuple(advantage - paid for paid in self.shaping.earlier(each))
            for each, advantage in zip(group, whole, strict=True)
        ]


GRPO = GroupAdvantage()
