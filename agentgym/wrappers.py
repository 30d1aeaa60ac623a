"""Wrappers that turn an environment into what classic reinforcement learning code eats: arrays in, an integer out.

With them CleanRL, Stable-Baselines3 and RLlib run unchanged. They can only click, so they fit tasks that need no text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from agentgym.action import Action, Click, Wait
from agentgym.env import AgentEnv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agentgym.observation import Element, Observation

ROLES = ("button", "link", "textbox", "checkbox", "radio", "combobox", "option", "text")
STATES = ("checked", "disabled", "expanded", "focused", "selected")
FEATURES = 1 + 4 + len(ROLES) + len(STATES) + 2  # present, box, role, states, has a value, named in the instruction


def _agent_env(env: gymnasium.Env[Any, Any]) -> AgentEnv:
    unwrapped = env.unwrapped
    if not isinstance(unwrapped, AgentEnv):
        raise TypeError(f"This wrapper goes round an agentgym environment, got {env!r}.")
    return unwrapped


class PixelGrid(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Observe the screenshot, (height, width, 3) uint8; act by clicking the middle of a cell of a grid.

    Action ``n`` clicks row ``n // columns``, column ``n % columns``.

    Args:
        env: an environment made with ``screenshot=True``.
        columns: cells across, >= 1.
        rows: cells down, >= 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, columns: int = 16, rows: int = 16) -> None:
        RecordConstructorArgs.__init__(self, columns=columns, rows=rows)
        gymnasium.Wrapper.__init__(self, env)
        inner = _agent_env(env)
        assert isinstance(inner.observation_space, spaces.Dict)
        if "screenshot" not in inner.observation_space.spaces:
            raise ValueError("PixelGrid needs pixels; make the environment with screenshot=True.")
        self.observation_space = inner.observation_space["screenshot"]
        self.action_space = spaces.Discrete(columns * rows)
        self._columns, self._rows = columns, rows
        self._width, self._height = inner.task.viewport

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return observation["screenshot"], info

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Click a cell."""
        observation, reward, terminated, truncated, info = self.env.step(self.click(int(action)))
        return observation["screenshot"], float(reward), terminated, truncated, info

    def click(self, index: int) -> Click:
        """Return the click that an action stands for."""
        row, column = divmod(index, self._columns)
        x = (2 * column + 1) * self._width // (2 * self._columns)
        return Click(x=x, y=(2 * row + 1) * self._height // (2 * self._rows))


class FlatVector(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Observe the first elements as one vector; act by clicking one of them.

    The vector has `FEATURES` numbers in [0, 1] an element: whether there is one, its box as fractions of the
    screen, its role and states one-hot, whether it has a value, and the share of its name's words that the instruction
    holds.
    Clicking an element that is not there does nothing.

    Args:
        env: an environment.
        max_elements: how many elements are seen, >= 1; further ones are not.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, max_elements: int = 16) -> None:
        RecordConstructorArgs.__init__(self, max_elements=max_elements)
        gymnasium.Wrapper.__init__(self, env)
        self._inner = _agent_env(env)
        self.observation_space = spaces.Box(0.0, 1.0, shape=(max_elements * FEATURES,), dtype=np.float32)
        self.action_space = spaces.Discrete(max_elements)
        self._max_elements = max_elements

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode."""
        _, info = self.env.reset(seed=seed, options=options)
        return self._vector(self._inner.observation), info

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Click an element."""
        elements = self._inner.observation.elements
        index = int(action)
        act: Action = Click(element=elements[index].id) if index < len(elements) else Wait(ms=0)
        _, reward, terminated, truncated, info = self.env.step(act)
        return self._vector(self._inner.observation), float(reward), terminated, truncated, info

    def _vector(self, observation: Observation) -> NDArray[np.float32]:
        words = frozenset(_words(observation.instruction))
        rows = np.zeros((self._max_elements, FEATURES), dtype=np.float32)
        for row, element in zip(rows, observation.elements, strict=False):
            row[:] = self._features(element, words)
        return rows.reshape(-1)

    def _features(self, element: Element, words: frozenset[str]) -> list[float]:
        width, height = self._inner.task.viewport
        box = np.clip(np.array(element.box) / [width, height, width, height], 0, 1)
        named = [word in words for word in _words(element.name)]
        return [
            1.0,
            *box.tolist(),
            *(float(element.role == role) for role in ROLES),
            *(float(state in element.states) for state in STATES),
            float(bool(element.value)),
            sum(named) / len(named) if named else 0.0,
        ]


def _words(text: str) -> list[str]:
    """Split text into words without case or punctuation."""
    return "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()
