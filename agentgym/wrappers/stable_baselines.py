"""Many environments in one browser, as the ``VecEnv`` of Stable-Baselines3.

Stable-Baselines3 has a vector API of its own, and would otherwise open one browser an environment. It is not among what
agentgym installs: ``pip install stable-baselines3``, and ``sb3-contrib`` for ``MaskablePPO``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers.vector import DictInfoToList

from agentgym.errors import MissingDependencyError
from agentgym.wrappers.vector import FlatVector

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise MissingDependencyError("StableBaselinesVecEnv needs `pip install stable-baselines3`.") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import gymnasium
    from numpy.typing import NDArray

    Indices = None | int | Iterable[int]

MASKS = "action_masks"  # the method that sb3-contrib's MaskablePPO calls


class StableBaselinesVecEnv(VecEnv):
    """A vector environment that speaks Stable-Baselines3's API.

    The step that ends an episode also starts the next, in the same world call for all slots that ended; the last
    observation is in ``info["terminal_observation"]``. `MaskablePPO` finds the masks of a `FlatVector`.

    Args:
        env: with arrays as observations, such as `agentgym.wrappers.vector.FlatVector`; closed with this.

    Raises:
        ValueError: its observations are no arrays, or it resets slots by itself in the step that ends their episode.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if not isinstance(env.single_observation_space, spaces.Box):
            raise ValueError(  # noqa: TRY004 (its type is right: a wrapper is missing)
                f"Observations have to be arrays, got {env.single_observation_space}. "
                "Wrap the environment in agentgym.wrappers.vector.FlatVector or PixelGrid first."
            )
        if env.metadata.get("autoreset_mode") == AutoresetMode.SAME_STEP:
            raise ValueError(
                "The environment must not reset in the step that ends an episode; use NEXT_STEP autoreset."
            )
        self._env = DictInfoToList(env)
        self._actions: NDArray[Any] | None = None
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> NDArray[Any]:
        """Start an episode in every slot, with the seeds that `seed` set."""
        seeds: Any = None if None in self._seeds else self._seeds  # a list, which Gymnasium's wrappers pass on untyped
        observations, self.reset_infos = self._env.reset(seed=seeds)
        self._reset_seeds()
        self._reset_options()
        return np.asarray(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Take the actions of the next `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Carry out the actions, and start the next episode where one ended.

        Raises:
            InfrastructureError: a slot that was to be reset failed several times in a row.
        """
        observations, rewards, terminated, truncated, infos = self._env.step(self._actions)
        dones = terminated | truncated
        for slot, info in enumerate(infos):
            info["TimeLimit.truncated"] = bool(truncated[slot] and not terminated[slot])
            if dones[slot]:
                info["terminal_observation"] = observations[slot].copy()
        if dones.any():
            observations, fresh = self._env.reset(options={"reset_mask": dones.copy()})
            self.reset_infos = [
                new if done else old for new, old, done in zip(fresh, self.reset_infos, dones, strict=True)
            ]
        return np.asarray(observations), rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """End the environments."""
        self._env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return each slot's newest screenshot, or None without a render mode."""
        frames: Any = self._env.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of each slot: ``render_mode``, or ``action_masks`` of a `FlatVector`.

        Raises:
            AttributeError: it is another.
        """
        if attr_name == "render_mode":
            return [self._env.render_mode for _ in self._get_indices(indices)]
        if attr_name == MASKS:
            masks = self._masked().action_masks
            return [masks for _ in self._get_indices(indices)]
        raise AttributeError(f"The slots are no environments of their own and have no attribute {attr_name!r}.")

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Refuse.

        Raises:
            AttributeError: always.
        """
        raise AttributeError(f"The slots are no environments of their own; {attr_name!r} cannot be set on one.")

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> list[Any]:
        """Call ``action_masks`` of a `FlatVector`; return each slot's mask, (max_elements,) bool.

        Raises:
            AttributeError: it is another method, or there is no `FlatVector`.
        """
        if method_name != MASKS or args or kwargs:
            raise AttributeError(f"The slots are no environments of their own and have no method {method_name!r}.")
        masks = self._masked().action_masks()
        return [masks[slot] for slot in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Indices = None
    ) -> list[bool]:
        """Return False for each slot: wrappers go round all at once."""
        del wrapper_class
        return [False for _ in self._get_indices(indices)]

    def _masked(self) -> FlatVector:
        env: VectorEnv[Any, Any, Any] = self._env
        while isinstance(env, VectorWrapper):
            if isinstance(env, FlatVector):
                return env
            env = env.env
        raise AttributeError(f"{env!r} has no action masks; wrap it in agentgym.wrappers.vector.FlatVector.")
