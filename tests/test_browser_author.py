"""The hooks of a task get Playwright's page, and nobody else notices."""

from __future__ import annotations

import http.server
import os
import threading
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from playwright.sync_api import Dialog, Error, Page, expect

from agentgym.action import Click, Done, Fill, Hover, Wait
from agentgym.episode import Score
from agentgym.errors import (
    InfrastructureError,
    SessionCrashedError,
    SessionTimeoutError,
    TaskError,
)
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_browser import attachment
from agentgym_browser.network import ORIGIN
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask, act, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_browser import BrowserTask

SOCKET = """(url) => new Promise((end) => {
  const socket = new WebSocket(url);
  socket.onopen = () => end("socket");
  socket.onerror = () => end("no socket");
})"""


@pytest.fixture(scope="module")
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2) as world:
        yield world


@pytest.fixture
def foreign_server() -> Iterator[tuple[str, list[str]]]:
    """A web server that pages must not reach: its address, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def start(world: BrowserWorld, task: BrowserTask, *, slot: int = 0) -> Observation:
    observation = world.reset({slot: Instance(task, 0)})[slot]
    assert isinstance(observation, Observation), observation
    return observation


def failure(world: BrowserWorld, task: BrowserTask) -> InfrastructureError:
    error = world.reset({0: Instance(task, 0)})[0]
    assert isinstance(error, InfrastructureError)
    return error


def score_of(world: BrowserWorld, *, slot: int = 0) -> Score | None:
    step = world.step({slot: Done("finished")})[slot]
    assert isinstance(step, Step), step
    return step.score


def fill_name(page: Page) -> None:
    page.get_by_label("Name").fill("Ada")


def name_is_ada(page: Page) -> Score:
    return Score(float(page.get_by_label("Name").input_value() == "Ada"), "the name in the form")


def listening() -> list[int]:
    return [each.laddr.port for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN]


class TestHooks:
    def test_set_up_fills_a_form_and_the_agent_sees_it(self, world: BrowserWorld) -> None:
        observation = start(world, AuthorTask(fill_name))
        assert find(observation, "textbox", "Name").value == "Ada"

    def test_the_score_is_read_by_locator_when_the_agent_is_done(self, world: BrowserWorld) -> None:
        task = AuthorTask(score=name_is_ada)
        for text, value in (("Ada", 1.0), ("Eve", 0.0)):
            field = find(start(world, task), "textbox")
            step = world.step({0: Fill(field.id, text)})[0]
            assert isinstance(step, Step)
            assert step.score is None
            assert score_of(world) == Score(value, "the name in the form")

    def test_the_score_is_asked_for_only_where_the_task_says_that_it_may_be_over(self, world: BrowserWorld) -> None:
        asked: list[str] = []

        def judge(page: Page) -> Score | None:
            asked.append(page.url)
            return None

        task = AuthorTask(score=judge, state="document.querySelector('input').value === 'Ada'")
        field = find(start(world, task), "textbox")
        act(world, Fill(field.id, "Eve"))
        assert asked == []
        act(world, Fill(field.id, "Ada"))
        assert asked == [f"{ORIGIN}/"]
        judged = score_of(world)
        assert judged is not None
        assert judged.value == 0.0
        assert len(asked) == 2

    def test_it_clicks_navigates_and_takes_pictures(self, world: BrowserWorld) -> None:
        def set_up(page: Page) -> None:
            page.get_by_role("button").click()
            assert page.get_by_role("button").inner_text() == "pressed"
            assert page.screenshot().startswith(b"\x89PNG")
            page.goto(f"{ORIGIN}/?further")
            expect(page.get_by_role("button")).to_have_text("x")

        observation = start(world, AuthorTask(set_up, body="<button onclick=\"textContent = 'pressed'\">x</button>"))
        assert observation.url.endswith("?further")
        find(observation, "button", "x")

    def test_two_hooks_at_once_see_their_own_page_alone(self, world: BrowserWorld) -> None:
        inside: set[int] = set()

        def task(slot: int) -> AuthorTask:
            def set_up(page: Page) -> None:
                inside.add(slot)
                while len(inside) < 2:
                    page.wait_for_timeout(1)
                assert page.context.browser is not None
                assert page.context.browser.contexts == [page.context]
                assert page.context.pages == [page]
                page.get_by_label("Name").fill(f"slot {slot}")

            return AuthorTask(set_up)

        observations = world.reset({slot: Instance(task(slot), 0) for slot in (0, 1)})
        for slot, observation in observations.items():
            assert isinstance(observation, Observation), observation
            assert find(observation, "textbox").value == f"slot {slot}"

    def test_dialogs_are_answered_by_the_author_in_a_hook_and_by_the_agent_after_it(self, world: BrowserWorld) -> None:
        answered: list[bool] = []

        def accept(dialog: Dialog) -> None:
            dialog.accept()

        def set_up(page: Page) -> None:
            answered.append(page.evaluate("confirm('by nobody?')"))
            page.on("dialog", accept)
            answered.append(page.evaluate("confirm('by the author?')"))

        task = AuthorTask(set_up, body="<button onclick=\"textContent = confirm('?')\">ask</button>")
        button = find(start(world, task), "button")
        assert answered == [False, True]
        asked = act(world, Click(button.id))
        assert find(asked, "dialog").name == "?"
        find(act(world, Click(find(asked, "button", "OK").id)), "button", "true")


class TestNothingStaysBehind:
    def test_playwright_is_off_the_page_and_the_bridge_is_closed(self, world: BrowserWorld) -> None:
        ports: list[list[int]] = []
        start(world, PageTask("<button>ok</button>"))
        page = world._sessions[0].page
        assert page is not None
        before = listening()
        start(world, AuthorTask(lambda _: ports.append(listening())))
        page = world._sessions[0].page
        assert page is not None
        assert len(ports[0]) == len(before) + 1
        assert listening() == before
        # What is sent and heard on the hot path is what it was: no other session is heard, none is answered.
        assert {name for name in page.connection._handlers if name} <= {
            session.page.session_id for session in world._sessions.values() if session.page is not None
        }
        assert not page.driven

    def test_the_page_has_its_viewport_and_its_focus_again_and_no_pointer_on_it(self, world: BrowserWorld) -> None:
        def set_up(page: Page) -> None:
            page.set_viewport_size({"width": 200, "height": 100})
            page.emulate_media(color_scheme="dark")
            page.get_by_role("button").hover()

        state = (
            "[innerWidth, innerHeight, document.hasFocus(), matchMedia('(prefers-color-scheme: dark)').matches, over]"
        )
        body = "<script>var over = 0</script><button onmouseenter='over++' onmouseleave='over--'>x</button>"
        seen: list[Any] = []

        class Task(AuthorTask):
            def may_be_over(self, state: Any, answer: str | None) -> bool:
                seen.append(state)
                return False

        start(world, Task(set_up, body=body, state=state))
        act(world, Wait(ms=0))
        assert seen == [[400, 300, True, False, 0]]

    def test_actions_after_it_work(self, world: BrowserWorld) -> None:
        task = AuthorTask(fill_name, name_is_ada)
        observation = start(world, task)
        act(world, Hover(find(observation, "button").id))
        act(world, Fill(find(observation, "textbox").id, "Eve"))
        judged = score_of(world)
        assert judged is not None
        assert judged.value == 0.0

    def test_the_page_stays_open_and_alone(self, world: BrowserWorld) -> None:
        def set_up(page: Page) -> None:
            page.get_by_label("Name").fill("still here")
            context, browser = page.context, page.context.browser
            assert browser is not None
            with pytest.raises(Error, match="session's page alone"):
                context.new_page()
            with pytest.raises(Error, match="session's page alone"):
                browser.new_context()
            page.close()
            assert page.is_closed()

        assert find(start(world, AuthorTask(set_up)), "textbox").value == "still here"


class TestWall:
    def test_no_hook_and_no_page_after_it_reaches_a_foreign_server(
        self, world: BrowserWorld, foreign_server: tuple[str, list[str]]
    ) -> None:
        address, asked = foreign_server
        failed: list[str] = []

        def set_up(page: Page) -> None:
            for foreign in (address, "https://example.com/"):
                failed.append(page.evaluate("(url) => fetch(url, {mode: 'no-cors'}).catch(String)", foreign))
                failed.append(page.evaluate(SOCKET, foreign.replace("http", "ws")))
            with pytest.raises(Error, match="net::ERR_"):
                page.goto(address)

        start(world, AuthorTask(set_up))
        assert failed == ["TypeError: Failed to fetch", "no socket"] * 2
        link = find(start(world, AuthorTask(body=f"<a href={address}/linked>away</a>")), "link")
        assert not act(world, Click(link.id)).url.startswith(address)
        assert asked == []

    def test_what_an_author_routes_comes_to_an_end_with_the_hook(self, world: BrowserWorld) -> None:
        def set_up(page: Page) -> None:
            page.route("**/made-up", lambda route: route.fulfill(body="made up"))
            page.evaluate("async () => { window.made = await (await fetch('/made-up')).text() }")

        again = "fetch('/made-up').then((answer) => answer.text(), String).then((text) => [window.made, text])"
        seen: list[Any] = []

        class Task(AuthorTask):
            def may_be_over(self, state: Any, answer: str | None) -> bool:
                seen.append(state)
                return False

        start(world, Task(set_up, state=again))
        act(world, Wait(ms=0))
        ((before, after),) = seen
        assert before == "made up"
        assert after != "made up"


class TestHookFails:
    def test_an_exception_is_a_bug_that_names_the_task(self, world: BrowserWorld) -> None:
        def set_up(page: Page) -> None:
            raise KeyError("no such user")

        with pytest.raises(TaskError, match=r"Task 'test/author', setup_page raised KeyError: 'no such user'"):
            world.reset({0: Instance(AuthorTask(set_up), 0)})
        start(world, AuthorTask(fill_name))

    def test_an_error_of_playwright_is_a_bug_in_set_up_and_a_failed_session_in_scoring(
        self, world: BrowserWorld
    ) -> None:
        def ask(page: Page) -> None:
            page.evaluate("nothing.at.all")

        with pytest.raises(
            TaskError, match=r"setup_page raised Error: Page.evaluate: ReferenceError: nothing is not defined"
        ):
            world.reset({0: Instance(AuthorTask(ask), 0)})
        start(world, AuthorTask(score=ask))
        answer = world.step({0: Done("finished")})[0]
        assert isinstance(answer, SessionCrashedError)
        assert "'test/author', score_page" in str(answer)
        assert "nothing is not defined" in str(answer)

    def test_what_is_no_score_is_a_bug(self, world: BrowserWorld) -> None:
        start(world, AuthorTask(score=lambda _: True))
        with pytest.raises(TaskError, match=r"score_page returned True; it must return a Score or None"):
            world.step({0: Done("finished")})

    def test_waiting_in_vain_is_a_timeout_that_says_for_what(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attachment, "WAIT_TIMEOUT_S", 0.2)
        error = failure(world, AuthorTask(lambda page: page.get_by_label("Nmae").fill("Ada")))
        assert isinstance(error, SessionTimeoutError)
        assert "'test/author', setup_page" in str(error)
        assert "Nmae" in str(error)

    def test_a_hook_that_waits_too_long_has_its_page_taken_away(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start(world, AuthorTask())
        driver = world._driver.pid
        monkeypatch.setattr(attachment, "HOOK_TIMEOUT_S", 1.0)
        seen: list[Exception] = []

        def wait(page: Page) -> None:
            try:
                page.wait_for_timeout(60_000)
            except Error as error:
                seen.append(error)
                raise

        error = failure(world, AuthorTask(wait))
        assert isinstance(error, SessionTimeoutError)
        assert "'test/author', setup_page: no end in 1 s" in str(error)
        assert len(seen) == 1
        monkeypatch.undo()
        start(world, AuthorTask(fill_name))
        assert world._driver.pid == driver

    def test_a_hook_that_never_returns_costs_the_driver_and_nothing_else(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start(world, AuthorTask())
        driver = world._driver.pid
        assert driver is not None
        let_go, gone = threading.Event(), threading.Event()

        def hang(page: Page) -> None:
            let_go.wait()
            gone.set()

        worker = world._driver._worker
        assert worker is not None
        monkeypatch.setattr(attachment, "HOOK_TIMEOUT_S", 0.5)
        monkeypatch.setattr(attachment, "ABANDON_S", 0.1)
        error = failure(world, AuthorTask(hang))
        assert isinstance(error, SessionTimeoutError)
        monkeypatch.undo()
        assert find(start(world, AuthorTask(fill_name)), "textbox").value == "Ada"
        assert world._driver.pid not in (None, driver)
        let_go.set()
        worker._thread.join(60)
        assert gone.is_set()
        assert not psutil.pid_exists(driver)

    def test_a_renderer_that_crashes_in_a_hook_is_a_failed_session(self, world: BrowserWorld) -> None:
        def crash(page: Page) -> None:
            with pytest.raises(Error):
                page.goto("chrome://crash")
            page.evaluate("1")

        error = failure(world, AuthorTask(crash))
        assert isinstance(error, SessionCrashedError)
        start(world, AuthorTask(fill_name))

    def test_a_driver_that_dies_is_a_failed_session_and_the_next_hook_has_another(self, world: BrowserWorld) -> None:
        start(world, AuthorTask())
        driver = world._driver.pid
        assert driver is not None

        def kill(page: Page) -> None:
            os.kill(driver, 9)
            page.wait_for_timeout(60_000)

        assert isinstance(failure(world, AuthorTask(kill)), SessionCrashedError)
        start(world, AuthorTask(fill_name))
        assert world._driver.pid not in (None, driver)
