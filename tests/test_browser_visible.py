"""The visible browser for debugging: the same sessions, on a screen."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agentgym import registry
from agentgym.action import Click, Done, Fill, Hover, Scroll
from agentgym.errors import MissingDependencyError
from agentgym.world import Step
from agentgym_browser import chromium
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

BODY = """<input aria-label="Name"><button onclick="textContent = 'Saved'">Save</button>
<p onmouseover="textContent = 'seen'">unseen</p><div style="height: 2000px"></div>"""


@pytest.fixture(scope="module")
def screen() -> Iterator[None]:
    """A virtual screen, and a browser that can show itself there."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no Xvfb is installed, so there is no screen for a visible browser")
    with subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdout is not None
        display = f":{int(server.stdout.readline())}"
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DISPLAY", display)
                try:
                    chromium.find_visible_chromium()
                except MissingDependencyError as error:
                    pytest.skip(str(error))
                yield
        finally:
            server.terminate()


def play(world: BrowserWorld) -> list[list[str]]:
    """Play some actions; return what is seen after each."""
    seen = []
    first = open_page(world, PageTask(BODY, state="scrollY"))
    actions = (
        Fill(find(first, "textbox").id, "Ada"),
        Click(find(first, "button").id),
        Hover(x=20, y=50),
        Scroll(dx=0, dy=200),
    )
    for action in actions:
        observation = act(world, action)
        seen.append([element.line for element in observation.elements])
    return seen


@pytest.mark.usefixtures("screen")
def test_observations_and_hooks_are_those_of_the_headless_browser() -> None:
    with BrowserWorld() as headless:
        wanted = play(headless)

    def set_up(page: Page) -> None:
        page.get_by_label("Name").fill("Ada")
        page.get_by_role("button").click()

    with BrowserWorld(num_slots=2, visible=True, screenshot=True, browsers=1) as world:
        assert play(world) == wanted
        observation = open_page(world, AuthorTask(set_up), slot=1)
        assert find(observation, "textbox").value == "Ada"
        assert observation.screenshot is not None
        assert observation.screenshot.shape == (300, 400, 3)
        assert len(np.unique(observation.screenshot.reshape(-1, 3), axis=0)) > 2
        assert isinstance(world.step({1: Done("finished")})[1], Step)


@pytest.mark.usefixtures("screen")
def test_make_shows_a_task_and_plays_it_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    with registry.make("miniwob/click-button", visible=True, slow_mo_ms=1) as env:
        env.reset(seed=0)
        oracle = env.task.oracle(env.observation)
        assert oracle is not None
        assert env.step(next(oracle))[1] == 1.0


def test_without_a_screen_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(MissingDependencyError, match=r"neither DISPLAY nor WAYLAND_DISPLAY.*xvfb-run"):
        BrowserWorld(visible=True)


def test_without_a_browser_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv(chromium.VISIBLE_ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(chromium, "VISIBLE_CANDIDATES", ("no-such-program",))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"No Chromium with a window.*apt-get install chromium"):
        BrowserWorld(visible=True)
