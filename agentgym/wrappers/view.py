"""Views: what classic code sees of an observation, and what its integers do. One serves one environment or many."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gymnasium import spaces
    from numpy.typing import NDArray

    from agentgym.action import Action
    from agentgym.observation import Observation


class View(ABC):
    """A fixed shape for observations, and a fixed number of actions; keeps nothing of an episode."""

    observation_space: spaces.Box
    num_actions: int

    @abstractmethod
    def observe(self, observation: Observation) -> NDArray[Any]:
        """Return a fresh array that lies in ``observation_space``."""

    @abstractmethod
    def act(self, observation: Observation, index: int) -> Action:
        """Return what action ``index`` means on the screen of that observation.

        Raises:
            ValueError: it is not in ``range(num_actions)``.
        """

    def check(self, index: int) -> None:
        """Check an action.

        Raises:
            ValueError: it is not in ``range(num_actions)``.
        """
        if not 0 <= index < self.num_actions:
            raise ValueError(f"An action is an integer from 0 to {self.num_actions - 1}, got {index}.")
