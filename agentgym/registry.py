"""Names: worlds, suites and tasks of every installed package, and the environments made from them.

Packages announce theirs by entry points, in the groups ``agentgym.worlds`` (a `World` class) and ``agentgym.suites`` (a
`Suite`). Only what is asked for is imported; the core itself imports no world and no suite.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
from gymnasium.envs.registration import EnvSpec

from agentgym.env import AgentEnv
from agentgym.errors import ConfigError, MissingDependencyError, UnknownNameError, unknown_name
from agentgym.task import Suite
from agentgym.vector_env import AgentVectorEnv
from agentgym.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentgym.task import Task

WORLDS = "agentgym.worlds"
SUITES = "agentgym.suites"
LIST_HINT = "`agentgym tasks` lists them."
MAKE = "agentgym.registry:make"


def worlds() -> dict[str, type[World]]:
    """Return every installed world by name."""
    return {name: _world(name) for name in _entries(WORLDS)}


def make_world(name: str, *, num_slots: int = 1, screenshot: bool = False, **options: Any) -> World:
    """Open a world.

    Args:
        name: such as ``browser``.
        num_slots: how many sessions it has, >= 1.
        screenshot: whether observations carry pixels.
        options: the world's own, such as ``visible=True`` for the browser.

    Raises:
        UnknownNameError: no installed package has a world of that name.
        MissingDependencyError: something it needs is not installed.
    """
    build: Callable[..., World] = _world(name)  # every world takes these two
    return build(num_slots=num_slots, screenshot=screenshot, **options)


def suites() -> dict[str, Suite]:
    """Return every installed suite by name."""
    return {name: get_suite(name) for name in _entries(SUITES)}


def get_suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        UnknownNameError: no installed package has a suite of that name.
    """
    entries = _entries(SUITES)
    if name not in entries:
        raise unknown_name("suite", name, entries, hint=LIST_HINT)
    suite = _load(entries[name])
    if not isinstance(suite, Suite):
        raise ConfigError(f"Entry point {SUITES}:{name} is {suite!r}; it must be an agentgym.Suite.")
    return suite


def get_task(task_id: str) -> Task:
    """Return a task by its id, such as ``miniwob/click-button``.

    Raises:
        UnknownNameError: no installed suite has it.
    """
    task = _find_task(task_id)
    if task is None:
        raise unknown_name("task", task_id, _task_ids(), hint=LIST_HINT)
    return task


def select_tasks(selector: str | Sequence[str]) -> tuple[Task, ...]:
    """Return the tasks that a list of task ids and suite names stands for, each once, in order.

    Args:
        selector: names, as a list or in one text separated by commas.

    Raises:
        UnknownNameError: a name is neither.
        ConfigError: there is no name in it.
    """
    parts = selector.split(",") if isinstance(selector, str) else selector
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        raise ConfigError("No tasks were given. Name tasks or suites, such as miniwob/click-button,miniwob-quickstart.")
    chosen: dict[str, Task] = {}
    for name in names:
        chosen.update({task.id: task for task in _named(name)})
    return tuple(chosen.values())


def make(
    task_id: str,
    *,
    seed: int | None = None,
    screenshot: bool = False,
    max_steps: int | None = None,
    malformed_penalty: float = 0.0,
    render_mode: Literal["rgb_array"] | None = None,
    **world_options: Any,
) -> AgentEnv:
    """Make the Gymnasium environment of a task.

    Args:
        task_id: such as ``miniwob/click-button``.
        seed: seed of the first reset that is given none.
        screenshot: whether observations carry pixels.
        max_steps: actions until truncation; the task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        render_mode: ``rgb_array`` makes ``render()`` return the screenshot.
        world_options: the world's own, such as ``visible=True`` or ``trace="traces"`` for the browser.

    Raises:
        UnknownNameError: there is no such task; the message gives the nearest.
        MissingDependencyError: its world needs something that is not installed.
    """
    task = get_task(task_id)
    options: dict[str, Any] = {
        "screenshot": screenshot,
        "max_steps": max_steps,
        "malformed_penalty": malformed_penalty,
        "render_mode": render_mode,
    }
    world = make_world(task.world, screenshot=screenshot or render_mode is not None, **world_options)
    env = AgentEnv(world, task, first_seed=seed, **options)
    env.spec = EnvSpec(
        id=task_id,
        entry_point=MAKE,
        nondeterministic=not task.deterministic,
        kwargs={"task_id": task_id, **options, **world_options},
    )
    return env


def make_vec(
    id_or_suite: str | Sequence[str],
    *,
    num_envs: int = 1,
    screenshot: bool = False,
    max_steps: int | None = None,
    malformed_penalty: float = 0.0,
    render_mode: Literal["rgb_array"] | None = None,
    **world_options: Any,
) -> AgentVectorEnv:
    """Make many environments that share one world and move in lock-step.

    Args:
        id_or_suite: task ids and suite names, a list or separated by commas; the slots play them in turn.
        num_envs: how many, >= 1.
        screenshot: as in `make`.
        max_steps: as in `make`.
        malformed_penalty: as in `make`.
        render_mode: as in `make`.
        world_options: as in `make`.

    Raises:
        UnknownNameError: there is no such task or suite.
        ConfigError: the tasks belong to different worlds, or differ in screen size where there are screenshots.
    """
    tasks = select_tasks(id_or_suite)
    kinds = sorted({task.world for task in tasks})
    if len(kinds) > 1:
        raise ConfigError(f"One vector environment runs one world; these tasks need {', '.join(kinds)}.")
    pixels = screenshot or render_mode is not None
    world = make_world(kinds[0], num_slots=num_envs, screenshot=pixels, **world_options)
    return AgentVectorEnv(
        world,
        tasks,
        screenshot=screenshot,
        max_steps=max_steps,
        malformed_penalty=malformed_penalty,
        render_mode=render_mode,
    )


def register_gymnasium(suite: Suite, namespace: str) -> None:
    """Register a suite's tasks with Gymnasium, as ``namespace/task``; a second time changes nothing."""
    for task in suite.tasks:
        name = f"{namespace}/{task.id.rpartition('/')[2]}"
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name, entry_point=MAKE, nondeterministic=not task.deterministic, kwargs={"task_id": task.id}
            )


def _entries(group: str) -> dict[str, EntryPoint]:
    """Return a group's entry points by name."""
    return _entries_on(group, tuple(sys.path))


@cache
def _entries_on(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Scan the packages on an import path (some 20 ms); the path is the key, so what is added later is seen."""
    del path
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def _load(entry: EntryPoint) -> object:
    """Import what an entry point names."""
    try:
        return entry.load()
    except ImportError as error:
        package = entry.dist.name if entry.dist else "?"
        raise MissingDependencyError(
            f"{entry.group}:{entry.name} of package {package} cannot be imported: {error}. "
            f"Install it with all it needs, for ours: pip install 'agentgym-cua[browser]'."
        ) from error


def _world(name: str) -> type[World]:
    entries = _entries(WORLDS)
    if name not in entries:
        raise unknown_name("world", name, entries, hint=f"Installed worlds: {', '.join(entries) or 'none'}.")
    world = _load(entries[name])
    if not (isinstance(world, type) and issubclass(world, World)):
        raise ConfigError(f"Entry point {WORLDS}:{name} is {world!r}; it must be a subclass of agentgym.World.")
    return world


def _find_task(task_id: str) -> Task | None:
    """Look a task up, first in the suite that its id names, so that no other package is imported."""
    prefix = task_id.partition("/")[0]
    for name in sorted(_entries(SUITES), key=lambda name: (name != prefix, name)):
        for task in get_suite(name).tasks:
            if task.id == task_id:
                return task
    return None


def _named(name: str) -> Iterator[Task]:
    if name in _entries(SUITES):
        yield from get_suite(name).tasks
        return
    task = _find_task(name)
    if task is None:
        raise _unknown_selection(name)
    yield task


def _unknown_selection(name: str) -> UnknownNameError:
    what = "task" if "/" in name else "task or suite"
    return unknown_name(what, name, [*_entries(SUITES), *_task_ids()], hint=LIST_HINT)


def _task_ids() -> list[str]:
    return list(dict.fromkeys(task.id for suite in suites().values() for task in suite.tasks))
