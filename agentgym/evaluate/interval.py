"""Confidence intervals of success rates."""

from __future__ import annotations

import math
from typing import NamedTuple

Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


class Interval(NamedTuple):
    """A 95 % confidence interval of a rate."""

    low: float
    high: float


def wilson(successes: int, episodes: int) -> Interval:
    """Return the Wilson score interval of a success rate.

    Source: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    Never leaves [0, 1], and is honest at 0 and at all successes, where the normal interval has no width.

    Args:
        successes: how many episodes succeeded, 0 <= successes <= episodes.
        episodes: how many there were; with none the interval is all of [0, 1].
    """
    if not 0 <= successes <= episodes:
        raise ValueError(f"successes must lie in [0, {episodes}], got {successes}")
    if episodes == 0:
        return Interval(0.0, 1.0)
    rate = successes / episodes
    square = Z95 * Z95 / episodes
    centre = (rate + square / 2) / (1 + square)
    half = Z95 * math.sqrt(rate * (1 - rate) / episodes + square / (4 * episodes)) / (1 + square)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == episodes else min(1.0, centre + half)
    return Interval(low, high)
