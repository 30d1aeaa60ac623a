"""What the browser world does when its machine fails, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agentgym import registry
from agentgym.action import Click, Wait
from agentgym.errors import (
    MissingDependencyError,
    SessionCrashedError,
    SessionStateError,
    SessionTimeoutError,
    WorldCrashedError,
)
from agentgym.observation import Observation
from agentgym.task import Instance
from agentgym.world import Step
from agentgym_browser import browser as browser_module
from agentgym_browser import chromium, inputs, session
from agentgym_browser.limits import alive
from agentgym_browser.world import BrowserWorld
from tests.browser_page import PageTask, act, open_page
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

BOUND_S = 60.0  # far more than anything here takes: the machine may be busy
CALM = PageTask("<button>ok</button>")
HANGING = PageTask('<button onclick="for (;;) {}">hang</button>')
TASK_ID = "miniwob/click-button"
OWNER = f"""
import signal
from agentgym import registry
from agentgym.action import Wait
from agentgym.task import Instance
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits it as ignored
task = registry.get_task({TASK_ID!r})
with registry.make_world("browser") as world:
    world.reset({{0: Instance(task, 0)}})
    print("ready", flush=True)
    while True:
        world.step({{0: Wait(ms=100)}})
"""
OWNER_OF_HANGING = OWNER.replace(
    'print("ready", flush=True)',
    """page = world._sessions[0].page
    async def hang(): page.send("Runtime.evaluate", {"expression": "for (;;) {}"})
    world._run(hang())
    print("ready", flush=True)""",
)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where browsers put their folders."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def world() -> Iterator[BrowserWorld]:
    with BrowserWorld(num_slots=2) as world:
        world.reset({0: Instance(CALM, 0), 1: Instance(CALM, 1)})
        yield world


def browser_of(world: BrowserWorld) -> psutil.Process:
    children: list[psutil.Process] = psutil.Process(world.browser_pids[0]).children()
    (browser,) = [child for child in children if "--type=" not in " ".join(child.cmdline())]
    return browser


def processes(world: BrowserWorld, kind: str) -> list[psutil.Process]:
    family: list[psutil.Process] = psutil.Process(world.browser_pids[0]).children(recursive=True)
    return [each for each in family if f"--type={kind}" in " ".join(each.cmdline())]


def status(process: psutil.Process) -> list[str]:
    return Path(f"/proc/{process.pid}/status").read_text().splitlines()


def kill_browser(world: BrowserWorld) -> None:
    browser = browser_of(world)
    browser.kill()
    psutil.Process(world.browser_pids[0]).wait(BOUND_S)


def crash_renderer(world: BrowserWorld, *, slot: int) -> None:
    """Do by DevTools what no action of an agent can."""
    page = world._sessions[slot].page
    assert page is not None

    async def crash() -> None:
        page.send("Page.crash")

    world._run(crash())


class TestBrowserKilled:
    def test_every_slot_says_so_and_the_next_reset_works(self, world: BrowserWorld) -> None:
        kill_browser(world)
        answers = world.step({0: Wait(ms=0), 1: Wait(ms=0)})
        assert [type(answer) for answer in answers.values()] == [WorldCrashedError, WorldCrashedError]
        healed = world.reset({0: Instance(CALM, 0), 1: Instance(CALM, 1)})
        assert all(isinstance(answer, Observation) for answer in healed.values())
        act(world, Click(element=1), slot=1)

    def test_sessions_of_another_browser_go_on(self) -> None:
        with BrowserWorld(num_slots=2, browsers=2) as world:
            world.reset({0: Instance(CALM, 0), 1: Instance(CALM, 1)})
            kill_browser(world)
            answers = world.step({0: Wait(ms=0), 1: Click(element=1)})
            assert isinstance(answers[0], WorldCrashedError)
            assert isinstance(answers[1], Step)
            assert isinstance(world.reset({0: Instance(CALM, 0)})[0], Observation)
            assert len(world.browser_pids) == 2

    def test_in_the_middle_of_a_step_it_is_the_same(self, world: BrowserWorld) -> None:
        busy = PageTask("""<button onclick="for (;;);">ok</button>""")
        for slot in (0, 1):
            open_page(world, busy, slot=slot)
        killer = threading.Timer(0.2, kill_browser, [world])
        killer.start()
        answers = world.step({0: Click(element=1), 1: Click(element=1)})
        killer.join()
        assert [type(answer) for answer in answers.values()] == [WorldCrashedError, WorldCrashedError]

    def test_a_slot_that_was_playing_says_so_also_after_another_has_started_the_next_browser(
        self, world: BrowserWorld
    ) -> None:
        kill_browser(world)
        open_page(world, CALM, slot=0)
        assert isinstance(world.step({1: Wait(ms=0)})[1], WorldCrashedError)
        with pytest.raises(SessionStateError, match="reset"):
            world.step({1: Wait(ms=0)})

    def test_its_children_and_its_folder_are_gone(self, folders: Path) -> None:
        with BrowserWorld() as world:
            open_page(world, CALM)
            family = [browser_of(world), *browser_of(world).children(recursive=True)]
            assert list(folders.iterdir())
            kill_browser(world)
            wait_until(lambda: not any(process.is_running() for process in family))
            assert not list(folders.iterdir())


class TestPageFails:
    def test_a_crashed_renderer_fails_its_own_slot_alone(self, world: BrowserWorld) -> None:
        crash_renderer(world, slot=0)
        answers = world.step({0: Wait(ms=50), 1: Click(element=1)})
        assert isinstance(answers[0], SessionCrashedError)
        assert isinstance(answers[1], Step)
        assert open_page(world, CALM, slot=0) == open_page(world, CALM, slot=1)

    def test_a_killed_renderer_fails_its_own_slot_alone(self, world: BrowserWorld) -> None:
        others = processes(world, "renderer")
        open_page(world, CALM, slot=0)
        (own,) = set(processes(world, "renderer")) - set(others)
        own.kill()
        answers = world.step({0: Wait(ms=0), 1: Click(element=1)})
        assert isinstance(answers[0], SessionCrashedError)
        assert isinstance(answers[1], Step)
        open_page(world, CALM, slot=0)

    @pytest.mark.parametrize("kind", ["gpu-process", "utility"])
    def test_a_service_that_was_killed_is_started_again_by_the_browser(self, world: BrowserWorld, kind: str) -> None:
        for process in processes(world, kind):
            process.kill()
        for _ in range(2):
            answers = world.step({0: Click(element=1), 1: Wait(ms=0)})
            assert all(isinstance(answer, Step) for answer in answers.values()), answers
        open_page(world, CALM, slot=0)

    def test_a_browser_that_can_open_no_page_any_more_is_replaced(self, world: BrowserWorld) -> None:
        sources = processes(world, "zygote")
        for process in sources:
            process.kill()
        wait_until(lambda: not any(alive(process) for process in sources))
        open_page(world, CALM, slot=0)
        assert isinstance(world.step({1: Wait(ms=0)})[1], WorldCrashedError)
        open_page(world, CALM, slot=1)

    def test_a_page_in_an_endless_loop_fails_its_own_slot_alone(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inputs, "PAGE_TIMEOUT_S", 1.0)
        open_page(world, HANGING, slot=0)
        answers = world.step({0: Click(element=1), 1: Click(element=1)})
        assert isinstance(answers[0], SessionTimeoutError)
        assert isinstance(answers[1], Step)
        assert isinstance(world.reset({0: Instance(CALM, 0)})[0], Observation)

    def test_a_state_that_cannot_be_read_is_a_crashed_session(self, world: BrowserWorld) -> None:
        open_page(world, PageTask("<p>x</p>", state="nothing.at.all"), slot=0)
        answer = world.step({0: Wait(ms=0)})[0]
        assert isinstance(answer, SessionCrashedError)
        assert "nothing is not defined" in str(answer)


class TestSandbox:
    def test_it_is_on_for_everybody_but_root_who_is_told_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        asked = tmp_path / "asked"
        program = tmp_path / "program"
        program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n')
        program.chmod(0o755)
        for user, words in ((1000, 0), (0, 1), (0, 0)):
            asked.unlink(missing_ok=True)
            caplog.clear()
            monkeypatch.setattr(os, "geteuid", lambda user=user: user)
            if words:
                chromium._say_that_the_sandbox_is_off.cache_clear()
            process = chromium.start_chromium(program)
            os.close(process.read_fd)
            os.close(process.write_fd)
            process.keeper.wait(BOUND_S)
            process.stop()
            assert ("--no-sandbox" in asked.read_text()) == (user == 0)
            assert [record.message.split(",")[0] for record in caplog.records] == [
                "Chromium runs without its own sandbox"
            ] * words

    def test_the_system_call_filter_of_renderers_says_the_same(self, world: BrowserWorld) -> None:
        filters = {
            line for each in processes(world, "renderer") for line in status(each) if line.startswith("Seccomp:")
        }
        assert filters == {f"Seccomp:\t{2 if chromium.sandboxed() else 0}"}

    def test_check_says_whether_it_is_on(self) -> None:
        assert (
            f"its own sandbox is {'on' if chromium.sandboxed() else 'off, because this is root'}"
            in BrowserWorld.check()
        )


class TestNothingIsLeft:
    def test_a_page_is_replaced_after_many_episodes_with_its_renderer(
        self, world: BrowserWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "PAGE_EPISODES", 3)
        task = PageTask("<p>x</p>", reusable=True)
        renderers = []
        for _ in range(4):
            open_page(world, task)
            renderers.append(set(processes(world, "renderer")))
        assert renderers[0] == renderers[1] == renderers[2] != renderers[3]

    def test_the_pages_of_a_world_are_replaced_in_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session, "PAGE_EPISODES", 4)
        task = PageTask("<p>x</p>", reusable=True)
        with BrowserWorld(num_slots=2) as world:
            pages = []
            for _ in range(5):
                world.reset({slot: Instance(task, 0) for slot in range(2)})
                pages.append([world._sessions[slot].page for slot in range(2)])
        replaced = [[old is not new for old, new in zip(*pair, strict=True)] for pair in pairwise(pages)]
        assert replaced == [[False, False], [False, True], [False, False], [True, False]]

    def test_close_leaves_no_process_folder_thread_or_descriptor(self, folders: Path) -> None:
        with BrowserWorld() as world:  # whatever Python itself opens once
            open_page(world, CALM)
        here = psutil.Process()
        descriptors, threads, processes = here.num_fds(), threading.active_count(), {*here.children(recursive=True)}
        world = BrowserWorld(num_slots=2)
        world.reset({0: Instance(CALM, 0), 1: Instance(CALM, 0)})
        assert len(list(folders.iterdir())) == 1
        world.close()
        # Less than before is fine: what tests before this one have left to end may end meanwhile.
        assert here.num_fds() <= descriptors
        assert threading.active_count() <= threads
        assert not {*here.children(recursive=True)} - processes
        assert not list(folders.iterdir())

    def test_a_killed_keeper_takes_its_browser_along_and_the_next_reset_works(self, folders: Path) -> None:
        with BrowserWorld() as world:
            open_page(world, CALM)
            (keeper,) = [psutil.Process(pid) for pid in world.browser_pids]
            family = keeper.children(recursive=True)
            keeper.kill()
            wait_until(lambda: not any(process.is_running() for process in family))
            assert isinstance(world.step({0: Wait(ms=0)})[0], WorldCrashedError)
            open_page(world, CALM)
            assert len(list(folders.iterdir())) == 1
        assert not list(folders.iterdir())

    def test_a_closed_world_can_be_used_again(self) -> None:
        world = BrowserWorld()
        for _ in range(2):
            open_page(world, CALM)
            world.close()

    @pytest.mark.parametrize(
        ("number", "owner"),
        [(signal.SIGKILL, OWNER), (signal.SIGINT, OWNER), (signal.SIGTERM, OWNER), (signal.SIGKILL, OWNER_OF_HANGING)],
    )
    def test_an_owner_that_is_ended_takes_everything_with_it(
        self, folders: Path, number: signal.Signals, owner: str
    ) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", owner],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            family = psutil.Process(process.pid).children(recursive=True)
            assert len(family) >= 3
            assert list(folders.iterdir())
            os.killpg(process.pid, number)
            try:
                process.wait(BOUND_S)
            finally:
                process.kill()
        wait_until(lambda: not any(process.is_running() for process in family) and not list(folders.iterdir()))


class TestNoBrowser:
    def test_a_path_that_does_not_exist_says_how_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(chromium.ENVIRONMENT_VARIABLE, "/no/such/file")
        with pytest.raises(MissingDependencyError, match=r"'/no/such/file' is not an executable file.*apt-get install"):
            BrowserWorld()

    def test_a_machine_without_one_says_how_to_install(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv(chromium.ENVIRONMENT_VARIABLE, raising=False)
        monkeypatch.setattr(chromium, "CANDIDATES", ("no-such-program",))
        monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
        with pytest.raises(MissingDependencyError, match=r"apt-get install.*playwright install"):
            registry.make(TASK_ID)

    def test_one_that_playwright_has_installed_is_found(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        shell = tmp_path / "chromium_headless_shell-1200" / "chrome-linux" / "headless_shell"
        shell.parent.mkdir(parents=True)
        shell.write_text("")
        shell.chmod(0o755)
        monkeypatch.delenv(chromium.ENVIRONMENT_VARIABLE, raising=False)
        monkeypatch.setattr(chromium, "CANDIDATES", ())
        monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
        assert chromium.find_chromium() == shell

    @pytest.mark.parametrize("program", ["/bin/true", "/bin/cat", "/bin/sh"])
    def test_a_program_that_is_no_browser_is_named(self, program: str, folders: Path) -> None:
        with BrowserWorld(chromium=Path(program)) as world:
            with pytest.raises(MissingDependencyError, match=f"{program} does not answer as a Chromium"):
                world.reset({0: Instance(CALM, 0)})
            assert not list(folders.iterdir())

    def test_a_program_that_never_answers_is_given_up(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(browser_module, "START_TIMEOUT_S", 0.5)
        silent = tmp_path / "silent"
        silent.write_text('#!/bin/sh\n[ "$1" = --version ] && exec echo silent 1.0\nexec sleep 600\n')
        silent.chmod(0o755)
        with (
            BrowserWorld(chromium=silent) as world,
            pytest.raises(MissingDependencyError, match=r"it says 'silent 1\.0'"),
        ):
            world.reset({0: Instance(CALM, 0)})

    def test_one_that_is_installed_but_lacks_something_here_is_told_apart(self, tmp_path: Path) -> None:
        limited = tmp_path / "limited"  # no file of more than 2 KiB: what a small `ulimit -f` does
        limited.write_text(f'#!/bin/bash\nulimit -f 4\nexec {chromium.find_chromium()} "$@"\n')
        limited.chmod(0o755)
        with (
            BrowserWorld(chromium=limited) as world,
            pytest.raises(MissingDependencyError, match=r"is installed \(.*does not run here.*`ulimit -a`"),
        ):
            world.reset({0: Instance(CALM, 0)})

    def test_check_gives_the_version_of_one_that_works(self) -> None:
        assert "Chromium" in BrowserWorld.check() or "Chrome" in BrowserWorld.check()
