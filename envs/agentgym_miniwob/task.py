"""MiniWoB++ tasks on the browser world.

Pages come from the ``miniwob`` package (https://miniwob.farama.org, MIT). An episode starts in the page, from its
seed; reward and end are read from the page's own signals. A success is a positive raw reward, as in BrowserGym: the
time discount of the original is not applied, and the pages' 10 s limit is lifted, because a step limit takes its place.
Animations end at once, so that an observation never shows a page that is still moving.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentgym.episode import Score
from agentgym.errors import MissingDependencyError
from agentgym.versions import installation
from agentgym_browser.network import ORIGIN, Site
from agentgym_browser.task import BrowserTask, Setup
from agentgym_miniwob.oracles import ORACLES

if TYPE_CHECKING:
    from random import Random

    from agentgym.observation import Observation
    from agentgym.task import OracleScript

# What starts an episode on a loaded page. Raphael's animations jump to their end and its page (the pie menu) delays
# nothing but the episode's end, jQuery's are off, the cube does not wait for its timer, and what an earlier episode
# had due is dropped.
START = """(() => {{
  Date.startAgain();
  if (window.jQuery) {{ jQuery.fx.off = true; }}
  if (window.Raphael) {{
    Raphael.el.animate = function (...how) {{
      const animation = Raphael.animation(...how);
      const {{ easing, callback, ...end }} = animation.anim[animation.top];
      if (!this.removed) {{ this.attr(end); }}
      if (callback) {{ setTimeout(() => callback.call(this)); }}
      return this;
    }};
    Raphael.el.animateWith = function (element, animation, ...how) {{ return this.animate(...how); }};
    window.inTime ??= setTimeout;
    window.setTimeout = (act, delay) => inTime(act, delay < 1e6 ? 0 : delay);
  }}
  core.EPISODE_MAX_TIME = 2147483647;
  const rewards = document.getElementById('reward-display');  // stands beside the page, on a wider screen in view
  if (rewards) {{ rewards.style.visibility = 'hidden'; }}
  if (!core.cover_div) {{ core.startEpisode(); }}
  core.endEpisode(0);
  const timer = setTimeout(() => 0);
  window.firstTimer ??= timer;  // those from before it are the page's own
  while (firstTimer <= timer) {{ clearTimeout(firstTimer++); }}
  window.scrollTo(0, 0);
  if (document.activeElement) {{ document.activeElement.blur(); }}
  core.setDataMode && core.setDataMode('train');
  Math.seedrandom({seed});
  core.startEpisodeReal();
  if (window.cube) {{ cube.viewport.animate(); }}
}})()"""
# Icons drawn by `content: url(…)` lose their size while a picture for :hover loads, so that the first click falls
# beside them; a person's hand is slower. All such pictures are loaded once a page, before the first observation.
LOAD_ICONS = """window.agentgymIcons ? 0 : Promise.all((window.agentgymIcons =
  [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules].flatMap((rule) => {
    const found = /url\\("(.*?)"\\)/.exec((rule.style && rule.style.content) || '');
    return found ? [Object.assign(new Image(), { src: new URL(found[1], sheet.href || location.href).href })] : [];
  }))).map((image) => image.decode().catch(() => 0))).then(() => 0)"""
# Where an instruction shows a picture, it names it as the element list does: by its colour or its classes.
INSTRUCTION = """((query) => {
  const pictures = [...document.querySelectorAll('#query :empty:is(.ui-icon, [style*=background-color])')];
  pictures.forEach((picture) => {
    picture.textContent = `[${picture.style.backgroundColor || picture.className}]`;
  });
  query = core.getUtterance();
  pictures.forEach((picture) => { picture.textContent = ''; });
  return typeof query === 'string' ? query : query.utterance;
})()"""
STATE = "({ done: WOB_DONE_GLOBAL, reward: WOB_RAW_REWARD_GLOBAL, reason: String(WOB_REWARD_REASON || '') })"

# Pages that cannot be started again in place. The first ones bind their handlers once more at each start, so that
# those of earlier episodes would judge, too; the others keep what the agent has changed: text, open dialogs, scrolling.
FRESH_PAGE = frozenset({
    "click-menu", "drag-items", "drag-items-grid", "drag-sort-numbers", "form-sequence", "hot-cold", "navigate-tree",
    "text-editor", "use-slider", "use-slider-2",
    "book-flight", "book-flight-nodelay", "choose-date", "choose-date-easy", "choose-date-medium",
    "choose-date-nodelay", "click-scroll-list", "drag-cube", "order-food", "phone-book", "scroll-text",
    "scroll-text-2", "search-engine", "social-media", "social-media-all", "social-media-some", "use-colorwheel",
    "use-colorwheel-2",
})  # fmt: skip
DRAWN = frozenset({"drag-cube", "text-editor"})  # one moves with frames, one follows the selection with them
# The price changes ten times a second, by a timer that is set anew each time: an action that takes long in a busy
# browser may come before or after a change (2 of 3 seeds differed in one replay of all tasks).
NONDETERMINISTIC = frozenset({"stock-market"})
MAX_STEPS = 15
HIDDEN = "#reward-display, #sync-task-cover, #click-canvas, #query"


@functools.cache
def miniwob_html() -> Path:
    """Return the folder of the package's pages.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    spec = importlib.util.find_spec("miniwob")
    if spec is None or spec.origin is None:
        raise MissingDependencyError(
            f"The miniwob package is not installed. Install it with {installation('browser')}."
        )
    return Path(spec.origin).parent / "html"


class MiniWobTask(BrowserTask):
    """One MiniWoB++ task.

    Args:
        name: its name in the ``miniwob`` package, such as ``click-button``.
    """

    viewport = (160, 210)
    max_steps = MAX_STEPS
    state_script = STATE
    instruction_script = INSTRUCTION
    hidden = HIDDEN
    stores_nothing = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.id = f"miniwob/{name}"
        self.reusable = name not in FRESH_PAGE
        self.still = name not in DRAWN
        self.deterministic = name not in NONDETERMINISTIC

    @property
    def description(self) -> str:  # type: ignore[override]  # read from the package's own documentation, on demand
        """What the package says of the task."""
        miniwob_html()  # a clear message where the package is missing
        module = importlib.import_module("miniwob.envs.miniwob_envs")
        cls = getattr(module, "".join(part.capitalize() for part in self.name.split("-")) + "Env", None)
        documentation = inspect.cleandoc(cls.__doc__ or "") if cls is not None else ""
        _, _, text = documentation.partition("## Description")
        return " ".join(text.partition("##")[0].split())

    def setup(self, rng: Random) -> Setup:
        """Return nothing: instruction and goal are drawn in the page."""
        del rng
        return Setup()

    def site(self, setup: Setup) -> Site:
        """Serve the package's pages."""
        del setup
        return Site(root=miniwob_html())

    @property
    def url(self) -> str:
        """The task's page."""
        return f"{ORIGIN}/miniwob/{self.name}.html"

    def start_script(self, seed: int) -> str:
        """Start an episode in the page."""
        return START.format(seed=seed) + ";\n" + LOAD_ICONS

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        """Read the page's own verdict."""
        del goal, answer
        if not state["done"]:
            return None
        raw = float(state["reward"])
        reason = f"raw reward {raw:g}"
        return Score(1.0 if raw > 0 else 0.0, f"{reason} ({state['reason'][:200]})" if state["reason"] else reason)

    def oracle(self, observation: Observation) -> OracleScript | None:
        """Start the task's scripted solution, if there is one."""
        script = ORACLES.get(self.name)
        return None if script is None else script(observation)

    @property
    def has_oracle(self) -> bool:
        """Whether the task has a scripted solution."""
        return self.name in ORACLES
