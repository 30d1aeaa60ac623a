"""Generalised advantage estimation on two clocks: over the turns of an episode, and within a turn over its tokens.

One turn is one action of the agent and one step of the world; one token is one step of the model. Estimating over all
tokens of an episode at once lets a discount or a lambda below 1 fade with every word of a long completion, so that the
last turns hardly reach the first. Here the turns' clock ticks once a turn, whatever its length, and the tokens' clock
within a turn only. GAE is J. Schulman et al. 2016, arXiv:1506.02438; the two levels, first turns and then the tokens of
each, are the Bi-Level GAE of VAGEN (K. Wang et al. 2025, arXiv:2510.16907).

Departs from VAGEN: a turn's value is that of its observation, before the first token, rather than that at its last
token. So the upper level is plain GAE between observations, and an episode that was cut off goes on from the value of
the observation that it ended with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TINY = 1e-8  # of a standard deviation


@dataclass(frozen=True)
class TwoClockGAE:
    """Discounts and lambdas, each in [0, 1]."""

    turn_discount: float = 1.0
    turn_lambda: float = 0.95
    token_discount: float = 1.0
    token_lambda: float = 1.0

    def __call__(self, rewards: Sequence[float], values: Sequence[Floats], *, last_value: float = 0.0) -> list[Floats]:
        """Return the advantages of the sampled tokens of an episode.

        Args:
            rewards: (T,), that of each turn, which comes after its last token.
            values: T arrays (C,): the critic's value of the state before each token of a turn; where a turn has no
                tokens, its reward goes to the turn before.
            last_value: of the observation after the last turn: 0 where the episode ended by itself.

        Returns:
            T arrays (C,). Added to the values they are the returns that the critic is to learn.
        """
        advantages: list[Floats] = []
        after = last_value  # what follows a turn: V(s') + lambda A(s'), of the observation s' that it leads to
        for reward, value in zip(reversed(rewards), reversed(values), strict=True):
            after = reward + self.turn_discount * after  # the turn's return, at its last token
            advantages.append(self._within(value, after))
            if len(value):
                start = self.token_discount ** (len(value) - 1) * after  # the same at its first token
                after = value[0] + self.turn_lambda * (start - value[0])
        return advantages[::-1]

    def _within(self, values: Floats, target: float) -> Floats:
        """Return the advantages of the tokens of a turn, (C,) to (C,), whose return at the last one is known."""
        advantages = np.zeros(len(values))
        for token in reversed(range(len(values))):
            last = token == len(values) - 1
            worth = target if last else self.token_discount * values[token + 1]
            later = 0.0 if last else self.token_discount * self.token_lambda * advantages[token + 1]
            advantages[token] = worth - values[token] + later
        return advantages


def whiten(arrays: Sequence[Floats]) -> list[Floats]:
    """Shift and scale numbers, of all arrays together, to mean 0 and standard deviation 1; equal ones become 0."""
    together = np.concatenate([np.empty(0), *arrays])
    if not len(together):
        return list(arrays)
    mean, deviation = together.mean(), together.std()
    return [(each - mean) / deviation if deviation > TINY else np.zeros_like(each) for each in arrays]


def explained_variance(values: Floats, returns: Floats) -> float:
    """Return the share of the returns' variance that the values foresee: 1 is all, <= 0 none; NaN if they are equal."""
    variance = returns.var() if len(returns) else 0.0
    return float(1 - (returns - values).var() / variance) if variance > TINY**2 else float("nan")
