"""What an agent in a sandbox may try against the host: each attack, and the control that shows that it is one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agentgym_desktop import identity
from agentgym_desktop.rootfs import PYTHON, Bind
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.walls import SandboxSpec
from tests.desktop_walls import NOBODY, host_folder, inside, named, on_host, without

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECT = """
import socket, sys
family, where = sys.argv[1], sys.argv[2]
end = socket.socket(socket.AF_INET if family == "inet" else socket.AF_UNIX)
try:
    end.connect(("127.0.0.1", int(where)) if family == "inet" else chr(0) + where)
    print(end.recv(9).decode())
except OSError as error:
    print(type(error).__name__)
"""
NETWORK = """
import os, socket
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    end.connect(("192.0.2.1", 9))
    reach = "route"
except OSError as error:
    reach = error.strerror
print([name for _, name in socket.if_nameindex()], os.readlink("/proc/self/ns/net"), reach)
"""
SOCKET = """
import socket
try:
    socket.socket(40, socket.SOCK_STREAM)  # AF_VSOCK: the host of a virtual machine, from any network namespace
    print("made")
except OSError as error:
    print(error.errno)
"""
READ = """
import sys
try:
    print(open(sys.argv[1]).read())
except OSError as error:
    print(type(error).__name__)
"""
SIGNAL = """
import os, sys
try:
    print(sys.argv[1] in os.listdir("/proc"), os.kill(int(sys.argv[1]), 0))
except OSError as error:
    print(sys.argv[1] in os.listdir("/proc"), type(error).__name__)
"""
MOUNT = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000 | 0x00020000):
    print("no namespace:", os.strerror(ctypes.get_errno()))
elif libc.mount(b"mine", b"/tmp", b"tmpfs", 0, None):
    print("no mount:", os.strerror(ctypes.get_errno()))
else:
    print("mounted")
"""
TRACE = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1]) or os.fork()
if pid == 0:
    time.sleep(60)
PEEK, ATTACH, PIDFD_OPEN, PIDFD_GETFD = 1, 16, 434, 438
got = []
for name in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{pid}/{name}", "rb").close()
        got.append(name)
    except OSError:
        pass
try:
    os.listdir(f"/proc/{pid}/fd")
    got.append("descriptors")
except OSError:
    pass
if libc.syscall(PIDFD_GETFD, libc.syscall(PIDFD_OPEN, pid, 0), 2, 0) >= 0:
    got.append("a descriptor")
if libc.ptrace(ATTACH, pid, 0, 0) == 0:
    got.append("trace")
print(",".join(got))
if not int(sys.argv[1]):
    os.kill(pid, 9)
"""
IDENTITY = "import os; print(os.geteuid())"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as started:
        yield started


@contextlib.contextmanager
def service(abstract: str) -> Iterator[str]:
    """A service of the host that says hello to whoever connects; at an abstract address, or on loopback."""
    with socket.socket(socket.AF_UNIX if abstract else socket.AF_INET) as server:
        server.bind("\0" + abstract if abstract else ("127.0.0.1", 0))
        server.listen()

        def answer() -> None:
            with contextlib.suppress(OSError):  # it is shut down
                while True:
                    end, _ = server.accept()
                    with end:
                        end.sendall(b"hello")

        thread = threading.Thread(target=answer)
        thread.start()
        yield abstract or str(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("kind", ["inet", "abstract"])
def test_services_of_the_host_are_out_of_reach(sandbox: Sandbox, kind: str) -> None:
    with service(f"agentgym-{os.getpid()}" if kind == "abstract" else "") as where:
        assert on_host(CONNECT, kind, where) == "hello"
        assert inside(sandbox, CONNECT, kind, where) == "ConnectionRefusedError"


def test_there_is_no_network_but_a_loopback(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    names, space, reach = inside(sandbox, NETWORK).split(maxsplit=2)
    assert (names, reach) == ("['lo']", "Network is unreachable")
    without(monkeypatch, "--unshare-net")
    with Sandbox.start() as open_one:
        assert inside(open_one, NETWORK) == on_host(NETWORK)
        assert space not in on_host(NETWORK)


def test_sockets_that_no_network_namespace_holds_cannot_be_made(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inside(sandbox, SOCKET) == "38"
    without(monkeypatch, "--seccomp")
    with Sandbox.start() as open_one:
        assert inside(open_one, SOCKET) == on_host(SOCKET) != "38"


def test_files_of_the_host_are_not_there(sandbox: Sandbox) -> None:
    with host_folder() as folder:
        secret = folder / "secret"
        secret.write_text("the secret")
        assert on_host(READ, str(secret)) == "the secret"
        for path in (
            str(secret),
            f"/proc/1/root{secret}",
            "/etc/shadow",
            "/root/.profile",
            "/run/systemd",
            "/sys/kernel",
        ):
            assert inside(sandbox, READ, path) in {"FileNotFoundError", "PermissionError"}
        with Sandbox.start(SandboxSpec(binds=(Bind(secret, "/given"),))) as open_one:
            assert inside(open_one, READ, "/given") == "the secret"


def test_what_only_root_may_read_stays_so_even_in_a_bound_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user cannot make files that it may not read")
    with host_folder() as folder:
        (folder / "shadow").write_text("the secret")
        (folder / "shadow").chmod(0o600)
        spec = SandboxSpec(binds=(Bind(folder, "/given"),))
        with Sandbox.start(spec) as sandbox:
            assert inside(sandbox, READ, "/given/shadow") == "PermissionError"
        monkeypatch.setattr(identity, "_uids", lambda: None)
        with Sandbox.start(spec) as as_root:
            assert inside(as_root, READ, "/given/shadow") == "the secret"


def test_a_link_in_place_of_a_result_leads_nowhere(sandbox: Sandbox) -> None:
    with host_folder() as folder:
        (folder / "secret").write_text("the secret")
        child = sandbox.spawn(["sh", "-c", f"ln -s {folder} there; ln -s {folder}/secret result; exec sleep 600"])
        while not (sleepers := [pid for name, pid in named(sandbox) if name == "sleep"]):
            assert child.poll() is None
        for path in ("result", "there/secret"):  # a checker that follows the path on the host is led to the secret
            assert Path(f"/proc/{sleepers[0]}/root/home/user/{path}").read_text() == "the secret"
            with pytest.raises(OSError, match="symbolic links"):
                sandbox.read(f"/home/user/{path}", max_bytes=100)
            with pytest.raises(OSError, match="symbolic links"):
                sandbox.write(f"/home/user/{path}", b"broken")
        for path in (f"/home/user/../../..{folder}/secret", f"/proc/self/root{folder}/secret"):
            with pytest.raises(OSError):  # noqa: PT011 (whichever way it is refused)
                sandbox.read(path, max_bytes=100)
        with pytest.raises(OSError, match="symbolic links"):
            sandbox.list("/home/user/there")
        assert (folder / "secret").read_text() == "the secret"
        child.kill()


def test_processes_of_the_host_are_not_seen(sandbox: Sandbox) -> None:
    victim = subprocess.Popen(["sleep", "600"], user=NOBODY if os.geteuid() == 0 else None)
    try:
        assert on_host(SIGNAL, str(victim.pid)) == "True None"
        assert inside(sandbox, SIGNAL, str(victim.pid)) == "False ProcessLookupError"
        sandbox.run(["sh", "-c", "kill -9 -1"])
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
    assert inside(sandbox, "print(1)") == "1"


def test_no_user_namespace_and_no_mount_can_be_made_inside(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_host(MOUNT) == "mounted"
    assert inside(sandbox, MOUNT) == "no namespace: Operation not permitted"
    with monkeypatch.context() as patch:
        without(patch, "--seccomp")
        with Sandbox.start() as one_wall:
            assert inside(one_wall, MOUNT) == "no namespace: No space left on device"  # the limit of namespaces
    with monkeypatch.context() as patch:
        without(patch, "--disable-userns")
        with Sandbox.start() as one_wall:
            assert inside(one_wall, MOUNT) == "no namespace: Operation not permitted"
    without(monkeypatch, "--seccomp", "--disable-userns")
    with Sandbox.start() as open_one:
        assert inside(open_one, MOUNT) == "mounted"


def test_process_1_can_be_neither_traced_nor_read_nor_ended(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_host(TRACE, "0") == "mem,environ,maps,descriptors,a descriptor,trace"
    assert inside(sandbox, TRACE, "1") == ""
    assert inside(sandbox, TRACE, "0") == "mem,environ,maps,descriptors"  # the filter alone keeps from the others
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL, signal.SIGCHLD, signal.SIGUSR1):
        inside(sandbox, f"import os; os.kill(1, {int(number)})")
    limit = "import resource as r\ntry: print(r.prlimit(%s, r.RLIMIT_CPU, (1, 1)))\nexcept OSError as e: print(e.errno)"
    assert inside(sandbox, limit % 1) == "38"
    assert sandbox.alive
    without(monkeypatch, "--seccomp")
    with Sandbox.start() as open_one:
        assert inside(open_one, TRACE, "1") == ""  # that it is not dumpable holds by itself
        assert inside(open_one, TRACE, "0") == "mem,environ,maps,descriptors,a descriptor,trace"
        assert inside(open_one, limit % 1) != "38"


def test_setuid_programs_have_no_effect() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a program that runs as root")
    with host_folder() as folder:
        program = folder / "become"
        shutil.copy(os.path.realpath(PYTHON), program)
        os.chown(program, 0, 0)
        program.chmod(0o4755)
        control = subprocess.run(
            [program, "-c", IDENTITY],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            check=True,
            cwd="/",
        )
        assert control.stdout == b"0\n"
        with Sandbox.start(SandboxSpec(binds=(Bind(folder, "/given"),))) as sandbox:
            assert sandbox.run(["/given/become", "-c", IDENTITY]).stdout == b"1000\n"
            flags = inside(sandbox, "print(open('/proc/self/mounts').read())").splitlines()
            assert all("nosuid" in line.split()[3].split(",") for line in flags)
