"""What a dialect is: one way of writing the actions of `agentgym.action`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from agentgym.action import Action, shorten
from agentgym.dialects.coordinates import Coordinates
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from agentgym.dialects.coordinates import Point, Scale, Size

Examples: TypeAlias = tuple[tuple[str, Action], ...]

MAX_LENGTH = 200_000  # characters of a completion: twice what the longest text takes with every character escaped


class Dialect(ABC):
    """One way of writing actions.

    ``parse(format(a)) == a`` for every action that the dialect can say; `format` raises for the others. Dialects with
    a coordinate grid of their own write a point as the nearest one of the grid (see `Coordinates`).
    """

    name: ClassVar[str]
    intro: ClassVar[str] = "Answer with exactly one action."
    """First line of `describe`."""
    examples: Examples = ()
    """What the dialect can say, as (sentence, action): the other lines of `describe`."""
    names_target: ClassVar[bool] = False
    """Whether an expert names the element on a line before the action; a prompt then asks for that."""

    @classmethod
    def for_screen(cls, viewport: Size, **options: Any) -> Self:
        """Make the dialect as a policy speaks it on a screen.

        Args:
            viewport: width and height of the screen in pixels; dialects with element ids do without.
            options: arguments of the constructor.

        Raises:
            ConfigError: an option is out of range.
            TypeError: the dialect has no such option.
        """
        del viewport
        return cls(**options)

    def parse(self, text: str) -> Action:
        """Read the action in a model's completion. Thought is skipped where the dialect has a place for it.

        Raises:
            ActionError: the text is not exactly one action, or one that agentgym does not have. Nothing else is
                raised, whatever the text.
        """
        if len(text) > MAX_LENGTH:
            raise ActionError(f"The completion has {len(text)} characters; at most {MAX_LENGTH} are read.")
        return self._read(text)

    @abstractmethod
    def format(self, action: Action) -> str:
        """Write an action.

        Raises:
            ActionError: the dialect has no words for it.
        """

    def describe(self) -> str:
        """Return the dialect as text for a prompt."""
        return "\n".join([self.intro, *(f"{sentence}: {self.format(action)}" for sentence, action in self.examples)])

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    @abstractmethod
    def _read(self, text: str) -> Action:
        """Read a completion of bounded length."""

    def _refusal(self, action: Action, why: str) -> ActionError:
        return ActionError(f"{self.name} cannot say {shorten(str(action))}: {why}.")


class PixelDialect(Dialect):
    """A dialect that points at pixels and has no element ids.

    Args:
        viewport: width and height of the page in pixels; None where nothing is scaled and any point is taken.
        scale: what the model's coordinates count (see `Coordinates`).
    """

    def __init__(self, *, viewport: Size | None = None, scale: Scale = None) -> None:
        self.coordinates = Coordinates(viewport, scale)

    @classmethod
    def for_screen(cls, viewport: Size, **options: Any) -> Self:
        """Make the dialect for a screen; the scale is its own default where none is given."""
        return cls(viewport=viewport, **options)

    def describe(self) -> str:
        """Return the dialect as text for a prompt, and what its coordinates count."""
        return f"{super().describe()}\n{self.coordinates.describe()}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(viewport={self.coordinates.viewport}, scale={self.coordinates.scale})"

    def _written(self, action: Action, x: int, y: int) -> Point:
        """Return a pixel in the model's coordinates."""
        try:
            return self.coordinates.written(x, y)
        except ActionError as error:
            raise self._refusal(action, str(error).rstrip(".")) from None
