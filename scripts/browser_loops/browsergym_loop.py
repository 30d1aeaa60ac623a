"""BrowserGym through its Gymnasium API: one environment, a click on a random control, a reset at the end."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import TYPE_CHECKING

import browsergym.miniwob  # noqa: F401 (registers its environments)
import gymnasium
import measure
import miniwob

if TYPE_CHECKING:
    import argparse


class BrowserGym:
    """One environment."""

    envs = 1

    def __init__(self, options: argparse.Namespace) -> None:
        os.environ["MINIWOB_URL"] = (Path(miniwob.__file__).parent / "html" / "miniwob").as_uri() + "/"
        task = measure.TASKS[options.seed % len(measure.TASKS)]
        delays = {"pre_observation_delay": 0.0, "slow_mo": 0} if options.no_delays else {}
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        self._env = gymnasium.make(f"browsergym/miniwob.{task}", disable_env_checker=True, **delays)
        self.resets = self.steps = 0
        self._seed = 1000 * options.seed
        self._reset()

    def step(self) -> None:
        """Click on a random control: what the observation calls clickable."""
        properties = self._observation["extra_element_properties"]
        clickable = [bid for bid, each in properties.items() if each["clickable"] and each["visibility"] > 0.5]
        action = f"click({self._rng.choice(clickable)!r})" if clickable else "noop()"
        self._observation, _, terminated, truncated, _ = self._env.step(action)
        self.steps += 1
        if terminated or truncated:
            self._reset()

    def close(self) -> None:
        """End the browsers."""
        self._env.close()

    def _reset(self) -> None:
        self._seed += 1
        self.resets += 1
        self._observation, _ = self._env.reset(seed=self._seed)


if __name__ == "__main__":
    measure.quiet()
    measure.compete(BrowserGym)
