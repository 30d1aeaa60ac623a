"""Environments in scripts that end without closing them, in threads, event loops, notebooks and other processes.

What a Ray actor does is in test_ray, beside the Ray that is started there.
"""

from __future__ import annotations

import asyncio
import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from gymnasium.utils.env_checker import data_equivalence

import agentgym
from agentgym.registry import make_world
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
BOUND_S = 120.0  # far more than anything here takes: the machine may be busy
TASK_ID = "miniwob/click-button"

OPEN = f"""
import psutil, sys, agentgym
env = agentgym.make_vec({TASK_ID!r}, num_envs=2)
env.reset(seed=0)
env.step(["wait(0)"] * 2)
print(*(each.pid for each in psutil.Process().children(recursive=True)), flush=True)
"""
NOTEBOOK = f"""
import asyncio, agentgym
env = agentgym.make({TASK_ID!r})
observation, info = env.reset(seed=5)
ticks = []
async def tick():
    while True:
        ticks.append(1)
        await asyncio.sleep(0)

ticking = asyncio.ensure_future(tick())
await asyncio.sleep(0.01)
observation, reward, terminated, truncated, info = env.step("done()")
await asyncio.to_thread(env.reset, seed=6)
print("seed", info["seed"], "terminated", terminated, "loop", asyncio.get_running_loop().is_running(), bool(ticks))
ticking.cancel()
exit()
"""
PROCESSES = f"""
import multiprocessing, psutil, signal, sys, agentgym

def play(pipe, inherited):
    signal.alarm({round(BOUND_S)})  # ends it, should it hang
    env = inherited or agentgym.make({TASK_ID!r})
    said = ""
    if inherited is not None:
        try:
            env.step("wait(0)")
        except agentgym.errors.SessionStateError as error:
            said = str(error)
    env.reset(seed=3)
    env.step("wait(0)")
    pipe.send((said, env.step("done()")[2]))
    pipe.recv()  # until then this process lives; it ends without closing

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    env = agentgym.make({TASK_ID!r})
    env.reset(seed=0)
    family = psutil.Process().children(recursive=True)
    here, there = context.Pipe()
    child = context.Process(target=play, args=(there, env if sys.argv[1] == "fork" else None))
    child.start()
    there.close()
    said, terminated = here.recv()
    env.step("wait(0)")
    env.close()
    left = [process for process in family if process.is_running() and process.name() != "python"]
    with agentgym.make('miniwob/click-button') as another:
        another.reset(seed=1)
    theirs = psutil.Process(child.pid).children(recursive=True)
    here.send("end")
    child.join({BOUND_S})
    psutil.wait_procs(theirs, {BOUND_S})
    running = [process for process in theirs if process.is_running()]
    print(said, "|", terminated, left, child.exitcode, len(theirs) > 2, running)
"""


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where browsers put their folders."""
    folder = tmp_path / "browsers"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def run_script(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(code)
    command = [sys.executable, "-W", "error", str(script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False, cwd=ROOT)
    said = [line for line in done.stderr.splitlines(keepends=True) if "because this is root" not in line]
    return subprocess.CompletedProcess(command, done.returncode, done.stdout, "".join(said))


def episode(seed: int) -> object:
    env = agentgym.make(TASK_ID)
    played = env.reset(seed=seed), env.step("wait(0)"), env.step("done()")
    env.close()
    return played


class TestLeavingWithoutClosing:
    @pytest.mark.parametrize(
        ("last", "code", "said"),
        [
            ('env.send(["wait(10000)"] * 2)', 0, ""),
            ("sys.exit(3)", 3, ""),
            ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ],
        ids=["with work under way", "by sys.exit", "by an exception"],
    )
    def test_a_script_ends_at_once_and_leaves_nothing(
        self, tmp_path: Path, folders: Path, last: str, code: int, said: str
    ) -> None:
        done = run_script(OPEN + last, folder=tmp_path)
        assert (done.returncode, done.stderr.splitlines(keepends=True)[-1:]) == (code, [said] if said else [])
        pids = [int(pid) for pid in done.stdout.split()]
        assert len(pids) >= 3
        wait_until(lambda: not any(map(psutil.pid_exists, pids)) and not list(folders.iterdir()))


class TestThreads:
    def test_an_environment_can_be_used_from_another_thread(self) -> None:
        with agentgym.make(TASK_ID) as env, ThreadPoolExecutor(1) as thread:
            env.reset(seed=0)
            here = env.step("wait(0)")
            thread.submit(env.reset, seed=0).result()
            assert data_equivalence(thread.submit(env.step, "wait(0)").result(), here, exact=True)
            thread.submit(env.close).result()

    def test_two_threads_play_in_an_environment_each(self) -> None:
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(episode, (1, 1))
        assert data_equivalence(first, second, exact=True)


class TestEventLoops:
    def test_it_runs_inside_a_running_event_loop_and_beside_it(self) -> None:
        async def play() -> tuple[object, list[object]]:
            return episode(1), await asyncio.gather(*(asyncio.to_thread(episode, 1) for _ in range(2)))

        inside, beside = asyncio.run(play())
        assert data_equivalence([inside, inside], beside, exact=True)

    def test_it_runs_cell_by_cell_where_the_loop_runs_as_in_a_notebook(self, folders: Path) -> None:
        """A notebook's kernel is an interactive interpreter in a running event loop; Python brings one of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "asyncio"],
            input=NOTEBOOK,
            capture_output=True,
            text=True,
            timeout=BOUND_S,
            check=False,
            cwd=ROOT,
        )
        assert "Error" not in done.stderr, done.stderr
        assert "seed 5 terminated True loop True True" in done.stdout
        wait_until(lambda: not list(folders.iterdir()))


class TestOtherProcesses:
    def test_a_spawned_process_makes_its_own(self, tmp_path: Path, folders: Path) -> None:
        done = run_script(PROCESSES, "spawn", folder=tmp_path)
        assert (done.stdout, done.stderr) == (" | True [] 0 True []\n", "")
        wait_until(lambda: not list(folders.iterdir()))

    @pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns by itself of a fork beside threads")
    def test_a_forked_process_resets_to_go_on_and_its_parent_goes_on(self, tmp_path: Path, folders: Path) -> None:
        done = run_script(PROCESSES, "fork", folder=tmp_path)
        said = "step before reset: slot 0 has no running episode; call reset first."
        assert (done.stdout, done.stderr) == (f"{said} | True [] 0 True []\n", "")
        wait_until(lambda: not list(folders.iterdir()))

    @pytest.mark.parametrize("way", [pickle.dumps, copy.deepcopy])
    def test_what_cannot_be_pickled_or_copied_says_what_to_do(self, way: Callable[[object], object]) -> None:
        for made in (agentgym.make(TASK_ID), agentgym.make_vec(TASK_ID, num_envs=2), make_world("browser")):
            with pytest.raises(TypeError, match=r"Call `agentgym.make` in the process that uses it"):
                way(made)
            made.close()
