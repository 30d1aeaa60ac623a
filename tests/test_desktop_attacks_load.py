"""What an agent in a sandbox may try against the machine and the scorer: to fill them up. Others keep answering."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from agentgym.errors import SessionCrashedError
from agentgym_desktop.child import Log
from agentgym_desktop.door import Door
from agentgym_desktop.keeping import Line
from agentgym_desktop.rootfs import PYTHON
from agentgym_desktop.sandbox import LISTED, Sandbox
from agentgym_desktop.walls import SandboxSpec
from tests.desktop_walls import inside, without

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALL = SandboxSpec(memory_mb=160, processes=60, home_mb=4, tmp_mb=4, shm_mb=4, run_mb=4)
LARGE = SandboxSpec(memory_mb=1024, processes=400, home_mb=64, tmp_mb=64, shm_mb=64, run_mb=64)
ANSWER_S = 5.0  # the slowest answer of another sandbox on a machine that is also busy with other tests

FORKS = """
import os, sys, time
made = 0
for _ in range(int(sys.argv[1])):
    try:
        pid = os.fork()
    except BlockingIOError:
        break
    if pid == 0:
        os.closerange(0, 3)
        time.sleep(600)
    made += 1
print(made)
"""
BOMB = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
FILL = """
import os, sys
path, size = sys.argv[1] + "/filler", int(sys.argv[2])
try:
    with open(path, "wb", buffering=0) as file:
        for _ in range(size):
            if file.write(bytes(1 << 20)) < 1 << 20:
                raise OSError(28, "full")
    print("written")
except OSError as error:
    print(error.errno)
finally:
    os.unlink(path)
"""
WRITABLE = """
import os
for folder, below, _ in os.walk("/"):
    if folder in ("/usr", "/proc"):
        below.clear()  # one mount, tried at its top
    try:
        open(folder + "/mine", "w").close()
        os.unlink(folder + "/mine")
        print(folder)
    except OSError:
        pass
"""
SWITCHES = """
import os
for folder, _, files in os.walk("/proc/sys"):
    for name in files:
        try:
            os.close(os.open(folder + "/" + name, os.O_WRONLY))
            print(folder + "/" + name)
        except OSError:
            pass
"""
HOG = """
import sys
held = []
for _ in range(int(sys.argv[1])):
    held.append(b"x" * (1 << 20))
print("held")
"""
HOGS = """
import os, sys, time
for _ in range(4):
    if os.fork() == 0:
        held = [b"x" * (1 << 20) for _ in range(int(sys.argv[1]))]
        time.sleep(1)
        os._exit(0)
print(sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)))
"""
HOLD = """
import fcntl, signal, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = open("/tmp/leased", "w")
fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
open("/tmp/held", "w").close()
time.sleep(600)
"""


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    """A sandbox that is asked all the time, while others are attacked from inside."""
    with Sandbox.start() as started:
        answers: list[float] = []
        over = threading.Event()

        def ask() -> None:
            while not over.wait(0.02):
                began = time.monotonic()
                started.run(["true"], timeout_s=60)
                answers.append(time.monotonic() - began)

        thread = threading.Thread(target=ask)
        thread.start()
        yield started
        over.set()
        thread.join()
        assert answers
        assert max(answers) < ANSWER_S


@pytest.mark.usefixtures("other")
def test_the_number_of_processes_is_bounded() -> None:
    with Sandbox.start(SMALL) as sandbox:
        assert int(inside(sandbox, FORKS, "300")) < 60
        with pytest.raises(BlockingIOError):  # nothing can be started in it any more, but it answers
            [sandbox.spawn(["sleep", "600"]) for _ in range(60)]
        assert sandbox.list("/home/user") == []
    with Sandbox.start(LARGE) as open_one:
        assert inside(open_one, FORKS, "300") == "300"


def test_a_fork_bomb_hits_its_own_sandbox_alone(other: Sandbox) -> None:
    with Sandbox.start(SMALL) as sandbox:
        child = sandbox.spawn([PYTHON, "-c", BOMB])
        for _ in range(10):
            assert other.run(["echo", "here"], timeout_s=30).stdout == b"here\n"
        assert child.poll() is None
        assert sandbox.list("/home/user") == []
        began = time.monotonic()
    assert time.monotonic() - began < 10  # the end of it all


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("folder", ["/home/user", "/tmp", "/dev/shm", "/run"])
def test_no_folder_can_be_filled_beyond_its_size(folder: str) -> None:
    with Sandbox.start(SMALL) as sandbox:
        assert inside(sandbox, FILL, folder, "16") == "28"
        assert inside(sandbox, "print('goes on')") == "goes on"
    with Sandbox.start(LARGE) as open_one:
        assert inside(open_one, FILL, folder, "16") == "written"


def test_nothing_but_the_folders_of_a_size_can_be_written_to(other: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sized = ("/home/user", "/tmp", "/dev/shm", "/run")
    assert all(folder.startswith(sized) for folder in inside(other, WRITABLE).splitlines())
    without(monkeypatch, "--remount-ro /", "--remount-ro /dev")
    with Sandbox.start(SMALL) as open_one:
        found = inside(open_one, WRITABLE).splitlines()
        assert {"/", "/dev", "/etc"} <= set(found)
        assert inside(open_one, FILL, "/etc", "16") == "written"


def test_no_switch_of_the_kernels_can_be_set(other: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inside(other, SWITCHES) == ""
    without(monkeypatch, "--ro-bind /proc/sys /proc/sys")
    with Sandbox.start() as open_one:
        assert "/proc/sys/kernel/msgmnb" in inside(open_one, SWITCHES)


@pytest.mark.usefixtures("other")
def test_a_memory_hog_is_ended_and_its_sandbox_goes_on() -> None:
    with Sandbox.start(SMALL) as sandbox:
        hog = sandbox.run([PYTHON, "-c", HOG, "300"], timeout_s=60)
        if "control group" in sandbox.applied.memory:
            assert hog.status == -9
        assert b"held" not in hog.stdout
        assert inside(sandbox, "print('goes on')") == "goes on"
    with Sandbox.start(LARGE) as open_one:
        assert inside(open_one, HOG, "300") == "held"


@pytest.mark.usefixtures("other")
def test_memory_is_bounded_for_all_programs_together() -> None:
    with Sandbox.start(SMALL) as sandbox:
        if "control group" not in sandbox.applied.memory:
            assert any("not all together" in shortfall for shortfall in sandbox.applied.shortfalls)
            return
        assert "-9" in inside(sandbox, HOGS, "70")
    with Sandbox.start(LARGE) as open_one:
        assert inside(open_one, HOGS, "70") == "[0, 0, 0, 0]"


@pytest.mark.usefixtures("other")
def test_a_sandbox_whose_files_take_all_its_memory_still_answers() -> None:
    with Sandbox.start(SandboxSpec(memory_mb=64, tmp_mb=128)) as sandbox:
        if "control group" not in sandbox.applied.memory:
            pytest.skip("files count as memory only in a control group")
        filling = sandbox.run([PYTHON, "-c", FILL, "/tmp", "100"], timeout_s=60)
        assert filling.status == -9  # what fills it up is killed, before it can remove the file
        assert sandbox.list("/tmp") == [".ICE-unix", ".X11-unix", "filler"]


def test_a_sandbox_that_ended_for_its_memory_says_so() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    line, log = Line(), Log()
    os.write(line.theirs(), b'{"out_of_memory_kills": 3}')
    door = Door(ours, line, log, memory_mb=64)
    with pytest.raises(SessionCrashedError, match="more than its 64 MB of memory"):
        door.ask("anything", b"list")
    for end in (door, line, log):
        end.close()


def test_output_without_end_is_cut(other: Sandbox) -> None:
    began = time.monotonic()
    bomb = other.run(["yes"], max_output=100_000)
    assert (bomb.cut, bomb.status, len(bomb.stdout)) == (True, None, 100_000)
    errors = other.run(["sh", "-c", "yes >&2"], max_output=100_000)
    assert (errors.cut, len(errors.stderr)) == (True, 100_000)
    whole = other.run(["head", "-c", "100000", "/dev/zero"], max_output=100_000)
    assert (whole.cut, whole.status, len(whole.stdout)) == (False, 0, 100_000)
    assert time.monotonic() - began < 10


def test_a_program_without_end_is_ended_and_one_that_leaves_a_child_is_not_waited_for(other: Sandbox) -> None:
    began = time.monotonic()
    slow = other.run(["sleep", "600"], timeout_s=0.2)
    assert (slow.timed_out, slow.status) == (True, None)
    left = other.run(["sh", "-c", "echo words; sleep 600 &"], timeout_s=60)
    assert (left.timed_out, left.status, left.stdout) == (False, 0, b"words\n")
    deaf = other.run(["sleep", "600"], input=bytes(1 << 20), timeout_s=0.2)
    assert deaf.timed_out
    assert time.monotonic() - began < 20


def test_a_log_has_its_size_however_much_is_written(other: Sandbox) -> None:
    child = other.spawn(
        ["sh", "-c", "yes 2>/dev/null; yes 2>/dev/null; echo done >/tmp/done; exec sleep 600"], log=10_000
    )
    while "done" not in other.list("/tmp"):
        assert child.poll() is None
    assert set(child.log()) == set(b"y\n")
    assert 5_000 < len(child.log()) <= 10_000  # whole pages of memory, as the kernel refuses them
    assert len(other.spawn(["true"], log=10).log()) == 0
    child.kill()


def test_files_that_are_no_files_are_not_read(other: Sandbox) -> None:
    other.run(["sh", "-c", "mkfifo pipe; truncate -s 1T huge; seq 20 >short"])
    inside(other, "import socket; socket.socket(socket.AF_UNIX).bind('sock')")
    with pytest.raises(OSError, match="more than the 100 bytes"):
        other.read("/home/user/huge", max_bytes=100)
    for path in ("/home/user/pipe", "/dev/zero", "/dev/full"):
        with pytest.raises(OSError, match="Not a regular file"):
            other.read(path, max_bytes=100)
    with pytest.raises(OSError, match="No such device"):
        other.read("/home/user/sock", max_bytes=100)
    with pytest.raises(OSError, match="No such device"):
        other.write("/home/user/pipe", b"x")
    assert len(other.read("/home/user/short", max_bytes=100)) == 51


def test_a_file_that_a_program_holds_a_lease_on_does_not_hold_up_its_reader(other: Sandbox) -> None:
    holder = other.spawn([PYTHON, "-c", HOLD])
    while "held" not in other.list("/tmp"):
        assert holder.poll() is None
    began = time.monotonic()
    with pytest.raises(BlockingIOError):
        other.read("/tmp/leased", max_bytes=100)
    assert time.monotonic() - began < ANSWER_S
    holder.kill()


def test_a_folder_of_very_many_names_is_listed_in_part(other: Sandbox) -> None:
    inside(other, f"import os\nos.mkdir('many')\nfor i in range({LISTED + 500}): open(f'many/{{i}}', 'w').close()")
    assert len(other.list("/home/user/many")) == LISTED
