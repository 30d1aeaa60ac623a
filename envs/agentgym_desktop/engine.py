"""Container engines, podman and docker: which of them works on this machine, and how it is asked.

`AGENTGYM_CONTAINER_ENGINE` names another command, or one with options: ``podman --runtime runc``, ``docker --host …``.
Otherwise it is podman where that works, else docker.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agentgym.errors import MissingDependencyError, WorldCrashedError

VARIABLE = "AGENTGYM_CONTAINER_ENGINE"
NAMES = ("podman", "docker")
INSTALL = "Install one with `sudo apt-get install podman` (Debian, Ubuntu) or `sudo dnf install podman` (Fedora)"
NOWHERE = "/proc"  # no file can be made there: podman's monitor notes in its folder that a container lacked memory
TRIAL_S = 30.0
ANSWER_S = 120.0  # an engine with much to do takes its time
SAID = 600  # characters of a complaint that are told


class Answer(NamedTuple):
    """What an engine said."""

    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The end of what it said was wrong."""
        return (self.stderr.strip() or self.stdout.strip())[-SAID:] or f"no word, and status {self.status}"


@dataclass(frozen=True)
class Engine:
    """An engine that works."""

    command: tuple[str, ...]
    """How it is called."""
    version: str

    @property
    def name(self) -> str:
        """What it is: "podman" or "docker"."""
        return _name(self.command)

    def ask(self, *arguments: str, content: bytes = b"", timeout_s: float = ANSWER_S) -> Answer:
        """Have it do something, and return what it said.

        Args:
            arguments: of its command.
            content: what it reads.
            timeout_s: how long it may take.

        Raises:
            WorldCrashedError: it does not answer, or is no longer there.
        """
        return _ask((*self.command, *arguments), content, timeout_s)


@functools.cache
def find() -> Engine:
    """Return the engine to use, after one question to it.

    Raises:
        MissingDependencyError: none is installed and works; the message says what each said, and what to do.
    """
    given = shlex.split(os.environ.get(VARIABLE, ""))
    problems = []
    for command in [tuple(given)] if given else [(name,) for name in NAMES]:
        try:
            return _try(command)
        except (MissingDependencyError, WorldCrashedError) as error:
            problems.append(str(error))
    raise MissingDependencyError(
        f"A desktop in a container needs podman or docker. {' '.join(problems)} {INSTALL}, start docker's service, or "
        f"set {VARIABLE} to a command that works, such as `podman --runtime runc`."
    )


def _try(command: tuple[str, ...]) -> Engine:
    path = shutil.which(command[0])
    if path is None:
        raise MissingDependencyError(f"{command[0]} is not installed.")
    question = ("info", "--format", "{{.Version.Version}}")
    if _name(command) == "docker":  # its `info` does not fail where its service does not answer
        question = ("version", "--format", "{{.Server.Version}}")
    answer = _ask((path, *command[1:], *question), b"", TRIAL_S)
    if answer.status != 0:
        raise MissingDependencyError(f"{shlex.join(command)} does not work ({answer.complaint}).")
    return Engine((path, *command[1:]), answer.stdout.strip())


def _name(command: tuple[str, ...]) -> str:
    return "podman" if "podman" in Path(command[0]).name else "docker"


def _ask(command: tuple[str, ...], content: bytes, timeout_s: float) -> Answer:
    try:
        done = subprocess.run(  # noqa: S603 (the user's own engine)
            command,
            input=content,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd=NOWHERE,
            start_new_session=True,  # an interrupt from the keyboard must not leave a container half made
        )
    except subprocess.TimeoutExpired as error:
        raise WorldCrashedError(
            f"The container engine did not answer `{shlex.join(command[:3])}` in {timeout_s:g} s."
        ) from error
    except OSError as error:
        raise WorldCrashedError(f"The container engine {command[0]} cannot be started: {error}.") from error
    return Answer(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
