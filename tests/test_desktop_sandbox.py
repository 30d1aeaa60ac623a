"""The sandbox's door: programs, files and sockets inside."""

from __future__ import annotations

import errno
import gc
import os
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import ConfigError, MissingDependencyError, SessionCrashedError, WorldCrashedError
from agentgym_desktop import identity, limits, refusals, rootfs, seccomp, walls
from agentgym_desktop.rootfs import Bind
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.walls import SandboxSpec
from tests.desktop_walls import host_folder, inside, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

FORKS = """
import os, sys, time
for _ in range(int(sys.argv[1])):
    try:
        if os.fork() == 0:
            os.closerange(0, 3)
            time.sleep(60)
    except BlockingIOError:
        print("refused")
        break
"""
SERVER = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind("/run/user/1000/here")
server.listen()
print("listening", flush=True)
end, _ = server.accept()
import struct
end.send(struct.pack("iii", *struct.unpack("iii", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))))
end.recv(1)
"""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as started:
        yield started


def test_a_program_runs_with_its_input_and_tells_its_outputs_and_status(sandbox: Sandbox) -> None:
    done = sandbox.run(["sh", "-c", "cat; echo oops >&2; exit 3"], input=b"x" * 200_000)
    assert (done.status, done.stdout, done.stderr) == (3, b"x" * 200_000, b"oops\n")
    assert not done.timed_out
    assert not done.cut


def test_a_program_that_does_not_exist_is_an_answer_and_not_a_crash(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        sandbox.run(["no-such-program"])
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        sandbox.spawn(["no-such-program"])
    assert sandbox.alive


def test_a_spawned_program_has_a_log_and_a_status_and_can_be_killed(sandbox: Sandbox) -> None:
    child = sandbox.spawn(["sh", "-c", "echo started; exec sleep 600"], env={"WHO": "me"})
    assert child.poll() is None
    child.kill()
    assert child.wait(10) == -9
    assert child.wait() == -9
    assert sandbox.spawn(["sh", "-c", "echo $WHO in $PWD"], env={"WHO": "me"}, folder="/tmp").wait(10) == 0
    echo = sandbox.spawn(["sh", "-c", "echo $WHO in $PWD"], env={"WHO": "me"}, folder="/tmp")
    assert echo.wait(10) == 0
    assert echo.log() == b"me in /tmp\n"
    assert echo.log(2) == b"me"


def test_programs_are_an_ordinary_user_in_a_place_that_is_the_same_everywhere(sandbox: Sandbox) -> None:
    told = sandbox.run(["sh", "-c", "id -un; id -u; pwd; hostname; echo $HOME $LANG $TZ; cat /etc/machine-id"]).stdout
    assert told.decode().split() == [
        *("user", "1000", "/home/user", "desktop", "/home/user", "C.UTF-8", "UTC"),
        rootfs.MACHINE_ID.decode().strip(),
    ]


def test_files_are_written_read_and_listed(sandbox: Sandbox) -> None:
    sandbox.write("/home/user/new/folder/notes.txt", b"first, and longer")
    sandbox.write("/home/user/new/folder/notes.txt", b"second", mode=0o755)
    assert sandbox.read("/home/user/new/folder/notes.txt", max_bytes=6) == b"second"
    assert sandbox.list("/home/user/new/folder") == ["notes.txt"]
    assert sandbox.run(["stat", "-c", "%U %a", "new/folder/notes.txt"]).stdout == b"user 755\n"
    with pytest.raises(FileNotFoundError):
        sandbox.read("/home/user/none", max_bytes=1)
    with pytest.raises(IsADirectoryError):
        sandbox.read("/home/user/new", max_bytes=1)
    with pytest.raises(NotADirectoryError):
        sandbox.list("/home/user/new/folder/notes.txt")
    with pytest.raises(OSError, match="Read-only"):
        sandbox.write("/usr/here", b"")


def test_a_server_inside_sees_the_inside_user_as_the_peer_of_a_connection(sandbox: Sandbox) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.connect("/run/user/1000/nowhere")
    server = sandbox.spawn([rootfs.PYTHON, "-c", SERVER])
    while b"listening" not in server.log():
        assert server.poll() is None, server.log()
    with sandbox.connect("/run/user/1000/here") as end:
        pid, uid, gid = struct.unpack("iii", end.recv(12))
    assert (pid, uid, gid) == (1, 1000, 1000)
    assert server.wait(10) == 0


def test_binds_show_files_of_the_host_and_only_to_be_read() -> None:
    with host_folder() as folder:
        (folder / "given").write_text("hello")
        (folder / "given").chmod(0o666)
        with Sandbox.start(SandboxSpec(binds=(Bind(folder, "/given"),))) as sandbox:
            assert sandbox.read("/given/given", max_bytes=10) == b"hello"
            assert b"Read-only file system" in sandbox.run(["sh", "-c", "echo bye >/given/given"]).stderr
        assert (folder / "given").read_text() == "hello"


def test_calls_from_many_threads_get_their_own_answers(sandbox: Sandbox) -> None:
    for number in range(8):
        sandbox.write(f"/tmp/{number}", str(number).encode())
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(20):
            got = sandbox.read(f"/tmp/{number}", max_bytes=9)
            ran = sandbox.run(["echo", str(number)]).stdout.strip() if number % 4 == 0 else got
            if {got, ran} != {str(number).encode()}:
                wrong.append((number, got, ran))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_closed_sandbox_says_so_and_keeps_the_logs_of_its_programs() -> None:
    sandbox = Sandbox.start()
    child = sandbox.spawn(["sh", "-c", "echo words; exec sleep 600"])
    while not child.log():
        assert child.poll() is None
    before = len([*Path("/proc/self/fd").iterdir()])
    sandbox.close()
    sandbox.close()
    assert len([*Path("/proc/self/fd").iterdir()]) < before
    assert not sandbox.alive
    assert child.wait(10) == -9
    assert child.log() == b"words\n"
    with pytest.raises(SessionCrashedError, match="was closed"):
        sandbox.run(["true"])


def test_nothing_stays_open_for_a_program_that_nobody_holds(sandbox: Sandbox) -> None:
    sandbox.spawn(["sleep", "600"])
    gc.collect()
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(5):
        sandbox.spawn(["sleep", "600"])
        sandbox.run(["true"])
        sandbox.read("/etc/hosts", max_bytes=1000)
        sandbox.list("/tmp")
    gc.collect()
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_what_stands_around_the_programs_is_small(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may read how much memory process 1 holds")
    outer, first, *_ = processes(sandbox)
    assert rootfs.INIT in first.cmdline()
    with Sandbox.start():  # what it shares with that counts once, however many there are
        own = [process.memory_full_info().uss for process in (outer, first)]
    assert sum(own) < 6 * 1024 * 1024


def test_what_applies_is_reported(sandbox: Sandbox) -> None:
    text = sandbox.applied.describe()
    assert "nested user namespaces: closed" in text
    assert "home 256" in text
    if os.geteuid() == 0:
        assert sandbox.uid >= identity.LOWEST_UID
        assert sandbox.applied.own_user
    else:
        assert sandbox.uid == os.geteuid()


def test_every_sandbox_of_root_has_a_user_of_its_own(sandbox: Sandbox) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user has no other user to give")
    with Sandbox.start() as other:
        assert other.uid != sandbox.uid
        assert {process.uids().real for process in processes(other)} == {other.uid}


def test_a_machine_without_bubblewrap_is_told_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    walls.bubblewrap.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    try:
        with pytest.raises(MissingDependencyError, match="sudo apt-get install bubblewrap"):
            Sandbox.start()
    finally:
        monkeypatch.undo()
        walls.bubblewrap.cache_clear()


def test_an_old_bubblewrap_is_told_from_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    walls.bubblewrap.cache_clear()
    with host_folder() as folder:
        (folder / "bwrap").write_text("#!/bin/sh\necho bubblewrap 0.4.1\n")
        (folder / "bwrap").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        with pytest.raises(MissingDependencyError, match=r"version 0\.4\.1; a desktop needs 0\.7"):
            walls.bubblewrap()
    monkeypatch.undo()
    walls.bubblewrap.cache_clear()


def test_a_root_without_python_is_told_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="scripts/build_rootfs"):
        Sandbox.start(SandboxSpec(root=tmp_path))


@pytest.mark.parametrize(
    ("switch", "bad", "remedy"),
    [(name, bad, remedy) for name, bad, remedy in refusals.SWITCHES],
)
def test_forbidden_user_namespaces_are_told_with_the_switch_to_set(
    tmp_path: Path, switch: str, bad: str, remedy: str
) -> None:
    (tmp_path / switch).parent.mkdir()
    (tmp_path / switch).write_text(bad + "\n")
    said = "bwrap: setting up uid map: Permission denied"
    error = refusals.explain(said, 1.0, tmp_path)
    assert isinstance(error, MissingDependencyError)
    assert f"`sudo sysctl -w {remedy}`" in str(error)
    assert said in str(error)


def test_namespaces_refused_without_a_switch_point_to_the_container() -> None:
    error = refusals.explain("bwrap: No permissions to create new namespace", 1.0, Path("/nowhere"))
    assert isinstance(error, MissingDependencyError)
    assert "container" in str(error)


@pytest.mark.parametrize(
    "why", ["Resource temporarily unavailable", "nesting depth or max_*_namespaces exceeded (ENOSPC)"]
)
def test_namespaces_that_are_only_used_up_are_a_failure_of_the_machine_and_not_of_its_set_up(why: str) -> None:
    error = refusals.explain(f"bwrap: Creating new namespace failed: {why}", 1.0, Path("/nowhere"))
    assert isinstance(error, WorldCrashedError)
    assert why in str(error)


def test_bubblewraps_own_complaint_is_in_the_error() -> None:
    with pytest.raises(WorldCrashedError, match="/no/such/folder"):
        Sandbox.start(SandboxSpec(binds=(Bind(Path("/no/such/folder"), "/given"),)))


def test_a_lease_folder_of_somebody_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with host_folder() as folder:
        (folder / "agentgym-desktop-12345").mkdir()
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        with pytest.raises(ConfigError, match="only you can write to"):
            identity.lease()


def test_groups_are_found_in_both_versions_of_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "unified" / "user.slice" / "mine"
    own.mkdir(parents=True)
    (own.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "cgroup").write_text("4:memory:/job\n0::/user.slice/mine\n")
    (tmp_path / "mountinfo").write_text(
        f"30 20 0:1 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"31 20 0:2 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n"
    )
    old, new = limits.plan("ours", 64, 10, proc=tmp_path)
    assert (old.version, old.path.parent) == (1, tmp_path / "memory" / "job")
    assert old.settings == (("memory.limit_in_bytes", str(64 << 20)),)
    assert (new.version, new.path.parent) == (2, own.parent)
    assert new.settings == (("memory.max", str(64 << 20)), ("pids.max", "10"))
    monkeypatch.setenv(limits.ENVIRONMENT_VARIABLE, str(tmp_path / "given"))
    assert [group.path.parent for group in limits.plan("ours", 64, 10, proc=tmp_path)] == [tmp_path / "given"]


def test_without_control_groups_processes_have_limits_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limits.ENVIRONMENT_VARIABLE, "/nowhere/delegated")
    with Sandbox.start(SandboxSpec(memory_mb=64, processes=50)) as sandbox:
        assert sandbox.applied.memory == "64 MB, each process by rlimit"
        assert sandbox.applied.processes == "50, rlimit"
        [memory, *_] = sandbox.applied.shortfalls
        assert "no control group" in memory
        assert "/nowhere/delegated" in memory
        assert inside(sandbox, "import resource as r; print(r.getrlimit(r.RLIMIT_DATA)[0] >> 20)") == "64"
        hog = "try:\n    bytearray(100 << 20)\nexcept MemoryError: print('refused')"
        assert inside(sandbox, hog) == "refused"
        many = sandbox.run([rootfs.PYTHON, "-c", FORKS, "60"])
        assert many.stdout == b"refused\n"
        assert sandbox.alive


def test_the_filter_is_a_program_of_the_kernels(sandbox: Sandbox) -> None:
    assert len(seccomp.program()) % 8 == 0
    assert "Seccomp:\t2" in inside(sandbox, "print(open('/proc/self/status').read())")


def test_a_connection_survives_its_sandbox_only_as_an_end_of_file() -> None:
    with Sandbox.start() as sandbox:
        server = sandbox.spawn([rootfs.PYTHON, "-c", SERVER])
        while b"listening" not in server.log():
            assert server.poll() is None, server.log()
        end = sandbox.connect("/run/user/1000/here")
        assert len(end.recv(12, socket.MSG_WAITALL)) == 12
    with end:
        assert end.recv(1) == b""


def test_a_request_that_is_too_long_is_refused_before_it_is_sent(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="too long") as caught:
        sandbox.run(["echo", "x" * 200_000])
    assert caught.value.errno == errno.E2BIG
    assert sandbox.alive


def test_a_name_with_a_nul_is_an_answer_and_not_the_end_of_the_sandbox(sandbox: Sandbox) -> None:
    for ask in (
        lambda: sandbox.read("/tmp/a\0b", max_bytes=1),
        lambda: sandbox.list("/tmp\0"),
        lambda: sandbox.connect("\0"),
    ):
        with pytest.raises(OSError, match="NUL"):
            ask()
    assert sandbox.run(["echo", "here"]).stdout == b"here\n"
