"""Worlds: kinds of computer.

A world owns processes and isolation and hands out sessions, addressed by slot. Its calls are batched, because one
message to sixteen pages costs little more than to one. Each slot answers with its result or with an
`InfrastructureError` of its own: one failed session never fails its neighbours, and heals on its next reset.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentgym.action import Action
    from agentgym.episode import Score
    from agentgym.errors import InfrastructureError
    from agentgym.look import Part
    from agentgym.observation import Observation
    from agentgym.task import Instance


@dataclass(frozen=True)
class Step:
    """What one action led to."""

    observation: Observation
    score: Score | None
    """The task's verdict where it ended the episode; None while the episode goes on."""


class World(ABC):
    """What a new kind of computer implements.

    Args of every world: ``num_slots``, how many sessions there are; ``screenshot``, whether observations carry one. A
    world whose `parts` go beyond that takes ``look``, an `agentgym.look.Look`, too.
    """

    name: ClassVar[str]
    parts: ClassVar[frozenset[Part]] = frozenset({"elements", "screenshot"})
    """What its observations can hold."""
    num_slots: int

    @classmethod
    def check(cls) -> str:
        """Return in a few words what this world runs on, after trying it; for `agentgym doctor`.

        Raises:
            AgentGymError: it does not work here; the message says what to do.
        """
        cls().close()
        return "starts"

    @abstractmethod
    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        """Start an episode in each of the given slots; what was there before is gone."""

    @abstractmethod
    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        """Carry out one action in each of the given slots.

        An action that cannot be carried out (its element is not there) is an observation with an error.

        Raises:
            SessionStateError: a slot was not reset, or its episode has ended.
        """

    @abstractmethod
    def close(self) -> None:
        """End all sessions and processes; may be called twice."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
