"""Scripted solutions of MiniWoB++ tasks, by task name; all use only what an agent sees and can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentgym_miniwob.oracles.clicking import CLICKING
from agentgym_miniwob.oracles.colors import COLORING
from agentgym_miniwob.oracles.dragging import DRAGGING
from agentgym_miniwob.oracles.drawing import DRAWING
from agentgym_miniwob.oracles.editing import EDITING
from agentgym_miniwob.oracles.forms import FORMS
from agentgym_miniwob.oracles.inbox import INBOX
from agentgym_miniwob.oracles.pointing import POINTING
from agentgym_miniwob.oracles.posts import POSTS
from agentgym_miniwob.oracles.reading import READING
from agentgym_miniwob.oracles.scrolling import SCROLLING
from agentgym_miniwob.oracles.shapes import SHAPES
from agentgym_miniwob.oracles.sorting import SORTING
from agentgym_miniwob.oracles.tabs import TABS
from agentgym_miniwob.oracles.widgets import WIDGETS
from agentgym_miniwob.oracles.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

ORACLES: dict[str, Callable[[Observation], OracleScript]] = {
    **CLICKING,
    **FORMS,
    **READING,
    **INBOX,
    **POSTS,
    **SHAPES,
    **TABS,
    **WIDGETS,
    **SCROLLING,
    **POINTING,
    **DRAWING,
    **DRAGGING,
    **SORTING,
    **EDITING,
    **COLORING,
    **WORDS,
}
