"""The programs of a desktop, and how each is started: by name, with what must be installed for it.

A task names the apps that are open when its episode starts; standby desktops have them open already. What an app opens
for one seed alone, such as a document, is a `Start` in the task's `Setup`.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from agentgym.errors import MissingDependencyError

FOLDERS = ("usr/bin", "usr/games", "usr/sbin")


@dataclass(frozen=True)
class App:
    """A program with windows.

    Args:
        name: what people call it.
        argv: the command that starts it.
        package: of Debian, that has it.
        start_s: a window that is not there so long after the start will not come.
        accessible: whether it tells its elements.
        needs: a file without which it tells none, as a pattern; "" where there is no such file.
    """

    name: str
    argv: tuple[str, ...]
    package: str
    start_s: float = 20.0
    accessible: bool = True
    needs: str = ""

    def check(self, root: Path | None = None) -> None:
        """Check that it is installed.

        Args:
            root: the root file system of the desktops; None for the host's programs.

        Raises:
            MissingDependencyError: it is not.
        """
        found = shutil.which(self.argv[0]) is not None if root is None else _is_in(root, self.argv[0])
        if found and (not self.needs or any((root or Path("/")).glob(self.needs.lstrip("/")))):
            return
        lacking = f"{self.needs} to tell what it shows" if found else f"the program {self.argv[0]!r}"
        if root is None:
            where, cure = "", f"Install it with: sudo apt-get install --no-install-recommends {self.package}"
        else:
            where, cure = f" in {root}", f"Build that anew with: scripts/build_rootfs {root} {self.package}"
        raise MissingDependencyError(
            f"The desktop's {self.name} needs {lacking}, which is not installed{where}. {cure}"
        )

    def with_(self, *arguments: str) -> Start:
        """Return a start of it with arguments, such as a file in the home folder."""
        return Start(self, arguments)


@dataclass(frozen=True)
class Start:
    """An app that is started, with its arguments."""

    app: App
    arguments: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command."""
        return (*self.app.argv, *self.arguments)


_OFFICE = ("--norestore", "--nologo", "--nofirststartwizard", "--nolockcheck")

EDITOR = App("text editor", ("mousepad", "--disable-server"), "mousepad")
FILES = App(
    "file manager",
    ("pcmanfm", "--no-desktop"),
    "pcmanfm libatk-adaptor",
    needs="/usr/lib/*/gtk-2.0/modules/libatk-bridge.so",  # it is of GTK 2, which does not speak AT-SPI by itself
)
TERMINAL = App("terminal", ("xterm",), "xterm", accessible=False)
CALCULATOR = App("calculator", ("galculator",), "galculator")
CALC = App("spreadsheet", ("localc", *_OFFICE), "libreoffice-calc libreoffice-gtk3", start_s=60.0)
WRITER = App("word processor", ("lowriter", *_OFFICE), "libreoffice-writer libreoffice-gtk3", start_s=60.0)
PDF_VIEWER = App("PDF viewer", ("evince",), "evince")
IMAGE_VIEWER = App("image viewer", ("eog",), "eog")
_BROWSER = (
    "--no-sandbox",  # it stands within the desktop's walls already, and its own would need user namespaces
    "--test-type",  # says nothing of the line above
    "--force-renderer-accessibility",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-crash-reporter",
    "--disable-extensions",
    "--disable-sync",
    "--password-store=basic",
)
BROWSER = App("browser", ("chromium", *_BROWSER), "chromium", start_s=60.0)


def _is_in(root: Path, program: str) -> bool:
    """Return whether a root file system has a program; a link in it may point to where only it is the root."""
    return any((root / folder / program).is_symlink() or (root / folder / program).exists() for folder in FOLDERS)
