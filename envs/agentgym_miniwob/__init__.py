"""The MiniWoB++ suite on the browser world. Importing it registers its tasks with Gymnasium."""

from agentgym.registry import register_gymnasium
from agentgym_miniwob.suite import MINIWOB, QUICKSTART
from agentgym_miniwob.task import MiniWobTask

__all__ = ["MINIWOB", "QUICKSTART", "MiniWobTask"]

register_gymnasium(MINIWOB, "agentgym-miniwob")
