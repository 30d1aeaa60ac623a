"""Environments on the toy world: the contracts, and what only a world that fails on demand can show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import agentgym
from agentgym.action import Wait
from agentgym.env import AgentEnv
from agentgym.episode import Score
from agentgym.errors import ConfigError, InfrastructureError, SessionCrashedError, SessionStateError, WorldCrashedError
from agentgym.task import TEST_SEEDS
from agentgym.vector_env import AgentVectorEnv
from tests.contract import EnvContract, WorldContract
from tests.toy_world import TOY, FillTask, PressTask, ToyWorld

if TYPE_CHECKING:
    from agentgym.action import Action

pytestmark = pytest.mark.usefixtures("toy_plugin")


class TestToyWorld(WorldContract):
    @pytest.fixture(params=["toy/press", "toy/fill"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestToyEnv(EnvContract):
    @pytest.fixture(params=["toy/press", "toy/fill"])
    def task_id(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class UnjudgedTask(PressTask):
    """Its judge never knows."""

    id = "toy/unjudged"

    def act(self, screen: object, action: Action) -> Score | None:
        return Score(None, "the judge was away")


def test_make_takes_the_seed_of_the_first_reset() -> None:
    with agentgym.make("toy/press", seed=7) as env:
        assert env.reset()[1]["seed"] == 7
        assert env.reset()[1]["seed"] != 7


def test_a_first_reset_that_failed_keeps_its_seed() -> None:
    world = ToyWorld()
    with AgentEnv(world, PressTask(), first_seed=7) as env:
        world.fail(0, SessionCrashedError("page gone"))
        with pytest.raises(SessionCrashedError):
            env.reset()
        assert env.reset()[1]["seed"] == 7
        assert env.reset()[1]["seed"] != 7


def test_a_seed_that_is_given_takes_the_place_of_the_first() -> None:
    with agentgym.make("toy/press", seed=7) as env:
        assert env.reset(seed=3)[1]["seed"] == 3
        assert env.reset()[1]["seed"] != 7


def test_seeds_are_drawn_from_the_train_split() -> None:
    with agentgym.make("toy/press") as env:
        assert all(env.reset()[1]["seed"] < TEST_SEEDS for _ in range(20))


def test_the_typed_observation_is_the_newest_one() -> None:
    with agentgym.make("toy/fill") as env:
        with pytest.raises(SessionStateError):
            _ = env.observation
        env.reset(seed=0)
        env.step('fill(0, "elm")')
        assert env.observation.elements[0].value == "elm"


def test_malformed_text_costs_what_was_agreed() -> None:
    with agentgym.make("toy/press", malformed_penalty=0.25) as env:
        env.reset(seed=0)
        assert env.step("hello")[1] == -0.25


def test_an_action_of_another_type_is_a_bug_of_the_caller() -> None:
    with agentgym.make("toy/press") as env:
        env.reset(seed=0)
        with pytest.raises(TypeError, match="got 3"):
            env.step(3)  # type: ignore[arg-type]


def test_render_returns_the_screenshot_and_the_observation_stays_without() -> None:
    with agentgym.make("toy/press", render_mode="rgb_array") as env:
        observation, _ = env.reset(seed=0)
        assert "screenshot" not in observation
        frame = env.render()
        assert frame is not None
        assert frame.shape == (120, 160, 3)


def test_without_a_render_mode_there_is_no_frame() -> None:
    with agentgym.make("toy/press") as env:
        env.reset(seed=0)
        assert env.render() is None


@pytest.mark.parametrize("wrong", [{"max_steps": 0}, {"malformed_penalty": -1.0}, {"render_mode": "human"}])
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AgentEnv(ToyWorld(), PressTask(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AgentVectorEnv(ToyWorld(), TOY.tasks, **wrong)  # type: ignore[arg-type]


def test_a_failed_machine_raises_and_reset_heals_it() -> None:
    world = ToyWorld()
    with AgentEnv(world, PressTask()) as env:
        world.fail(0, SessionCrashedError("page gone"))
        with pytest.raises(SessionCrashedError):
            env.reset(seed=0)
        env.reset(seed=0)
        world.fail(0, SessionCrashedError("page gone"))
        with pytest.raises(SessionCrashedError, match="page gone"):
            env.step(Wait(ms=0))
        with pytest.raises(SessionStateError):
            env.step(Wait(ms=0))
        env.reset(seed=0)
        env.step(Wait(ms=0))


def test_an_episode_that_cannot_be_judged_is_never_a_reward() -> None:
    with AgentEnv(ToyWorld(), UnjudgedTask()) as env:
        env.reset(seed=0)
        with pytest.raises(InfrastructureError, match="the judge was away"):
            env.step(Wait(ms=0))


class TestVectorEnv:
    def test_a_failed_slot_is_truncated_with_no_reward_and_heals(self) -> None:
        world = ToyWorld(num_slots=3)
        env = AgentVectorEnv(world, [PressTask()])
        env.reset(seed=0)
        world.fail(1, SessionCrashedError("page gone"))
        _, rewards, terminated, truncated, infos = env.step(["wait(0)"] * 3)
        assert np.isnan(rewards).tolist() == [False, True, False]
        assert not terminated.any()
        assert truncated.tolist() == [False, True, False]
        assert infos["infrastructure"].tolist() == [False, True, False]
        assert infos["infrastructure_kind"].tolist() == [None, "session_crashed", None]
        assert infos["outcome"][1] == "infrastructure"
        _, rewards, _, truncated, infos = env.step(["wait(0)"] * 3)
        assert rewards.tolist() == [0, 0, 0]
        assert not truncated.any()
        assert not infos["infrastructure"].any()
        env.close()

    def test_a_crashed_world_comes_back(self) -> None:
        world = ToyWorld(num_slots=2)
        env = AgentVectorEnv(world, [PressTask()])
        env.reset(seed=0)
        world.crash()
        infos = env.step(["wait(0)"] * 2)[-1]
        assert infos["infrastructure_kind"].tolist() == ["world_crashed"] * 2
        world.crash()  # once more, on the reset: it is tried again
        assert not env.step(["wait(0)"] * 2)[-1]["infrastructure"].any()

    def test_a_slot_that_does_not_come_back_stays_truncated(self) -> None:
        class Dying(ToyWorld):
            def _reset(self, slot: int, instance: object) -> InfrastructureError:
                return WorldCrashedError("no browser")

        env = AgentVectorEnv(ToyWorld(num_slots=1), [PressTask()])
        env.reset(seed=0)
        env.step(["done()"])
        env._slots.world = Dying(num_slots=1)
        for _ in range(2):
            _, rewards, _, truncated, infos = env.step(["wait(0)"])
            assert np.isnan(rewards[0])
            assert truncated[0]
            assert infos["infrastructure_kind"][0] == "world_crashed"
        with pytest.raises(WorldCrashedError):
            env.reset(seed=0)

    def test_an_unjudged_episode_is_infrastructure(self) -> None:
        env = AgentVectorEnv(ToyWorld(num_slots=1), [UnjudgedTask()])
        env.reset(seed=0)
        _, rewards, _, _, infos = env.step(["wait(0)"])
        assert np.isnan(rewards[0])
        assert "the judge was away" in infos["reason"][0]

    def test_slots_play_the_tasks_in_turn(self) -> None:
        env = agentgym.make_vec("toy", num_envs=1)
        played = [env.reset(seed=0)[1]["task_id"][0]]
        for _ in range(3):
            env.step(["done()"])
            played.append(env.step(["wait(0)"])[-1]["task_id"][0])
        assert played == ["toy/press", "toy/fill", "toy/press", "toy/fill"]
        env.close()

    def test_malformed_text_in_one_slot_does_not_stop_another(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=2, malformed_penalty=0.5)
        env.reset(seed=0)
        batch, rewards, *_ = env.step(["nonsense", "wait(0)"])
        assert rewards.tolist() == [-0.5, 0]
        assert batch["error"][0]
        assert not batch["error"][1]
        env.close()

    def test_actions_and_seeds_come_one_a_slot(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=2)
        with pytest.raises(SessionStateError):
            env.step(["wait(0)"] * 2)
        with pytest.raises(ValueError, match="2 seeds"):
            env.reset(seed=[1])
        assert env.reset(seed=[4, 9])[1]["seed"].tolist() == [4, 9]
        with pytest.raises(ValueError, match="2 actions"):
            env.step(["wait(0)"])
        with pytest.raises(ValueError, match="2 actions"):
            env.step("ok")
        env.close()
        env.close()

    def test_only_the_slots_of_a_reset_mask_start_anew(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=3)
        with pytest.raises(SessionStateError):
            env.reset(options={"reset_mask": np.array([True, False, False])})
        seeds = env.reset(seed=0)[1]["seed"]
        env.step(["done()", "wait(0)", "done()"])
        fresh = env.reset(options={"reset_mask": np.array([True, False, False])})[1]["seed"]
        assert fresh[0] != seeds[0]
        assert fresh[1:].tolist() == seeds[1:].tolist()
        _, _, terminated, _, infos = env.step(["done()", "wait(0)", "done()"])
        assert terminated.tolist() == [True, False, False]  # the first was played, the third is reset now
        assert infos["seed"][2] != seeds[2]
        for wrong in ([True, False, False], np.array([True]), np.ones(3)):
            with pytest.raises(ValueError, match="bool array of shape"):
                env.reset(options={"reset_mask": wrong})
        env.close()

    def test_frames_are_rendered_for_every_slot(self) -> None:
        env = agentgym.make_vec("toy/press", num_envs=2, render_mode="rgb_array")
        env.reset(seed=0)
        frames = env.render()
        assert frames is not None
        assert [frame.shape for frame in frames] == [(120, 160, 3)] * 2
        env.close()

    def test_there_must_be_a_task(self) -> None:
        with pytest.raises(ConfigError, match="at least one task"):
            AgentVectorEnv(ToyWorld(), [])

    def test_screens_of_two_sizes_cannot_be_batched(self) -> None:
        class Wide(FillTask):
            viewport = (320, 120)

        with pytest.raises(ConfigError, match="2 sizes"):
            AgentVectorEnv(ToyWorld(), [PressTask(), Wide()], screenshot=True)
        AgentVectorEnv(ToyWorld(), [PressTask(), Wide()])
