"""Names, and what is said about wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import pytest

from agentgym import registry
from agentgym.errors import ConfigError, MissingDependencyError, UnknownNameError
from agentgym.look import Budget, Look
from agentgym.task import Suite
from tests.toy_world import TOY, PressTask, ToyWorld

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = Suite("empty", ())

pytestmark = pytest.mark.usefixtures("toy_plugin")


def add_plugin(folder: Path, name: str, entries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.syspath_prepend(str(folder))


def test_a_package_announces_its_world_and_suite_by_entry_points() -> None:
    assert registry.worlds()["toy"] is ToyWorld
    assert registry.suites()["toy"] is TOY
    assert registry.get_suite("toy") is TOY


def test_the_browser_and_its_suites_are_installed() -> None:
    assert {"browser"} <= registry.worlds().keys()
    assert {"miniwob", "miniwob-quickstart"} <= registry.suites().keys()
    assert len(registry.get_suite("miniwob")) == 125
    assert len(registry.get_suite("miniwob-quickstart")) >= 8


def test_every_task_runs_on_an_installed_world_and_has_a_description() -> None:
    for suite in registry.suites().values():
        for task in suite.tasks:
            assert task.world in registry.worlds()
            assert registry.get_task(task.id) is task


def test_a_world_is_opened_by_name() -> None:
    with registry.make_world("toy", num_slots=3, screenshot=True) as world:
        assert isinstance(world, ToyWorld)
        assert (world.num_slots, world.screenshot) == (3, True)


def test_a_world_of_elements_and_screenshots_need_not_know_of_looks() -> None:
    with registry.make_world("toy", look=Look(frozenset({"screenshot"}))) as world:
        assert isinstance(world, ToyWorld)
        assert world.screenshot
    with registry.make("toy/press", parts=()) as env:
        assert env.reset(seed=0)[0].keys() == {"instruction", "url", "title", "error"}
    with pytest.raises(ConfigError, match="'toy' has no tree to show"):
        registry.make("toy/press", parts=("tree",))
    with pytest.raises(ConfigError, match="'toy' has no budget"):
        registry.make("toy/press", budget=Budget(elements=3))


@pytest.mark.parametrize(
    ("look", "name", "nearest"),
    [
        (registry.get_task, "toy/pres", "toy/press"),
        (registry.get_task, "miniwob/click-buton", "miniwob/click-button"),
        (registry.get_suite, "minwob", "miniwob"),
        (registry.make_world, "browsr", "browser"),
        (registry.select_tasks, "toi", "toy"),
        (registry.select_tasks, "toy,toy/pres", "toy/press"),
        (registry.make, "toy/fil", "toy/fill"),
        (registry.make_vec, "toy/fil", "toy/fill"),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(look: object, name: str, nearest: str) -> None:
    assert callable(look)
    with pytest.raises(UnknownNameError, match=f"Did you mean '{nearest}'"):
        look(name)


def test_tasks_are_selected_by_id_and_suite_each_once() -> None:
    assert [task.id for task in registry.select_tasks(" toy/fill, toy ")] == ["toy/fill", "toy/press"]
    assert registry.select_tasks(["toy"]) == TOY.tasks


@pytest.mark.parametrize("empty", ["", " , ", []])
def test_selecting_nothing_is_an_error(empty: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="No tasks"):
        registry.select_tasks(empty)


def test_a_suite_without_tasks_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_plugin(tmp_path, "empty_plugin", "[agentgym.suites]\nempty = tests.test_registry:EMPTY\n", monkeypatch)
    with pytest.raises(ConfigError, match="no task in empty"):
        registry.make_vec("empty")


def test_a_world_is_closed_where_its_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[ToyWorld] = []

    class Noted(ToyWorld):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            worlds.append(self)

    monkeypatch.setattr("tests.toy_world.ToyWorld", Noted)
    for make in (registry.make, registry.make_vec):
        with pytest.raises(ValueError, match="max_steps"):
            make("toy/press", max_steps=0)
    assert [world.closed for world in worlds] == [1, 1]


def test_a_plugin_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "[agentgym.suites]\nbroken = no_such_module:SUITE\n[agentgym.worlds]\nbroken = no_such_module:World\n"
    add_plugin(tmp_path, "broken_plugin", entries, monkeypatch)
    with pytest.raises(MissingDependencyError, match=r"agentgym\.suites:broken of package broken_plugin"):
        registry.get_suite("broken")
    with pytest.raises(MissingDependencyError, match="no_such_module"):
        registry.make_world("broken")


def test_a_broken_plugin_does_not_hide_the_tasks_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_plugin(tmp_path, "broken_plugin", "[agentgym.suites]\nbroken = no_such_module:SUITE\n", monkeypatch)
    assert registry.get_task("toy/press").id == "toy/press"


def test_a_plugin_of_another_type_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "[agentgym.suites]\nodd = tests.toy_world:WORDS\n[agentgym.worlds]\nodd = tests.toy_world:WORDS\n"
    add_plugin(tmp_path, "odd_plugin", entries, monkeypatch)
    with pytest.raises(ConfigError, match=r"must be an agentgym\.Suite"):
        registry.get_suite("odd")
    with pytest.raises(ConfigError, match=r"subclass of agentgym\.World"):
        registry.make_world("odd")


def test_one_vector_environment_runs_one_world() -> None:
    with pytest.raises(ConfigError, match="browser, toy"):
        registry.make_vec("toy/press,miniwob/click-button")


def test_tasks_can_be_made_by_gymnasium() -> None:
    registry.register_gymnasium(TOY, "agentgym-toy")
    registry.register_gymnasium(TOY, "agentgym-toy")  # a second time is no warning
    with gymnasium.make("agentgym-toy/press", max_steps=3) as env:
        observation, info = env.reset(seed=3)
        assert observation in env.observation_space
        assert info["task_id"] == "toy/press"


def test_miniwob_ids_do_not_clash_with_faramas() -> None:
    import agentgym_miniwob

    assert agentgym_miniwob.MINIWOB.name == "miniwob"
    assert "agentgym-miniwob/click-button" in gymnasium.registry


def test_a_suite_holds_a_task_once() -> None:
    with pytest.raises(AssertionError, match="twice"):
        Suite("twins", (PressTask(), PressTask()))
    with pytest.raises(UnknownNameError, match="toy/press"):
        TOY["toy/prss"]
