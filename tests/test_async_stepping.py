"""The vector environment's asynchronous side: `async_reset`, `send` and `recv`."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st

import agentgym
from agentgym.action import Click, Done
from agentgym.errors import SessionCrashedError, SessionStateError, WorldCrashedError
from agentgym.vector_env import AgentVectorEnv
from agentgym_browser.world import BrowserWorld
from tests.slow_page import CALM, HANGING, SlowPage
from tests.toy_world import TOY, PressTask, ToyWorld

if TYPE_CHECKING:
    from agentgym.errors import InfrastructureError
    from agentgym.observation import Observation
    from agentgym.task import Instance
    from agentgym.vector_env import Batch

pytestmark = pytest.mark.usefixtures("toy_plugin")


DOCUMENT = Path(__file__).parent.parent / "docs" / "stepping.md"


def test_the_example_in_the_documents_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    exec(example, {})


def rows(batch: Batch) -> dict[int, Any]:
    """Return what a batch says of each slot."""
    observations, rewards, terminated, truncated, infos = batch
    return {
        int(slot): (
            {key: value[row] for key, value in observations.items()},
            (repr(rewards[row]), terminated[row], truncated[row]),  # repr: NaN equals itself
            {key: value[row] for key, value in infos.items()},
        )
        for row, slot in enumerate(infos["env_id"])
    }


def receive_all(env: AgentVectorEnv) -> dict[int, Any]:
    received: dict[int, Any] = {}
    while len(received) < env.num_envs:
        new = rows(env.recv())
        assert not new.keys() & received.keys()
        received |= new
    return received


class TestVectorEnv:
    @pytest.mark.parametrize("tasks", ["toy", "miniwob/click-button,miniwob/enter-text"])
    def test_stepping_is_sending_to_all_and_receiving_from_all(self, tasks: str) -> None:
        lockstep, together, singly = envs = [agentgym.make_vec(tasks, num_envs=2, max_steps=2) for _ in range(3)]
        try:
            observations, infos = lockstep.reset(seed=7)
            together.async_reset(seed=7)
            singly.async_reset(seed=7)
            first = together.recv(min_envs=2)
            assert data_equivalence((observations, infos), (first[0], first[4]), exact=True)
            assert data_equivalence(receive_all(singly), rows(first), exact=True)
            lockstep.action_space.seed(0)
            for turn in range(4):
                actions: list[Any] = list(lockstep.action_space.sample()) if turn % 2 else ["no action", Done()]
                stepped = lockstep.step(actions)
                together.send(actions)
                assert data_equivalence(together.recv(min_envs=2), stepped, exact=True)
                for slot in (1, 0):
                    singly.send([actions[slot]], [slot])
                assert data_equivalence(receive_all(singly), rows(stepped), exact=True)
        finally:
            for env in envs:
                env.close()

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.sampled_from(["send", "recv"]), st.sets(st.integers(0, 2), min_size=1)), max_size=12))
    def test_in_whatever_order_slots_move_each_does_what_it_does_alone(self, moves: list[tuple[str, set[int]]]) -> None:
        alone = [AgentVectorEnv(ToyWorld(num_slots=1), [PressTask()]) for _ in range(3)]
        env = AgentVectorEnv(ToyWorld(num_slots=3), [PressTask()])
        env.async_reset(seed=3)
        expected = {}
        for slot, single in enumerate(alone):
            observations, infos = single.reset(seed=3 + slot)
            expected[slot] = rows((observations, np.zeros(1), np.zeros(1, bool), np.zeros(1, bool), infos))[0]
        for move, slots in moves:
            chosen = slots - expected.keys()
            if move == "send" and chosen:
                order = sorted(chosen, reverse=True)
                env.send(["click(1)"] * len(order), order)
                expected |= {slot: rows(alone[slot].step(["click(1)"]))[0] for slot in order}
            elif move == "recv" and expected:
                received = rows(env.recv(min_envs=len(expected)))
                for slot, (observation, transition, info) in received.items():
                    single = expected.pop(slot)
                    assert data_equivalence((observation, transition), single[:2], exact=True)
                    assert info == single[2] | {"env_id": slot}
        assert bool(expected) == bool(env._slots.under_way)

    def test_a_slow_page_does_not_hold_up_the_others(self, tmp_path: Path) -> None:
        slow = SlowPage(tmp_path)
        env = AgentVectorEnv(BrowserWorld(num_slots=3, browsers=1), [slow, CALM, CALM])
        try:
            env.reset(seed=0)
            env.send([Click(element=1)] * 3)
            received = env.recv(min_envs=2)
            assert received[4]["env_id"].tolist() == [1, 2]
            assert len(received[0]["elements"]) == len(received[1]) == 2
            env.send(["wait(0)"], np.array([2]))
            assert env.recv()[4]["env_id"].tolist() == [2]
            slow.finish()
            assert env.recv()[4]["env_id"].tolist() == [0]
        finally:
            env.close()

    def test_slots_come_as_they_are_ready(self) -> None:
        world = ToyWorld(num_slots=3)
        env = AgentVectorEnv(world, TOY.tasks)
        world.hold(1)
        env.async_reset(seed=0)
        assert env.recv(min_envs=2)[4]["env_id"].tolist() == [0, 2]
        for _ in range(3):
            env.send(["wait(0)"] * 2, [2, 0])
            assert env.recv(min_envs=2)[4]["env_id"].tolist() == [0, 2]
        Timer(0, world.release, [1]).start()
        assert env.recv()[4]["task_id"].tolist() == ["toy/fill"]
        env.step(["wait(0)"] * 3)  # nothing is under way: lock-step again

    def test_a_failed_slot_is_marked_as_in_lock_step_and_heals(self) -> None:
        world = ToyWorld(num_slots=2)
        env = AgentVectorEnv(world, [PressTask()])
        env.reset(seed=0)
        world.fail(1, SessionCrashedError("page gone"))
        env.send(["wait(0)"] * 2)
        _, rewards, terminated, truncated, infos = env.recv(min_envs=2)
        assert np.isnan(rewards).tolist() == truncated.tolist() == infos["infrastructure"].tolist() == [False, True]
        assert not terminated.any()
        assert infos["infrastructure_kind"].tolist() == [None, "session_crashed"]
        world.fail(1, WorldCrashedError("not yet"))  # the reset is tried again
        env.send(["wait(0)"], [1])
        _, rewards, _, truncated, infos = env.recv()
        assert (rewards.tolist(), truncated.tolist(), infos["infrastructure"].tolist()) == ([0], [False], [False])
        assert infos["outcome"].tolist() == [None]

    def test_a_slot_that_never_starts_raises_and_leaves_the_others(self) -> None:
        class HalfDead(ToyWorld):
            def _reset(self, slot: int, instance: Instance) -> Observation | InfrastructureError:
                return super()._reset(slot, instance) if slot else WorldCrashedError("no browser")

        env = AgentVectorEnv(HalfDead(num_slots=2), [PressTask()])
        env.async_reset(seed=0)
        with pytest.raises(WorldCrashedError, match="no browser"):
            env.recv(min_envs=2)
        assert env.recv()[4]["env_id"].tolist() == [1]
        with pytest.raises(SessionStateError, match=r"Slots \[0\] have no episodes"):
            env.send(["wait(0)"] * 2)
        env.send(["wait(0)"], [1])
        assert env.recv()[4]["env_id"].tolist() == [1]

    def test_misuse_is_told(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=2)
        with pytest.raises(SessionStateError, match="reset"):
            env.send(["wait(0)"] * 2)
        env.reset(seed=0)
        with pytest.raises(SessionStateError, match="0 slots; `send`"):
            env.recv()
        with pytest.raises(ValueError, match="min_envs"):
            env.recv(min_envs=0)
        with pytest.raises(ValueError, match="1 actions, one a slot"):
            env.send(["wait(0)"] * 2, [0])
        for wrong in ([0, 0], [0, 2], [-1, 0]):
            with pytest.raises(ValueError, match="each slot once, out of 0 to 1"):
                env.send(["wait(0)"] * 2, wrong)
        with pytest.raises(TypeError, match="got 3"):
            env.send(["wait(0)", 3])  # type: ignore[list-item]
        env.send(["wait(0)"], [1])
        with pytest.raises(SessionStateError, match=r"slots \[1\].*`recv`"):
            env.send(["wait(0)"] * 2)
        with pytest.raises(SessionStateError, match=r"slots \[1\].*`recv`"):
            env.step(["wait(0)"] * 2)
        with pytest.raises(SessionStateError, match=r"2 results.* 1 slots"):
            env.recv(min_envs=2)
        assert env.recv()[4]["env_id"].tolist() == [1]

    def test_a_refused_send_draws_no_seed(self) -> None:
        def seeds(*, refused: bool) -> list[int]:
            env = agentgym.make_vec("toy/press", num_envs=2)
            env.reset(seed=0)
            env.step(["done()", "wait(0)"])
            env.send(["wait(0)"], [1])
            if refused:
                with pytest.raises(SessionStateError):
                    env.send(["wait(0)"] * 2)
            env.send(["wait(0)"], [0])
            return [int(each) for each in env.recv(min_envs=2)[4]["seed"]]

        assert seeds(refused=True) == seeds(refused=False)

    def test_a_reset_drops_what_is_under_way(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=2)
        env.reset(seed=0)
        env.send(["done()"] * 2)
        assert env.reset(seed=5)[1]["outcome"].tolist() == [None, None]
        env.send(["done()"], [0])
        env.async_reset(seed=5)
        assert env.recv(min_envs=2)[4]["seed"].tolist() == [5, 6]

    def test_a_step_that_was_interrupted_is_dropped_by_the_next_reset(self, tmp_path: Path) -> None:
        slow = SlowPage(tmp_path)
        env = AgentVectorEnv(BrowserWorld(), [slow])

        def interrupt() -> None:
            slow.busy.wait()
            os.kill(os.getpid(), signal.SIGINT)  # as Ctrl-C, or a notebook's stop button

        try:
            env.reset(seed=0)
            Timer(0, interrupt).start()
            with pytest.raises(KeyboardInterrupt):
                env.step([Click(element=1)])
            slow.finish()
            with pytest.raises(SessionStateError, match=r"slots \[0\].*`reset`"):
                env.step(["wait(0)"])
            env.reset(seed=0)
            assert env.step(["done()"])[1].tolist() == [1]
        finally:
            env.close()

    def test_it_closes_with_work_under_way(self) -> None:
        env = AgentVectorEnv(BrowserWorld(num_slots=2), [HANGING])
        env.reset(seed=0)
        env.send([Click(element=1)] * 2)
        env.close()
        with pytest.raises(SessionStateError, match="0 slots"):
            env.recv()
