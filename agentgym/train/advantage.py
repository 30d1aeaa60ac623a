"""Advantage estimators: how much better than expected each episode of a group went.

A group is several attempts at the same task and seed, so its members differ only in what the model sampled. Rewards
are not divided by their standard deviation: that weighs tasks by how rarely they succeed, and with few attempts is
mostly noise (Z. Liu et al. 2025, "Understanding R1-Zero-like training", arXiv:2503.20783).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Estimator = Literal["grpo", "rloo"]


def group_relative(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reward minus group mean, (G,) to (G,); sums to 0 (GRPO, arXiv:2402.03300, without the division)."""
    return np.asarray(rewards - rewards.mean())


def leave_one_out(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return reward minus the mean of the others, (G,) to (G,), G >= 2; sums to 0 (RLOO, arXiv:2402.14740)."""
    return np.asarray((rewards - rewards.mean()) * (len(rewards) / (len(rewards) - 1)))


ESTIMATORS: dict[Estimator, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "grpo": group_relative,
    "rloo": leave_one_out,
}


def group_advantages(rewards: Sequence[float], estimator: Estimator) -> list[float]:
    """Return the advantage of each member of a group; all 0 where fewer than two are left to compare."""
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    return [float(value) for value in ESTIMATORS[estimator](np.asarray(rewards, dtype=np.float64))]
