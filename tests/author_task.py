"""A browser task for tests whose hooks are given to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentgym_browser import BrowserTask, Setup

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from playwright.sync_api import Page

    from agentgym.episode import Score

FORM = "<form><label>Name <input id=name></label> <button type=button>Save</button></form>"


def leave_as_it_is(page: Page) -> None:
    """Do nothing."""


def score_nothing(page: Page) -> Score | None:
    """Come to no judgement."""


class AuthorTask(BrowserTask):
    """A form; what its hooks do is up to the test."""

    id = "test/author"
    viewport = (400, 300)

    def __init__(
        self,
        set_up: Callable[[Page], Any] = leave_as_it_is,
        score: Callable[[Page], Any] = score_nothing,
        *,
        body: str = FORM,
        state: str = "null",
    ) -> None:
        self._set_up = set_up
        self._score = score
        self._html = f"<!doctype html><html><body>{body}</body></html>"
        self.state_script = state

    def setup(self, rng: Random) -> Setup:
        del rng
        return Setup("Do what the test does.", self._html, goal="Ada")

    def setup_page(self, page: Page, setup: Setup) -> None:
        assert setup.goal == "Ada"
        self._set_up(page)

    def may_be_over(self, state: Any, answer: str | None) -> bool:
        return state is True or super().may_be_over(state, answer)

    def score_page(self, page: Page, setup: Setup, answer: str | None) -> Score | None:
        judged: Score | None = self._score(page)
        return judged
