"""The random policy: the floor that every result stands on."""

from __future__ import annotations

import zlib
from random import Random
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Done, Fill, Press, Select
from agentgym.dialects.base import PixelDialect
from agentgym.errors import ActionError
from agentgym.policy.base import Completion, Policy, Prompt
from agentgym.policy.pointing import by_points

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.observation import Element, Observation
    from agentgym.policy.speech import Speech

FIELDS = frozenset({"textbox", "searchbox", "spinbutton"})


class RandomPolicy(Policy):
    """Does a valid action with an element that is on screen, drawn uniformly.

    What it does in a turn depends on the seed, the episode and the turn alone, not on what else is in the batch. In a
    dialect of points, it does one of the actions that do the same by points (see `by_points`).

    Args:
        seed: seed of all draws.
        speech: the dialect that it writes.
    """

    name = "random"

    def __init__(self, *, seed: int = 0, speech: Speech = Policy.speech) -> None:
        self._seed = seed
        self.speech = speech

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one action a prompt."""
        return [Completion(self._say(prompt)) for prompt in prompts]

    def _say(self, prompt: Prompt) -> str:
        dialect = self.dialect(prompt)
        try:
            return dialect.format(self._draw(prompt))
        except ActionError:  # a list, or an element off the screen, in a dialect that cannot aim at it
            return dialect.format(Press(keys="Tab"))

    def _draw(self, prompt: Prompt) -> Action:
        rng = Random(zlib.crc32(f"{self._seed} {prompt.key} {prompt.step}".encode()))  # noqa: S311 (not secret)
        observation = prompt.observation
        targets = [element for element in observation.elements if element.role != "option"]
        pick = rng.randrange(len(targets) + 1)
        action = Done() if pick == len(targets) else _use(targets[pick], observation, rng)
        if not isinstance(self.dialect(prompt), PixelDialect):
            return action
        return rng.choice(by_points(action, observation, prompt.task.viewport))


def _use(element: Element, observation: Observation, rng: Random) -> Action:
    """Do to an element what it is for: fields take a word of the instruction, lists one of their options."""
    if element.role in FIELDS:
        words = observation.instruction.replace('"', " ").split() or [""]
        return rng.choice([Click(element=element.id), Fill(element=element.id, text=rng.choice(words))])
    if element.role == "combobox":
        options = [other.name for other in observation.elements if other.role == "option"]
        if options:
            return Select(element=element.id, option=rng.choice(options))
    return Click(element=element.id)
