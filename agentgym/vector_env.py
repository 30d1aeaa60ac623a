"""Many environments in one world: Gymnasium's vector API in lock-step, and EnvPool's names to step asynchronously.

Asynchronously, `AgentVectorEnv.send` begins work in some slots and `AgentVectorEnv.recv` returns whichever are ready,
so that a slow page does not hold up the others; `step` is to send to all and to receive from all. There is no thread
or process per environment.

Autoreset is ``NEXT_STEP``: the step after an episode's end ignores its action, resets that slot and returns the first
observation with reward 0. A failed slot never fails its neighbours: its episode is truncated with reward NaN, its
observation stays the last one, ``info["infrastructure"]`` marks it, and the next step resets it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from gymnasium.utils.seeding import np_random
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from agentgym.action import Action
from agentgym.env import CLOSED, check_options
from agentgym.errors import ConfigError, SessionStateError
from agentgym.look import PICTURES, all_parts
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.slots import BEGUN, Slots
from agentgym.spaces import ActionSpace, observation_space
from agentgym.task import TEST_SEEDS, Instance, Task

if TYPE_CHECKING:
    from agentgym.env import RunningEpisode
    from agentgym.errors import InfrastructureError
    from agentgym.look import Part
    from agentgym.observation import Observation
    from agentgym.world import World

Batch = tuple[dict[str, Any], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class AgentVectorEnv(VectorEnv[dict[str, Any], Sequence[Action | str], NDArray[Any]]):
    """Tasks behind Gymnasium's vector API; slot ``i`` behaves exactly as an `AgentEnv` seeded with ``seed + i``.

    ``info`` has the keys of `agentgym.env.EpisodeInfo` as arrays, and ``infrastructure`` (bool),
    ``infrastructure_kind`` (the error's kind, or None) and ``env_id`` (the slot), each of shape (num_envs,); after
    `recv`, one row for each slot that is received.

    Args:
        world: where they run, one slot each; the environment owns it from here on, and closes it.
        tasks: what is to be done; slot ``i`` plays task ``i + k * num_envs``, modulo their number, in episode ``k``.
        max_steps: actions until truncation, >= 1; each task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        parts: what observations hold; the world must show them.
        screenshot: the same as one more part.
        render_mode: ``rgb_array`` makes `render` return the screenshots; the world must take them.
        dialect: as in `AgentEnv`.

    Raises:
        ConfigError: there are no tasks; or there are pictures, and the tasks' screens differ in size; or as in
            `AgentEnv`.
        UnknownNameError: there is no such dialect.
        ValueError: a number or the render mode is out of range.
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
        dialect: str = DEFAULT,
    ) -> None:
        check_options(max_steps=max_steps, malformed_penalty=malformed_penalty, render_mode=render_mode)
        self._parts = all_parts(parts, screenshot=screenshot)
        if not tasks:
            raise ConfigError("A vector environment needs at least one task.")
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
        self._slots = Slots(world, max_steps=max_steps, malformed_penalty=malformed_penalty, speech=Speech(dialect))
        self._generators: list[np.random.Generator] = [np_random()[0] for _ in range(self.num_envs)]

    def __repr__(self) -> str:
        return f"AgentVectorEnv({len(self.tasks)} tasks, num_envs={self.num_envs})"

    __str__ = __repr__

    @property
    def observations(self) -> tuple[Observation, ...]:
        """The newest observation of each slot, typed.

        Raises:
            SessionStateError: there has been no reset.
        """
        return tuple(episode.observation for episode in self._started(range(self.num_envs)))

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode in every slot; what is under way is waited for and dropped.

        Args:
            seed: slot ``i`` starts with ``seed + i``, or with the i-th of a list; None draws train seeds.
            options: ``reset_mask``, (num_envs,) bool, as in Gymnasium's own: only these slots start an episode.

        Raises:
            InfrastructureError: a slot failed several times in a row.
            SessionStateError: the environment is closed.
            TypeError: the seed is none.
            ValueError: the mask has another shape or type.
        """
        chosen = self._chosen(options or {})
        self._begin(chosen, seed)
        for answer in self._slots.wait(len(chosen)).values():
            if answer.failure is not None:
                raise answer.failure
        self._expect(chosen)
        slots = list(range(self.num_envs))
        return self._batch(slots), self._infos(slots, {})

    def step(self, actions: Sequence[Action | str]) -> Batch:
        """Carry out one action in each slot; slots whose episode had ended are reset instead.

        Raises:
            SessionStateError: there has been no reset, or a slot is under way.
            ValueError: there is not one action a slot.
        """
        self.send(actions)
        return self.recv(min_envs=self.num_envs)

    def async_reset(self, *, seed: int | Sequence[int | None] | None = None) -> None:
        """Begin an episode in every slot without waiting; `recv` gives their first observations, with reward 0.

        What is under way is waited for and dropped.

        Args:
            seed: as in `reset`.
        """
        self._slots.drop()
        self._begin(range(self.num_envs), seed)

    def send(self, actions: Sequence[Action | str], env_ids: Sequence[int] | NDArray[np.integer] | None = None) -> None:
        """Begin one action in each of some slots without waiting; a slot whose episode had ended is reset instead.

        Args:
            actions: one for each of ``env_ids``.
            env_ids: the slots, each once; all of them, in order, where None.

        Raises:
            SessionStateError: a slot has no episode, or is under way; nothing was begun.
            ValueError: there is not one action a slot, a slot is named twice, or there is no such slot.
            TypeError: an action is neither an action nor text.
        """
        slots = list(range(self.num_envs)) if env_ids is None else [int(each) for each in env_ids]
        unknown = sorted(set(slots).difference(range(self.num_envs)))
        if unknown or len(set(slots)) != len(slots):
            raise ValueError(f"env_ids names each slot once, out of 0 to {self.num_envs - 1}, got {slots}")
        if isinstance(actions, str) or len(actions) != len(slots):
            raise ValueError(f"These slots take {len(slots)} actions, one a slot, got {actions!r}")
        ended = [episode.outcome is not None for episode in self._started(slots)]
        self._slots.check_free(slots)  # before a seed is drawn
        work = zip(slots, actions, ended, strict=True)
        self._slots.send({slot: self._next(slot, None) if over else action for slot, action, over in work})

    def recv(self, *, min_envs: int = 1) -> Batch:
        """Wait until at least so many slots are ready, and return all that are.

        Every array has a row for each of these slots, in their order; ``info["env_id"]`` names them. What a row says is
        what `step` says.

        Raises:
            SessionStateError: fewer slots are under way.
            ValueError: ``min_envs`` is less than 1.
            InfrastructureError: a slot that never had an episode failed several times in a row; `async_reset` again.
        """
        if min_envs < 1:
            raise ValueError(f"min_envs must be at least 1, got {min_envs}")
        answers = self._slots.wait(min_envs)
        for slot, answer in answers.items():
            if answer.failure is not None and slot not in self._slots.episodes:  # there is no observation to return
                self._slots.give_back({other: answers[other] for other in answers if other != slot})
                raise answer.failure
        self._expect([slot for slot, answer in answers.items() if answer.transition is BEGUN])
        slots = list(answers)
        transitions = [answer.transition for answer in answers.values()]
        return (
            self._batch(slots),
            np.array([each.reward for each in transitions], dtype=np.float64),
            np.array([each.terminated for each in transitions], dtype=np.bool_),
            np.array([each.truncated for each in transitions], dtype=np.bool_),
            self._infos(slots, {slot: each.failure for slot, each in answers.items() if each.failure is not None}),
        )

    def render(self) -> tuple[Any, ...] | None:
        """Return each slot's newest screenshot, (height, width, 3) RGB; None without a render mode."""
        return None if self.render_mode is None else tuple(each.screenshot for each in self.observations)

    def close_extras(self, **kwargs: Any) -> None:
        """End the world, also with work under way."""
        del kwargs
        self._slots.close()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + slot for slot in range(self.num_envs)]
        if isinstance(seed, str) or not isinstance(seed, Sequence | np.ndarray):
            raise TypeError(f"A seed is a whole number, a list of one a slot, or None, got {seed!r}.")
        if len(seed) != self.num_envs:
            raise ValueError(f"reset takes {self.num_envs} seeds, one a slot, got {len(seed)}")
        return list(seed)

    def _begin(self, slots: Sequence[int], seed: int | Sequence[int | None] | None) -> None:
        """Begin an episode in some slots without waiting."""
        if self.closed:
            raise SessionStateError(CLOSED)
        seeds = self._seeds(seed)
        instances: dict[int, Instance] = {}
        for slot in slots:
            each = seeds[slot]
            if each is not None:
                self._generators[slot] = np_random(each)[0]
                self._slots.begun[slot] = 0
            instances[slot] = self._next(slot, each)
        self._slots.send(instances)

    def _chosen(self, options: dict[str, Any]) -> list[int]:
        """Return the slots that a reset is for."""
        mask = options.get("reset_mask")
        if mask is None:
            self._slots.drop()
            return list(range(self.num_envs))
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (self.num_envs,):
            raise ValueError(f"options['reset_mask'] must be a bool array of shape ({self.num_envs},), got {mask!r}")
        slots = range(self.num_envs)
        self._slots.check_free(slots)
        self._started(slots)  # the other slots go on, so they must be there
        return [int(slot) for slot in np.flatnonzero(mask)]

    def _next(self, slot: int, seed: int | None, generator: np.random.Generator | None = None) -> Instance:
        """Return what a slot plays next; draws a seed where there is none, from the slot's own generator."""
        generator = generator or self._generators[slot]
        task = self.tasks[(slot + self._slots.begun[slot] * self.num_envs) % len(self.tasks)]
        return Instance(task, int(generator.integers(TEST_SEEDS)) if seed is None else seed)

    def _expect(self, slots: Sequence[int]) -> None:
        """Tell the world what slots whose episode has begun will play next."""
        if self._slots.world.prepares:
            nexts = {slot: self._next(slot, None, copy.deepcopy(self._generators[slot])) for slot in slots}
            self._slots.world.expect(nexts)

    def _started(self, slots: Sequence[int]) -> list[RunningEpisode]:
        if self.closed:
            raise SessionStateError(CLOSED)
        episodes = self._slots.episodes
        missing = [slot for slot in slots if slot not in episodes]
        if missing:
            raise SessionStateError(f"Slots {missing} have no episodes; call reset first, or receive their first.")
        return [episodes[slot] for slot in slots]

    def _batch(self, slots: Sequence[int]) -> dict[str, Any]:
        """Return the newest observations of some slots, one row each."""
        observations = (episode.observation for episode in self._started(slots))
        rows = [each.to_gym(self._parts) for each in observations]
        space = self.single_observation_space
        empty = cast("dict[str, Any]", create_empty_array(space, len(slots)))
        return cast("dict[str, Any]", concatenate(space, rows, empty))

    def _infos(self, slots: Sequence[int], failures: dict[int, InfrastructureError]) -> dict[str, Any]:
        """Return the infos of some slots, one row each."""
        every: dict[str, Any] = {}
        for slot, episode in zip(slots, self._started(slots), strict=True):
            every = self._add_info(every, dict(episode.info), slot)
        infos = {key: values[slots] for key, values in every.items()}
        infos["infrastructure"] = np.array([slot in failures for slot in slots])
        kinds = [failures[slot].kind if slot in failures else None for slot in slots]
        infos["infrastructure_kind"] = np.array(kinds, dtype=object)
        infos["env_id"] = np.array(slots)
        return infos
