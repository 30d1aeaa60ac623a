"""The wrappers round many environments in one world (`agentgym.make_vec`), with the names of those round one.

They go right round the environment, and Gymnasium's own vector wrappers (``RecordEpisodeStatistics``,
``NormalizeObservation`` …) go round them: inside, those would meet rewards that are NaN.

Autoreset stays ``NEXT_STEP``: in the step after an episode's end the action is ignored and the reward 0, so a learner
leaves that step out. Who would rather not have it resets the ended slots before it, as Gymnasium allows:
``env.reset(options={"reset_mask": terminated | truncated})``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from agentgym.errors import InfrastructureError
from agentgym.vector_env import AgentVectorEnv
from agentgym.wrappers.elements import ElementView
from agentgym.wrappers.pixels import PixelView

if TYPE_CHECKING:
    from agentgym.wrappers.view import View

Batch = tuple[NDArray[Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class ClassicVectorEnv(VectorWrapper[NDArray[Any], NDArray[Any], Any, Any, NDArray[Any]]):
    """Many environments seen through a view.

    Where the machine failed, the reward is 0 instead of NaN; ``truncated`` and ``infos["infrastructure"]`` are true
    there, as they were.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], view: View) -> None:
        super().__init__(env)
        self._inner = _agent_vector_env(env)
        self._view = view
        self._ended = np.zeros(self.num_envs, dtype=np.bool_)
        self.single_observation_space = view.observation_space
        self.single_action_space = spaces.Discrete(view.num_actions)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Start an episode in every slot, or in those of ``options["reset_mask"]``, (num_envs,) bool.

        Raises:
            InfrastructureError: a slot failed several times in a row.
        """
        _, infos = self.env.reset(seed=seed, options=options)
        self._ended[(options or {}).get("reset_mask", slice(None))] = False
        return self._observe(), self._shown(infos)

    def step(self, actions: NDArray[Any]) -> Batch:
        """Carry out one action in each slot; slots whose episode had ended are reset instead.

        Raises:
            InfrastructureError: a slot that was to be reset failed several times in a row.
            SessionStateError: there has been no reset.
            ValueError: there is not one action a slot, or an action is not there.
        """
        screens = self._inner.observations
        if len(actions) != len(screens):
            raise ValueError(f"step takes {len(screens)} actions, one a slot, got {actions!r}")
        acts = [self._view.act(screen, int(action)) for screen, action in zip(screens, actions, strict=True)]
        _, rewards, terminated, truncated, infos = self.env.step(acts)
        failed = infos["infrastructure"]
        lost = np.flatnonzero(failed & self._ended)
        self._ended = terminated | truncated
        if lost.size:
            raise InfrastructureError(
                f"Slots {lost.tolist()} did not come back after several resets ({infos['reason'][lost[0]]}). "
                "Look at the machine (`agentgym doctor`), then make the environment anew."
            )
        return self._observe(), np.where(failed, 0.0, rewards), terminated, truncated, self._shown(infos)

    def _observe(self) -> NDArray[Any]:
        return np.stack([self._view.observe(screen) for screen in self._inner.observations])  # (num_envs, *shape)

    def _shown(self, infos: dict[str, Any]) -> dict[str, Any]:
        """Return the infos with what this wrapper has to add."""
        return infos


class PixelGrid(ClassicVectorEnv):
    """Observe the screenshots, (num_envs, height, width, 3) uint8; act by clicking cells of a grid.

    Args:
        env: made with ``screenshot=True``.
        columns: cells across, >= 1.
        rows: cells down, >= 1.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], *, columns: int = 16, rows: int = 16) -> None:
        space = _agent_vector_env(env).single_observation_space
        super().__init__(env, PixelView(space, columns=columns, rows=rows))


class FlatVector(ClassicVectorEnv):
    """Observe the first elements of each slot, (num_envs, max_elements * FEATURES) float32; act by clicking them.

    ``infos["action_mask"]``, (num_envs, max_elements) int8, is 1 for the elements that can be clicked;
    ``env.action_space.sample(tuple(infos["action_mask"]))`` draws among them. Another action does nothing.

    Args:
        env: the environments, whose observations hold elements, as they do unless `parts` leaves them out; where their
            tasks differ in screen size, boxes are fractions of the largest.
        max_elements: how many elements are seen, >= 1; further ones are not.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], *, max_elements: int = 16) -> None:
        inner = _agent_vector_env(env)
        sizes = [task.viewport for task in inner.tasks]
        width, height = (max(size[axis] for size in sizes) for axis in (0, 1))
        self._elements = ElementView(inner.single_observation_space, width, height, max_elements=max_elements)
        super().__init__(env, self._elements)

    def action_masks(self) -> NDArray[np.bool_]:
        """Return the newest masks, (num_envs, max_elements).

        Raises:
            SessionStateError: there has been no reset.
        """
        return np.stack([self._elements.mask(screen) for screen in self._inner.observations])

    def _shown(self, infos: dict[str, Any]) -> dict[str, Any]:
        there = np.ones(self.num_envs, dtype=np.bool_)
        return infos | {"action_mask": self.action_masks().astype(np.int8), "_action_mask": there}


def _agent_vector_env(env: VectorEnv[Any, Any, Any]) -> AgentVectorEnv:
    unwrapped = env.unwrapped
    if not isinstance(unwrapped, AgentVectorEnv):
        raise TypeError(f"This wrapper goes round environments of agentgym.make_vec, got {env!r}.")
    return unwrapped
