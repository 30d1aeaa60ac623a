"""What a command of `agentgym` answered."""

from __future__ import annotations

from typing import NamedTuple


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The one message; anything else on standard error is progress."""
        assert "Traceback" not in self.err
        (line,) = [line for line in self.err.splitlines() if line.startswith("agentgym: ")]
        return line
