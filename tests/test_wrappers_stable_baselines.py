"""The adapter to Stable-Baselines3's VecEnv, on the toy world."""

from __future__ import annotations

import importlib
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecMonitor

import agentgym
from agentgym.errors import MissingDependencyError, SessionCrashedError, WorldCrashedError
from agentgym.vector_env import AgentVectorEnv
from agentgym.wrappers import FlatVector, vector
from agentgym.wrappers.stable_baselines import StableBaselinesVecEnv
from tests.test_wrappers import DyingWorld
from tests.toy_world import PressTask, ToyWorld

pytestmark = pytest.mark.usefixtures("toy_plugin")

WAIT = 15  # no toy task has so many elements


def adapted(world: ToyWorld, **options: int) -> StableBaselinesVecEnv:
    return StableBaselinesVecEnv(vector.FlatVector(AgentVectorEnv(world, [PressTask()], **options)))  # type: ignore[arg-type]


def test_the_step_that_ends_an_episode_starts_the_next() -> None:
    env = adapted(ToyWorld(num_slots=2))
    env.seed(4)
    first = env.reset()
    assert [info["seed"] for info in env.reset_infos] == [4, 5]
    env.step_async(np.array([0, WAIT]))
    observations, rewards, dones, infos = env.step_wait()
    assert rewards.dtype == np.float32
    assert dones.tolist() == [True, False]
    assert infos[0]["terminal_observation"].tolist() == first[0].tolist()
    assert infos[0]["outcome"] in ("success", "failure")
    assert "terminal_observation" not in infos[1]
    assert not infos[0]["TimeLimit.truncated"]
    assert observations[1].tolist() == first[1].tolist()
    assert env.reset_infos[1]["seed"] == 5
    assert env.reset_infos[0]["seed"] != 4
    with FlatVector(agentgym.make("toy/press", seed=int(env.reset_infos[0]["seed"]))) as fresh:
        assert observations[0].tolist() == fresh.reset()[0].tolist()
    assert env.step(np.array([0, WAIT]))[2].tolist() == [True, False]  # no step is spent on resetting
    env.close()


def test_a_limit_and_a_failed_machine_are_truncations() -> None:
    world = ToyWorld(num_slots=2)
    env = adapted(world, max_steps=2)
    first = env.reset()
    world.fail(0, SessionCrashedError("page gone"))
    _, rewards, dones, infos = env.step(np.array([0, WAIT]))
    assert (rewards[0], dones[0], infos[0]["TimeLimit.truncated"], infos[0]["infrastructure"]) == (0, True, True, True)
    assert infos[0]["terminal_observation"].tolist() == first[0].tolist()
    _, _, dones, infos = env.step(np.array([WAIT, WAIT]))
    assert dones.tolist() == [False, True]
    assert infos[1]["TimeLimit.truncated"]
    assert not infos[1]["infrastructure"]


def test_a_machine_that_does_not_come_back_stops_the_training() -> None:
    env = adapted(DyingWorld(num_slots=2, resets=2))
    env.reset()
    with pytest.raises(WorldCrashedError):
        env.step(np.array([0, WAIT]))


def test_masks_are_found_through_wrappers_on_both_sides() -> None:
    env = VecMonitor(
        StableBaselinesVecEnv(RecordEpisodeStatistics(vector.FlatVector(agentgym.make_vec("toy", num_envs=2))))
    )
    env.reset()
    assert is_masking_supported(env)
    assert get_action_masks(env).sum(axis=1).tolist() == [3, 2]
    assert env.env_method("action_masks", indices=1)[0].sum() == 2
    env.close()


def test_pixels_have_no_masks() -> None:
    env = StableBaselinesVecEnv(vector.PixelGrid(agentgym.make_vec("toy/press", num_envs=1, screenshot=True)))
    assert not is_masking_supported(env)
    with pytest.raises(AttributeError, match="FlatVector"):
        env.env_method("action_masks")
    env.close()


def test_frames_are_rendered_side_by_side() -> None:
    env = StableBaselinesVecEnv(vector.FlatVector(agentgym.make_vec("toy/press", num_envs=2, render_mode="rgb_array")))
    env.reset()
    frame = env.render("rgb_array")
    assert frame is not None
    assert frame.shape == (240, 160, 3)
    env.close()


def test_a_slot_is_no_environment_of_its_own() -> None:
    env = adapted(ToyWorld(num_slots=2))
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit) == [False, False]
    for call in (lambda: env.get_attr("task"), lambda: env.set_attr("task", 1), lambda: env.env_method("close")):
        with pytest.raises(AttributeError, match="no environments of their own"):
            call()


def test_what_cannot_be_adapted_is_refused() -> None:
    with pytest.raises(ValueError, match="FlatVector"):
        StableBaselinesVecEnv(agentgym.make_vec("toy/press"))
    same_step = SyncVectorEnv([lambda: gymnasium.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="NEXT_STEP"):
        StableBaselinesVecEnv(same_step)


def test_nobody_else_needs_stable_baselines(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, agentgym.wrappers.vector; assert 'stable_baselines3' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    monkeypatch.delitem(sys.modules, "agentgym.wrappers.stable_baselines")
    with pytest.raises(MissingDependencyError, match="pip install stable-baselines3"):
        importlib.import_module("agentgym.wrappers.stable_baselines")
