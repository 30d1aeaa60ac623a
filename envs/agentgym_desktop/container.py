"""The sandbox as a container of podman or docker: the same process 1 and door, with the engine's walls around them.

Process 1 comes to the door by a socket in a folder that is mounted read-only; the host takes one connection, before
any program runs inside, and removes the folder. Process 1 ends when the socket closes, so a container ends with its
owner, whatever ends that, and the engine removes it (``--rm``). What is left where owner and engine fail together has
its owner in its name, and is swept by whoever starts one next.

Fails as `Sandbox` does; MissingDependencyError says which engine or image is missing.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import shlex
import shutil
import socket
import tempfile
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agentgym.errors import AgentGymError, ConfigError, InfrastructureError, MissingDependencyError, WorldCrashedError
from agentgym_desktop import engine as engines
from agentgym_desktop import identity, limits, owner, rootfs, seccomp, skeleton
from agentgym_desktop.child import Log
from agentgym_desktop.contained import applied, process_limits
from agentgym_desktop.door import END_S, Door
from agentgym_desktop.launch import START_S
from agentgym_desktop.sandbox import Sandbox
from agentgym_desktop.walls import SandboxSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentgym_desktop.applied import Applied
    from agentgym_desktop.engine import Answer, Engine

MARK = "agentgym=desktop"
FOLDER = "/mnt"  # where process 1 finds its script and the door
ENGINES_OWN = ("/etc/hostname", "/etc/hosts")  # files that an engine writes itself
MAKE_FOLDERS = (
    f"umask 077 && mkdir -p {rootfs.HOME} && mkdir -m 755 /run/user && mkdir -m 700 {rootfs.RUNTIME} && "
    "mkdir -m 1777 /tmp/.X11-unix /tmp/.ICE-unix"
)
NO_IMAGE = ("no such image", "unable to find image", "image not known", "does not resolve to an image")
LOOK_S = 2.0  # after so long without a word, whether the container is still there is looked at
MANY = 32_768  # processes of a user, and the most that podman may give: what counts is the limit of each container


class ContainerSandbox(Sandbox):
    """A sandbox in a container; get one from `start`."""

    def __init__(self, spec: SandboxSpec, container: Container) -> None:
        super().__init__(spec, container)
        self.name = container.name
        """What the engine calls it."""

    @classmethod
    def start(cls, spec: SandboxSpec | None = None) -> ContainerSandbox:
        """Start a container and wait until it answers.

        Raises:
            MissingDependencyError: no engine works, or there is no such image; the message says what to do.
            WorldCrashedError: it could not be started for another reason, with what the engine said.
        """
        spec = spec or SandboxSpec()
        started = cls(spec, launch(spec))
        with contextlib.ExitStack() as undo:
            undo.callback(started.close)
            made = started.run(["/bin/sh", "-c", MAKE_FOLDERS], folder="/")
            if made.status != 0:
                said = made.stderr.decode(errors="replace").strip()[-400:]
                raise WorldCrashedError(
                    f"The folders of a container cannot be made: {said}. Its image must have /home, /run and /tmp; "
                    "with podman and runc before 1.2 they must be open to all (`chmod 1777`), as those of "
                    "scripts/build_rootfs are."
                )
            undo.pop_all()
        return started


class Silence:
    """Nobody tells how a container has ended."""

    def hear(self, key: str, timeout_s: float) -> None:
        """Return nothing, at once."""


@dataclass(frozen=True, eq=False)
class Container:
    """A container that has been started."""

    engine: Engine
    name: str
    control: socket.socket
    log: Log
    door: Door
    applied: Applied
    lease: Path
    """The folder that it was started from; gone once process 1 has come to the door."""
    owner_pid: int

    @property
    def pid(self) -> int:
        """The host's process id of its process 1; 0 where it has ended."""
        answer = self.engine.ask("inspect", "--format", "{{.State.Pid}}", self.name)
        return int(answer.stdout) if answer.status == 0 else 0

    def end(self) -> None:
        """End it, and wait until nothing is left of it."""
        if self.owner_pid != os.getpid():  # forked from its owner, whose it still is
            return
        self.door.shut()
        with contextlib.suppress(OSError):  # it has ended already
            self.control.shutdown(socket.SHUT_RDWR)
        try:
            remove(self.engine, self.name)
        except InfrastructureError:
            pass  # the engine is gone: process 1 has ended all the same
        finally:
            self.door.close()
            self.log.close()


def launch(spec: SandboxSpec) -> Container:
    """Start a container, and wait until its process 1 answers and has its limits.

    Raises:
        MissingDependencyError: as `ContainerSandbox.start`.
        WorldCrashedError: the same.
    """
    engine = engines.find()
    owner.sweep_once(engine)
    name = owner.name(secrets.token_hex(4))
    image = skeleton.image(engine, spec.root) if spec.image is None else spec.image
    with contextlib.ExitStack() as undo:
        with start_folder(name, spec) as folder, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            _listen(listener, folder / "door")
            undo.callback(_give_up, engine, name)
            answer = engine.ask(*command(spec, engine.name, name, folder, image))
            if answer.status != 0:
                raise refusal(engine, answer, spec.image)
            control = _let_in(listener, engine, name)
        log = Log()
        door = Door(control, Silence(), log, memory_mb=spec.memory_mb)
        undo.callback(door.close)
        undo.callback(log.close)
        socket.send_fds(control, [b"log"], [log.descriptor])
        held = Container(engine, name, control, log, door, _limit(spec, engine, door, log), folder, os.getpid())
        undo.pop_all()
    _HELD.add(held)
    return held


def command(spec: SandboxSpec, kind: str, name: str, folder: Path, image: str) -> list[str]:
    """Return the arguments of an engine that start a container.

    Args:
        spec: the sandbox.
        kind: of the engine, "podman" or "docker".
        name: of the container.
        folder: where the files of its start are.
        image: its image's name.
    """
    made = ["run", "--detach", "--rm", "--pull", "never", "--name", name, "--label", MARK]
    made += ["--network", "none", "--ipc", "private", "--hostname", "desktop", "--user", f"{rootfs.UID}:{rootfs.UID}"]
    made += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    made += ["--security-opt", f"seccomp={folder / 'seccomp.json'}"]
    made += ["--security-opt", "label=disable"]  # under SELinux a container may not speak to our socket otherwise
    made += ["--memory", f"{spec.memory_mb}m", "--memory-swap", f"{spec.memory_mb}m", "--cpu-shares", "1024"]
    made += ["--pids-limit", str(spec.processes)]
    # Given in full: podman's own are more than this user may have, where it has few.
    many, files = _at_most(resource.RLIMIT_NPROC, MANY), _at_most(resource.RLIMIT_NOFILE, limits.OPEN_FILES)
    made += ["--ulimit", f"nproc={many}:{many}", "--ulimit", f"nofile={files}:{files}", "--ulimit", "core=1:1"]
    made += ["--shm-size", f"{spec.shm_mb}m", "--log-driver", "none"]
    more = f",uid={rootfs.UID},gid={rootfs.UID}"  # which podman does not know
    if kind == "podman":  # it would else mount folders without a size, and copy into them what lies beneath
        made += ["--systemd", "false", "--read-only-tmpfs=false"]
        more = ",notmpcopyup"
    for path, size_mb in (("/home", spec.home_mb), ("/tmp", spec.tmp_mb), ("/run", spec.run_mb)):  # noqa: S108 (its own)
        made += ["--tmpfs", f"{path}:rw,exec,nosuid,nodev,size={size_mb}m,mode=1777{more}"]
    if spec.image is None and spec.root is None:
        made += ["--tmpfs", f"/usr/local:ro,size=4k{more}"]  # what this machine's people added is hidden
    for source, target in mounts(spec, folder):
        if "," in f"{source}{target}" or '"' in f"{source}{target}":
            raise ConfigError(f"A container cannot have {source!r} as {target!r}: no comma or quote may be in it.")
        made += ["--mount", f"type=bind,source={source},target={target},readonly"]
    made += ["--workdir", "/", "--entrypoint", rootfs.PYTHON, image]
    return [*made, "-I", "-S", f"{FOLDER}/init.py", f"{FOLDER}/socket"]


def mounts(spec: SandboxSpec, folder: Path) -> list[tuple[str, str]]:
    """Return what is mounted read-only: pairs of a path on the host and one inside."""
    made = skeleton.mounts(spec.root) if spec.image is None else []
    made += [(str(folder / Path(path).name), path) for path in settings(spec)]
    made += [(str(bind.source), bind.target) for bind in spec.binds]
    return [*made, (str(folder / "door"), FOLDER)]


def settings(spec: SandboxSpec) -> dict[str, bytes]:
    """Return the files of a container that say who and where programs are, beside those that the engine writes."""
    root = spec.root if spec.image is None else None
    made = {path: text for path, text in rootfs.settings(root).items() if path not in ENGINES_OWN}
    return {**made, "/etc/resolv.conf": b""}  # an engine's has the addresses of the host's network


@contextlib.contextmanager
def start_folder(name: str, spec: SandboxSpec) -> Iterator[Path]:
    """Make the folder that a container starts from; it is removed in the end, for what was mounted stays."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=identity.folder()))
    try:
        (folder / "door").mkdir()
        (folder / "door" / "init.py").write_bytes(Path(__file__).with_name("init.py").read_bytes())
        (folder / "seccomp.json").write_bytes(seccomp.profile())
        for path, content in settings(spec).items():
            (folder / Path(path).name).write_bytes(content)
        for made in folder.rglob("*"):
            made.chmod(0o755 if made.is_dir() else 0o644)
        yield folder
    finally:
        shutil.rmtree(folder)


def remove(engine: Engine, name: str) -> None:
    """Remove a container in whatever state, and wait until it is gone."""
    at_once = ("--time", "0") if engine.name == "podman" else ()
    end = time.monotonic() + END_S
    while True:
        engine.ask("rm", "--force", *at_once, name)  # it may be gone, or on its way
        if not _is_there(engine, name) or time.monotonic() > end:
            return
        time.sleep(0.05)


def refusal(engine: Engine, answer: Answer, image: str | None) -> AgentGymError:
    """Make the error for a container that an engine did not start."""
    if image is not None and any(sign in answer.complaint.lower() for sign in NO_IMAGE):
        command = shlex.join(engine.command)
        return MissingDependencyError(
            f"There is no image {image!r} in {engine.name}. Make it with `scripts/build_rootfs FOLDER && tar -C FOLDER "
            f"--numeric-owner -c . | {command} import - {image}`, or leave `image` out to have this machine's programs."
        )
    return WorldCrashedError(f"{engine.name} {engine.version} did not start a container: {answer.complaint}")


def _at_most(limit: int, value: int) -> int:
    """Return a value of a limit, or what we may have ourselves where that is less."""
    hard = resource.getrlimit(limit)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _listen(listener: socket.socket, folder: Path) -> None:
    """Listen at a socket in a folder, however long the folder's path is: an address has but 107 bytes."""
    above = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{above}/socket")
    finally:
        os.close(above)
    (folder / "socket").chmod(0o666)  # the folder above it is closed to all but us
    listener.listen(1)


def _is_there(engine: Engine, name: str) -> bool:
    """Say whether a container exists, in whatever state."""
    return bool(engine.ask("ps", "--all", "--quiet", "--filter", f"name=^{name}$").stdout.strip())


def _let_in(listener: socket.socket, engine: Engine, name: str) -> socket.socket:
    """Take process 1's connection."""
    end = time.monotonic() + START_S
    listener.settimeout(LOOK_S)
    while True:
        try:
            control, _ = listener.accept()
        except TimeoutError as error:
            if time.monotonic() < end and _is_there(engine, name):
                continue
            raise WorldCrashedError(
                f"{engine.name} started a container, but its process 1 did not come to the door. The engine must run "
                "on this very machine, and the image have Python 3.9 or later."
            ) from error
        control.setblocking(True)
        return control


def _limit(spec: SandboxSpec, engine: Engine, door: Door, log: Log) -> Applied:
    """Wait for process 1's first word, learn which limits the engine has set, and set the others."""
    if not door.wait_until_open(START_S):
        said = log.read().decode(errors="replace").strip()
        raise WorldCrashedError(f"A container's process 1 did not answer within {START_S:g} s. It said: {said!r}")
    walls = applied(spec, engine, door)
    for name, value in process_limits(spec, walls).items():
        door.ask(name, b"limit", name.encode(), b"%d" % value)
    return walls


def _give_up(engine: Engine, name: str) -> None:
    """Remove what there may be of a container that did not start."""
    with contextlib.suppress(InfrastructureError):
        remove(engine, name)


_HELD: weakref.WeakSet[Container] = weakref.WeakSet()


def _after_fork() -> None:
    """Let go of the doors in a forked process: else its parent's containers would outlive the parent."""
    for held in list(_HELD):
        held.control.close()


os.register_at_fork(after_in_child=_after_fork)
