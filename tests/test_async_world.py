"""Work that is submitted to a world and collected later: a contract, and what only a real browser can show."""

from __future__ import annotations

import gc
from threading import Timer
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from agentgym import registry
from agentgym.action import Click, Done, Hover, Press, Wait
from agentgym.errors import SessionStateError
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.world import Step, World
from agentgym_browser.world import BrowserWorld
from tests.slow_page import CALM, SlowPage
from tests.toy_world import PressTask, ToyWorld

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from agentgym.action import Action
    from agentgym.errors import InfrastructureError

pytestmark = pytest.mark.usefixtures("toy_plugin")


BOUND_S = 30.0  # far more than a page needs to become busy


class BlockingWorld(World):
    """A third party's world, which implements nothing but the blocking calls."""

    name = "blocking"

    def __init__(self, *, num_slots: int = 1) -> None:
        self.num_slots = num_slots
        self._toy = ToyWorld(num_slots=num_slots)
        self.calls: list[str] = []

    def reset(self, instances: Mapping[int, Instance]) -> dict[int, Observation | InfrastructureError]:
        self.calls.append(f"reset {sorted(instances)}")
        return self._toy.reset(instances)

    def step(self, actions: Mapping[int, Action]) -> dict[int, Step | InfrastructureError]:
        self.calls.append(f"step {sorted(actions)}")
        return self._toy.step(actions)

    def close(self) -> None:
        super().close()
        self._toy.close()


class WorkContract:
    """What every world keeps when its work is submitted and collected apart; tests get two slots."""

    @pytest.fixture
    def task_id(self) -> str:
        raise TypeError("give the contract a `task_id` fixture")

    @pytest.fixture
    def world(self, task_id: str) -> Iterator[World]:
        with registry.make_world(registry.get_task(task_id).world, num_slots=2) as world:
            yield world

    def test_what_is_submitted_gives_what_the_blocking_calls_give(self, world: World, task_id: str) -> None:
        both = {slot: Instance(registry.get_task(task_id), slot) for slot in range(2)}
        observations: Any = world.reset(both)
        steps = world.step({0: Wait(ms=0), 1: Done()})
        world.submit(both)
        assert world.under_way == {0, 1}
        assert world.collect(at_least=2) == observations
        world.submit({0: Wait(ms=0), 1: Done()})
        assert world.collect(at_least=2) == steps
        assert not world.under_way

    def test_episodes_are_started_beside_steps(self, world: World, task_id: str) -> None:
        task = registry.get_task(task_id)
        observation = world.reset({0: Instance(task, 0), 1: Instance(task, 1)})[1]
        world.submit({0: Wait(ms=0), 1: Instance(task, 1)})
        results = world.collect(at_least=2)
        assert isinstance(results[0], Step)
        assert results[1] == observation

    def test_a_slot_under_way_takes_no_more(self, world: World, task_id: str) -> None:
        instance = Instance(registry.get_task(task_id), 0)
        world.submit({0: instance})
        with pytest.raises(SessionStateError, match=r"slots \[0\].*collect"):
            world.submit({1: instance, 0: instance})
        world.submit({1: instance})  # nothing of the refused call was begun
        assert set(world.collect(at_least=2)) == {0, 1}

    def test_there_must_be_work_to_wait_for(self, world: World, task_id: str) -> None:
        with pytest.raises(SessionStateError, match="submit"):
            world.collect()
        world.submit({0: Instance(registry.get_task(task_id), 0)})
        with pytest.raises(SessionStateError, match=r"2 results.* 1 slots"):
            world.collect(at_least=2)
        assert isinstance(world.collect()[0], Observation)
        assert world.collect(at_least=0) == {}

    def test_a_step_before_reset_raises_and_leaves_nothing_under_way(self, world: World) -> None:
        def step() -> None:
            world.submit({1: Wait(ms=0)})
            world.collect()

        with pytest.raises(SessionStateError, match="call reset first"):
            step()
        assert not world.under_way

    def test_it_can_be_closed_with_work_under_way_and_used_again(self, world: World, task_id: str) -> None:
        instance = Instance(registry.get_task(task_id), 0)
        for _ in range(2):  # while the world is being opened, and again
            world.submit({0: instance, 1: instance})
            world.close()
        assert not world.under_way
        assert isinstance(world.reset({0: instance})[0], Observation)


class TestToyWork(WorkContract):
    @pytest.fixture
    def task_id(self) -> str:
        return "toy/press"


class TestBlockingWork(WorkContract):
    @pytest.fixture
    def task_id(self) -> str:
        return "toy/press"

    @pytest.fixture
    def world(self, task_id: str) -> Iterator[World]:
        with BlockingWorld(num_slots=2) as world:
            yield world

    def test_all_that_was_submitted_is_done_in_one_call_a_kind(self) -> None:
        world = BlockingWorld(num_slots=3)
        world.submit({2: Instance(PressTask(), 0)})
        world.submit({0: Instance(PressTask(), 0)})
        world.collect()
        world.submit({0: Wait(ms=0), 1: Instance(PressTask(), 0)})
        world.submit({2: Wait(ms=0)})
        world.collect(timeout_s=0)
        assert world.calls == ["reset [0, 2]", "step [0, 2]", "reset [1]"]


class TestBrowserWork(WorkContract):
    @pytest.fixture
    def task_id(self) -> str:
        return "miniwob/click-button"

    def test_a_slow_page_does_not_hold_up_the_others(self, tmp_path: Path) -> None:
        slow = SlowPage(tmp_path)
        with BrowserWorld(num_slots=3, browsers=1) as world:
            world.reset({0: Instance(slow, 0), 1: Instance(CALM, 0), 2: Instance(CALM, 0)})
            world.submit({0: Click(element=1), 1: Click(element=1), 2: Click(element=1)})
            assert set(world.collect(at_least=2)) == {1, 2}
            world.submit({1: Wait(ms=0), 2: Wait(ms=0)})  # the others go on meanwhile
            assert set(world.collect(at_least=2)) == {1, 2}
            assert world.collect(timeout_s=0) == {}
            slow.finish()
            assert isinstance(world.collect()[0], Step)
            assert slow.state == 1

    def test_it_can_be_closed_while_its_browser_starts(self, tmp_path: Path) -> None:
        silent = tmp_path / "silent"
        silent.write_text("#!/bin/sh\nexec sleep 600\n")
        silent.chmod(0o755)
        with BrowserWorld() as world:  # whatever Python itself opens once
            world.reset({0: Instance(CALM, 0)})
        here = psutil.Process()
        descriptors, processes = here.num_fds(), {*here.children(recursive=True)}
        world = BrowserWorld(chromium=silent)
        world.submit({0: Instance(CALM, 0)})
        while not any(process.name() == "sleep" for process in here.children(recursive=True)):
            assert not world.collect(timeout_s=0)
        world.close()
        assert here.num_fds() <= descriptors
        assert not {*here.children(recursive=True)} - processes

    def test_a_slot_under_way_cannot_be_stepped_or_reset_beside(self, tmp_path: Path) -> None:
        slow = SlowPage(tmp_path)
        with BrowserWorld(num_slots=2) as world:
            world.reset({0: Instance(slow, 0), 1: Instance(CALM, 0)})
            world.submit({0: Click(element=1)})
            with pytest.raises(SessionStateError, match=r"slots \[0\]"):
                world.step({0: Wait(ms=0)})
            with pytest.raises(SessionStateError, match=r"slots \[0\]"):
                world.reset({0: Instance(CALM, 0)})
            assert isinstance(world.step({1: Wait(ms=0)})[1], Step)
            slow.finish()
            assert isinstance(world.collect()[0], Step)

    def test_a_bug_in_one_slot_raises_and_leaves_the_others_results(self) -> None:
        with BrowserWorld(num_slots=2) as world:
            world.submit({0: Instance(PressTask(), 0), 1: Instance(CALM, 0)})
            with pytest.raises(TypeError, match="not a BrowserTask"):
                world.collect(at_least=2)
            assert world.under_way == {1}
            assert isinstance(world.collect()[1], Observation)

    def test_who_waits_is_told_when_another_thread_closes_the_world(self, tmp_path: Path) -> None:
        slow = SlowPage(tmp_path)
        world = BrowserWorld()
        world.reset({0: Instance(slow, 0)})
        world.submit({0: Click(element=1)})
        assert slow.busy.wait(BOUND_S)
        closer = Timer(0.1, world.close)  # while it waits
        closer.start()
        with pytest.raises(SessionStateError, match=r"closed|0 slots"):
            world.collect()
        closer.join()

    @pytest.mark.parametrize(
        ("event", "action"),
        [("click", Click(element=1)), ("mouseover", Hover(element=1)), ("keydown", Press(keys="a"))],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_closing_in_the_middle_of_input_is_silent(
        self, tmp_path: Path, event: str, action: Action, caplog: pytest.LogCaptureFixture
    ) -> None:
        task = SlowPage(tmp_path, event)
        with BrowserWorld() as world:
            world.reset({0: Instance(task, 0)})
            world.submit({0: action})
            assert task.busy.wait(BOUND_S)
        gc.collect()  # an error that nobody has looked at is told when its future goes
        assert not caplog.records
