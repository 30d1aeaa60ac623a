"""agentgym through its public API: `make_vec`, trusted clicks on a random element, auto-reset."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import measure

import agentgym
from agentgym.action import Click

if TYPE_CHECKING:
    import argparse


CONTROLS = frozenset({"button", "textbox", "checkbox"})


class AgentGym:
    """One vector environment; the call after an episode's end resets its slot, and is no step of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.envs = options.envs
        self.resets = self.steps = 0
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        tasks = [f"miniwob/{name}" for name in measure.TASKS]
        self._env = agentgym.make_vec(tasks, num_envs=self.envs, screenshot=options.screenshot)
        self._env.reset(seed=options.seed)
        self.resets += self.envs
        self._ended = 0

    def step(self) -> None:
        """Click on a random control of each page."""
        actions = []
        for observation in self._env.observations:
            controls = [each.id for each in observation.elements if each.role in CONTROLS]
            actions.append(Click(element=self._rng.choice(controls)) if controls else Click(x=1, y=1))
        _, _, terminated, truncated, _ = self._env.step(actions)
        self.steps += self.envs - self._ended
        self.resets += self._ended
        self._ended = int((terminated | truncated).sum())

    def close(self) -> None:
        """End the browser."""
        self._env.close()


if __name__ == "__main__":
    measure.quiet()
    measure.compete(AgentGym)
