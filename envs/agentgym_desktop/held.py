"""What stands behind a sandbox: a door to its process 1, and somebody who ends it.

`Sandbox` works through the door alone, so every way to put walls around a process 1 gives the same sandbox: bubblewrap
(`launch`), a container (`container`). `SandboxStart` is what a desktop needs of such a way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym_desktop.applied import Applied
    from agentgym_desktop.door import Door
    from agentgym_desktop.sandbox import Sandbox
    from agentgym_desktop.walls import SandboxSpec

Backend = Literal["sandbox", "container"]
"""By which walls desktops stand: of bubblewrap, or of a container engine."""


class Held(Protocol):
    """A sandbox that has been started."""

    @property
    def door(self) -> Door:
        """The way to its process 1."""
        ...

    @property
    def applied(self) -> Applied:
        """Which walls and limits it really has."""
        ...

    @property
    def lease(self) -> Path:
        """The file or folder that was made for it on this machine; gone at the latest when it has ended."""
        ...

    @property
    def pid(self) -> int:
        """The host's process that all others of it are below."""
        ...

    def end(self) -> None:
        """End it, and wait until nothing is left of it."""
        ...


class SandboxStart(Protocol):
    """Starts sandboxes: `Sandbox.start`, or that of another kind."""

    def __call__(self, spec: SandboxSpec) -> Sandbox:
        """Start one and wait until it answers; raises what `Sandbox.start` raises."""
        ...
