"""The Gymnasium environment: one task in one session.

Reward is the score at the end of the episode and 0 before it. An episode ``terminated`` when it was scored, and was
``truncated`` at its step limit. Text that is no action is a step that changes nothing but the observation's error. A
failed machine raises `InfrastructureError`; the next `reset` heals it. Never is that a reward.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, cast

import gymnasium

from agentgym.action import Action
from agentgym.errors import ActionError, InfrastructureError, SessionStateError
from agentgym.look import all_parts
from agentgym.policy.speech import DEFAULT, Speech
from agentgym.spaces import ActionSpace, observation_space
from agentgym.task import TEST_SEEDS, Instance, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.episode import Outcome
    from agentgym.look import Part
    from agentgym.observation import Observation
    from agentgym.world import Step, World

CLOSED = "This environment is closed; make another."


class EpisodeInfo(TypedDict):
    """The ``info`` of `AgentEnv`."""

    task_id: str
    seed: int
    outcome: Outcome | None
    """None while the episode goes on."""
    reason: str
    """The judge's reason, why it was truncated, or the infrastructure error; empty while the episode goes on."""


class Transition(NamedTuple):
    """What a step was worth, and whether it ended the episode."""

    reward: float
    terminated: bool
    truncated: bool


@dataclass
class RunningEpisode:
    """Where an episode stands; the rules that one environment and a vector of them share."""

    instance: Instance
    observation: Observation
    max_steps: int
    malformed_penalty: float
    speech: Speech
    steps: int = 0
    outcome: Outcome | None = None
    reason: str = ""

    @property
    def info(self) -> EpisodeInfo:
        """A fresh info dict."""
        return EpisodeInfo(
            task_id=self.instance.task.id, seed=self.instance.seed, outcome=self.outcome, reason=self.reason
        )

    def read(self, action: object) -> Action:
        """Return an action given as itself or as text in the dialect.

        Raises:
            ActionError: the text is no action of the dialect.
            TypeError: it is neither an action nor text.
        """
        if isinstance(action, Action):
            return action
        if isinstance(action, str):
            return self.speech.on(self.instance.task.viewport).parse(action)
        raise TypeError(f"An action is an agentgym.Action or text such as 'click(12)', got {action!r}.")

    def advance(self, step: Step) -> Transition:
        """Take in what an action led to.

        Raises:
            InfrastructureError: the judge could not judge.
        """
        self.steps += 1
        self.observation = step.observation
        if step.score is None:
            return self._go_on(0.0)
        if step.score.value is None:
            error = InfrastructureError(
                f"The episode could not be judged: {step.score.reason}. Reset and play another."
            )
            self.fail(error)
            raise error
        self.outcome, self.reason = step.score.outcome, step.score.reason
        return Transition(step.score.value, terminated=True, truncated=False)

    def refuse(self, error: ActionError) -> Transition:
        """Take in text that is no action: the same observation again, with the error."""
        self.steps += 1
        self.observation = replace(self.observation, error=str(error))
        return self._go_on(0.0 - self.malformed_penalty)  # not -0.0

    def fail(self, error: InfrastructureError) -> None:
        """Take in that the machine failed."""
        self.outcome, self.reason = "infrastructure", f"{error.kind}: {error}"

    def _go_on(self, reward: float) -> Transition:
        if self.steps < self.max_steps:
            return Transition(reward, terminated=False, truncated=False)
        self.outcome, self.reason = "truncated", f"step limit of {self.max_steps}"
        return Transition(reward, terminated=False, truncated=True)


class AgentEnv(gymnasium.Env[dict[str, Any], Action | str]):
    """One task behind the Gymnasium API.

    ``reset(seed=n)`` starts the task's episode ``n``; without a seed, one is drawn from ``np_random`` among the train
    seeds. An action is an `Action`, or text in the environment's dialect: as a model writes it, with its thought.

    Args:
        world: where it runs; the environment owns it from here on, and closes it. Its slot 0 is used.
        task: what is to be done.
        max_steps: actions until truncation, >= 1; the task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        parts: what observations hold; the world must show them.
        screenshot: the same as one more part.
        render_mode: ``rgb_array`` makes `render` return the screenshot; the world must take them.
        first_seed: seed of the first episode, where `reset` is given none; a reset that failed keeps it.
        dialect: in which text is read, by a name as `Speech` takes it.

    Raises:
        ValueError: a number or the render mode is out of range.
        UnknownNameError: there is no such dialect.
        ConfigError: its scale does not fit.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 2}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self,
        world: World,
        task: Task,
        *,
        max_steps: int | None = None,
        malformed_penalty: float = 0.0,
        parts: Sequence[Part] = ("elements",),
        screenshot: bool = False,
        render_mode: Literal["rgb_array"] | None = None,
        first_seed: int | None = None,
        dialect: str = DEFAULT,
    ) -> None:
        check_options(max_steps=max_steps, malformed_penalty=malformed_penalty, render_mode=render_mode)
        self.task = task
        self.max_steps = max_steps or task.max_steps
        self.malformed_penalty = malformed_penalty
        self.render_mode = render_mode
        self._parts = all_parts(parts, screenshot=screenshot)
        self.observation_space = observation_space(*task.viewport, parts=self._parts)
        self.action_space = cast("gymnasium.Space[Action | str]", ActionSpace(*task.viewport))
        self._speech = Speech(dialect)
        self._world = world
        self._first_seed = first_seed
        self._episode: RunningEpisode | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"AgentEnv({self.task.id!r})"

    __str__ = __repr__

    @property
    def observation(self) -> Observation:
        """The newest observation, typed.

        Raises:
            SessionStateError: there has been no reset.
        """
        return self._started().observation

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode.

        Raises:
            InfrastructureError: the machine failed; reset again.
            SessionStateError: the environment is closed.
        """
        self._check_open()
        del options  # Gymnasium's checker passes an empty one; there are none
        if seed is None:
            seed = self._first_seed
        super().reset(seed=seed)
        instance = Instance(self.task, int(self.np_random.integers(TEST_SEEDS)) if seed is None else seed)
        self._episode = None
        observation = self._world.reset({0: instance})[0]
        if isinstance(observation, InfrastructureError):
            raise observation
        self._first_seed = None  # only now: a reset that failed is still to be done
        self._episode = RunningEpisode(instance, observation, self.max_steps, self.malformed_penalty, self._speech)
        if self._world.prepares:
            following = copy.deepcopy(self.np_random).integers(TEST_SEEDS)
            self._world.expect({0: Instance(self.task, int(following))})
        return self._shown(self._episode)

    def step(self, action: Action | str) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Carry out one action.

        Raises:
            SessionStateError: there has been no reset, or the episode has ended.
            InfrastructureError: the machine failed; reset to go on.
        """
        episode = self._started()
        if episode.outcome is not None:
            raise SessionStateError(f"The episode has ended ({episode.outcome}); call reset before the next step.")
        try:
            checked = episode.read(action)
        except ActionError as error:
            transition = episode.refuse(error)
        else:
            result = self._world.step({0: checked})[0]
            if isinstance(result, InfrastructureError):
                episode.fail(result)
                raise result
            transition = episode.advance(result)
        observation, info = self._shown(episode)
        return observation, *transition, info

    def render(self) -> NDArray[np.uint8] | None:
        """Return the newest screenshot, (height, width, 3) RGB; None without a render mode."""
        return None if self.render_mode is None else self.observation.screenshot

    def close(self) -> None:
        """End the session and its world, for good; may be called twice."""
        self._episode = None
        self._closed = True
        self._world.close()

    def _check_open(self) -> None:
        if self._closed:
            raise SessionStateError(CLOSED)

    def _started(self) -> RunningEpisode:
        self._check_open()
        if self._episode is None:
            raise SessionStateError("This environment has no episode; call reset first.")
        return self._episode

    def _shown(self, episode: RunningEpisode) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the observation and info of the Gymnasium API."""
        return episode.observation.to_gym(self._parts), dict(episode.info)


def check_options(*, max_steps: int | None, malformed_penalty: float, render_mode: str | None) -> None:
    """Check the arguments that all environments share.

    Raises:
        ValueError: one is out of range.
    """
    if max_steps is not None and max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, got {max_steps}")
    if not malformed_penalty >= 0:
        raise ValueError(f"malformed_penalty must be 0 or more, got {malformed_penalty}")
    if render_mode not in (None, "rgb_array"):
        raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
