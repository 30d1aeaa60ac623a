"""OSWorld's metrics, by what they look at; `METRICS` has those that are known here."""

from agentgym_desktop.osworld.metrics import bundles, letters, tables, texts, values  # (importing registers them)
from agentgym_desktop.osworld.metrics.registry import METRICS, UnreadableError

__all__ = ["METRICS", "UnreadableError", "bundles", "letters", "tables", "texts", "values"]
