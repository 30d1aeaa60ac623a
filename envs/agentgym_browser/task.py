"""Browser tasks: what the writer of a task on a web page implements.

A task says, for a seed, what its origin serves and what the instruction is (`setup`), which JavaScript expression reads
the state that matters (`state_script`), and what that state is worth (`score`). The state is read from the page after
every action; the transcript is not looked at. Pages get no network beyond their own origin (see `network`).

Where JavaScript is not enough, `setup_page` and `score_page` get the page as Playwright shows it. Attaching Playwright
costs tens of milliseconds, so nothing does that for a task which has neither.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from agentgym.errors import TaskError
from agentgym.task import Task
from agentgym_browser.files import check_names
from agentgym_browser.network import ORIGIN, Site

if TYPE_CHECKING:
    from collections.abc import Mapping

    from playwright.sync_api import Page

    from agentgym.episode import Score


@dataclass(frozen=True)
class Setup:
    """What one seed of a task starts from."""

    instruction: str = ""
    """What the agent is told; empty where the task's ``instruction_script`` reads it from the page."""
    html: str | None = None
    """The page at the origin's root."""
    goal: Any = None
    """Whatever `BrowserTask.score` needs to know; never shown to the agent."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """What the agent can choose where a page asks for a file: content by name."""

    def __post_init__(self) -> None:
        check_names(self.files)


@dataclass(frozen=True)
class Evidence:
    """What an episode is judged by, after an action."""

    state: Any
    """JSON value of `BrowserTask.state_script`; from a page, so of any shape."""
    goal: Any
    """What `BrowserTask.setup` put there."""
    answer: str | None
    """What the agent said in ``done(...)``; None while it has not said that it is finished."""
    downloads: Mapping[str, bytes]
    """What pages have downloaded, by name; read it while judging. Empty where the task takes no `downloads`."""


class BrowserTask(Task):
    """A task on a web page.

    Class attributes are the task's constants; methods must draw everything random from what they are given, so that a
    seed says all.
    """

    world: ClassVar[str] = "browser"
    state_script: str = "null"
    """JavaScript expression, evaluated in the page after each action; its JSON value goes to `score`."""
    instruction_script: str = ""
    """JavaScript expression that reads the instruction from the page; empty where `Setup` holds it."""
    hidden: str = ""
    """CSS selector of what is left out of observations, such as a score display."""
    reusable: bool = False
    """Whether `start_script` alone starts a further episode on the same page, without loading it again; it clears away
    what an earlier one has left there, also in the browser's storage."""
    stores_nothing: bool = False
    """Whether its pages leave nothing in the browser (cookies, storage, workers), so that the next episode of a task of
    that kind needs a new document only, not a new browser context: a third of the time. What is left all the same is
    found before the next episode, which then gets a new context (see `traces`)."""

    pace_ms: int = 510
    """Virtual milliseconds that pass with every action: what a page does by itself until the agent acts again. A little
    more than a round number, so that no timer is due just when they are over."""
    still: bool = False
    """Whether its pages do nothing with frames (animation callbacks, transitions, observers of size and visibility), so
    that one is drawn for a screenshot only: without them a step costs a fifth less."""
    downloads: bool = False
    """Whether pages may download files (at most `files.MAX_DOWNLOADS`), which `judge` can read."""
    controls: bool = False
    """Whether observations show the window's own buttons (Back, Forward, Reload) and its address field, which takes the
    addresses of the task's origins. Their keys work in any case."""

    def setup(self, rng: Random) -> Setup:
        """Return instruction, page and goal of one seed.

        Args:
            rng: seeded with the episode's seed; the only source of chance.
        """
        raise TaskError(f"{type(self).__name__} does not say what its page is; give it a `setup` method.")

    def judge(self, evidence: Evidence) -> Score | None:
        """Judge what there is after an action; for tasks that look at more than the page's state, such as downloads.

        Returns:
            As `score`.
        """
        return self.score(evidence.state, evidence.goal, evidence.answer)

    def score(self, state: Any, goal: Any, answer: str | None) -> Score | None:
        """Judge the page after an action.

        Args:
            state: JSON value of `state_script`; from a page, so of any shape.
            goal: what `setup` put there.
            answer: what the agent said in ``done(...)``; None while it has not said that it is finished.

        Returns:
            A score, which ends the episode, or None to go on. None after ``done`` is a failure.
        """
        raise TaskError(
            f"{type(self).__name__} does not say what is a success; give it a `score` or `score_page` method."
        )

    def setup_page(self, page: Page, setup: Setup) -> None:
        """Bring the page to where the episode starts, by Playwright's sync API; called after it has loaded.

        Emulation, init scripts and routes hold only until it returns; what it did to page and storage stays.

        Args:
            page: the session's first tab, the task's own; it reaches the task's origins alone. Tabs that it opens are
                not shown here.
            setup: what `setup` returned for the seed.
        """

    def score_page(self, page: Page, setup: Setup, answer: str | None) -> Score | None:
        """Judge the page by Playwright's sync API, in place of `score`; called where `may_be_over` says so.

        Read, and leave the page as it is: the agent goes on with it. Do not wait for what the agent may have taken
        away (``locator.count()`` and ``is_visible()`` do not wait): a wait that ends in vain makes the episode an
        infrastructure failure, which is not counted against the agent.

        Args:
            page: the session's first tab, the task's own.
            setup: what `setup` returned for the seed.
            answer: what the agent said in ``done(...)``; None while it has not said that it is finished.

        Returns:
            A score, which ends the episode, or None to go on. None after ``done`` is a failure.
        """
        raise NotImplementedError  # never called: `scores_page` is False where this is not overridden

    def may_be_over(self, state: Any, answer: str | None) -> bool:
        """Return whether `score_page` is worth its time after an action; by default once the agent is done.

        Args:
            state: JSON value of `state_script`; from a page, so of any shape.
            answer: as in `score_page`.
        """
        del state
        return answer is not None

    @property
    def sets_page_up(self) -> bool:
        """Whether the task has a `setup_page` of its own."""
        return type(self).setup_page is not BrowserTask.setup_page

    @property
    def scores_page(self) -> bool:
        """Whether the task has a `score_page` of its own."""
        return type(self).score_page is not BrowserTask.score_page

    def site(self, setup: Setup) -> Site:
        """Return what the task's origins serve; headers, status codes and further origins are the `Site`'s."""
        return Site(html=setup.html)

    @property
    def url(self) -> str:
        """The page to open."""
        return f"{ORIGIN}/"

    def load_script(self, seed: int) -> str:
        """Return JavaScript that runs in the page before any script of its own; empty for none."""
        del seed
        return ""

    def start_script(self, seed: int) -> str:
        """Return JavaScript that starts an episode on the loaded page; empty for none."""
        del seed
        return ""

    def prepare(self, seed: int) -> Setup:
        """Return the setup of a seed."""
        return self.setup(Random(seed))  # noqa: S311 (reproducible, not secret)
