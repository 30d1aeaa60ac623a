"""Trainers that know nothing of agentgym learn to click in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecEnvWrapper, VecMonitor

import agentgym
from agentgym import registry
from agentgym.task import TEST_SEEDS
from agentgym.vector_env import AgentVectorEnv
from agentgym.wrappers import FlatVector, PixelGrid, vector
from agentgym.wrappers.stable_baselines import StableBaselinesVecEnv
from agentgym_browser.world import BrowserWorld
from tests.clean_ppo import train
from tests.test_browser_faults import kill_browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import gymnasium
    from numpy.typing import NDArray

    Choose = Callable[[NDArray[Any], dict[str, Any]], NDArray[np.int64]]

TASK = "miniwob/click-test-2"
SHORT: dict[str, Any] = {"n_steps": 32, "batch_size": 32, "n_epochs": 2, "seed": 0, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The same sums on every machine, and a core for the browser."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Watched(VecEnvWrapper):
    """Counts the actions, and those that their mask forbade."""

    taken = 0
    forbidden = 0

    def reset(self) -> Any:
        return self.venv.reset()

    def step_async(self, actions: NDArray[np.int64]) -> None:
        allowed = [mask[action] for mask, action in zip(self.env_method("action_masks"), actions, strict=True)]
        self.taken += len(allowed)
        self.forbidden += allowed.count(False)
        super().step_async(actions)

    def step_wait(self) -> Any:
        return self.venv.step_wait()


@pytest.fixture(scope="module")
def shared() -> Iterator[Watched]:
    """Four environments in one browser, as Stable-Baselines3 takes them."""
    env = StableBaselinesVecEnv(vector.FlatVector(agentgym.make_vec(TASK, num_envs=4), max_elements=6))
    yield Watched(VecMonitor(env))
    env.close()


@pytest.mark.parametrize("wrap", [FlatVector, PixelGrid])
def test_stable_baselines_checks_the_environment_without_a_warning(
    wrap: Callable[..., gymnasium.Env[Any, Any]],
) -> None:
    env = wrap(agentgym.make(TASK, screenshot=True))
    check_env(env, warn=True)
    env.close()


def test_ppo_learns_from_the_pixels_of_one_environment() -> None:
    env = PixelGrid(agentgym.make(TASK, screenshot=True), columns=4, rows=4)
    quick = {"ortho_init": False}  # orthogonal weights of that size take seconds
    model = PPO("CnnPolicy", env, policy_kwargs=quick, **SHORT | {"n_steps": 16, "batch_size": 16})
    before = [weight.detach().clone() for weight in model.policy.parameters()]
    model.learn(16)
    assert not all(map(torch.equal, before, model.policy.parameters()))
    env.close()


def test_ppo_learns_from_many_environments_and_maskable_ppo_keeps_to_the_mask(shared: Watched) -> None:
    plain = PPO("MlpPolicy", shared, **SHORT).learn(4 * 32)
    assert shared.taken == 4 * 32
    assert shared.forbidden > 0  # four of six elements are not there, so one that sees no mask takes some
    assert plain.ep_info_buffer

    shared.taken = shared.forbidden = 0
    masked = MaskablePPO("MlpPolicy", shared, **SHORT).learn(2 * 4 * 32)
    assert shared.taken == 2 * 4 * 32
    assert shared.forbidden == 0
    assert masked.ep_info_buffer
    returns = [episode["r"] for episode in masked.ep_info_buffer]
    assert 0 < np.mean(returns) <= 1


def test_maskable_ppo_keeps_to_the_mask_of_one_environment() -> None:
    env = FlatVector(agentgym.make(TASK), max_elements=6)
    model = MaskablePPO("MlpPolicy", env, **SHORT | {"n_steps": 16, "batch_size": 16}).learn(16)
    observation, info = env.reset(seed=0)
    for _ in range(5):
        action, _ = model.predict(observation, action_masks=env.action_masks())
        assert info["action_mask"][action]
    env.close()


class KillsTheBrowser(BaseCallback):
    """Ends the browser before one step, and keeps what the trainer was told at each."""

    def __init__(self, kill: Callable[[], None], *, before_step: int) -> None:
        super().__init__()
        self.kill = kill
        self.before_step = before_step
        self.infos: list[dict[str, Any]] = []
        self.rewards: list[float] = []

    def _on_step(self) -> bool:
        self.infos += self.locals["infos"]
        self.rewards += self.locals["rewards"].tolist()
        if self.n_calls == self.before_step - 1:
            self.kill()
        return True


def test_training_goes_on_when_the_browser_is_killed() -> None:
    world = BrowserWorld(num_slots=2)
    env = StableBaselinesVecEnv(vector.FlatVector(AgentVectorEnv(world, [registry.get_task(TASK)]), max_elements=6))
    watch = KillsTheBrowser(lambda: kill_browser(world), before_step=5)
    MaskablePPO("MlpPolicy", env, **SHORT | {"n_steps": 8, "batch_size": 16}).learn(16, callback=watch)
    env.close()
    lost = [index for index, info in enumerate(watch.infos) if info["infrastructure"]]
    assert lost == [8, 9]  # both slots of the fifth step
    for index in lost:
        assert watch.rewards[index] == 0
        assert watch.infos[index]["TimeLimit.truncated"]
        assert watch.infos[index]["infrastructure_kind"] == "world_crashed"
    assert len(watch.infos) == 16


def test_a_clean_loop_learns_to_click_the_button_that_is_named() -> None:
    env = vector.FlatVector(agentgym.make_vec("miniwob/click-button", num_envs=16, max_steps=1), max_elements=8)
    random = success(env, lambda _, infos: env.action_space.sample(tuple(infos["action_mask"])))
    agent = train(env, updates=4, steps=12, seed=1)

    def best(observations: NDArray[Any], infos: dict[str, Any]) -> NDArray[np.int64]:
        with torch.no_grad():
            choice, _ = agent(torch.as_tensor(observations), torch.as_tensor(infos["action_mask"]))
        return np.asarray(choice.probs.argmax(-1))

    trained = success(env, best)
    env.close()
    assert random < 0.4, (random, trained)
    assert trained > 0.75, (random, trained)


def success(env: vector.FlatVector, choose: Choose, *, rounds: int = 4) -> float:
    """Play one-step episodes on seeds that training does not draw, ``rounds`` a slot."""
    won = []
    for played in range(rounds):
        observations, infos = env.reset(seed=TEST_SEEDS + played * env.num_envs)
        won += (env.step(choose(observations, infos))[1] > 0).tolist()
    return float(np.mean(won))
