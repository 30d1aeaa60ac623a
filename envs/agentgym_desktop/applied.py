"""Which walls and limits a sandbox really has: reported by `agentgym doctor` and kept with each episode."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Applied:
    """What applies to one sandbox."""

    walls: str
    """What makes them, its version, and what they part from the host."""
    host_uid: int
    """The user on the host that the programs inside count as."""
    own_user: bool
    """No other sandbox and no person has that user."""
    user_namespaces: str
    """What keeps programs inside from making namespaces of their own."""
    memory: str
    """What limits memory, and to how much."""
    processes: str
    """What limits the number of processes, and to how many."""
    processor: str
    """How processor time is shared out."""
    folders: str
    """Sizes of the folders that can be written to."""
    shortfalls: tuple[str, ...] = ()
    """What is weaker here than it could be, why, and what to do."""

    def describe(self) -> str:
        """Return all of it as lines of text."""
        owner = "its own" if self.own_user else "shared"
        lines = [
            f"walls: {self.walls}",
            f"host user: {self.host_uid} ({owner})",
            f"nested user namespaces: {self.user_namespaces}",
            f"memory: {self.memory}",
            f"processes: {self.processes}",
            f"processor: {self.processor}",
            f"folders: {self.folders}",
        ]
        return "\n".join([*lines, *(f"weaker: {shortfall}" for shortfall in self.shortfalls)])
