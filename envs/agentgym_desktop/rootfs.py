"""What a sandbox sees of files: a prepared root file system, or the host's programs and the few settings they need.

Of the host: /usr without /usr/local, and the named parts of /etc and /var, all read-only. Not visible: homes,
/etc/shadow, the host's users, name, addresses and services. A prepared root (`scripts/build_rootfs`) is the same on
every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agentgym.errors import MissingDependencyError

USER = "user"
UID = 1000
HOME = "/home/user"
RUNTIME = f"/run/user/{UID}"
PYTHON = "/usr/bin/python3"
INIT = "/.agentgym/init.py"
TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # of old: links into /usr, or folders
HOST_PARTS = (
    "etc/alternatives",
    "etc/X11",
    "etc/at-spi2",
    "etc/chromium",
    "etc/chromium.d",
    "etc/dbus-1",
    "etc/dconf",
    "etc/debian_version",
    "etc/default/locale",
    "etc/fonts",
    "etc/glvnd",
    "etc/gtk-2.0",
    "etc/gtk-3.0",
    "etc/gtk-4.0",
    "etc/inputrc",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/ld.so.conf.d",
    "etc/libreoffice",
    "etc/locale.alias",
    "etc/mime.types",
    "etc/os-release",
    "etc/papersize",
    "etc/profile",
    "etc/bash.bashrc",
    "etc/python3",
    "etc/ssl/certs",
    "etc/terminfo",
    "etc/xdg",
    "var/cache/fontconfig",
    "var/lib/libreoffice",
)
MACHINE_ID = b"a6e0" * 8 + b"\n"  # the same in every sandbox, so that nothing depends on the machine
SETTINGS: dict[str, bytes] = {
    "/etc/passwd": f"{USER}:x:{UID}:{UID}:{USER}:{HOME}:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n".encode(),
    "/etc/group": f"{USER}:x:{UID}:\nnogroup:x:65534:\n".encode(),
    "/etc/hostname": b"desktop\n",
    "/etc/hosts": b"127.0.0.1 localhost desktop\n::1 localhost\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files\n",
    "/etc/machine-id": MACHINE_ID,
    "/etc/timezone": b"Etc/UTC\n",
}


@dataclass(frozen=True)
class Bind:
    """A file or folder of the host that is visible inside, read-only; whoever is inside can read all that is in it."""

    source: Path
    target: str


def arguments(root: Path | None) -> list[str]:
    """Return bubblewrap's arguments for the files of ``root``, or of the host where it is None.

    Raises:
        MissingDependencyError: there is no root file system in that folder, or no Python in it.
    """
    base = root or Path("/")
    if not (base / PYTHON.lstrip("/")).exists():
        how = "sudo apt-get install python3-minimal" if root is None else f"scripts/build_rootfs {root}"
        raise MissingDependencyError(f"A sandbox needs {PYTHON}, which is not in {base}. Run `{how}`.")
    made = ["--ro-bind", str(base / "usr"), "/usr"]
    for name in TOP:
        part = base / name
        if part.is_symlink():
            made += ["--symlink", str(part.readlink()), f"/{name}"]
        elif part.is_dir():
            made += ["--ro-bind", str(part), f"/{name}"]
    if root is None:
        made += ["--tmpfs", "/usr/local", "--remount-ro", "/usr/local"]  # what this machine's people added
        for name in HOST_PARTS:
            if (base / name).exists():
                made += ["--ro-bind", str(base / name), f"/{name}"]
    else:
        for name in ("etc", "var", "opt"):
            if (base / name).is_dir():
                made += ["--ro-bind", str(base / name), f"/{name}"]
    return made


def settings(root: Path | None) -> dict[str, bytes]:
    """Return the files that say who and where programs are: the same with any root, where it has a place for them."""
    return {path: text for path, text in SETTINGS.items() if root is None or (root / path.lstrip("/")).exists()}
