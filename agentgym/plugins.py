"""Plug-ins: what installed packages announce by entry points, and how it is loaded.

Loading imports a package of anybody's: whatever goes wrong there is told with the package's name.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from agentgym.errors import ConfigError, MissingDependencyError
from agentgym.versions import installation

OURS = "agentgym-cua"


def entries(group: str) -> dict[str, EntryPoint]:
    """Return a group's entry points by name."""
    return _entries_on(group, tuple(sys.path))


@cache
def _entries_on(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Scan the packages on an import path (some 20 ms); the path is the key, so what is added later is seen."""
    del path
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def load(entry: EntryPoint) -> object:
    """Import what an entry point names.

    Raises:
        MissingDependencyError: a module that it needs is not there.
        ConfigError: its code fails, or lacks what is announced.
    """
    package = entry.dist.name if entry.dist else "?"
    what = f"{entry.group}:{entry.name} of package {package} cannot be imported"
    try:
        return entry.load()
    except ImportError as error:
        advice = f"Install what {package} needs, or uninstall it."
        if package == OURS:
            advice = f"Install it with all it needs: {installation('all')}."
        raise MissingDependencyError(f"{what}: {error}. {advice}") from error
    except Exception as error:
        raise ConfigError(f"{what}: {type(error).__name__}: {error}. Repair {package}, or uninstall it.") from error
