"""What a policy is shown of the screen: elements as text, screenshots, or both.

Screenshots stand in the message of a turn between the history and the elements, oldest first, each under a line that
says when it was taken. They are a window that slides: what is older than `Sight.screenshots` turns falls away, so that
a prompt does not grow with its episode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.episode import Turn
    from agentgym.observation import Observation


@dataclass(frozen=True)
class Sight:
    """What a policy is shown of the screen."""

    screenshots: int = 0
    """Of the newest screenshots, how many a prompt holds, >= 0; 0 for a policy that reads text alone."""
    longest_side: int | None = None
    """Larger screenshots are made smaller, to this many pixels on their longer side; None leaves them as they are."""
    elements: bool = True
    """Whether a prompt lists the elements on screen, too."""

    def window(self, turns: Sequence[Turn], observation: Observation) -> tuple[NDArray[np.uint8], ...]:
        """Return the screenshots that the next prompt of an episode holds, oldest first.

        Args:
            turns: that the episode has had.
            observation: the newest.

        Raises:
            ConfigError: there is no screenshot to show.
        """
        if not self.screenshots:
            return ()
        earlier = turns[max(0, len(turns) - self.screenshots + 1) :]
        pictures = [*(turn.screenshot for turn in earlier), observation.screenshot]
        if any(each is None for each in pictures):
            raise ConfigError(
                "The policy sees screenshots, and the world takes none: make it with screenshot=True, or give a task "
                "whose world can."
            )
        return tuple(each for each in pictures if each is not None)


BLIND = Sight()


def captions(count: int) -> list[str]:
    """Return the line above each of some screenshots, oldest first."""
    ages = [f"Screenshot {age} turn{'s' if age > 1 else ''} ago:" for age in range(count - 1, 0, -1)]
    return [*ages, "Screenshot now:"]
