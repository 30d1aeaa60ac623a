"""Scripted solutions of MiniWoB++ tasks, by task name; all use only what an agent sees and can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_miniwob.oracles.clicking import CLICKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

ORACLES: dict[str, Callable[[Observation], OracleScript]] = {**CLICKING}
