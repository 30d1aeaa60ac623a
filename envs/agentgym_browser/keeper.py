"""The keeper: a small process between a world and its Chromium, so that nothing outlives the owner.

Run as ``python -I -S keeper.py PARENT_PID COMMAND…`` with the DevTools pipe on descriptors 3 and 4. It makes the
browser's data folder, starts the browser in a session of its own, and when the owner closes the keeper's standard
input, or dies in whatever way, kills the browser's process group, reaps it and removes the folder. Where the keeper
itself is killed, its browser follows, and the owner removes the folder, which has the keeper's process id in its name.
Its one line of output is the folder's path. It imports only what is needed: it starts in about 20 ms and holds about
10 MB.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile

POLL_S = 0.5  # how often the keeper looks whether its parent is still the owner
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def main(owner_pid: int, command: list[str]) -> None:
    """Run the browser until it ends or the owner is gone."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # Ctrl-C reaches the group: the owner decides
        signal.signal(number, signal.SIG_IGN)
    folder = tempfile.mkdtemp(prefix=f"agentgym-browser-{os.getpid()}-")
    try:
        os.write(1, os.fsencode(folder) + b"\n")
        os.close(1)
        browser = subprocess.Popen(  # noqa: S603 (the command is the owner's own)
            [*command, f"--user-data-dir={folder}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(3, 4),
            start_new_session=True,
            env={**os.environ, "HOME": folder, "TMPDIR": folder, "TZ": "UTC", "LANGUAGE": "en_US"},
            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 (one thread)
        )
        os.close(3)
        os.close(4)
        try:
            wait_for_end(browser, owner_pid)
        finally:
            kill_group(browser)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for_end(browser: subprocess.Popen[bytes], owner_pid: int) -> None:
    """Return when the browser has ended, standard input is closed or the owner is no longer our parent."""
    while browser.poll() is None and os.getppid() == owner_pid:
        readable, _, _ = select.select([0], [], [], POLL_S)
        if readable and not os.read(0, 1):
            return


def kill_group(browser: subprocess.Popen[bytes]) -> None:
    """Kill the browser with all its children, and reap them: as subreaper they all become ours."""
    try:
        os.killpg(browser.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
