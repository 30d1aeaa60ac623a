"""Traces of episodes, as Playwright's viewer reads them."""

from __future__ import annotations

import json
import shutil
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import agentgym
from agentgym.action import Click, Done
from agentgym.errors import ConfigError, TaskError, WorldCrashedError
from agentgym.task import Instance
from agentgym_browser import Answer
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import BOUND_S, PageTask, act, find, open_page

if TYPE_CHECKING:
    from pathlib import Path


def events(file: Path) -> list[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        return [json.loads(line) for line in archive.read("trace.trace").splitlines()]


def kill_browser(world: BrowserWorld) -> None:
    keeper = psutil.Process(world.browser_pids[0])
    for process in keeper.children():
        process.kill()
    keeper.wait(BOUND_S)


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
        kill_browser(world)
        assert isinstance(world.step({0: Done("finished")})[0], WorldCrashedError)
        open_page(world, task)
        act(world, Done("finished"))
        assert [file.name for file in tmp_path.iterdir()] == ["test-page-0.zip"]


def test_a_session_that_did_not_notice_the_end_of_its_browser_lets_go_of_its_trace(tmp_path: Path) -> None:
    with BrowserWorld(num_slots=2, trace=tmp_path) as world:
        for slot in (0, 1):
            open_page(world, PageTask("<p>x</p>"), slot=slot)
        lost = world._sessions[1]
        kill_browser(world)
        for slot in (0, 1):
            open_page(world, PageTask("<p>x</p>"), slot=slot)
        assert world._sessions[1] is not lost
        assert not lost._author.records


def browsers_and_drivers() -> list[psutil.Process]:
    """Return this process's children, without the keeper of desktops, which stays for as long as the process."""
    return [each for each in psutil.Process().children() if "agentgym_desktop" not in " ".join(each.cmdline())]


class TestClose:
    """A world ends its browsers, whatever becomes of its traces."""

    def test_with_a_dialog_open_in_a_browser_that_has_ended(self, tmp_path: Path) -> None:
        world = BrowserWorld(trace=tmp_path)
        open_page(world, PageTask("<button onclick='alert(1)'>go</button>"))
        act(world, Click(element=1))
        kill_browser(world)
        world.close()
        assert not browsers_and_drivers()

    def test_with_a_trace_that_cannot_be_written(self, tmp_path: Path) -> None:
        folder, threads = tmp_path / "traces", threading.active_count()
        world = BrowserWorld(trace=folder)
        open_page(world, PageTask("<p>x</p>"))
        shutil.rmtree(folder)
        folder.write_text("in its place")
        with pytest.raises(FileExistsError):
            world.close()
        assert not browsers_and_drivers()
        assert threading.active_count() == threads

    def test_with_a_page_that_a_hook_has_closed(self, tmp_path: Path) -> None:
        with BrowserWorld(trace=tmp_path) as world:
            open_page(world, AuthorTask(lambda page: page.close()))
            with pytest.raises(TaskError, match="A hook has closed its page"):
                world.step({0: Click(element=1)})


def test_a_folder_that_cannot_be_written_to_is_refused_by_make(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in its place")
    for place in (tmp_path / "file", tmp_path / "file" / "traces", "/proc/traces"):
        with pytest.raises(ConfigError, match=r"trace: nothing can be written to .*Choose another"):
            agentgym.make("miniwob/click-button", trace=place)


@pytest.mark.parametrize("lost", [True, False])
def test_no_folder_of_playwrights_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    with BrowserWorld(trace=tmp_path / "traces") as world:
        open_page(world, PageTask("<p>x</p>"))
        if lost:
            kill_browser(world)
        world.step({0: Done("finished")})
    assert not list((tmp_path / "tmp").iterdir())
    assert [file.name for file in (tmp_path / "traces").iterdir()] == ([] if lost else ["test-page-0.zip"])


def test_make_takes_the_folder(tmp_path: Path) -> None:
    with agentgym.make("miniwob/click-button", trace=tmp_path) as env:
        env.reset(seed=3)
        env.step("wait(0)")
    assert [file.name for file in tmp_path.iterdir()] == ["miniwob-click-button-3.zip"]


class Still(PageTask):
    """A page of which no frame is drawn but for a picture."""

    still = True
    stores_nothing = True


def test_an_episode_of_a_task_that_draws_no_frames_has_a_film(tmp_path: Path) -> None:
    with BrowserWorld(trace=tmp_path) as world:
        open_page(world, Still("<button onclick='document.body.style.background = `red`'>go</button>"))
        act(world, Click(1))
        act(world, Done("finished"))
    frames = [event for event in events(tmp_path / "test-page-0.zip") if event["type"] == "screencast-frame"]
    assert len(frames) >= 2


@pytest.mark.parametrize("reusable", [True, False])
def test_each_trace_holds_what_its_page_has_loaded(tmp_path: Path, reusable: bool) -> None:
    style = "button { color: red }"
    task = Still(
        "<link rel=stylesheet href=/style.css><button>go</button>",
        pages={"/style.css": Answer(style, "text/css")},
        reusable=reusable,
    )
    with BrowserWorld(trace=tmp_path) as world:
        for seed in range(3):
            world.reset({0: Instance(task, seed)})
            act(world, Done("finished"))
    for seed in range(3):
        with zipfile.ZipFile(tmp_path / f"test-page-{seed}.zip") as archive:
            assert "/style.css" in archive.read("trace.network").decode()
