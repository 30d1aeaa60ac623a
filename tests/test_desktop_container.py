"""The sandbox in a container of podman or docker: what it does, what it keeps apart, and what it leaves.

Run where an engine works, which is found out by having it run a program without any part of ours.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from agentgym.action import Type, Wait
from agentgym.env import AgentEnv
from agentgym.errors import AgentGymError, MissingDependencyError, SessionCrashedError
from agentgym_desktop import engine as engines
from agentgym_desktop import identity, owner, skeleton, walls
from agentgym_desktop.container import ContainerSandbox
from agentgym_desktop.engine import NAMES, VARIABLE, Engine
from agentgym_desktop.rootfs import PYTHON, Bind
from agentgym_desktop.walls import SandboxSpec
from agentgym_desktop.world import DesktopWorld
from tests.desktop_task import AppTask, act, begin, desktop_of
from tests.desktop_walls import host_folder, inside, mounts, on_host
from tests.test_desktop_attacks import CONNECT, MOUNT, NETWORK, READ, TRACE, service
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = Path(__file__).with_name("desktop_container_owner.py")
SERVER = """
import os, socket
server = socket.socket(socket.AF_UNIX)
server.bind("/tmp/service")
server.listen()
open("/tmp/listens", "w").close()
end, _ = server.accept()
uid = int.from_bytes(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[4:8], "little")
end.sendall(f"hello {uid}".encode())
"""
HOG = """
held = []
for _ in range(300):
    held.append(b"x" * 1_000_000)
print(len(held))
"""
FORKS = """
import os, time
made = 0
try:
    for _ in range(400):
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError:
    pass
print(made, flush=True)
os.killpg(0, 9)
"""


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine that can run a program here."""
    given = os.environ.get(VARIABLE, request.param)
    if request.param not in given:
        pytest.skip(f"{VARIABLE} is {given!r}, so {request.param} is not tried")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, given)
        engines.find.cache_clear()
        try:
            found = engines.find()
            image = skeleton.image(found, None)
        except AgentGymError as error:
            pytest.skip(str(error))
        usr = "type=bind,source=/usr,target=/usr,readonly"
        few = [word for name in ("nproc", "nofile") for word in ("--ulimit", f"{name}=4096:4096")]
        trial = ["run", "--rm", "--network", "none", *few, "--mount", usr, "--entrypoint", "/usr/bin/true", image]
        tried = found.ask(*trial)
        if tried.status != 0:
            pytest.skip(f"{request.param} cannot run a program: {tried.complaint}")
        yield found
    engines.find.cache_clear()


@pytest.fixture(scope="module")
def sandbox(engine: Engine) -> Iterator[ContainerSandbox]:
    with ContainerSandbox.start() as started:
        yield started


def there(engine: Engine, name: str) -> bool:
    """Say whether an engine still has a container, in whatever state."""
    return name in engine.ask("ps", "--all", "--format", "{{.Names}}").stdout.split()


class TestDoor:
    def test_programs_run_as_the_user_of_a_desktop_beside_process_1(self, sandbox: ContainerSandbox) -> None:
        assert sandbox.run(["id", "-un"]).stdout == b"user\n"
        assert sandbox.run(["sh", "-c", "cat; pwd; exit 3"], input=b"in ")[:2] == (3, b"in /home/user\n")
        assert b"init.py" in sandbox.read("/proc/1/cmdline", max_bytes=1000)
        assert sandbox.run(["sleep", "60"], timeout_s=0.2).timed_out
        with pytest.raises(FileNotFoundError):
            sandbox.run(["no-such-program"])

    def test_a_program_in_the_background_has_a_status_and_a_log(self, sandbox: ContainerSandbox) -> None:
        child = sandbox.spawn(["sh", "-c", "echo said; exit 4"])
        assert child.wait(10) == 4
        assert child.log() == b"said\n"
        child = sandbox.spawn(["sleep", "60"])
        assert child.poll() is None
        child.kill()
        assert child.wait(10) == -signal.SIGKILL

    def test_a_connection_comes_from_inside(self, sandbox: ContainerSandbox) -> None:
        sandbox.spawn([PYTHON, "-c", SERVER])
        wait_until(lambda: "listens" in sandbox.list("/tmp"))  # its socket is there before anybody listens
        with sandbox.connect("/tmp/service") as end:
            assert end.recv(100) == b"hello 1000"

    def test_files_are_written_and_read_and_links_lead_nowhere(self, sandbox: ContainerSandbox) -> None:
        sandbox.write("/home/user/a/b.txt", b"text", mode=0o600)
        assert sandbox.read("/home/user/a/b.txt", max_bytes=10) == b"text"
        assert sandbox.run(["stat", "-c", "%a %U", "a/b.txt"]).stdout == b"600 user\n"
        assert sandbox.list("/home/user/a") == ["b.txt"]
        descriptor = sandbox.open("/home/user/a", directory=True)
        os.close(descriptor)
        sandbox.run(["ln", "-s", "/etc/passwd", "a/link"])
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            sandbox.read("/home/user/a/link", max_bytes=10)


class TestWalls:
    def test_files_of_the_host_are_not_there(self, sandbox: ContainerSandbox, engine: Engine) -> None:
        with host_folder() as folder:
            secret = folder / "secret"
            secret.write_text("known")
            assert on_host(READ, str(secret)) == "known"
            for path in (str(secret), f"/proc/1/root{secret}", "/etc/shadow", "/root/.bashrc", "/usr/local/bin"):
                assert inside(sandbox, READ, path).endswith(("NotFoundError", "PermissionError", "IsADirectoryError"))
            with ContainerSandbox.start(SandboxSpec(binds=(Bind(secret, "/given"),))) as open_one:
                assert inside(open_one, READ, "/given") == "known"
                assert open_one.run(["sh", "-c", "echo mine >/given"]).status != 0
            assert secret.read_text() == "known"
        assert sandbox.list("/mnt") == sandbox.list("/usr/local") == []
        for path in ("/mine", "/usr/mine", "/etc/mine", "/mnt/mine", "/dev/mine"):
            assert sandbox.run(["touch", path]).status != 0
        assert engine.name in sandbox.applied.walls

    def test_there_is_no_network(self, sandbox: ContainerSandbox) -> None:
        assert "['lo']" in inside(sandbox, NETWORK)
        assert "Network is unreachable" in inside(sandbox, NETWORK)
        for abstract in ("", f"agentgym-test-{os.getpid()}"):
            kind = "abstract" if abstract else "inet"
            with service(abstract) as where:
                assert on_host(CONNECT, kind, where) == "hello"
                assert inside(sandbox, CONNECT, kind, where) == "ConnectionRefusedError"

    def test_no_namespace_can_be_made_and_process_1_cannot_be_traced(self, sandbox: ContainerSandbox) -> None:
        assert inside(sandbox, MOUNT).startswith("no namespace")
        assert inside(sandbox, TRACE, "1") == ""
        assert inside(sandbox, "import os; os.kill(1, 9); print('sent')") == "sent"
        assert sandbox.alive

    def test_memory_processes_and_folders_are_limited(self, engine: Engine) -> None:
        with ContainerSandbox.start(SandboxSpec(memory_mb=200, processes=50, home_mb=1)) as small:
            held = small.run([PYTHON, "-c", HOG], timeout_s=60)
            assert held.status != 0
            forked = small.run(["setsid", "-w", PYTHON, "-c", FORKS], timeout_s=60)
            assert 0 < int(forked.stdout) < 50
            full = small.run(["dd", "if=/dev/zero", "of=file", "bs=1M", "count=2"])
            assert b"No space left" in full.stderr
            assert small.alive
            assert "200 MB" in small.applied.describe()
        with ContainerSandbox.start(SandboxSpec(memory_mb=1000, processes=500, home_mb=3)) as large:
            assert large.run([PYTHON, "-c", HOG], timeout_s=60).stdout == b"300\n"
            assert int(large.run(["setsid", "-w", PYTHON, "-c", FORKS], timeout_s=60).stdout) == 400
            assert large.run(["dd", "if=/dev/zero", "of=file", "bs=1M", "count=2"]).status == 0
        assert f"{engine.name} {engine.version}" in large.applied.walls


class TestDesktop:
    def test_a_whole_desktop_stands_in_a_container(self, engine: Engine) -> None:
        with DesktopWorld(backend="container", standby=0) as world:
            observation = begin(world, AppTask())
            assert "Mousepad" in observation.title
            typed = act(world, Type("Grüße, 世界!")).observation
            assert "Grüße, 世界!" in {element.value for element in typed.elements if element.role == "textbox"}
            assert engine.name in world.isolation(0)
            name = desktop_of(world).sandbox.lease.name.partition(".")[0]
            assert there(engine, name)
        assert not there(engine, name)

    def test_an_environment_in_a_container_is_like_any_other(self, engine: Engine) -> None:
        ours = ("ps", "--all", "--quiet", "--filter", f"name=agentgym-{os.getpid()}-")
        before = engine.ask(*ours)
        world = DesktopWorld(backend="container", standby=1)
        with AgentEnv(world, AppTask(files={"note.txt": b"one"})) as env:
            observation, _ = env.reset(seed=3)
            assert env.observation_space.contains(observation)
            assert desktop_of(world).sandbox.read("/home/user/note.txt", max_bytes=9) == b"one"
            env.step(Wait(0))
        assert engine.ask(*ours) == before

    def test_a_machine_where_only_containers_work_is_told_to_use_them(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with host_folder() as folder:
            (folder / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
            (folder / "bwrap").chmod(0o755)
            monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
            walls.bubblewrap.cache_clear()
            with pytest.raises(MissingDependencyError, match=f'so give `backend="container"`.*{engine.name}'):
                DesktopWorld.check()
        monkeypatch.undo()
        walls.bubblewrap.cache_clear()

    def test_an_image_that_is_not_there_is_told_how_to_make(self, engine: Engine) -> None:
        with pytest.raises(MissingDependencyError, match=f"no image 'agentgym-nobody' in {engine.name}.*import -"):
            ContainerSandbox.start(SandboxSpec(image="agentgym-nobody"))


class TestEnd:
    def test_a_closed_container_leaves_nothing(self, engine: Engine) -> None:
        before = mounts()
        sandbox = ContainerSandbox.start()
        sandbox.spawn(["sh", "-c", "setsid sleep 600 & sleep 600"])
        first = psutil.Process(sandbox.host_pid)
        every = [first, *first.children(recursive=True)]
        assert there(engine, sandbox.name)
        assert not sandbox.lease.exists()
        sandbox.close()
        sandbox.close()
        assert not there(engine, sandbox.name)
        assert psutil.wait_procs(every, timeout=10)[1] == []
        wait_until(lambda: mounts() == before)  # an engine unmounts a little later
        with pytest.raises(SessionCrashedError, match="was closed"):
            sandbox.run(["true"])

    def test_a_container_that_was_killed_is_an_outcome_of_its_own(self, engine: Engine) -> None:
        with ContainerSandbox.start() as sandbox:
            child = sandbox.spawn(["sleep", "600"])
            assert engine.ask("kill", sandbox.name).status == 0
            assert child.wait(10) == -signal.SIGKILL
            with pytest.raises(SessionCrashedError, match="process 1 is gone"):
                sandbox.run(["true"])
            assert not sandbox.alive
        assert not there(engine, sandbox.name)

    def test_an_owner_that_is_killed_leaves_nothing(self, engine: Engine) -> None:
        process = subprocess.Popen([sys.executable, str(OWNER)], stdout=subprocess.PIPE, env={**os.environ})
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        first = psutil.Process(told["process"])
        every = [first, *first.children(recursive=True)]
        process.kill()
        process.wait()
        assert psutil.wait_procs(every, timeout=30)[1] == []
        assert psutil.pid_exists(told["forked"])  # what was forked from the owner does not hold it
        os.kill(told["forked"], signal.SIGKILL)
        process.stdout.close()
        wait_until(lambda: not there(engine, told["container"]))
        assert not list(identity.folder().glob(f"{told['container']}*"))

    def test_what_owners_left_that_died_before_is_swept_and_what_is_in_use_is_not(
        self, engine: Engine, sandbox: ContainerSandbox
    ) -> None:
        ours = owner.name("dead")
        dead = ours.replace(f"-{ours.split('-')[2]}-", "-1-")  # a process of another start time with our number
        assert engine.ask("create", "--name", dead, "--network", "none", skeleton.image(engine, None), "x").status == 0
        folder = identity.folder() / f"{dead}.start"
        folder.mkdir()
        assert there(engine, dead)
        assert owner.sweep(engine) == [dead]
        assert not there(engine, dead)
        assert not folder.exists()
        assert sandbox.run(["true"]).status == 0

    def test_containers_start_and_end_side_by_side(self, engine: Engine) -> None:
        said: list[bytes] = []

        def one() -> None:
            with ContainerSandbox.start() as sandbox:
                said.append(sandbox.run(["hostname"]).stdout)

        threads = [threading.Thread(target=one) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == [b"desktop\n"] * 3
        assert engine.name
