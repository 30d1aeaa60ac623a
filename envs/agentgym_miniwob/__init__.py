"""The MiniWoB++ suite on the browser world. Importing it registers its tasks with Gymnasium."""

from agentgym_miniwob.suite import MINIWOB, QUICKSTART
from agentgym_miniwob.task import MiniWobTask

__all__ = ["MINIWOB", "QUICKSTART", "MiniWobTask"]
