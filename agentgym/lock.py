"""The lock of a folder: one process at a time writes what a run or an evaluation keeps there.

Held by flock on the file ``.lock`` in the folder, so the kernel frees it when the process ends, in whatever way; the
file stays, and what it says of a process that is gone means nothing. It belongs to the process that took it: forked
children let go of it, and programs that it starts never have it. It goes with a folder that is renamed, and whoever
then makes a new folder of the old name has another lock.

Not locked: reading, and folders on file systems that have no locks (ENOLCK, ENOSYS, EOPNOTSUPP), where work goes on
without one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from agentgym.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK = ".lock"
NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


class FolderLock:
    """The right to write in a folder.

    Args:
        folder: of whom; what is at this path when the lock is taken.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / LOCK
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"FolderLock({str(self._folder)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def take(self) -> None:
        """Take the lock, making the folder where there is none; a lock of the folder that was there before is freed.

        Raises:
            ConfigError: somebody else has it; the message names the process.
            OSError: the folder cannot be written.
        """
        while True:
            self._folder.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                if self._folder.exists():
                    raise
                continue  # moved aside since it was made
            if self._is_there(self._file):
                os.close(file)
                return
            _OPEN.add(file)
            try:
                locked = self._locked(file)
                if locked:
                    os.ftruncate(file, 0)
                    os.pwrite(file, f"{os.getpid()} {socket.gethostname()}\n".encode(), 0)
            except BaseException:
                _close(file)
                raise
            if self._is_there(file):
                break
            _close(file)  # locked, and not at this path any more: somebody has moved the folder aside meanwhile
        self.release()
        self._file = file

    def release(self) -> None:
        """Free the lock; without one nothing happens."""
        file, self._file = self._file, None
        if file is not None:
            _close(file)

    def _locked(self, file: int) -> bool:
        """Lock a file; False where the file system has no locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"{self._folder} is being written by {_holder(file)}. Wait until it ends, stop it, or choose another "
                "folder."
            ) from error
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            return False
        return True

    def _is_there(self, file: int | None) -> bool:
        """Whether an open file is the one in the folder."""
        if file is None:
            return False
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False


@contextmanager
def hold(folder: Path | None) -> Iterator[None]:
    """Hold a folder's lock, see `FolderLock.take`; None needs none."""
    if folder is None:
        yield
        return
    with FolderLock(folder) as lock:
        lock.take()
        yield


def _holder(file: int) -> str:
    """Name the process that has written itself into a lock's file."""
    number, _, machine = os.pread(file, 1000, 0).decode(errors="replace").strip().partition(" ")
    if not number.isdigit():
        return "another process"  # it has the lock, and has not said so yet
    return f"process {number}" + ("" if machine == socket.gethostname() else f" on {machine}")


_OPEN: set[int] = set()
"""The files of this process's locks."""


def _close(file: int) -> None:
    if file in _OPEN:  # in a forked child it may be another file by now
        _OPEN.remove(file)
        os.close(file)


def _let_go() -> None:
    """Close a forked child's copies: as long as one is open, the lock outlives the process that took it."""
    for file in list(_OPEN):
        _close(file)


os.register_at_fork(after_in_child=_let_go)
