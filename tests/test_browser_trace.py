"""Traces of episodes, as Playwright's viewer reads them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import psutil

import agentgym
from agentgym.action import Click, Done
from agentgym.errors import WorldCrashedError
from agentgym.task import Instance
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask, act, find, open_page

if TYPE_CHECKING:
    from pathlib import Path


def events(file: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        return [json.loads(line) for line in archive.read("trace.trace").splitlines()]


def test_an_episode_is_recorded_with_its_actions_its_hooks_and_its_pictures(tmp_path: Path) -> None:
    task = AuthorTask(lambda page: page.get_by_label("Name").fill("Ada"))
    with BrowserWorld(trace=tmp_path / "traces") as world:
        button = find(open_page(world, task), "button")
        act(world, Click(button.id))
        act(world, Done("finished"))
        assert [file.name for file in (tmp_path / "traces").iterdir()] == ["test-author-0.zip"]
    recorded = events(tmp_path / "traces" / "test-author-0.zip")
    titles = [event["title"] for event in recorded if event["type"] == "before" and event.get("title")]
    assert titles == ["click(2)", 'done("finished")', "the end"]
    methods = [event["method"] for event in recorded if event["type"] == "before"]
    assert "fill" in methods
    kinds = {event["type"] for event in recorded}
    assert {"frame-snapshot", "screencast-frame"} <= kinds


def test_each_episode_has_a_file_of_its_own_also_where_it_was_not_finished(tmp_path: Path) -> None:
    task = PageTask("<p>x</p>")
    with BrowserWorld(num_slots=2, trace=tmp_path) as world:
        world.reset({0: Instance(task, 7), 1: Instance(task, 7)})
        open_page(world, task)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "test-page-0.zip",
        "test-page-7-2.zip",
        "test-page-7.zip",
    ]
    assert all(events(file) for file in tmp_path.iterdir())


def test_a_browser_that_ends_takes_its_trace_with_it_and_the_next_episode_has_one(tmp_path: Path) -> None:
    with BrowserWorld(trace=tmp_path) as world:
        task = PageTask("<p>x</p>")
        open_page(world, task)
        for process in psutil.Process(world.browser_pids[0]).children():
            process.kill()
        assert isinstance(world.step({0: Done("finished")})[0], WorldCrashedError)
        open_page(world, task)
        act(world, Done("finished"))
        assert [file.name for file in tmp_path.iterdir()] == ["test-page-0.zip"]


def test_make_takes_the_folder(tmp_path: Path) -> None:
    with agentgym.make("miniwob/click-button", trace=tmp_path) as env:
        env.reset(seed=3)
        env.step("wait(0)")
    assert [file.name for file in tmp_path.iterdir()] == ["miniwob-click-button-3.zip"]
