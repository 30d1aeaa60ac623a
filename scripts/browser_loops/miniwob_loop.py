"""MiniWoB++ through its Gymnasium API: one environment, a trusted click in the middle of a random leaf, a reset."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import gymnasium
import measure
import miniwob  # registers its environments
import numpy as np
from miniwob.action import ActionTypes

if TYPE_CHECKING:
    import argparse


CONTROLS = frozenset({"button", "input_text", "input_checkbox"})


class MiniWob:
    """One environment."""

    envs = 1

    def __init__(self, options: argparse.Namespace) -> None:
        os.environ["MINIWOB_CHROME_BINARY"] = options.chromium
        os.environ["MINIWOB_CHROMEDRIVER"] = options.chromedriver
        gymnasium.register_envs(miniwob)
        task = measure.TASKS[options.seed % len(measure.TASKS)]
        self._rng = random.Random(options.seed)  # noqa: S311 (clicks, not secrets)
        self._env = gymnasium.make(f"miniwob/{task}-v1", disable_env_checker=True)
        self._screenshot = options.screenshot
        self._click = self._env.unwrapped.create_action(ActionTypes.CLICK_COORDS)
        self.resets = self.steps = 0
        self._seed = 1000 * options.seed
        self._reset()

    def step(self) -> None:
        """Click on a random control of the page."""
        chosen = self._rng.choice([each for each in self._observation["dom_elements"] if each["tag"] in CONTROLS])
        x, y = (float(chosen[at][0] + chosen[size][0] / 2) for at, size in (("left", "width"), ("top", "height")))
        coords = np.array([min(max(x, 0.0), 159.0), min(max(y, 0.0), 209.0)], dtype=np.float32)
        self._observation, _, terminated, truncated, _ = self._env.step({**self._click, "coords": coords})
        self.steps += 1
        if terminated or truncated:
            self._reset()

    def close(self) -> None:
        """End the browser."""
        self._env.close()

    def _reset(self) -> None:
        self._seed += 1
        self.resets += 1
        options = {"record_screenshots": self._screenshot}
        self._observation, _ = self._env.reset(seed=self._seed, options=options)


if __name__ == "__main__":
    measure.quiet()
    measure.compete(MiniWob)
