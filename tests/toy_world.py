"""A world in memory: a few buttons or a text field, with an oracle and failures on demand."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from threading import Condition
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from agentgym.action import Action, Click, Done, Fill
from agentgym.episode import Score
from agentgym.errors import InfrastructureError, SessionStateError, WorldCrashedError
from agentgym.observation import Box, Element, Observation
from agentgym.task import Instance, Suite, Task
from agentgym.world import Step, World, refuse_busy, refuse_too_many

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agentgym.task import OracleScript

WORDS = ("ash", "birch", "cedar", "elm", "fir", "oak", "pine", "yew")


@dataclass
class Screen:
    """What one toy session shows; `goal` is what the task wants of it."""

    instruction: str
    goal: str
    elements: list[Element]


class ToyTask(Task):
    world: ClassVar[str] = "toy"
    viewport = (160, 120)
    max_steps = 5

    def screen(self, rng: Random) -> Screen:
        raise TypeError(f"{type(self).__name__} has no screen")

    def act(self, screen: Screen, action: Action) -> Score | None:
        raise TypeError(f"{type(self).__name__} has no rules")


class PressTask(ToyTask):
    """Press the named one of three buttons; a wrong one ends the episode."""

    id = "toy/press"
    description = "Press the button that the instruction names."

    def screen(self, rng: Random) -> Screen:
        names = rng.sample(WORDS, 3)
        goal = rng.choice(names)
        buttons = [Element(i, "button", name, box=Box(10, 10 + 30 * i, 80, 20)) for i, name in enumerate(names)]
        return Screen(f'Press "{goal}".', goal, buttons)

    def act(self, screen: Screen, action: Action) -> Score | None:
        hit = hit_element(screen, action)
        if hit is None:
            return None
        return Score(float(hit.name == screen.goal), f"pressed {hit.name}")

    def oracle(self, observation: Observation) -> OracleScript:
        goal = observation.instruction.split('"')[1]
        yield Click(element=next(element.id for element in observation.elements if element.name == goal))


class FillTask(ToyTask):
    """Fill the field, then press ok: two steps, so that credit has to reach back."""

    id = "toy/fill"
    description = "Write the word that the instruction names and press ok."

    def screen(self, rng: Random) -> Screen:
        goal = rng.choice(WORDS)
        field = Element(0, "textbox", "word", box=Box(10, 10, 80, 20))
        return Screen(
            f'Write "{goal}" and press ok.', goal, [field, Element(1, "button", "ok", box=Box(10, 40, 80, 20))]
        )

    def act(self, screen: Screen, action: Action) -> Score | None:
        field = screen.elements[0]
        if isinstance(action, Fill) and action.element == field.id:
            screen.elements[0] = Element(0, field.role, field.name, value=action.text, box=field.box)
            return None
        hit = hit_element(screen, action)
        if hit is None or hit.role != "button":
            return None
        return Score(float(field.value == screen.goal), f"the field holds {field.value!r}")

    def oracle(self, observation: Observation) -> OracleScript:
        yield Fill(element=0, text=observation.instruction.split('"')[1])
        yield Click(element=1)


def hit_element(screen: Screen, action: Action) -> Element | None:
    """Return the element that a click lands on."""
    if not isinstance(action, Click):
        return None
    for element in screen.elements:
        x, y, width, height = element.box
        inside = (
            action.x is not None and action.y is not None and x <= action.x < x + width and y <= action.y < y + height
        )
        if element.id == action.element or inside:
            return element
    return None


TOY = Suite("toy", (PressTask(), FillTask()))


class ToyWorld(World):
    """Sessions that are plain objects.

    ``fail(slot, error)`` makes the slot's next call answer with the error and lose its episode; ``crash()`` does so for
    every slot, as the end of a browser would. ``hold(slot)`` makes the slot slow: what is submitted to it has no result
    until ``release(slot)``, from whichever thread.
    """

    name: ClassVar[str] = "toy"

    def __init__(self, *, num_slots: int = 1, screenshot: bool = False) -> None:
        self.num_slots = num_slots
        self.screenshot = screenshot
        self.closed = 0
        self._faults: dict[int, InfrastructureError] = {}
        self._running: dict[int, tuple[ToyTask, Screen]] = {}
        self._held: set[int] = set()
        self._working: dict[int, Instance | Action] = {}
        self._results: dict[int, Observation | Step | InfrastructureError] = {}
        self._changed = Condition()

    def fail(self, slot: int, error: InfrastructureError) -> None:
        self._faults[slot] = error

    def crash(self) -> None:
        self._faults = {slot: WorldCrashedError("the toy broke") for slot in range(self.num_slots)}

    def hold(self, slot: int) -> None:
        self._held.add(slot)

    def release(self, slot: int) -> None:
        with self._changed:
            self._held.discard(slot)
            self._work()

    @property
    def under_way(self) -> frozenset[int]:
        with self._changed:
            return frozenset(self._working.keys() | self._results.keys())

    def submit(self, work: Mapping[int, Instance | Action]) -> None:
        refuse_busy(work, self.under_way)
        with self._changed:
            self._working.update(work)
            self._work()

    def collect(
        self, *, at_least: int = 1, timeout_s: float | None = None
    ) -> dict[int, Observation | Step | InfrastructureError]:
        refuse_too_many(at_least, self.under_way)
        with self._changed:
            self._changed.wait_for(lambda: len(self._results) >= at_least, timeout_s)
            results = dict(self._results)
            self._results.clear()
        return results

    def _work(self) -> None:
        """Do what was submitted to slots that are not held."""
        for slot in [slot for slot in self._working if slot not in self._held]:
            each = self._working.pop(slot)
            self._results[slot] = self._reset(slot, each) if isinstance(each, Instance) else self._step(slot, each)
        self._changed.notify_all()

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        return {slot: self._reset(slot, instance) for slot, instance in instances.items()}

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        return {slot: self._step(slot, action) for slot, action in actions.items()}

    def close(self) -> None:
        self.closed += 1
        for each in (self._running, self._working, self._results):
            each.clear()

    def _reset(self, slot: int, instance: Instance) -> Observation | InfrastructureError:
        self._running.pop(slot, None)
        fault = self._faults.pop(slot, None)
        if fault is not None:
            return fault
        assert isinstance(instance.task, ToyTask)
        screen = instance.task.screen(Random(instance.seed))
        self._running[slot] = instance.task, screen
        return self._observe(instance.task, screen)

    def _step(self, slot: int, action: Action) -> Step | InfrastructureError:
        fault = self._faults.pop(slot, None)
        if fault is not None:
            self._running.pop(slot, None)
            return fault
        if slot not in self._running:
            raise SessionStateError(f"step before reset: slot {slot} has no running episode; call reset first.")
        task, screen = self._running[slot]
        wanted = getattr(action, "element", None)
        missing = wanted is not None and all(element.id != wanted for element in screen.elements)
        score = None if missing else task.act(screen, action)
        if score is None and isinstance(action, Done):
            score = Score(0.0, "said done, but was not")
        if score is not None:
            del self._running[slot]
        return Step(self._observe(task, screen, error=f"no element {wanted}" if missing else ""), score)

    def _observe(self, task: ToyTask, screen: Screen, *, error: str = "") -> Observation:
        width, height = task.viewport
        pixels = np.zeros((height, width, 3), dtype=np.uint8)
        for element in screen.elements:
            x, y, w, h = element.box
            pixels[y : y + h, x : x + w] = 200
        return Observation(
            screen.instruction, tuple(screen.elements), error=error, screenshot=pixels if self.screenshot else None
        )


def write_plugin(folder: Path) -> None:
    """Announce the toy world and suite as an installed package would; the folder belongs on ``sys.path``."""
    info = folder / "agentgym_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: agentgym-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[agentgym.worlds]\ntoy = tests.toy_world:ToyWorld\n\n[agentgym.suites]\ntoy = tests.toy_world:TOY\n"
    )
