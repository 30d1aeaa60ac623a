"""What every world and every environment keeps: subclass these and say which.

class TestMyWorld(WorldContract):
    @pytest.fixture(params=["mine/a", "mine/b"])
    def task_id(self, request): return request.param
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.vector import AutoresetMode

from agentgym import registry
from agentgym.action import MAX_ELEMENT, Action, Click, Done, Wait, format_action, parse
from agentgym.errors import SessionStateError
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.world import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym.env import AgentEnv
    from agentgym.task import Task
    from agentgym.world import World

MALFORMED = ("", "click", "click(", "import os", "fill(1)", "click(1) click(2)", "\x00", "I think that I am done.")


class WorldContract:
    """What a world keeps; tests get two slots."""

    @pytest.fixture
    def task_id(self) -> str:
        raise TypeError("give the contract a `task_id` fixture")

    @pytest.fixture
    def task(self, task_id: str) -> Task:
        return registry.get_task(task_id)

    @pytest.fixture
    def world(self, task: Task) -> Iterator[World]:
        with registry.make_world(task.world, num_slots=2) as world:
            yield world

    def test_reset_answers_for_exactly_the_slots_that_were_asked(self, world: World, task: Task) -> None:
        assert set(world.reset({1: Instance(task, 0)})) == {1}
        assert set(world.reset({0: Instance(task, 0), 1: Instance(task, 1)})) == {0, 1}

    def test_step_answers_for_exactly_the_slots_that_were_asked(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0), 1: Instance(task, 1)})
        assert set(world.step({1: Wait(ms=0)})) == {1}

    def test_the_same_seed_gives_the_same_observation_in_every_slot(self, world: World, task: Task) -> None:
        both = world.reset({0: Instance(task, 5), 1: Instance(task, 5)})
        assert both[0] == both[1]

    def test_the_same_seed_gives_the_same_observation_whatever_was_before(self, world: World, task: Task) -> None:
        first = world.reset({0: Instance(task, 5)})[0]
        world.step({0: Click(x=20, y=20)})
        world.reset({0: Instance(task, 6)})
        assert world.reset({0: Instance(task, 5)})[0] == first

    def test_step_before_reset_raises(self, world: World) -> None:
        with pytest.raises(SessionStateError, match="reset"):
            world.step({0: Wait(ms=0)})

    def test_a_slot_that_was_not_reset_cannot_be_stepped_beside_one_that_was(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0)})
        with pytest.raises(SessionStateError, match="reset"):
            world.step({1: Wait(ms=0)})

    def test_an_element_that_is_not_there_is_an_observation_with_an_error(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0)})
        step = self.result(world.step({0: Click(element=MAX_ELEMENT)})[0])
        assert step.observation.error
        assert step.score is None

    def test_an_action_that_was_carried_out_leaves_no_error(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0)})
        world.step({0: Click(element=MAX_ELEMENT)})
        assert not self.result(world.step({0: Wait(ms=0)})[0]).observation.error

    def test_sessions_do_not_see_each_other(self, world: World, task: Task) -> None:
        observation = world.reset({0: Instance(task, 5), 1: Instance(task, 5)})[1]
        assert isinstance(observation, Observation)
        world.step({0: Click(element=observation.elements[0].id)})
        assert self.result(world.step({1: Wait(ms=0)})[1]).observation == observation

    def test_done_ends_the_episode(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0)})
        score = self.result(world.step({0: Done()})[0]).score
        assert score is not None
        assert score.value is not None
        with pytest.raises(SessionStateError):
            world.step({0: Wait(ms=0)})

    def test_screenshots_come_where_they_are_asked_for(self, world: World, task: Task) -> None:
        plain = world.reset({0: Instance(task, 0)})[0]
        assert isinstance(plain, Observation)
        assert plain.screenshot is None
        with registry.make_world(task.world, screenshot=True) as seeing:
            seen = seeing.reset({0: Instance(task, 0)})[0]
            assert isinstance(seen, Observation)
            assert seen.screenshot is not None
            assert seen.screenshot.shape == (task.viewport[1], task.viewport[0], 3)
            assert seen.screenshot.dtype == np.uint8

    def test_close_can_be_called_twice(self, world: World, task: Task) -> None:
        world.reset({0: Instance(task, 0)})
        world.close()
        world.close()

    def test_a_world_that_was_never_used_can_be_closed(self, world: World) -> None:
        world.close()

    @staticmethod
    def result(step: object) -> Step:
        assert isinstance(step, Step), step
        return step


class EnvContract:
    """What the Gymnasium environments of a task keep."""

    @pytest.fixture
    def task_id(self) -> str:
        raise TypeError("give the contract a `task_id` fixture")

    @pytest.fixture
    def env(self, task_id: str) -> Iterator[AgentEnv]:
        with registry.make(task_id) as env:
            yield env

    def test_gymnasiums_checker_passes_without_a_warning(self, env: AgentEnv) -> None:
        check_env(env)  # a warning is an error in these tests

    def test_the_same_seed_gives_the_same_observation(self, env: AgentEnv) -> None:
        first, _ = env.reset(seed=5)
        env.reset(seed=6)
        again, info = env.reset(seed=5)
        assert data_equivalence(first, again, exact=True)
        assert info["seed"] == 5

    def test_resets_without_a_seed_follow_from_the_last_one(self, env: AgentEnv) -> None:
        def seeds() -> list[int]:
            return [env.reset(seed=5)[1]["seed"], env.reset()[1]["seed"], env.reset()[1]["seed"]]

        first = seeds()
        assert seeds() == first
        assert len(set(first)) == 3

    def test_step_before_reset_raises(self, env: AgentEnv) -> None:
        with pytest.raises(SessionStateError, match="reset"):
            env.step(Wait(ms=0))

    def test_step_after_the_end_raises(self, env: AgentEnv) -> None:
        env.reset(seed=0)
        env.step(Done())
        with pytest.raises(SessionStateError, match="reset"):
            env.step(Wait(ms=0))

    @pytest.mark.parametrize("text", MALFORMED)
    def test_malformed_text_is_an_error_observation(self, env: AgentEnv, text: str) -> None:
        before, _ = env.reset(seed=0)
        after, reward, terminated, truncated, _ = env.step(text)
        assert after["error"]
        assert after in env.observation_space
        assert (reward, terminated, truncated) == (0, False, False)
        assert data_equivalence(after | {"error": ""}, before)

    def test_text_does_what_its_action_does(self, env: AgentEnv) -> None:
        def play(action: Action | str) -> Any:
            env.reset(seed=0)
            return env.step(action)

        assert data_equivalence(play("I am done.\ndone()"), play(Done()), exact=True)

    def test_sampled_actions_are_valid(self, env: AgentEnv) -> None:
        env.action_space.seed(0)
        for _ in range(100):
            action = env.action_space.sample()
            assert isinstance(action, Action)
            assert action in env.action_space
            assert parse(format_action(action)) == action

    def test_random_play_stays_in_the_spaces(self, env: AgentEnv) -> None:
        env.action_space.seed(0)
        for seed in range(3):
            observation, _ = env.reset(seed=seed)
            ended = False
            while not ended:
                assert observation in env.observation_space
                observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
                ended = terminated or truncated
                assert 0 <= reward <= 1
                assert reward == 0 or terminated
                assert (info["outcome"] is not None) == ended
            assert observation in env.observation_space

    def test_the_step_limit_truncates_without_a_reward(self, task_id: str) -> None:
        with registry.make(task_id, max_steps=2) as env:
            env.reset(seed=0)
            assert env.step(Wait(ms=0))[1:4] == (0, False, False)
            _, reward, terminated, truncated, info = env.step("no action")
            assert (reward, terminated, truncated, info["outcome"]) == (0, False, True, "truncated")

    def test_the_oracle_scores_one(self, env: AgentEnv) -> None:
        for seed in range(3):
            env.reset(seed=seed)
            script = env.task.oracle(env.observation)
            if script is None:
                return
            reward, ended = 0.0, False
            action = next(script)
            while not ended:
                _, reward, terminated, truncated, _ = env.step(action)
                ended = terminated or truncated
                if not ended:
                    action = script.send(env.observation)
            assert reward == 1

    def test_close_can_be_called_twice(self, env: AgentEnv) -> None:
        env.reset(seed=0)
        env.close()
        env.close()

    def test_the_vector_environment_equals_single_ones(self, task_id: str) -> None:
        with ExitStack() as stack:
            singles = [stack.enter_context(registry.make(task_id, max_steps=3)) for _ in range(2)]
            many = registry.make_vec(task_id, num_envs=2, max_steps=3)
            stack.callback(many.close)
            assert many.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
            batch, infos = many.reset(seed=5)
            rows: list[Any] = [(*env.reset(seed=5 + slot),) for slot, env in enumerate(singles)]
            many.action_space.seed(0)
            self.compare(rows, [self.row(batch, slot) for slot in range(2)], infos)
            ended = [False, False]
            for _ in range(8):
                actions = many.action_space.sample()
                batch, rewards, terminated, truncated, infos = many.step(actions)
                assert batch in many.observation_space
                rows = []
                for slot, env in enumerate(singles):
                    if ended[slot]:
                        observation, info = env.reset()
                        step: tuple[float, bool, bool] = (0.0, False, False)
                    else:
                        observation, *rest, info = env.step(actions[slot])
                        step = (float(rest[0]), bool(rest[1]), bool(rest[2]))
                    assert step == (rewards[slot], terminated[slot], truncated[slot])
                    ended[slot] = step[1] or step[2]
                    rows.append((observation, info))
                self.compare(rows, [self.row(batch, slot) for slot in range(2)], infos)

    @staticmethod
    def row(batch: dict[str, Any], slot: int) -> dict[str, Any]:
        return {key: value[slot] for key, value in batch.items()}

    @staticmethod
    def compare(singles: list[Any], rows: list[dict[str, Any]], infos: dict[str, Any]) -> None:
        for slot, (observation, info) in enumerate(singles):
            assert data_equivalence(observation, rows[slot], exact=True)
            assert {key: infos[key][slot] for key in info} == info
        assert not infos["infrastructure"].any()
