"""The oracle policy: plays each task's scripted solution, through the text that a model would write.

Solutions act on elements. What a dialect has no words for is played with points, see `by_points`; where that cannot be
said either, the episode ends with ``done()``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING

from agentgym.action import Action, Done
from agentgym.errors import ActionError, ConfigError
from agentgym.hook import Hook
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.pointing import by_points
from agentgym.policy.prompt import demonstration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.dialects.base import Dialect
    from agentgym.episode import EpisodeKey
    from agentgym.observation import Observation
    from agentgym.policy.speech import Speech
    from agentgym.task import OracleScript, Task


class OraclePolicy(Policy):
    """Plays scripted solutions; keeps one running script an episode.

    Args:
        speech: the dialect that it writes.
    """

    name = "oracle"

    def __init__(self, *, speech: Speech = Policy.speech) -> None:
        self.speech = speech
        self._scripts: dict[EpisodeKey, OracleScript] = {}
        self._next_actions: dict[EpisodeKey, deque[Action]] = {}  # where one action of a script is several here

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return the next action of each episode's script; ``done()`` where it has ended or does not fit the page.

        Raises:
            ConfigError: a task has no oracle.
            TaskError: an oracle raised, or is no generator of actions.
        """
        return [self._next(prompt) for prompt in prompts]

    def can_play(self, task: Task) -> bool:
        """Whether the task has a scripted solution."""
        return task.has_oracle

    def forget(self, key: EpisodeKey) -> None:
        """Drop the script of an episode that has ended."""
        self._scripts.pop(key, None)
        self._next_actions.pop(key, None)

    def _next(self, prompt: Prompt) -> Completion:
        dialect = self.dialect(prompt)
        try:
            action = self._advance(prompt, dialect)
            text = dialect.format(action)
        except ActionError:  # it does not find on screen what it wants, or cannot say it
            action = Done()
            text = dialect.format(action)
        if not dialect.names_target:
            return Completion(text)
        return Completion(demonstration(prompt.observation, text, getattr(action, "element", None)))

    def _advance(self, prompt: Prompt, dialect: Dialect) -> Action:
        """Return the next action, as the dialect aims."""
        if prompt.step == 0:
            self._next_actions.pop(prompt.key, None)
        waiting = self._next_actions.setdefault(prompt.key, deque())
        if not waiting:
            waiting += _sayable(self._scripted(prompt), prompt, dialect)
        return waiting.popleft()

    def _scripted(self, prompt: Prompt) -> Action:
        """Return the script's next action; ``done()`` where it has ended."""
        hook = Hook(prompt.task, "oracle", prompt.key.seed)
        if prompt.step == 0:  # also when an episode is played again after its machine failed
            script = hook.call(prompt.task.oracle, prompt.observation)
            if script is None:
                raise ConfigError(f"Task {prompt.task.id!r} has no oracle; `agentgym tasks` says which have one.")
            if not isinstance(script, Generator):
                raise hook.wrong("returned", script, "be a generator: one that yields actions, as in `yield Click(3)`")
            self._scripts[prompt.key] = script
            action = hook.call(_next_of, script, None)
        else:
            action = hook.call(_next_of, self._scripts[prompt.key], prompt.observation)
        if not isinstance(action, Action):
            raise hook.wrong("yielded", action, "yield actions, such as Click(3)")
        return action


def _next_of(script: OracleScript, observation: Observation | None) -> Action:
    """Let a script go on, one that has not begun with None."""
    try:
        return next(script) if observation is None else script.send(observation)
    except StopIteration:
        return Done()


def _sayable(action: Action, prompt: Prompt, dialect: Dialect) -> tuple[Action, ...]:
    """Return what does the same as an action and can be said: itself, or actions at points."""
    try:
        dialect.format(action)
    except ActionError:
        return by_points(action, prompt.observation, prompt.task.viewport)
    return (action,)
