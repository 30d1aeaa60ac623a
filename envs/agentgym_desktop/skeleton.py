"""The image of containers that see the host's programs, or those of a prepared root: nearly empty, the rest is mounted.

What is mounted is what a bubblewrap sandbox has (`rootfs.arguments`); the image holds the folders and links for it.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from typing import TYPE_CHECKING

from agentgym.errors import WorldCrashedError
from agentgym_desktop import rootfs

if TYPE_CHECKING:
    from pathlib import Path

    from agentgym_desktop.engine import Engine

NAME = "agentgym-skeleton"
_lock = threading.Lock()  # imported twice at once, one of the two would stay behind without a name
OPEN = ("home", "run", "tmp")  # a folder of its own is mounted there, and runc before 1.2 gives it the mode of this
FOLDERS = ("dev", "etc", "home", "mnt", "proc", "root", "run", "sys", "tmp", "usr", "var")
LINKS = {"var/run": "/run", "var/tmp": "/tmp"}  # noqa: S108 (inside the container it is its own)


def mounts(root: Path | None) -> list[tuple[str, str]]:
    """Return what of the host is mounted read-only, and where.

    Raises:
        MissingDependencyError: as `rootfs.arguments`.
    """
    return [(source, target) for option, source, target in _triples(root) if option == "--ro-bind"]


def image(engine: Engine, root: Path | None) -> str:
    """Return the name of the image for a root file system, made if need be.

    Raises:
        WorldCrashedError: the engine cannot take it in.
    """
    content = archive({target: source for option, source, target in _triples(root) if option == "--symlink"})
    name = f"{NAME}:{hashlib.sha256(content).hexdigest()[:12]}"
    with _lock:
        if engine.ask("image", "inspect", name).status != 0:
            answer = engine.ask("import", "-", name, content=content)
            if answer.status != 0:
                raise WorldCrashedError(f"{engine.name} cannot import the image of desktops: {answer.complaint}")
    return name


def archive(links: dict[str, str]) -> bytes:
    """Return the image's files, with links beside its own; the same bytes for the same links."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name in OPEN else 0o755
            archive.addfile(folder)
        for name, to in sorted({**LINKS, **links}.items()):
            link = tarfile.TarInfo(name.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, to
            archive.addfile(link)
    return made.getvalue()


def _triples(root: Path | None) -> list[tuple[str, str, str]]:
    """Return the options of bubblewrap that have two arguments, with those."""
    words = rootfs.arguments(root)
    at = [place for place, word in enumerate(words) if word in ("--ro-bind", "--symlink")]
    return [(words[place], words[place + 1], words[place + 2]) for place in at]
