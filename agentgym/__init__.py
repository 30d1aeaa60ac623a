"""agentgym: a gym in which open models learn to use computers.

    env = agentgym.make("miniwob/click-button")
    with env:
        obs, info = env.reset(seed=7)
        obs, reward, terminated, truncated, info = env.step(agentgym.Click(element=3))

    agentgym.evaluate("miniwob-quickstart", "oracle", episodes=5)
    agentgym.train("quickstart")

Names load when they are first used: importing the package costs milliseconds and no torch.
"""

from __future__ import annotations

import importlib as _importlib
import sys as _sys
from types import ModuleType as _ModuleType
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

if _TYPE_CHECKING:
    from agentgym.action import Action as Action
    from agentgym.action import Click as Click
    from agentgym.action import Done as Done
    from agentgym.action import Drag as Drag
    from agentgym.action import Fill as Fill
    from agentgym.action import Hover as Hover
    from agentgym.action import Press as Press
    from agentgym.action import Scroll as Scroll
    from agentgym.action import Select as Select
    from agentgym.action import Type as Type
    from agentgym.action import Wait as Wait
    from agentgym.door import evaluate as evaluate
    from agentgym.door import train as train
    from agentgym.env import AgentEnv as AgentEnv
    from agentgym.episode import Score as Score
    from agentgym.episode import Trajectory as Trajectory
    from agentgym.errors import AgentGymError as AgentGymError
    from agentgym.errors import InfrastructureError as InfrastructureError
    from agentgym.observation import Element as Element
    from agentgym.observation import Observation as Observation
    from agentgym.policy.base import Policy as Policy
    from agentgym.registry import make as make
    from agentgym.registry import make_vec as make_vec
    from agentgym.task import Suite as Suite
    from agentgym.task import Task as Task
    from agentgym.vector_env import AgentVectorEnv as AgentVectorEnv
    from agentgym.world import World as World

    __version__: str

_HOMES = {
    "agentgym.action": (
        "Action", "Click", "Done", "Drag", "Fill", "Hover", "Press", "Scroll", "Select", "Type", "Wait",
    ),
    "agentgym.env": ("AgentEnv",),
    "agentgym.episode": ("Score", "Trajectory"),
    "agentgym.errors": ("AgentGymError", "InfrastructureError"),
    "agentgym.observation": ("Element", "Observation"),
    "agentgym.policy.base": ("Policy",),
    "agentgym.registry": ("make", "make_vec"),
    "agentgym.task": ("Suite", "Task"),
    "agentgym.vector_env": ("AgentVectorEnv",),
    "agentgym.world": ("World",),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_CALLABLE = ("evaluate", "train")  # subpackages that are also what one does with them

__all__ = [  # noqa: PLE0604 (the starred names are strings)
    "__version__",
    *sorted([*_HOME, *_CALLABLE]),
]


class _PickledByName(_ModuleType):
    """A module that pickles, as plain ones do under cloudpickle: functions that name it are sent to Ray workers."""

    def __reduce__(self) -> tuple[_Any, tuple[str]]:
        return _importlib.import_module, (self.__name__,)


class _CallablePackage(_PickledByName):
    """A subpackage that can be called: ``agentgym.train("quickstart")`` beside ``agentgym.train.config``."""

    def __call__(self, *args: _Any, **kwargs: _Any) -> _Any:
        door = _importlib.import_module("agentgym.door")
        return getattr(door, self.__name__.rpartition(".")[2])(*args, **kwargs)


class _Package(_PickledByName):
    """This package: the import system binds a subpackage to it by setting an attribute."""

    def __setattr__(self, name: str, value: object) -> None:
        if name in _CALLABLE and isinstance(value, _ModuleType):
            value.__class__ = _CallablePackage
        super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("agentgym-cua")
    if name in _CALLABLE:
        return _importlib.import_module(f"agentgym.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'agentgym' has no attribute {name!r}")
    value = getattr(_importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
