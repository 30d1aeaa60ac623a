"""Errors: each is raised somewhere, crosses process borders, and says what to do."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import pytest

from agentgym import errors
from agentgym.errors import AgentGymError, InfrastructureError, unknown_name

ROOT = Path(__file__).parent.parent
CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, AgentGymError)]


def names_called() -> set[str]:
    """Names of everything that the packages call, other than in errors.py."""
    found: set[str] = set()
    for package in ("agentgym", "envs", "rewards"):
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "errors.py":
                calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
                found |= {call.func.id for call in calls if isinstance(call.func, ast.Name)}
    return found


def test_every_error_is_raised_somewhere() -> None:
    made = {"unknown_name": "UnknownNameError"}
    used = {made.get(name, name) for name in names_called()}
    assert {kind.__name__ for kind in CLASSES} - used <= {"AgentGymError"}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_can_be_pickled(kind: type[AgentGymError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what happened")))
    assert type(error) is kind
    assert str(error) == "what happened"


def test_every_error_is_drawn_in_the_hierarchy() -> None:
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in CLASSES)


def test_every_kind_of_infrastructure_error_has_a_name_of_its_own() -> None:
    kinds = [kind.kind for kind in CLASSES if issubclass(kind, InfrastructureError)]
    assert len(set(kinds)) == len(kinds) == 5


def test_an_unknown_name_is_answered_with_the_nearest_and_a_hint() -> None:
    error = unknown_name("task", "toy/pres", ["toy/press", "toy/fill"], hint="`agentgym tasks` lists them.")
    assert str(error) == "No task 'toy/pres'. Did you mean 'toy/press'? `agentgym tasks` lists them."
    assert "mean" not in str(unknown_name("task", "zzz", ["toy/press"], hint="List them."))
