"""Scripted solutions of MiniWoB++ tasks, by task name; all use only what an agent sees and can do."""

from __future__ import annotations

from collections.abc import Callable

from agentgym.observation import Observation
from agentgym.task import OracleScript
from agentgym_miniwob.oracles.clicking import CLICKING

ORACLES: dict[str, Callable[[Observation], OracleScript]] = {**CLICKING}
