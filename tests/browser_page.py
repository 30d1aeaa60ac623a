"""A browser task for tests: one page from memory, and what its scripts have seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgym.episode import Score
from agentgym.observation import Element, Observation
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_browser import BrowserTask, Setup

if TYPE_CHECKING:
    from random import Random

    from agentgym.action import Action
    from agentgym.world import World


class PageTask(BrowserTask):
    """A page whose state is a JavaScript expression; ``state`` holds its value after the newest step."""

    id = "test/page"
    viewport = (400, 300)

    def __init__(self, body: str, *, state: str = "null", reusable: bool = False) -> None:
        self.html = f"<!doctype html><html><body>{body}</body></html>"
        self.state_script = state
        self.reusable = reusable
        self.state: Any = None

    def setup(self, rng: Random) -> Setup:
        del rng
        return Setup("Do what the test does.", self.html)

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        del goal
        self.state = state
        return None if answer is None else Score(1.0, "the test is done")


def open_page(world: World, task: BrowserTask, *, slot: int = 0) -> Observation:
    """Start an episode of a task."""
    observation = world.reset({slot: Instance(task, 0)})[slot]
    assert isinstance(observation, Observation), observation
    return observation


def act(world: World, action: Action, *, slot: int = 0) -> Observation:
    """Carry out an action and return what is on the page then."""
    step = world.step({slot: action})[slot]
    assert isinstance(step, Step), step
    return step.observation


def find(observation: Observation, role: str, name: str | None = None) -> Element:
    """Return the element of a role, and of a name where one is given."""
    found = [each for each in observation.elements if each.role == role and name in (None, each.name)]
    assert found, f"no {role} {name!r} among {[each.line for each in observation.elements]}"
    return found[0]
