"""Playwright's driver: started where a hook needs it, and gone with its world."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING

import psutil
import pytest

from agentgym.errors import MissingDependencyError
from agentgym.task import Instance
from agentgym_browser import driver as driver_module
from agentgym_browser.world import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask, open_page
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

BOUND_S = 20.0  # far more than anything here takes: the machine may be busy
OWNER = """
import signal, sys
from agentgym.task import Instance
from agentgym_browser import BrowserWorld
from tests.author_task import AuthorTask
from tests.browser_page import PageTask
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it as ignored
def stay(page):
    print("ready", flush=True)
    while True:
        page.wait_for_timeout(100)
with BrowserWorld() as world:
    world.reset({0: Instance(PageTask("<p>no hook</p>"), 0)})
    print("playwright" in sys.modules, "websockets" in sys.modules, flush=True)
    world.reset({0: Instance(AuthorTask(stay), 0)})
"""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where browsers and Playwright put their folders."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_world_whose_tasks_have_no_hooks_starts_no_driver() -> None:
    with BrowserWorld() as world:
        open_page(world, PageTask("<p>no hook</p>"))
        assert world._driver.pid is None


def test_all_sessions_of_a_world_share_one_driver() -> None:
    with BrowserWorld(num_slots=2, browsers=2) as world:
        world.reset({slot: Instance(AuthorTask(), 0) for slot in (0, 1)})
        drivers = [each for each in psutil.Process().children() if "run-driver" in each.cmdline()]
        assert [each.pid for each in drivers] == [world._driver.pid]


def test_close_leaves_no_process_folder_thread_or_descriptor(folders: Path) -> None:
    with BrowserWorld() as world:  # whatever Python itself opens once
        world.reset({0: Instance(AuthorTask(), 0)})
    here = psutil.Process()
    descriptors, threads, processes = here.num_fds(), threading.active_count(), {*here.children(recursive=True)}
    world = BrowserWorld()
    for _ in range(2):
        world.reset({0: Instance(AuthorTask(), 0)})
    assert world._driver.pid in [child.pid for child in here.children()]
    world.close()
    # What tests before this one have left to end may end meanwhile.
    wait_until(lambda: here.num_fds() <= descriptors and threading.active_count() <= threads)
    wait_until(lambda: not {*here.children(recursive=True)} - processes)
    assert not list(folders.iterdir())


def test_a_forked_process_that_lets_go_does_not_keep_the_driver() -> None:
    with BrowserWorld() as world:
        world.reset({0: Instance(AuthorTask(), 0)})
        driver = world._driver.pid
        assert driver is not None
        end, keep = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, which the child has not
            child = os.fork()
        if child == 0:
            os.close(keep)
            world._driver.let_go()
            os.read(end, 1)
            os._exit(0)
        try:
            started = time.monotonic()
            world._driver.close()
            assert time.monotonic() - started < driver_module.STOP_TIMEOUT_S  # it ended by itself, and was not killed
            assert not psutil.pid_exists(driver)
        finally:
            os.close(keep)
            os.close(end)
            os.waitpid(child, 0)


def test_a_driver_that_does_not_start_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLAYWRIGHT_NODEJS_PATH", "/no/such/node")
    with (
        BrowserWorld() as world,
        pytest.raises(MissingDependencyError, match=r"/no/such/node.*Reinstall: `pip install"),
    ):
        world.reset({0: Instance(AuthorTask(), 0)})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_owner_that_is_ended_in_a_hook_takes_everything_with_it(folders: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"False False\n"  # nothing is imported before the first hook
            assert owner.stdout.readline() == b"ready\n"
            family = psutil.Process(owner.pid).children(recursive=True)
            assert any("run-driver" in each.cmdline() for each in family)
            os.killpg(owner.pid, number) if number == signal.SIGINT else owner.send_signal(number)
            _, said = owner.communicate(timeout=BOUND_S)
        finally:
            owner.kill()
    wait_until(lambda: not any(process.is_running() for process in family) and not list(folders.iterdir()))
    if number == signal.SIGINT:  # the interrupt alone: no task and no error of ours is left over
        assert said.rstrip().endswith(b"KeyboardInterrupt"), said.decode()
        assert said.count(b"Traceback") == 1, said.decode()


@pytest.mark.parametrize("package", ["playwright.sync_api", "websockets.asyncio.server"])
def test_without_playwright_a_hook_says_what_to_install(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    for name in (package, "agentgym_browser.attachment", "agentgym_browser.bridge"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with BrowserWorld() as world:
        with pytest.raises(MissingDependencyError, match=r"need Playwright .*pip install -e '\.\[browser\]'"):
            world.reset({0: Instance(AuthorTask(), 0)})
        open_page(world, PageTask("<p>needs none</p>"))
