"""agentgym through its public API: `make_vec`, trusted clicks on a random element, auto-reset."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import measure

import agentgym
from agentgym.action import Click

if TYPE_CHECKING:
    import argparse


class AgentGym:
    """One vector environment."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.envs = options.envs
        self.resets = 0
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        tasks = [f"miniwob/{name}" for name in measure.TASKS]
        self._env = agentgym.make_vec(tasks, num_envs=self.envs, screenshot=options.screenshot)
        self._env.reset(seed=options.seed)
        self.resets += self.envs

    def step(self) -> None:
        """Click on a random element of each page."""
        actions = [
            Click(element=self._rng.choice(each.elements).id) if each.elements else Click(x=1, y=1)
            for each in self._env.observations
        ]
        _, _, terminated, truncated, _ = self._env.step(actions)
        self.resets += int((terminated | truncated).sum())

    def close(self) -> None:
        """End the browser."""
        self._env.close()


if __name__ == "__main__":
    measure.quiet()
    measure.compete(AgentGym)
