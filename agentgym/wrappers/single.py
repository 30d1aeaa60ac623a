"""The wrappers round one environment; a machine that fails ends the episode (see `agentgym.wrappers`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from agentgym.env import AgentEnv
from agentgym.errors import InfrastructureError
from agentgym.slots import RESET_ATTEMPTS
from agentgym.wrappers.elements import ElementView
from agentgym.wrappers.pixels import PixelView

if TYPE_CHECKING:
    from agentgym.action import Click
    from agentgym.wrappers.view import View


class ClassicEnv(gymnasium.Wrapper[NDArray[Any], Any, Any, Any]):
    """One environment seen through a view.

    ``info`` has the keys of `agentgym.env.EpisodeInfo`, ``infrastructure`` (bool: the machine failed in this step) and
    ``infrastructure_kind`` (the error's kind, or None).
    """

    def __init__(self, env: gymnasium.Env[Any, Any], view: View) -> None:
        super().__init__(env)
        self._inner = _agent_env(env)
        self._view = view
        self._info: dict[str, Any] = {}
        self.observation_space = view.observation_space
        self.action_space = spaces.Discrete(view.num_actions)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode.

        Raises:
            InfrastructureError: the machine failed several times in a row.
        """
        for left in reversed(range(RESET_ATTEMPTS)):
            try:
                _, self._info = self.env.reset(seed=seed, options=options)
                break
            except InfrastructureError:
                if not left:
                    raise
        return self._view.observe(self._inner.observation), self._shown(None)

    def step(self, action: int | np.int64) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action.

        Raises:
            SessionStateError: there has been no reset, or the episode has ended.
            ValueError: there is no such action.
        """
        act = self._view.act(self._inner.observation, int(action))
        failure = None
        try:
            _, reward, terminated, truncated, self._info = self.env.step(act)
        except InfrastructureError as error:
            failure = error
            reward, terminated, truncated = 0.0, False, True
            self._info = {**self._info, "outcome": "infrastructure", "reason": f"{error.kind}: {error}"}
        observation = self._view.observe(self._inner.observation)
        return observation, float(reward), terminated, truncated, self._shown(failure)

    def _shown(self, failure: InfrastructureError | None) -> dict[str, Any]:
        """Return a fresh info."""
        return {
            **self._info,
            "infrastructure": failure is not None,
            "infrastructure_kind": failure.kind if failure else None,
        }


class PixelGrid(ClassicEnv, RecordConstructorArgs):
    """Observe the screenshot, (height, width, 3) uint8; act by clicking the middle of a cell of a grid.

    Action ``n`` clicks row ``n // columns``, column ``n % columns``.

    Args:
        env: an environment made with ``screenshot=True``.
        columns: cells across, >= 1.
        rows: cells down, >= 1.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, columns: int = 16, rows: int = 16) -> None:
        RecordConstructorArgs.__init__(self, columns=columns, rows=rows)
        inner = _agent_env(env)
        self._pixels = PixelView(inner.observation_space, columns=columns, rows=rows)
        ClassicEnv.__init__(self, env, self._pixels)

    def click(self, index: int) -> Click:
        """Return the click that an action stands for."""
        return self._pixels.click(index)


class FlatVector(ClassicEnv, RecordConstructorArgs):
    """Observe the first elements as one vector, (max_elements * FEATURES,) float32; act by clicking one of them.

    `ElementView` says what the numbers are. ``info["action_mask"]``, (max_elements,) int8, is 1 for the elements that
    can be clicked; ``env.action_space.sample(info["action_mask"])`` draws among them. Another action does nothing.

    Args:
        env: an environment whose observations hold elements, as they do unless `parts` leaves them out.
        max_elements: how many elements are seen, >= 1; further ones are not.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], *, max_elements: int = 16) -> None:
        RecordConstructorArgs.__init__(self, max_elements=max_elements)
        inner = _agent_env(env)
        self._elements = ElementView(inner.observation_space, *inner.task.viewport, max_elements=max_elements)
        ClassicEnv.__init__(self, env, self._elements)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return the newest mask, (max_elements,), under the name that sb3-contrib's ``MaskablePPO`` looks for.

        Raises:
            SessionStateError: there has been no reset.
        """
        return self._elements.mask(self._inner.observation)

    def _shown(self, failure: InfrastructureError | None) -> dict[str, Any]:
        return super()._shown(failure) | {"action_mask": self.action_masks().astype(np.int8)}


def _agent_env(env: gymnasium.Env[Any, Any]) -> AgentEnv:
    unwrapped = env.unwrapped
    if not isinstance(unwrapped, AgentEnv):
        raise TypeError(f"This wrapper goes round an agentgym environment, got {env!r}.")
    return unwrapped
