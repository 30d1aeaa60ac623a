"""Names: worlds, suites and tasks of every installed package, and the environments made from them.

Packages announce theirs by entry points, in the groups ``agentgym.worlds`` (a `World` class), ``agentgym.suites`` (a
`Suite`) and ``agentgym.dialects`` (a `Dialect` class). Only what is asked for is imported; the core itself imports no
world and no suite.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
from gymnasium.envs.registration import EnvSpec

from agentgym.dialects.base import Dialect
from agentgym.env import AgentEnv
from agentgym.errors import AgentGymError, ConfigError, UnknownNameError, unknown_name
from agentgym.look import PLAIN, Budget, Look, all_parts
from agentgym.plugins import entries, load
from agentgym.policy.speech import DEFAULT
from agentgym.task import Suite, Task
from agentgym.vector_env import AgentVectorEnv
from agentgym.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from agentgym.look import Part

WORLDS = "agentgym.worlds"
SUITES = "agentgym.suites"
DIALECTS = "agentgym.dialects"
LIST_HINT = "`agentgym tasks` lists them."
MAKE = "agentgym.registry:make"
_GYMNASIUM_IDS: dict[str, str] = {}  # ids in Gymnasium's registry, by task


def worlds() -> dict[str, type[World]]:
    """Return every installed world by name."""
    return {name: get_world(name) for name in entries(WORLDS)}


def get_world(name: str) -> type[World]:
    """Return the class of a world.

    Raises:
        UnknownNameError: no installed package has a world of that name.
        MissingDependencyError: the package cannot be imported.
        ConfigError: what it announces is no world.
    """
    found = entries(WORLDS)
    if name not in found:
        raise unknown_name("world", name, found, hint=f"Installed worlds: {', '.join(found) or 'none'}.")
    world = load(found[name])
    if not (isinstance(world, type) and issubclass(world, World)):
        raise ConfigError(f"Entry point {WORLDS}:{name} is {world!r}; it must be a subclass of agentgym.World.")
    return world


def make_world(name: str, *, num_slots: int = 1, screenshot: bool = False, look: Look = PLAIN, **options: Any) -> World:
    """Open a world.

    Args:
        name: such as ``browser``.
        num_slots: how many sessions it has, >= 1.
        screenshot: whether observations carry one, whatever `look` says.
        look: what else they hold, and how much of it.
        options: the world's own, such as ``visible=True`` for the browser.

    Raises:
        UnknownNameError: no installed package has a world of that name, or the world no such option.
        MissingDependencyError: something it needs is not installed.
        ConfigError: the world cannot be looked at like that.
    """
    kind = get_world(name)
    missing = sorted(look.parts - kind.parts)
    if missing:
        raise ConfigError(
            f"World {name!r} has no {', '.join(missing)} to show; its parts are {', '.join(sorted(kind.parts))}."
        )
    _check_options(name, kind, options)
    build: Callable[..., World] = kind
    if not kind.parts <= World.parts:
        return build(num_slots=num_slots, screenshot=screenshot, look=look, **options)
    if look.budget != PLAIN.budget:
        raise ConfigError(f"World {name!r} has no budget: it always shows all. Leave `budget` out.")
    return build(num_slots=num_slots, screenshot=screenshot or "screenshot" in look.parts, **options)


def suites() -> dict[str, Suite]:
    """Return every installed suite that can be loaded, by name; `broken_suites` has the others."""
    return {name: suite for name, suite in _loaded_suites().items() if isinstance(suite, Suite)}


def broken_suites() -> dict[str, AgentGymError]:
    """Return what is wrong with the installed suites that cannot be loaded, by name."""
    return {name: error for name, error in _loaded_suites().items() if isinstance(error, AgentGymError)}


def get_suite(name: str) -> Suite:
    """Return a suite.

    Raises:
        UnknownNameError: no installed package has a suite of that name.
        MissingDependencyError: the package cannot be imported.
        ConfigError: what it announces is no suite.
    """
    found = entries(SUITES)
    if name not in found:
        raise unknown_name("suite", name, found, hint=f"Installed suites: {', '.join(found) or 'none'}.")
    suite = load(found[name])
    if not isinstance(suite, Suite):
        raise ConfigError(f"Entry point {SUITES}:{name} is {suite!r}; it must be an agentgym.Suite.")
    return suite


def get_task(task_id: str) -> Task:
    """Return a task by its id, such as ``miniwob/click-button``.

    Raises:
        UnknownNameError: no installed suite has it, or it is the name of a suite.
    """
    task = _find_task(task_id)
    if task is None and task_id in entries(SUITES):
        example = next((f", such as {task.id!r}" for task in get_suite(task_id).tasks), "")
        raise UnknownNameError(
            f"{task_id!r} is a suite of {len(get_suite(task_id))} tasks, where one task is wanted{example}. "
            "`make_vec` and `evaluate` take suites."
        )
    if task is None:
        raise unknown_name("task", task_id, _task_ids(), hint=LIST_HINT)
    return task


def select_tasks(selector: str | Task | Sequence[str | Task]) -> tuple[Task, ...]:
    """Return the tasks that a list of task ids, suite names and tasks stands for, each once, in order.

    Args:
        selector: names, as a list or in one text separated by commas; a task stands for itself.

    Raises:
        UnknownNameError: a name is neither.
        ConfigError: there is nothing in it, no task in what it names, or something that is neither name nor task.
    """
    if isinstance(selector, str):
        parts: Sequence[str | Task] = selector.split(",")
    else:
        parts = selector if isinstance(selector, list | tuple) else (_checked(selector),)
    names = [part.strip() if isinstance(part, str) else _checked(part) for part in parts]
    names = [name for name in names if name != ""]
    if not names:
        raise ConfigError("No tasks were given. Name tasks or suites, such as miniwob/click-button,miniwob-quickstart.")
    chosen: dict[str, Task] = {}
    for name in names:
        chosen.update({task.id: task for task in _named(name)})
    if not chosen:
        raise ConfigError(f"There is no task in {', '.join(map(str, names))}.")
    return tuple(chosen.values())


def plugged_dialect(name: str, ours: Collection[str]) -> type[Dialect]:
    """Return the dialect that an installed package announces under a name.

    Args:
        name: of the dialect.
        ours: names of the dialects that need no package, for the message.

    Raises:
        UnknownNameError: there is none of that name; the message gives the nearest.
        ConfigError: the entry point is something else.
    """
    found = entries(DIALECTS)
    if name not in found:
        known = [*ours, *found]
        raise unknown_name("dialect", name, known, hint=f"There are: {', '.join(known)}.")
    kind = load(found[name])
    if not (isinstance(kind, type) and issubclass(kind, Dialect)):
        raise ConfigError(f"Entry point {DIALECTS}:{name} is {kind!r}; it must be a subclass of Dialect.")
    return kind


def make(
    task_id: str | Task,
    *,
    seed: int | None = None,
    parts: Sequence[Part] = ("elements",),
    screenshot: bool = False,
    viewport: tuple[int, int] | None = None,
    budget: Budget | None = None,
    max_steps: int | None = None,
    malformed_penalty: float = 0.0,
    render_mode: Literal["rgb_array"] | None = None,
    dialect: str = DEFAULT,
    **world_options: Any,
) -> AgentEnv:
    """Make the Gymnasium environment of a task.

    Args:
        task_id: such as ``miniwob/click-button``; or a task of your own, as an object.
        seed: seed of the first reset that is given none.
        parts: what observations hold, any of `agentgym.look.PARTS`; what is left out costs nothing.
        screenshot: the same as one more part.
        viewport: width and height of the screen in pixels; the task's own where None.
        budget: how much of a big page observations tell; an `agentgym.look.Budget`.
        max_steps: actions until truncation; the task's own limit where None.
        malformed_penalty: subtracted from the reward of a step whose text is not an action, >= 0.
        render_mode: ``rgb_array`` makes ``render()`` return the screenshot.
        dialect: in which actions that are given as text are read, by a name from docs/dialects.md.
        world_options: the world's own, such as ``visible=True`` or ``trace="traces"`` for the browser.

    Raises:
        UnknownNameError: there is no such task or dialect; the message gives the nearest.
        MissingDependencyError: its world needs something that is not installed.
        ConfigError: its world does not show such parts or has no such option, or the task no such viewport.
    """
    task = get_task(task_id) if isinstance(task_id, str) else _checked(task_id)
    if viewport is not None:
        task = task.on_screen(viewport)
    look = _look(parts, budget)
    options: dict[str, Any] = {
        "parts": tuple(sorted(look.parts)),
        "screenshot": screenshot,
        "max_steps": max_steps,
        "malformed_penalty": malformed_penalty,
        "render_mode": render_mode,
        "dialect": dialect,
    }
    pixels = screenshot or render_mode is not None
    world = make_world(task.world, screenshot=pixels, look=look, **world_options)
    with _closed_if_refused(world):
        env = AgentEnv(world, task, first_seed=seed, **options)
    env.spec = EnvSpec(
        id=_GYMNASIUM_IDS.get(task.id, task.id),
        entry_point=MAKE,
        nondeterministic=not task.deterministic,
        kwargs={"task_id": task_id, "viewport": viewport, "budget": budget, **options, **world_options},
    )
    return env


def make_vec(
    id_or_suite: str | Task | Sequence[str | Task],
    *,
    num_envs: int = 1,
    parts: Sequence[Part] = ("elements",),
    screenshot: bool = False,
    viewport: tuple[int, int] | None = None,
    budget: Budget | None = None,
    max_steps: int | None = None,
    malformed_penalty: float = 0.0,
    render_mode: Literal["rgb_array"] | None = None,
    dialect: str = DEFAULT,
    **world_options: Any,
) -> AgentVectorEnv:
    """Make many environments that share one world, and move in lock-step or as they are ready.

    Args:
        id_or_suite: task ids and suite names, a list or separated by commas, or tasks of your own, as objects; the
            slots play them in turn.
        num_envs: how many, >= 1.
        parts: as in `make`.
        screenshot: as in `make`.
        viewport: as in `make`, for all tasks.
        budget: as in `make`.
        max_steps: as in `make`.
        malformed_penalty: as in `make`.
        render_mode: as in `make`.
        dialect: as in `make`.
        world_options: as in `make`.

    Raises:
        UnknownNameError: there is no such task, suite or dialect.
        ConfigError: the tasks belong to different worlds, or differ in screen size where there are pictures; or as in
            `make`.
    """
    tasks = select_tasks(id_or_suite)
    if viewport is not None:
        tasks = tuple(task.on_screen(viewport) for task in tasks)
    look = _look(parts, budget)
    kinds = sorted({task.world for task in tasks})
    if len(kinds) > 1:
        raise ConfigError(f"One vector environment runs one world; these tasks need {', '.join(kinds)}.")
    pixels = screenshot or render_mode is not None
    world = make_world(kinds[0], num_slots=num_envs, screenshot=pixels, look=look, **world_options)
    with _closed_if_refused(world):
        return AgentVectorEnv(
            world,
            tasks,
            parts=parts,
            screenshot=screenshot,
            max_steps=max_steps,
            malformed_penalty=malformed_penalty,
            render_mode=render_mode,
            dialect=dialect,
        )


def register_gymnasium(suite: Suite, namespace: str) -> None:
    """Register a suite's tasks with Gymnasium, as ``namespace/task``; a second time changes nothing."""
    for task in suite.tasks:
        name = f"{namespace}/{task.id.rpartition('/')[2]}"
        _GYMNASIUM_IDS[task.id] = name
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name, entry_point=MAKE, nondeterministic=not task.deterministic, kwargs={"task_id": task.id}
            )


@contextmanager
def _closed_if_refused(world: World) -> Iterator[None]:
    """End a world where the environment that was to own it cannot be made."""
    try:
        yield
    except BaseException:
        world.close()
        raise


def _look(parts: Sequence[Part], budget: Budget | None) -> Look:
    if budget is not None and not isinstance(budget, tuple):
        raise ConfigError(f"A budget is made as in `agentgym.look.Budget(elements=200)`, got {budget!r}.")
    return Look(all_parts(parts, screenshot=False), PLAIN.budget if budget is None else Budget(*budget))


def _checked(task: object) -> Task:
    """Return a task that was given as an object."""
    if not isinstance(task, Task):
        raise ConfigError(
            f"A task is an id, as 'miniwob/click-tab', or an object of a subclass of agentgym.Task; got {task!r}."
        )
    return task


def _check_options(name: str, kind: type[World], options: dict[str, Any]) -> None:
    """Check that a world has the options that it is given."""
    parameters = inspect.signature(kind).parameters.values()
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        return
    own = [each.name for each in parameters if each.name not in {"num_slots", "screenshot", "look"}]
    for option in options:
        if option not in own:
            known = [*own, *(each for each in inspect.signature(make).parameters if each != "world_options")]
            hint = f"The world's own are: {', '.join(own) or 'none'}."
            raise unknown_name(f"option of `make` or of world {name!r} called", option, known, hint=hint)


def _loaded_suites() -> dict[str, Suite | AgentGymError]:
    found: dict[str, Suite | AgentGymError] = {}
    for name in entries(SUITES):
        try:
            found[name] = get_suite(name)
        except AgentGymError as error:
            found[name] = error
    return found


def _find_task(task_id: str) -> Task | None:
    """Look a task up, first in the suite that its id names, so that no other package is imported."""
    prefix = task_id.partition("/")[0]
    for name in sorted(entries(SUITES), key=lambda name: (name != prefix, name)):
        try:
            tasks = get_suite(name).tasks
        except AgentGymError:
            if name == prefix:
                raise
            continue  # another's broken package; `agentgym doctor` tells
        for task in tasks:
            if task.id == task_id:
                return task
    return None


def _named(name: str | Task) -> Iterator[Task]:
    if isinstance(name, Task):
        yield name
        return
    if name in entries(SUITES):
        yield from get_suite(name).tasks
        return
    task = _find_task(name)
    if task is None:
        raise _unknown_selection(name)
    yield task


def _unknown_selection(name: str) -> UnknownNameError:
    what = "task" if "/" in name else "task or suite"
    return unknown_name(what, name, [*entries(SUITES), *_task_ids()], hint=LIST_HINT)


def _task_ids() -> list[str]:
    return list(dict.fromkeys(task.id for suite in suites().values() for task in suite.tasks))
