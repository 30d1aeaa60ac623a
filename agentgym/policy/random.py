"""The random policy: the floor that every result stands on."""

from __future__ import annotations

import zlib
from random import Random
from typing import TYPE_CHECKING

from agentgym.action import Action, Click, Done, Fill, Select, format_action
from agentgym.policy.base import Completion, Policy, Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentgym.observation import Element, Observation

FIELDS = frozenset({"textbox", "searchbox", "spinbutton"})


class RandomPolicy(Policy):
    """Does a valid action with an element that is on screen, drawn uniformly.

    What it does in a turn depends on the seed, the episode and the turn alone, not on what else is in the batch.

    Args:
        seed: seed of all draws.
    """

    name = "random"

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Return one action a prompt."""
        return [Completion(format_action(self._draw(prompt))) for prompt in prompts]

    def _draw(self, prompt: Prompt) -> Action:
        rng = Random(zlib.crc32(f"{self._seed} {prompt.key} {prompt.step}".encode()))  # noqa: S311 (not secret)
        observation = prompt.observation
        targets = [element for element in observation.elements if element.role != "option"]
        pick = rng.randrange(len(targets) + 1)
        return Done() if pick == len(targets) else _use(targets[pick], observation, rng)


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
