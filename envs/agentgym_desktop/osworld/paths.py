"""Paths of OSWorld's machine, as they are inside: its home folder is ours."""

from __future__ import annotations

import posixpath

from agentgym_desktop.rootfs import HOME

PROFILE = f"{HOME}/.config/chromium"  # of the browser
CHROME = ".config/google-chrome"  # of OSWorld's
FOLDERS = ("Desktop", "Documents", "Downloads", "Music", "Pictures", "Public", "Templates", "Videos")
"""Of the home folder, as every Ubuntu has them."""
_WRITABLE = (HOME, "/tmp")  # noqa: S108 (inside the sandbox, whose /tmp is its own)


def inside(path: str) -> str:
    """Return the absolute path inside; ``~`` and ``$HOME`` are the home folder, where a relative one starts, too."""
    for start in ("~/", "$HOME/", "${HOME}/"):
        if path.startswith(start):
            path = path[len(start) :]
    path = path.replace(CHROME, ".config/chromium")
    return posixpath.normpath(posixpath.join(HOME, path))


def writable(path: str) -> bool:
    """Return whether set-up may put a file there."""
    return any(inside(path).startswith(f"{folder}/") for folder in _WRITABLE)
