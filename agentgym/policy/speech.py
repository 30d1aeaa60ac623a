"""How a policy writes actions: a dialect by name, made for the screen of each task.

    speech = Speech("qwen-computer")
    dialect = speech.on(task.viewport)  # its coordinates go from 0 to 1000 over that screen
    action = dialect.parse(completion.text)

A name may say what the coordinates count, where a family of models has two ways: ``qwen-computer@pixels``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from agentgym.dialects import dialect_class
from agentgym.dialects.base import PixelDialect
from agentgym.dialects.call_text import CallText
from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from agentgym.dialects.base import Dialect
    from agentgym.dialects.coordinates import Size

DEFAULT = CallText.name
PIXELS = "pixels"
SCREEN = (1280, 720)  # on which a name is tried, before any task is known


@dataclass(frozen=True)
class Speech:
    """The dialect of a policy.

    Raises:
        UnknownNameError: there is no such dialect; the message gives the nearest.
        ConfigError: the scale does not fit, or the dialect has none.
    """

    name: str = DEFAULT
    """Of a dialect, such as ``json-tools``; one of points may be followed by ``@`` and its scale: ``pixels`` for those
    of the screen, or the largest coordinate, as in ``ui-tars@1000``."""

    def __post_init__(self) -> None:
        self.on(SCREEN)

    def __str__(self) -> str:
        return self.name

    def on(self, screen: Size) -> Dialect:
        """Return the dialect for a screen, its width and height in pixels; the same object each time."""
        return _made(self.name, screen)


@cache
def _made(text: str, screen: Size) -> Dialect:
    name, at, scale = text.partition("@")
    kind = dialect_class(name)
    options: dict[str, Any] = {"scale": _scale(text, scale)} if at else {}
    try:
        return kind.for_screen(screen, **options)
    except TypeError as error:
        why = "it knows element ids, and has no scale" if at and not issubclass(kind, PixelDialect) else str(error)
        raise ConfigError(f"dialect {text!r}: {why}.") from error


def _scale(text: str, scale: str) -> int | None:
    if scale == PIXELS:
        return None
    if not (scale.isascii() and scale.isdecimal() and len(scale) < 10):
        raise ConfigError(
            f"dialect {text!r}: the scale after @ must be {PIXELS} or a largest coordinate, such as 1000."
        )
    return int(scale)
