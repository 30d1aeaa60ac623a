"""The oracle policy: plays each task's scripted solution, through the text that a model would write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym.action import Action, Done, format_action
from agentgym.errors import ActionError, ConfigError
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.prompt import demonstration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.episode import EpisodeKey
    from agentgym.task import OracleScript


class OraclePolicy(Policy):
    """Plays scripted solutions; keeps one running script an episode."""

    name = "oracle"

    def __init__(self) -> None:
        self._scripts: dict[EpisodeKey, OracleScript] = {}

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return the next action of each episode's script; ``done()`` where it has ended or does not fit the page.

        Raises:
            ConfigError: a task has no oracle.
        """
        return [self._next(prompt) for prompt in prompts]

    def forget(self, key: EpisodeKey) -> None:
        """Drop the script of an episode that has ended."""
        self._scripts.pop(key, None)

    def _next(self, prompt: Prompt) -> Completion:
        action = self._advance(prompt)
        element_id = getattr(action, "element", None)
        return Completion(demonstration(prompt.observation, format_action(action), element_id))

    def _advance(self, prompt: Prompt) -> Action:
        try:
            if prompt.step == 0:  # also when an episode is played again after its machine failed
                script = prompt.task.oracle(prompt.observation)
                if script is None:
                    raise ConfigError(f"Task {prompt.task.id!r} has no oracle; `agentgym tasks` says which have one.")
                self._scripts[prompt.key] = script
                return next(script)
            return self._scripts[prompt.key].send(prompt.observation)
        except (StopIteration, ActionError):  # it has ended, or does not find on screen what it wants
            return Done()
