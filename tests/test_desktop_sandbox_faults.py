"""Sandboxes, their keeper and their owner killed: the outcome has a type, and nothing is left."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agentgym.errors import SessionCrashedError, SessionTimeoutError, WorldCrashedError
from agentgym_desktop import door, identity
from agentgym_desktop.keeping import keeper
from agentgym_desktop.sandbox import Sandbox
from tests.desktop_walls import control_groups, mounts, processes

if TYPE_CHECKING:
    from collections.abc import Callable

OWNER = Path(__file__).with_name("desktop_owner.py")
PATIENCE_S = 30.0


def wait_until(true: Callable[[], bool], what: str) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"{what} did not come about within {PATIENCE_S} s"
        time.sleep(0.01)


def gone(found: list[psutil.Process]) -> bool:
    """Say whether processes have ended."""
    return all(has_ended(process) for process in found)


def has_ended(process: psutil.Process) -> bool:
    """Say whether a process has ended, whether its parent has asked for it or not."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # in between
        return True


def stale() -> list[Path]:
    """Return the leases that nobody holds, without touching them."""
    found = []
    for path in identity.folder().glob("*.lease"):
        try:
            with path.open("rb") as lease:
                fcntl.flock(lease, fcntl.LOCK_SH | fcntl.LOCK_NB)
                found.append(path)
        except (BlockingIOError, FileNotFoundError):
            continue
    return found


@pytest.mark.parametrize("victim", ["bubblewrap", "process 1"])
def test_a_killed_sandbox_is_known_by_its_error_and_leaves_nothing(victim: str) -> None:
    before = mounts()
    with Sandbox.start() as other, Sandbox.start() as sandbox:
        child = sandbox.spawn(["sh", "-c", "setsid sleep 600 & sleep 600"])
        wait_until(lambda: len(processes(sandbox)) == 5, "two sleeping programs")
        every = processes(sandbox)
        groups = len(control_groups(os.getpid()))
        every[0 if victim == "bubblewrap" else 1].kill()
        wait_until(lambda: not sandbox.alive, "the news")
        with pytest.raises(SessionCrashedError, match="process 1 is gone"):
            sandbox.list("/tmp")
        assert child.wait(PATIENCE_S) == -9
        wait_until(lambda: gone(every), "the end of all processes")
        with pytest.raises(SessionCrashedError):
            sandbox.run(["true"])
        wait_until(lambda: len(control_groups(os.getpid())) * 2 == groups, "the end of its control groups")
        assert other.run(["true"]).status == 0
    assert mounts() == before


def test_a_closed_sandbox_leaves_nothing() -> None:
    before = mounts()
    sandbox = Sandbox.start()
    sandbox.spawn(["sh", "-c", "setsid sleep 600 & sleep 600"])
    every = processes(sandbox)
    groups, lease = control_groups(os.getpid()), sandbox.lease
    assert lease.exists()
    assert os.geteuid() != 0 or groups
    sandbox.close()
    assert gone(every)
    assert not control_groups(os.getpid())
    assert not lease.exists()
    assert mounts() == before


def test_a_stopped_sandbox_is_given_up_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "ANSWER_S", 0.2)
    with Sandbox.start() as sandbox:
        processes(sandbox)[1].suspend()
        with pytest.raises(SessionTimeoutError, match="did not answer within"):
            sandbox.list("/tmp")
        assert not sandbox.alive
        with pytest.raises(SessionCrashedError, match="given up"):
            sandbox.list("/tmp")
    assert not control_groups(os.getpid())


def start_owner(environment: dict[str, str] | None = None) -> tuple[subprocess.Popen[bytes], dict[str, object]]:
    """Start a process with two sandboxes."""
    owner = subprocess.Popen([sys.executable, OWNER], stdout=subprocess.PIPE, env=environment)
    assert owner.stdout is not None
    with owner.stdout:
        return owner, json.loads(owner.stdout.readline())


def below(told: dict[str, object]) -> list[psutil.Process]:
    """Return the keeper of an owner and all processes of its sandboxes."""
    assert isinstance(told["keeper"], int)
    process = psutil.Process(told["keeper"])
    wait_until(lambda: len(process.children(recursive=True)) == 2 * 5, "two sandboxes with two sleeping programs each")
    return [process, *process.children(recursive=True)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_sandboxes_end_with_their_owner(number: signal.Signals) -> None:
    owner, told = start_owner()
    every = below(told)
    owner.send_signal(number)
    owner.wait()
    wait_until(lambda: gone(every), "the end of all processes")
    assert not control_groups(owner.pid)
    assert not stale()


def test_sandboxes_end_with_their_keeper_and_the_next_one_sweeps() -> None:
    with Sandbox.start() as sandbox:
        killed = keeper().pid
        every = [psutil.Process(killed), *psutil.Process(killed).children(recursive=True)]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: gone(every), "the end of all processes")
        with pytest.raises(SessionCrashedError):
            sandbox.run(["true"])
        with Sandbox.start() as next_one:
            assert keeper().pid != killed
            assert next_one.run(["true"]).status == 0
    assert not control_groups(os.getpid())
    assert not stale()


def test_a_keeper_that_can_start_nothing_says_why_and_keeps_the_others() -> None:
    with Sandbox.start() as sandbox:
        before = resource.prlimit(keeper().pid, resource.RLIMIT_NPROC)
        resource.prlimit(keeper().pid, resource.RLIMIT_NPROC, (0, before[1]))
        try:
            with pytest.raises(WorldCrashedError, match="Resource temporarily unavailable"):
                Sandbox.start()
        finally:
            resource.prlimit(keeper().pid, resource.RLIMIT_NPROC, before)
        assert sandbox.run(["true"]).status == 0
        with Sandbox.start() as next_one:
            assert next_one.run(["true"]).status == 0
    assert not control_groups(os.getpid())


def test_what_an_owner_and_its_keeper_leave_when_killed_together_is_swept_by_the_next() -> None:
    owner, told = start_owner()
    every = below(told)
    every[0].kill()
    owner.kill()
    owner.wait()
    wait_until(lambda: gone(every), "the end of all processes")
    assert stale()
    with Sandbox.start():
        assert not stale()
        assert not control_groups(owner.pid)


def test_a_process_that_was_left_waiting_for_a_dead_bubblewrap_is_swept() -> None:
    lease = identity.lease()
    lease.record([])
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", lease.name])
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", f"{lease.name}0"])
    try:
        identity.sweep()
        assert left.poll() is None  # the lease is held
        os.close(lease.lock)
        identity.sweep()
        assert left.wait(PATIENCE_S) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
    assert not lease.path.exists() or identity._lock(lease.path) is None  # another test may have leased it meanwhile


def test_a_fork_of_the_owner_keeps_no_sandbox_alive_and_has_its_own() -> None:
    sandbox = Sandbox.start()
    every = processes(sandbox)
    ours, theirs = multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with Sandbox.start() as own:
                theirs.send((own.run(["echo", "mine"]).stdout, keeper().pid))
            theirs.recv()
        finally:
            os._exit(0)
    said, other_keeper = ours.recv()
    assert said == b"mine\n"
    assert other_keeper != keeper().pid
    sandbox.close()
    assert gone(every)
    theirs.close()
    ours.send("go")
    os.waitpid(pid, 0)


def test_an_owner_that_ends_while_a_fork_of_it_lives_on_leaves_nothing() -> None:
    script = """if True:
        import os
        from agentgym_desktop.sandbox import Sandbox
        sandbox = Sandbox.start()
        heard, said = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(1)
            os.read(heard, 1)  # until the test kills it
        print(pid, sandbox.lease, flush=True)
    """
    ended = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    pid, lease = ended.stdout.decode().split()
    try:
        assert psutil.pid_exists(int(pid))
        assert not Path(lease).exists()
    finally:
        os.kill(int(pid), signal.SIGKILL)
