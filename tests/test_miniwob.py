"""The MiniWoB++ suite as a whole: which tasks there are, and what each of them keeps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from agentgym import registry
from agentgym.action import Click, Done, Drag, Wait
from agentgym.env import AgentEnv
from agentgym.errors import SessionStateError
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.world import Step, World
from agentgym_miniwob.names import NAMES
from agentgym_miniwob.task import FRESH_PAGE, NONDETERMINISTIC, MiniWobTask, miniwob_html

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agentgym.action import Action
    from agentgym.episode import Score
    from agentgym.errors import InfrastructureError

TASKS = registry.get_suite("miniwob").tasks
LEAKING = {f"miniwob/{name}" for name in FRESH_PAGE}
COUNT_LISTENERS = """(() => {
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  window.listeners = [];
  EventTarget.prototype.addEventListener = function (...how) {
    listeners.push([this, how[0]]);
    return addEventListener.apply(this, how);
  };
  EventTarget.prototype.removeEventListener = function (...how) {
    const place = listeners.findIndex(([target, type]) => target === this && type === how[0]);
    if (place >= 0) listeners.splice(place, 1);
    return removeEventListener.apply(this, how);
  };
})()"""
HANDLERS = """(() => {
  const nodes = [window, document, ...document.querySelectorAll("*")];
  const ofJQuery = (node) => Object.values(window.jQuery && jQuery._data(node, "events") || {}).flat().length;
  return listeners.filter(([target]) => nodes.includes(target)).length + nodes.map(ofJQuery).reduce((a, b) => a + b);
})()"""


class Lent(World):
    """A world that its owner closes, so that tests need not start a browser each."""

    name = "browser"

    def __init__(self, world: World) -> None:
        self._world = world
        self.num_slots = world.num_slots

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        return self._world.reset(instances)

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        return self._world.step(actions)

    def close(self) -> None:
        pass


class HandlerCount(MiniWobTask):
    """A task whose state is how many handlers its page has bound to what is on it."""

    state_script = HANDLERS
    handlers = -1

    def load_script(self, seed: int) -> str:
        return f"{super().load_script(seed)};{COUNT_LISTENERS}"

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        del goal, answer
        self.handlers = state
        return None


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with registry.make_world("browser", num_slots=2) as world:
        yield Lent(world)


def test_the_tasks_are_those_that_the_package_registers_but_for_flights() -> None:
    registered = (miniwob_html().parent / "registration.py").read_text()
    names = set(re.findall(r'id="miniwob/([^"]+)-v\d+"', registered))
    assert set(NAMES) == {name for name in names if not name.startswith("flight.")}
    assert len(NAMES) == len(TASKS) == 125


def test_the_exceptions_name_tasks() -> None:
    assert set(NAMES) >= FRESH_PAGE | NONDETERMINISTIC
    assert len(NONDETERMINISTIC) <= 3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_every_task_keeps_the_contract(world: World, task: MiniWobTask) -> None:
    first, other = world.reset({0: Instance(task, 7), 1: Instance(task, 8)}).values()
    assert isinstance(first, Observation)
    assert isinstance(other, Observation)
    assert first.instruction
    assert first.elements or task.name == "hot-cold"  # its one area shows nothing
    # Whatever this changes, in another slot, the next episode is that of its seed.
    world.step(
        {0: Click(element=first.elements[-1].id) if first.elements else Click(x=80, y=90), 1: Click(x=80, y=130)}
    )
    again = world.reset({0: Instance(task, 8), 1: Instance(task, 7)})
    if task.deterministic:
        assert again == {0: other, 1: first}
    step = world.step({0: Done()})[0]
    assert isinstance(step, Step)
    assert step.score is not None
    assert step.score.value is not None
    assert 0 <= step.score.value <= 1
    with pytest.raises(SessionStateError):
        world.step({0: Done()})
    env = AgentEnv(world, task)
    env.spec = EnvSpec(task.id, nondeterministic=not task.deterministic)
    check_env(env, skip_render_check=True, skip_close_check=True)  # Gymnasium's; a warning is an error here


@pytest.mark.parametrize("task", [task for task in TASKS if task.id not in LEAKING], ids=lambda task: task.id)
def test_a_page_that_is_started_again_in_place_does_not_keep_its_handlers(world: World, task: MiniWobTask) -> None:
    """Those of an earlier episode would judge the next one, too."""
    counting = HandlerCount(task.name)
    counts = []
    for _ in range(3):
        world.reset({0: Instance(counting, 3)})
        world.step({0: Wait(ms=0)})
        counts.append(counting.handlers)
    assert counts[1] == counts[2]


def test_the_clock_starts_every_episode_at_the_same_time(world: World) -> None:
    task = registry.get_task("miniwob/terminal")
    observation = world.reset({0: Instance(task, 0)})[0]
    assert isinstance(observation, Observation)
    assert "Last login: Wed Jan 01 2020" in [element.name for element in observation.elements]


def test_a_picture_in_an_instruction_is_named(world: World) -> None:
    task = registry.get_task("miniwob/use-colorwheel-2")
    observation = world.reset({0: Instance(task, 0)})[0]
    assert isinstance(observation, Observation)
    assert re.search(r"the following color \[rgb\(\d+, \d+, \d+\)\] with", observation.instruction)


def test_a_page_that_delays_nothing_does_not_end_its_episode_at_once(world: World) -> None:
    task = registry.get_task("miniwob/click-pie")
    world.reset({0: Instance(task, 0)})
    step = world.step({0: Wait(ms=50)})[0]
    assert isinstance(step, Step)
    assert step.score is None


def test_the_timers_that_a_page_sets_up_itself_go_on(world: World) -> None:
    task = registry.get_task("miniwob/drag-cube")
    observation = world.reset({0: Instance(task, 0)})[0]
    assert isinstance(observation, Observation)
    world.step({0: Drag(x=80, y=100, to_x=80, to_y=150)})
    step = world.step({0: Wait(ms=100)})[0]
    assert isinstance(step, Step)
    assert step.observation.elements != observation.elements
