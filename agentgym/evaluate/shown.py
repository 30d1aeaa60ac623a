"""Episodes as a report shows them: before and after side by side, step by step.

Screenshots become PNG data URIs, each distinct one once. Where an action points is known for pixels; boxes of elements
are not recorded, so an element is named by its line in the prompt. All text here is still as pages and models wrote
it: whoever renders it escapes it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from agentgym.action import Action, Click, Drag, Fill, Hover, Scroll, Select, parse
from agentgym.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from agentgym.episode import EpisodeKey, Outcome, Trajectory, Turn

MAX_PROSE = 6_000  # characters of a prompt or completion that are shown


class Point(NamedTuple):
    """A place in a screenshot, in pixels."""

    x: int
    y: int


@dataclass(frozen=True)
class Picture:
    """A screenshot in the album."""

    id: str
    width: int
    height: int


@dataclass(frozen=True)
class Step:
    """One turn."""

    picture: Picture | None
    """What was on screen before the action."""
    points: tuple[Point, ...]
    """Where the action points; empty where that is not known."""
    target: str
    """The element that it points at, as the prompt named it; empty where there is none."""
    prompt: str
    thought: str
    """The completion without its last line, where that is the action as it is shown; else all of it."""
    action: str
    error: str


@dataclass(frozen=True)
class Side:
    """An episode as it was played, before or after training."""

    outcome: Outcome
    score: float | None
    reason: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Pair:
    """The same episode before and after."""

    key: EpisodeKey
    instruction: str
    before: Side | None
    after: Side | None

    @property
    def learned(self) -> bool:
        """Whether it failed before and succeeded after."""
        return bool(self.before and self.after) and self._outcomes == ("failure", "success")

    @property
    def _outcomes(self) -> tuple[str, str]:
        before, after = (side.outcome if side else "" for side in (self.before, self.after))
        return ("failure" if before == "truncated" else before), after


class Album:
    """Screenshots, each distinct one kept once."""

    def __init__(self) -> None:
        self.uris: dict[Picture, str] = {}
        """The data URI of each picture."""
        self._by_content: dict[bytes, Picture] = {}

    def add(self, screenshot: NDArray[np.uint8]) -> Picture:
        """Keep a screenshot, (height, width, 3) RGB, and return the picture that it is."""
        height, width, _ = screenshot.shape
        digest = hashlib.sha256(f"{width}x{height}".encode() + screenshot.tobytes()).digest()
        picture = self._by_content.get(digest)
        if picture is None:
            picture = self._by_content[digest] = Picture(f"shot-{len(self.uris)}", width, height)
            buffer = io.BytesIO()
            Image.fromarray(screenshot).save(buffer, "PNG", optimize=True)
            self.uris[picture] = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return picture


def pairs(before: Iterable[Trajectory], after: Iterable[Trajectory], album: Album) -> dict[str, list[Pair]]:
    """Return the episodes of each task, their pictures being added to the album.

    Of an episode that was played again, because the machine had failed, the last play is shown.
    """
    sides = [{trajectory.key: trajectory for trajectory in played} for played in (before, after)]
    found: dict[str, list[Pair]] = {}
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        played = [side.get(key) for side in sides]
        instruction = next(trajectory.instruction for trajectory in played if trajectory is not None)
        shown = [None if trajectory is None else _side(trajectory, album) for trajectory in played]
        found.setdefault(key.task_id, []).append(Pair(key, instruction, *shown))
    return found


def _side(trajectory: Trajectory, album: Album) -> Side:
    steps = tuple(_step(turn, album) for turn in trajectory.turns)
    return Side(trajectory.outcome, trajectory.score, trajectory.reason, steps)


def _step(turn: Turn, album: Album) -> Step:
    points, elements = _targets(turn.action)
    lines = (_element_line(turn.prompt, element) for element in elements)
    return Step(
        picture=None if turn.screenshot is None else album.add(turn.screenshot),
        points=tuple(points),
        target=" → ".join(line for line in lines if line),
        prompt=_cut(turn.prompt),
        thought=_cut(_thought(turn)),
        action=turn.action,
        error=turn.error,
    )


def _thought(turn: Turn) -> str:
    """Return what a completion says beside its action."""
    above, _, last = turn.completion.strip().rpartition("\n")
    return above.strip() if last.strip() == turn.action else turn.completion


def _targets(text: str) -> tuple[Sequence[Point], Sequence[int]]:
    """Return the points and the element ids that an action aims at."""
    try:
        action = parse(text)
    except ActionError:  # no action was carried out
        return [], []
    aims = _aims(action)
    points = [Point(x, y) for _, x, y in aims if x is not None and y is not None]
    return points, [element for element, _, _ in aims if element is not None]


def _aims(action: Action) -> list[tuple[int | None, int | None, int | None]]:
    """Return element, x and y of each target."""
    match action:
        case Click() | Hover() | Scroll():
            return [(action.element, action.x, action.y)]
        case Drag():
            return [(action.element, action.x, action.y), (action.to_element, action.to_x, action.to_y)]
        case Fill() | Select():
            return [(action.element, None, None)]
        case _:
            return []


def _element_line(prompt: str, element: int) -> str:
    """Return role, name and id of an element in a prompt; names are quoted, so that none can forge an id."""
    line = re.search(rf'^\S+ "(?:[^"\\\n]|\\.)*" \[{element}\]', prompt, re.MULTILINE)
    return line[0] if line else ""


def _cut(text: str) -> str:
    return text if len(text) <= MAX_PROSE else f"{text[:MAX_PROSE]}\n… ({len(text) - MAX_PROSE:,} more characters)"
