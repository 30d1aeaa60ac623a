"""What `make`, `make_vec` and `evaluate` are given: tasks as objects, and one sentence for what is wrong."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

import gymnasium
import pytest

import agentgym
from agentgym import registry
from agentgym.errors import ConfigError, SessionStateError, UnknownNameError
from agentgym.look import Budget, Look
from tests.test_registry import add_plugin
from tests.toy_world import TOY, FillTask, PressTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli_answer import Answer

pytestmark = pytest.mark.usefixtures("toy_plugin")


class Mine(PressTask):
    """A task that no package announces."""

    id = "mine/press"


class TestTasksAsObjects:
    def test_make_and_make_vec_take_them(self) -> None:
        with registry.make(Mine()) as env:
            assert env.reset(seed=0)[1]["task_id"] == "mine/press"
            again = gymnasium.make(env.spec)  # type: ignore[arg-type]  # an `EnvSpec`
        again.close()
        for given in (Mine(), [Mine()], (Mine(), "toy/fill")):
            vector = registry.make_vec(given, num_envs=2)
            assert vector.tasks[0].id == "mine/press"
            vector.close()

    def test_evaluate_takes_them(self) -> None:
        assert agentgym.evaluate(Mine(), "oracle", episodes=2).success == 1.0
        result = agentgym.evaluate([Mine(), FillTask()], "oracle", episodes=1)
        assert result.tasks.keys() == {"mine/press", "toy/fill"}

    @pytest.mark.parametrize("given", [Mine, 5, None])
    def test_what_is_none_is_told(self, given: Any) -> None:
        for take in (registry.make, registry.make_vec, lambda task: agentgym.evaluate(task, "oracle")):
            with pytest.raises(ConfigError, match=r"A task is an id, as 'miniwob/click-tab', or an object"):
                take(given)

    def test_a_function_is_no_policy(self) -> None:
        with pytest.raises(ConfigError, match=r"object of a subclass of agentgym\.Policy; got <function.*policies\.md"):
            agentgym.evaluate(Mine(), lambda prompts: prompts)  # type: ignore[arg-type]  # what a beginner may give


class TestOptions:
    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"parts": "elements"}, r"Parts are a list, such as parts=\('elements',\), got 'elements'"),
            ({"budget": 5}, r"A budget is made as in `agentgym.look.Budget\(elements=200\)`, got 5"),
            ({"budget": Budget(elements="x")}, r"A budget has 1 to .* got Budget\(elements='x'"),  # type: ignore[arg-type]
            ({"screenshots": True}, r"No option .*'screenshots'\. Did you mean 'screenshot'\?"),
        ],
    )
    def test_wrong_ones_are_told_in_a_sentence(self, option: dict[str, Any], message: str) -> None:
        for make in (registry.make, registry.make_vec):
            with pytest.raises((ConfigError, UnknownNameError), match=message):
                make("miniwob/click-tab", **option)

    def test_a_look_of_one_text_or_half_an_element_is_none(self) -> None:
        with pytest.raises(ConfigError, match="A budget has"):
            Look(budget=Budget(elements=1.5))  # type: ignore[arg-type]  # what a user may give

    def test_a_seed_is_a_whole_number_or_a_list(self) -> None:
        vector = registry.make_vec("toy", num_envs=2)
        for seed in (1.5, "12"):
            with pytest.raises(TypeError, match="A seed is a whole number, a list of one a slot, or None, got"):
                vector.reset(seed=seed)  # type: ignore[arg-type]  # what a user may give
        vector.close()


def test_an_environment_that_is_closed_says_so() -> None:
    env, vector = registry.make("toy/press"), registry.make_vec("toy", num_envs=2)
    env.reset(seed=0)
    vector.reset(seed=0)
    env.close()
    vector.close()
    calls: list[Callable[[], object]] = [
        env.reset, vector.reset, vector.async_reset, lambda: env.step("done()"), lambda: vector.step(["done()"] * 2),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(SessionStateError, match="This environment is closed; make another"):
            call()


def test_text_that_is_no_action_costs_nothing_where_nothing_was_said() -> None:
    with registry.make("toy/press") as env:
        env.reset(seed=0)
        assert math.copysign(1, env.step("nonsense")[1]) == 1.0


def test_the_id_of_an_environment_is_the_one_that_gymnasium_knows() -> None:
    registry.register_gymnasium(TOY, "agentgym-toy")
    with registry.make("toy/press") as env:
        assert env.spec is not None
        assert env.spec.id == "agentgym-toy/press"
        gymnasium.make(env.spec.id).close()


class TestSuites:
    def test_one_in_place_of_a_task_is_told(self) -> None:
        with pytest.raises(UnknownNameError, match=r"'toy' is a suite of 2 tasks.*such as 'toy/press'.*make_vec"):
            registry.make("toy")

    def test_a_wrong_name_is_answered_with_those_there_are(self, agentgym: Callable[..., Answer]) -> None:
        assert "Installed suites: " in agentgym("tasks", "--suite", "nope").message

    def test_they_are_listed_and_their_names_taken(self, agentgym: Callable[..., Answer]) -> None:
        listed = agentgym("tasks")
        assert "suites" in listed.out.splitlines()[0]
        assert agentgym("tasks", "toy").out == agentgym("tasks", "--suite", "toy").out
        assert "toy/press" in agentgym("tasks", "toy").out

    def test_a_task_is_looked_for_in_the_suite_that_is_given(self, agentgym: Callable[..., Answer]) -> None:
        assert "toy/press" in agentgym("tasks", "toy/press", "--suite", "toy").out
        answer = agentgym("tasks", "toy/press", "--suite", "miniwob-quickstart")
        assert (answer.code, "No task in suite 'miniwob-quickstart'" in answer.message) == (1, True)

    @pytest.mark.parametrize("fault", ["raise ImportError('no such module')", "SUITE = 1 / 0", "TASKS = ()"])
    def test_a_broken_one_hides_no_other_and_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agentgym: Callable[..., Answer], fault: str
    ) -> None:
        (tmp_path / "broken_suite.py").write_text(fault)
        add_plugin(tmp_path, "aa_plugin", "[agentgym.suites]\naa = broken_suite:SUITE\n", monkeypatch)
        monkeypatch.delitem(sys.modules, "broken_suite", raising=False)
        monkeypatch.setattr("agentgym.cli.doctor._worlds", list)  # not what this is about: each would be started
        listed = agentgym("tasks")
        assert (listed.code, "toy/press" in listed.out) == (0, True)
        assert "agentgym.suites:aa of package aa_plugin cannot be imported" in listed.err
        assert "pip install -e" not in listed.err
        assert "Did you mean 'toy/press'" in agentgym("tasks", "toy/pres").message
        checked = agentgym("doctor")
        assert (checked.code, "fail aa suite: " in checked.out) == (1, True)
