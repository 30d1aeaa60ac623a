"""Controls: elements of the window itself, which are no part of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agentgym.observation import MAX_NAME, NOWHERE, Box, Element

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Numbers:
    """The ids of a window's elements: those of the controls, and how far others have come with theirs."""

    def __init__(self) -> None:
        self.highest = 0
        """Id that anybody has given so far."""
        self._ids: dict[object, int] = {}  # of controls, by their key
        self._shown: dict[int, Control] = {}  # the controls of the newest observation

    def clear(self) -> None:
        """Begin anew."""
        self.highest = 0
        self._ids.clear()
        self._shown.clear()

    def take(self, element: object) -> Control | None:
        """Return the control of an id in the newest observation; None where it is none."""
        return self._shown.get(element) if isinstance(element, int) else None

    def show(self, controls: list[Control], *, also: bool = False) -> tuple[Element, ...]:
        """Return controls as elements of a new observation, or also of the newest one."""
        shown = {self._id(control.key): control for control in controls}
        self._shown = self._shown | shown if also else shown
        return tuple(control.element(number) for number, control in shown.items())

    def _id(self, key: object) -> int:
        if key not in self._ids:
            self.highest += 1
            self._ids[key] = self.highest
        return self._ids[key]


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
