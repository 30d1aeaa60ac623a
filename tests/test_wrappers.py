"""The classic wrappers on the toy world, whose machine fails on demand; real trainers are in test_wrappers_trainers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics

import agentgym
from agentgym.action import Click, Wait
from agentgym.env import AgentEnv
from agentgym.errors import InfrastructureError, SessionCrashedError, SessionStateError, WorldCrashedError
from agentgym.vector_env import AgentVectorEnv
from agentgym.wrappers import FEATURES, FlatVector, PixelGrid, vector
from agentgym.wrappers.elements import ElementView
from tests.toy_world import FillTask, PressTask, Screen, ToyWorld

if TYPE_CHECKING:
    from random import Random

pytestmark = pytest.mark.usefixtures("toy_plugin")


class HalfDisabledTask(PressTask):
    """The second button is disabled."""

    def screen(self, rng: Random) -> Screen:
        screen = super().screen(rng)
        screen.elements[1] = replace(screen.elements[1], states=("disabled",))
        return screen


class EmptyTask(PressTask):
    """There is nothing to click."""

    def screen(self, rng: Random) -> Screen:
        return replace(super().screen(rng), elements=[])


class DyingWorld(ToyWorld):
    """Breaks at every reset after the first few."""

    def __init__(self, *, num_slots: int = 1, resets: int = 0) -> None:
        super().__init__(num_slots=num_slots)
        self.resets = resets

    def _reset(self, slot: int, instance: object) -> object:  # type: ignore[override]
        self.resets -= 1
        return super()._reset(slot, instance) if self.resets >= 0 else WorldCrashedError("no browser")  # type: ignore[arg-type]


class TestOneEnvironment:
    @pytest.mark.filterwarnings("ignore:.*different from the unwrapped version.*:UserWarning")
    @pytest.mark.parametrize("wrap", [PixelGrid, FlatVector])
    def test_gymnasiums_checker_passes(self, wrap: type[PixelGrid] | type[FlatVector]) -> None:
        with wrap(agentgym.make("toy/press", screenshot=True)) as env:
            check_env(env)

    def test_a_cell_is_clicked_in_its_middle(self) -> None:
        env = PixelGrid(agentgym.make("toy/press", screenshot=True), columns=4, rows=2)
        assert env.click(0) == Click(x=20, y=30)
        assert env.click(7) == Click(x=140, y=90)

    def test_the_right_cell_wins(self) -> None:
        with PixelGrid(agentgym.make("toy/press", screenshot=True), columns=1, rows=4) as env:
            env.reset(seed=0)
            wins = [index for index in range(4) if (env.reset(seed=0), env.step(index))[1][1] == 1]
            assert len(wins) == 1

    def test_pixels_must_be_there(self) -> None:
        with pytest.raises(ValueError, match="screenshot=True"):
            PixelGrid(agentgym.make("toy/press"))

    def test_elements_must_be_there(self) -> None:
        options = {"parts": (), "screenshot": True}
        with pytest.raises(ValueError, match=r"FlatVector needs elements.*`parts`"):
            FlatVector(agentgym.make("toy/press", **options))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"FlatVector needs elements.*`parts`"):
            vector.FlatVector(agentgym.make_vec("toy/press", **options))  # type: ignore[arg-type]

    def test_a_grid_and_a_vector_have_something_in_them(self) -> None:
        with pytest.raises(ValueError, match="0 columns"):
            PixelGrid(agentgym.make("toy/press", screenshot=True), columns=0)
        with pytest.raises(ValueError, match="max_elements"):
            FlatVector(agentgym.make("toy/press"), max_elements=0)

    def test_other_environments_are_refused(self) -> None:
        with pytest.raises(TypeError, match="agentgym"):
            FlatVector(gymnasium.make("CartPole-v1"))

    def test_the_named_element_can_be_told_from_the_vector(self) -> None:
        with FlatVector(agentgym.make("toy/press"), max_elements=8) as env:
            for seed in range(10):
                seen, _ = env.reset(seed=seed)
                named = seen.reshape(8, FEATURES)[:, -1]
                assert env.step(int(named.argmax()))[1] == 1

    def test_clicking_an_element_that_is_not_there_does_nothing(self) -> None:
        with FlatVector(agentgym.make("toy/press"), max_elements=8) as env:
            env.reset(seed=0)
            assert env.step(7)[1:4] == (0, False, False)

    @pytest.mark.parametrize("wrong", [-1, 8])
    def test_an_action_that_is_none_is_a_bug_of_the_caller(self, wrong: int) -> None:
        with FlatVector(agentgym.make("toy/press"), max_elements=8) as env:
            env.reset(seed=0)
            with pytest.raises(ValueError, match="from 0 to 7"):
                env.step(wrong)

    def test_a_failed_machine_cuts_the_episode_off_and_is_named(self) -> None:
        world = ToyWorld()
        with FlatVector(AgentEnv(world, FillTask())) as env:
            before, info = env.reset(seed=3)
            assert not info["infrastructure"]
            world.fail(0, SessionCrashedError("page gone"))
            after, reward, terminated, truncated, info = env.step(0)
            assert (reward, terminated, truncated) == (0.0, False, True)
            assert after.tolist() == before.tolist()
            assert info["infrastructure"]
            assert info["infrastructure_kind"] == "session_crashed"
            assert (info["outcome"], info["seed"]) == ("infrastructure", 3)
            assert "page gone" in info["reason"]
            with pytest.raises(SessionStateError):
                env.step(0)
            assert not env.reset()[1]["infrastructure"]
            assert env.step(0)[4]["infrastructure_kind"] is None

    def test_a_reset_is_tried_again_and_then_given_up(self) -> None:
        world = ToyWorld()
        with FlatVector(AgentEnv(world, PressTask())) as env:
            world.fail(0, SessionCrashedError("page gone"))
            assert env.reset(seed=5)[1]["seed"] == 5
        with (
            FlatVector(AgentEnv(DyingWorld(), PressTask())) as env,
            pytest.raises(WorldCrashedError, match="no browser"),
        ):
            env.reset()


class TestMask:
    def test_elements_that_are_absent_or_disabled_are_masked_and_do_nothing(self) -> None:
        with FlatVector(AgentEnv(ToyWorld(), HalfDisabledTask()), max_elements=5) as env:
            seen, info = env.reset(seed=0)
            assert info["action_mask"].dtype == np.int8
            assert info["action_mask"].tolist() == [1, 0, 1, 0, 0]
            assert env.action_masks().tolist() == [True, False, True, False, False]
            assert seen.reshape(5, FEATURES)[:, 0].tolist() == [1, 1, 1, 0, 0]
            for masked in (1, 3, 4):
                assert env.step(masked)[1:4] == (0, False, False)
            assert env.action_space.sample(info["action_mask"]) in (0, 2)
            assert env.step(2)[2]

    def test_where_nothing_can_be_clicked_every_action_is_allowed_and_does_nothing(self) -> None:
        with FlatVector(AgentEnv(ToyWorld(), EmptyTask()), max_elements=3) as env:
            assert env.reset(seed=0)[1]["action_mask"].tolist() == [1, 1, 1]
            assert env.step(0)[1:4] == (0, False, False)

    def test_every_allowed_action_is_a_click_and_no_other_is(self) -> None:
        world = ToyWorld()
        with AgentEnv(world, HalfDisabledTask()) as env:
            env.reset(seed=1)
            view = ElementView(env.observation_space, 160, 120, max_elements=6)
            for index, allowed in enumerate(view.mask(env.observation)):
                assert isinstance(view.act(env.observation, index), Click if allowed else Wait)


class TestManyEnvironments:
    def test_each_slot_is_what_one_environment_is(self) -> None:
        many = vector.FlatVector(agentgym.make_vec("toy/press", num_envs=3), max_elements=4)
        batch, infos = many.reset(seed=10)
        assert many.observation_space.contains(batch)
        assert many.single_observation_space.shape == (4 * FEATURES,)
        actions = np.array([0, 3, 2])
        stepped, rewards, terminated, _, after = many.step(actions)
        for slot in range(3):
            with FlatVector(agentgym.make("toy/press"), max_elements=4) as one:
                seen, info = one.reset(seed=10 + slot)
                assert batch[slot].tolist() == seen.tolist()
                assert infos["action_mask"][slot].tolist() == info["action_mask"].tolist()
                seen, reward, over, _, info = one.step(int(actions[slot]))
                assert (stepped[slot].tolist(), rewards[slot], terminated[slot]) == (seen.tolist(), reward, over)
                assert after["action_mask"][slot].tolist() == info["action_mask"].tolist()
        many.close()

    def test_pixels_come_in_batches_and_cells_are_clicked(self) -> None:
        env = vector.PixelGrid(agentgym.make_vec("toy/press", num_envs=2, screenshot=True), columns=1, rows=4)
        batch, _ = env.reset(seed=0)
        assert batch.shape == (2, 120, 160, 3)
        assert env.observation_space.contains(batch)
        assert env.step(np.array([0, 3]))[2].tolist() == [True, False]  # the last row holds no button
        env.close()

    def test_sampling_under_the_masks_draws_allowed_actions(self) -> None:
        env = vector.FlatVector(AgentVectorEnv(ToyWorld(num_slots=4), [HalfDisabledTask()]), max_elements=6)
        masks = env.reset(seed=0)[1]["action_mask"]
        for _ in range(20):
            drawn = env.action_space.sample(tuple(masks))
            assert masks[np.arange(4), drawn].all()

    def test_a_failed_slot_has_reward_0_and_is_truncated_and_marked(self) -> None:
        world = ToyWorld(num_slots=3)
        env = vector.FlatVector(AgentVectorEnv(world, [FillTask()]))
        before, _ = env.reset(seed=0)
        world.fail(1, SessionCrashedError("page gone"))
        after, rewards, terminated, truncated, infos = env.step(np.zeros(3, dtype=int))
        assert rewards.tolist() == [0, 0, 0]
        assert not terminated.any()
        assert truncated.tolist() == infos["infrastructure"].tolist() == [False, True, False]
        assert after[1].tolist() == before[1].tolist()
        assert not env.step(np.zeros(3, dtype=int))[3].any()

    def test_a_slot_that_does_not_come_back_is_no_endless_stream_of_episodes(self) -> None:
        env = vector.FlatVector(AgentVectorEnv(DyingWorld(num_slots=2, resets=2), [PressTask()]))
        env.reset(seed=0)
        env.step(np.array([0, 7]))
        with pytest.raises(InfrastructureError, match=r"Slots \[0\] did not come back.*no browser"):
            env.step(np.array([0, 0]))
        with pytest.raises(InfrastructureError, match=r"Slots \[0, 1\] did not come back"):  # the other ended just now
            env.step(np.array([0, 0]))

    def test_slots_can_be_reset_before_the_next_step(self) -> None:
        env = vector.FlatVector(agentgym.make_vec("toy/press", num_envs=2))
        env.reset(seed=0)
        over = env.step(np.array([0, 7]))[2]
        assert over.tolist() == [True, False]
        env.reset(options={"reset_mask": over})
        assert env.step(np.array([0, 7]))[2].tolist() == [True, False]
        env.close()

    def test_actions_come_one_a_slot_and_exist(self) -> None:
        env = vector.FlatVector(agentgym.make_vec("toy/press", num_envs=2), max_elements=8)
        with pytest.raises(SessionStateError):
            env.step(np.zeros(2, dtype=int))
        env.reset(seed=0)
        with pytest.raises(ValueError, match="2 actions"):
            env.step(np.zeros(3, dtype=int))
        with pytest.raises(ValueError, match="got 8"):
            env.step(np.array([0, 8]))
        env.close()

    def test_other_environments_are_refused(self) -> None:
        with pytest.raises(TypeError, match="make_vec"):
            vector.FlatVector(gymnasium.make_vec("CartPole-v1"))
        with pytest.raises(ValueError, match="screenshot=True"):
            vector.PixelGrid(agentgym.make_vec("toy/press"))


class TestGymnasiumsVectorWrappers:
    def test_episode_statistics_count_played_steps_and_have_no_nan(self) -> None:
        world = ToyWorld(num_slots=2)
        env = RecordEpisodeStatistics(vector.FlatVector(AgentVectorEnv(world, [PressTask()], max_steps=2)))
        env.reset(seed=0)
        wait = np.full(2, 15)
        env.step(wait)
        infos = env.step(wait)[-1]
        assert infos["episode"]["l"].tolist() == [2, 2]
        env.step(wait)  # autoreset
        world.fail(0, SessionCrashedError("page gone"))
        infos = env.step(wait)[-1]
        assert infos["episode"]["l"].tolist() == [1, 0]
        assert infos["episode"]["r"].tolist() == [0, 0]
        assert infos["infrastructure"].tolist() == [True, False]
        assert list(env.return_queue) == [0, 0, 0]

    def test_observations_are_normalised_and_masks_stay(self) -> None:
        env = NormalizeObservation(vector.FlatVector(agentgym.make_vec("toy/press", num_envs=4), max_elements=4))
        env.reset(seed=0)
        for _ in range(50):
            batch, _, _, _, infos = env.step(env.action_space.sample())
            assert infos["action_mask"].tolist() == [[1, 1, 1, 0]] * 4
        presence = batch.reshape(4, 4, FEATURES)[:, :, 0]
        assert np.abs(presence).max() < 0.1  # it never varies, so it is at its mean
        env.close()
