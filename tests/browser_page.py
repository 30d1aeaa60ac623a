"""A browser task for tests: one page from memory, and what its scripts have seen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agentgym.action import Wait
from agentgym.episode import Score
from agentgym.observation import Element, Observation
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_browser import BrowserTask, Setup, Site

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from agentgym.action import Action
    from agentgym.world import World
    from agentgym_browser import Answer


BOUND_S = 30.0  # far more than anything takes: the machine may be busy


class PageTask(BrowserTask):
    """A page whose state is a JavaScript expression; ``state`` holds its value after the newest step."""

    id = "test/page"
    viewport = (400, 300)

    def __init__(
        self,
        body: str,
        *,
        state: str = "null",
        reusable: bool = False,
        pages: Mapping[str, str | Answer] | None = None,
        others: Mapping[str, Site] | None = None,
    ) -> None:
        self.html = f"<!doctype html><html><body>{body}</body></html>"
        self.state_script = state
        self.reusable = reusable
        self.state: Any = None
        self.pages = pages
        self.others = others

    def setup(self, rng: Random) -> Setup:
        del rng
        return Setup("Do what the test does.", self.html)

    def site(self, setup: Setup) -> Site:
        return Site(html=setup.html, pages=self.pages, others=self.others)

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        del goal
        self.state = state
        return None if answer is None else Score(1.0, "the test is done")


def open_page(world: World, task: PageTask, *, slot: int = 0) -> Observation:
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


def found_on(world: World, task: PageTask, *, slot: int = 0) -> Any:
    """Open a page and return its state once that is no longer "not yet"."""
    open_page(world, task, slot=slot)
    return found_later(world, task, slot=slot)


def found_later(world: World, task: PageTask, *, slot: int = 0) -> Any:
    """Return an open page's state once it is no longer "not yet"."""
    task.state = "not yet"
    deadline = time.monotonic() + BOUND_S
    while task.state == "not yet":
        assert time.monotonic() < deadline, "the page has not found an answer"
        act(world, Wait(ms=20), slot=slot)
    return task.state
