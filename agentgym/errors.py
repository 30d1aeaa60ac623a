"""Every error of agentgym.

AgentGymError                 catch this to catch all of ours
├── ConfigError               a configuration file or override is wrong
├── UnknownNameError          no task, suite, policy, recipe or world of that name
├── MissingDependencyError    a package or program is not installed
├── CheckpointError           a folder is not a model that can be loaded
├── StoreError                trajectories on disk cannot be read or written
├── ActionError               text is not an action (the collector makes it a turn with an error observation)
├── TaskError                 a task's own code is wrong: it raised, or returned what it must not
├── SessionStateError         calls in the wrong order (a step before a reset)
└── InfrastructureError       the machine failed, not the agent: dropped, refilled and counted, never reward 0
    ├── WorldCrashedError     the world's process (the browser) is gone
    ├── SessionCrashedError   one session (a page) is gone or in a state that cannot be read
    ├── SessionTimeoutError   one session did not answer in time
    └── WorkerLostError       a rollout worker died

Errors cross process borders, so each is built from its message alone.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class AgentGymError(Exception):
    """Base of all errors that agentgym raises on purpose; its text is fit for a user."""


class ConfigError(AgentGymError):
    """A configuration key or value is wrong; the message names the key by its dotted path."""


class UnknownNameError(AgentGymError):
    """A name that nothing is registered under; the message gives the nearest known one."""


class MissingDependencyError(AgentGymError):
    """A package or program is missing; the message gives the command that installs it."""


class CheckpointError(AgentGymError):
    """A folder is not a loadable model checkpoint."""


class StoreError(AgentGymError):
    """A trajectory file is corrupt, or cannot be written."""


class ActionError(AgentGymError):
    """Text is not exactly one valid action, or an action's arguments are out of range."""


class TaskError(AgentGymError):
    """Code that belongs to a task raised, or returned what it must not; the message names the task."""


class SessionStateError(AgentGymError):
    """A session was used out of order, for example stepped before it was reset."""


class InfrastructureError(AgentGymError):
    """The machine failed. ``kind`` says where, and is counted in every result."""

    kind: ClassVar[str] = "infrastructure"


class WorldCrashedError(InfrastructureError):
    """The process behind all sessions of a world ended."""

    kind = "world_crashed"


class SessionCrashedError(InfrastructureError):
    """One session is gone, or gave an answer that its own scripts cannot have given."""

    kind = "session_crashed"


class SessionTimeoutError(InfrastructureError):
    """One session did not answer within its time limit."""

    kind = "session_timeout"


class WorkerLostError(InfrastructureError):
    """A rollout worker process died with the episodes it was playing."""

    kind = "worker_lost"


def unknown_name(what: str, name: str, known: Iterable[str], *, hint: str) -> UnknownNameError:
    """Make the error for a name that is not registered.

    Args:
        what: the kind of thing, such as "task".
        name: what was asked for.
        known: the names that exist.
        hint: a sentence that says how to list them.
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    nearest = f" Did you mean {close[0]!r}?" if close else ""
    return UnknownNameError(f"No {what} {name!r}.{nearest} {hint}")
