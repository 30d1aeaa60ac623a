"""Wrappers that turn an environment into what classic reinforcement learning code eats: arrays in, an integer out.

    PixelGrid   the screenshot; an action clicks a cell of a grid
    FlatVector  the first elements as one array, with an action mask; an action clicks an element

Here they go round one environment (`agentgym.make`), in `agentgym.wrappers.vector` round many (`agentgym.make_vec`),
and `agentgym.wrappers.stable_baselines` hands the many to Stable-Baselines3. CleanRL's loops, Stable-Baselines3 and
RLlib then run unchanged. All can only click, so they fit tasks that need no text.

Classic code knows no machine that fails, only episodes that end. So a failure in an episode ends it: the last
observation again, reward 0, ``truncated``, and ``infrastructure`` true in the info. Truncation is what is true of it:
the episode was cut off from outside, which says nothing about the state it was in. A learner that bootstraps at
truncations, as Stable-Baselines3 and RLlib do, values the step by what it expects of that same state, and so learns
almost nothing from it. One that takes truncations for ends, as CleanRL's ``ppo.py`` does, has to leave out the steps
whose info says ``infrastructure``; so have statistics of returns, in which such an episode would count as lost.

A reset is tried three times. Then its `InfrastructureError` goes through, because a machine that does not come back
would be an endless stream of empty episodes.
"""

from agentgym.wrappers.elements import FEATURES
from agentgym.wrappers.single import FlatVector, PixelGrid

__all__ = ["FEATURES", "FlatVector", "PixelGrid"]
