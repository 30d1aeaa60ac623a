"""The lock of a folder: real processes hold it, die in every way, fork, and move folders aside."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

import agentgym
from agentgym.errors import ConfigError
from agentgym.lock import LOCK, FolderLock, hold
from agentgym.train.folder import RunFolder
from agentgym.train.run import train
from tests.test_run import configuration
from tests.toy_world import ToyWorld

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli_answer import Answer

ROOT = Path(__file__).parent.parent
HOLDER = """
import os, pathlib, subprocess, sys
from agentgym.lock import FolderLock
lock = FolderLock(pathlib.Path(sys.argv[1]))
lock.take()
{then}
print("held", flush=True)
sys.stdin.read()
"""
FORKS = """
if os.fork() == 0:  # a child that outlives its parent, as a data loader or a fork server may
    os.close(0)
    os.read(int(sys.argv[2]), 1)
    os._exit(0)
"""
STARTS = "subprocess.Popen(['cat'], stdin=int(sys.argv[2]), close_fds=False)"

pytestmark = pytest.mark.usefixtures("toy_plugin")


@contextmanager
def holder(folder: Path, then: str = "", *arguments: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a folder's lock until it is killed."""
    command = [sys.executable, "-c", HOLDER.format(then=then), str(folder), *map(str, arguments)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_who_holds_a_folder_is_named_and_nobody_else_gets_it(tmp_path: Path) -> None:
    with (
        holder(tmp_path / "run") as process,
        pytest.raises(ConfigError, match=rf"run is being written by process {process.pid}\. Wait until it ends, stop"),
        hold(tmp_path / "run"),
    ):
        pytest.fail("held by two")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_lock_is_free_as_soon_as_its_process_is_gone(tmp_path: Path, number: signal.Signals) -> None:
    with holder(tmp_path, stderr=subprocess.DEVNULL) as process:
        process.send_signal(number)
        process.wait()
        with hold(tmp_path):
            assert (tmp_path / LOCK).read_text().split()[0] == str(os.getpid())


@pytest.mark.parametrize("child", [FORKS, STARTS], ids=["forked", "started"])
def test_children_neither_free_the_lock_nor_keep_it(tmp_path: Path, child: str) -> None:
    reading, writing = os.pipe()  # the child lives until we let it go
    try:
        with holder(tmp_path, child, reading, pass_fds=[reading]) as process:
            with pytest.raises(ConfigError, match=str(process.pid)), hold(tmp_path):
                pytest.fail("held by two")
            process.kill()
            process.wait()
            with hold(tmp_path):
                pass
    finally:
        os.close(writing)
        os.close(reading)


def test_a_lock_goes_with_a_folder_that_is_moved_aside(tmp_path: Path) -> None:
    run, aside = tmp_path / "run", tmp_path / "run.1"
    with FolderLock(run) as lock:
        lock.take()
        run.rename(aside)
        with pytest.raises(ConfigError, match=f"process {os.getpid()}"), hold(aside):
            pytest.fail("held by two")
        with hold(run):
            pass
        lock.take()  # of the new folder, and frees the other
        with hold(aside), pytest.raises(ConfigError, match=f"process {os.getpid()}"), hold(run):
            pytest.fail("held by two")


def test_a_folder_that_is_moved_while_its_lock_is_taken_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, aside, flock = tmp_path / "run", tmp_path / "run.1", fcntl.flock

    def late(file: int, operation: int) -> None:
        if not aside.exists():
            run.rename(aside)
        flock(file, operation)

    with FolderLock(run) as lock:
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", late)
            lock.take()
        with hold(aside), pytest.raises(ConfigError, match="is being written"), hold(run):
            pytest.fail("held by two")


def test_a_file_system_without_locks_is_worked_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with hold(tmp_path), hold(tmp_path):
        assert (tmp_path / LOCK).exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_is_being_run_is_neither_moved_aside_nor_resumed(
    toy_player: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    config = configuration(toy_player, tmp_path / "run")
    reset = ToyWorld.reset
    told: list[object] = []

    def meanwhile(self: ToyWorld, instances: Any) -> Any:
        if not told:
            with pytest.raises(ConfigError, match=rf"run is being written by process {os.getpid()}\.") as refusal:
                train(config, resume=resume, console=Console(quiet=True))
            told.append(refusal)
            raise KeyboardInterrupt
        return reset(self, instances)

    monkeypatch.setattr(ToyWorld, "reset", meanwhile)
    with pytest.raises(KeyboardInterrupt):
        train(config, resume=False, console=Console(quiet=True))
    assert told
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    with hold(tmp_path / "run"):
        assert RunFolder(tmp_path / "run").check()


def test_a_folder_with_nothing_but_a_lock_is_empty(tmp_path: Path) -> None:
    with hold(tmp_path):
        assert not RunFolder(tmp_path).check()


def test_two_evaluations_do_not_write_into_one_folder(agentgym: Callable[..., Answer], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 1, "--out", out)
    with holder(out) as process:
        answer = agentgym(*arguments)
        assert (answer.code, f"{out} is being written by process {process.pid}." in answer.message) == (1, True)
        with pytest.raises(ConfigError, match=f"process {process.pid}"):
            evaluate_from_python(out)
        assert [path.name for path in out.iterdir()] == [LOCK]
    assert agentgym(*arguments).code == 0
    assert evaluate_from_python(out) == 0


def evaluate_from_python(folder: Path) -> int:
    return agentgym.evaluate("toy", "oracle", episodes=1, folder=folder).steps


@pytest.mark.parametrize("inside", ["", "trajectories/before", "trajectories"])
def test_a_training_runs_folder_takes_no_other_episodes(
    agentgym: Callable[..., Answer], tmp_path: Path, inside: str
) -> None:
    (tmp_path / "config.yaml").write_text("model: nano\n")
    arguments = ("eval", "--policy", "oracle", "--tasks", "toy", "--episodes", 1, "--out")
    answer = agentgym(*arguments, tmp_path / inside)
    assert (answer.code, "belongs to the training run in" in answer.message) == (1, True)
    with pytest.raises(ConfigError, match="belongs to the training run in"):
        evaluate_from_python(tmp_path / inside)
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]
    assert agentgym(*arguments, tmp_path / "eval").code == 0
