"""Many environments in one world, in lock-step: Gymnasium's vector API with one batched world call a step.

Autoreset is ``NEXT_STEP``: the step after an episode's end ignores its action, resets that slot and returns the first
observation with reward 0. A failed slot never fails its neighbours: its episode is truncated with reward NaN, its
observation stays the last one, ``info["infrastructure"]`` marks it, and the next step resets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from agentgym.action import Action
from agentgym.env import RunningEpisode, Transition, check_options, read_action
from agentgym.errors import ActionError, ConfigError, InfrastructureError, SessionStateError
from agentgym.look import PICTURES, all_parts
from agentgym.spaces import ActionSpace, observation_space
from agentgym.task import TEST_SEEDS, Instance, Task

if TYPE_CHECKING:
    from agentgym.look import Part
    from agentgym.observation import Observation
    from agentgym.world import World

RESET_ATTEMPTS = 3  # a crashed browser costs one; more in a row mean that it will not come back
FAILED = Transition(float("nan"), terminated=False, truncated=True)

Batch = tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class AgentVectorEnv(VectorEnv[dict[str, Any], Sequence[Action | str], NDArray[Any]]):
    """Tasks behind Gymnasium's vector API; slot ``i`` behaves exactly as an `AgentEnv` seeded with ``seed + i``.

    ``info`` has the keys of `agentgym.env.EpisodeInfo` as arrays, and ``infrastructure`` (bool) and
    ``infrastructure_kind`` (the error's kind, or None), each of shape (num_envs,).

    Args:
        world: where they run, one slot each; the environment owns it from here on, and closes it.
        tasks: what is to be done; slot ``i`` plays task ``i + k * num_envs``, modulo their number, in episode ``k``.
        max_steps: actions until truncation, >= 1; each task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        parts: what observations hold; the world must show them.
        screenshot: the same as one more part.
        render_mode: ``rgb_array`` makes `render` return the screenshots; the world must take them.

    Raises:
        ConfigError: there are pictures, and the tasks' screens differ in size.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (Gymnasium's own type)
        "render_modes": ["rgb_array"],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        world: World,
        tasks: Sequence[Task],
        *,
        max_steps: int | None = None,
        malformed_penalty: float = 0.0,
        parts: Sequence[Part] = ("elements",),
        screenshot: bool = False,
        render_mode: Literal["rgb_array"] | None = None,
    ) -> None:
        check_options(max_steps=max_steps, malformed_penalty=malformed_penalty, render_mode=render_mode)
        self._parts = all_parts(parts, screenshot=screenshot)
        sizes = {task.viewport for task in tasks}
        if PICTURES & self._parts and len(sizes) > 1:
            raise ConfigError(
                f"Pictures of {len(sizes)} sizes cannot be batched: {sorted(sizes)}. Use fewer tasks or one `viewport`."
            )
        self.num_envs = world.num_slots
        self.tasks = tuple(tasks)
        self.render_mode = render_mode
        width, height = (min(size[axis] for size in sizes) for axis in (0, 1))  # sampled points fit every screen
        self.single_observation_space = observation_space(width, height, parts=self._parts)
        self.single_action_space = ActionSpace(width, height)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._world = world
        self._max_steps = max_steps
        self._malformed_penalty = malformed_penalty
        self._generators: list[np.random.Generator] = [np_random()[0] for _ in range(self.num_envs)]
        self._played = [0] * self.num_envs  # episodes that each slot has begun
        self._episodes: dict[int, RunningEpisode] = {}

    def __repr__(self) -> str:
        return f"AgentVectorEnv({len(self.tasks)} tasks, num_envs={self.num_envs})"

    __str__ = __repr__

    @property
    def observations(self) -> tuple[Observation, ...]:
        """The newest observation of each slot, typed.

        Raises:
            SessionStateError: there has been no reset.
        """
        return tuple(episode.observation for episode in self._started())

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode in every slot.

        Args:
            seed: slot ``i`` starts with ``seed + i``, or with the i-th of a list; None draws train seeds.
            options: there are none.

        Raises:
            InfrastructureError: a slot failed several times in a row.
        """
        del options
        seeds = self._seeds(seed)
        drawn: dict[int, int] = {}
        for slot, each in enumerate(seeds):
            if each is not None:
                self._generators[slot] = np_random(each)[0]
                self._played[slot] = 0
            drawn[slot] = self._draw(slot) if each is None else each
        failures = self._begin(drawn)
        if failures:
            raise next(iter(failures.values()))
        return self._batch(), self._infos({})

    def step(self, actions: Sequence[Action | str]) -> Batch:
        """Carry out one action in each slot; slots whose episode had ended are reset instead.

        Raises:
            SessionStateError: there has been no reset.
            ValueError: there is not one action a slot.
        """
        episodes = self._started()
        if isinstance(actions, str) or len(actions) != self.num_envs:
            raise ValueError(f"step takes {self.num_envs} actions, one a slot, got {actions!r}")
        ended = [slot for slot, episode in enumerate(episodes) if episode.outcome is not None]
        transitions, failures = self._play({slot: action for slot, action in enumerate(actions) if slot not in ended})
        if ended:  # after the steps: a world that crashed meanwhile has by now told every slot
            failed = self._begin({slot: self._draw(slot) for slot in ended})
            transitions |= {slot: FAILED if slot in failed else Transition(0.0, False, False) for slot in ended}
            failures |= failed
        ordered = [transitions[slot] for slot in range(self.num_envs)]
        return (
            self._batch(),
            np.array([each.reward for each in ordered], dtype=np.float64),
            np.array([each.terminated for each in ordered], dtype=np.bool_),
            np.array([each.truncated for each in ordered], dtype=np.bool_),
            self._infos(failures),
        )

    def render(self) -> tuple[Any, ...] | None:
        """Return each slot's newest screenshot, (height, width, 3) RGB; None without a render mode."""
        return None if self.render_mode is None else tuple(each.screenshot for each in self.observations)

    def close_extras(self, **kwargs: Any) -> None:
        """End the world."""
        del kwargs
        self._world.close()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int):
            return [seed + slot for slot in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"reset takes {self.num_envs} seeds, one a slot, got {len(seed)}")
        return list(seed)

    def _draw(self, slot: int) -> int:
        return int(self._generators[slot].integers(TEST_SEEDS))

    def _begin(self, seeds: dict[int, int]) -> dict[int, InfrastructureError]:
        """Start an episode in some slots; try again where the machine fails, and return who failed to the end."""
        pending = {slot: Instance(self._next_task(slot), seed) for slot, seed in seeds.items()}
        failures: dict[int, InfrastructureError] = {}
        for _ in range(RESET_ATTEMPTS):
            failures = {}
            for slot, answer in self._world.reset(pending).items():
                if isinstance(answer, InfrastructureError):
                    failures[slot] = answer
                    continue
                instance = pending[slot]
                limit = self._max_steps or instance.task.max_steps
                self._episodes[slot] = RunningEpisode(instance, answer, limit, self._malformed_penalty)
                self._played[slot] += 1
            pending = {slot: pending[slot] for slot in failures}
            if not pending:
                break
        for slot, error in failures.items():
            if slot in self._episodes:
                self._episodes[slot].fail(error)
        return failures

    def _next_task(self, slot: int) -> Task:
        return self.tasks[(slot + self._played[slot] * self.num_envs) % len(self.tasks)]

    def _play(self, actions: dict[int, Action | str]) -> tuple[dict[int, Transition], dict[int, InfrastructureError]]:
        """Carry out actions; return what they were worth, and the slots whose machine failed."""
        transitions: dict[int, Transition] = {}
        valid: dict[int, Action] = {}
        for slot, action in actions.items():
            try:
                valid[slot] = read_action(action)
            except ActionError as error:
                transitions[slot] = self._episodes[slot].refuse(error)
        failures: dict[int, InfrastructureError] = {}
        results = self._world.step(valid) if valid else {}
        for slot, result in results.items():
            try:
                if isinstance(result, InfrastructureError):
                    raise result
                transitions[slot] = self._episodes[slot].advance(result)
            except InfrastructureError as error:
                self._episodes[slot].fail(error)
                transitions[slot], failures[slot] = FAILED, error
        return transitions, failures

    def _started(self) -> list[RunningEpisode]:
        if len(self._episodes) < self.num_envs:
            raise SessionStateError("This environment has no episodes; call reset first.")
        return [self._episodes[slot] for slot in range(self.num_envs)]

    def _batch(self) -> dict[str, Any]:
        rows = [each.to_gym(self._parts) for each in self.observations]
        space = self.single_observation_space
        empty = cast("dict[str, Any]", create_empty_array(space, self.num_envs))
        return cast("dict[str, Any]", concatenate(space, rows, empty))

    def _infos(self, failures: dict[int, InfrastructureError]) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for slot, episode in enumerate(self._started()):
            infos = self._add_info(infos, dict(episode.info), slot)
        infos["infrastructure"] = np.array([slot in failures for slot in range(self.num_envs)])
        kinds = [failures[slot].kind if slot in failures else None for slot in range(self.num_envs)]
        infos["infrastructure_kind"] = np.array(kinds, dtype=object)
        return infos
