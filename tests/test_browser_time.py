"""The time of pages: it passes with actions alone, whatever the machine does meanwhile, and waits for late answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from agentgym.action import Click, Wait
from agentgym_browser import BrowserWorld, Site, clock
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from agentgym_browser import Setup

NOON = 1_577_880_000_000  # 2020-01-01 12:00 UTC
SHORT_S = 0.3  # of what has real time in these tests
CLOCKS = "[Date.now(), performance.now(), new Date().getTime(), ticks]"
TICKING = "<script>var ticks = 0; setInterval(() => ticks++, 100)</script>"


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld() as world:
        yield world


def passed(world: BrowserWorld, task: PageTask, action: Click | Wait) -> int:
    """Carry out an action and return how many milliseconds the page's clock, which is its state, has moved on by."""
    before = task.state
    act(world, action)
    return int(task.state - before)


def moments(world: BrowserWorld) -> set[int]:
    """Return the times that a page has from now on, for longer than it would be waited for; not by its own clock,
    which moves on where it is asked again and again.
    """
    page = world._sessions[0].page
    assert page is not None
    began, shown = time.monotonic(), set[int]()
    while time.monotonic() - began < 2 * SHORT_S:
        shown.add(world._run(page.observer("Date.now()")))
    return shown


class TestClock:
    def test_every_episode_begins_at_the_same_moment_and_an_action_takes_the_same_time(
        self, world: BrowserWorld
    ) -> None:
        seen = []
        for _ in range(2):
            task = PageTask(TICKING, state=CLOCKS)
            open_page(world, task)
            for _ in range(3):
                act(world, Wait(ms=0))
                seen.append(task.state)
        assert seen[:3] == seen[3:]
        now, since_load, also_now, _ = seen[0]
        assert now == also_now
        assert now - NOON == since_load
        assert [state[0] - now for state in seen[:3]] == [0, task.pace_ms, 2 * task.pace_ms]
        assert [state[3] - seen[0][3] for state in seen[:3]] == [0, 5, 10]

    def test_a_wait_lets_its_time_pass_besides(self, world: BrowserWorld) -> None:
        task = PageTask("", state="Date.now()")
        open_page(world, task)
        act(world, Wait(ms=0))
        assert passed(world, task, Wait(ms=10_000)) == 10_000 + task.pace_ms

    def test_none_passes_between_actions(self, world: BrowserWorld) -> None:
        task = PageTask("", state="Date.now()")
        open_page(world, task)
        act(world, Wait(ms=0))
        assert len(moments(world)) == 1
        assert passed(world, task, Wait(ms=0)) == task.pace_ms

    def test_each_document_begins_its_clock_anew(self, world: BrowserWorld) -> None:
        pages = {"/next": "<p>next</p>"}
        task = PageTask("<a href='/next'>next</a>", pages=pages, state="[location.pathname, performance.now()]")
        seen = open_page(world, task)
        act(world, Wait(ms=5_000))
        act(world, Click(element=find(seen, "link").id))
        path, since_load = task.state
        assert path == "/next"
        assert since_load < 5_000


class WaitingStart(PageTask):
    """A task whose start waits for something in the page."""

    def __init__(self, script: str) -> None:
        super().__init__(TICKING, state="Date.now()")
        self._script = script

    def start_script(self, seed: int) -> str:
        del seed
        return self._script


class TestScriptThatWaits:
    @pytest.mark.parametrize("ms", [1, 30, 250])
    def test_a_start_that_waits_for_a_timer_has_the_time_it_takes_and_no_more(
        self, world: BrowserWorld, ms: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock, "REQUEST_TIMEOUT_S", SHORT_S)
        task = WaitingStart(f"new Promise((done) => setTimeout(done, {ms}))")
        seen = []
        for _ in range(2):
            open_page(world, task)
            assert len(moments(world)) == 1
            act(world, Wait(ms=0))
            seen.append(task.state)
            assert passed(world, task, Wait(ms=0)) == task.pace_ms
        assert seen[0] == seen[1]


FETCHING = """<button onclick="fetch('/late').then((answer) => answer.text()).then((text) => said.textContent = text);
    setTimeout(() => { if (said.textContent === 'loading') said.textContent = 'still loading' }, 400);
    said.textContent = 'loading'">go</button><a href="/late">follow</a><p id="said">new</p>"""


class LateTask(PageTask):
    """A page of an origin that answers ``/late`` late: ``delay_s`` after it was asked, or once it is told to."""

    def __init__(self, world: BrowserWorld, *, delay_s: float | None = None) -> None:
        super().__init__(FETCHING, state="Date.now()", pages={"/late": "came"})
        self._world = world
        self._delay_s = delay_s
        self._answers: list[Callable[[], object]] = []

    def site(self, setup: Setup) -> Site:
        return LateSite(self, setup.html or "")

    def asked(self, command: str, params: dict[str, Any]) -> None:
        page = self._world._sessions[0].page
        assert page is not None
        self._answers.append(lambda: page.tell(command, params))
        if self._delay_s is not None:
            asyncio.get_running_loop().call_later(self._delay_s, self._answers.pop())

    async def answer(self) -> None:
        """Answer the requests that wait."""
        while self._answers:
            self._answers.pop()()


class LateSite(Site):
    """The origin of a `LateTask`."""

    def __init__(self, task: LateTask, html: str) -> None:
        super().__init__(html=html, pages=task.pages)
        self._task = task

    def fulfil(self, request_id: str, url: str) -> tuple[str, dict[str, Any]]:
        answer = super().fulfil(request_id, url)
        if not url.endswith("/late"):
            return answer
        self._task.asked(*answer)
        return "Page.enable", {}  # is enabled already: the browser's request goes on waiting


class TestLateAnswer:
    def test_the_page_stands_still_until_it_is_there(self, world: BrowserWorld) -> None:
        task = LateTask(world, delay_s=SHORT_S)
        open_page(world, task)
        act(world, Wait(ms=0))
        before = task.state
        began = time.monotonic()
        seen = act(world, Click(element=1))
        assert time.monotonic() - began >= SHORT_S
        assert (find(seen, "text").name, task.state - before) == ("came", task.pace_ms)

    def test_one_that_takes_too_long_is_waited_for_no_longer_and_seen_when_it_comes(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(clock, "REQUEST_TIMEOUT_S", SHORT_S)
        task = LateTask(world)
        open_page(world, task)
        began = time.monotonic()
        seen = act(world, Click(element=1))
        assert SHORT_S <= time.monotonic() - began < clock.PASSING_TIMEOUT_S
        assert find(seen, "text").name == "still loading"
        world._run(task.answer())
        deadline = time.monotonic() + BOUND_S
        while find(seen := act(world, Wait(ms=0)), "text").name != "came":
            assert time.monotonic() < deadline, seen.elements

    def test_a_document_that_comes_late_is_waited_for(self, world: BrowserWorld) -> None:
        task = LateTask(world, delay_s=SHORT_S)
        seen = open_page(world, task)
        seen = act(world, Click(element=find(seen, "link").id))
        assert [each.name for each in seen.elements] == ["came"]
