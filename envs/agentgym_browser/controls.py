"""Controls: elements of the window itself, which are no part of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentgym.observation import MAX_NAME, NOWHERE, Box, Element

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@dataclass(frozen=True)
class Control:
    """Something of the window that an agent can read, click or fill."""

    key: object
    """What keeps its id from one observation to the next."""
    role: str
    name: str
    value: str = ""
    states: tuple[str, ...] = ()
    box: Box = NOWHERE
    """Where it is painted; `NOWHERE` for what stands beside the page, such as tabs."""
    click: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    """What a click with the middle button does."""
    fill: Callable[[str], Awaitable[None]] | None = None

    def element(self, number: int) -> Element:
        """Return what an observation shows of it, on one line whatever a page has put in."""
        return Element(number, self.role, one_line(self.name), one_line(self.value), self.states, self.box)


def one_line(text: str) -> str:
    """Return untrusted text on one line, cut to what a name may hold, without halves of surrogate pairs."""
    return " ".join(text[: 4 * MAX_NAME].split())[:MAX_NAME].encode("utf-8", "replace").decode()
